"""
What `api` changes: one request as a value, as the change that the journal keeps of it, and its steps.

The steps bind nothing, and settle a create whose answer was lost by reading.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import assert_never

from reconciler import bookkeeping, endpoints
from reconciler.api.client import ApiClient
from reconciler.api.exchange import Request
from reconciler.api.pagination import pages
from reconciler.api.times import rfc3339
from reconciler.apply.execute import Steps
from reconciler.apply.requests import customer_in, outcome_of
from reconciler.apply.sender import Sender
from reconciler.apply.settle import BEFORE_S, Ambiguous, Customers, Done, Facts, Observed, Users, doubt_of, settle
from reconciler.kinds.kind import canonical_email
from reconciler.kinds.wire import CUSTOMERS, read_customer, read_user, users_path
from reconciler.model.core import Action, Address, CustomerId, LiveCustomer, LiveUser, Reason, Status
from reconciler.model.ledger import Binding, Intent, PutBinding, PutUsers, SeenUser, Write
from reconciler.model.plan import Change, FieldChange, Outcome
from reconciler.model.reasons import Ending, EndReason


@dataclass(frozen=True, slots=True)
class DirectRequest:
    """
    One request that changes the account, asked for by itself.

    `customer` is the id that it speaks of, None for a create; `values` what it carries, None sent as null. `unchecked`:
    a create is sent though another customer may have its external_id.
    """

    name: str
    action: Action
    request: Request
    customer: CustomerId | None = None
    values: Mapping[str, str | None] = field(default_factory=dict)
    unchecked: bool = False

    @property
    def external_id(self) -> str:
        """Return the external_id that a create carries, "" for none."""
        return self.values.get("external_id") or ""


def create_customer(values: Mapping[str, str | None], *, unchecked: bool = False) -> DirectRequest:
    request = endpoints.create_customer(values)
    return DirectRequest("api customers create", Action.CREATE, request, None, values, unchecked=unchecked)


def patch_customer(customer: CustomerId, values: Mapping[str, str | None]) -> DirectRequest:
    request = endpoints.patch_customer(customer, values)
    return DirectRequest("api customers patch", Action.PATCH, request, customer, values)


def archive_customer(customer: CustomerId) -> DirectRequest:
    return DirectRequest("api customers archive", Action.ARCHIVE, endpoints.archive_customer(customer), customer)


def restore_customer(customer: CustomerId) -> DirectRequest:
    return DirectRequest("api customers restore", Action.RESTORE, endpoints.restore_customer(customer), customer)


def create_user(customer: CustomerId, values: Mapping[str, str | None]) -> DirectRequest:
    """Return the create of a customer's user."""
    request = endpoints.create_user(customer, values)
    return DirectRequest("api users create", Action.CREATE_USER, request, customer, values)


def change_of(call: DirectRequest, key: str, before: Mapping[str, str]) -> Change:
    """
    Return the change that `call` makes; `before` are the values that a patch finds.

    `key` is what the customer is bound to, its id where it is bound to nothing. A create has the key that it
    asks for, "" for none, and its external_id among its values: by that it is known as one that binds nothing.
    """
    values = dict(call.values)
    match call.action:
        case Action.CREATE:
            values = {"external_id": call.external_id or None, **values}
            address = Address(call.external_id)
        case Action.CREATE_USER:
            address = Address(key, call.values.get("email") or "")
        case _:
            address = Address(key)
    fields = tuple(FieldChange(name, before.get(name, ""), value) for name, value in values.items())
    return Change(call.action, address, call.customer, Reason.DIRECT, fields=fields)


Others = Callable[[], AbstractSet[CustomerId]]
"""Says of which customers it is known how they came to be; asked only where an answer was lost."""


class CallSteps:
    """
    The steps of one call, in one run.

    `binding` is what the ledger binds its customer by, None for nothing; `users` are those that the ledger has
    seen there, None where they were never listed. `bound` archives and restores, whose bindings are kept up.
    """

    def __init__(
        self,
        sender: Sender,
        request: Request,
        bound: Steps,
        others: Others,
        binding: Binding | None = None,
        users: tuple[SeenUser, ...] | None = None,
    ) -> None:
        self._sender = sender
        self._request = request
        self._bound = bound
        self._others = others
        self._binding = binding
        self._users = users
        self.found: object = None

    async def take(self, change: Change) -> Outcome:
        """Do the change and return what became of it; raises Halted where nothing was sent."""
        if change.action in (Action.ARCHIVE, Action.RESTORE):
            return await self._bound.take(change)
        return await outcome_of(self._take(change), change, self._sender)

    async def settle(self, doubted: Sequence[Change]) -> Mapping[Address, Outcome]:
        """Look for a create in doubt, the lag bound having passed; what is not in the answer did not happen."""
        (change,) = doubted
        outcome = await self.settled(change, self._sender.last_intent(change), Ending(EndReason.LOST_DONE))
        return {} if outcome is None else {change.address: outcome}

    async def settled(self, change: Change, intent: Intent, done: Ending) -> Outcome | None:
        """Close an open create by reading; return what became of it, with `done`, or None where it was not done."""
        facts, rows = await _read(self._sender.client, intent, self._others())
        found = settle(intent, Observed(facts))
        if isinstance(found, Ambiguous):
            # Closed: who has looked at them may give the same command again.
            ending = doubt_of(found)
            await self._sender.close(intent, Status.IN_DOUBT, ending=ending)
            return Outcome(change, Status.IN_DOUBT, ending)
        if not isinstance(found, Done) or found.id is None:
            await self._sender.close(intent, Status.FAILED, ending=Ending(EndReason.LOST_NOT_DONE))
            return None
        self.found = rows[found.id]
        user = (
            read_user(self.found) if intent.action is Action.CREATE_USER and intent.address == change.address else None
        )
        writes = self._seen(user)
        await self._sender.close(replace(intent, id=found.id), Status.DONE, *writes, ending=done)
        return Outcome(change, Status.DONE, done, found.id)

    async def _take(self, change: Change) -> Outcome:
        """Send a create or a patch; what the client raises is raised."""
        reply, intent = await self._sender.send(self._request, change, change.id)
        customer = change.id
        writes: tuple[Write, ...] = ()
        match change.action:
            case Action.CREATE:
                customer = customer_in(reply, self._request.name).id
            case Action.CREATE_USER:
                sent = LiveUser("", change.address.email or "", {})
                writes = self._seen(read_user(reply.body) or sent)
            case Action.PATCH:
                writes = self._patched(change, read_customer(reply.body), reply.server_time_s)
            case Action.ARCHIVE | Action.RESTORE:
                raise AssertionError(change.action)
            case _:
                assert_never(change.action)
        await self._sender.close(replace(intent, id=customer), Status.DONE, *writes)
        return Outcome(change, Status.DONE, None, customer)

    def _patched(self, change: Change, live: LiveCustomer | None, at: float) -> tuple[Write, ...]:
        """Return what keeps the ledger true of a bound customer: no list need show the new values yet."""
        if live is None or self._binding is None:
            return ()
        return (PutBinding(bookkeeping.rewritten(self._binding, change.fields, live.fields, at, self._sender.lag_s)),)

    def _seen(self, user: LiveUser | None) -> tuple[Write, ...]:
        """Return what keeps the ledger true where it has seen the users of a customer: the next plan lists none."""
        if user is None or self._users is None or self._binding is None:
            return ()
        known = {canonical_email(one.email) for one in self._users}
        new = () if canonical_email(user.email) in known else (SeenUser(user.email, user.fields),)
        row = bookkeeping.rewritten(self._binding, (), {}, self._sender.client.server_now(), self._sender.lag_s)
        return PutBinding(row), PutUsers(row.bound_id, (*self._users, *new))


async def _read(
    client: ApiClient, intent: Intent, others: AbstractSet[CustomerId]
) -> tuple[Facts, Mapping[CustomerId, object]]:
    """
    Read what shows an open create: the customers since it, or the users of its customer; raises ApiFailed.

    Returned with it are the API's rows by the customer's id: of each customer, or of the user with its email.
    """
    if intent.id is not None:
        listed = [row async for page in pages(client, users_path(intent.id)) for row in page.rows]
        users = [(user.email, row) for row in listed if (user := read_user(row)) is not None]
        email = canonical_email(intent.address.email or "")
        theirs = next((row for known, row in users if canonical_email(known) == email), None)
        return Users([known for known, _ in users]), {intent.id: theirs}
    since = ("created_at_start", rfc3339(intent.opened_at - BEFORE_S))
    rows = [row async for page in pages(client, CUSTOMERS, (since,)) for row in page.rows]
    by_id = {live.id: (live, row) for row in rows if (live := read_customer(row)) is not None}
    return Customers([live for live, _ in by_id.values()], others), {one: row for one, (_, row) in by_id.items()}
