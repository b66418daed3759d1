"""What a run may send, counted by the model of the API: the formulas, and the plan's own price."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from http import HTTPStatus
from urllib.parse import parse_qs

from api_account import Customer, Endpoint, Seen
from api_ways import Ways
from rulebook import candidates, rows_of
from story import Ran, ids_of

from reconciler.model.core import Action, CustomerId, Status
from reconciler.model.ledger import BindingState

_SEEK_S = 4.0


def is_narrow(one: Seen) -> bool:
    """Say whether a list looks for one customer: it is narrowed to two seconds around a moment."""
    start_s, end_s = _bounds(one)
    return start_s is not None and end_s is not None and end_s - start_s <= _SEEK_S


def window(one: Seen) -> str:
    """Return what a list is narrowed to, whatever the page."""
    return "&".join(part for part in one.query.split("&") if part.startswith("created_at"))


def the_listing_is_read_once(ran: Ran, sent: Sequence[Seen]) -> Iterator[str]:
    """
    Yield where the pages of the listing, `sent`, are not each asked for once.

    Before a create, a last page that is as long as any was is asked for its successor once, and where the listing
    took several pages, it is read a second time, in one, unless the ledger has an earlier listing that lacked the key.
    A listing is in ranges where the ledger says where to cut, unless the server was found not to narrow: at most one
    for ten pages, and one request more a range.
    """
    assert all("limit=100" in one.query for one in sent)
    by_window: defaultdict[str, list[Seen]] = defaultdict(list)
    for one in sent:
        by_window[window(one)].append(one)
    learned = ran.records.learned
    created = {
        one.address.external_id for one in ran.applied.plan.changes if Action.CREATE in (one.action, one.otherwise)
    }
    again = pages_of(len(ran.listed), ran.ways)
    if created - ran.records.lacked.keys() and len(again) > 1:
        second = len(again) + (again[-1] == max(learned.longest_page, *again))
        if len(by_window[""]) < second:
            yield f"{len(by_window[''])} pages of a second listing, {second} are needed"
        by_window[""] = by_window[""][:-second]
        if not by_window[""]:
            del by_window[""]
    in_ranges = {key: seen for key, seen in by_window.items() if key}
    if in_ranges and "" not in by_window and len(in_ranges) != len(learned.cuts) + 1:
        yield f"{len(in_ranges)} ranges were read, the ledger has {len(learned.cuts)} cuts"
    if in_ranges and "" in by_window:
        # The server turned out not to narrow: what was asked of ranges was in vain, once.
        if ran.ways.narrows or learned.narrows is not None:
            yield "the listing was read in ranges, and in one"
        in_ranges = {}
    lists = {key: (by_window[key], _within(ran, by_window[key][0])) for key in in_ranges or [""]}
    creates = bool(created)
    cut = {key: pages_of(rows, ran.ways) for key, (_, rows) in lists.items()}
    longest = max(learned.longest_page, *(max(pages) for pages in cut.values()))
    for key, (seen, _) in lists.items():
        needed = len(cut[key]) + (creates and 0 < cut[key][-1] == longest)
        if len(seen) != needed:
            yield f"{len(seen)} pages of {key or 'the list'}, {needed} are needed (a create is planned: {creates})"


def pages_of(rows: int, ways: Ways) -> list[int]:
    """Return how long each page of a list of `rows` is, as the model cuts them; a page may hold one fewer."""
    size, pages, start = min(100, ways.page_max), list[int](), 0
    while not pages or start < rows:
        held = size - (start // size % 2 if ways.page_uneven and size > 1 else 0)
        pages.append(min(held, rows - start))
        start += held
    return pages


def _within(ran: Ran, one: Seen) -> int:
    """Return how many of the listed customers a narrowed list holds."""
    start_s, end_s = _bounds(one)
    return sum(_is_in(customer, start_s, end_s, ran.ways) for customer in ran.listed)


def _is_in(customer: Customer, start_s: float | None, end_s: float | None, ways: Ways) -> bool:
    """Say whether a customer stands between bounds that are inclusive or not, as the server has it."""
    created_s = customer.created_us / 1_000_000
    late = start_s is None or created_s > start_s or (ways.start_inclusive and created_s == start_s)
    early = end_s is None or created_s < end_s or (ways.end_inclusive and created_s == end_s)
    return (late and early) or not ways.narrows


def _bounds(one: Seen) -> tuple[float | None, float | None]:
    """Return what a list is narrowed to, in seconds since 1970."""
    query = parse_qs(one.query)
    start_s, end_s = (
        datetime.fromisoformat(query[name][0]).timestamp() if name in query else None
        for name in ("created_at_start", "created_at_end")
    )
    return start_s, end_s


_WRITES = (Endpoint.CREATE, Endpoint.PATCH, Endpoint.ARCHIVE, Endpoint.RESTORE, Endpoint.CREATE_USER)


def planning_writes_nothing(ran: Ran) -> Iterator[str]:
    """Planning reads, and asks for a token."""
    for one in _planning(ran):
        if one.endpoint is not Endpoint.TOKEN and one.method != "GET":
            yield f"planning sent {one.method} {one.path}"


def planning_sends_what_it_needs(ran: Ran) -> Iterator[str]:
    """
    Planning sends the listing, and single reads, each once, where the ledger and the listing leave a question.

    The pages of the listing, in one or in ranges; full last pages' successors before a create; users where the ledger
    has none; for what the listing lacks a narrow list and a get; the payment methods of what is archived. A run that
    had to wait reads all of that once more.
    """
    if ran.applied.waited:
        return
    by_kind = {kind: [one for one in _planning(ran) if one.endpoint is kind] for kind in Endpoint}
    narrow = [one for one in by_kind[Endpoint.LIST] if is_narrow(one)]
    yield from the_listing_is_read_once(ran, [one for one in by_kind[Endpoint.LIST] if one not in narrow])
    if len(by_kind[Endpoint.TOKEN]) != 1:
        yield f"{len(by_kind[Endpoint.TOKEN])} tokens"
    listed = {one.id for one in ran.listed}
    lacking = {row.id for row in ran.records.bindings.values() if row.id not in listed}
    active = {row.id for row in ran.records.bindings.values() if row.state is BindingState.ACTIVE} & lacking
    if len({window(one) for one in narrow}) > len(active) or (_unpaged(ran) and len(narrow) > len(active)):
        yield f"{len(narrow)} narrow lists for {len(active)} customers"
    pins = {one.id for one in ran.desired.customers.values() if one.id is not None} - listed
    yield from _each_once("gets", ids_of(by_kind[Endpoint.GET]), lacking | pins)
    unseen = {one.id for one in ran.before if _has_unseen_users(ran, one.id)}
    # Those that the files and the ledger say are needed are asked before the listing shows who has gone.
    gone = {row.id for one in ran.desired.customers.values() if one.users for row in rows_of(ran, one)} & active
    users = [one for one in by_kind[Endpoint.USERS] if "after=" not in one.query]
    yield from _each_once("user listings", ids_of(users), unseen | gone)
    archived = {change.id for change in ran.applied.plan.changes if change.action is Action.ARCHIVE}
    yield from _each_once("payment method listings", ids_of(by_kind[Endpoint.PAYMENT_METHODS]), archived)
    kinds = (Endpoint.TOKEN, Endpoint.LIST, Endpoint.GET, Endpoint.USERS, Endpoint.PAYMENT_METHODS)
    yield from (f"{kind} {len(seen)} times" for kind, seen in by_kind.items() if seen and kind not in kinds)


def the_price_is_what_is_paid(ran: Ran) -> Iterator[str]:
    """
    `cost` is what the model counted: one request a change, and all else as overhead.

    It is an upper bound where a change was refused, or turned out needless (`unless_listed`). A restore that is a
    create after all (`otherwise`), and a clear that was not taken, are one more; so is the get that an archive takes
    which was refused with a 404; a narrow list has its pages. What a run that had to wait has read before is not in it.
    """
    if ran.applied.waited:
        return
    cost, applying = ran.applied.plan.cost, ran.seen[ran.applied.planning :]
    writes = [one for one in applying if one.endpoint in _WRITES]
    reads = [one for one in applying if one.endpoint not in _WRITES]
    again = sum(count - 1 for count in Counter(ids_of(ran.sent(Endpoint.PATCH))).values())
    clears = sum(any(not field.after for field in change.fields) for change in ran.applied.plan.changes)
    if again > clears:
        yield f"{again} patches were sent again, {clears} have something to clear"
    instead = sum(change.otherwise is not None for change in ran.applied.plan.changes)
    sent = len(writes) - again
    unsure = any(change.otherwise or change.unless_listed for change in ran.applied.plan.changes)
    certain = not unsure and not ran.ended(Status.SKIPPED) and not ran.applied.halt
    if sent > cost.requests + instead or (certain and sent != cost.requests):
        yield f"{cost.requests} changes were priced, {sent} requests counted"
    overhead = ran.applied.planning + len(reads)
    # Nothing is asked after an archive that was not done.
    least = 0 if ran.ended(Status.FAILED) else cost.overhead
    refused = sum(one.endpoint is Endpoint.ARCHIVE and one.status == HTTPStatus.NOT_FOUND for one in writes)
    if certain and _unpaged(ran) and not least <= overhead <= cost.overhead + refused:
        yield f"an overhead of {cost.overhead} was priced, {overhead} counted: {[one.path for one in reads]}"


def _has_unseen_users(ran: Ran, customer_id: str) -> bool:
    """Say whether an entry that may be this customer declares users that the ledger has not seen there."""
    seen = {user.email.casefold() for user in ran.records.users.get(CustomerId(customer_id), ())}
    return any(
        CustomerId(customer_id) not in ran.records.users or not {user.email.casefold() for user in one.users} <= seen
        for one in ran.desired.customers.values()
        if one.users and customer_id in candidates(ran, one)
    )


def _planning(ran: Ran) -> tuple[Seen, ...]:
    return ran.seen[: ran.applied.planning]


def _unpaged(ran: Ran) -> bool:
    """Say whether every list fits on one page, so that a narrow list is one request."""
    return ran.ways.page_max > len(ran.before)


def _each_once(what: str, ids: list[str], allowed: set[str | None]) -> Iterator[str]:
    """Return that some of `ids` were asked twice, or without a question."""
    if len(ids) > len(set(ids)):
        yield f"{what}: {ids}"
    if not set(ids) <= allowed:
        yield f"{what}: {sorted(set(ids) - allowed)} besides {sorted(map(str, allowed))}"


PRICES = (planning_writes_nothing, planning_sends_what_it_needs, the_price_is_what_is_paid)
