"""
The nouns. Read this first.

*Desired* is what the YAML says, *live* is what the API holds, a *plan* is the changes that lead from
live to desired. What the ledger remembers between runs is in `records`. All are frozen values; nothing
here reads a file, a socket or a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

from reconciler.errors import Source
from reconciler.file_patterns import is_below, path_pattern
from reconciler.many import one_of_many

CustomerId = NewType("CustomerId", str)
"""The API's id of a customer (`cus_9f3`): opaque. Its own type, as an external_id is a `str` too."""


class Action(StrEnum):
    """All that this tool does to an account, in the order in which a plan does it."""

    RESTORE = "restore"
    PATCH = "patch"
    CREATE = "create"
    CREATE_USER = "create_user"
    ARCHIVE = "archive"


class Reason(StrEnum):
    """
    Why a change is planned, or sent without a plan (`direct`). It explains; apply never branches on it.

    `seed`: `seed` generated the customer, and no file declares it.
    """

    DECLARED = "declared"
    ENTRY_GONE = "entry_gone"
    OWNED = "owned"
    UNDO = "undo"
    DUPLICATE = "duplicate"
    OURS = "ours"
    ELSEWHERE = "elsewhere"
    HIDDEN_OR_GONE = "hidden_or_gone"
    DIRECT = "direct"
    SEED = "seed"


class Cause(StrEnum):
    """Which side moved since the ledger recorded a field: `docs/explanation/how-it-decides.md` has the table."""

    UNKNOWN = "unknown"
    DRIFT = "drift"
    CONFIG = "config"
    BOTH = "both"


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """
    What a plan calls a customer or a user: the external_id, or external_id/email.

    `/` and `%` inside either part are written `%2F` and `%25`.

    >>> str(Address("a/b", "jane@acme.example"))
    'a%2Fb/jane@acme.example'
    >>> Address.parse("a%2Fb/jane@acme.example")
    Address(external_id='a/b', email='jane@acme.example')
    """

    external_id: str
    email: str | None = None

    def __str__(self) -> str:
        """Return the address as text."""
        parts = [self.external_id] if self.email is None else [self.external_id, self.email]
        return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts)

    @classmethod
    def parse(cls, text: str) -> Address:
        """Return the address that `text` is the written form of."""
        external_id, slash, email = (part.replace("%2F", "/").replace("%25", "%") for part in text.partition("/"))
        return cls(external_id, email if slash else None)


# --- desired -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DesiredUser:
    """A user as declared. `fields` holds only what is written; None is *declared empty*."""

    email: str
    fields: Mapping[str, str | None]
    source: Source
    ignore_changes: frozenset[str] = frozenset()


@one_of_many()
class DesiredCustomer:
    """
    A customer as declared, with the defaults and overlays of its files merged in.

    `fields` holds only what is written (or comes from defaults): a field that is absent is not managed,
    one that is None is declared empty. `protect` is None where nothing is said. `distinct_from` names customers that
    it is not, by id, key or external_id.
    """

    external_id: str
    fields: Mapping[str, str | None]
    source: Source
    users: tuple[DesiredUser, ...] = ()
    archived: bool = False
    id: CustomerId | None = None
    protect: bool | None = None
    ignore_changes: frozenset[str] = frozenset()
    distinct_from: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Move:
    """A `moved` line: the customer known as `origin` was then called `to`, which may have moved on since."""

    origin: str
    to: str
    source: Source


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that was read: its normalized path relative to the project, and the SHA-256 of its bytes."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Reading:
    """
    What was read, and where a file would have been read had it existed.

    All paths are normalized, with `/`, relative to the project file's folder (else the working folder).
    `folders` were read whole (every *.yaml and *.yml below them), `globs` as patterns. `left_out` are files that
    these lead to and that were not read, as they are read for something else. Standard input is in none of them.
    """

    files: tuple[SourceFile, ...] = ()
    folders: tuple[str, ...] = ()
    globs: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def covers(self) -> Callable[[str], bool]:
        """Return what says whether the file of a name was read, or would have been had it existed."""
        files = {file.name for file in self.files}
        left_out = frozenset(self.left_out)
        globs = [path_pattern(pattern) for pattern in self.globs]

        def covered(name: str) -> bool:
            if name in files:
                return True
            if name in NO_FILE or name in left_out:
                return False
            below = any(is_below(name, folder) for folder in self.folders)
            return below or any(pattern.fullmatch(name) for pattern in globs)

        return covered


NO_FILE = ("", "-", "<stdin>")
"""What an entry has for a file that was in none, or on standard input."""


@dataclass(frozen=True, slots=True)
class Desired:
    """
    All that is declared for one environment.

    `include` and `exclude` are its patterns of external_ids, `left_out` the keys that they leave out.
    """

    customers: Mapping[str, DesiredCustomer] = field(default_factory=dict)
    moved: tuple[Move, ...] = ()
    forget: Mapping[str, Source] = field(default_factory=dict)
    reading: Reading = Reading()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def former_keys(self) -> dict[str, tuple[str, ...]]:
        """Return the former keys of each declared key that `moved` lines lead to, the latest first."""
        before: dict[str, list[str]] = {}
        for move in self.moved:
            before.setdefault(move.to, []).append(move.origin)
        return {key: _traced(key, before) for key in before if key in self.customers}


def _traced(key: str, before: Mapping[str, list[str]]) -> tuple[str, ...]:
    """Return all keys that lead to `key`, itself left out, the nearest first."""
    found, at = [key], 0
    while at < len(found):
        found += [origin for origin in before.get(found[at], ()) if origin not in found]
        at += 1
    return tuple(found[1:])


# --- live --------------------------------------------------------------------------------------------


@one_of_many()
class LiveCustomer:
    """
    A customer as the API replied. `fields` lacks what is unset, null or ""; `external_id` is then "".

    `created_at` is the API's text (RFC 3339). `integration_id` is its `customer_integration_id`, "" for none.
    """

    id: CustomerId
    external_id: str
    created_at: str
    fields: Mapping[str, str]
    integration_id: str = ""

    @property
    def synced(self) -> bool:
        """Say whether an integration syncs it."""
        return bool(self.integration_id)


@dataclass(frozen=True, slots=True)
class LiveUser:
    """A customer's user as the API replied; `fields` lacks what is unset, null or ""."""

    id: str
    email: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class End:
    """
    Where a list ended: how many rows its last page held, that page's end_cursor ("" for none), what narrowed the list.

    Where the page was as long as any, a successor may exist.
    """

    rows: int
    cursor: str = ""
    query: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Live:
    """
    What was read of an account, and what was asked in vain.

    - `listed`: every customer of the full listing, by id.
    - `narrowed`: only what lists narrowed to some customers' created_at held; of others nothing is known.
    - `listings`: how many full passes were made; `passes_differ` says that the last two held other ids, those apart
      that were created since. `pages`: how many pages the last one took, 0 for unknown.
    - `sought`: for an id that the listing lacked, whether the list narrowed to its created_at held it.
    - `got`: for an id that was asked by a get, the customer, or None for a 404.
    - `users`, `payment_methods`: by customer id, where they were listed (payment methods: how many).
    - `unaddressed`: how many more users a customer has, without an email: nobody can declare one.
    - `ends`: where the list ended, or each of the ranges that it was read in; `longest_page`: of this listing.
      `successor_asked` says that the full ones were asked for their successors.
    - `page_limit`: the `limit` that the listing showed the server to take; 0: it showed nothing new.
    - `narrows`: whether the list was read in ranges of created_at: False where the server was found to make
      nothing of them, so that it was read in one after all; None where that was not tried.
    - `read_at`: the server's clock (its Date header; seconds since 1970) when the listing began.
    - `requests`: how many requests all this took.
    """

    listed: Mapping[CustomerId, LiveCustomer] = field(default_factory=dict)
    narrowed: bool = False
    listings: int = 1
    passes_differ: bool = False
    pages: int = 0
    sought: Mapping[CustomerId, bool] = field(default_factory=dict)
    got: Mapping[CustomerId, LiveCustomer | None] = field(default_factory=dict)
    users: Mapping[CustomerId, tuple[LiveUser, ...]] = field(default_factory=dict)
    unaddressed: Mapping[CustomerId, int] = field(default_factory=dict)
    payment_methods: Mapping[CustomerId, int] = field(default_factory=dict)
    ends: tuple[End, ...] = ()
    successor_asked: bool = False
    longest_page: int = 0
    read_at: float = 0.0
    requests: int = 0
    page_limit: int = 0
    narrows: bool | None = None


# --- what a plan needs read before it can be made ----------------------------------------------------


@dataclass(frozen=True, slots=True)
class ListAgain:
    """
    Take the whole listing once more: it may have been short.

    Its last page is asked for its successor where it is as long as `full`; 0: it is not.
    """

    full: int = 0


@dataclass(frozen=True, slots=True)
class AskSuccessor:
    """Ask full last pages for their successors; almost always it is one."""

    ends: tuple[End, ...]


@dataclass(frozen=True, slots=True)
class Seek:
    """List narrowed to `created_at` ± 2 s, to its end, and look for the id."""

    id: CustomerId
    created_at: str


@dataclass(frozen=True, slots=True)
class Get:
    """Get one customer."""

    id: CustomerId


@dataclass(frozen=True, slots=True)
class ListUsers:
    """List one customer's users."""

    id: CustomerId


@dataclass(frozen=True, slots=True)
class ListPaymentMethods:
    """List one customer's payment methods."""

    id: CustomerId


Read = ListAgain | AskSuccessor | Seek | Get | ListUsers | ListPaymentMethods


# --- what is there twice ------------------------------------------------------------------------------


# --- the plan ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EnvironmentRef:
    """Which account a plan is for; `account` is the SHA-256 of the client id, in hex."""

    name: str
    base_url: str
    account: str


class Status(StrEnum):
    """How a change ended."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    IN_DOUBT = "in_doubt"
