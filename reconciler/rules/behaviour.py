"""What the API's documentation leaves open, as switches: `Behaviour`, and how one is read and written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

from reconciler.rules.words import (
    Clears,
    ErrorBody,
    LargerLimit,
    Limiter,
    Order,
    PageShape,
    Paging,
    PatchIdentity,
    Precision,
    RetryAfter,
    Rewrite,
    Synced,
    Unique,
    Unset,
    UserUnique,
)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """
    How an account answers where the documentation does not say.

    - `lists_archived`, `gets_archived`: whether an archived customer is listed, and answers a get.
    - `patches_archived`: whether it takes a patch and new users; else 404.
    - `restore_replies`: a restore's 200 carries the customer; else its body is empty.
    - `unique_status`: 400 or 422, for an external_id that is taken.
    - `required`: fields without which a create answers 422 (a guide names `name` and `email`; the schema none).
    - `patch_identity`, `ignores`: fields that a patch refuses, or leaves as they are without a word.
    - `clears`, `clears_refused`: what empties a field; whether the other is refused with 422.
    - `page_max`, `page_holds`: the largest `limit`; how many a page then holds at most (0: as many).
    - `page_uneven`: some pages hold one fewer.
    - `start_inclusive`, `end_inclusive`: the bounds `created_at_start` and `created_at_end`.
    - `finer_inside`: the server keeps microseconds where `precision` shows fewer, and compares with them.
    - `lag_s`: how long a read does not see a write.
    - `repeated_archive`, `repeated_restore`: 200, 400 or 404.
    - `invoiced`, `invoiced_status`: ids of customers with open invoices, and what their archive answers.
    - `email_lowered`: an e-mail is kept in lower case.
    - `methods_bare`: payment methods are a bare array, else `{"data": […]}`.
    - `extra_fields`: replies hold fields that the reference does not name.
    - `token_counts`: the token request counts for the limit.
    """

    lists_archived: bool = False
    gets_archived: bool = True
    patches_archived: bool = True
    restore_replies: bool = True
    unique: Unique = Unique.ALL
    unique_status: int = 400
    required: frozenset[str] = frozenset()
    patch_identity: PatchIdentity = PatchIdentity.IGNORE
    ignores: frozenset[str] = frozenset()
    synced: Synced = Synced.TAKE
    clears: Clears = Clears.TEXT
    clears_refused: bool = False
    unset: Unset = Unset.TEXT
    rewrites: frozenset[Rewrite] = frozenset()
    page_max: int = 100
    larger_limit: LargerLimit = LargerLimit.CUT
    page_holds: int = 0
    page_uneven: bool = False
    page_shape: PageShape = PageShape.FLAT
    paging: Paging = Paging.POSITION
    order: Order = Order.NEWEST
    start_inclusive: bool = True
    end_inclusive: bool = True
    precision: Precision = Precision.US
    finer_inside: bool = False
    lag_s: float = 0.0
    repeated_archive: int = 200
    repeated_restore: int = 200
    invoiced: frozenset[str] = frozenset()
    invoiced_status: int = 400
    user_unique: UserUnique = UserUnique.CUSTOMER
    email_lowered: bool = False
    methods_bare: bool = False
    extra_fields: bool = False
    error_body: ErrorBody = ErrorBody.HTTP_ERROR
    limiter: Limiter = Limiter.SECOND
    token_counts: bool = False
    retry_after: RetryAfter = RetryAfter.SECONDS

    def changed(self, values: Mapping[str, object]) -> Behaviour:
        """
        Return this behaviour with switches set; a value is JSON's, or the text of it.

        ValueError names a switch that does not exist, or what it may be.

        >>> ways = Behaviour().changed({"unique": "none", "page_max": "50", "rewrites": ["trim"]})
        >>> ways.unique, ways.page_max, ways.rewrites
        (<Unique.NONE: 'none'>, 50, frozenset({<Rewrite.TRIM: 'trim'>}))
        """
        defaults = {field.name: field.default for field in fields(self)}
        read: dict[str, Any] = {}
        for name, value in values.items():
            if name not in defaults:
                raise ValueError(f"{name!r} is no switch; there are {', '.join(defaults)}")
            read[name] = _read(name, value, defaults[name])
        return replace(self, **read)

    def as_json(self) -> dict[str, object]:
        """Return every switch as JSON has it, sets as sorted lists."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in values.items()}


_LARGEST = 10**9
_CHOICES: Mapping[str, tuple[int, ...]] = {
    "unique_status": (400, 422),
    "repeated_archive": (200, 400, 404),
    "repeated_restore": (200, 400, 404),
    "invoiced_status": (400, 422, 500),
}


def _read(name: str, value: object, default: object) -> object:
    """Return `value` as the type that `default` has."""
    match default:
        case bool():
            return _boolean(name, value)
        case StrEnum():
            return _word(name, value, type(default))
        case frozenset():
            words = _words(name, value)
            return frozenset(_word(name, word, Rewrite) for word in words) if name == "rewrites" else words
        case _:
            return _number(name, value, whole=isinstance(default, int))


def _boolean(name: str, value: object) -> bool:
    """Return a boolean or the word for one."""
    text = str(value).lower()
    if text not in {"true", "false"}:
        raise ValueError(f"{name} is true or false")
    return text == "true"


def _word(name: str, value: object, words: type[StrEnum]) -> StrEnum:
    """Return the word of a closed set that `value` is."""
    try:
        return words(str(value))
    except ValueError as exc:
        raise ValueError(f"{name} is one of {', '.join(words)}") from exc


def _words(name: str, value: object) -> frozenset[str]:
    """Return the words of a list, or of a text that joins them by commas."""
    parts = value.split(",") if isinstance(value, str) else value
    if isinstance(parts, list | tuple | set | frozenset):
        return frozenset(word for part in parts if (word := str(part).strip()))
    raise ValueError(f"{name} is a list of words")


def _number(name: str, value: object, *, whole: bool) -> int | float:
    """Return a number that is not negative, one of the choices where there are such."""
    wrong = f"{name} is a whole number" if whole else f"{name} is a number"
    if name in _CHOICES:
        wrong = f"{name} is one of {', '.join(map(str, _CHOICES[name]))}"
    try:
        number = int(str(value)) if whole else float(str(value))
    except ValueError as exc:
        raise ValueError(wrong) from exc
    if not 0 <= number <= _LARGEST or number not in _CHOICES.get(name, (number,)):
        raise ValueError(wrong)
    if name == "page_max" and number < 1:
        raise ValueError("page_max is at least 1")
    return number
