"""
What an account holds, with the indexes that make its lists quick; and what a request is answered with.

An `Account` changes; what it holds is frozen, so that a reader may keep a `StoredCustomer` it was given.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import assert_never

from reconciler.kinds.kind import CUSTOMER, USER
from reconciler.rules.behaviour import Behaviour, Precision, Unset

OK, CREATED, NOT_FOUND = 200, 201, 404
REDIRECTED = 300


class RefusalReason(StrEnum):
    """Why the API refuses a request; the emulator has the words."""

    UNKNOWN_ID = "unknown_id"
    CUSTOMER_INVALID = "customer_invalid"
    USER_INVALID = "user_invalid"
    EXTERNAL_ID_TAKEN = "external_id_taken"
    EMAIL_TAKEN = "email_taken"
    SYNCED = "synced"
    ALREADY_ARCHIVED = "already_archived"
    NOT_ARCHIVED = "not_archived"
    OPEN_INVOICES = "open_invoices"
    CURSOR_INVALID = "cursor_invalid"
    BOTH_CURSORS = "both_cursors"
    LIMIT_INVALID = "limit_invalid"
    LIMIT_TOO_LARGE = "limit_too_large"
    TIME_INVALID = "time_invalid"


class FieldFault(StrEnum):
    """What is wrong with one field of a body."""

    NOT_TEXT = "not_text"
    REQUIRED = "required"
    TAKEN = "taken"
    FIXED = "fixed"
    NOT_CLEARED = "not_cleared"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused: the parameter's name or its bound as `part`, and what is wrong with which field."""

    reason: RefusalReason
    part: str = ""
    fields: Mapping[str, FieldFault] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RuleReply:
    """
    A status and a body: JSON values, None for an empty one, or a `Refusal`, which the emulator puts into words.

    The values in `body` may be shared with other replies: read them, never change them.
    """

    status: int
    body: object

    @property
    def accepted(self) -> bool:
        """Return whether the request did what it asked."""
        return self.status < REDIRECTED


def refusal(
    status: int, reason: RefusalReason, part: str = "", fields: Mapping[str, FieldFault] | None = None
) -> RuleReply:
    """Return a refusal; `fields` says of each field what is wrong with it."""
    return RuleReply(status, Refusal(reason, part, fields or {}))


def not_found() -> RuleReply:
    """Return the answer to an unknown id."""
    return refusal(NOT_FOUND, RefusalReason.UNKNOWN_ID)


PATCHABLE = tuple(one.name for one in CUSTOMER.fields if one.patchable)
CREATABLE = (CUSTOMER.identity, *(one.name for one in CUSTOMER.fields))
USER_FIELDS = (USER.identity, *(one.name for one in USER.fields))
_SHOWN = (CUSTOMER.identity, "customer_integration_id", *(one.name for one in CUSTOMER.fields))


@dataclass(frozen=True, slots=True)
class StoredCustomer:
    """A customer as the server keeps it; `fields` holds only what is not empty, the external_id too."""

    id: str
    created_us: int
    fields: Mapping[str, str]
    archived: bool = False

    @property
    def external_id(self) -> str:
        """Return the external_id, "" for none."""
        return self.fields.get(CUSTOMER.identity, "")


@dataclass(frozen=True, slots=True)
class StoredUser:
    """A customer's user; `fields` holds only what is not empty, the email too."""

    id: str
    created_us: int
    fields: Mapping[str, str]

    @property
    def email(self) -> str:
        """Return the email as it is kept."""
        return self.fields.get(USER.identity, "")


@dataclass(slots=True)
class Account:
    """
    Everything behind one API key. Change it only with the functions of this package.

    - `payment_methods`: by customer id or by external_id.
    - `seed` and `made` give the next id: the same seed gives the same ids in the same order.
    - `holders`: the ids of the customers that carry an external_id, archived ones too.
    - `by_time`, `by_id`: every customer's key, sorted. `emails`: how many users have an email without case.
    - `past`: what a customer was before each recent write (microseconds; None: it did not exist), kept
      where reads lag.
    - `touched`: when each customer was last written (microseconds); one that only was put there is not in it.
    """

    seed: str = ""
    made: int = 0
    customers: dict[str, StoredCustomer] = field(default_factory=dict)
    users: dict[str, list[StoredUser]] = field(default_factory=dict)
    payment_methods: dict[str, Sequence[Mapping[str, object]]] = field(default_factory=dict)
    holders: dict[str, list[str]] = field(default_factory=dict)
    emails: dict[str, int] = field(default_factory=dict)
    by_time: list[tuple[int, str]] = field(default_factory=list)
    by_id: list[tuple[int, str]] = field(default_factory=list)
    past: dict[str, list[tuple[int, StoredCustomer | None]]] = field(default_factory=dict)
    touched: dict[str, int] = field(default_factory=dict)

    def next_id(self) -> str:
        """
        Return an id that was never given: a UUID of version 4, and the same in every run of one seed.

        Source: the documentation's example of a cursor holds one.
        """
        self.made += 1
        drawn = bytearray(hashlib.blake2b(f"{self.seed}/{self.made}".encode(), digest_size=16).digest())
        drawn[6] = drawn[6] & 0x0F | 0x40
        drawn[8] = drawn[8] & 0x3F | 0x80
        return uuid_text(bytes(drawn))

    def methods_of(self, customer: StoredCustomer) -> Sequence[Mapping[str, object]]:
        """Return a customer's payment methods."""
        return self.payment_methods.get(customer.id) or self.payment_methods.get(customer.external_id) or ()


def uuid_text(packed: bytes) -> str:
    """
    Return the text of a UUID of 16 bytes.

    >>> uuid_text(bytes(range(16)))
    '00010203-0405-0607-0809-0a0b0c0d0e0f'
    """
    text = packed.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def put(account: Account, customer: StoredCustomer, *, at_us: int = 0, lag_us: int = 0) -> None:
    """Keep `customer` in the place of what had its id; `lag_us` says how long readers see the former."""
    former = account.customers.get(customer.id)
    if at_us:
        account.touched[customer.id] = at_us
    if lag_us:
        kept = [one for one in account.past.get(customer.id, ()) if one[0] > at_us - lag_us]
        account.past[customer.id] = [*kept, (at_us, former)]
    if former is not None and (former.created_us, former.external_id) != (customer.created_us, customer.external_id):
        remove(account, customer.id, users=False)
        former = None
    account.customers[customer.id] = customer
    if former is None:
        insort(account.by_time, (customer.created_us, customer.id))
        insort(account.by_id, (0, customer.id))
        if customer.external_id:
            account.holders.setdefault(customer.external_id, []).append(customer.id)


def remove(account: Account, customer_id: str, *, users: bool = True) -> None:
    """Delete a customer for good, as no request can: an account that was reset, or a hand in the database."""
    customer = account.customers.pop(customer_id)
    for keys, key in ((account.by_time, (customer.created_us, customer.id)), (account.by_id, (0, customer.id))):
        del keys[bisect_left(keys, key)]
    if customer.external_id:
        holders = account.holders[customer.external_id]
        holders.remove(customer_id)
        if not holders:
            del account.holders[customer.external_id]
    if users:
        account.touched.pop(customer_id, None)
        for user in account.users.pop(customer_id, ()):
            account.emails[user.email.casefold()] -= 1


def add_user(account: Account, customer_id: str, user: StoredUser) -> None:
    """Keep one more user of a customer."""
    account.users.setdefault(customer_id, []).append(user)
    email = user.email.casefold()
    account.emails[email] = account.emails.get(email, 0) + 1


def seen(account: Account, customer_id: str, *, at_us: int, lag_us: int) -> StoredCustomer | None:
    """Return the customer as a reader sees it `lag_us` after each write, None where it does not see one."""
    if lag_us:
        for written_us, former in account.past.get(customer_id, ()):
            if written_us > at_us - lag_us:
                return former
    return account.customers.get(customer_id)


def age(account: Account, jump_s: float) -> None:
    """Keep the age of every write that readers may not see yet, where the server's clock jumps."""
    jump_us = microseconds(jump_s)
    for customer_id, writes in account.past.items():
        account.past[customer_id] = [(at_us + jump_us, former) for at_us, former in writes]
    for customer_id, users in account.users.items():
        # A user's moment is shown nowhere: it is only what a lag is counted from.
        account.users[customer_id] = [replace(user, created_us=user.created_us + jump_us) for user in users]


def show(account: Account, ways: Behaviour, customer: StoredCustomer) -> dict[str, object]:
    """Return a customer as a reply has it: every field a string. Nothing in it says that it is archived."""
    shown = _fields(ways, _SHOWN, customer.id, customer.fields)
    methods = account.methods_of(customer) if account.payment_methods else ()
    if methods:
        shown["default_payment_method_id"] = methods[0].get("id", "")
    elif ways.unset is not Unset.ABSENT:
        shown["default_payment_method_id"] = "" if ways.unset is Unset.TEXT else None
    shown["created_at"] = moment(customer.created_us, ways.precision)
    if ways.extra_fields:
        shown |= {"risk_tier": "standard", "tags": ["new"], "balance": {"amount": 0, "currency": "USD"}}
    return shown


def show_user(ways: Behaviour, user: StoredUser) -> dict[str, object]:
    """Return a user as a reply has it."""
    shown = _fields(ways, USER_FIELDS, user.id, user.fields)
    return shown | {"role": "member"} if ways.extra_fields else shown


def _fields(ways: Behaviour, names: tuple[str, ...], own_id: str, fields: Mapping[str, str]) -> dict[str, object]:
    """Return `id` and the fields, those that hold nothing as the server shows them."""
    shown: dict[str, object] = {"id": own_id}
    match ways.unset:
        case Unset.TEXT:
            for name in names:
                shown[name] = fields.get(name, "")
        case Unset.NULL:
            for name in names:
                shown[name] = fields.get(name)
        case Unset.ABSENT:
            shown |= {name: fields[name] for name in names if name in fields}
        case _:
            assert_never(ways.unset)
    return shown


def moment(at_us: int, precision: Precision) -> str:
    """
    Return microseconds since 1970 as RFC 3339, cut to `precision`.

    >>> moment(1_700_000_000_123_456, Precision.MS)
    '2023-11-14T22:13:20.123Z'
    """
    text = datetime.fromtimestamp(at_us // 1_000_000, UTC).isoformat()[:19]
    match precision:
        case Precision.S:
            return f"{text}Z"
        case Precision.MS:
            return f"{text}.{at_us % 1_000_000 // 1000:03d}Z"
        case Precision.US:
            return f"{text}.{at_us % 1_000_000:06d}Z"
    assert_never(precision)


def microseconds(seconds: float) -> int:
    """Return seconds as whole microseconds."""
    return round(seconds * 1_000_000)
