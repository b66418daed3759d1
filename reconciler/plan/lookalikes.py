"""
Lookalikes: live customers that may be a declared one which no key, id or `moved` line leads to. Pure.

The one account of what is alike, for the planner, `import --match` and `duplicates`. What agrees is a sign, and a sign
is strong only where it is unique: an EIN, an email, or an email with a name counts where it occurs once among the
declared customers and once among the live ones, and so do name, address and email domain that are alike as
`similarity` has it. An external_id that is nearly the key, and a customer_integration_id that is the key, are strong
by themselves. Empty values agree with nothing, and two different EINs speak against everything but a nearly equal
external_id.

It takes time in proportion to the customers, whatever they share: of those that share a value that many have, a few
are kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import product

from reconciler.kinds.kind import CUSTOMER, canonical_text, nearly
from reconciler.model.core import CustomerId, DesiredCustomer, LiveCustomer
from reconciler.plan.similarity import comparable_ein, domain_of, party, similar

NEAR = CUSTOMER.identity
SYNCED = "customer_integration_id"
SIGNS = (SYNCED, NEAR, "ein", "email", "domain", "name", "address")
"""
What may agree, the surest first: the key is the customer_integration_id, or is nearly the external_id; EIN, email and
name in canonical form and without case.

`name`, `address` and `domain`, that of the email, also where they are alike as `similarity` has it.
"""

_FIELDS = ("ein", "email", "name")
EQUAL_SIGNS = (NEAR, *_FIELDS)
"""Those that are compared by value, each by itself."""
_BOTH = "email and name"
_ALIKE = "alike"
STRONG = frozenset({SYNCED, NEAR, "ein", "email", _BOTH, _ALIKE})
"""What is strong where it is unique; a name alone never is."""
STRONG_IF_DISPOSABLE = frozenset({SYNCED, NEAR, "ein"})
"""The same where customers are made up, and share names and emails."""
_MOST_KEPT = {NEAR: 20}
_FEW_KEPT = 4
Mark = tuple[str, str]
"""A sign with its value, comparable."""


@dataclass(frozen=True, slots=True)
class Unclaimed:
    """
    A live customer that no declared key holds on to.

    - `key` is the one that had it, None where none had; `recorded` is what the ledger has of it.
    - `active` is False for one that was archived; `read` is False where the entry of `key` may be in a file that was
      not read, or in another project's.
    """

    customer: LiveCustomer
    key: str | None = None
    active: bool = True
    read: bool = True
    recorded: tuple[Mapping[str, str | None], ...] = ()

    @property
    def is_free(self) -> bool:
        """Say whether it is active and no entry anywhere claims it: what is created may be it."""
        return self.active and self.read

    def is_named_in(self, names: Iterable[str]) -> bool:
        """Say whether its id, its key or its external_id is one of `names`."""
        return not {self.customer.id, self.key, self.customer.external_id or None}.isdisjoint(names)

    def marks(self) -> set[Mark]:
        """Return the signs by which it can be known."""
        names = (*_near(self.customer.external_id), *_near(self.key or ""))
        if self.customer.synced:
            names = (*names, (SYNCED, self.customer.integration_id))
        return {*names, *(mark for side in (self.customer.fields, *self.recorded) for mark in _marks(side))}

    def eins(self) -> set[str]:
        """Return the EINs that it has, comparable."""
        sides = (self.customer.fields, *self.recorded)
        return {ein for side in sides if (ein := comparable("ein", side.get("ein") or ""))}


@dataclass(frozen=True, slots=True)
class Lookalike:
    """
    An unclaimed customer and in which of `SIGNS` it agrees with a declared one.

    `strong` says that a sign is unique; `sure` that neither has another strong one. `score` is how alike name, address
    and email domain are, from 0 to 3.
    """

    found: Unclaimed
    signs: tuple[str, ...]
    strong: bool
    sure: bool
    score: float = 0.0

    @property
    def customer(self) -> LiveCustomer:
        return self.found.customer


@dataclass(slots=True)
class _Sharing:
    """Who shares a mark: the keys that are asked about, how many have it, and the first unclaimed customers."""

    keys: list[str] = field(default_factory=list)
    declared: int = 0
    active: int = 0
    dormant: int = 0
    found: list[Unclaimed] = field(default_factory=list)

    def add(self, one: Unclaimed, most: int) -> None:
        """Count an unclaimed customer, and keep it where it is one of the first."""
        self.active += one.active
        self.dormant += not one.active
        if len(self.found) < most:
            self.found.append(one)

    def is_unique(self, one: Unclaimed) -> bool:
        """Say whether the mark leads from one declared customer to `one` alone."""
        return self.declared == 1 and (self.active == 1 if one.active else self.active == 0 and self.dormant == 1)


def lookalikes(
    asked: Iterable[DesiredCustomer],
    declared: Iterable[DesiredCustomer],
    unclaimed: Iterable[Unclaimed],
    claimed: Iterable[LiveCustomer],
    *,
    strong_signs: AbstractSet[str] = STRONG,
) -> Mapping[str, tuple[Lookalike, ...]]:
    """
    Return by key who looks like those that are `asked` about, the most alike first.

    `declared` are all customers that should be active, those asked about among them, and `claimed` the active ones
    that a key holds on to: what they have is not unique.
    """
    wanted, others, loose, taken = (
        {one.external_id: one for one in asked},
        list(declared),
        list(unclaimed),
        list(claimed),
    )
    shared: dict[Mark, _Sharing] = {}
    for one in wanted.values():
        for mark in ((SYNCED, one.external_id), *_near(one.external_id), *_marks(one.fields)):
            shared.setdefault(mark, _Sharing()).keys.append(one.external_id)
    for mark in (mark for one in others for mark in _marks(one.fields) if mark in shared):
        shared[mark].declared += 1
    for mark in (mark for one in taken for mark in _marks(one.fields) if mark in shared):
        shared[mark].active += 1
    for found in loose:
        for mark in found.marks() & shared.keys():
            shared[mark].add(found, _MOST_KEPT.get(mark[0], _FEW_KEPT))
    agreed = _Agreed(wanted, strong_signs)
    agreed.add_shared(shared)
    agreed.add_alike(others, loose, taken)
    return agreed.ranked()


@dataclass(slots=True)
class _Pair:
    """What was found of a declared customer and an unclaimed one."""

    found: Unclaimed
    signs: set[str] = field(default_factory=set)
    strong: bool = False
    score: float = 0.0


@dataclass(slots=True)
class _Agreed:
    """The pairs that were found, by key and id."""

    wanted: Mapping[str, DesiredCustomer]
    strong_signs: AbstractSet[str]
    pairs: dict[str, dict[CustomerId, _Pair]] = field(default_factory=dict)

    def pair(self, key: str, one: Unclaimed) -> _Pair:
        """Return the pair, made if it is new."""
        return self.pairs.setdefault(key, {}).setdefault(one.customer.id, _Pair(one))

    def are_apart(self, key: str, one: Unclaimed) -> bool:
        """Say whether the file says that the two are not one."""
        names = self.wanted[key].distinct_from
        return bool(names) and one.is_named_in(names)

    def add_shared(self, shared: Mapping[Mark, _Sharing]) -> None:
        """Take in who shares marks."""
        for (sign, _), sharing in shared.items():
            for key, one in product(sharing.keys, sharing.found):
                if self.are_apart(key, one):
                    continue
                strong = sign in (SYNCED, NEAR) or sharing.is_unique(one)
                against = strong and sign not in (NEAR, "ein") and _other_ein(self.wanted[key], one)
                pair = self.pair(key, one)
                pair.signs.add(sign)
                pair.strong |= strong and not against and sign in self.strong_signs

    def add_alike(
        self, declared: Iterable[DesiredCustomer], unclaimed: Iterable[Unclaimed], claimed: Iterable[LiveCustomer]
    ) -> None:
        """Take in whose names, addresses and email domains are alike."""
        free = {one.customer.id: one for one in unclaimed if one.is_free}
        if not free:
            return
        alike = similar(
            {key: party(one.fields) for key, one in self.wanted.items()},
            {name: party(one.customer.fields) for name, one in free.items()},
            (
                Counter(domain_of(one.fields) for one in declared if one.external_id not in self.wanted),
                Counter(domain_of(one.fields) for one in claimed),
            ),
            are_apart=lambda key, name: (
                self.are_apart(key, free[CustomerId(name)]) or _other_ein(self.wanted[key], free[CustomerId(name)])
            ),
        )
        for one in alike:
            pair = self.pair(one.left, free[CustomerId(one.right)])
            pair.signs |= one.likeness.signs
            pair.score = one.likeness.score
            pair.strong |= one.sure and _ALIKE in self.strong_signs

    def ranked(self) -> Mapping[str, tuple[Lookalike, ...]]:
        """Return the lookalikes of each key, the most alike first, and which of them are sure."""
        likes: dict[str, list[_Pair]] = {}
        for key, pairs in self.pairs.items():
            for pair in pairs.values():
                if pair.strong or (pair.found.is_free and not _is_weak(pair.signs, self.wanted[key], pair.found)):
                    likes.setdefault(key, []).append(pair)
        strong = {key: sum(one.strong for one in ones) for key, ones in likes.items()}
        claims = Counter(one.found.customer.id for ones in likes.values() for one in ones if one.strong)
        return {
            key: tuple(sorted((_lookalike(one, strong[key], claims) for one in ones), key=_rank))
            for key, ones in sorted(likes.items())
        }


def _lookalike(one: _Pair, strong: int, claims: Mapping[CustomerId, int]) -> Lookalike:
    """Return what a pair says; it is sure where neither has another strong one."""
    sure = one.strong and strong == 1 and claims[one.found.customer.id] == 1
    return Lookalike(one.found, in_order(one.signs), one.strong, sure, one.score)


def in_order(signs: AbstractSet[str]) -> tuple[str, ...]:
    """Return signs, the surest first; without the domain where the email agrees."""
    return tuple(sign for sign in SIGNS if sign in signs and not (sign == "domain" and "email" in signs))


def _rank(one: Lookalike) -> tuple[bool, bool, int, int, float, str]:
    """Return how far down a lookalike is: by what is strong, by how much agrees, then by the surest of it."""
    agree = -len(one.signs)
    return not one.found.is_free, not one.strong, agree, SIGNS.index(one.signs[0]), -one.score, one.customer.id


def _is_weak(names: AbstractSet[str], wanted: DesiredCustomer, one: Unclaimed) -> bool:
    """Say whether what agrees is not worth a word: a name, and the EINs differ."""
    return names <= {"name"} and _other_ein(wanted, one)


def _other_ein(wanted: DesiredCustomer, one: Unclaimed) -> bool:
    """Say whether both have an EIN, and they differ."""
    ours = comparable("ein", wanted.fields.get("ein") or "")
    theirs = one.eins() if ours else set()
    return bool(theirs) and ours not in theirs


def comparable(name: str, value: str) -> str:
    """Return a value as it is compared: canonical, without case; an external_id nearly. An EIN of zeros is none."""
    if name == NEAR:
        return nearly(value)
    if name == "ein":
        return comparable_ein(value)
    return canonical_text(value).casefold()


def _near(external_id: str) -> tuple[Mark, ...]:
    return ((NEAR, nearly(external_id)),) if external_id else ()


def _marks(fields: Mapping[str, str | None]) -> list[Mark]:
    """Return the marks of the fields of one side; empty values have none."""
    found = [(name, value) for name in _FIELDS if (text := fields.get(name)) and (value := comparable(name, text))]
    if len(found) > 1 and found[-2][0] == "email" and found[-1][0] == "name":
        found.append((_BOTH, f"{found[-2][1]}\n{found[-1][1]}"))
    return found
