"""Patches of one run, and what empties a field: sent one way, then the other, then left out; what works is learned."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from http import HTTPStatus

from reconciler import bookkeeping, endpoints
from reconciler.apply.replies import customer_in, words_of
from reconciler.apply.requests import CLEARS, patch_body
from reconciler.apply.sender import Sender
from reconciler.errors import Rejected
from reconciler.model.core import CustomerId, Status
from reconciler.model.ledger import Binding, Learned, PutBinding, PutLearned, Write
from reconciler.model.plan import Change, FieldChange, Outcome

_INVALID = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)


class Patches:
    """
    What patches the customers of one run.

    `rows` are those of the run's steps, which this changes too; `unread` are customers of which nobody has seen what
    they held before. What empties a field is not documented: what worked is kept in the ledger.
    """

    def __init__(
        self, sender: Sender, rows: dict[str, Binding], learned: Learned, unread: AbstractSet[CustomerId]
    ) -> None:
        self._sender = sender
        self._rows = rows
        self._learned = learned
        self._unread = unread

    async def take(self, change: Change, customer: CustomerId) -> Outcome:
        """
        Patch a customer and return what became of it.

        What is to be emptied and was not, or was refused, is sent once more in the other form. Where that is
        refused too, the rest is sent without it, and what is to be emptied is not taken.
        """
        before = self._rows[change.address.external_id]
        clear = self._learned.empties or '""'
        other = next(name for name in CLEARS if name != clear)
        cleared = _cleared(change.fields)
        try:
            full, outcome = await self._sent(change.fields, clear, customer, before, change, tries_on=bool(cleared))
        except Rejected as failure:
            if failure.status not in _INVALID or not cleared or self._sender.halted:
                raise
            return await self._refused(change, customer, other, failure)
        if full and not self._sender.halted:
            try:
                _, outcome = await self._sent(full, other, customer, before, change)
            except Rejected as again:
                if again.status in _INVALID:
                    await self._remember(change, full)
        return outcome

    async def _refused(self, change: Change, customer: CustomerId, other: str, failure: Rejected) -> Outcome:
        """Send a patch that was refused in the other form, and then without what is to be emptied."""
        key = change.address.external_id
        rest = replace(change, fields=tuple(field for field in change.fields if field.after))
        try:
            return (await self._sent(change.fields, other, customer, self._rows[key], change))[1]
        except Rejected as again:
            if again.status not in _INVALID or (rest.fields and self._sender.halted):
                raise
        if rest.fields:
            await self._sent(rest.fields, other, customer, self._rows[key], rest)
        cleared = _cleared(change.fields)
        await self._remember(change, cleared)
        return Outcome(change, Status.FAILED, f"{words_of(cleared)}: {failure}", customer)

    async def _remember(self, change: Change, fields: Sequence[FieldChange]) -> None:
        """Keep that the server does not take `fields`, so that they are not sent for ever."""
        row = bookkeeping.refused(self._rows[change.address.external_id], fields)
        self._rows[change.address.external_id] = row
        await self._sender.journal.write(PutBinding(row))

    async def _sent(
        self,
        fields: Sequence[FieldChange],
        clear: str,
        customer: CustomerId,
        before: Binding,
        change: Change,
        *,
        tries_on: bool = False,
    ) -> tuple[tuple[FieldChange, ...], Outcome]:
        """
        Send `fields`, what is to be emptied as `clear`, and record the reply as that to `change`.

        Returns those that were to be emptied and are not, and what became of the change.
        """
        request = endpoints.patch_customer(customer, patch_body(fields, clear))
        reply, intent = await self._sender.send(request, change, customer, counts=lambda _: not tries_on)
        live = customer_in(reply, "PATCH", customer)
        cleared = _cleared(fields)
        full = bookkeeping.not_taken(cleared, live)
        recorded = bookkeeping.patched(
            before,
            change,
            live,
            reply.server_time_s,
            self._sender.lag_s,
            read=live.id not in self._unread,
            undecided=full if tries_on else (),
        )
        self._rows[change.address.external_id] = recorded.binding
        writes: list[Write] = [PutBinding(recorded.binding)]
        # What came back with another value was not emptied by us, and says nothing of how that is done.
        emptied = bool(cleared) and not any(live.fields.get(field.name) for field in cleared)
        if emptied and self._learned.empties != clear:
            self._learned = replace(self._learned, empties=clear)
            writes.append(PutLearned(self._learned))
        message = words_of(recorded.not_taken)
        status = Status.FAILED if recorded.not_taken else Status.DONE
        await self._sender.close(intent, status, *writes, message=message)
        return full, Outcome(change, status, message, live.id)


def _cleared(fields: Sequence[FieldChange]) -> tuple[FieldChange, ...]:
    """Return those that are to be emptied."""
    return tuple(field for field in fields if not field.after)
