"""A saved plan held against the plan of now, and applied: what of it still holds, and what earlier runs of it did."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from reconciler.api.client import ApiClient
from reconciler.apply.execute import ApplyEvent
from reconciler.clock import Clock
from reconciler.errors import Refused
from reconciler.ledger.base import Ledger
from reconciler.model.core import Desired, EnvironmentRef
from reconciler.model.ledger import Pass, Run
from reconciler.model.policy import Terms
from reconciler.pipeline.apply import ApplyResult, carry_out
from reconciler.pipeline.plan import Planned, make
from reconciler.plan.presence import Lacked, lacked_by
from reconciler.plan.revalidate import Earlier, Revalidated, check_account, earlier_of, revalidate
from reconciler.plan.saved_plan import SavedPlan
from reconciler.report.layout import count
from reconciler.report.messages.plan import AGAIN
from reconciler.settings import Options


def narrowed(options: Options, saved: SavedPlan) -> Options:
    """Return the options of an apply, narrowed as the saved plan was where they do not say how."""
    return replace(
        options,
        targets=options.targets or saved.targets,
        excludes=options.excludes or saved.excludes,
        since=None if options.targets else saved.since,
        refresh_users=options.refresh_users or saved.refresh_users,
        recreate=options.recreate or saved.recreate,
    )


def same_environment(saved: SavedPlan, here: EnvironmentRef) -> None:
    """Raise Refused where a saved plan is of another environment or base URL."""
    for name, theirs, ours in (
        ("environment", saved.environment.name, here.name),
        ("base URL", saved.environment.base_url, here.base_url),
    ):
        if theirs != ours:
            raise Refused(
                f"the plan is for the {name} {theirs}, and this is {ours}; nothing was sent", "select it with -e"
            )


def run_name(saved: SavedPlan) -> str:
    """Return what a saved plan's run is called in the ledger: its own name, so that its next run knows what it did."""
    return f"apply of plan {saved.name[:16]}"


def lacked_of(saved: SavedPlan) -> Lacked:
    """Return what the listing that a saved plan was made from lacked."""
    return lacked_by(saved.changes, Pass(saved.read_at, saved.held) if saved.held else None)


def approved(
    saved: SavedPlan, planned: Planned, desired: Desired, ledger: Ledger, terms: Terms
) -> tuple[Planned, Revalidated]:
    """
    Return of what is planned now that which the saved plan approves, and what became of the rest of both.

    What is stale is in no plan: whoever calls decides whether the rest is made.
    """
    earlier = _earlier(saved, ledger)
    key, here, records = saved.environment.account, terms.environment.account, planned.records
    if key != here:
        known = records.keys and records.trusts(key) and records.trusts(here)
        if not (known and planned.live.narrowed):
            lineage = "" if ledger.meta is None else ledger.meta.lineage
            check_account(saved.evidence, saved.changes, planned.live, records, lineage, earlier.created)
        planned = replace(planned, keys=(key,))
    made = revalidate(saved, planned.plan, earlier, desired, planned.live, planned.records, terms)
    return replace(planned, plan=made.plan), made


def stale_message(saved: SavedPlan, made: Revalidated) -> str:
    """Return that changes of a saved plan are not planned any more."""
    return (
        f"the plan is stale: {len(made.stale)} of {count(len(saved.changes), 'change')} "
        f"{'is' if len(made.stale) == 1 else 'are'} not planned again as saved; nothing was sent"
    )


def _earlier(saved: SavedPlan, ledger: Ledger) -> Earlier:
    """Return what earlier runs of a saved plan did; Refused where the values of one were removed from the history."""
    name = run_name(saved)
    runs = [run for run in ledger.runs() if run.command == name]
    for run in runs:
        if run.pruned_at:
            # Which users it created is not known any more.
            raise Refused(
                f"the values of run {run.id}, which applied this plan, were removed at {run.pruned_at}; "
                "nothing was sent",
                AGAIN,
            )
    return earlier_of(intent for run in runs for intent in ledger.intents(run.id))


async def apply_saved(
    client: ApiClient,
    ledger: Ledger,
    desired: Desired,
    saved: SavedPlan,
    terms: Terms,
    *,
    run: Run,
    clock: Clock,
    stop: asyncio.Event,
    commits: Callable[[Iterable[str]], Mapping[str, str]],
) -> tuple[ApplyResult, Planned]:
    """
    Apply a saved plan as it was saved, or not at all, and return what that did, and the plan of the account after it.

    What an earlier apply of it did is done. `commits` gives those of the files that declare the changes. Raises
    Refused, before anything is sent, where it does not hold any more.
    """

    async def planned(*, patience: Clock | None) -> Planned:
        return await make(
            client,
            ledger,
            desired,
            terms,
            say=_silent,
            price=_silent,
            patience=patience,
            alone=True,
            made_by=saved.environment.account,
            lacked=lacked_of(saved),
        )

    ready, made = approved(saved, await planned(patience=clock), desired, ledger, terms)
    if made.stale:
        raise Refused(stale_message(saved, made), "plan it again")
    files = {one.source.file for one in ready.plan.changes if one.source is not None}
    carried = await carry_out(
        client, ledger, ready, terms, run=run, clock=clock, stop=stop, tell=_untold, commits=commits(files)
    )
    return carried, await planned(patience=None)


def _silent(_: str) -> None:
    """Say nothing."""


def _untold(_: ApplyEvent) -> None:
    """Say nothing."""
