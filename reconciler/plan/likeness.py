"""Declared customers that may be live already, without an external_id to tell them by. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.model import Address, CustomerId, Desired, DesiredCustomer, LiveCustomer, Note
from reconciler.plan.duplicates import TWIN_FIELDS, comparable
from reconciler.records import Records

MOST_OFFERED = 20
"""So many creates of a plan are told of who they are like; `match` lists all."""

_MOST_EACH = 3
_LONGEST_NAME = 60
_WORDS = {"ein": "EIN", "email": "e-mail", "name": "name"}


@dataclass(frozen=True, slots=True)
class Likeness:
    """A live customer, the fields in which it is like a declared one, and whether neither is like another."""

    customer: LiveCustomer
    fields: tuple[str, ...]
    alone: bool


def nameless(listed: Iterable[LiveCustomer], desired: Desired, records: Records) -> Iterator[LiveCustomer]:
    """Yield the live customers that have no external_id and that neither the ledger nor an `id` line speaks of."""
    taken = {row.bound_id for row in records.bindings.values()}
    taken |= {one.id for one in desired.customers.values() if one.id is not None}
    return (one for one in listed if not one.external_id and one.id not in taken)


def offers(
    created: Iterable[DesiredCustomer], listed: Iterable[LiveCustomer], desired: Desired, records: Records
) -> tuple[Note, ...]:
    """
    Return a note for each customer that a plan creates and that may be live already, the most alike first.

    Of more than `MOST_OFFERED` the rest is counted. Nothing is bound by it: a person writes the `id` line.
    """
    there = tuple(nameless(listed, desired, records))
    found = likenesses(created, there) if there else {}
    ranked = sorted(found, key=lambda key: (-len(found[key][0].fields), key))
    notes = [_offer(key, found[key]) for key in ranked[:MOST_OFFERED]]
    if rest := len(ranked) - len(notes):
        more = f"{rest} more creates are" if rest > 1 else "1 more create is"
        notes.append(Note(f"{more} like live customers without an external_id: `reconciler match` lists them"))
    return tuple(notes)


def _offer(key: str, likes: tuple[Likeness, ...]) -> Note:
    """Return which live customers the one to be created may be, and what to write if it is one of them."""
    shown = likes[:_MOST_EACH]
    values = tuple(("name", name) for name in map(_name, shown) if name)
    if len(likes) == 1:
        (one,) = likes
        text = (
            f"it is created, unless you say that it is {_said(one)}, which has the same {_fields(one)} and no "
            f"external_id: then write `id: {one.customer.id}`"
        )
    else:
        several = ", ".join(f"{_said(one)} with the same {_fields(one)}" for one in shown)
        more = f", and {len(likes) - len(shown)} more" if len(likes) > len(shown) else ""
        text = (
            f"it is created, unless you say that it is one of these, which have no external_id: {several}{more}; "
            "then write its `id:` line"
        )
    return Note(text, Address(key), values)


def _said(like: Likeness) -> str:
    """Return a live customer's id, with its name where that is not what is the same."""
    name = _name(like)
    return f'{like.customer.id} "{name}"' if name else like.customer.id


def _fields(like: Likeness) -> str:
    """Return in words what is the same."""
    return " and ".join(_WORDS[name] for name in like.fields)


def _name(like: Likeness) -> str:
    """Return what is shown of a name; "" where it is what is the same, or is not there."""
    return "" if "name" in like.fields else like.customer.fields.get("name", "")[:_LONGEST_NAME]


def likenesses(
    declared: Iterable[DesiredCustomer], there: Iterable[LiveCustomer]
) -> Mapping[str, tuple[Likeness, ...]]:
    """
    Return by key which of `there` agree with a declared customer in EIN, e-mail or name, the most alike first.

    It is for review: two companies may share an address, so none of it may bind a customer.
    """
    by_value: dict[tuple[str, str], list[LiveCustomer]] = {}
    for customer in there:
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
