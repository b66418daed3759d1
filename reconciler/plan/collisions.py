"""
Collisions: a customer that would be created, and a live one that may be it. Neither is touched before someone decides.

Where evidence is strong the create is blocked, and so is the end of the other one where its key is gone: two changes
of one customer whose key was renamed. Weaker evidence, and customers that are archived or declared elsewhere, are
notes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from itertools import chain

from reconciler.errors import Source
from reconciler.model.core import NO_FILE, Action, Address, CustomerId, Desired, DesiredCustomer, LiveCustomer
from reconciler.model.ledger import Binding, BindingState
from reconciler.model.plan import BindingAction, Blocked, Note, Part, Rename
from reconciler.model.policy import Terms
from reconciler.model.reasons import BlockedReason, FieldValue, Likeness, NoteKind, ReasonParts
from reconciler.plan.identity import Identified, Identity, Known, Nobody, Register
from reconciler.plan.lookalikes import NEAR, STRONG, STRONG_IF_DISPOSABLE, Lookalike, Unclaimed, lookalikes
from reconciler.plan.presence import Active, Hidden, active, as_recorded
from reconciler.plan.scope import spellings

MOST_NOTED = 20
"""So many customers of a plan get a note of whom they look like; `import --match` lists all."""


@dataclass(frozen=True, slots=True)
class Collisions:
    """
    Who everybody is, the customers whose create is blocked among them, and what is held back with them.

    `held` are the customers that a blocked create may be, by id, each as what is said of it where it would be
    archived or forgotten. `likes` are the lookalikes of all that is created or restored, by key. `notes` are about
    names that lead nowhere.
    """

    identities: tuple[Identified, ...]
    held: Mapping[CustomerId, Blocked] = field(default_factory=dict)
    likes: Mapping[str, tuple[Lookalike, ...]] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()


def collisions(identities: Sequence[Identified], desired: Desired, register: Register, terms: Terms) -> Collisions:
    """Return `identities` with those blocked whose create may double a live customer; nothing to do without creates."""
    asked = {customer.external_id: identity for customer, identity in identities if _would_begin(customer, identity)}
    if not asked or not terms.lookalikes:
        return Collisions(tuple(identities))
    unclaimed, claimed = _sorted_out(identities, desired, register)
    found = lookalikes(
        (desired.customers[key] for key in asked),
        (one for one in desired.customers.values() if not one.archived),
        unclaimed,
        claimed,
        strong_signs=STRONG_IF_DISPOSABLE if terms.disposable else STRONG,
    )
    likes = {key: _of_no_other_key(ones) if isinstance(asked[key], Known) else ones for key, ones in found.items()}
    likes = {key: ones for key, ones in likes.items() if ones}
    held: dict[CustomerId, Blocked] = {}
    blocked: dict[str, Blocked] = {}
    recreate = tuple(chain.from_iterable(map(spellings, terms.recreate)))
    for key, ones in likes.items():
        strong = tuple(one for one in ones if _collides(key, asked[key], one, recreate))
        if strong:
            blocked[key] = _blocked(desired.customers[key], strong, desired)
            for one in strong:
                held.setdefault(one.customer.id, _held(key, one, desired, register))
    decided = tuple((customer, blocked.get(customer.external_id, identity)) for customer, identity in identities)
    return Collisions(decided, held, likes, tuple(_unknown_names(asked, desired, register)))


def _unknown_names(asked: Iterable[str], desired: Desired, register: Register) -> Iterator[Note]:
    """Yield a note for each name of `distinct_from` that is no customer: where one is created, it may be a typo."""
    live = register.sight.live
    for key in asked:
        for name in desired.customers[key].distinct_from:
            known = (live.listed, live.got, register.by_id, register.bindings, register.holders, desired.customers)
            if not any(name in names for names in known) and register.scope.targeted(key):
                yield Note(NoteKind.DISTINCT_FROM_NOBODY, Address(key), parts={"name": name})


def _would_begin(customer: DesiredCustomer, identity: Identity) -> bool:
    """Say whether a customer that is not active now would be created or restored."""
    if customer.archived:
        return False
    return isinstance(identity, Nobody) or (isinstance(identity, Known) and not isinstance(identity.presence, Active))


def _collides(key: str, identity: Identity, one: Lookalike, recreate: Iterable[str]) -> bool:
    """Say whether a create must not be sent beside a lookalike. One that is known already is created only if hidden."""
    if not (one.strong and one.found.is_free) or (isinstance(identity, Known) and not _is_hidden(identity)):
        return False
    return one.found.key is None or not {key, one.found.key}.intersection(recreate)


def _is_hidden(known: Known) -> bool:
    """Say whether the restore of a customer may turn out to be a create."""
    return isinstance(known.presence, Hidden)


def _of_no_other_key(likes: Iterable[Lookalike]) -> tuple[Lookalike, ...]:
    """Return the lookalikes that the ledger does not tell from a customer that it knows: those it never bound."""
    return tuple(one for one in likes if one.found.key is None)


def _sorted_out(
    identities: Iterable[Identified], desired: Desired, register: Register
) -> tuple[list[Unclaimed], list[LiveCustomer]]:
    """Return the customers that no declared key holds on to, and the active ones that one does."""
    taken: set[CustomerId] = {one.id for one in desired.customers.values() if one.id is not None and not one.archived}
    leaving: dict[CustomerId, str] = {}
    known: set[str] = set()
    for customer, identity in identities:
        if isinstance(identity, Known):
            known.add(customer.external_id)
            if customer.archived:
                leaving[identity.id] = customer.external_id
            else:
                taken.add(identity.id)
    unclaimed: list[Unclaimed] = []
    claimed: list[LiveCustomer] = []
    sight, by_id = register.sight, register.by_id
    for live in active(sight, by_id):
        row = by_id.get(live.id)
        key = "" if row is None else row.external_id
        if live.id in taken or (key in desired.customers and key not in known):
            claimed.append(live)
        elif sight.live.got.get(live.id, live) is not None:
            unclaimed.append(_unclaimed(live, row, leaving.get(live.id), desired, register))
    seen = taken | {one.customer.id for one in unclaimed}
    unclaimed += _dormant(seen, desired, register)
    return unclaimed, claimed


def _unclaimed(
    live: LiveCustomer, row: Binding | None, archived: str | None, desired: Desired, register: Register
) -> Unclaimed:
    """Return an active customer with the key that lets go of it: the one that is declared archived, or its row's."""
    if row is None or (row.external_id in desired.customers and archived is None):
        return Unclaimed(live, archived)
    key = archived or row.external_id
    return Unclaimed(live, key, read=archived is not None or _lets_go(row, desired, register), recorded=_recorded(row))


def _dormant(seen: AbstractSet[CustomerId], desired: Desired, register: Register) -> Iterator[Unclaimed]:
    """Yield the customers of keys that are gone which are archived, or not visible."""
    for row in register.bindings.values():
        if row.state is BindingState.ACTIVE or row.external_id in desired.customers or row.id in seen:
            continue
        if _lets_go(row, desired, register):
            yield Unclaimed(as_recorded(row), row.external_id, active=False)


def _lets_go(row: Binding, desired: Desired, register: Register) -> bool:
    """Say whether the key of a row is known to be declared no more; what was in no file never counts as gone."""
    if row.project != register.scope.project:
        return False
    return row.external_id in desired.forget or row.source in NO_FILE or register.scope.gone(row)


def _recorded(row: Binding) -> tuple[Mapping[str, str | None], ...]:
    """Return what we applied to a customer, and what the server then held."""
    return row.applied(), row.observed()


# --- what is said ---------------------------------------------------------------------------------------


def held_back(part: Part, held: Mapping[CustomerId, Blocked]) -> Part:
    """Return a part in which the customers of `held` are blocked instead of archived or forgotten."""
    if not held:
        return part
    ends = {one.id: one.address for one in part.changes if one.action is Action.ARCHIVE and one.id in held}
    ends |= {one.id: one.address for one in part.bindings if one.action is BindingAction.FORGET and one.id in held}
    if not ends:
        return part
    return replace(
        part,
        changes=tuple(one for one in part.changes if one.id not in ends or one.action is not Action.ARCHIVE),
        bindings=tuple(one for one in part.bindings if one.id not in ends or one.action is not BindingAction.FORGET),
        blocked=(*part.blocked, *(replace(held[one], address=ends[one]) for one in ends if one is not None)),
        # What is archived as owned is bound only for that.
        entries=tuple(one for one in part.entries if one.id not in ends or one.source),
    )


def notes(likes: Mapping[str, tuple[Lookalike, ...]], begun: AbstractSet[str]) -> tuple[Note, ...]:
    """Return a note for each customer that a plan creates or restores (`begun`) and that looks like others."""
    ranked = sorted((key for key in begun if key in likes), key=lambda key: (-len(likes[key][0].signs), key))
    said = [_note(key, likes[key]) for key in ranked[:MOST_NOTED]]
    if rest := len(ranked) - len(said):
        said.append(Note(NoteKind.LOOKALIKES_LEFT, parts={"customers": rest}))
    return tuple(said)


def _note(key: str, likes: Iterable[Lookalike]) -> Note:
    """Return whom a customer looks like; those whose entry was read may be it."""
    alike = tuple(map(_likeness, likes))
    if any(one.read for one in alike):
        return Note(NoteKind.LOOKS_LIKE, Address(key), parts={"key": key, "likes": alike})
    return Note(NoteKind.LOOKS_LIKE_UNREAD, Address(key), parts={"likes": alike})


def _blocked(customer: DesiredCustomer, likes: Sequence[Lookalike], desired: Desired) -> Blocked:
    """Return that a customer is not created beside those that may be it."""
    key, former = customer.external_id, likes[0].found.key
    parts: ReasonParts = {"key": key, "likes": tuple(map(_likeness, likes))}
    if len(likes) > 1:
        reason = BlockedReason.LIKE_SEVERAL
    elif former is None:
        reason = BlockedReason.LIKE_CUSTOMER
    elif former in desired.customers:
        reason, parts = BlockedReason.LIKE_ARCHIVED_KEY, {**parts, "former": former}
    else:
        reason = BlockedReason.LIKE_FORMER_KEY
    return Blocked(
        Address(key),
        reason,
        parts=parts,
        source=customer.source,
        ids=tuple(one.customer.id for one in likes),
        moved=_rename(key, likes),
    )


def _held(key: str, one: Lookalike, desired: Desired, register: Register) -> Blocked:
    """Return that a customer is neither archived nor forgotten while a create that it may be is blocked."""
    former = one.found.key or one.customer.external_id
    declared, row = desired.customers.get(former), register.bindings.get(former)
    source = declared.source if declared is not None else _source(row)
    parts: ReasonParts = {"key": key, "likes": (_likeness(one),)}
    if one.found.key is None:
        reason = BlockedReason.LIKE_NEW_CUSTOMER
    elif former in desired.customers:
        reason, parts = BlockedReason.LIKE_NEW_KEY_ARCHIVED, {**parts, "former": former}
    else:
        reason = BlockedReason.LIKE_NEW_KEY
    return Blocked(
        Address(former), reason, parts=parts, source=source, ids=(one.customer.id,), moved=_rename(key, (one,))
    )


def _source(row: Binding | None) -> Source | None:
    """Return the file in which the entry of a row was."""
    return Source(row.source) if row is not None and row.source else None


def _rename(key: str, likes: Sequence[Lookalike]) -> Rename | None:
    """Return the rename that it may be; None where there are several, or no key had the customer."""
    former = likes[0].found.key
    return Rename(former, key) if len(likes) == 1 and former is not None else None


def _likeness(one: Lookalike) -> Likeness:
    """Return a lookalike as a part of a reason; its name only where that is not what agrees, and no key had it."""
    key = one.found.key
    shown = "name" not in one.signs and key is None
    return Likeness(
        one.customer.id,
        key,
        signs=tuple(sign for sign in one.signs if sign != NEAR),
        near=(key or one.customer.external_id) if NEAR in one.signs else "",
        name=FieldValue("name", one.customer.fields.get("name", "") if shown else ""),
        read=one.found.read,
        active=one.found.active or key is None,
    )
