"""
What to read beside the listing, and when targets can be read alone.

A list narrowed to a customer's created_at shows it as the whole listing does. What it cannot show is everybody
else: another customer with the same external_id, beside whom a create or a restore would make a duplicate. So
such a plan holds only where all that it does is to customers that the ledger binds and that were seen to be
active; else the account is read as always.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from math import ceil

from reconciler.file_patterns import has_magic
from reconciler.model.core import Action, CustomerId, Desired, ListUsers, Seek
from reconciler.model.ledger import Binding, BindingState, Records
from reconciler.model.plan import Plan
from reconciler.model.policy import Prune, Terms
from reconciler.plan.scope import scope_of
from reconciler.plan.server_behavior import known_lag
from reconciler.plan.users import to_be_listed


def expected_reads(desired: Desired, records: Records, terms: Terms, now_s: float) -> tuple[ListUsers, ...]:
    """
    Return the user listings that a plan for `desired` needs, as far as files and ledger tell without a listing.

    `now_s` is the server's clock, or nearly, in seconds since 1970: what we wrote within the lag bound is left out, as
    no list need show it yet. One that turns out to be archived or gone was asked in vain.
    """
    return tuple(_foreseen(desired, records, terms, now_s))


def _foreseen(desired: Desired, records: Records, terms: Terms, now_s: float) -> Iterator[ListUsers]:
    """Yield them."""
    targeted = scope_of(desired, terms).targeted
    seen_by_s = now_s - known_lag(records.learned, terms)
    for key, customer in desired.customers.items():
        row = records.bindings.get(key) if customer.users and not customer.archived else None
        if row is None or row.state is not BindingState.ACTIVE or not targeted(key):
            continue
        if customer.id not in (None, row.id) or row.written_at > seen_by_s:
            continue
        if to_be_listed(customer, records.users.get(row.bound_id), read_again=terms.refresh_users):
            yield ListUsers(row.bound_id)


_TO_THE_SECOND = len("2026-01-01T00:00:00")
_NARROW_S = 2
"""How far around a customer's creation a list is narrowed that looks for it."""
_HARMLESS = frozenset({Action.PATCH, Action.ARCHIVE, Action.CREATE_USER})
"""What may be done to a customer whoever else carries its external_id."""


def targets_alone(desired: Desired, records: Records, terms: Terms) -> tuple[Seek, ...] | None:
    """
    Return the lists that show all targets, None where the whole listing is needed, or takes no more requests.

    Each takes one request, and more where many customers were created around then, as far as the ledger knows.
    There is none where no target needs anything.
    """
    if not records.trusts(terms.environment.account):
        return None
    scope = scope_of(desired, terms)
    keys = [key for key in dict.fromkeys(terms.targets) if scope.targeted(key)]
    if terms.since is not None:
        if terms.since.whole is not None:
            return None
        keys = [key for key in keys if not _is_nothing(key, desired, records, terms)]
        if not keys:
            return ()
    learned = records.learned
    if not (keys and learned.longest_page) or records.intents:
        return None
    if any(map(has_magic, terms.targets)) or _owns(desired, terms):
        return None
    rows = [records.bindings.get(key) for key in keys]
    pins = Counter(one.id for one in desired.customers.values() if one.id is not None)
    moved = {key for move in desired.moved for key in (move.origin, move.to)}
    found = [row for row in rows if row is not None and _alone(row, desired, pins, terms.project)]
    if len(found) < len(rows) or not moved.isdisjoint(keys):
        return None
    created = Counter(row.created_at[:_TO_THE_SECOND] for row in records.bindings.values())
    requests = sum(ceil(_around(row.created_at, created) / learned.longest_page) for row in found)
    if requests >= ceil(learned.listed / learned.longest_page):
        return None
    return tuple(Seek(row.bound_id, row.created_at) for row in found)


def _around(created_at: str, created: Mapping[str, int]) -> int:
    """
    Return how many of those created, counted by second, a list narrowed to a customer's creation holds.

    >>> counted = {"2025-12-31T23:59:59": 3, "2026-01-01T00:00:01": 1, "2026-01-01T00:00:04": 9}
    >>> _around("2026-01-01T00:00:01.5Z", counted)
    4
    """
    try:
        second = datetime.fromisoformat(created_at[:_TO_THE_SECOND])
    except ValueError:
        return 1
    near = (second + timedelta(seconds=away) for away in range(-_NARROW_S, _NARROW_S + 1))
    return sum(created.get(one.isoformat(), 0) for one in near)


def holds(plan: Plan) -> bool:
    """
    Say whether a plan that was made of the targets alone is that of the whole account.

    A limit in percent of the live customers is one of fewer here, so a plan that keeps it keeps the other one.
    """
    return not plan.blocked and not plan.limits and all(change.action in _HARMLESS for change in plan.changes)


def _is_nothing(key: str, desired: Desired, records: Records, terms: Terms) -> bool:
    """Say whether there is nothing to do for a key: its entry was removed before it was ever applied."""
    known = key in desired.customers or key in records.bindings or any(key == move.origin for move in desired.moved)
    return not known and terms.prune is not Prune.ALL


def _owns(desired: Desired, terms: Terms) -> bool:
    """Say whether a target may be archived as owned: every customer that carries its external_id is then concerned."""
    return terms.prune is Prune.ALL and not desired.customers.keys() >= set(terms.targets)


def _alone(row: Binding, desired: Desired, pins: Mapping[CustomerId, int], project: str) -> bool:
    """
    Say whether a bound customer is active and declared under its own key, or not declared; and no other entry names it.

    One that is declared and not active may be blocked by another customer that carries its external_id.
    """
    customer = desired.customers.get(row.external_id)
    own = customer is not None and customer.id is not None
    if (customer is not None and customer.id not in (None, row.id)) or row.project != project:
        return False
    planned = customer is None or row.state is BindingState.ACTIVE
    return planned and bool(row.created_at) and pins.get(row.bound_id, 0) == own
