"""
What became of a change whose answer was lost, by what was read since. Pure.

Every place that meets such a change reads what it can, hands it to `settle`, and acts on the answer; none decides by
itself. `NotDone` lets a create be sent again, so it is given only where nobody can be what it made: what
several may be, what carries its external_id in nearly the same form, and what may not be visible yet is never it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import assert_never

from reconciler.api.times import from_rfc3339
from reconciler.kinds.kind import CUSTOMER_FIELDS, canonical_email, nearly
from reconciler.model.core import Action, CustomerId, LiveCustomer
from reconciler.model.ledger import Intent
from reconciler.model.reasons import Ending, EndReason

BEFORE_S = 5.0
"""So long before its intent a create is looked for: Date and created_at are rounded, and bounds may be exclusive."""

CREATES = frozenset({Action.CREATE, Action.CREATE_USER})
"""What must not be sent twice. Any other change may be."""

_ALIKE = ("name", "email")


class Doubt(StrEnum):
    """
    Why reading cannot tell.

    `several`: any of several customers may be the one that was created. `claimed`: the one that has its external_id is
    bound to another key. `unread`: nothing was read that would show it. `hidden`: the server shows active and
    archived customers alike.
    """

    SEVERAL = "several"
    CLAIMED = "claimed"
    UNREAD = "unread"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class Done:
    """It was done; `id` is the customer that was created, or that the change is about."""

    id: CustomerId | None


@dataclass(frozen=True, slots=True)
class NotDone:
    """It was not done, and will not be: it may be sent again."""


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Reading cannot tell, and a later reading will not either; `ids` are the customers that it is about."""

    doubt: Doubt
    ids: tuple[CustomerId, ...] = ()


@dataclass(frozen=True, slots=True)
class TooEarly:
    """It may become visible yet, for `left_s` seconds."""

    left_s: float


def doubt_of(found: Ambiguous) -> Ending:
    """Return why a create stays in doubt, and nobody is bound."""
    code = EndReason.LOST_CLAIMED if found.doubt is Doubt.CLAIMED else EndReason.LOST_SEVERAL
    return Ending(code, {"ids": found.ids})


Settlement = Done | NotDone | Ambiguous | TooEarly


@dataclass(frozen=True, slots=True)
class Ways:
    """Whether the server lists archived customers, and answers a get of them; None where that is unknown."""

    lists_archived: bool | None = None
    gets_archived: bool | None = None


@dataclass(frozen=True, slots=True)
class NothingRead:
    """Nothing was read that would show the change."""


@dataclass(frozen=True, slots=True)
class Customers:
    """
    Customers that a create may have made: all, or those that a list narrowed to the time since it holds.

    `origins_known` are the ids of customers of which it is known how they came to be, bound ones among them; `own` is
    the one that the create's key is bound to, None where it is not.
    """

    listed: Collection[LiveCustomer]
    origins_known: AbstractSet[CustomerId | None] = frozenset()
    own: CustomerId | None = None


@dataclass(frozen=True, slots=True)
class Users:
    """The emails of a customer's users."""

    emails: Collection[str]


@dataclass(frozen=True, slots=True)
class Visibility:
    """
    Whether a customer answers a get, and whether a list holds it that would if it were active; None: it was not read.

    `missed`: it was not visible when the change was sent, so that nothing but its restore explains that it is now.
    """

    ways: Ways
    got: bool | None = None
    listed: bool | None = None
    missed: bool = False


@dataclass(frozen=True, slots=True)
class FieldValues:
    """The fields of a customer, those of a patch among them."""

    fields: Mapping[str, str]


Facts = NothingRead | Customers | Users | Visibility | FieldValues


@dataclass(frozen=True, slots=True)
class Observed:
    """
    What was read since a change was sent.

    `at` is the server's clock at that time (seconds since 1970); infinity where the very run that sent it has waited
    since it lost the answer. `lag_s` is how long a write may stay unseen.
    """

    facts: Facts
    at: float = inf
    lag_s: float = 0.0


def settle(intent: Intent, observed: Observed) -> Settlement:
    """Return what became of the change of `intent`."""
    settlement = _by_facts(intent, observed.facts)
    lacks = settlement == NotDone() or settlement == Ambiguous(Doubt.UNREAD)
    left_s = intent.unseen_until(observed.lag_s) - observed.at
    # Any other change is the same when it is sent again, and need not be waited for.
    return TooEarly(left_s) if lacks and intent.action in CREATES and left_s > 0 else settlement


def _by_facts(intent: Intent, facts: Facts) -> Settlement:
    """Return what the facts says, whenever it was read."""
    match facts:
        case NothingRead():
            return Ambiguous(Doubt.UNREAD)
        case Customers():
            return Done(facts.own) if facts.own is not None else _created(intent, facts)
        case Users(emails):
            email = canonical_email(intent.address.email or "")
            return Done(intent.id) if email in map(canonical_email, emails) else NotDone()
        case Visibility():
            active = _active(facts)
            if active is None:
                return Ambiguous(Doubt.HIDDEN)
            return Done(intent.id) if active is (intent.action is Action.RESTORE) else NotDone()
        case FieldValues(fields):
            same = all(CUSTOMER_FIELDS[name].same(fields.get(name), value) for name, value in intent.after.items())
            return Done(intent.id) if intent.after and same else NotDone()
        case _:
            assert_never(facts)


def _created(intent: Intent, customers: Customers) -> Settlement:
    """Return what became of the create of a customer."""
    found = _candidates(intent, customers)
    ids = tuple(one.id for one in found)
    if len(ids) > 1:
        return Ambiguous(Doubt.SEVERAL, ids)
    if not ids:
        return NotDone()
    if intent.binds and ids[0] in customers.origins_known:
        return Ambiguous(Doubt.CLAIMED, ids)
    return Done(ids[0])


def _candidates(intent: Intent, customers: Customers) -> list[LiveCustomer]:
    """
    Return the customers that a create may have made.

    That is who carries its external_id; where nobody does, who carries nearly that: whether the server keeps one as it
    was sent is not documented. Without one, who carries none either and has its name and email; of the rest nothing
    is asked, as the server may keep it in another form. Who was there before it was sent is only taken where the key
    is to be bound: a planned create is sent to an account that has nobody with its external_id.
    """
    key, since = intent.address.external_id, intent.opened_at - BEFORE_S
    exact = [
        one for one in customers.listed if one.external_id == key and (intent.binds or _since(one.created_at, since))
    ]
    if key and exact:
        return exact
    near = nearly(key)
    return [
        one
        for one in (customers.listed if key else exact)
        if one.id not in customers.origins_known
        and (nearly(one.external_id) == near if key else _is_alike(intent, one))
        and _since(one.created_at, since)
    ]


def _active(seen: Visibility) -> bool | None:
    """Say whether a customer is active; None where that cannot be told from how it is seen."""
    if seen.got is False or seen.listed is False:
        # Archived customers may be hidden; active ones never are.
        return False
    if (seen.got and seen.ways.gets_archived is False) or (
        seen.listed and (seen.missed or seen.ways.lists_archived is False)
    ):
        return True
    return None


def _is_alike(intent: Intent, live: LiveCustomer) -> bool:
    """Say whether name and email are those that were sent, empty ones too."""
    return all(CUSTOMER_FIELDS[name].same(live.fields.get(name), intent.after.get(name)) for name in _ALIKE)


def _since(created_at: str, moment_s: float) -> bool:
    """Say whether a customer was created after a moment; one whose time cannot be read may have been."""
    created_s = from_rfc3339(created_at)
    return created_s is None or created_s >= moment_s
