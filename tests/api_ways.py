"""
How a server may answer what the API's reference leaves open, as one frozen value: `Ways`.

Each field is a question of the reference's "Not documented"; its first value is the plainest answer. Imports
nothing of the package.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import httpx


class Unique(StrEnum):
    """Among which customers an external_id is unique."""

    NONE = "none"
    ACTIVE = "active"
    ALL = "all"


class UserEmails(StrEnum):
    """Which second user of one customer is refused with 422."""

    ANY = "any"
    UNIQUE = "unique"
    UNIQUE_IN_ANY_CASE = "unique in any case"


class Order(StrEnum):
    """The order of a list."""

    NEWEST = "newest"
    OLDEST = "oldest"
    ID = "id"
    UPDATED = "updated"


class Empties(StrEnum):
    """What empties a field in a patch; what does not is silently left alone."""

    BOTH = "both"
    TEXT = "text"
    NULL = "null"
    NOTHING = "nothing"


class Unset(StrEnum):
    """How a reply shows a field without a value."""

    ABSENT = "absent"
    NULL = "null"
    TEXT = "text"


class Rewrite(StrEnum):
    """What the server does to a value before it stores it; never to an external_id."""

    TRIM = "trim"
    COUNTRY = "country"
    EIN = "ein"
    STATE = "state"
    EMAIL = "email"
    ADDRESS = "address"


class ErrorBody(StrEnum):
    """The body of a refusal."""

    HTTP_ERROR = "HttpError"
    OTHER = "other"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Ways:
    """
    One server's ways.

    Archived customers
        - `lists_archived`: lists hold them. `gets_archived`: a get answers, and so do their users and payment
          methods; else 404. `patches_archived`: a patch is taken; else 404.
        - `repeated_archive`, `repeated_restore`: the status where it is archived, or active, already.
        - `restore_replies`: a restore's 200 carries the customer; else its body is empty.
        - `archive_with_invoices`: the status of an archive of a customer with open invoices.
    Identity
        - `unique`, `unique_status`: the create or restore that is refused, and with what (400 or 422).
        - `required`: what a create must carry (422). `user_emails`: see there.
    Pages
        - `page_max`: a page holds no more. `larger_refused`: a `limit` above it and above 100 is a 400, else cut.
        - `page_uneven`: every other page holds one fewer. `page_nested`: the shape with `pagination`.
        - `cursor_counts`: a cursor counts rows, so that a list shifts while others write; else it names a row.
        - `narrows`: created_at_start and created_at_end are heard.
        - `created_digits`: decimals of a second in created_at (0, 3, 6). `start_inclusive`, `end_inclusive`: bounds.
        - `lag_s`: for how long a read does not see a write. Writes, and their replies, always do.
    Values
        - `empties`, `unset`, `rewrites`: see there. `ignores`: fields that a patch silently leaves alone.
    The rest
        - `error_body`; `extra_fields`: replies hold fields that no reference names; `methods_nested`: payment
          methods stand in `data`, else they are a bare array.
        - `token_s`: how long a token lives. `rate_per_s`: more requests in any second are a 429, 0 is no limit;
          `token_counts`: those for a token are among them; `retry_after`: a 429 has that header.
    """

    lists_archived: bool = False
    gets_archived: bool = False
    patches_archived: bool = False
    repeated_archive: int = 200
    repeated_restore: int = 200
    restore_replies: bool = True
    archive_with_invoices: int = 200

    unique: Unique = Unique.NONE
    unique_status: int = 400
    required: frozenset[str] = frozenset()
    user_emails: UserEmails = UserEmails.ANY

    page_max: int = 100
    larger_refused: bool = False
    page_uneven: bool = False
    page_nested: bool = False
    cursor_counts: bool = False
    order: Order = Order.NEWEST
    narrows: bool = True
    created_digits: int = 3
    start_inclusive: bool = True
    end_inclusive: bool = True
    lag_s: float = 0.0

    empties: Empties = Empties.BOTH
    unset: Unset = Unset.ABSENT
    rewrites: frozenset[Rewrite] = frozenset()
    ignores: frozenset[str] = frozenset()

    error_body: ErrorBody = ErrorBody.HTTP_ERROR
    extra_fields: bool = False
    methods_nested: bool = False
    token_s: int = 3600
    rate_per_s: int = 0
    token_counts: bool = True
    retry_after: bool = True


Fault = Literal["unreachable", "lost_before", "lost_after", "500_after", "503_before", "html_before", 429] | None
"""
What goes wrong with one request. *Before* and *after* say whether the request took effect.

`unreachable`: no connection. `lost_…`: the connection breaks while the answer is awaited. `html_before`: a
proxy's page, with 502. A number is that status, without effect.
"""

Hook = Callable[[httpx.Request], Fault]


def healthy(request: httpx.Request) -> Fault:  # noqa: ARG001  # a hook's signature
    """Return None: nothing goes wrong."""
    return None


Witness = Callable[[httpx.Request, httpx.Response | None], None]


def alone(request: httpx.Request, response: httpx.Response | None) -> None:
    """Witness nothing."""


def scripted(faults: Sequence[Fault]) -> Hook:
    """Return a hook that gives the n-th write (no read, no token) the n-th of `faults`, and later ones none."""
    left = list(faults)

    def hook(request: httpx.Request) -> Fault:
        is_write = request.method != "GET" and request.url.path != "/oauth/token"
        return left.pop(0) if is_write and left else None

    return hook
