"""What every kind says of itself: `Kind` and `Field`, and how texts compare."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Personal(StrEnum):
    """How `--redact` masks a field: by its type, never by a search in text."""

    NO = "no"
    NAME = "name"
    EMAIL = "email"
    ADDRESS = "address"
    NUMBER = "number"


def canonical_text(text: str) -> str:
    r"""
    Return `text` in NFC without outer blanks: the form in which texts are compared.

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


def canonical_ein(text: str) -> str:
    """
    Return an EIN without its hyphen.

    >>> canonical_ein("12-3456789")
    '123456789'
    """
    return canonical_text(text).replace("-", "")


def canonical_email(text: str) -> str:
    """
    Return an e-mail address without case.

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
