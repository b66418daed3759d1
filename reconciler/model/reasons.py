"""
Why something is blocked, noted, unknown or stopped: closed codes, and the typed parts that each carries. No sentences.

`report.messages` says each code in words. A part is of the type of what it holds, so that JSON can carry it, and so
that `--redact` masks it by its type: a `FieldValue` by its field, `Cited` words always, an `Address` by its e-mail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self, TypeAlias

from reconciler.errors import Source, Stop
from reconciler.model.core import Address, CustomerId


class ReasonCode(StrEnum):
    """A closed set of codes; each member has its code and the names of the `parts` that it carries."""

    parts: tuple[str, ...]

    def __new__(cls, code: str, *parts: str) -> Self:
        """Return the member of a code, which is its value."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.parts = parts
        return member


@dataclass(frozen=True, slots=True)
class FieldValue:
    """A value of a field of a customer or a user; "" is empty."""

    field: str
    value: str


@dataclass(frozen=True, slots=True)
class Cited:
    """The words of a server, a store or a library: never ours, and masked as a whole."""

    words: str


@dataclass(frozen=True, slots=True)
class FieldCited:
    """The words of a server about one field; masked as a whole but for the field's name."""

    field: str
    words: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A time, in seconds since 1970."""

    at: float


@dataclass(frozen=True, slots=True)
class Likeness:
    """
    A live customer that another one may be: `signs` are the fields in which they agree.

    - `key` is what let go of it, None where no key had it; `near` is its key or external_id where that is nearly the
      other one's, "" where it is not.
    - `name` is "" where it is a sign, or a key tells who it is.
    - `read`: the file of its entry was read. `active`: it is not archived.
    """

    id: CustomerId
    key: str | None = None
    signs: tuple[str, ...] = ()
    near: str = ""
    name: FieldValue = FieldValue("name", "")
    read: bool = True
    active: bool = True


ReasonPart: TypeAlias = str | int | float | FieldValue | Cited | FieldCited | Moment | Likeness | Address | Source
"""Text is a key, an id, the name of a field, a file, a pattern, an option: nothing personal, and no sentence."""

ReasonParts: TypeAlias = Mapping[str, ReasonPart | tuple[ReasonPart, ...]]


def check_parts(code: ReasonCode, parts: ReasonParts) -> None:
    """Raise ValueError where `parts` are not those that `code` carries."""
    if parts.keys() != set(code.parts):
        raise ValueError(f"{code}: {sorted(parts)} instead of {sorted(code.parts)}")


def quoted_values(parts: ReasonParts) -> tuple[tuple[str, str], ...]:
    """
    Return the values of fields among `parts`, (field, value), without those that are empty.

    >>> quoted_values({"key": "acme", "held": FieldValue("city", "Boston"), "left": FieldValue("city", "")})
    (('city', 'Boston'),)
    """
    found: dict[tuple[str, str], None] = {}
    for part in parts.values():
        for one in part if isinstance(part, tuple) else (part,):
            value = one.name if isinstance(one, Likeness) else one
            if isinstance(value, FieldValue) and value.value:
                found[value.field, value.value] = None
    return tuple(found)


class BlockedReason(ReasonCode):
    """Why something that should be done cannot be done."""

    NAME_MISSING = "name_missing"
    SYNCED_ACTIVE = "synced_active"


class NoteKind(ReasonCode):
    """What a reader of a plan should know, and need not act on."""

    GONE_AND_INACTIVE = "gone_and_inactive"
    SYNCED_FIELD = "synced_field", "field", "held", "declared"
    SYNCED_ARCHIVE = "synced_archive"
    SYNCED_RESTORE = "synced_restore"
    SYNCED_ARCHIVED = "synced_archived"
    SYNCED_RELEASED = "synced_released"


class UnknownKind(ReasonCode):
    """What cannot be known."""

    NO_LEDGER = "no_ledger"


class StopReason(ReasonCode):
    """Why nothing is planned or sent at all."""

    LISTINGS_DIFFER = "listings_differ", "listings"


def stop(reason: StopReason, parts: ReasonParts | None = None) -> Stop:
    """Return what an exception carries instead of a sentence."""
    given = parts or {}
    check_parts(reason, given)
    return Stop(reason, given)
