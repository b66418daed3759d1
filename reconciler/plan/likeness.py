"""Declared customers that may be live already, without an external_id to tell them by. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.model import CustomerId, DesiredCustomer, LiveCustomer
from reconciler.plan.duplicates import TWIN_FIELDS, comparable


@dataclass(frozen=True, slots=True)
class Likeness:
    """A live customer, the fields in which it is like a declared one, and whether neither is like another."""

    customer: LiveCustomer
    fields: tuple[str, ...]
    alone: bool


def likenesses(
    declared: Iterable[DesiredCustomer], nameless: Iterable[LiveCustomer]
) -> Mapping[str, tuple[Likeness, ...]]:
    """
    Return by key which of `nameless` agree with a declared customer in EIN, e-mail or name, the most alike first.

    It is for review: two companies may share an address, so none of it may bind a customer.
    """
    by_value: dict[tuple[str, str], list[LiveCustomer]] = {}
    for customer in nameless:
        for name in TWIN_FIELDS:
            if value := comparable(name, customer.fields.get(name, "")):
                by_value.setdefault((name, value), []).append(customer)
    agreed: dict[str, dict[CustomerId, list[str]]] = {}
    customers: dict[CustomerId, LiveCustomer] = {}
    for one in declared:
        for name in TWIN_FIELDS:
            for customer in by_value.get((name, comparable(name, one.fields.get(name) or "")), ()):
                agreed.setdefault(one.external_id, {}).setdefault(customer.id, []).append(name)
                customers[customer.id] = customer
    claims = Counter(customer for found in agreed.values() for customer in found)
    return {
        key: tuple(
            Likeness(customers[customer], tuple(fields), len(found) == 1 and claims[customer] == 1)
            for customer, fields in sorted(found.items(), key=lambda item: _rank(item[0], item[1]))
        )
        for key, found in sorted(agreed.items())
    }


def _rank(customer: CustomerId, fields: list[str]) -> tuple[int, int, str]:
    """Return how far down a likeness stands: by how many fields agree, then by the surest of them."""
    return -len(fields), TWIN_FIELDS.index(fields[0]), customer
