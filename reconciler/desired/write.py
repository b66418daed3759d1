"""Customers to canonical YAML, which `load_desired` reads back to exactly the same values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.documents.scalars import scalar

SCHEMA_COMMENT = "# yaml-language-server: $schema="
SCHEMA_PATH = "../schema/customers.schema.json"

_LONGEST_SIMPLE_KEY = 1000  # YAML's limit is 1024 characters for a key without `?`


@dataclass(frozen=True, slots=True)
class Written:
    """One customer to be written: `fields` in the order of the kind, `id` a pin or None, `users` by e-mail."""

    key: str
    fields: Mapping[str, str | None]
    id: str | None = None
    users: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    archived: bool = False
    distinct_from: tuple[str, ...] = ()


def write_customers(entries: Iterable[Written], *, schema: str = SCHEMA_PATH) -> str:
    """
    Return a customers file; `schema` is what its first line tells editors, "" for no such line.

    >>> print(write_customers([Written("acme", {"name": "Acme: 1", "postal_code": "02134", "city": None})]), end="")
    # yaml-language-server: $schema=../schema/customers.schema.json
    version: 1
    customers:
      acme:
        name: "Acme: 1"
        postal_code: 02134
        city: null
    """
    lines = [line for entry in entries for line in _customer(entry)]
    head = [
        *([f"{SCHEMA_COMMENT}{schema}"] if schema else []),
        "version: 1",
        "customers:" if lines else "customers: {}",
    ]
    return "\n".join((*head, *lines, ""))


def _customer(entry: Written) -> Iterator[str]:
    """Yield the lines of one customer."""
    inside: list[str] = []
    if entry.id is not None:
        inside += _pair(4, "id", entry.id)
    if entry.distinct_from:
        inside.append(f"    distinct_from: [{', '.join(scalar(one, flow=True) for one in entry.distinct_from)}]")
    for name, value in entry.fields.items():
        inside += _pair(4, name, value)
    if entry.archived:
        inside.append("    archived: true")
    if entry.users:
        inside.append("    users:")
        for email, user in entry.users.items():
            names = [line for name, value in user.items() for line in _pair(8, name, value)]
            inside += [*_opening(6, email, empty=not names), *names]
    yield from _opening(2, entry.key, empty=not inside)
    yield from inside


def _pair(indent: int, key: str, value: str | None) -> list[str]:
    """Return the line of a key, which is a field's name, and its value."""
    return [f"{' ' * indent}{key}: {scalar(value)}"]


def key_line(key: str) -> list[str]:
    """Return the line that begins a customer under `key`, any text."""
    return _opening(2, key, empty=False)


def _opening(indent: int, key: str, *, empty: bool) -> list[str]:
    """Return the line that begins a mapping under `key`, any text."""
    margin, name, rest = " " * indent, scalar(key), " {}" if empty else ""
    if len(name) <= _LONGEST_SIMPLE_KEY:
        return [f"{margin}{name}:{rest}"]
    return [f"{margin}? {name}", f"{margin}:{rest}"]
