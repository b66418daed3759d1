"""Creates whose answer was lost, settled by reading: bound where they are there, to be sent again where not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconciler import recording
from reconciler.apply.look import Look
from reconciler.apply.made import BEFORE_S
from reconciler.apply.sending import Sending
from reconciler.kinds.kind import canonical_email, nearly
from reconciler.model import Action, Address, Change, CustomerId, LiveCustomer, Outcome, Status
from reconciler.records import Binding, PutBinding, PutUsers, SeenUser


class Doubts:
    """
    What settles the creates of one run.

    `rows` and `users` are those of the run's steps, which this changes too; `unlisted` are the keys whose
    customer's users must be listed before one is created.
    """

    def __init__(
        self,
        sending: Sending,
        look: Look,
        rows: dict[str, Binding],
        users: dict[CustomerId, tuple[SeenUser, ...]],
        unlisted: set[str],
    ) -> None:
        self._sending = sending
        self._look = look
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
            since = min(self._sending.last_intent(change).opened_at for change in customers) - BEFORE_S
            listed = await self._look.created_since(since)
            for change in customers:
                found = self._carriers(change.address.external_id, listed)
                outcome = await self._found(change, found)
                if outcome is not None:
                    outcomes[change.address] = outcome
        for change in doubted:
            if change.action is Action.CREATE_USER:
                outcome = await self._found_user(change)
                if outcome is not None:
                    outcomes[change.address] = outcome
        return outcomes

    def _carriers(self, key: str, listed: Sequence[LiveCustomer]) -> list[LiveCustomer]:
        """
        Return who carries a key; where nobody does, who carries nearly it and is bound to no other.

        Whether the server keeps an external_id as it was sent is not documented, and what is sent again is doubled.
        """
        exact = [one for one in listed if one.external_id == key]
        if exact:
            return exact
        bound = {row.id for row in self._rows.values()}
        near = nearly(key)
        return [one for one in listed if one.id not in bound and nearly(one.external_id) == near]

    async def _found(self, change: Change, found: Sequence[LiveCustomer]) -> Outcome | None:
        """Return what became of a create in doubt: bound where one is there, None where none is."""
        intent = self._sending.last_intent(change)
        if len(found) > 1:
            ids = ", ".join(one.id for one in found)
            message = f"its answer was lost, and {len(found)} customers have its external_id now: {ids}; none is bound"
            return Outcome(change, Status.IN_DOUBT, message)
        if not found:
            await self._sending.close(intent, Status.FAILED, message="its answer was lost; it was not done")
            return None
        (live,) = found
        recorded = recording.found(self._rows[change.address.external_id], change, live, intent.opened_at)
        self._rows[change.address.external_id] = recorded
        message = "its answer was lost; it was done"
        # Its users are listed before one is created: the list says who else wrote to it.
        self._unlisted.add(change.address.external_id)
        await self._sending.close(replace(intent, id=live.id), Status.DONE, PutBinding(recorded), message=message)
        return Outcome(change, Status.DONE, message, live.id)

    async def _found_user(self, change: Change) -> Outcome | None:
        """Return what became of the create of a user in doubt, None where it is not there."""
        customer, intent = self._rows[change.address.external_id].bound_id, self._sending.last_intent(change)
        if await self._listed_user(change, customer) is None:
            await self._sending.close(intent, Status.FAILED, message="its answer was lost; it was not done")
            return None
        message = "its answer was lost; it was done"
        await self._sending.close(intent, Status.DONE, PutUsers(customer, self._users[customer]), message=message)
        return Outcome(change, Status.DONE, message, customer)

    async def _listed_user(self, change: Change, customer: CustomerId) -> SeenUser | None:
        """List a customer's users and return the one that `change` would create; what is known of the others stays."""
        email = canonical_email(change.address.email or "")
        before = {canonical_email(user.email): user for user in self._users.get(customer, ())}
        seen = dict(before)
        for user in await self._look.users(customer):
            key = canonical_email(user.email)
            applied = before[key].applied if key in before else None
            if key == email:
                applied = {field.name: field.after for field in change.fields if field.name != "email"}
            seen[key] = SeenUser(user.email, user.fields, applied)
        self._users[customer] = tuple(seen.values())
        return seen.get(email) if email not in before else before[email]
