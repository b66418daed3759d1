"""Creates whose answer was lost, settled by reading: bound where they are there, to be sent again where not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconciler import bookkeeping
from reconciler.apply.sender import Sender
from reconciler.apply.settle import BEFORE_S, Ambiguous, Customers, Done, Doubt, Observed, Users, settle
from reconciler.kinds.kind import canonical_email
from reconciler.live.reads import SingleReads
from reconciler.model.core import Action, Address, CustomerId, LiveCustomer, Status
from reconciler.model.ledger import Binding, PutBinding, PutUsers, SeenUser
from reconciler.model.plan import Change, Outcome


class Doubts:
    """
    What settles the creates of one run.

    `rows` and `users` are those of the run's steps, which this changes too; `unlisted` are the keys whose
    customer's users must be listed before one is created.
    """

    def __init__(
        self,
        sender: Sender,
        reads: SingleReads,
        rows: dict[str, Binding],
        users: dict[CustomerId, tuple[SeenUser, ...]],
        unlisted: set[str],
    ) -> None:
        self._sender = sender
        self._reads = reads
        self._rows = rows
        self._users = users
        self._unlisted = unlisted

    async def settle(self, doubted: Sequence[Change]) -> Mapping[Address, Outcome]:
        """
        Look for creates in doubt, the lag bound having passed; what is not in the answer did not happen.

        One list, narrowed to what was created since the first of them, serves all customers; users cost
        one list a customer. Two customers with one external_id are never chosen between.
        """
        outcomes: dict[Address, Outcome] = {}
        customers = [change for change in doubted if change.action is Action.CREATE]
        if customers:
            since = min(self._sender.last_intent(change).opened_at for change in customers) - BEFORE_S
            listed = {one.id: one for one in await self._reads.created_since(since)}
            for change in customers:
                outcome = await self._found(change, listed)
                if outcome is not None:
                    outcomes[change.address] = outcome
        for change in doubted:
            if change.action is Action.CREATE_USER:
                outcome = await self._found_user(change)
                if outcome is not None:
                    outcomes[change.address] = outcome
        return outcomes

    async def _found(self, change: Change, listed: Mapping[CustomerId, LiveCustomer]) -> Outcome | None:
        """Return what became of a create in doubt: bound where one is there, None where none is."""
        intent, key = self._sender.last_intent(change), change.address.external_id
        bound = {row.id for row in self._rows.values()}
        found = settle(intent, Observed(Customers(listed.values(), bound)))
        if isinstance(found, Ambiguous):
            return Outcome(change, Status.IN_DOUBT, _text(found))
        if not isinstance(found, Done) or found.id is None:
            await self._sender.close(intent, Status.FAILED, message="its answer was lost; it was not done")
            return None
        recorded = bookkeeping.found(self._rows[key], change, listed[found.id], intent.opened_at)
        self._rows[key] = recorded
        message = "its answer was lost; it was done"
        # Its users are listed before one is created: the list says who else wrote to it.
        self._unlisted.add(key)
        await self._sender.close(replace(intent, id=found.id), Status.DONE, PutBinding(recorded), message=message)
        return Outcome(change, Status.DONE, message, found.id)

    async def _found_user(self, change: Change) -> Outcome | None:
        """Return what became of the create of a user in doubt, None where it is not there."""
        customer, intent = self._rows[change.address.external_id].bound_id, self._sender.last_intent(change)
        await self._list_users(change, customer)
        seen = Users([user.email for user in self._users[customer]])
        if not isinstance(settle(intent, Observed(seen)), Done):
            await self._sender.close(intent, Status.FAILED, message="its answer was lost; it was not done")
            return None
        message = "its answer was lost; it was done"
        await self._sender.close(intent, Status.DONE, PutUsers(customer, self._users[customer]), message=message)
        return Outcome(change, Status.DONE, message, customer)

    async def _list_users(self, change: Change, customer: CustomerId) -> None:
        """List a customer's users; what is known of those that `change` does not create stays."""
        email = canonical_email(change.address.email or "")
        before = {canonical_email(user.email): user for user in self._users.get(customer, ())}
        seen = dict(before)
        for user in await self._reads.users(customer):
            key = canonical_email(user.email)
            applied = before[key].applied if key in before else None
            if key == email:
                applied = {field.name: field.after for field in change.fields if field.name != "email"}
            seen[key] = SeenUser(user.email, user.fields, applied)
        self._users[customer] = tuple(seen.values())


def _text(found: Ambiguous) -> str:
    """Return why a create stays in doubt, and nobody is bound."""
    ids = ", ".join(found.ids)
    if found.doubt is Doubt.CLAIMED:
        return f"its answer was lost, and {ids}, which is bound to another key, has its external_id now; none is bound"
    return f"its answer was lost, and {len(found.ids)} customers have its external_id now: {ids}; none is bound"
