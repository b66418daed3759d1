"""What the API's documentation leaves open, as switches: `Behaviour`, and how one is read and written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

from reconciler.rules.words import (
    Clears,
    ErrorBody,
    ExternalIds,
    LagOn,
    LargerLimit,
    Limiter,
    LimitHeaders,
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
    """How an account answers where the documentation does not say; `MEANINGS` says what each switch is."""

    lists_archived: bool = False
    gets_archived: bool = True
    patches_archived: bool = True
    restore_replies: bool = True
    unique: Unique = Unique.ALL
    unique_status: int = 400
    external_ids: ExternalIds = ExternalIds.KEPT
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
    narrows: bool = True
    start_inclusive: bool = True
    end_inclusive: bool = True
    precision: Precision = Precision.US
    finer_inside: bool = False
    lag_s: float = 0.0
    lag_on: LagOn = LagOn.READS
    repeated_archive: int = 200
    repeated_restore: int = 200
    invoiced: frozenset[str] = frozenset()
    invoiced_status: int = 400
    user_unique: UserUnique = UserUnique.CUSTOMER
    user_email_case: bool = False
    email_lowered: bool = False
    methods_bare: bool = False
    extra_fields: bool = False
    error_body: ErrorBody = ErrorBody.HTTP_ERROR
    limiter: Limiter = Limiter.SECOND
    token_counts: bool = False
    retry_after: RetryAfter = RetryAfter.SECONDS
    limit_headers: LimitHeaders = LimitHeaders.NONE
    scope_status: int = 403

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


MEANINGS: Mapping[str, str] = {
    "lists_archived": "an archived customer is listed",
    "gets_archived": "an archived customer answers a get; else 404",
    "patches_archived": "an archived customer takes a patch and new users; else 404",
    "restore_replies": "a restore's 200 carries the customer; else its body is empty",
    "unique": "among which customers an external_id may stand once only",
    "unique_status": "what a create with an external_id that is taken answers",
    "external_ids": "what the server makes of an external_id before it keeps it",
    "required": "fields without which a create answers 422",
    "patch_identity": "what a patch does with email and external_id",
    "ignores": "fields that a patch leaves as they are without a word",
    "synced": "what a patch does of a customer that has a customer_integration_id",
    "clears": "what empties a field in a patch: the empty text, null, both or nothing",
    "clears_refused": "what does not empty a field is refused with 422; else the field stays as it is",
    "unset": "how a reply shows a field that holds nothing",
    "rewrites": "what the server does to a value before it keeps it",
    "page_max": "the largest limit of a page",
    "larger_limit": "a larger limit is cut, or refused with 400",
    "page_holds": "how many rows a page holds at most, whatever its limit; 0: as many as asked",
    "page_uneven": "some pages hold one row fewer",
    "page_shape": "where a page keeps its cursors: beside data, or in pagination",
    "paging": "what a cursor holds; with offset, a customer created meanwhile shifts the pages to come",
    "order": "the order of a list of customers",
    "narrows": "created_at_start and created_at_end narrow a list; else they change nothing",
    "start_inclusive": "created_at_start itself is in the range",
    "end_inclusive": "created_at_end itself is in the range",
    "precision": "the smallest part of created_at that is shown",
    "finer_inside": "the server keeps microseconds where precision shows fewer, and compares with them",
    "lag_s": "for how many seconds no read sees a write",
    "lag_on": "which reads that is: all, or lists alone",
    "repeated_archive": "what the archive of an archived customer answers",
    "repeated_restore": "what the restore of an active customer answers",
    "invoiced": "ids or external_ids of customers with open invoices, whose archive is refused",
    "invoiced_status": "what that archive answers",
    "user_unique": "within what two users may not share an e-mail; the second is refused with 422",
    "user_email_case": "e-mails of users that differ in case alone are two",
    "email_lowered": "an e-mail is kept in lower case",
    "methods_bare": "payment methods are a bare array; else an object with data",
    "extra_fields": "replies hold fields that the reference does not name",
    "error_body": "what a refusal's body is: the documented one, other JSON, nothing, or a proxy's page",
    "limiter": "how requests a second are counted: in each second of the clock, in any second, or as a bucket",
    "token_counts": "the token request counts for the limit",
    "retry_after": "the Retry-After of a 429",
    "limit_headers": "what a 429 says of the limit besides: X-RateLimit-… or RateLimit",
    "scope_status": "what a request answers for which the key lacks the scope",
}
"""What each switch is, in one line."""

_LARGEST = 10**9
CHOICES: Mapping[str, tuple[int, ...]] = {
    "unique_status": (400, 422),
    "repeated_archive": (200, 400, 404),
    "repeated_restore": (200, 400, 404),
    "invoiced_status": (400, 422, 500),
    "scope_status": (401, 403, 404),
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
        # JSON's null is a word of `clears` and `unset`.
        return words("null" if value is None else str(value))
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
    if name in CHOICES:
        wrong = f"{name} is one of {', '.join(map(str, CHOICES[name]))}"
    try:
        number = int(str(value)) if whole else float(str(value))
    except ValueError as exc:
        raise ValueError(wrong) from exc
    if not 0 <= number <= _LARGEST or number not in CHOICES.get(name, (number,)):
        raise ValueError(wrong)
    if name == "page_max" and number < 1:
        raise ValueError("page_max is at least 1")
    return number
