"""
What a plan may touch: targets and patterns, this project's entries; and what it was made from, as readers ask it.

A selector that matches nobody is mostly a slip of the pen, and says nothing by itself: nothing to do looks the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import translate
from itertools import chain
from typing import TYPE_CHECKING

from reconciler.documents.scalars import nearest_word
from reconciler.errors import ReconcilerError, Source, Stop
from reconciler.file_patterns import has_magic
from reconciler.kinds.kind import nearly
from reconciler.model.core import Address, CustomerId, Desired, Live, LiveCustomer
from reconciler.model.ledger import Binding, BindingState, Learned, Records
from reconciler.model.plan import BindingAction, Note, Plan, Unknown
from reconciler.model.policy import Terms
from reconciler.model.reasons import NoteKind, ReasonParts, StopReason, UnknownKind, stop
from reconciler.plan.server_behavior import known_ways, sight_of

if TYPE_CHECKING:
    from reconciler.model.reports import Rule


def matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """
    Return whether an external_id matches one of the shell patterns; case counts.

    >>> matcher(["west-*"])("west-1"), matcher(["west-*"])("West-1"), matcher([])("west-1")
    (True, False, False)
    """
    given = frozenset(patterns)
    # Thousands of keys may be written out; each looked up, and not tried one after the other.
    found = [re.compile(translate(pattern)) for pattern in given if has_magic(pattern)]
    plain = frozenset(pattern for pattern in given if not has_magic(pattern))
    return lambda text: text in plain or any(pattern.match(text) for pattern in found)


def literal(key: str) -> str:
    """
    Return the pattern that matches a key.

    >>> literal("acme"), literal("a*[1]")
    ('acme', 'a[*][[]1]')
    """
    return re.sub(r"[*?\[]", lambda found: f"[{found[0]}]", key)


def protecting(patterns: Iterable[str]) -> Callable[..., bool]:
    """
    Return whether the policy protects a customer: by its key, or by another external_id that it has.

    >>> protecting(["vip-*"])("acme", "vip-1"), protecting(["vip-*"])("acme", "")
    (True, False)
    """
    matches = matcher(patterns)
    return lambda *external_ids: any(map(matches, external_ids))


def spellings(selector: str) -> tuple[str, ...]:
    """
    Return the patterns that a selector of the command line stands for: itself, and the key that it is the address of.

    >>> spellings("west-*"), spellings("a%2Fb"), spellings("acme/jane@acme.example"), spellings("a/b")
    (('west-*',), ('a%2Fb', 'a/b'), ('acme/jane@acme.example', 'acme'), ('a/b',))
    """
    address = Address.parse(selector)
    if address.email is not None and "@" not in address.email:
        return (selector,)
    return tuple(dict.fromkeys((selector, address.external_id)))


def selecting(selectors: Iterable[str]) -> Callable[[str], bool]:
    """Return whether a key is selected by one of the selectors of a command line."""
    return matcher(chain.from_iterable(map(spellings, selectors)))


class NotGone(StrEnum):
    """Why the entry of a row of the ledger has not gone, or why nothing follows from that."""

    DECLARED = "declared"
    OTHER_PROJECT = "other_project"
    LEFT_OUT = "left_out"
    NOT_READ = "not_read"
    NO_PRUNING = "no_pruning"
    NOT_ACTIVE = "not_active"


@dataclass(frozen=True, slots=True)
class Scope:
    """
    Which keys the plan may touch.

    - `targeted`: inside `--target` and outside `--exclude`.
    - `here`: not left out of this environment by its include and exclude patterns.
    - `read`: whether the file of this name was read now, or would have been had it existed.
    - `reset`: whatever is not declared was removed, wherever its entry was.
    """

    targeted: Callable[[str], bool]
    here: Callable[[str], bool]
    read: Callable[[str], bool]
    project: str
    declared: Callable[[str], bool]
    reset: bool = False

    def why_not_gone(self, binding: Binding) -> NotGone | None:
        """
        Return why the entry of `binding` has not gone; None: it is this project's, its file was read, it is not there.

        A file that is missing from a folder or glob that was read counts as read; standard input does not.
        """
        if self.declared(binding.external_id):
            return NotGone.DECLARED
        # A row without a source is there only because its customer was to be archived as owned: that goes on so.
        return None if self.reset and binding.source != "" else self._why_unseen(binding)

    def gone(self, binding: Binding) -> bool:
        """Say whether the entry of `binding` was removed."""
        return self.why_not_gone(binding) is None

    def concerns(self, binding: Binding) -> bool:
        """Say whether a plan of this scope is about the customer of `binding`."""
        return binding.project == self.project and self.targeted(binding.external_id)

    def ours(self, binding: Binding) -> bool:
        """Say whether the entry of `binding` would be seen now if it existed."""
        return self._why_unseen(binding) is None

    def _why_unseen(self, binding: Binding) -> NotGone | None:
        """Return why the entry of `binding` would not be seen now if it existed."""
        if binding.project != self.project:
            return NotGone.OTHER_PROJECT
        if not self.here(binding.external_id):
            return NotGone.LEFT_OUT
        return None if self.read(binding.source) else NotGone.NOT_READ

    def left_out(self, bindings: Mapping[str, Binding]) -> int:
        """Return how many have no entry here as their project or file was not read; without a source none ever had."""
        if self.reset:
            return 0
        return sum(row.source != "" and not self.declared(key) and not self.ours(row) for key, row in bindings.items())

    def may_take_over(self, binding: Binding) -> bool:
        """Say whether its customer may be given another key: its own entry was removed, or is here."""
        return self.ours(binding) or (binding.project == self.project and self.declared(binding.external_id))


def scope_of(desired: Desired, terms: Terms) -> Scope:
    """Return the scope of a plan for `desired` under `terms`."""
    targets, excludes = selecting(terms.targets), selecting(terms.excludes)
    everyone = not terms.targets and (terms.since is None or terms.since.whole is not None)
    included, excluded = matcher(desired.include), matcher(desired.exclude)
    return Scope(
        targeted=lambda key: (everyone or targets(key)) and not excludes(key),
        here=lambda key: (not desired.include or included(key)) and not excluded(key),
        read=desired.reading.covers(),
        project=terms.project,
        declared=desired.customers.__contains__,
        reset=terms.reset,
    )


MOST_NOTED = 20
"""So many selectors that match nobody are named in a plan."""

_MOST_COMPARED = 20_000  # comparing a word with more takes seconds


def matching_nobody(selectors: Iterable[str], keys: Callable[[], Iterable[str]]) -> tuple[str, ...]:
    """Return the selectors of a command line that select none of `keys`."""
    return tuple(one for one in dict.fromkeys(selectors) if not any(map(selecting((one,)), keys())))


def nearest(selector: str, keys: Callable[[], Iterable[str]]) -> str:
    """Return the key that is nearly a selector, "" where none is, or where it is a pattern."""
    if has_magic(selector):
        return ""
    sought = {nearly(one) for one in spellings(selector)}
    near = next((key for key in keys() if nearly(key) in sought), "")
    if near:
        return near
    known = tuple(dict.fromkeys(keys()))
    return nearest_word(selector, known) if len(known) <= _MOST_COMPARED else ""


def keys_of(desired: Desired, live: Live, records: Records) -> Callable[[], Iterable[str]]:
    """Return what yields the keys that are declared, bound or live, those of before a move among them."""
    former = [move.origin for move in desired.moved]
    return lambda: filter(
        None,
        chain(
            desired.customers,
            records.bindings,
            former,
            (customer.external_id for customer in live.listed.values()),
            (row.live_external_id for row in records.bindings.values()),
        ),
    )


def checked(desired: Desired, live: Live, records: Records, terms: Terms) -> tuple[Note, ...]:
    """
    Return a note for each pattern that matches nobody, in the project file, of `--exclude` or `--allow-recreate`.

    Raises ReconcilerError for a `--target` that does: what it should have narrowed the plan to is not there. A key of
    `--changed-since` may: its entry was removed before it was ever applied.
    """
    keys = keys_of(desired, live, records)
    missed = matching_nobody(terms.targets, keys) if terms.since is None else ()
    if missed:
        raise ReconcilerError(_no_target(missed, desired, keys))
    insisted = tuple(_insisted(desired, records, terms.recreate)) if terms.recreate else ()
    if live.narrowed:
        return insisted  # who else is live is not known

    def everybody() -> Iterable[str]:
        return chain(keys(), desired.left_out)

    protect = tuple(at for at in (terms.places.get("protect"),) if at is not None)
    rules = (
        ("policy.protect", protect, terms.protect),
        ("owns", (), terms.owns),
        ("include", (), desired.include),
        ("exclude", (), desired.exclude),
    )
    missed_rules = [
        (rule, at, one)
        for rule, at, patterns in rules
        for one in dict.fromkeys(patterns)
        if not any(map(matcher((one,)), everybody()))
    ]
    missed_rules += [("--exclude", (), one) for one in matching_nobody(terms.excludes, everybody)]
    notes = [_no_match(*missed, nearest(missed[2], everybody)) for missed in missed_rules[:MOST_NOTED]]
    rest = len(missed_rules) - len(notes)
    left = (Note(NoteKind.PATTERNS_LEFT, parts={"patterns": rest}),) if rest else ()
    return (*insisted, *notes, *left)


def _no_match(rule: str, at: tuple[Source, ...], pattern: str, near: str) -> Note:
    """Return that a pattern matches nobody, and what it may have been meant for."""
    parts: ReasonParts = {"rule": rule, "at": at, "pattern": pattern}
    if near:
        return Note(NoteKind.PATTERN_NEARLY_MATCHES, parts={**parts, "near": near})
    return Note(NoteKind.PATTERN_MATCHES_NOBODY, parts=parts)


def _insisted(desired: Desired, records: Records, recreate: Iterable[str]) -> Iterator[Note]:
    """Yield a note for each key of `--allow-recreate`, which takes no patterns, that names no customer."""
    former = (move.origin for move in desired.moved)
    known = dict.fromkeys((*desired.customers, *desired.left_out, *records.bindings, *former))
    for one in dict.fromkeys(recreate):
        if known.keys().isdisjoint(spellings(one)):
            near = nearest(one, lambda: known)
            kind = NoteKind.RECREATE_NEARLY_MATCHES if near else NoteKind.RECREATE_MATCHES_NOBODY
            yield Note(kind, parts={"key": one, "near": near} if near else {"key": one})


def rules_of_nobody(
    rules: Iterable[Rule], desired: Desired, live: Live, records: Records
) -> tuple[tuple[Rule, str], ...]:
    """Return the rules of an ignore file that hide the drift of nobody, each with the key that may be meant."""
    keys = keys_of(desired, live, records)
    missed = [rule for rule in rules if not any(map(matcher((rule.key,)), keys()))]
    return tuple((rule, nearest(rule.key, keys)) for rule in missed[:MOST_NOTED])


def _no_target(missed: tuple[str, ...], desired: Desired, keys: Callable[[], Iterable[str]]) -> Stop:
    """Return that targets match nobody, and what the first may have been meant for."""
    if any(map(selecting((missed[0],)), desired.left_out)):
        return stop(StopReason.TARGET_LEFT_OUT, {"targets": missed})
    if near := nearest(missed[0], keys):
        return stop(StopReason.TARGET_NEARLY_MATCHES, {"targets": missed, "near": Address(near)})
    return stop(StopReason.TARGET_MATCHES_NOBODY, {"targets": missed})


@dataclass(frozen=True, slots=True)
class Seen:
    """What a plan was made from. `since` is the RFC 3339 time of the last applying run's start, "" for none."""

    desired: Desired
    live: Live
    records: Records
    learned: Learned
    terms: Terms
    since: str = ""


def there(seen: Seen) -> dict[CustomerId, LiveCustomer]:
    """Return the listed customers that are active, as far as is known: those that we archived are not."""
    sight = sight_of(seen.live, seen.learned, seen.terms)
    shelved = {
        row.bound_id
        for row in seen.records.bindings.values()
        if row.state is BindingState.ARCHIVED and (sight.lists_archived is not False or sight.moving(row))
    }
    return {one.id: one for one in seen.live.listed.values() if one.id not in shelved}


def managed_in(plan: Plan, seen: Seen) -> set[CustomerId]:
    """Return the ids of live customers that the ledger binds, whoever's, or that a declared one is found to be."""
    ids = {row.bound_id for row in seen.records.bindings.values()}
    ids |= {row.id for row in plan.entries if row.id is not None and row.external_id in seen.desired.customers}
    ids |= {one.id for one in plan.bindings if one.action is BindingAction.ADOPT}
    return ids & there(seen).keys()


def targeted(plan: Plan, key: str, seen: Seen) -> bool:
    """Say whether the plan was to look at a key."""
    return not (plan.targets or plan.excludes or plan.since) or scope_of(seen.desired, seen.terms).targeted(key)


def unobservable(seen: Seen) -> Iterator[Unknown]:
    """Yield what cannot be observed on this server."""
    lists = known_ways(seen.learned, seen.terms)[0]
    ours = [row for row in seen.records.bindings.values() if row.state is BindingState.ARCHIVED]
    listed = sum(row.bound_id in seen.live.listed for row in ours)
    if lists:
        yield Unknown(UnknownKind.ARCHIVES_INVISIBLE)
    if ours and lists:
        yield Unknown(UnknownKind.RESTORES_INVISIBLE, {"customers": len(ours)})
    elif listed and lists is None:
        yield Unknown(UnknownKind.RESTORES_UNCERTAIN, {"customers": listed})


def row_of(address: Address, seen: Seen) -> Binding | None:
    """Return the ledger's row of a key."""
    return seen.records.bindings.get(address.external_id)


def state_of(address: Address, seen: Seen) -> BindingState | None:
    """Return how the ledger holds a customer, None where it does not."""
    row = row_of(address, seen)
    return row.state if row is not None else None


def observed_of(address: Address, seen: Seen) -> dict[str, str]:
    """Return what the server held after our last write, by field."""
    row = row_of(address, seen)
    return row.observed() if row is not None else {}
