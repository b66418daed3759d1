"""`fleet apply` and `fleet submit apply`: all accounts planned, the gate, consent, and a rollout that begins."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import click

from reconciler.cli import consent, output
from reconciler.cli.fleet_run import PLAN, chosen_of, local_accounts, warn_of_exposed
from reconciler.cli.rollout import Drive, driven, follow, left_code, report, run_jobs, stopped_by_signals
from reconciler.cli.session import shown_progress
from reconciler.cli.terminal import interrupt
from reconciler.errors import LedgerFailed, ReconcilerError, Refused
from reconciler.escape import visible
from reconciler.fleet.gate import Step, judge, waves_of
from reconciler.fleet.rollout import Ground
from reconciler.fleet.rollouts import check_one
from reconciler.fleet.table import open_table
from reconciler.input_file import read_file
from reconciler.model.fleet import (
    AccountState,
    AccountStatus,
    FleetAccount,
    FleetPolicy,
    GateVerdict,
    JobKind,
    JobResult,
    Rollout,
    RolloutItem,
    RolloutState,
)
from reconciler.model.policy import Share
from reconciler.pipeline.resources import DIRTY, origin_of_run, real_clock
from reconciler.pipeline.sealed_plan import is_sealed_plan, unsealed
from reconciler.plan.saved_plan import load
from reconciler.report.layout import count
from reconciler.report.rollout import (
    SHORT,
    counted,
    gate_text,
    refusal,
    rollout_json,
)
from reconciler.settings import Options, Settings
from reconciler.settings.fleet import Fleet

if TYPE_CHECKING:
    from reconciler.fleet.engine import ProcrastinateEngine


@dataclass(frozen=True, slots=True)
class GateOptions:
    """What the options say of the gate: limits that hold once, and whether accounts that are not ready are left out."""

    max_accounts_changed: Share | None
    max_accounts_archiving: Share | None
    max_archives: Share | None
    max_failed: Share | None
    skip_failed: bool
    auto_approve: bool


def apply(
    ctx: click.Context,
    folder: Path | None,
    form: str,
    *,
    options: Options,
    labels: Sequence[str],
    gate: GateOptions,
) -> None:
    """Plan all, ask, apply wave by wave, report."""
    settings, fleet, chosen = chosen_of(options, labels, ())
    _begin(ctx, Ground(settings, fleet, origin_of_run(settings.root)), chosen, folder, form, gate, None)


def submit(
    ctx: click.Context,
    folder: Path | None,
    form: str,
    *,
    options: Options,
    labels: Sequence[str],
    gate: GateOptions,
    commit: str | None,
    wait: bool,
) -> None:
    """Plan all, ask, and hand the rollout to the workers."""
    from reconciler.cli.fleet_worker import database_of, engine_of

    settings, fleet, chosen = chosen_of(options, labels, ())
    engine = engine_of(settings, database_of(settings))
    ground = Ground(settings, fleet, origin_of_run(settings.root))
    workers = _Handover(engine, _commit_for_workers(ground.origin.commit, commit), wait=wait)
    _begin(ctx, ground, chosen, folder, form, gate, workers)


@dataclass(frozen=True, slots=True)
class _Handover:
    """Hands a rollout to the workers, who are to have the files of `commit`, "" for any."""

    engine: ProcrastinateEngine
    commit: str
    wait: bool

    def take(self, drive: Drive, rollout: Rollout, form: str, verdict: GateVerdict) -> int:
        """Queue the first wave, report, and return the exit code: that of the rollout, where it waits for its end."""
        from reconciler.cli.fleet_worker import queued
        from reconciler.fleet.engine import JobOrder, Priority
        from reconciler.fleet.workers import Workers

        first = drive.rollouts.open_items(rollout.id, 1)
        orders = [JobOrder(JobKind.APPLY, one.account, 0.0, Priority.APPLY, rollout.id) for one in first]
        try:
            queued(self.engine, orders)
        except LedgerFailed as exc:
            # It is in the table, where the workers find it.
            output.note(f"the first wave is queued by the workers: {exc.message}")
        if not Workers(drive.table.store, drive.table.name).all():
            output.note("no worker is running: it goes on when one does (`reconciler fleet worker`)")
        if self.wait:
            return follow(drive.table, rollout, form, verdict)
        report(rollout, drive.rollouts.items(rollout.id), form, verdict)
        if form == "text":
            output.next_step(f"To follow it: reconciler fleet rollout status {rollout.id[:SHORT]} --wait")
        return left_code(verdict)


def _commit_for_workers(here: str, given: str | None) -> str:
    """
    Return the commit whose files workers must have, "" where none is known; Refused where the files here differ.

    The plans are made from the files here, and a worker whose files differ refuses them.
    """
    if here.endswith(DIRTY):
        message = f"the files here differ from the commit {here.removesuffix(DIRTY)[:SHORT]}; nothing was sent"
        raise Refused(message, "commit them, and let the workers have that commit")
    if here and given is not None and not here.startswith(given.lower()):
        message = f"the files here are of the commit {here[:SHORT]}, and not of {visible(given)}; nothing was sent"
        raise Refused(message, "check that commit out, and run it again")
    return here or given or ""


def _begin(
    ctx: click.Context,
    ground: Ground,
    chosen: Sequence[FleetAccount],
    folder: Path | None,
    form: str,
    gate: GateOptions,
    workers: _Handover | None,
) -> None:
    """Plan all, hold the plans against the policy, ask, begin a rollout and let it be carried out."""
    settings, fleet = ground.settings, ground.fleet
    if folder is not None and settings.options.changed_since is not None:
        raise click.UsageError("--changed-since cannot be used with DIR, whose plans are about what they were made for")
    consent.can_be_asked(auto_approve=gate.auto_approve)
    chosen = tuple(one for one in chosen if not one.suspended)
    with (
        local_accounts(settings, fleet.environment),
        open_table(settings, fleet.environment) as table,
        stopped_by_signals() as stopping,
    ):
        drive = Drive(ground, table, stopping)
        check_one(drive.rollouts)
        # Before all accounts are read for nothing.
        if drive.shared and not settings.shared(fleet.environment).environment().plan_keys().reveal():
            raise Refused(*_UNSEALED)
        table.put_accounts(fleet.accounts)
        results = _planned(drive, chosen) if folder is None else _read_plans(drive, chosen, folder)
        warn_of_exposed(results)
        verdict = judge(results, _once(fleet.policy, gate), skip=gate.skip_failed)
        names = {one.account for one in verdict.changing}
        steps = waves_of([one for one in chosen if one.name in names], fleet.waves)
        ctx.exit(_gated(drive, verdict, steps, form, gate, workers))


def _once(policy: FleetPolicy, gate: GateOptions) -> FleetPolicy:
    """Return the fleet's policy with the limits that hold for this rollout alone."""
    given = {
        name: share
        for name in ("max_accounts_changed", "max_accounts_archiving", "max_archives", "max_failed")
        if (share := getattr(gate, name)) is not None
    }
    return replace(policy, **given)


def _planned(drive: Drive, chosen: Sequence[FleetAccount]) -> list[JobResult]:
    """Plan the accounts; Refused where the API was given up before all had ended."""
    settings, stopping = drive.ground.settings, drive.stopping
    known = drive.table.statuses()
    changed = chosen
    if settings.options.changed_since is not None:
        from reconciler.pipeline.changed_since import changed_accounts

        changed = changed_accounts(settings.options.changed_since, settings, chosen)
    names = {one.name for one in changed}
    results = [_unchanged(one, known) for one in chosen if one.name not in names]
    with shown_progress(real_clock()) as progress:

        def ended(result: JobResult) -> None:
            results.append(result)
            progress.planning(f"planned {len(results)} of {count(len(chosen), 'account')}")

        jobs = drive.ground.jobs(JobKind.PLAN, changed, known, save=True)
        run_jobs(drive.ground.fleet, stopping, jobs, ended)
    missing = len(chosen) - len(results)
    if stopping.wanted.is_set():
        output.say("interrupted: nothing was sent")
        interrupt()
    if missing:
        message = f"the API does not answer: {count(missing, 'account was', 'accounts were')} not planned"
        raise Refused(f"{message}; nothing was sent", "run it again when the API is up")
    return results


def _unchanged(account: FleetAccount, known: Mapping[str, AccountStatus]) -> JobResult:
    """Return the result of an account that has nothing to do."""
    customers = known[account.name].customers if account.name in known else 0
    return JobResult(account.name, JobKind.PLAN, AccountState.IN_SYNC, 0, 0.0, 0.0, customers=customers)


def _read_plans(drive: Drive, chosen: Sequence[FleetAccount], folder: Path) -> list[JobResult]:
    """Return the saved plans of a folder as results; an account without one is chosen, and has nothing to do."""
    shown = visible(str(folder))
    if not folder.is_dir():
        raise Refused(f"{shown}: this is not a folder of saved plans", "`reconciler fleet plan --out DIR` makes one")
    known = drive.table.statuses()
    results = []
    for account in chosen:
        path, result = folder / f"{account.name}{PLAN}", _unchanged(account, known)
        is_read = path.exists() or account.fault is not None
        results.append(_read_plan(drive.ground.settings, account, path, result) if is_read else result)
    if not any(one.digest or one.error for one in results):
        hint = "`reconciler fleet plan --out DIR` writes DIR/ACCOUNT.plan"
        raise Refused(f"{shown}: no chosen account has a saved plan here; nothing was sent", hint)
    return results


def _read_plan(settings: Settings, account: FleetAccount, path: Path, result: JobResult) -> JobResult:
    """Return what a saved plan has; what is wrong with it is the account's."""
    from reconciler.fleet.job import counted as counts_of
    from reconciler.fleet.job import exposed, failed

    try:
        environment = settings.of(account).environment(account.address)
        content = read_file(path).decode(errors="replace")
        # A plan that is sealed shows nothing.
        result = replace(result, exposed=exposed(environment, *(() if is_sealed_plan(content) else (path,))))
        text = unsealed(content, environment)
        saved = load(text)
        document = json.loads(text)
    except (ReconcilerError, OSError) as exc:
        return failed(result, exc)
    held = tuple(
        f"{row.get('name')}: {row.get('planned')} planned, {row.get('allowed')} allowed"
        for row in (*document.get("limits", ()), *document.get("approvals", ()))
    )
    blocked = len({row.get("external_id") for row in document.get("blocked", ())})
    return replace(
        result,
        planned=counts_of(saved.changes),
        exceeded=held,
        blocked=blocked,
        plan=content,
        digest=saved.name,
        fingerprint=saved.fingerprint,
    )


def _gated(
    drive: Drive, verdict: GateVerdict, steps: Sequence[Step], form: str, gate: GateOptions, workers: _Handover | None
) -> int:
    """Hold the plans against the policy, ask, and carry them out; return the exit code."""
    _show(verdict, steps, drive.ground.fleet, form, quiet=output.quiet() and gate.auto_approve)
    if not verdict.open:
        raise Refused(*refusal(verdict))
    if not verdict.changing:
        return left_code(verdict)
    if not gate.auto_approve:
        _ask(verdict)
    rollouts = drive.rollouts
    rollout, items = _made(drive, verdict, steps, workers)
    plans = {one.account: one.plan for one in verdict.changing}
    if drive.shared and not all(map(is_sealed_plan, plans.values())):
        raise Refused(*_UNSEALED)
    rollouts.prune()
    if not rollouts.begin(rollout, items, plans):
        check_one(rollouts)
        raise Refused("another rollout began meanwhile; nothing was sent", "run it again")
    output.note(f"rollout {rollout.id[:SHORT]} begins: {count(len(items), 'account')} in {count(len(steps), 'wave')}")
    if workers is not None:
        return workers.take(drive, rollout, form, verdict)
    return driven(drive, rollout, form, verdict)


_UNSEALED = (
    "the saved plans would be in the database as they are, with personal values; nothing was sent",
    "set RECONCILER_PLAN_KEY, which seals them, here and wherever the rollout may be continued",
)


def _show(verdict: GateVerdict, steps: Sequence[Step], fleet: Fleet, form: str, *, quiet: bool) -> None:
    """Print what the gate found: as text, or on stderr beside the one document that another format is."""
    waves = [step.accounts for step in steps]
    if form == "text" and not (quiet and verdict.open):
        output.result(gate_text(verdict, waves, fleet.environment, width=output.width(), color=output.color()))
    elif form != "text" and not quiet:
        output.page(gate_text(verdict, waves, fleet.environment, width=output.error_width(), color=False))
    if form == "json" and not (verdict.open and verdict.changing):
        output.json_result(rollout_json(None, (), verdict))


def _ask(verdict: GateVerdict) -> None:
    """Ask for consent: a word where customers are archived, else yes."""
    accounts = count(len(verdict.changing), "account")
    archives = verdict.planned.archives
    if archives:
        concerned = sum(one.planned.archives > 0 for one in verdict.changing)
        what = f"{count(archives, 'customer is', 'customers are')} archived in {count(concerned, 'account')}"
        consent.word(what, f"archive {archives}")
        return
    consent.yes(f"Apply this to {accounts} ({counted(verdict.planned)})? [y/N]: ")


def _made(
    drive: Drive, verdict: GateVerdict, steps: Sequence[Step], workers: _Handover | None
) -> tuple[Rollout, list[RolloutItem]]:
    """Return a new rollout and its accounts."""
    origin, settings = drive.ground.origin, drive.ground.settings
    now = real_clock().now()
    rollout = Rollout(
        id=uuid4().hex,
        fleet=drive.rollouts.fleet,
        state=RolloutState.RUNNING,
        started_at=now,
        who=origin.who,
        commit=origin.commit if workers is None else workers.commit,
        ci_url=origin.ci_url,
        chosen=verdict.chosen,
        waves=len(steps),
        wave=1,
        max_failed=verdict.max_failed,
        driver=uuid4().hex if workers is None else "",
        seen_at=now,
        approved=tuple(sorted(settings.options.approved)),
        soaks=tuple(step.soak_s for step in steps),
        on_workers=workers is not None,
    )
    planned = {one.account: one for one in verdict.changing}
    items = [
        RolloutItem(
            rollout.id,
            name,
            number,
            digest=planned[name].digest,
            fingerprint=planned[name].fingerprint,
            planned=planned[name].planned,
        )
        for number, step in enumerate(steps, start=1)
        for name in step.accounts
    ]
    return rollout, items
