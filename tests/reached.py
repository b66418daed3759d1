"""What a run must reach, and how it must count: rules of `rulebook`, in the same form."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from api_replies import stored
from entries import candidates, changes, held, row_of, rows_of, young
from story import Ran

from reconciler.model.core import Action, Status
from reconciler.model.ledger import BindingState
from reconciler.model.plan import Change
from reconciler.model.policy import Prune

# --- what differs ---------------------------------------------------------------------------------------


def patches_are_of_what_differs(ran: Ran) -> Iterator[str]:
    """A patch carries declared fields alone, none that is ignored or the same in canonical form."""
    for change in changes(ran, Action.PATCH):
        one = ran.desired.customers[change.address.external_id]
        for field in change.fields:
            if field.name not in one.fields or field.name in one.ignore_changes:
                yield f"{change.address}: {field.name} is patched and not managed"
            elif field.after != one.fields[field.name] or field.name in ("email", "external_id"):
                yield f"{change.address}: {field.name} is patched to {field.after!r}"
            elif canonical(field.name, field.before) == canonical(field.name, field.after):
                yield f"{change.address}: {field.name} is patched from {field.before!r} to {field.after!r}"


def canonical(name: str, value: str | None) -> str:
    """Return the form in which values compare: NFC, no outer blanks, EINs without hyphen, e-mails without case."""
    text = unicodedata.normalize("NFC", value or "").strip()
    return text.replace("-", "") if name == "ein" else text.casefold() if name == "email" else text


def what_is_declared_is_reached(ran: Ran) -> Iterator[str]:
    """Where every change was done, what is not blocked is as declared, as far as this server stores it."""
    if ran.applied.halt or any(one.status != "done" for one in ran.applied.outcomes):
        return
    blocked = {(row.address.external_id, row.field) for row in ran.applied.plan.blocked}
    after = {one.id: one for one in ran.after}
    for key, one in ran.desired.customers.items():
        ids = candidates(ran, one, ran.after)
        if (key, None) in blocked or one.archived or _unfinished(ran, key):
            continue
        there = [
            after[found] for found in ids if found in after and (not after[found].archived or ran.ways.lists_archived)
        ]
        if not there:
            yield f"{key!r} is wanted and not there"
        for name, value in one.fields.items():
            wanted = {canonical(name, value), canonical(name, stored(name, value or "", ran.ways))}
            if (key, name) in blocked or name in one.ignore_changes or not there:
                continue
            if not any(canonical(name, found.fields.get(name)) in wanted for found in there):
                yield f"{key!r}: {name} is {[found.fields.get(name) for found in there]}, declared {value!r}"


def _unfinished(ran: Ran, key: str) -> bool:
    """Say whether a customer was restored now, or written so lately that what others did is not looked at yet."""
    written = any(young(ran, row.id) for row in rows_of(ran, ran.desired.customers[key]))
    return written or any(change.address.external_id == key for change in changes(ran, Action.RESTORE))


def left(before: Ran, after: Ran) -> list[Change]:
    """Return what `after` planned again although `before` had done it; what was refused or skipped is not done."""
    refused = {
        one.change.address.external_id
        for one in before.ended(Status.FAILED)
        if not one.message.startswith("the server did not take")
    }
    skipped = {(one.change.action, one.change.address) for one in before.ended(Status.SKIPPED)}
    return [
        change
        for change in after.applied.plan.changes
        if change.address.external_id not in refused and (change.action, change.address) not in skipped
    ]


# --- what is counted ------------------------------------------------------------------------------------


def limits_name_what_exceeds_them(ran: Ran) -> Iterator[str]:
    """Archives, and restores of what others archived, are held against a tenth of the active customers, at least 1."""
    rows = ran.records.bindings.values()
    active = sum(row.state is BindingState.ACTIVE for row in rows)
    archives = len(changes(ran, Action.ARCHIVE))
    restores = sum(not held(row_of(ran, one.id), BindingState.ARCHIVED) for one in changes(ran, Action.RESTORE))
    if ran.terms.prune is Prune.ALL:
        return
    allowed = max(1, active // 10)
    planned = {"max_archives": archives, "max_restores": restores}
    wanted = {name: count for name, count in planned.items() if count > allowed}
    found = {limit.name: limit.planned for limit in ran.applied.plan.limits}
    if found != wanted:
        yield f"the limits are {found}, exceeded are {wanted}"


def unchanged_counts_the_rest(ran: Ran) -> Iterator[str]:
    """`unchanged` counts the declared customers with no change and nothing blocked."""
    plan = ran.applied.plan
    touched = {row.address.external_id for row in (*plan.changes, *plan.blocked)}
    rest = len(ran.desired.customers.keys() - touched)
    if plan.unchanged != rest:
        yield f"unchanged is {plan.unchanged}, it should be {rest}"
