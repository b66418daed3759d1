"""Reading for people: one customer from all sides, and the whole account for `import`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from reconciler import live as reading
from reconciler.api.client import ApiClient
from reconciler.endpoints import get_customer
from reconciler.errors import ReconcilerError
from reconciler.ledger.base import Ledger
from reconciler.live import PAGE
from reconciler.model.core import CustomerId, Get, ListPaymentMethods, ListUsers, Live, LiveCustomer, LiveUser
from reconciler.model.ledger import Binding, BindingState, Records
from reconciler.pipeline.plan import Say


@dataclass(frozen=True, slots=True)
class Sides:
    """A customer as the ledger holds it and as it is live, with its users and how many payment methods it has."""

    recorded: Binding | None
    live: LiveCustomer | None
    users: tuple[LiveUser, ...] | None
    payment_methods: int | None


async def sides(client: ApiClient, ledger: Ledger, key: str, pin: CustomerId | None) -> Sides:
    """
    Return what is known of one customer: its pin, else what the ledger binds, else the one with that external_id.

    A bound or pinned one costs a get, one that is not costs the listing; then one request each for users
    and payment methods. ReconcilerError where two live ones carry it.
    """
    recorded = ledger.binding(key)
    known = pin or (recorded.id if recorded is not None else None)
    if known is not None:
        live = (await reading.answer(client, Live(), (Get(known),), page_limit=PAGE)).got[known]
    else:
        live = await _carrier(client, ledger, key)
    if live is None:
        return Sides(recorded, None, None, None)
    more = await reading.answer(client, Live(), (ListUsers(live.id), ListPaymentMethods(live.id)), page_limit=PAGE)
    return Sides(recorded, live, more.users.get(live.id), more.payment_methods[live.id])


async def reply(client: ApiClient, ledger: Ledger, key: str, pin: CustomerId | None) -> object:
    """
    Return the API's reply to a get of one customer, as it came; which one is meant is as in `sides`.

    Raises NotFound where a get does not find it, and ReconcilerError where nobody carries the external_id.
    """
    recorded = ledger.binding(key)
    known = pin or (recorded.id if recorded is not None else None)
    if known is None:
        live = await _carrier(client, ledger, key)
        if live is None:
            raise ReconcilerError(f"{key}: no live customer has this external_id", "it is compared as it is")
        known = live.id
    return (await client.send(get_customer(known))).body


async def _carrier(client: ApiClient, ledger: Ledger, key: str) -> LiveCustomer | None:
    """Return the live customer that carries an external_id, None for none; ReconcilerError where two do."""
    listed = (await reading.listing_by(client, ledger.records().learned)).listed.values()
    carriers = [customer for customer in listed if customer.external_id == key]
    if len(carriers) > 1:
        ids = ", ".join(customer.id for customer in carriers)
        raise ReconcilerError(
            f"{key}: {len(carriers)} live customers have this external_id: {ids}",
            "name the right one with an `id:` line, and archive the other in the dashboard",
        )
    return carriers[0] if carriers else None


@dataclass(frozen=True, slots=True)
class LiveAccount:
    """
    The active customers that are listed and wanted, the users of each where they were asked for, and all read.

    `archived`: how many more are listed and wanted, and were archived by us.
    """

    customers: tuple[LiveCustomer, ...]
    live: Live
    archived: int = 0

    @property
    def users(self) -> Mapping[CustomerId, tuple[LiveUser, ...]]:
        return self.live.users


def _unheard(_: Sequence[LiveCustomer]) -> None:
    """Take no notice."""


async def account(
    client: ApiClient,
    records: Records,
    *,
    chosen: Callable[[LiveCustomer], bool],
    users: bool,
    say: Say,
    listed: Callable[[Sequence[LiveCustomer]], None] = _unheard,
) -> LiveAccount:
    """
    Return the customers that `chosen` takes, in the order of their external_ids, those that we archived left out.

    `listed` is notified of them before their users are asked for, a request each; it may raise.
    """
    say("reading the account")
    live = await reading.listing_by(client, records.learned, progress=lambda done, _: say(f"{done} customers read"))
    archived = {row.id for row in records.bindings.values() if row.state is BindingState.ARCHIVED}
    wanted = [one for one in live.listed.values() if chosen(one)]
    customers = [one for one in wanted if one.id not in archived]
    left = len(wanted) - len(customers)
    customers.sort(key=lambda one: (one.external_id or one.id, one.id))
    listed(customers)
    if not users:
        return LiveAccount(tuple(customers), live, left)
    reads = tuple(ListUsers(one.id) for one in customers)
    live = await reading.answer(
        client, live, reads, page_limit=PAGE, progress=lambda done, total: say(f"users of {done} of {total} read")
    )
    return LiveAccount(tuple(customers), live, left)
