"""
Live customers that exist twice, and the plan that keeps one of each and archives the others. Pure.

Of those that share an external_id one is kept and the others may be archived. Twins have another
external_id, or none, and are only shown: two companies may share an address, and one may be billed twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from reconciler.errors import ReconcilerError
from reconciler.model.core import (
    Action,
    Address,
    CustomerId,
    Desired,
    ListPaymentMethods,
    ListUsers,
    Live,
    LiveCustomer,
    Read,
    Reason,
)
from reconciler.model.ledger import Binding, BindingState, Records
from reconciler.model.plan import Blocked, Candidate, Change, Doubles, DuplicateGroup, Note, Part, Twins, joined
from reconciler.model.policy import Terms
from reconciler.model.reasons import BlockedReason, KeepReason, NoteKind, ReasonParts, StopReason, stop
from reconciler.plan import safety_checks
from reconciler.plan.draft import Draft, draft_of, not_yet
from reconciler.plan.lookalikes import EQUAL_SIGNS, NEAR, SIGNS, comparable, in_order
from reconciler.plan.presence import Sight, by_external_id, unverified
from reconciler.plan.scope import matcher
from reconciler.plan.server_behavior import known_ways, learned_from, sight_of
from reconciler.plan.similarity import party, similar_within


def doubles(
    live: Live, records: Records, sight: Sight, keep: AbstractSet[CustomerId], archived: AbstractSet[CustomerId]
) -> Doubles:
    """
    Return the customers that are there twice, by external_id.

    `keep` are ids that are kept whatever speaks for others. `archived` are those that this tool archived: listed,
    they are archived still, unless the server is known not to list such. What is listed and answers nothing
    else is archived too.
    """
    by_id = {row.bound_id: row for row in records.bindings.values()}
    gone = {row.bound_id for row in records.bindings.values() if row.state is BindingState.ARCHIVED}
    if sight.lists_archived is not False:
        gone |= archived - {row.bound_id for row in records.bindings.values() if row.state is BindingState.ACTIVE}

    def active(one: LiveCustomer) -> bool:
        return one.id not in gone and live.got.get(one.id, one) is not None

    holders = {key: tuple(filter(active, ones)) for key, ones in by_external_id(sight, by_id).items() if len(ones) > 1}
    several = {key: ones for key, ones in holders.items() if len(ones) > 1}
    reads = tuple(read for ones in several.values() for one in ones for read in _unread(one.id, live))
    groups = tuple(_group(key, ones, live, by_id, keep) for key, ones in sorted(several.items()))
    return Doubles(groups, _twins(filter(active, live.listed.values())), reads)


def _unread(customer: CustomerId, live: Live) -> Iterator[Read]:
    """Yield what is to be read of a candidate: its users and its payment methods, a request each."""
    if customer not in live.users and customer not in live.got:
        yield ListUsers(customer)
    if customer not in live.payment_methods:
        yield ListPaymentMethods(customer)


def _group(
    key: str,
    customers: Iterable[LiveCustomer],
    live: Live,
    by_id: Mapping[CustomerId, Binding],
    keep: AbstractSet[CustomerId],
) -> DuplicateGroup:
    """Return those that share an external_id, the one to keep first."""
    candidates = [
        Candidate(
            one,
            by_id[one.id].external_id if one.id in by_id else None,
            len(live.users[one.id]) if one.id in live.users else None,
            live.payment_methods.get(one.id),
        )
        for one in customers
    ]
    candidates.sort(key=lambda one: _merits(one, keep))
    first, second = _merits(candidates[0], keep), _merits(candidates[1], keep)
    differs = next((number for number in range(len(_WHY)) if first[number] != second[number]), len(_WHY) - 1)
    return DuplicateGroup(key, tuple(candidates), _WHY[differs])


_WHY = tuple(KeepReason)


def _merits(one: Candidate, keep: AbstractSet[CustomerId]) -> tuple[bool, bool, bool, bool, str, str]:
    """Return what speaks against keeping it, the weightiest first: the least is kept."""
    customer = one.customer
    chosen, bound = customer.id in keep, one.key is not None
    return (not chosen, not bound, not one.payment_methods, not one.users, customer.created_at, customer.id)


def _twins(active: Iterable[LiveCustomer]) -> tuple[Twins, ...]:
    """Return likely twins: those of which one has no external_id first, then those that agree in most fields."""
    active = list(active)
    alike: dict[tuple[str, str], list[LiveCustomer]] = {}
    for customer in active:
        for name in EQUAL_SIGNS:
            if value := comparable(name, _value(name, customer)):
                alike.setdefault((name, value), []).append(customer)
    fields: dict[tuple[CustomerId, ...], list[tuple[str, str]]] = {}
    members: dict[tuple[CustomerId, ...], tuple[LiveCustomer, ...]] = {}
    for (name, _), customers in alike.items():
        keys = {one.external_id for one in customers}
        if len(customers) < 2 or (len(keys) == 1 and keys != {""}):  # noqa: PLR2004 - alone, it is no twin
            continue
        ids = tuple(sorted(one.id for one in customers))
        group = members.setdefault(ids, tuple(sorted(customers, key=lambda one: (one.created_at, one.id))))
        fields.setdefault(ids, []).append((name, _value(name, group[0])))
    by_id = {one.id: one for one in active}
    signs: dict[tuple[CustomerId, ...], tuple[tuple[str, ...], float]] = {}
    for one, other, similarity in similar_within({one.id: party(one.fields) for one in active}):
        pair = by_id[CustomerId(one)], by_id[CustomerId(other)]
        if pair[0].external_id != pair[1].external_id or not pair[0].external_id:
            ids = CustomerId(one), CustomerId(other)
            members.setdefault(ids, tuple(sorted(pair, key=lambda row: (row.created_at, row.id))))
            equal = {name for name, _ in fields.get(ids, ())}
            alike_only = tuple(sign for sign in in_order(similarity.signs | equal) if sign not in equal)
            signs[ids] = alike_only, similarity.score
    found = [
        Twins(tuple(fields.get(ids, ())), customers, *signs.get(ids, ((), 0.0))) for ids, customers in members.items()
    ]
    found.sort(key=_twins_rank)
    return tuple(found)


def _twins_rank(one: Twins) -> tuple[bool, int, int, str]:
    """Return how far down twins are shown."""
    signs = [*(name for name, _ in one.fields), *one.alike]
    keyed = all(customer.external_id for customer in one.customers)
    return keyed, -len(signs), min(map(SIGNS.index, signs)), one.customers[0].id


def _value(name: str, customer: LiveCustomer) -> str:
    """Return what a customer has of a sign."""
    return customer.external_id if name == NEAR else customer.fields.get(name, "")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of several to keep, where the choice is the user's, and which this tool has archived by its journal."""

    keep: frozenset[CustomerId] = frozenset()
    archived: frozenset[CustomerId] = frozenset()


def make_single(choice: Choice, live: Live, records: Records, terms: Terms) -> Draft:
    """
    Return the plan that archives all but one of those that share an external_id, or what must be read first.

    Raises ReconcilerError where one that is to be kept has no duplicate or two have one external_id, Refused
    where the ledger is another account's.
    """
    learned = learned_from(records, live, terms)
    found = found_twice(choice, live, records, terms)
    if found.reads:
        return not_yet(found.reads, terms, learned)
    notes = safety_checks.of_this_account(records, live, terms, Desired())
    _check(choice.keep, found.groups)
    if found.groups and known_ways(learned, terms)[0] is not False:
        notes = (*notes, Note(NoteKind.DUPLICATES_MAY_BE_ARCHIVED))
    part = joined(_single(group, terms) for group in found.groups)
    changed = {change.id for change in part.changes}
    doubtful = unverified(sight_of(live, learned, terms), records.bindings.values(), lambda row: row.id in changed)
    return draft_of(part, Desired(), live, records, terms, learned, notes=notes, unverified=doubtful)


def found_twice(choice: Choice, live: Live, records: Records, terms: Terms) -> Doubles:
    """Return what is there twice, seen as a plan sees it."""
    sight = sight_of(live, learned_from(records, live, terms), terms)
    return doubles(live, records, sight, choice.keep, choice.archived)


def _check(keep: AbstractSet[CustomerId], groups: Iterable[DuplicateGroup]) -> None:
    """Raise ReconcilerError where what is to be kept cannot be."""
    left = set(keep)
    for group in groups:
        chosen = [one.customer.id for one in group.candidates if one.customer.id in keep]
        if len(chosen) > 1:
            parts: ReasonParts = {"ids": tuple(chosen), "external_id": group.external_id}
            raise ReconcilerError(stop(StopReason.KEEP_SEVERAL, parts))
        left.difference_update(chosen)
    if left:
        raise ReconcilerError(stop(StopReason.KEEP_WITHOUT_DUPLICATE, {"ids": tuple(sorted(left))}))


_KEPT = {
    KeepReason.CHOSEN: NoteKind.DUPLICATE_KEPT_CHOSEN,
    KeepReason.BOUND: NoteKind.DUPLICATE_KEPT_BOUND,
    KeepReason.PAYMENT_METHODS: NoteKind.DUPLICATE_KEPT_PAYMENT_METHODS,
    KeepReason.USERS: NoteKind.DUPLICATE_KEPT_USERS,
    KeepReason.OLDEST: NoteKind.DUPLICATE_KEPT_OLDEST,
}


def _single(group: DuplicateGroup, terms: Terms) -> Part:
    """Return the archives of all but the kept one; never of one that the ledger binds, nor of a protected key."""
    address = Address(group.external_id)
    ids = tuple(one.customer.id for one in group.candidates)
    bound = [one for one in group.candidates[1:] if one.key is not None]
    if bound:
        held = [(one.customer.id, one.key) for one in group.candidates if one.key is not None]
        parts = {"ids": tuple(one for one, _ in held), "keys": tuple(key for _, key in held)}
        return Part(blocked=(Blocked(address, BlockedReason.DUPLICATES_BOUND, ids=ids, parts=parts),))
    if matcher(terms.protect)(group.external_id):
        return Part(blocked=(Blocked(address, BlockedReason.DUPLICATES_PROTECTED, ids=ids),))
    kept = group.kept.customer.id
    note = Note(_KEPT[group.why], address, parts={"id": kept})
    return Part(
        changes=tuple(
            Change(Action.ARCHIVE, address, one.customer.id, Reason.DUPLICATE) for one in group.candidates[1:]
        ),
        notes=(note,),
    )
