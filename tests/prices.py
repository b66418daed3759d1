"""What a run may send, counted by the model of the API: the formula of the specification, and the plan's own price."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus

from api_routes import Endpoint, Seen
from entries import candidates, rows_of
from listings import is_narrow, the_listing_is_read_once, window
from story import Ran, ids_of

from reconciler.model.core import Action, CustomerId, Status
from reconciler.model.ledger import BindingState

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
