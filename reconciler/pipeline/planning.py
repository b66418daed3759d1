"""Reading and planning: the listing, what planning needs read, the plan. Writes nothing but what it learned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from reconciler import live as reading
from reconciler.api.client import Client
from reconciler.apply import recover
from reconciler.collector import without_collector
from reconciler.ledger.base import Ledger
from reconciler.model import Desired, ListUsers, Live, Read
from reconciler.plan.make import make_plan
from reconciler.plan.users import merged
from reconciler.plans import Plan
from reconciler.records import Learned, PutLearned, PutUsers, Records, Write
from reconciler.terms import Terms

PAGE = 100
"""The documented default of `limit`, and the largest that is known to be accepted."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with what it was made from; `learned` is what is known of the server after its listing."""

    plan: Plan
    live: Live
    records: Records
    learned: Learned


async def make(client: Client, ledger: Ledger, desired: Desired, terms: Terms, *, say: Say) -> Planned:
    """
    Read the account and return the plan that leads to `desired`. Writes nothing.

    `say` is told in a few words what is being read. Raises what reading and planning raise.
    """
    with without_collector():
        return await _made(client, ledger, desired, terms, say)


async def _made(client: Client, ledger: Ledger, desired: Desired, terms: Terms, say: Say) -> Planned:
    """Return what `make` does."""
    records = ledger.records()
    say("reading the account")
    live = await reading.listing(client, page_limit=PAGE, progress=lambda done, _: say(f"{done} customers read"))
    live = replace(live, longest_page=max(live.longest_page, records.learned.longest_page))
    while True:
        settled = recover.recovered(records, live)
        draft = make_plan(desired, live, settled, terms)
        if not draft.reads:
            return Planned(draft.plan, live, settled, replace(draft.learned, longest_page=live.longest_page))
        say(_asked(draft.reads))
        live = await reading.answer(client, live, draft.reads, page_limit=PAGE)


def _asked(reads: tuple[Read, ...]) -> str:
    """Return in a few words what is read next."""
    users = sum(isinstance(read, ListUsers) for read in reads)
    return f"reading the users of {users} customers" if users == len(reads) else f"reading {len(reads)} more"


def keep_learned(ledger: Ledger, planned: Planned) -> None:
    """Write what a plan learned (page size, users seen, what a listing contradicted); bindings never."""
    writes = learned_writes(planned)
    if writes and ledger.writable and planned.records.known:
        ledger.commit(writes)


def learned_writes(planned: Planned) -> list[Write]:
    """Return what reading taught, where the ledger does not have it yet."""
    writes: list[Write] = []
    if planned.learned != planned.records.learned:
        writes.append(PutLearned(planned.learned))
    for customer, listed in planned.live.users.items():
        recorded = planned.records.users.get(customer)
        seen = merged(recorded, listed, fresh=False)
        if seen != recorded:
            writes.append(PutUsers(customer, seen))
    return writes
