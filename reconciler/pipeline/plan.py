"""Reading and planning: the listing, what planning needs read, the plan, its trial. Writes only what it learned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import cast

from reconciler import __version__
from reconciler import live as reading
from reconciler.api.client import ApiClient
from reconciler.clock import Clock
from reconciler.errors import OverBudget, PlanFaulty
from reconciler.gc_pause import without_collector
from reconciler.kinds.wire import Keep, Parts
from reconciler.ledger.base import Ledger
from reconciler.live import PAGE
from reconciler.model.core import Address, CustomerId, Desired, ListAgain, ListUsers, Live, Read, Seek
from reconciler.model.ledger import (
    Binding,
    BindingState,
    Learned,
    PutKeys,
    PutLacked,
    PutLearned,
    PutUsers,
    Records,
    SeenUser,
    Write,
)
from reconciler.model.plan import Note, Plan, unverified_parts
from reconciler.model.policy import Terms
from reconciler.model.reasons import NoteKind
from reconciler.model.reports import TrialFailure
from reconciler.plan.draft import Draft
from reconciler.plan.make import make_plan
from reconciler.plan.prefetch import expected_reads, holds, targets_alone
from reconciler.plan.presence import Lacked, Proof, created_keys, lacked_by
from reconciler.plan.safety_checks import proves
from reconciler.plan.saved_plan import as_text
from reconciler.plan.scope import checked
from reconciler.plan.server_behavior import LAG_S, known_lag
from reconciler.plan.trial import try_plan
from reconciler.plan.users import merged
from reconciler.report.layout import until
from reconciler.report.messages import said
from reconciler.report.messages.explanations import fault_text
from reconciler.report.plan_text import again_price, again_requests, reading_price, reading_requests
from reconciler.report.redact import masked_address

_RECENT = "this plan would change {customers:customer} that {customers:was|were} written {ages_s:to} s ago"

_SHOWN = 3
"""How many faults are in the message; the report has all."""


def tried_first(plan: Plan, desired: Desired, live: Live, records: Records, terms: Terms, learned: Learned) -> None:
    """Raise PlanFaulty where `plan`, made of the rest, would not do in memory what it says."""
    faults = try_plan(plan, desired, live, records, terms, learned)
    if not faults:
        return
    shown = " ".join(f"{masked_address(fault.address)}: {fault_text(fault)}" for fault in faults[:_SHOWN])
    more = f" (and {len(faults) - _SHOWN} more)" if len(faults) > _SHOWN else ""
    raise PlanFaulty(
        f"this is a bug in Reconciler {__version__}: in a trial in memory, the plan did not do what it says. "
        f"Nothing was sent. {shown}{more}",
        "leave these customers out with `--exclude` until it is fixed",
        report=_report(plan, faults),
    )


def _report(plan: Plan, faults: Sequence[TrialFailure]) -> str:
    """Return the faults and what the plan holds of their customers as JSON, every personal value masked."""
    from reconciler.report.plan_json import plan_to_json  # noqa: PLC0415 - what makes JSON takes long to load

    keys = {fault.address.external_id for fault in faults}

    def about(address: Address | None) -> bool:
        return address is not None and address.external_id in keys

    part = replace(
        plan,
        changes=tuple(one for one in plan.changes if about(one.address)),
        bindings=tuple(one for one in plan.bindings if about(one.address)),
        blocked=tuple(one for one in plan.blocked if about(one.address)),
        notes=tuple(one for one in plan.notes if about(one.address)),
    )
    rows = [
        {
            "address": str(masked_address(fault.address)),
            "fault": fault_text(fault),
            "code": fault.fault,
            "after_changes": fault.done,
        }
        for fault in faults
    ]
    return as_text({"reconciler": __version__, "faults": rows, "plan": plan_to_json(part, redact=True)})


Say = Callable[[str], None]


def _unpriced(_: str) -> None:
    """Say nothing."""


Drafting = Callable[[Live, Records], Draft]
"""What planning is, once the account and the ledger are read: a pure function that may ask for more reads."""


@dataclass(frozen=True, slots=True)
class Planned:
    """
    A plan with what it was made from.

    `learned` is what is known of the server after its listing. `records` are the ledger's with what an
    earlier run did and could not record; `recovered` are the rows in which they differ. `lag_s` is how long a
    write may stay unseen. `keys` are API keys that something else than this plan proved.
    """

    plan: Plan
    live: Live
    records: Records
    learned: Learned
    recovered: tuple[Binding, ...] = ()
    lag_s: float = LAG_S
    keys: tuple[str, ...] = ()


async def make(
    client: ApiClient,
    ledger: Ledger,
    desired: Desired,
    terms: Terms,
    *,
    say: Say,
    price: Say = _unpriced,
    patience: Clock | None = None,
    alone: bool = False,
    made_by: str = "",
    lacked: Lacked | None = None,
) -> Planned:
    """
    Read the account and return the plan that leads to `desired`. Writes nothing.

    `lacked` is that of `make_plan`: what an earlier listing lacked, None for a plan that is only shown.

    `say` gets a few words on what is being read, `price` before that the cost. `alone` lets the targets
    be read without the rest of the account, where that takes fewer requests and a plan of them may be. Only the whole
    account shows whether a saved plan that was made with another API key, `made_by`, is of it, unless the ledger
    knows that key.

    With `patience` it waits where an earlier run left a create in doubt that need not be seen yet, or where it would
    change a customer whose state cannot be verified yet, and reads again. Without, the plan reports it.
    Raises what reading and planning raise, and PlanFaulty where the plan does not keep its word.
    """

    def drafting(earlier: Lacked | None) -> Drafting:
        return lambda live, records: make_plan(desired, live, records, terms, lacked=earlier)

    with without_collector():
        making = _made(
            client, ledger, desired, drafting(lacked), terms, say=say, price=price, alone=alone, made_by=made_by
        )
        planned = await making
        if patience is not None and await _waited(planned, patience, price, doubts_s=_doubts_s(planned)):
            earlier = None if lacked is None else {**lacked, **lacked_by(planned.plan.changes, planned.plan.listing)}
            planned = await _made(client, ledger, desired, drafting(earlier), terms, say=say, price=_unpriced)
        return _tried(planned, desired, terms)


async def make_of(
    client: ApiClient,
    ledger: Ledger,
    draft: Drafting,
    terms: Terms,
    *,
    say: Say,
    price: Say = _unpriced,
    patience: Clock | None = None,
) -> Planned:
    """
    Read the account and return the plan that `draft` makes of it, as `make` does of what is declared.

    What an earlier run left in doubt is not waited for.
    """
    with without_collector():
        planned = await _made(client, ledger, Desired(), draft, terms, say=say, price=price)
        if patience is not None and await _waited(planned, patience, price):
            planned = await _made(client, ledger, Desired(), draft, terms, say=say, price=_unpriced)
        return planned


async def _waited(planned: Planned, patience: Clock, price: Say, *, doubts_s: float = 0.0) -> bool:
    """
    Wait until all that the plan would change can be seen, and say whether that was needed; it must be read again then.

    `doubts_s` is how long creates that an earlier run left in doubt may stay unseen.
    """
    keys = {change.address.external_id for change in planned.plan.changes}
    ids = {change.id for change in planned.plan.changes}
    recent = [one for one in planned.plan.unverified if one.id in ids or one.address.external_id in keys]
    wait_s = max(doubts_s, *(one.left_s for one in recent), 0.0)
    if not wait_s:
        return False
    whys: list[str] = []
    if doubts_s:
        whys.append("an earlier run was interrupted during a create, and the result may only now become visible")
    if recent:
        whys.append(said(_RECENT, unverified_parts(recent)))
    # As a line that stays: who looks on has nothing else to look at meanwhile.
    price(f"waiting {until(wait_s + 1.0, patience.now())}: {'; '.join(whys)}")
    await patience.sleep(wait_s + 1.0)
    return True


async def _made(
    client: ApiClient,
    ledger: Ledger,
    desired: Desired,
    draft_of: Drafting,
    terms: Terms,
    *,
    say: Say,
    price: Say,
    alone: bool = False,
    made_by: str = "",
) -> Planned:
    """Return what `make` does, without waiting."""
    records = ledger.records()
    ledger.disconnect()
    alone = alone and (not made_by or records.trusts(made_by))
    targets = targets_alone(desired, records, terms) if alone else None
    # This machine's clock may differ from the server's: what --refresh asks for is priced in any case.
    users = len(expected_reads(desired, records, terms, inf if terms.refresh_users else client.server_now()))
    price(reading_price(records.learned, users, terms.rate_per_s, alone=None if targets is None else len(targets)))
    say("reading the account")
    before = client.requests
    try:
        planned = None if targets is None else await _of_targets(client, records, targets, draft_of, terms, say)
        if planned is not None:
            return planned
        live = await _account(client, desired, records, terms, say)
        live = replace(live, requests=client.requests - before)
        return await planned_of(client, live, records, draft_of, terms, say=say, price=price)
    except OverBudget as failure:
        least = max(reading_requests(records.learned) or 0, client.requests + 1, 2)
        raise OverBudget(
            f"{failure.message}; the account was not read completely, and nothing was changed",
            f"planning takes {least} requests or more, plus one per change",
        ) from failure


async def _of_targets(
    client: ApiClient, records: Records, targets: Sequence[Seek], draft_of: Drafting, terms: Terms, say: Say
) -> Planned | None:
    """Return the plan of customers that are read alone; None where only the whole account lets it be made."""
    live = await reading.alone(client, targets, page_limit=records.learned.page_limit or PAGE)
    if live is None:
        return None
    # One that was not found may be archived or gone: who else has its external_id then matters, if it was active.
    lost = {one for one, found in live.sought.items() if not found}
    if lost and any(row.state is BindingState.ACTIVE and row.bound_id in lost for row in records.bindings.values()):
        return None
    planned = await planned_of(client, live, records, draft_of, terms, say=say)
    return planned if holds(planned.plan) else None


async def _account(client: ApiClient, desired: Desired, records: Records, terms: Terms, say: Say) -> Live:
    """Return the whole account, the users that are known to be needed listed beside its pages."""
    users = expected_reads(desired, records, terms, client.server_now())
    pages = reading.listing_by(
        client, records.learned, progress=lambda done, _: say(f"{done} customers read"), keep=_keep(desired, records)
    )
    return await reading.with_users(client, pages, users)


def _keep(desired: Desired, records: Records) -> Keep:
    """Return what replaces values of listed customers by those that are declared and recorded: nearly all are equal."""
    customers, rows, share = desired.customers, records.bindings, reading.sharing()

    def keep(parts: Parts) -> Parts:
        customer, external_id, created_at, fields = parts
        declared, row = customers.get(external_id), rows.get(external_id)
        if declared is not None and declared.fields == fields:
            fields = cast("Mapping[str, str]", declared.fields)  # equal to texts, so there is no None in it
        else:
            *_, fields = share(parts)
        if row is None or row.id != customer:
            return customer, external_id, created_at, fields
        return row.id, row.external_id, row.created_at if row.created_at == created_at else created_at, fields

    return keep


def _doubts_s(planned: Planned) -> float:
    """Return how long to wait until every create that an earlier run left in doubt can be seen."""
    if not planned.records.intents:
        return 0.0
    from reconciler.apply.recover import wait_s  # noqa: PLC0415 - most runs have left nothing in doubt

    return wait_s(planned.records, planned.live, planned.lag_s, users_of(planned))


def _settled(records: Records, live: Live, project: str) -> Records:
    """Return `records` with the rows that an earlier run would have written, had it heard the answers."""
    if not records.intents:
        return records
    from reconciler.apply.recover import recovered  # noqa: PLC0415 - the same

    return recovered(records, live, project)


async def planned_of(
    client: ApiClient,
    live: Live,
    records: Records,
    draft_of: Drafting,
    terms: Terms,
    *,
    say: Say,
    price: Say = _unpriced,
) -> Planned:
    """Return the plan that `draft_of` makes of an account whose listing was read, and of what it asks for as well."""
    while True:
        settled = _settled(records, live, terms.project)
        draft = draft_of(live, settled)
        if not draft.reads:
            learned = reading.learned_from(draft.learned, live)
            lag_s = known_lag(learned, terms)
            return Planned(draft.plan, live, settled, learned, _changed(records, settled), lag_s)
        say(_asked(draft.reads))
        if any(isinstance(read, ListAgain) for read in draft.reads):
            price(again_price(live, terms.rate_per_s))
        page_limit = live.page_limit or records.learned.page_limit or PAGE
        live = await reading.answer(client, live, draft.reads, page_limit=page_limit)


def _tried(planned: Planned, desired: Desired, terms: Terms) -> Planned:
    """
    Return `planned`, with a note for each pattern that matches nobody.

    Raises PlanFaulty where its plan, tried in memory, does not do what it says, and ReconcilerError for a target that
    matches nobody.
    """
    notes = checked(desired, planned.live, planned.records, terms)
    planned = replace(planned, plan=replace(planned.plan, notes=(*planned.plan.notes, *notes))) if notes else planned
    tried_first(planned.plan, desired, planned.live, planned.records, terms, planned.learned)
    return planned


def _changed(before: Records, after: Records) -> tuple[Binding, ...]:
    """Return the rows that recovering changed."""
    if after is before:
        return ()
    return tuple(row for key, row in after.bindings.items() if before.bindings.get(key) is not row)


def users_of(planned: Planned) -> Mapping[CustomerId, tuple[SeenUser, ...]]:
    """Return the users known by customer id, as listed and as the plan leaves them."""
    listed = {customer: users for customer, users, _ in _listed_users(planned)}
    return {**planned.records.users, **listed, **{row.id: row.users for row in planned.plan.users}}


def _asked(reads: tuple[Read, ...]) -> str:
    """Return in a few words what is read next."""
    users = sum(isinstance(read, ListUsers) for read in reads)
    return f"reading the users of {users} customers" if users == len(reads) else f"reading {len(reads)} more"


def detailed_code(plan: Plan) -> int:
    """Return the exit code that says what a plan needs: 3 for someone's decision, 2 for an apply, 0 for nothing."""
    if plan.blocked or plan.limits or plan.approvals:
        return 3
    return 2 if plan.changes else 0


def keep_learned(ledger: Ledger, planned: Planned) -> None:
    """
    Write what a plan learned, bindings never.

    That is page size, users seen, what a listing contradicted, an API key that is proven to be of the account, and
    that the listing lacked all that is to be created.
    """
    writes = [*learned_writes(planned), *lacked_writes(planned, created_keys(planned.plan.changes))]
    if writes and ledger.writable and planned.records.known:
        ledger.commit(writes)


def with_second_listing(planned: Planned, terms: Terms) -> Planned:
    """
    Return a plan that is kept nowhere, with the second listing of its apply in its price.

    That is where it creates someone, and one listing does not prove that nobody is there.
    """
    plan, live = planned.plan, planned.live
    keys = created_keys(plan.changes)
    if not keys or not Proof(live, planned.records, {}, known_lag(planned.learned, terms)).unproven(keys):
        return planned
    more = again_requests(len(live.listed), planned.learned.longest_page)
    note = Note(NoteKind.LISTED_TWICE, parts={"requests": more})
    cost = replace(plan.cost, overhead=plan.cost.overhead + more)
    return replace(planned, plan=replace(plan, cost=cost, notes=(*plan.notes, note)))


def learned_writes(planned: Planned) -> list[Write]:
    """Return what reading found out, where the ledger does not have it yet."""
    writes: list[Write] = []
    if planned.learned != planned.records.learned:
        writes.append(PutLearned(planned.learned))
    key, records = planned.plan.environment.account, planned.records
    if proves(key, records, planned.live):
        writes.append(PutKeys((*records.keys, key)))
    writes += [PutUsers(customer, seen) for customer, seen, recorded in _listed_users(planned) if seen != recorded]
    return writes


def _listed_users(
    planned: Planned,
) -> Iterator[tuple[CustomerId, tuple[SeenUser, ...], tuple[SeenUser, ...] | None]]:
    """Yield each customer whose users were listed, with those known now, and those that the ledger has seen."""
    if not planned.live.users:
        return
    since = planned.live.read_at - planned.lag_s
    fresh = {row.id for row in planned.records.bindings.values() if row.written_at > since}
    for customer, listed in planned.live.users.items():
        recorded = planned.records.users.get(customer)
        # A user that we just created need not be listed yet, and must not be created again.
        yield customer, merged(recorded, listed, fresh=customer in fresh), recorded


def lacked_writes(planned: Planned, keys: tuple[str, ...]) -> list[Write]:
    """Return what remembers that the listing lacked `keys`, which the plan creates."""
    listing = planned.plan.listing
    return [] if listing is None or not keys else [PutLacked(listing, keys)]
