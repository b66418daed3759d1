"""
From parts to a plan: ordered, held against the limits, priced. Or to the reads that it needs first.

This is the heart of the design. Planning is pure, so it cannot look anything up. Where the listing does not settle a
question (Is a customer archived that the list lacks? Which users does it have?), `make_plan` returns a `Draft` whose
`reads` are not empty. Its caller, `pipeline/plan.py`, sends those reads, adds the answers to `Live`, and calls
`make_plan` again with the same declared customers and records. That repeats until a draft asks for nothing:

    draft = make_plan(desired, live, records, terms)
    while draft.reads:
        live = await answer(client, live, draft.reads)
        draft = make_plan(desired, live, records, terms)

So each rule asks for what it needs where it needs it, only what is needed is read, and the same values always give the
same plan. It ends, as an answered read is never asked again.

A restore comes before the patch of the same customer, a create before its users; archives come last, so
that a run that stops half way has archived nothing that it should first have replaced.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from reconciler.model.core import Action, Desired, ListPaymentMethods, Live, Read
from reconciler.model.ledger import Learned, Records
from reconciler.model.plan import BindingChange, Change, Cost, Note, Part, Plan, Unknown, Unverified, unverified_parts
from reconciler.model.policy import SHORT, Since, Terms
from reconciler.model.reasons import NoteKind, UnknownKind
from reconciler.plan.limits import judge
from reconciler.plan.presence import created_keys, pass_of, reads_for
from reconciler.plan.server_behavior import LEARNING, archives_to_learn_from, known_ways, to_learn_from

_RANK = {Action.RESTORE: 0, Action.PATCH: 1, Action.CREATE: 2, Action.CREATE_USER: 2, Action.ARCHIVE: 3}


def ordered(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return `changes` in the order in which they are sent; within a rank by external_id, a create before its users."""
    return tuple(sorted(changes, key=_key))


def _key(change: Change) -> tuple[int, str, bool, str]:
    """Return the sort key of one change."""
    return (
        _RANK[change.action],
        change.address.external_id,
        change.action is Action.CREATE_USER,
        change.address.email or "",
    )


@dataclass(frozen=True, slots=True)
class Draft:
    """
    A plan, and what must be read before it is one.

    While `reads` is not empty the plan is not to be shown: read them, and make it again. `learned` is
    what is known of the server after this listing.
    """

    plan: Plan
    reads: tuple[Read, ...]
    learned: Learned


def not_yet(reads: tuple[Read, ...], terms: Terms, learned: Learned) -> Draft:
    """Return that nothing can be said before `reads` are read."""
    return Draft(Plan(terms.environment, terms.project), reads, learned)


def draft_of(
    part: Part,
    desired: Desired,
    live: Live,
    records: Records,
    terms: Terms,
    learned: Learned,
    *,
    notes: tuple[Note, ...] = (),
    unchanged: int = 0,
    out_of_scope: int = 0,
    again: bool = False,
    unverified: tuple[Unverified, ...] = (),
) -> Draft:
    """Return all that is planned as a plan; `notes` come before those of `part`, `again` wants one more listing."""
    part = replace(part, reads=part.reads + _last_reads(part, live, learned, again=again))
    plan = _plan(desired, live, records, terms, part)
    learns = to_learn_from(records, learned, terms, live) is not None
    if plan.changes and not learns:
        rows = {**records.bindings, **{entry.external_id: entry for entry in plan.entries}}
        learns = bool(archives_to_learn_from(plan.changes, rows, learned, terms))
    learning = LEARNING if learns else 0
    if unverified:
        notes = (*notes, Note(NoteKind.UNVERIFIED, parts=unverified_parts(unverified)))
    notes = (*notes, *_whole_notes(plan, live, learned, terms))
    plan = replace(
        plan,
        notes=notes + plan.notes,
        unchanged=unchanged,
        out_of_scope=out_of_scope,
        cost=Cost(len(plan.changes), live.requests + learning, terms.rate_per_s),
        fingerprint=_fingerprint(plan),
        listing=pass_of(live) if created_keys(plan.changes) and not (part.reads or live.narrowed) else None,
        unverified=unverified,
    )
    return Draft(plan, part.reads, learned)


def _last_reads(part: Part, live: Live, learned: Learned, *, again: bool) -> tuple[Read, ...]:
    """Return what is read only once the rest is known: a full last page's successor, all again, payment methods."""
    if part.reads:
        return ()
    if created_keys(part.changes) and (reads := reads_for(live, learned, again=again)):
        return reads
    return tuple(
        ListPaymentMethods(change.id)
        for change in part.changes
        if change.action is Action.ARCHIVE and change.id is not None and change.id not in live.payment_methods
    )


def _plan(desired: Desired, live: Live, records: Records, terms: Terms, part: Part) -> Plan:
    """Return the parts as a plan: in order, held against the limits."""
    changes = ordered(_counted(change, live) for change in part.changes)
    plan = Plan(
        environment=terms.environment,
        project=terms.project,
        changes=changes,
        bindings=_sorted_bindings(part.bindings),
        blocked=tuple(sorted(part.blocked, key=lambda row: (row.address.external_id, row.address.email or ""))),
        notes=part.notes,
        unknown=() if records.known else (Unknown(UnknownKind.NO_LEDGER),),
        files=desired.reading.files,
        folders=desired.reading.folders,
        globs=desired.reading.globs,
        targets=terms.targets,
        excludes=terms.excludes,
        since=terms.since,
        recreate=terms.recreate,
        entries=part.entries,
        users=part.users,
    )
    return judge(changes, records, live, len(desired.customers), terms).of(plan)


def _counted(change: Change, live: Live) -> Change:
    """Return an archive with the number of its customer's payment methods, where that was listed."""
    if change.action is not Action.ARCHIVE or change.id is None:
        return change
    return replace(change, payment_methods=live.payment_methods.get(change.id))


def _sorted_bindings(bindings: Iterable[BindingChange]) -> tuple[BindingChange, ...]:
    """Return bindings in the order of their addresses."""
    return tuple(sorted(bindings, key=lambda row: (row.address.external_id, row.action)))


def _whole_notes(plan: Plan, live: Live, learned: Learned, terms: Terms) -> Iterator[Note]:
    """Return what is to be said of the plan as a whole."""
    if live.narrowed and live.sought:
        yield Note(NoteKind.ONLY_TARGETS_READ)
    if terms.since is not None:
        yield _since_note(terms.since)
    if plan.count(Action.ARCHIVE) and known_ways(learned, terms)[0] is None:
        yield Note(NoteKind.LISTING_OF_ARCHIVED_UNKNOWN)


def _since_note(since: Since) -> Note:
    """Return what a plan of what changed since a commit is about."""
    if since.whole is not None:
        return Note(since.whole, parts=since.parts)
    numbers = {"planned": since.planned, "customers": since.customers}
    return Note(NoteKind.CHANGED_SINCE, parts={"ref": since.ref, "commit": since.commit[:SHORT], **numbers})


def _fingerprint(plan: Plan) -> str:
    """Return a digest of what the plan was made from, as far as it touches it."""
    digest = hashlib.sha256()
    for file in plan.files:
        digest.update(f"{file.name}\0{file.sha256}\n".encode())
    for change in plan.changes:
        digest.update(repr((change.action, change.address, change.id, change.fields)).encode())
    return digest.hexdigest()


def without_requests(plan: Plan, keys: AbstractSet[str]) -> Plan:
    """
    Return what `plan` writes into the ledger for those of `keys` that it neither changes nor holds back.

    Nothing else of it stays: no change, and no binding that ends or goes to another key.
    """
    busy = {one.address.external_id for one in plan.changes} | {one.address.external_id for one in plan.blocked}
    entries = tuple(row for row in plan.entries if row.external_id in keys - busy and row.id is not None)
    ids = {row.id for row in entries}
    return replace(
        plan, changes=(), bindings=(), entries=entries, users=tuple(row for row in plan.users if row.id in ids)
    )
