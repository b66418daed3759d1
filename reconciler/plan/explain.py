"""
Why a customer is planned as it is: rule by rule, with the evidence. Pure.

The evidence is read off `make.Judged`, which planning works with, and the outcome is cut from the plan itself, so
that neither can tell another story than the plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from difflib import get_close_matches
from typing import assert_never

from reconciler.kinds.kind import canonical_email
from reconciler.model.core import Address, Desired, DesiredCustomer, Live, LiveCustomer
from reconciler.model.ledger import Binding, BindingState, Records, Via
from reconciler.model.plan import Blocked, Plan
from reconciler.model.policy import Terms
from reconciler.model.reports import Archived, Explanation, Row
from reconciler.plan.compared import compared_rows
from reconciler.plan.make import Judged, judged
from reconciler.plan.match import Known, Nobody
from reconciler.plan.presence import Active, Elsewhere, Hidden, Presence, Shelved, Unread, as_recorded, presence
from reconciler.plan.scope import Scope
from reconciler.plan.sides import user_sides
from reconciler.plan.spared import checks

_VIA = {
    Via.PIN: "its `id` line names it",
    Via.MOVED: "a `moved` line gives it the key",
    Via.CREATED: "the ledger binds the key to it: this tool created it",
    Via.MATCHED: "it carries the external_id",
}


def explain(
    address: Address,
    plan: Plan,
    desired: Desired,
    live: Live,
    records: Records,
    terms: Terms,
    archived: Archived | None = None,
) -> Explanation | None:
    """
    Return why `plan`, made of the other values, does what it does to `address`; None where no side knows it.

    `archived` is our last archive of it, if there was one and no restore since.
    """
    key = address.external_id
    customer, row = desired.customers.get(key), records.bindings.get(key)
    holders = tuple(one for one in live.listed.values() if one.external_id == key)
    if customer is None and row is None and not holders and key not in _other_keys(desired):
        return None
    known = judged(desired, live, records, terms)
    identity = next((found for one, found in known.identities if one.external_id == key), None)
    users = user_sides(customer, _id(identity, row), live, records)
    if address.email is not None:
        users = tuple(one for one in users if canonical_email(one.email) == canonical_email(address.email))
        if not users:
            return None
    there = _there(identity, row, known)
    shelved = address.email is None and isinstance(there, Shelved)
    asked = address.email is None and not shelved
    return Explanation(
        address=address,
        declared=tuple(_declared(customer, key, row, desired, known)),
        identity=tuple(_identity(customer, identity, row, holders)),
        presence=tuple(_presence(there, _id(identity, row), row, live, known)),
        fields=() if address.email is not None else _fields(customer, identity, there, known),
        archiving=tuple(checks(key, customer, row, identity, holders, known)) if asked else (),
        users=users,
        outcome=outcome_of(plan, address),
        shelved=shelved,
        archived=archived if shelved else None,
    )


def outcome_of(plan: Plan, address: Address) -> Plan:
    """Return `plan` with only what is about `address`: a customer with its users, or one user."""

    def about(one: Address | None) -> bool:
        if one is None or one.external_id != address.external_id:
            return False
        return address.email is None or canonical_email(one.email or "") == canonical_email(address.email)

    changes = tuple(change for change in plan.changes if about(change.address))
    return replace(
        plan,
        changes=changes,
        bindings=tuple(one for one in plan.bindings if about(one.address)),
        blocked=tuple(one for one in plan.blocked if about(one.address)),
        notes=tuple(one for one in plan.notes if about(one.address)),
        limits=plan.limits if changes else (),
        unchanged=0,
        out_of_scope=0,
        entries=(),
        users=(),
    )


def alike(key: str, desired: Desired, records: Records) -> tuple[str, ...]:
    """Return up to three declared or recorded keys that are written much as `key`, the nearest first."""
    return tuple(get_close_matches(key, sorted({*desired.customers, *records.bindings}), n=3))


def _other_keys(desired: Desired) -> set[str]:
    """Return the keys that are named without being declared."""
    return {*desired.forget, *(move.origin for move in desired.moved)}


def _declared(
    customer: DesiredCustomer | None, key: str, row: Binding | None, desired: Desired, known: Judged
) -> Iterator[str]:
    """Yield where the customer is declared, or why its entry is not there."""
    for move in desired.moved:
        if move.origin == key:
            yield f"a `moved` line ({move.source}) calls it {move.to!r} now"
    if key in desired.forget:
        yield f"`forget` names it ({desired.forget[key]})"
    if customer is not None:
        yield f"declared at {customer.source}"
        if customer.archived:
            yield "`archived: true`: it is wanted archived"
        if customer.protect is not None:
            yield f"`protect: {str(customer.protect).lower()}`"
        if customer.ignore_changes:
            yield f"`ignore_changes`: {', '.join(sorted(customer.ignore_changes))}"
        return
    yield from _not_declared(key, row, known.register.scope)


def _not_declared(key: str, row: Binding | None, scope: Scope) -> Iterator[str]:
    """Yield why there is no entry."""
    yield "not declared"
    if row is not None and row.source:
        yield f"its entry stood in {row.source}, which was {'' if scope.read(row.source) else 'not '}read now"
    if row is not None and row.project != scope.project:
        yield f"it is of project {row.project!r}, not of {scope.project!r}"
    if not scope.here(key):
        yield "the environment's `include` and `exclude` leave it out"


def _identity(
    customer: DesiredCustomer | None,
    identity: Known | Nobody | Unread | Blocked | None,
    row: Binding | None,
    holders: tuple[LiveCustomer, ...],
) -> Iterator[str]:
    """Yield which live customer it is, how that was found, and who else could be it."""
    if customer is not None and customer.id is not None:
        yield f"its `id` line names {customer.id}"
    if row is not None:
        yield f"the ledger binds it to {row.id} ({row.state.value}, {row.via.value}, file {row.source or 'none'})"
    else:
        yield "the ledger does not have it"
    yield f"listed with this external_id: {', '.join(one.id for one in holders) or 'none'}"
    match identity:
        case None:
            pass
        case Known():
            yield f"so it is {identity.id}: {_VIA[identity.via]}"
        case Nobody():
            yield "so no live customer is it"
        case Blocked():
            yield f"so it is not said who it is: {identity.reason}"
        case Unread():
            yield "so it is not known yet who it is"
        case _:
            assert_never(identity)


def _id(identity: object, row: Binding | None) -> str | None:
    """Return the id of the customer, None where there is none."""
    if isinstance(identity, Known):
        return identity.id
    return None if row is None else row.id


def _there(identity: object, row: Binding | None, known: Judged) -> Presence | None:
    """Return whether the customer is active, as planning took it; None where nobody is it."""
    if isinstance(identity, Known):
        return identity.presence
    if identity is not None or row is None:
        return None
    return presence(known.register.sight, row.bound_id, row)


def _presence(
    there: Presence | None, customer_id: str | None, row: Binding | None, live: Live, known: Judged
) -> Iterator[str]:
    """Yield what was listed, sought and got, and what that means."""
    if there is None or customer_id is None:
        return
    yield f"{customer_id} is {'' if customer_id in live.listed else 'not '}listed"
    for one, found in live.sought.items():
        if one == customer_id:
            yield f"a list narrowed to when it was created {'holds' if found else 'lacks'} it"
    for one, answer in live.got.items():
        if one == customer_id:
            yield f"a get {'answers 404' if answer is None else 'still answers'}"
    sight = known.register.sight
    if row is not None and sight.unverified(row) is not None:
        yield (
            f"this tool wrote to it less than {sight.lag_s:g} s ago, and it is read as it was before: the "
            "read may lag, or someone brought that state back"
        )
    yield from _meaning(there, known)
    if isinstance(there, Active) and row is not None and row.state is BindingState.ARCHIVED:
        yield "this tool had archived it, so someone has restored it since"


def _meaning(there: Presence, known: Judged) -> Iterator[str]:
    """Yield what follows from what was read."""
    match there:
        case Active(unseen=unseen):
            yield "so it counts as active" if unseen else "so it is active"
        case Shelved(doubted=doubted):
            lists = known.register.sight.lists_archived
            words = {None: "is not known", True: "is known: it does", False: "is known: it does not"}[lists]
            how = known.declared.records.learned.how
            yield f"this tool archived it; whether the server lists archived customers {words}{how and f' ({how})'}"
            yield "so it is taken to be archived still" if doubted else "so it is archived by this tool"
        case Elsewhere():
            yield "so somebody else archived it"
        case Hidden():
            yield "so it is hidden or gone"
        case Unread():
            yield "so nothing follows from that"
        case _:
            assert_never(there)


def _fields(
    customer: DesiredCustomer | None, identity: object, there: Presence | None, known: Judged
) -> tuple[Row, ...]:
    """Return the three-way table; empty where nothing is compared."""
    if customer is None or not isinstance(identity, Known) or customer.archived:
        return ()
    seen = getattr(there, "customer", None) or (as_recorded(identity.row) if identity.row is not None else None)
    return () if seen is None else compared_rows(customer, identity, seen, known.declared.means)
