"""
Why a customer is planned as it is: rule by rule, with the evidence. Pure.

The evidence is read off `make.PlanContext`, which planning works with, and the outcome is cut from the plan itself, so
that neither can tell another story than the plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from difflib import get_close_matches
from typing import assert_never

from reconciler.kinds.kind import CUSTOMER_FIELDS, canonical_email
from reconciler.model.core import Action, Address, Desired, DesiredCustomer, Live, LiveCustomer
from reconciler.model.ledger import Binding, BindingState, Records, Via
from reconciler.model.plan import Blocked, Plan
from reconciler.model.policy import Terms
from reconciler.model.reports import Explanation, LastMove, Row, RuleCheck, UserSides
from reconciler.plan.customer import Means, difference, external_ids_of, recorded_protected
from reconciler.plan.diff import Comparison, compare
from reconciler.plan.identity import Identity, Known, Nobody
from reconciler.plan.make import PlanContext, plan_context
from reconciler.plan.presence import Active, ArchivedByUs, Elsewhere, Hidden, Presence, Unread, as_recorded, presence
from reconciler.plan.prune import NotOwned, why_not_gone, why_not_owned
from reconciler.plan.scope import NotGone, Scope


def user_sides(
    customer: DesiredCustomer | None, customer_id: str | None, live: Live, records: Records
) -> tuple[UserSides, ...]:
    """Return the users that any side has, those declared first."""
    listed = next((users for one, users in live.users.items() if one == customer_id), None)
    recorded = next((users for one, users in records.users.items() if one == customer_id), ())
    there = None if listed is None else {canonical_email(one.email) for one in listed}
    seen = {canonical_email(one.email) for one in recorded}
    named: dict[str, tuple[str, str | None]] = {}
    for one in () if customer is None else customer.users:
        named[canonical_email(one.email)] = (one.email, str(one.source))
    for email in (*(row.email for row in recorded), *(row.email for row in listed or ())):
        named.setdefault(canonical_email(email), (email, None))
    return tuple(
        UserSides(email, source, folded in seen, None if there is None else folded in there)
        for folded, (email, source) in named.items()
    )


def compared_rows(customer: DesiredCustomer, known: Known, live: LiveCustomer, means: Means) -> tuple[Row, ...]:
    """Return a row for each field that is declared or recorded, in the order of the fields."""
    found = difference(customer, known, live, means)
    causes = {one.name: one.cause for one in found.changed}
    kept = {one.field for one in found.kept}
    applied = known.row.applied() if known.row else {}
    observed = known.row.observed() if known.row else {}
    rows = []
    for name, field in CUSTOMER_FIELDS.items():
        if name not in customer.fields and name not in applied:
            continue
        now = live.fields.get(name, "")
        recorded = (applied[name], observed.get(name, "")) if name in applied else None
        sides: list[tuple[str, str | None]] = []
        if name in customer.fields:
            sides.append(("declared", customer.fields[name]))
        if recorded is not None:
            sides += [("applied", recorded[0]), ("observed", recorded[1])]
        sides.append(("live", now))
        if name not in customer.fields:
            rule, then = "not declared any more", "released: it stays as it is"
        elif name in customer.ignore_changes:
            rule, then = "`ignore_changes` names it", "not compared"
        else:
            rule = _rule(compare(field, customer.fields[name], recorded, now, means.equal.get(name)))
            then = "blocked" if name in kept else "unchanged"
            then = f"patch ({causes[name].value})" if name in causes else then
        rows.append(Row(name, tuple(sides), rule, then, causes.get(name)))
    return tuple(rows)


def _rule(one: Comparison) -> str:
    """Return the row of the table that decides, in words."""
    ends = f"live {_is(same=one.live_as_declared)} declared"
    if one.recorded is None:
        return f"nothing recorded, {ends}"
    applied, observed = one.recorded
    return f"declared {_is(same=applied)} applied, {ends}, live {_is(same=observed)} observed"


def _is(*, same: bool) -> str:
    """Return how two values compare."""
    return "is as" if same else "differs from"


_LEFT_OUT = "the environment's `include` and `exclude` leave it out"
_GONE = (
    "it is managed here, its file was read, and its entry is not there; "
    "to keep it, declare it again, or name it under `forget:`"
)


def checks(
    key: str,
    customer: DesiredCustomer | None,
    row: Binding | None,
    identity: Identity | None,
    holders: tuple[LiveCustomer, ...],
    known: PlanContext,
) -> Iterator[RuleCheck]:
    """Yield the rules that this kind of plan archives by, then what keeps the customer; `row` is that of its key."""
    wanted = customer is not None and customer.archived
    yield RuleCheck(
        "declared", wanted, "`archived: true` is declared" if wanted else "`archived: true` is not declared"
    )
    why = "the ledger does not have it, so it is not managed" if row is None else _not_gone(row, known)
    why = "it is declared" if customer is not None else why
    yield RuleCheck("entry_gone", not why, why or _GONE)
    why = _not_owned(key, holders, known)
    yield RuleCheck("owned", not why, why or "`prune: all`, `owns` matches its external_id, and nobody declares it")
    yield from _keepers(key, customer, row, identity, holders, known)


def _not_gone(row: Binding, known: PlanContext) -> str:
    """Return why the entry of a row has not gone, "" where it has."""
    match why_not_gone(row, known.pruning):
        case None:
            return ""
        case NotGone.DECLARED:
            return "it is declared"
        case NotGone.OTHER_PROJECT:
            return f"it is of project {row.project!r}"
        case NotGone.LEFT_OUT:
            return _LEFT_OUT
        case NotGone.NOT_READ:
            return f"the file of its entry was not read: {row.source or 'none'}"
        case NotGone.NO_PRUNING:
            return "`prune: none`"
        case NotGone.NOT_ACTIVE:
            return f"the ledger holds it as {row.state.value}"


def _not_owned(key: str, holders: tuple[LiveCustomer, ...], known: PlanContext) -> str:
    """Return why none of those who carry a key is archived as owned, "" where one is."""
    rows = [known.register.by_id.get(one.id) for one in holders]
    reasons = [why_not_owned(key, row, known.pruning) for row in rows or [None]]
    match reasons[0] if all(reasons) else None:
        case None:
            return "" if holders else "it is not listed"
        case NotOwned.NO_PRUNING:
            return f"`prune: {known.pruning.prune.value}`, not `all`"
        case NotOwned.DECLARED:
            return "it is declared"
        case NotOwned.FORMER:
            return "a `moved` line gives its customer another key"
        case NotOwned.NO_PATTERN:
            return "no pattern of `owns` matches its external_id"
        case NotOwned.LEFT_OUT:
            return _LEFT_OUT
        case NotOwned.RECORDED:
            return "the ledger has it, so only `entry_gone` decides"


def _keepers(
    key: str,
    customer: DesiredCustomer | None,
    row: Binding | None,
    identity: Identity | None,
    holders: tuple[LiveCustomer, ...],
    known: PlanContext,
) -> Iterator[RuleCheck]:
    """Yield what keeps a customer from being archived."""
    pruning = known.pruning
    found = identity if isinstance(identity, Known) else None
    recorded = recorded_protected(row, None if found is None else found.row)
    declared = customer is not None and customer.protect is True
    why = "the ledger holds it as protected" if recorded else "the ledger does not hold it as protected"
    yield RuleCheck(
        "protected", recorded or declared, "`protect: true` is declared" if declared else why, archives=False
    )
    names: tuple[str, ...] = (key,) if row is None else (key, row.live_external_id)
    if customer is not None and found is not None:
        names = external_ids_of(customer, found)
    policy = pruning.protected(*names)
    where = f" ({pruning.protect_at})" if policy and pruning.protect_at is not None else ""
    why = f"a pattern matches it{where}" if policy else "no pattern matches it"
    yield RuleCheck("policy.protect", policy, why, archives=False)
    if key in pruning.forget:
        yield RuleCheck("forget", True, f"`forget` names it ({pruning.forget[key]})", archives=False)  # noqa: FBT003
    ids = dict.fromkeys(one.id for one in (row, *holders) if one is not None and one.id is not None)
    for one in (one for one in ids if customer is None and one in pruning.claimed):
        yield RuleCheck("claimed", True, f"{one} is, or may be, a declared customer", archives=False)  # noqa: FBT003


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
    last: LastMove | None = None,
) -> Explanation | None:
    """
    Return why `plan`, made of the other values, does what it does to `address`; None where no side knows it.

    `last` is our last create, archive or restore of it, if there was one.
    """
    key = address.external_id
    customer, row = desired.customers.get(key), records.bindings.get(key)
    holders = tuple(one for one in live.listed.values() if one.external_id == key)
    if customer is None and row is None and not holders and key not in _other_keys(desired):
        return None
    known = plan_context(desired, live, records, terms)
    identity = next((found for one, found in known.identities if one.external_id == key), None)
    users = user_sides(customer, _id(identity, row), live, records)
    if address.email is not None:
        users = tuple(one for one in users if canonical_email(one.email) == canonical_email(address.email))
        if not users:
            return None
    there = _there(identity, row, known)
    shelved = address.email is None and isinstance(there, ArchivedByUs)
    active = address.email is None and isinstance(there, Active)
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
        archived=last if shelved and last is not None and last.intent.action is Action.ARCHIVE else None,
        activated=last if active and last is not None and last.intent.action is not Action.ARCHIVE else None,
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
    customer: DesiredCustomer | None, key: str, row: Binding | None, desired: Desired, known: PlanContext
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
        yield _LEFT_OUT


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


def _there(identity: object, row: Binding | None, known: PlanContext) -> Presence | None:
    """Return whether the customer is active, as planning took it; None where nobody is it."""
    if isinstance(identity, Known):
        return identity.presence
    if identity is not None or row is None:
        return None
    return presence(known.register.sight, row.bound_id, row)


def _presence(
    there: Presence | None, customer_id: str | None, row: Binding | None, live: Live, known: PlanContext
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


def _meaning(there: Presence, known: PlanContext) -> Iterator[str]:
    """Yield what follows from what was read."""
    match there:
        case Active(unseen=unseen):
            yield "so it counts as active" if unseen else "so it is active"
        case ArchivedByUs(doubted=doubted):
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
    customer: DesiredCustomer | None, identity: object, there: Presence | None, known: PlanContext
) -> tuple[Row, ...]:
    """Return the three-way table; empty where nothing is compared."""
    if customer is None or not isinstance(identity, Known) or customer.archived:
        return ()
    seen = getattr(there, "customer", None) or (as_recorded(identity.row) if identity.row is not None else None)
    return () if seen is None else compared_rows(customer, identity, seen, known.declared.means)
