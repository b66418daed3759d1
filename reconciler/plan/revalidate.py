"""
A saved plan held against the plan of now: what of it is approved, what is stale, and what is needed as well. Pure.

A saved plan is an approval and nothing more. What an apply of it does and records is taken from the plan of now,
narrowed to what was approved: its values, its ids and its rows of the ledger are today's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from reconciler.errors import Refused
from reconciler.model.core import Action, Address, CustomerId, Desired, Live, Status
from reconciler.model.ledger import Binding, Intent, PutUsers, Records
from reconciler.model.plan import BindingChange, Blocked, Change, Plan, Stale, StaleReason
from reconciler.model.policy import Terms
from reconciler.model.reasons import StopReason, stop
from reconciler.plan.limits import judge
from reconciler.plan.presence import digest_of
from reconciler.plan.safety_checks import PROOF, as_recorded
from reconciler.plan.saved_plan import Evidence, SavedPlan, row_digest, users_digest
from reconciler.plan.scope import Scope, scope_of

Key = tuple[Action, Address]

_FIRST = (Action.RESTORE, Action.CREATE)
"""What makes a customer active: its other changes wait for that."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """
    What earlier runs of a saved plan did.

    - `done`: what they did; an approval is used up by it. `lost`: what they sent without an answer, so that it may be
      done. `tried`: what they sent, however it ended.
    - `created`: the customers that they created by key, None where the answer was lost.
    """

    done: AbstractSet[Key] = frozenset()
    lost: AbstractSet[Key] = frozenset()
    tried: AbstractSet[Key] = frozenset()
    created: Mapping[str, CustomerId | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Revalidated:
    """
    What became of a saved plan: `plan` is the plan of now, narrowed to what was approved.

    `needed` are the changes of now that were not approved. What is `stale` is not in `plan`, nor is what waits for it.
    """

    plan: Plan
    needed: tuple[Change, ...] = ()
    stale: tuple[Stale, ...] = ()


def earlier_of(intents: Iterable[Intent]) -> Earlier:
    """Return what the runs did whose intents these are."""
    ended: dict[Status | None, set[Key]] = {}
    created: dict[str, CustomerId | None] = {}
    for intent in intents:
        ended.setdefault(intent.status, set()).add((intent.action, intent.address))
        if intent.action is Action.CREATE and intent.status in (None, Status.DONE):
            created[intent.address.external_id] = intent.id
    tried = frozenset().union(*ended.values())
    return Earlier(ended.get(Status.DONE, frozenset()), ended.get(None, frozenset()), tried, created)


def revalidate(
    saved: SavedPlan, now: Plan, earlier: Earlier, desired: Desired, live: Live, records: Records, terms: Terms
) -> Revalidated:
    """
    Return what of `now`, the plan of today's files, ledger, policy and account, the saved plan approves.

    `earlier` is what this very plan has done already, which is no difference. The other arguments are what `now`
    was made from. Limits and windows are held against what is left to do.
    """
    planned = {(change.action, change.address): change for change in now.changes}
    today = _today(now, desired, records, terms)
    approved: dict[Key, Change] = {}
    stale: list[Stale] = []
    for then in saved.changes:
        key = (then.action, then.address)
        found = planned.get(key)
        if found is None:
            if not _over(then, earlier):
                stale.append(_why(then, today))
        elif _did(then, earlier.done):
            continue
        elif (other := _differs(then, found, earlier)) is None or _rest(then, found, earlier):
            approved[key] = then
        elif not _did(then, earlier.lost):
            stale.append(other)
    waiting = _waiting(approved, planned)
    stale += waiting
    for one in waiting:
        del approved[one.change.action, one.change.address]
    changes = tuple(change for key, change in planned.items() if key in approved)
    needed = tuple(change for key, change in planned.items() if key not in approved)
    return Revalidated(_narrowed(saved, now, changes, desired, live, records, terms), needed, tuple(stale))


def _differs(then: Change, now: Change, earlier: Earlier) -> Stale | None:
    """Return in what a change is another one than was shown; None where it is the same."""
    key = then.address.external_id
    # The id of a customer that the plan itself created is known by now.
    if then.id != now.id and not (key in earlier.created and earlier.created[key] in (None, now.id)):
        return Stale(then, StaleReason.CUSTOMER, now=now)
    if (then.reason, then.otherwise) != (now.reason, now.otherwise):
        return Stale(then, StaleReason.REASON, now=now)
    before, after = _values(then), _values(now)
    names = tuple(name for name in {**before, **after} if before.get(name) != after.get(name))
    if names:
        return Stale(then, StaleReason.FIELDS, names, now=now)
    if then.payment_methods != now.payment_methods:
        return Stale(then, StaleReason.PAYMENT_METHODS, now=now)
    return None


def _values(change: Change) -> dict[str, tuple[str, str | None]]:
    """Return what a change does to its fields, by name; the cause only explains."""
    return {one.name: (one.before, one.after) for one in change.fields}


def _did(then: Change, ended: AbstractSet[Key]) -> bool:
    """Say whether a change, or what replaces it, is among those that ended so."""
    return any((action, then.address) in ended for action in (then.action, then.otherwise))


def _over(then: Change, earlier: Earlier) -> bool:
    """Say whether a change that is not planned now is so because an earlier run did it, or did what it hangs on."""
    done = earlier.done | earlier.lost
    if _did(then, done) or _patched_in_part(then, earlier):
        return True
    hangs = then.action in (Action.PATCH, Action.CREATE_USER)
    return hangs and any((action, Address(then.address.external_id)) in done for action in _FIRST)


def _patched_in_part(then: Change, earlier: Earlier) -> bool:
    """Say whether a change is a patch that an earlier run sent: of one that was refused, some fields may be done."""
    return then.action is Action.PATCH and (then.action, then.address) in earlier.tried


def _rest(then: Change, now: Change, earlier: Earlier) -> bool:
    """Say whether a change of now is what is left of a patch that an earlier run did in part."""
    rest = replace(then, fields=tuple(one for one in then.fields if one.name in _values(now)))
    return _patched_in_part(then, earlier) and _differs(rest, now, earlier) is None


def _waiting(approved: Collection[Key], planned: Mapping[Key, Change]) -> list[Stale]:
    """Return the approved changes of customers that first need to be restored or created, which was not approved."""
    found: list[Stale] = []
    for key in approved:
        action, address = key
        owner = Address(address.external_id)
        first = next((one for one in ((action, owner) for action in _FIRST) if one in planned), None)
        if first is not None and action not in _FIRST and first not in approved:
            found.append(Stale(planned[key], StaleReason.WAITS, now=planned[first]))
    return found


def _why(then: Change, today: _Today) -> Stale:
    """Return why a change is not planned any more."""
    key = then.address.external_id
    blocked = today.blocked.get(then.address) or today.blocked.get(Address(key))
    if blocked is not None:
        return Stale(then, StaleReason.BLOCKED, blocked=blocked)
    if not today.scope.targeted(key):
        return Stale(then, StaleReason.LEFT_OUT)
    if key in today.moved:
        return Stale(then, StaleReason.MOVED, (today.moved[key],))
    if key in today.desired.forget:
        return Stale(then, StaleReason.FORGOTTEN)
    declared = today.desired.customers.get(key)
    if then.action is Action.ARCHIVE:
        row = today.records.bindings.get(key)
        if declared is not None and not declared.archived:
            return Stale(then, StaleReason.DECLARED)
        if row is None:
            return Stale(then, StaleReason.UNKNOWN)
        if not today.scope.read(row.source):
            return Stale(then, StaleReason.NOT_READ, (row.source,))
    elif declared is None:
        return Stale(then, StaleReason.NOT_DECLARED)
    instead = today.changes.get(then.address)
    return Stale(then, StaleReason.NOT_NEEDED if instead is None else StaleReason.INSTEAD, now=instead)


@dataclass(frozen=True, slots=True)
class _Today:
    """What the plan of now was made from, and what it holds, by what a change of a saved plan is looked up with."""

    desired: Desired
    records: Records
    scope: Scope
    changes: Mapping[Address, Change]
    blocked: Mapping[Address, Blocked]
    moved: Mapping[str, str]


def _today(now: Plan, desired: Desired, records: Records, terms: Terms) -> _Today:
    """Return the plan of now, indexed."""
    return _Today(
        desired,
        records,
        scope_of(desired, terms),
        {one.address: one for one in reversed(now.changes)},
        {one.address: one for one in reversed(now.blocked)},
        {one.origin: one.address.external_id for one in now.bindings if one.origin is not None},
    )


# --- what is recorded ---------------------------------------------------------------------------------


def _narrowed(
    saved: SavedPlan,
    now: Plan,
    changes: tuple[Change, ...],
    desired: Desired,
    live: Live,
    records: Records,
    terms: Terms,
) -> Plan:
    """Return the plan of now with `changes` alone, and of what it records only what belongs to the saved plan."""
    keys = _keys(saved, now, changes)
    elsewhere = {one.address.external_id for one in now.changes} - keys
    bindings = tuple(one for one in now.bindings if one.address.external_id in keys)
    entries = _entries(saved, now, keys, records)
    ids = {entry.id for entry in entries} | {change.id for change in changes}
    narrowed = replace(
        now,
        changes=changes,
        bindings=bindings,
        notes=tuple(one for one in now.notes if one.address is None or one.address.external_id not in elsewhere),
        cost=replace(now.cost, requests=len(changes)),
        fingerprint=saved.fingerprint,
        entries=entries,
        users=tuple(row for row in now.users if row.id in ids or _shown_users(saved, row)),
    )
    return judge(changes, records, live, len(desired.customers), terms).of(narrowed)


def _keys(saved: SavedPlan, now: Plan, changes: Iterable[Change]) -> set[str]:
    """
    Return the keys whose rows are written: of what is approved, and of what that cannot be recorded without.

    A key that takes over the customer of another one, or whose customer another one takes, goes with it.
    """
    keys = {change.address.external_id for change in changes}
    keys |= {one.address.external_id for one in set(saved.bindings).intersection(now.bindings)}
    joined = [touched for one in now.bindings if len(touched := _touched(one)) > 1]
    while more := {key for touched in joined if touched & keys for key in touched - keys}:
        keys |= more
    return keys


def _touched(binding: BindingChange) -> set[str]:
    """Return the keys whose rows a binding change writes or drops."""
    return {binding.address.external_id, binding.address.external_id if binding.origin is None else binding.origin}


def _entries(saved: SavedPlan, now: Plan, keys: AbstractSet[str], records: Records) -> tuple[Binding, ...]:
    """
    Return the rows of `keys`, and those that nothing was shown for and that are written as the saved plan would have.

    A protection ends only where the saved plan ended it.
    """
    rows = {row.id: row for row in records.bindings.values()}
    unshown = {one.address.external_id for one in now.bindings} - keys
    kept: list[Binding] = []
    for entry in now.entries:
        key = entry.external_id
        same = key in saved.rows and saved.rows[key] == row_digest(entry)
        if key in keys and not same:
            held = (records.bindings.get(key), rows.get(entry.id) if entry.id is not None else None)
            protected = entry.protected or any(row is not None and row.protected for row in held)
            kept.append(replace(entry, protected=protected))
        elif key in keys or (same and key not in unshown):
            kept.append(entry)
    return tuple(kept)


def _shown_users(saved: SavedPlan, row: PutUsers) -> bool:
    """Say whether the saved plan would have written the same users of a customer."""
    return row.id in saved.users and saved.users[row.id] == users_digest(row)


def evidence_of(changes: Iterable[Change], live: Live, records: Records, lineage: str) -> Evidence:
    """Return what a plan that makes `changes` keeps of its account; `lineage` is that of its ledger, "" for none."""
    return Evidence(lineage if _proven(records, live) else "", _listed(changes, live, {}))


def check_account(
    then: Evidence,
    changes: Iterable[Change],
    live: Live,
    records: Records,
    lineage: str,
    created: Mapping[str, CustomerId | None],
) -> None:
    """
    Raise Refused where it is not shown that an account is the one that a saved plan of another key was made from.

    `changes` are those of the plan, `created` the customers that its own earlier runs created, by key. The other
    arguments are today's.
    """
    if then.ledger and then.ledger == lineage and _proven(records, live):
        return
    if then.listed and then.listed == _listed(changes, live, created):
        return
    held, counted = as_recorded(records, live)
    if counted >= PROOF and not _proven(records, live):
        raise Refused(stop(StopReason.ACCOUNT_UNLIKE, {"live": held, "bound": counted}))
    raise Refused(stop(StopReason.ACCOUNT_CHANGED))


def _proven(records: Records, live: Live) -> bool:
    """Say whether the bound customers prove that the ledger is this account's."""
    held, counted = as_recorded(records, live)
    return held >= PROOF and held * 2 >= counted


def _listed(changes: Iterable[Change], live: Live, created: Mapping[str, CustomerId | None]) -> str:
    """Return a digest of the listed customers that a plan neither created, archives nor restores; "" for no listing."""
    if live.narrowed:
        return ""
    touched = {change.id for change in changes if change.action in (Action.ARCHIVE, Action.RESTORE)}
    ours = {one for one in created.values() if one is not None}
    # Of a create whose answer was lost only the key is known.
    lost = {key for key, one in created.items() if one is None}
    return digest_of(
        one.id
        for one in live.listed.values()
        if one.id not in touched and one.id not in ours and (one.external_id not in lost)
    )
