"""What `show --why` says of a customer, `drift` of what happened to it, and a plan's trial of what would go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.reports import (
    DriftFinding,
    DriftReason,
    FieldOutcome,
    Remark,
    RemarkCode,
    Row,
    TrialFailure,
    TrialFault,
)
from reconciler.report.messages import Wording, said, worded
from reconciler.report.messages.plan import blocked_wording, learned_text

REMARKS: Mapping[RemarkCode, Wording] = {
    # Is it declared?
    RemarkCode.DECLARED_AT: Wording("It is declared at {source}."),
    RemarkCode.NOT_DECLARED: Wording("It is not declared."),
    RemarkCode.RENAMED: Wording("A `moved` line ({source}) renames it to {to:q}."),
    RemarkCode.FORGOTTEN: Wording("`forget` names it ({source})."),
    RemarkCode.ARCHIVED_SET: Wording("`archived: true` is set, so it should be archived."),
    RemarkCode.ARCHIVED_NOT_SET: Wording("`archived: true` is not set."),
    RemarkCode.PROTECT_SET: Wording("`protect: true` is set."),
    RemarkCode.PROTECT_LIFTED: Wording("`protect: false` is set."),
    RemarkCode.IGNORES: Wording("`ignore_changes` names {fields}."),
    RemarkCode.WAS_IN_READ: Wording("Its entry was in {file}, which was read."),
    RemarkCode.WAS_IN_UNREAD: Wording("Its entry was in {file}, which was not read this time."),
    RemarkCode.IN_PROJECT: Wording("It belongs to project {project:q}, which is not this one."),
    RemarkCode.LEFT_OUT: Wording("The environment's `include` and `exclude` leave it out."),
    # Who is it?
    RemarkCode.PINNED: Wording("Its `id:` line names {id}."),
    RemarkCode.BOUND: Wording("The ledger binds it to {id} ({state}, {via})."),
    RemarkCode.NOT_IN_LEDGER: Wording("It is not in the ledger."),
    RemarkCode.CARRIED_BY: Wording("{ids} {ids:is|are} listed with this external_id."),
    RemarkCode.CARRIED_BY_NONE: Wording("No listed customer has this external_id."),
    RemarkCode.FOUND_BY_PIN: Wording("So it is {id}: the `id:` line names it."),
    RemarkCode.FOUND_BY_MOVE: Wording("So it is {id}: a `moved` line gives it this key."),
    RemarkCode.FOUND_BY_CREATE: Wording("So it is {id}: Reconciler created it, and the ledger binds this key to it."),
    RemarkCode.FOUND_BY_MATCH: Wording("So it is {id}: it has this external_id."),
    RemarkCode.NOBODY: Wording("So no live customer is it."),
    RemarkCode.UNDECIDED: Wording("So we can't tell which customer it is. What is blocked below says why."),
    RemarkCode.NOT_READ_YET: Wording("So we don't know yet which customer it is."),
    # Is it active?
    RemarkCode.SYNCED_AS: Wording("An integration syncs it: its customer_integration_id is {integration_id:q}."),
    RemarkCode.LISTED: Wording("{id} is listed."),
    RemarkCode.NOT_LISTED: Wording("{id} is not listed."),
    RemarkCode.IN_NARROW_LIST: Wording("A list of the time when it was created has it."),
    RemarkCode.NOT_IN_NARROW_LIST: Wording("A list of the time when it was created does not have it."),
    RemarkCode.GET_FOUND: Wording("A GET still returns it."),
    RemarkCode.GET_NOT_FOUND: Wording("A GET returns 404."),
    RemarkCode.WRITTEN_RECENTLY: Wording(
        "Reconciler wrote to it less than {seconds} s ago, and it reads as it was before: either reads lag, or "
        "someone changed it back."
    ),
    RemarkCode.ARCHIVED_LISTING_UNKNOWN: Wording(
        "Reconciler archived it. We don't know yet whether the server lists archived customers."
    ),
    RemarkCode.ARCHIVED_ARE_LISTED: Wording("Reconciler archived it. The server lists archived customers."),
    RemarkCode.ARCHIVED_ARE_NOT_LISTED: Wording("Reconciler archived it. The server does not list archived customers."),
    RemarkCode.LISTING_KNOWN_BY: Wording("How we know: {how}."),
    RemarkCode.ACTIVE: Wording("So it is active."),
    RemarkCode.COUNTS_AS_ACTIVE: Wording("So it counts as active."),
    RemarkCode.ARCHIVED_BY_US: Wording("So it is archived, by Reconciler."),
    RemarkCode.COUNTS_AS_ARCHIVED: Wording("So it counts as still archived."),
    RemarkCode.ARCHIVED_OUTSIDE: Wording("So someone outside Reconciler archived it."),
    RemarkCode.HIDDEN_OR_GONE: Wording("So it is hidden or gone."),
    RemarkCode.INCONCLUSIVE: Wording("That is not enough to tell."),
    RemarkCode.RESTORED_SINCE: Wording("Reconciler had archived it, so someone has restored it since."),
    # What differs?
    RemarkCode.FIELD_NOT_DECLARED: Wording("It is no longer declared."),
    RemarkCode.FIELD_IGNORED: Wording("`ignore_changes` names it."),
    RemarkCode.FIELD_OWNED: Wording("An integration owns it: `synced.fields` names it."),
    RemarkCode.UNRECORDED: Wording("Nothing is recorded, and live {live:equals|differs from} declared."),
    RemarkCode.COMPARED: Wording(
        "Declared {applied:equals|differs from} applied, live {live:equals|differs from} declared, and live "
        "{observed:equals|differs from} observed."
    ),
    # May it be archived?
    RemarkCode.IS_DECLARED: Wording("It is declared."),
    RemarkCode.NOT_MANAGED: Wording("It is not in the ledger, so it is not managed."),
    RemarkCode.FILE_NOT_READ: Wording("The file of its entry was not read: {file}."),
    RemarkCode.FILE_UNKNOWN: Wording("The ledger does not know which file its entry was in."),
    RemarkCode.STATE_IS: Wording("In the ledger it is {state}."),
    RemarkCode.ENTRY_REMOVED: Wording(
        "It is managed here, its file was read, and its entry is no longer there.",
        "To keep it, declare it again, or name it under `forget:`.",
    ),
    RemarkCode.OWNED: Wording("`prune: all` is set, `owns` matches its external_id, and no entry declares it."),
    RemarkCode.ABSENT: Wording("It is not listed."),
    RemarkCode.PRUNE_IS: Wording("`prune: {prune}` is set."),
    RemarkCode.OTHER_KEY: Wording("A `moved` line gives its customer another key."),
    RemarkCode.NOT_OWNED: Wording("No pattern of `owns` matches its external_id."),
    RemarkCode.IN_LEDGER: Wording("It is in the ledger, so only `entry_gone` decides."),
    RemarkCode.PROTECTED: Wording("It is protected in the ledger."),
    RemarkCode.NOT_PROTECTED: Wording("It is not protected in the ledger."),
    RemarkCode.PATTERN: Wording("A pattern matches it."),
    RemarkCode.PATTERN_AT: Wording("A pattern matches it ({source})."),
    RemarkCode.NO_PATTERN: Wording("No pattern matches it."),
    RemarkCode.OBSERVED: Wording(
        "`synced.lifecycle: observe` is set, and an integration syncs it: the integration decides whether it is active."
    ),
    RemarkCode.CLAIMED: Wording("{id} is, or may be, a declared customer."),
}

OUTCOMES: Mapping[FieldOutcome, str] = {
    FieldOutcome.RELEASED: "released: it stays as it is",
    FieldOutcome.NOT_COMPARED: "not compared",
    FieldOutcome.BLOCKED: "blocked",
    FieldOutcome.UNCHANGED: "unchanged",
    FieldOutcome.PATCH: "patch",
}


def remark_text(one: Remark) -> str:
    """
    Return a remark in words, with what to do where there is something.

    >>> remark_text(Remark(RemarkCode.FOUND_BY_MATCH, {"id": "cus_1"}))
    'So it is cus_1: it has this external_id.'
    >>> remark_text(Remark(RemarkCode.COMPARED, {"applied": True, "live": False, "observed": True}))
    'Declared equals applied, live differs from declared, and live equals observed.'
    """
    parts = one.parts
    if one.code is RemarkCode.LISTING_KNOWN_BY:
        parts = {"how": learned_text(str(parts["how"]))}
    return worded(REMARKS, one.code, parts).text


def outcome_text(row: Row) -> str:
    """Return what follows for a field."""
    cause = "" if row.cause is None else f" ({row.cause})"
    return OUTCOMES[row.then] + cause


def remark_json(one: Remark) -> dict[str, Any]:
    """Return the code of a remark, and its parts where it has some, as JSON has them."""
    from reconciler.model.convert import parts_to_json, plan_converter  # noqa: PLC0415 - only JSON needs it

    return {"code": one.code, **({"parts": parts_to_json(plan_converter(), one.parts)} if one.parts else {})}


DRIFT: Mapping[DriftReason, Wording] = {
    DriftReason.NOT_AS_APPLIED: Wording("It is not as Reconciler applied it."),
    DriftReason.NOT_AS_DECLARED: Wording("It is not as declared, and there is no record of who changed it."),
    DriftReason.ARCHIVED: Wording("Someone archived it, and it is declared active."),
    DriftReason.HIDDEN_OR_GONE: Wording(
        "It is not listed and a GET returns 404, so it is archived and hidden, or gone. It is declared active."
    ),
    DriftReason.RESTORED: Wording("Reconciler archived it, and someone restored it."),
    DriftReason.RESTORED_UNDECLARED: Wording(
        "Reconciler archived it, someone restored it, and no entry declares it.",
        "To manage it again, declare it. To archive it again, declare it `archived: true`.",
    ),
    DriftReason.SYNCED_ARCHIVED: Wording(
        "The integration archived it, and `synced.lifecycle: observe` leaves it archived.",
        "To agree, declare it `archived: true`.",
    ),
    DriftReason.SYNCED_FIELD: Wording(
        "It is not as declared in fields that the integration owns (`synced.fields`), and an apply leaves them.",
        "`reconciler drift --accept` writes them into the file.",
    ),
    DriftReason.DUPLICATED: Wording(
        "{customers} active customers have this external_id.", "`reconciler duplicates` shows them."
    ),
    DriftReason.APPEARED: Wording(
        "It was created at {created_at}, and no entry declares it.", "`reconciler import` adopts it."
    ),
}


def finding_text(one: DriftFinding) -> str:
    """
    Return what happened to a customer, with what to do where there is something.

    >>> from reconciler.model.core import Address
    >>> from reconciler.model.reports import DriftKind
    >>> why = (Remark(DriftReason.ARCHIVED),)
    >>> finding_text(DriftFinding(DriftKind.ARCHIVED, Address("acme"), None, why))
    'Someone archived it, and it is declared active.'
    """
    happened = [worded(DRIFT, remark.code, remark.parts) for remark in one.why]
    barred = list(map(blocked_wording, one.blocked))
    if happened and barred:
        # The field below says what it is; what can be done is what counts.
        barred = [Wording("Reconciler cannot change it back.", wording.fix) for wording in barred]
    sentences = (sentence for wording in (*happened, *barred) for sentence in (wording.what, wording.fix))
    return " ".join(dict.fromkeys(filter(None, sentences)))


FAULTS: Mapping[TrialFault, str] = {
    TrialFault.NO_ROW: "The ledger would have no row for its {action}.",
    TrialFault.OTHER_ID: "Its {action} is for another customer than the one that the ledger would bind.",
    TrialFault.CUSTOMER_NOT_CREATED: "Its {action} comes before its customer is created.",
    TrialFault.REFUSED: "The API's rules refuse its {action} with {status}.",
    TrialFault.NOT_TAKEN: "Its {action} would leave {fields} unchanged.",
    TrialFault.UNBOUND: "The ledger would bind no customer to it.",
    TrialFault.ACTIVE: "It would stay active.",
    TrialFault.ARCHIVED: "It would be archived.",
    TrialFault.DUPLICATED: "Several active customers would have its external_id.",
    TrialFault.NOT_AS_DECLARED: "{fields} would not be as declared.",
    TrialFault.USER_MISSING: "The user would not exist.",
    TrialFault.BLOCKED: "It would then be blocked.",
    TrialFault.PLANNED_AGAIN: "The next plan has its {action} again.",
}


def fault_text(one: TrialFailure) -> str:
    """
    Return what a plan would do wrong.

    >>> from reconciler.model.core import Address
    >>> fault_text(TrialFailure(Address("acme"), TrialFault.NOT_AS_DECLARED, fields=("city", "state")))
    'city and state would not be as declared.'
    """
    action = "" if one.action is None else one.action.replace("_", " ")
    return said(FAULTS[one.fault], {"action": action, "fields": one.fields, "status": one.status})
