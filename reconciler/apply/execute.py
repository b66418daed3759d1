"""
Plan to outcomes: each change is an intent, a request and an outcome, in that order; and creates in doubt.

Customers are independent and in flight together; the changes of one go one after the other, and
archives come when all else has ended. What happened to one change is a value; what stops the run (403,
the wrong host, a ledger that cannot be written, five refusals in a row, the user) is its `halt`.

A create whose answer was lost waits with all that hangs on it until the lag bound has passed; then one
look settles all that are in doubt: those that are there are taken, the others are sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from reconciler import bookkeeping
from reconciler.api.limit import in_flight
from reconciler.apply.sender import Halted, Sender
from reconciler.apply.settle import BEFORE_S, Ambiguous, Customers, Done, Observed, Users, doubt_of, settle
from reconciler.errors import ApiFailed
from reconciler.kinds.kind import canonical_email
from reconciler.live.reads import SingleReads
from reconciler.model.core import Action, Address, CustomerId, LiveCustomer, Status
from reconciler.model.ledger import Binding, PutBinding, PutUsers, SeenUser
from reconciler.model.plan import Change, Outcome, Plan
from reconciler.model.reasons import Ending, EndReason


@dataclass(frozen=True, slots=True)
class Begun:
    """A change is taken up; once more where its answer was lost and reading found that it did not happen."""

    change: Change


@dataclass(frozen=True, slots=True)
class Settling:
    """So many creates are in doubt, and are looked for after `wait_s` seconds."""

    in_doubt: int
    wait_s: float


ApplyEvent = Begun | Settling | Outcome
Tell = Callable[[ApplyEvent], None]


SETTLING_ROUNDS = 5
"""So often what is in doubt is looked for and sent again; what is in doubt then is left to the next run."""

IN_FLIGHT = 24
"""So many customers at a time: enough for 5 requests per second with answers that take almost 5 s."""


@dataclass(frozen=True, slots=True)
class Result:
    """
    What became of a plan: one outcome a change, in its order, and why the run stopped early, if it did.

    `spent` says that its budget stopped it.
    """

    outcomes: tuple[Outcome, ...]
    halt: Ending | None = None
    interrupted: bool = False
    spent: bool = False

    @property
    def remaining(self) -> int:
        """Return how many changes were not begun because the run stopped."""
        stopped = self.halt or self.interrupted or self.spent
        return sum(one.status is Status.SKIPPED for one in self.outcomes) if stopped else 0

    @property
    def outcome(self) -> str:
        """Return how the run ended, in one word for its history."""
        if self.interrupted:
            return "interrupted"
        if self.halt or self.spent:
            return "stopped"
        return "done" if all(one.status is Status.DONE for one in self.outcomes) else "failed"


class Steps(Protocol):
    """What one change does, request and ledger; see `steps.CustomerSteps`."""

    async def take(self, change: Change) -> Outcome:
        """Do one change and return what became of it; raises Halted where nothing was sent."""

    async def settle(self, doubted: Sequence[Change]) -> Mapping[Address, Outcome]:
        """Look for creates in doubt, the lag bound having passed; what is not in the answer did not happen."""


async def execute(plan: Plan, sender: Sender, steps: Steps, tell: Tell, *, lag_s: float) -> Result:
    """
    Do `plan` and return what became of each change.

    `lag_s` is the lag bound: how long a write may stay unseen. `tell` hears what begins, and every outcome as it comes.
    Raises LedgerFailed where an outcome could not be written: no further request left then, and what was
    sent is in the journal as an open intent.
    """
    outcomes: dict[int, Outcome] = {}

    def ended(index: int, outcome: Outcome) -> None:
        outcomes[index] = outcome
        tell(outcome)

    course = _Course(sender, steps, ended, tell)
    changes = list(enumerate(plan.changes))
    await _together(_chains(row for row in changes if row[1].action is not Action.ARCHIVE), course)
    await _settle(course, lag_s)
    await _together(_chains(row for row in changes if row[1].action is Action.ARCHIVE), course)
    ordered = tuple(outcomes[index] for index in range(len(plan.changes)))
    return Result(ordered, sender.halt, sender.interrupted, sender.spent)


Chain = list[tuple[int, Change]]


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A create in doubt, at the head of what is left of its customer's changes."""

    chain: Chain
    outcome: Outcome


@dataclass(slots=True)
class _Course:
    """What the chains of a run have in common, and what is in doubt so far."""

    sender: Sender
    steps: Steps
    ended: Callable[[int, Outcome], None]
    tell: Tell
    doubts: list[_Doubt] = field(default_factory=list)


async def _settle(course: _Course, lag_s: float) -> None:
    """Settle what is in doubt by reading, and go on with it; what still is after all rounds ends in doubt."""
    for _ in range(SETTLING_ROUNDS):
        if not course.doubts or not course.sender.may_settle():
            break
        course.tell(Settling(len(course.doubts), lag_s))
        await course.sender.pause(lag_s)
        if course.sender.stopped:
            break
        doubts, course.doubts = course.doubts, []
        try:
            found = await course.steps.settle([doubt.outcome.change for doubt in doubts])
        except ApiFailed:
            course.doubts = doubts
            continue
        chains = []
        for doubt in doubts:
            (index, change), *rest = doubt.chain
            outcome = found.get(change.address)
            if outcome is None:
                chains.append(doubt.chain)
            elif outcome.status is Status.DONE:
                course.ended(index, outcome)
                chains.append(rest)
            else:
                course.ended(index, outcome)
                _skip(rest, outcome, course)
        await _together(chains, course)
    for doubt in course.doubts:
        (index, _), *rest = doubt.chain
        course.ended(index, doubt.outcome)
        _skip(rest, doubt.outcome, course)
    course.doubts = []


def _chains(changes: Iterable[tuple[int, Change]]) -> list[Chain]:
    """Return the changes by customer, in the order of each customer's first."""
    chains: dict[str, Chain] = {}
    for index, change in changes:
        chains.setdefault(change.address.external_id, []).append((index, change))
    return list(chains.values())


async def _together(chains: list[Chain], course: _Course) -> None:
    """Take the chains, `IN_FLIGHT` at a time, begun in their order."""
    await in_flight(lambda chain: _one_after_the_other(chain, course), chains, width=IN_FLIGHT)


async def _one_after_the_other(chain: Chain, course: _Course) -> None:
    """Take one customer's changes; after one that is not done the rest is skipped, or waits with it."""
    for place, (index, change) in enumerate(chain):
        if course.sender.halted:
            course.ended(index, _not_sent(change, course.sender))
            continue
        course.tell(Begun(change))
        try:
            outcome = await course.steps.take(change)
        except Halted:
            outcome = _not_sent(change, course.sender)
        if outcome.status is Status.IN_DOUBT and change.action in (Action.CREATE, Action.CREATE_USER):
            course.doubts.append(_Doubt(chain[place:], outcome))
            return
        course.ended(index, outcome)
        if outcome.status in (Status.FAILED, Status.IN_DOUBT):
            _skip(chain[place + 1 :], outcome, course)
            return


def _skip(chain: Chain, because: Outcome, course: _Course) -> None:
    """End the changes that hang on one that is not done."""
    doubted = because.status is Status.IN_DOUBT
    code = EndReason.PREREQUISITE_IN_DOUBT if doubted else EndReason.PREREQUISITE_FAILED
    ending = Ending(code, {"action": because.change.action.value})
    for index, change in chain:
        course.ended(index, Outcome(change, Status.SKIPPED, ending, change.id))


def _not_sent(change: Change, sender: Sender) -> Outcome:
    """Return that the run stopped before `change`."""
    ending = Ending(EndReason.RUN_STOPPED)
    if sender.interrupted:
        ending = Ending(EndReason.INTERRUPTED)
    elif sender.spent and not sender.halt:
        ending = Ending(EndReason.BUDGET_SPENT, {"allowance": str(sender.client.budget.allowance)})
    return Outcome(change, Status.SKIPPED, ending, change.id)


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
            return Outcome(change, Status.IN_DOUBT, doubt_of(found))
        if not isinstance(found, Done) or found.id is None:
            await self._sender.close(intent, Status.FAILED, ending=Ending(EndReason.LOST_NOT_DONE))
            return None
        recorded = bookkeeping.found(self._rows[key], change, listed[found.id], intent.opened_at)
        self._rows[key] = recorded
        ending = Ending(EndReason.LOST_DONE)
        # Its users are listed before one is created: the list says who else wrote to it.
        self._unlisted.add(key)
        await self._sender.close(replace(intent, id=found.id), Status.DONE, PutBinding(recorded), ending=ending)
        return Outcome(change, Status.DONE, ending, found.id)

    async def _found_user(self, change: Change) -> Outcome | None:
        """Return what became of the create of a user in doubt, None where it is not there."""
        customer, intent = self._rows[change.address.external_id].bound_id, self._sender.last_intent(change)
        await self._list_users(change, customer)
        seen = Users([user.email for user in self._users[customer]])
        if not isinstance(settle(intent, Observed(seen)), Done):
            await self._sender.close(intent, Status.FAILED, ending=Ending(EndReason.LOST_NOT_DONE))
            return None
        ending = Ending(EndReason.LOST_DONE)
        await self._sender.close(intent, Status.DONE, PutUsers(customer, self._users[customer]), ending=ending)
        return Outcome(change, Status.DONE, ending, customer)

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
