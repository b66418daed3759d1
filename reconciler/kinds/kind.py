"""What every kind says of itself (`Kind`, `Field`), and the kinds that there are. Light: `--help` reads it."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.model.core import LiveUser


class Personal(StrEnum):
    """How `--redact` masks a field: by its type, never by a search in text."""

    NO = "no"
    NAME = "name"
    EMAIL = "email"
    ADDRESS = "address"
    NUMBER = "number"


def canonical_text(text: str) -> str:
    r"""
    Return `text` in NFC without outer spaces: the form in which texts are compared.

    >>> canonical_text(" Cafe\u0301 ") == "Caf\u00e9"
    True
    """
    return text.strip() if text.isascii() else unicodedata.normalize("NFC", text).strip()


def nearly(external_id: str) -> str:
    """
    Return an external_id without what a server or a spreadsheet may change in it.

    That is case, whitespace, Unicode form, characters that are not seen, leading zeros of a number, and how a number
    is written. Two keys that are nearly the same are two: it is for looking, never for binding by itself.

    >>> nearly(" Acme  Inc") == nearly("acme inc"), nearly("00123") == nearly("123.0") == nearly("1.23E+02")
    (True, True)
    """
    text = external_id if external_id.isascii() else _compatible(external_id)
    text = " ".join(text.casefold().split())
    number = _NUMBER.fullmatch(text) if text[:1].isdecimal() else None
    if number is None:
        return text
    whole, part, exponent = number["whole"], (number["part"] or "").rstrip("0"), int(number["exponent"] or 0)
    if len(part) > exponent:
        return text
    return f"{whole}{part:0<{exponent}}".lstrip("0") or "0"


_NUMBER = re.compile(r"(?P<whole>[0-9]+)(?:\.(?P<part>[0-9]*))?(?:e\+?(?P<exponent>[0-9]{1,2}))?")


def _compatible(text: str) -> str:
    """Return a text in the form in which what looks alike is the same, without format characters."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(char for char in folded if unicodedata.category(char) != "Cf")


def without_accents(text: str) -> str:
    """
    Return `text` with its letters bare, for comparing what people write with accents and without.

    >>> without_accents("Caf\u00e9")
    'Cafe'
    """
    if text.isascii():
        return text
    return "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))


def canonical_ein(text: str) -> str:
    """
    Return an EIN without its hyphen.

    >>> canonical_ein("12-3456789")
    '123456789'
    """
    return canonical_text(text).replace("-", "")


def canonical_email(text: str) -> str:
    """
    Return an email address without case.

    >>> canonical_email("Jane@Acme.example")
    'jane@acme.example'
    """
    return canonical_text(text).casefold()


@dataclass(frozen=True, slots=True)
class Field:
    """One field: whether a patch may carry it, how it compares, how it is masked."""

    name: str
    patchable: bool = True
    canonical: Callable[[str], str] = canonical_text
    personal: Personal = Personal.NO

    def same(self, one: str | None, other: str | None, equal: Mapping[str, str] | None = None) -> bool:
        """
        Say whether two values are the same in canonical form; None and "" are both empty.

        `equal` maps a canonical text to the one that stands for its class (`equal:` of the project file).
        """
        if one == other:
            return True
        left, right = self.canonical(one or ""), self.canonical(other or "")
        if left == right:
            return True
        return bool(equal) and equal.get(left, left) == equal.get(right, right)  # type: ignore[union-attr]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of resource: its fields in the order of display, and the field that identifies it."""

    name: str
    identity: str
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field:
        """Return the field called `name`; KeyError for none."""
        for one in self.fields:
            if one.name == name:
                return one
        raise KeyError(name)


CUSTOMER = Kind(
    name="customer",
    identity="external_id",
    fields=(
        Field("name", personal=Personal.NAME),
        Field("legal_name", personal=Personal.NAME),
        Field("ein", canonical=canonical_ein, personal=Personal.NUMBER),
        # Set at creation; PATCH takes neither email nor external_id (reference page "Customers").
        Field("email", patchable=False, canonical=canonical_email, personal=Personal.EMAIL),
        Field("street_address", personal=Personal.ADDRESS),
        Field("sub_premise", personal=Personal.ADDRESS),
        Field("city", personal=Personal.ADDRESS),
        Field("state"),
        Field("postal_code", personal=Personal.ADDRESS),
        Field("country"),
    ),
)

CUSTOMER_FIELDS: Mapping[str, Field] = {field.name: field for field in CUSTOMER.fields}


def fingerprint(values: Mapping[str, str | None]) -> bytes:
    """
    Return 16 bytes that are equal for equal values in canonical form; the order does not count.

    >>> fingerprint({"ein": "12-3456789", "city": None}) == fingerprint({"city": "", "ein": "123456789"})
    True
    """
    canonical = [(name, CUSTOMER_FIELDS[name].canonical(values[name] or "")) for name in sorted(values)]
    return hashlib.blake2b(json.dumps(canonical).encode(), digest_size=16).digest()


USER = Kind(
    name="user",
    identity="email",
    fields=(
        Field("first_name", patchable=False, personal=Personal.NAME),
        Field("last_name", patchable=False, personal=Personal.NAME),
    ),
)


def by_address(users: Iterable[LiveUser]) -> dict[str, LiveUser]:
    """
    Return users by canonical address, one of each.

    Of several whose addresses differ in case alone it is the first by spelling, whatever the order of the list: no
    two can be declared, and whoever looks again must find the same one.
    """
    found: dict[str, LiveUser] = {}
    for user in users:
        email = canonical_email(user.email)
        other = found.get(email)
        if other is None or (user.email, user.id) < (other.email, other.id):
            found[email] = user
    return found


USER_FIELDS: Mapping[str, Field] = {field.name: field for field in USER.fields}
