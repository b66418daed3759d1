"""What each action is, step by step: request, reply, and what the ledger learns from it; patches with what empties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from http import HTTPStatus
from types import MappingProxyType
from typing import assert_never

from reconciler import bookkeeping, endpoints
from reconciler.apply.execute import Doubts
from reconciler.apply.requests import (
    CLEARS,
    creation,
    customer_in,
    not_taken,
    only_new,
    outcome_of,
    patch_body,
    renamed,
    request_for,
    user_in,
)
from reconciler.apply.sender import Sender, ending_of
from reconciler.apply.settle import Ambiguous, Doubt, NotDone, Observed, Settlement, Visibility, Ways, settle
from reconciler.errors import NotFound, OverBudget, Rejected
from reconciler.kinds.kind import canonical_email
from reconciler.kinds.wire import read_customer
from reconciler.live.reads import SingleReads
from reconciler.model.core import Action, Address, CustomerId, LiveCustomer, Status
from reconciler.model.ledger import (
    Binding,
    DropBinding,
    Intent,
    Learned,
    PutBinding,
    PutLearned,
    PutTaken,
    PutUsers,
    SeenUser,
    Write,
)
from reconciler.model.plan import Change, FieldChange, Outcome
from reconciler.model.reasons import Ending, EndReason

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
        return Outcome(change, Status.FAILED, not_taken(cleared, ending_of(failure)), customer)

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
        ending = not_taken(recorded.not_taken)
        status = Status.FAILED if recorded.not_taken else Status.DONE
        await self._sender.close(intent, status, *writes, ending=ending)
        return full, Outcome(change, status, ending, live.id)


def _cleared(fields: Sequence[FieldChange]) -> tuple[FieldChange, ...]:
    """Return those that are to be emptied."""
    return tuple(field for field in fields if not field.after)


class CustomerSteps:
    """
    The steps of one run. It holds the rows of the customers that the plan touches, as the ledger does.

    `rows` and `users` are those of the ledger after the plan's own bookkeeping, with the rows of
    customers that are to be created; `reopened` are addresses whose archive or restore an earlier run
    sent without an answer, so that sending it is a repetition. `unread` are customers of which the plan
    saw only the ledger's record, `patched` the fields that it patches of each customer. Not `seen`: nothing but the
    words of whoever asks says that the customer exists, so that a 404 means what it says.
    """

    def __init__(
        self,
        *,
        sender: Sender,
        reads: SingleReads,
        rows: Mapping[str, Binding],
        users: Mapping[CustomerId, tuple[SeenUser, ...]],
        learned: Learned,
        ways: Ways,
        reopened: frozenset[Address] = frozenset(),
        unread: frozenset[CustomerId] = frozenset(),
        patched: Mapping[str, AbstractSet[str]] = MappingProxyType({}),
        seen: bool = True,
    ) -> None:
        self._sender = sender
        self._reads = reads
        self._rows = dict(rows)
        self._users = dict(users)
        self._ways = ways
        self._reopened = reopened
        self._bound = {row.id for row in rows.values()}
        self._created_instead: set[str] = set()
        self._unlisted: set[str] = set()
        self._listed: set[CustomerId] = set()
        self._unread = set(unread)
        self._patched = patched
        self._seen = seen
        self._restored: dict[CustomerId, LiveCustomer | None] = {}
        self._patches = Patches(sender, self._rows, learned, self._unread)
        self._doubts = Doubts(sender, reads, self._rows, self._users, self._unlisted)

    async def take(self, change: Change) -> Outcome:
        """Do one change and return what became of it; raises Halted where nothing was sent."""
        return await outcome_of(self._take(change), change, self._sender)

    async def settle(self, doubted: Sequence[Change]) -> Mapping[Address, Outcome]:
        """Look for creates in doubt, the lag bound having passed; what is not in the answer did not happen."""
        return await self._doubts.settle(doubted)

    async def _take(self, change: Change) -> Outcome:
        """Do one change; what the client raises is raised."""
        match change.action:
            case Action.CREATE:
                return await self._create(change, change)
            case Action.PATCH:
                return await self._patch(change)
            case Action.ARCHIVE:
                return await self._archive(change)
            case Action.RESTORE:
                return await self._restore(change)
            case Action.CREATE_USER:
                return await self._create_user(change)
            case _:
                assert_never(change.action)

    def _unbound(self, change: Change) -> bool:
        """Say whether `change` is about a customer that the ledger binds to no key: one of several with one key."""
        row = self._rows.get(change.address.external_id)
        created = change.address.external_id in self._created_instead
        return change.id is not None and not created and (row is None or row.id != change.id)

    async def _alone(self, change: Change, customer: CustomerId, *, active_wanted: bool) -> Outcome:
        """Archive or restore a customer without a row; only the journal knows of it."""
        ending, intent, _, _ = await self._or_settled(change, customer, "", active_wanted=active_wanted)
        await self._sender.close(intent, Status.DONE, ending=ending)
        return Outcome(change, Status.DONE, ending, customer)

    def _row(self, change: Change) -> Binding:
        """Return the ledger's row of the customer that `change` is about."""
        return self._rows[change.address.external_id]

    def _id(self, change: Change) -> CustomerId:
        """Return the customer's id, known since its create where the plan made it."""
        return self._row(change).bound_id

    async def _create(self, change: Change, planned: Change) -> Outcome:
        """Create a customer, and bind it; `planned` is the change that the plan holds."""
        try:
            reply, intent = await self._sender.send(creation(change), change, None)
        except Rejected as failure:
            if says_taken(failure):
                await self._sender.journal.write(PutTaken(change.address.external_id, failure.detail or str(failure)))
            raise
        live = customer_in(reply, "POST /customers")
        self._bound.add(only_new(live, self._bound, reply))
        recorded = bookkeeping.created(self._row(change), change, live, reply.server_time_s)
        self._rows[change.address.external_id] = recorded.binding
        self._users[live.id] = ()
        self._listed.add(live.id)
        ending = not_taken(recorded.not_taken) or renamed(change, live)
        writes = (PutBinding(recorded.binding), PutUsers(live.id, ()))
        await self._sender.close(replace(intent, id=live.id), Status.DONE, *writes, ending=ending)
        return Outcome(planned, Status.DONE, ending, live.id)

    async def _patch(self, change: Change) -> Outcome:
        """Patch a customer, unless it was created just now with these values; one just restored, from what it holds."""
        if change.address.external_id in self._created_instead:
            return Outcome(change, Status.DONE, Ending(EndReason.CREATED_WITH_VALUES), self._id(change))
        customer = self._id(change)
        if customer not in self._unread or customer not in self._restored:
            return await self._patches.take(change, customer)
        # The reply to a restore may be empty.
        live = self._restored[customer] or await self._reads.get(customer)
        if live is None or live.id != customer:
            return await self._patches.take(change, customer)
        self._unread.discard(customer)
        fields = tuple(replace(field, before=live.fields.get(field.name, "")) for field in change.fields)
        return replace(await self._patches.take(replace(change, fields=fields), customer), change=change)

    async def _archive(self, change: Change) -> Outcome:
        """Archive a customer."""
        if change.id is not None and self._unbound(change):
            return await self._alone(change, change.id, active_wanted=False)
        customer, row = self._id(change), self._row(change)
        ending, intent, at, _ = await self._or_settled(change, customer, row.created_at, active_wanted=False)
        binding = bookkeeping.archived(row, at, self._sender.lag_s)
        self._rows[change.address.external_id] = binding
        await self._sender.close(intent, Status.DONE, PutBinding(binding), ending=ending)
        return Outcome(change, Status.DONE, ending, customer)

    async def _restore(self, change: Change) -> Outcome:
        """Restore a customer; one that is gone is created instead, where the plan says that."""
        if change.id is not None and self._unbound(change):
            return await self._alone(change, change.id, active_wanted=True)
        customer, row = self._id(change), self._row(change)
        try:
            ending, intent, at, live = await self._or_settled(change, customer, row.created_at, active_wanted=True)
        except NotFound:
            if change.otherwise is Action.CREATE and self._first_sending(change):
                # The id is gone for good: the key is bound to nobody until the create is done.
                await self._sender.journal.write(DropBinding(change.address.external_id))
                self._created_instead.add(change.address.external_id)
                now, key = self._sender.client.server_now(), change.address.external_id
                self._rows[key] = bookkeeping.to_create(row, change, now, self._patched.get(key, frozenset()))
                return await self._create(replace(change, action=Action.CREATE, id=None, otherwise=None), change)
            absent = bookkeeping.absent(row)
            await self._sender.journal.write(PutBinding(absent))
            raise
        binding = bookkeeping.restored(row, at, self._sender.lag_s)
        self._rows[change.address.external_id] = binding
        await self._sender.close(intent, Status.DONE, PutBinding(binding), ending=ending)
        self._restored[customer] = live
        return Outcome(change, Status.DONE, ending, customer)

    def _first_sending(self, change: Change) -> bool:
        """Say whether `change` was sent once only, an earlier run's sending counted."""
        return change.address not in self._reopened and not self._sender.repeated(change)

    async def _or_settled(
        self, change: Change, customer: CustomerId, created_at: str, *, active_wanted: bool
    ) -> tuple[Ending | None, Intent, float, LiveCustomer | None]:
        """
        Archive or restore, and return what to say of it, the open intent, the server's clock, and who is in the reply.

        A 400 or 404 to a repetition proves nothing: reading settles it, and where it cannot, it is done.
        """
        request = request_for(change, customer)

        def counts(failure: Rejected) -> bool:
            unknown = not self._seen and failure.status == HTTPStatus.NOT_FOUND
            return unknown or not may_be_so_already(failure, active_wanted=active_wanted)

        try:
            reply, intent = await self._sender.send(request, change, customer, counts=counts)
        except Rejected as failure:
            repeated = bool(failure.lost) or change.address in self._reopened
            if failure.status not in (400, 404) or not repeated:
                if counts(failure):
                    raise
                if not await self._is_so_already(failure, customer, active_wanted=active_wanted):
                    self._sender.refused(failure)
                    raise
                already = EndReason.ALREADY_RESTORED if active_wanted else EndReason.ALREADY_ARCHIVED
                return (
                    Ending(already, cause=ending_of(failure)),
                    self._sender.last_intent(change),
                    self._sender.client.server_now(),
                    None,
                )
            intent = self._sender.last_intent(change)
            try:
                found = await self._settled(intent, customer, created_at)
            except OverBudget as spent:
                spent.lost = max(failure.lost, 1)
                raise
            if isinstance(found, NotDone):
                await self._sender.close(intent, Status.FAILED, ending=ending_of(failure))
                failure.lost = 0
                raise
            hidden = isinstance(found, Ambiguous)
            ending = Ending(EndReason.NOT_VISIBLE) if hidden else None
            return ending, intent, self._sender.client.server_now(), None
        return None, intent, reply.server_time_s, read_customer(reply.body)

    async def _settled(self, intent: Intent, customer: CustomerId, created_at: str) -> Settlement:
        """Return what became of an archive or a restore; two requests at most, a get and a narrow list."""
        got = Visibility(self._ways, got=await self._reads.get(customer) is not None)
        found = settle(intent, Observed(got))
        if found != Ambiguous(Doubt.HIDDEN) or not created_at or self._ways.lists_archived is not False:
            return found
        return settle(intent, Observed(replace(got, listed=await self._reads.seek(customer, created_at))))

    async def _is_so_already(self, failure: Rejected, customer: CustomerId, *, active_wanted: bool) -> bool:
        """
        Say whether an archive, or a restore, was refused because the customer is archived, or active, already.

        Archived customers may be listed, and then nothing but this refusal tells that they are. The words of a
        refusal are not documented, so one that a get does not find counts as archived too: active ones are found. So
        does any, where archived ones are known to be listed: what else would be listed, and yet not be there?
        """
        said = says_already(failure, active_wanted=active_wanted)
        return said or self._ways.lists_archived is True or await self._reads.get(customer) is None

    async def _create_user(self, change: Change) -> Outcome:
        """Create a user, unless it is listed where only a listing after the restore could tell."""
        customer = self._id(change)
        unlisted = change.address.external_id in self._unlisted
        if unlisted or (change.unless_listed and customer not in self._listed):
            before = {canonical_email(user.email): user for user in self._users.get(customer, ())}
            listed = {canonical_email(user.email): user for user in await self._reads.users(customer)}
            newer = {email: SeenUser(user.email, user.fields) for email, user in listed.items() if email not in before}
            self._users[customer] = tuple({**before, **newer}.values())
            self._listed.add(customer)
            await self._sender.journal.write(PutUsers(customer, self._users[customer]))
            self._unlisted.discard(change.address.external_id)
        email = change.address.email or ""
        seen = self._users.get(customer, ())
        if any(canonical_email(user.email) == canonical_email(email) for user in seen):
            return Outcome(change, Status.DONE, Ending(EndReason.WAS_THERE), customer)
        reply, intent = await self._sender.send(request_for(change, customer), change, customer)
        live = user_in(reply, email)
        applied = {field.name: field.after for field in change.fields if field.name != "email"}
        self._users[customer] = (*seen, SeenUser(live.email, live.fields, applied))
        row = bookkeeping.rewritten(self._row(change), (), {}, reply.server_time_s, self._sender.lag_s)
        self._rows[change.address.external_id] = row
        await self._sender.close(intent, Status.DONE, PutBinding(row), PutUsers(customer, self._users[customer]))
        return Outcome(change, Status.DONE, None, customer)


def may_be_so_already(failure: Rejected, *, active_wanted: bool) -> bool:
    """Say whether an archive, or a restore, may have been refused because it was done already."""
    unknown = failure.status == HTTPStatus.NOT_FOUND and not active_wanted
    said = failure.status in (400, 404) and says_already(failure, active_wanted=active_wanted)
    return unknown or said


def says_already(failure: Rejected, *, active_wanted: bool) -> bool:
    """
    Say whether the words of a refused archive, or restore, are that the customer is archived, or active, already.

    >>> says_already(Rejected("The customer is archived already", status=400), active_wanted=False)
    True
    """
    words = f"{failure.detail} {failure}".lower()
    if active_wanted:
        return "not archived" in words or ("already" in words and ("active" in words or "restored" in words))
    return "already" in words and "archived" in words


def says_taken(failure: Rejected) -> bool:
    """
    Say whether a refused create was refused because its external_id is in use.

    Seen live by a third-party client: 400, `bad_request`, "This external id is already used".
    """
    words = " ".join((failure.detail, *(f"{name} {text}" for name, text in failure.fields))).lower()
    about = "external id" in words or "external_id" in words or "externalid" in words
    return about and any(word in words for word in ("already", "in use", "taken", "exists", "unique", "duplicate"))
