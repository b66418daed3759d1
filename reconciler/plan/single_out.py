"""The plan that keeps one of several customers with one external_id, and archives the others. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from reconciler.errors import ReconcilerError
from reconciler.model.core import Action, Address, CustomerId, Desired, Live, Reason
from reconciler.model.ledger import Records
from reconciler.model.plan import Blocked, Change, Doubles, DuplicateGroup, Note
from reconciler.model.policy import Terms
from reconciler.plan import guard
from reconciler.plan.draft import Draft, draft_of, not_yet
from reconciler.plan.duplicates import doubles
from reconciler.plan.part import Part, joined
from reconciler.plan.presence import unverified
from reconciler.plan.scope import matcher
from reconciler.plan.ways import known_ways, learned_from, sight_of


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
    notes = guard.of_this_account(records, live, terms, Desired())
    _check(choice.keep, found.groups)
    if found.groups and known_ways(learned, terms)[0] is not False:
        text = "whether this server lists archived customers is not known, or it does: one of these may be archived"
        notes = (*notes, Note(text))
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
            raise ReconcilerError(
                f"{' and '.join(chosen)} share the external_id {group.external_id!r}, and only one can be kept",
                "give --keep for one of them",
            )
        left.difference_update(chosen)
    if left:
        raise ReconcilerError(
            f"{', '.join(sorted(left))}: no other active customer has its external_id, so there is nothing to keep",
            "`reconciler duplicates` lists the ids",
        )


def _single(group: DuplicateGroup, terms: Terms) -> Part:
    """Return the archives of all but the kept one; never of one that the ledger binds, nor of a protected key."""
    address = Address(group.external_id)
    ids = tuple(one.customer.id for one in group.candidates)
    bound = [one for one in group.candidates[1:] if one.key is not None]
    if bound:
        keys = ", ".join(f"{one.customer.id} as {one.key!r}" for one in group.candidates if one.key is not None)
        hint = (
            "a bound customer is not archived here: give `id:` of the one to keep in the file and apply that, "
            "or `reconciler state rm` the other key; then run this again"
        )
        return Part(blocked=(Blocked(address, f"the ledger binds {keys}", hint, ids=ids),))
    if matcher(terms.protect)(group.external_id):
        hint = "take it out of the patterns of `policy.protect`, or archive it in the dashboard"
        return Part(blocked=(Blocked(address, "it is protected, so none of them is archived", hint, ids=ids),))
    kept = group.kept.customer.id
    note = Note(f"{kept} is kept: {group.why}", address)
    return Part(
        changes=tuple(
            Change(Action.ARCHIVE, address, one.customer.id, Reason.DUPLICATE) for one in group.candidates[1:]
        ),
        notes=(note,),
    )
