"""Lists in pages: customers and a customer's users, by cursors that only their own list takes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from reconciler.rules.account import (
    Account,
    RefusalReason,
    RuleReply,
    StoredCustomer,
    microseconds,
    not_found,
    refusal,
    seen,
    show,
    show_user,
    uuid_text,
)
from reconciler.rules.behaviour import Behaviour, LargerLimit, Order, PageShape, Paging, Precision
from reconciler.rules.customers import visible

# Base64 of these begins with "g+": a cursor that is not percent-encoded always arrives broken.
_MARK = b"\x83\xe0"
_HEAD = len(_MARK) + 4

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

Key = tuple[int, str]


class RefusedParameter(Exception):
    """A parameter of a list that cannot be read, or is refused."""

    def __init__(self, reason: RefusalReason, part: str = "") -> None:
        """`part` is the parameter's name or bound, where the reason needs one."""
        super().__init__(reason, part)
        self.reason, self.part = reason, part


def encode(key: Key, *, scope: str) -> str:
    """
    Return the cursor of a place in the list called `scope`.

    >>> encode((1, "cus_1"), scope="customers")
    'g+Ag49pAAAAAAAAAAAFjdXNfMQ=='
    >>> decode(encode((1, "cus_1"), scope="customers"), scope="customers")
    (1, 'cus_1')
    """
    place = struct.pack(">q", key[0]) + key[1].encode(errors="surrogatepass")
    return base64.b64encode(_MARK + _check(place, scope) + place).decode("ascii")


def decode(cursor: str, *, scope: str) -> Key:
    """Return the place that a cursor of this list says; RefusedParameter for any other text."""
    try:
        packed = base64.b64decode(cursor.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as exc:
        raise RefusedParameter(RefusalReason.CURSOR_INVALID) from exc
    place = packed[_HEAD:]
    if not packed.startswith(_MARK) or packed[len(_MARK) : _HEAD] != _check(place, scope):
        raise RefusedParameter(RefusalReason.CURSOR_INVALID)
    return int(struct.unpack(">q", place[:8])[0]), place[8:].decode(errors="surrogatepass")


# MessagePack of {"i": 16 bytes}: what the documentation's example of a cursor is.
_KEYSET = b"\x81\xa1i\xc4\x10"
_KEYSET_TEXT = b"\x81\xa1i\xda"
"""The same with a text of up to 65,535 bytes, for an id that is no UUID."""


def encode_id(customer_id: str) -> str:
    """
    Return the cursor of a customer in the list by id.

    >>> encode_id("0211a5c1-5400-4461-b1c6-f97f4bc8b9c7")
    'gaFpxBACEaXBVABEYbHG+X9LyLnH'
    >>> decode_id(encode_id("0211a5c1-5400-4461-b1c6-f97f4bc8b9c7")), decode_id(encode_id("cus_1"))
    ((0, '0211a5c1-5400-4461-b1c6-f97f4bc8b9c7'), (0, 'cus_1'))
    """
    if UUID.fullmatch(customer_id):
        packed = _KEYSET + bytes.fromhex(customer_id.replace("-", ""))
    else:
        text = customer_id.encode(errors="surrogatepass")
        packed = _KEYSET_TEXT + struct.pack(">H", len(text)) + text
    return base64.b64encode(packed).decode("ascii").rstrip("=")


def decode_id(cursor: str) -> Key:
    """Return the place that a cursor of the list by id says; RefusedParameter for any other text."""
    try:
        packed = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), validate=True)
        if packed.startswith(_KEYSET) and len(packed) == len(_KEYSET) + 16:
            return 0, uuid_text(packed[len(_KEYSET) :])
        start = len(_KEYSET_TEXT) + 2
        if packed.startswith(_KEYSET_TEXT) and len(packed) == start + int.from_bytes(packed[start - 2 : start]):
            return 0, packed[start:].decode(errors="surrogatepass")
    except ValueError:
        pass
    raise RefusedParameter(RefusalReason.CURSOR_INVALID)


def _check(place: bytes, scope: str) -> bytes:
    """Return four bytes that only this place in this list has."""
    return hashlib.blake2b(place, digest_size=4, key=scope.encode(errors="surrogatepass")[:64]).digest()


Query = Mapping[str, str]
See = Callable[[Key], Mapping[str, object] | None]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNIT_US: Mapping[Precision, int] = {Precision.S: 1_000_000, Precision.MS: 1000, Precision.US: 1}
_DEFAULT_LIMIT = 100


@dataclass(frozen=True, slots=True)
class _Listing:
    """
    One list as it is: `keys[first:past]` in ascending order; `see` returns what a row shows, None for hidden.

    `by_id`: a cursor holds an id alone.
    """

    scope: str
    keys: Sequence[Key]
    first: int
    past: int
    descending: bool
    see: See
    by_id: bool = False

    def cursor(self, key: Key) -> str:
        """Return the cursor of a row."""
        return encode_id(key[1]) if self.by_id else encode(key, scope=self.scope)

    def place(self, cursor: str) -> Key:
        """Return the place that a cursor says; RefusedParameter for one of elsewhere."""
        return decode_id(cursor) if self.by_id else decode(cursor, scope=self.scope)


def list_customers(account: Account, ways: Behaviour, query: Query, now: float) -> RuleReply:
    """Answer `GET /customers`: a page, or 400 for a parameter that cannot be read."""
    try:
        start_us, end_us = _bounds(ways, query)
    except RefusedParameter as exc:
        return refusal(400, exc.reason, exc.part)
    at_us, lag_us = microseconds(now), microseconds(ways.lag_s)
    name = query.get("company_name", "").casefold()
    narrow = ways.order is Order.UPDATED and ("created_at_start" in query or "created_at_end" in query)

    def see(key: Key) -> Mapping[str, object] | None:
        customer: StoredCustomer | None = account.customers[key[1]]
        if lag_us:
            customer = seen(account, key[1], at_us=at_us, lag_us=lag_us)
        if customer is None or (customer.archived and not ways.lists_archived):
            return None
        if (name and customer.fields.get("name", "").casefold() != name) or (
            narrow and not start_us <= customer.created_us < end_us
        ):
            return None
        return show(account, ways, customer)

    if ways.order is Order.UPDATED:
        touched = sorted((account.touched.get(one.id, one.created_us), one.id) for one in account.customers.values())
        return _page(ways, _Listing("customers", touched, 0, len(touched), descending=True, see=see), query)
    times = account.by_time
    first = bisect_left(times, (start_us, ""))
    past = max(first, bisect_left(times, (end_us, "")))
    if ways.order is Order.ID:
        whole = past - first == len(times)
        keys = account.by_id if whole else sorted((0, key[1]) for key in times[first:past])
        by_id = ways.paging is Paging.POSITION
        listing = _Listing("customers", keys, 0, len(keys), descending=False, see=see, by_id=by_id)
    else:
        listing = _Listing("customers", times, first, past, ways.order is Order.NEWEST, see)
    return _page(ways, listing, query)


def list_users(account: Account, ways: Behaviour, customer_id: str, query: Query, now: float) -> RuleReply:
    """Answer `GET /customers/{id}/users`: a page, oldest first, or 404."""
    if visible(account, ways, customer_id, now) is None:
        return not_found()
    users = account.users.get(customer_id, [])
    seen_until_us = microseconds(now) - microseconds(ways.lag_s)
    keys = [(place, user.id) for place, user in enumerate(users)]

    def see(key: Key) -> Mapping[str, object] | None:
        user = users[key[0]]
        return None if ways.lag_s and user.created_us > seen_until_us else show_user(ways, user)

    return _page(ways, _Listing(customer_id, keys, 0, len(keys), descending=False, see=see), query)


def _page(ways: Behaviour, listing: _Listing, query: Query) -> RuleReply:
    """Return the page that `limit`, `after` and `before` ask for."""
    after, before = query.get("after", ""), query.get("before", "")
    try:
        size = _size(ways, query)
        place = _place(listing, after, before)
        if ways.paging is Paging.OFFSET:
            rows, more = _by_offset(listing, 0 if place is None else place[0], size, backward=bool(before))
        else:
            rows, more = _by_position(listing, place, size, backward=bool(before))
    except RefusedParameter as exc:
        return refusal(400, exc.reason, exc.part)
    cursors = {
        "start_cursor": listing.cursor(rows[0][0]) if rows else "",
        "end_cursor": listing.cursor(rows[-1][0]) if rows else "",
        "has_next_page": bool(before) or more,
        "has_previous_page": more if before else bool(after),
    }
    shown = [row for _, row in rows]
    if ways.page_shape is PageShape.NESTED:
        # The guide that shows this shape shows these two and no more.
        return RuleReply(
            200, {"data": shown, "pagination": {name: cursors[name] for name in ("has_next_page", "end_cursor")}}
        )
    return RuleReply(200, {"data": shown, **cursors})


_Rows = list[tuple[Key, Mapping[str, object]]]


def _by_position(listing: _Listing, place: Key | None, size: int, *, backward: bool) -> tuple[_Rows, bool]:
    """Return the rows after `place` (before it, where `backward`), and whether there are more that way."""
    first, past = listing.first, listing.past
    # In the order of the keys: a descending list read forward goes down, read backward it goes up.
    upward = listing.descending == backward
    if place is not None and upward:
        first = max(first, bisect_right(listing.keys, place))
    elif place is not None:
        past = min(past, bisect_left(listing.keys, place))
    places = range(first, past) if upward else range(past - 1, first - 1, -1)
    rows = list(islice(_shown(listing, places), size + 1))
    page = rows[:size]
    return page[::-1] if backward else page, len(rows) > size


def _by_offset(listing: _Listing, offset: int, size: int, *, backward: bool) -> tuple[_Rows, bool]:
    """
    Return the rows from the `offset`-th on (those up to it, where `backward`), and whether there are more.

    Their keys are offsets: what a row's neighbour is changes with every write. This reads the whole list.
    """
    places = range(listing.first, listing.past)
    rows = list(_shown(listing, reversed(places) if listing.descending else places))
    start = max(0, offset - 1 - size) if backward else offset
    end = max(0, offset - 1) if backward else offset + size
    page: _Rows = [((place, ""), row) for place, (_, row) in enumerate(rows[start:end], start + 1)]
    return page, start > 0 if backward else end < len(rows)


def _shown(listing: _Listing, places: Iterable[int]) -> Iterable[tuple[Key, Mapping[str, object]]]:
    """Yield what is visible at `places`, with its key."""
    for place in places:
        key = listing.keys[place]
        row = listing.see(key)
        if row is not None:
            yield key, row


def _place(listing: _Listing, after: str, before: str) -> Key | None:
    """Return where the page begins, None for the list's own begin; RefusedParameter for a cursor of elsewhere."""
    if after and before:
        raise RefusedParameter(RefusalReason.BOTH_CURSORS)
    return listing.place(after or before) if after or before else None


def _size(ways: Behaviour, query: Query) -> int:
    """Return how many rows the page holds at most; RefusedParameter for a limit that is refused."""
    text = query.get("limit", str(_DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit()) or int(text[:9]) < 1:
        raise RefusedParameter(RefusalReason.LIMIT_INVALID)
    limit = int(text[:9])
    # The documented default can be asked for, whatever a page then holds.
    largest = max(ways.page_max, _DEFAULT_LIMIT)
    if limit > largest and ways.larger_limit is LargerLimit.REFUSE:
        raise RefusedParameter(RefusalReason.LIMIT_TOO_LARGE, str(largest))
    size = min(limit, ways.page_max, ways.page_holds or limit)
    # Which pages are shorter must not change when one is asked for again: its cursor decides.
    drawn = hashlib.blake2b(query.get("after", "").encode(), digest_size=1).digest()[0]
    shorter = ways.page_uneven and size > 1 and drawn % 2
    return size - 1 if shorter else size


def _bounds(ways: Behaviour, query: Query) -> tuple[int, int]:
    """Return the microseconds from which on, and before which, a customer was created to be listed."""
    unit = 1 if ways.finer_inside else _UNIT_US[ways.precision]
    start_us, end_us = -(2**62), 2**62
    if not ways.narrows:
        return start_us, end_us
    if "created_at_start" in query:
        start_us = _bound(query["created_at_start"], "created_at_start", unit, upper=not ways.start_inclusive)
    if "created_at_end" in query:
        end_us = _bound(query["created_at_end"], "created_at_end", unit, upper=ways.end_inclusive)
    return start_us, end_us


def _bound(text: str, name: str, unit: int, *, upper: bool) -> int:
    """
    Return the first microsecond of the unit at or after a moment, or with `upper` of the one after it.

    A created_at of seconds stands for its whole second, so a bound falls between two units.
    """
    try:
        moment = datetime.fromisoformat(text)
        at_us = (moment - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, TypeError, OverflowError) as exc:
        raise RefusedParameter(RefusalReason.TIME_INVALID, name) from exc
    return (at_us // unit + 1) * unit if upper else -(-at_us // unit) * unit
