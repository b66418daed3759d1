"""Customers to canonical YAML, which `load_desired` reads back unchanged; and live customers as entries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from reconciler.desired.schema_check import record_shape
from reconciler.documents.scalars import quoted, scalar
from reconciler.escape import visible
from reconciler.kinds import CUSTOMER, USER
from reconciler.kinds.kind import by_address, canonical_email, nearly
from reconciler.model.core import CustomerId, LiveCustomer, LiveUser

SCHEMA_COMMENT = "# yaml-language-server: $schema="
SCHEMA_PATH = "../schema/customers.schema.json"

_LONGEST_SIMPLE_KEY = 1000  # YAML's limit is 1024 characters for a key without `?`


@dataclass(frozen=True, slots=True)
class Written:
    """
    One customer to be written: `fields` in the order of the kind, `id` a pin or None, `users` by email.

    `comment` is written behind the key, "" for none.
    """

    key: str
    fields: Mapping[str, str | None]
    id: str | None = None
    users: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    archived: bool = False
    distinct_from: tuple[str, ...] = ()
    comment: str = ""


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
    # One text a customer: its lines would take twice the memory.
    texts = [entry_text(entry) for entry in entries]
    head = f"{SCHEMA_COMMENT}{schema}\n" if schema else ""
    return "".join((head, "version: 1\n", "customers:\n" if texts else "customers: {}\n", *texts))


def entry_text(entry: Written) -> str:
    """Return the lines of one customer."""
    return "\n".join((*_customer(entry), ""))


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
    *above, last = _opening(2, entry.key, empty=not inside)
    yield from above
    yield f"{last}  # {visible(entry.comment)}" if entry.comment else last
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


_TORN = "contains half a character, which no file can hold"


@dataclass(frozen=True, slots=True)
class AdoptedEntries:
    """Entries that plan to nothing, and in words what had to be left out of them."""

    entries: tuple[Written, ...]
    left_out: tuple[str, ...]


SYNCED = "synced by an integration"
"""The comment behind the key of a customer that carries a customer_integration_id."""


def adopt(
    customers: Iterable[LiveCustomer],
    users: Mapping[CustomerId, tuple[LiveUser, ...]],
    unaddressed: Mapping[CustomerId, int] = MappingProxyType({}),
) -> AdoptedEntries:
    """
    Return an entry for each live customer, under its external_id.

    One without an external_id, or with one that others have too or no file can hold, is under its id with an
    `id:` pin. One whose key is nearly that of an earlier one is declared distinct from it: both are live.
    `unaddressed`: how many users without an email a customer has. A comment says who is synced.
    """
    found = list(customers)
    counts = Counter(customer.external_id for customer in found)
    entries: list[Written] = []
    left_out: list[str] = []
    used = {external_id for external_id, count in counts.items() if external_id and count == 1}
    alike: dict[str, str] = {}
    for customer in found:
        alone = bool(customer.external_id) and counts[customer.external_id] == 1 and _whole(customer.external_id)
        key = customer.external_id if alone else _free(customer.id, used)
        if not alone and customer.external_id:
            shared = counts[customer.external_id]
            why = f"{shared} customers have its external_id" if shared > 1 else f"its external_id {_TORN}"
            left_out.append(f"{key}: {why}; it is written with an id: line")
        other = alike.setdefault(nearly(key), key)
        entry = Written(
            key=key,
            distinct_from=(other,) if other != key else (),
            fields={
                field.name: customer.fields[field.name] for field in CUSTOMER.fields if field.name in customer.fields
            },
            id=None if alone else customer.id,
            users={user.email: _names(user) for user in by_address(users.get(customer.id, ())).values()},
            comment=SYNCED if customer.synced else "",
        )
        fitting, lost = _fitting(entry)
        lost += _dropped(users.get(customer.id, ()), unaddressed.get(customer.id, 0))
        entries.append(fitting)
        left_out += [f"{key}: {words}" for words in lost]
    return AdoptedEntries(tuple(entries), tuple(left_out))


def _whole(text: str | None) -> bool:
    """Say whether a text can be in a file: JSON can hold half a character (a lone surrogate), UTF-8 cannot."""
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        return False
    return True


def _free(key: str, used: set[str]) -> str:
    """Return `key`, lengthened until it is no one's, and take it."""
    while key in used:
        key += "-"
    used.add(key)
    return key


def _names(user: LiveUser) -> dict[str, str | None]:
    """Return the fields of a user that it has."""
    return {field.name: user.fields[field.name] for field in USER.fields if field.name in user.fields}


def _dropped(users: Iterable[LiveUser], unaddressed: int) -> Iterator[str]:
    """Yield in words the users of a customer that no entry can name."""
    kept = by_address(users)
    for user in users:
        one = kept[canonical_email(user.email)]
        if one is not user:
            why = f"its address is that of {quoted(one.email)}, ignoring case"
            yield f"the user {quoted(user.email)} is left out: {why}"
    if unaddressed:
        what = "1 user is" if unaddressed == 1 else f"{unaddressed} users are"
        yield f"{what} left out: a user without an email address cannot be declared"


def _fitting(entry: Written) -> tuple[Written, list[str]]:
    """Return `entry` without the values that a customers file may not hold, and what they were."""
    fields = {name: value for name, value in entry.fields.items() if _whole(value)}
    users = {email: names for email, names in entry.users.items() if all(map(_whole, (email, *names.values())))}
    lost = [f"{name} is left out: it {_TORN}" for name in entry.fields if name not in fields]
    lost += [f"a user is left out: it {_TORN}" for email in entry.users if email not in users]
    tree = {**fields, "users": {email: dict(names) for email, names in users.items()}}
    for misfit in record_shape().misfits(tree):
        match misfit.path:
            case ("users", str(email), *_):
                users.pop(email, None)
                lost.append(f"a user is left out: {misfit.message}")
            case (str(name), *_):
                fields.pop(name, None)
                lost.append(f"{name} is left out: {misfit.message}")
            case _:
                lost.append(misfit.message)
    return replace(entry, fields=fields, users=users), lost
