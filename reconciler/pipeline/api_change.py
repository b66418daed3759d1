"""What `api` changes: one request under the lock, journalled, and settled by reading where its answer is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace

from reconciler import live as reading
from reconciler.api.client import ApiClient
from reconciler.apply import recover
from reconciler.apply.direct_request import CallSteps, DirectRequest, change_of
from reconciler.apply.execute import Result, Settling, Tell, execute
from reconciler.apply.sender import Journal, Sender
from reconciler.apply.settle import NothingRead, Observed, TooEarly, Ways, settle
from reconciler.apply.steps import CustomerSteps
from reconciler.clock import Clock
from reconciler.errors import ApiFailed, NotFound, Refused
from reconciler.kinds.wire import customer_path
from reconciler.ledger.base import Ledger
from reconciler.live import PAGE
from reconciler.live.reads import SingleReads
from reconciler.model.core import Action, Address, CustomerId, LiveCustomer, Status
from reconciler.model.ledger import Binding, Intent, PutIntent, PutRun, Records, Run
from reconciler.model.plan import Change, Outcome, Plan
from reconciler.model.policy import Terms
from reconciler.model.reasons import Ending, EndReason
from reconciler.pipeline.apply import finished_run
from reconciler.pipeline.consent import check
from reconciler.pipeline.history import created_by_runs, doubted_users
from reconciler.plan.presence import LISTINGS, Proof, reads_for
from reconciler.plan.scope import protecting
from reconciler.plan.server_behavior import known_lag, known_ways


async def settled_first(
    change: Change,
    records: Records,
    ledger: Ledger,
    steps: CallSteps,
    sender: Sender,
    terms: Terms,
    tell: Tell,
) -> Result | None:
    """
    Settle what earlier calls left in doubt, this very one after a wait; return how it ended where it was done.

    What is too young to be visible, and is another one, is left to a later run.
    """
    lag_s = known_lag(records.learned, terms)
    for intent in _doubts(change, records, ledger):
        same = _same(intent, change)
        early = settle(intent, Observed(NothingRead(), sender.client.server_now(), lag_s))
        if not _ours(intent, change, records) or (isinstance(early, TooEarly) and not same):
            continue
        if isinstance(early, TooEarly):
            tell(Settling(1, early.left_s))
            await sender.pause(early.left_s)
            if sender.stopped:
                return Result((Outcome(change, Status.SKIPPED, Ending(EndReason.INTERRUPTED)),), interrupted=True)
        run = {"run": intent.run[:8]}
        outcome = await steps.settled(change, intent, Ending(EndReason.EARLIER_RUN_DID_IT, run))
        if same and outcome is not None:
            if outcome.status is Status.DONE and dict(intent.after) != _after(change):
                otherwise = Ending(EndReason.EARLIER_RUN_DID_OTHERWISE, run)
                outcome = Outcome(change, Status.FAILED, otherwise, outcome.id)
            return Result((outcome,))
        steps.found = None
    return None


def _doubts(change: Change, records: Records, ledger: Ledger) -> tuple[Intent, ...]:
    """Return what is open, and where a user is to be created, what a plan closed unread of the same one."""
    if change.action is not Action.CREATE_USER:
        return records.intents
    return (*records.intents, *doubted_users(ledger, change.address))


def _same(intent: Intent, change: Change) -> bool:
    """Say whether an open intent may be what `change` asks for: of one key or email, or where it has none, alike."""
    named = bool(change.address.external_id) or dict(intent.after) == _after(change)
    return intent.action is change.action and intent.address == change.address and named


def _after(change: Change) -> dict[str, str | None]:
    """Return the values that a change asks for."""
    return {field.name: field.after for field in change.fields}


def _ours(intent: Intent, change: Change, records: Records) -> bool:
    """Say whether an open intent is one that a call settles: a create that binds nothing, or a user of its customer."""
    match intent.action:
        case Action.CREATE:
            return not intent.binds
        case Action.CREATE_USER:
            return recover.apart(intent, records) or intent.address == change.address
        case _:
            return False


def sent_again(change: Change, records: Records, sender: Sender) -> Iterator[PutIntent]:
    """Yield the open intents of a change that is done now, closed: what they asked for is done with it."""
    for intent in records.intents:
        same = intent.action is change.action and intent.address == change.address and intent.id == change.id
        if same and change.action not in (Action.CREATE, Action.CREATE_USER):
            ending = Ending(EndReason.LOST_SENT_AGAIN)
            yield PutIntent(replace(intent, status=Status.FAILED, ending=ending, closed_at=sender.client.server_now()))


_STATE_RM = "if it no longer exists, `reconciler state rm` removes the binding"


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A call that may be sent: as a plan of its one change, and what the ledger holds of its customer."""

    call: DirectRequest
    plan: Plan
    records: Records
    binding: Binding | None

    @property
    def change(self) -> Change:
        return self.plan.changes[0]


@dataclass(frozen=True, slots=True)
class RequestResult:
    """
    What became of a call, and the API's reply: the row of a list where reading settled it, None where none came.

    `failure` is the error behind one that failed, where a request of its own ended in it.
    """

    result: Result
    body: object
    failure: ApiFailed | None = None

    @property
    def outcome(self) -> Outcome:
        """Return what became of the one change."""
        return self.result.outcomes[0]


async def prepare(client: ApiClient, ledger: Ledger, call: DirectRequest, terms: Terms) -> PreparedRequest:
    """
    Return `call` ready to be sent, the server's clock being known: windows go by it.

    A patch costs a get: what it finds is what an undo goes back to. A create with an external_id costs the listings
    that prove that nobody has it, unless it is to be sent unchecked.

    Refused for the archive of what is protected, for the create of a customer whose external_id is bound or in use,
    and where an earlier run's create of it is in doubt. Raises ApiFailed.
    """
    records, reads = ledger.records(), SingleReads(client)
    await client.ready()
    binding = next((row for row in records.bindings.values() if row.id == call.customer), None)
    before: dict[str, str] = {}
    match call.action:
        case Action.CREATE:
            _check_create(call, records)
            # One that was sent before was checked then; what it did is settled before it is sent again.
            sent = any(
                one.action is Action.CREATE and one.address == Address(call.external_id) for one in records.intents
            )
            if call.external_id and not call.unchecked and not sent:
                await _check_absent(client, call.external_id, records, terms)
        case Action.PATCH if call.customer is not None:
            before = dict((await _got(reads, call.customer)).fields)
        case Action.ARCHIVE if call.customer is not None:
            await _check_protected(reads, call.customer, binding, terms)
        case _:
            pass
    key = call.customer or "" if binding is None else binding.external_id
    plan = Plan(terms.environment, terms.project, changes=(change_of(call, key, before),))
    return PreparedRequest(call, plan, records, binding)


async def carry_out(
    client: ApiClient,
    ledger: Ledger,
    prepared: PreparedRequest,
    terms: Terms,
    *,
    run: Run,
    clock: Clock,
    stop: asyncio.Event,
    tell: Tell,
) -> RequestResult:
    """
    Send a call, in a run of its own, and return what became of it.

    What an earlier call of the kind left in doubt is settled first: where it was done, nothing is sent, and that is
    the outcome. Raises Refused where the policy is against it, LedgerFailed where the ledger cannot be written, and
    ApiFailed of what settles.
    """
    check(prepared.plan, terms, client.server_now())
    where = prepared.plan.environment
    run = replace(run, key=f"{where.name}/{where.account[:8]}")
    ledger.commit([PutRun(run)])
    bodies: list[object] = []
    lag_s = known_lag(prepared.records.learned, terms)
    sender = Sender(
        run=run.id,
        client=client,
        journal=Journal(ledger),
        stop=stop,
        clock=clock,
        lag_s=lag_s,
        heard=lambda reply: bodies.append(reply.body),
    )
    steps = _steps(client, ledger, prepared, terms, sender)
    try:
        earlier = await settled_first(prepared.change, prepared.records, ledger, steps, sender, terms, tell)
    except ApiFailed:
        ledger.commit([PutRun(finished_run(run, clock, "failed", requests=client.requests))])
        raise
    result = earlier or await execute(prepared.plan, sender, steps, tell, lag_s=lag_s)
    done = result.outcomes[0].status is Status.DONE
    repeated = sent_again(prepared.change, prepared.records, sender) if done else []
    changes = 1 if earlier is None and done else 0
    ledger.commit(
        [*repeated, PutRun(finished_run(run, clock, result.outcome, requests=client.requests, changes=changes))]
    )
    body = steps.found if steps.found is not None else (bodies[-1] if bodies and done else None)
    return RequestResult(result, body, sender.failure)


def _steps(client: ApiClient, ledger: Ledger, prepared: PreparedRequest, terms: Terms, sender: Sender) -> CallSteps:
    records, row = prepared.records, prepared.binding
    bound = CustomerSteps(
        sender=sender,
        reads=SingleReads(client),
        rows={} if row is None else {row.external_id: row},
        users={},
        learned=records.learned,
        ways=Ways(*known_ways(records.learned, terms)),
        reopened=recover.repeated(records),
        seen=row is not None,
    )

    def others() -> frozenset[CustomerId]:
        return created_by_runs(ledger) | {one.bound_id for one in records.bindings.values()}

    users = None if row is None else records.users.get(row.bound_id)
    return CallSteps(sender, prepared.call.request, bound, others, row, users)


def _check_create(call: DirectRequest, records: Records) -> None:
    """Raise Refused where the create would make a duplicate of what the ledger knows."""
    key = call.external_id
    if not key:
        return
    row = records.bindings.get(key)
    if row is not None:
        raise Refused(
            f"{key}: the ledger binds it to {row.id}, so a second one would be a duplicate; nothing was sent",
            _STATE_RM,
        )
    if any(one.action is Action.CREATE and one.binds and one.address.external_id == key for one in records.intents):
        raise Refused(
            f"{key}: an earlier run may have created it; nothing was sent", "run `reconciler apply` to settle it"
        )


async def _check_absent(client: ApiClient, key: str, records: Records, terms: Terms) -> None:
    """Raise Refused where a live customer has the external_id, or it is not proven that none has."""
    unchecked = "`--unchecked` sends it anyway (in a script: unchecked=True)"
    learned, lag_s = records.learned, known_lag(records.learned, terms)
    live = await reading.listing_by(client, learned)
    while True:
        holder = next((one.id for one in live.listed.values() if one.external_id == key), None)
        if holder is not None:
            raise Refused(f"{key}: {holder} already has this external_id; nothing was sent", unchecked)
        unproven = bool(Proof(live, records, {}, lag_s).unproven((key,)))
        reads = reads_for(live, learned, again=unproven)
        if not reads:
            return
        if unproven and live.listings >= LISTINGS:
            raise Refused(
                f"{key}: {live.listings} listings of the account in a row had different customers, so the "
                "external_id may be in use; nothing was sent",
                f"try again at a quieter time; {unchecked}",
            )
        live = await reading.answer(client, live, reads, page_limit=live.page_limit or learned.page_limit or PAGE)


async def _got(reads: SingleReads, customer: CustomerId) -> LiveCustomer:
    """Return a customer; NotFound where a get does not find it."""
    live = await reads.get(customer)
    if live is None:
        raise NotFound(f"GET {customer_path(customer)}: 404; nothing was changed", status=404)
    return live


async def _check_protected(reads: SingleReads, customer: CustomerId, binding: Binding | None, terms: Terms) -> None:
    """Raise Refused where a customer is protected; one get where a pattern may fit one that is not bound."""
    names = [] if binding is None else [binding.external_id, binding.live_external_id]
    if binding is None and terms.protect:
        live = await reads.get(customer)
        names = [live.external_id] if live is not None and live.external_id else []
    if (binding is not None and binding.protected) or protecting(terms.protect)(*names):
        raise Refused(
            f"{names[0] if names else customer}: it is protected, and never archived by Reconciler; nothing was sent",
            "end the protection: apply `protect: false`, run `reconciler state unprotect`, or change `policy.protect`",
        )
