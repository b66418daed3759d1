"""`fleet apply` and `fleet rollout`: all accounts planned, the gate, consent, waves; and a rollout that has begun."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

import click

from reconciler.cli import consent, output
from reconciler.cli.fleet import fleet_of
from reconciler.cli.fleet_run import PLAN, chosen_of, jobs_of, local_accounts
from reconciler.cli.session import shown_progress
from reconciler.cli.terminal import first_signal, interrupt
from reconciler.errors import Invalid, LedgerFailed, ReconcilerError, Refused
from reconciler.escape import visible
from reconciler.fleet.gate import Step, judge, waves_of
from reconciler.fleet.job import LEAST_APPLY_S, Job, is_big
from reconciler.fleet.pool import Pool
from reconciler.fleet.rollout import BEAT_S, SILENT_S, Surroundings, run_rollout
from reconciler.fleet.rollouts import Rollouts, check_one
from reconciler.fleet.table import DatabaseStore, FleetTable, open_table
from reconciler.input_file import read_file
from reconciler.model.fleet import (
    UNFINISHED,
    AccountState,
    AccountStatus,
    FleetAccount,
    FleetPolicy,
    GateVerdict,
    ItemState,
    JobKind,
    JobResult,
    Rollout,
    RolloutItem,
    RolloutState,
)
from reconciler.model.policy import Share
from reconciler.pipeline.resources import Origin, origin_of_run, real_clock
from reconciler.pipeline.sealed_plan import is_sealed_plan, unsealed
from reconciler.plan.saved_plan import load
from reconciler.report.layout import count, duration
from reconciler.report.rollout import (
    SHORT,
    counted,
    gate_text,
    item_text,
    next_step,
    refusal,
    rollout_brief,
    rollout_json,
    rollout_text,
)
from reconciler.settings import Options, Settings
from reconciler.settings.fleet import Fleet


@dataclass(slots=True)
class Stopping:
    """Whether the person who runs this wants it to end, and the pool that is at work."""

    wanted: threading.Event = field(default_factory=threading.Event)
    pool: Pool | None = None

    def stop(self) -> None:
        """End it: what has begun ends, and nothing begins."""
        self.wanted.set()
        if self.pool is not None:
            self.pool.stop()

    def signaled(self) -> None:
        """Take a person's first Ctrl-C."""
        self.stop()
        output.say("stopping: accounts that have begun will finish, and no other begins; Ctrl-C again stops at once")


@contextmanager
def stopped_by_signals() -> Iterator[Stopping]:
    """Yield what the first Ctrl-C stops; the next one ends the process at once."""
    stopping = Stopping()
    with first_signal(stopping.signaled, "stopped at once; `reconciler fleet rollout resume` continues"):
        yield stopping


def run_jobs(
    fleet: Fleet,
    stopping: Stopping,
    jobs: Iterable[Job],
    ended: Callable[[JobResult], None],
    may_begin: Callable[[Job], bool] = lambda _: True,
) -> None:
    """Do jobs, as many at once as the fleet says."""

    def paused(wait_s: float) -> None:
        output.say(f"most accounts get no answer: nothing begins for {duration(wait_s)}")

    pool = Pool(fleet.parallel, ended=ended, may_begin=may_begin, paused=paused)
    stopping.pool = pool
    if stopping.wanted.is_set():
        pool.stop()
    pool.run(jobs)


# --- apply -------------------------------------------------------------------------------------------


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
    if folder is not None and options.changed_since is not None:
        raise click.UsageError("--changed-since cannot be used with DIR, whose plans are about what they were made for")
    consent.can_be_asked(auto_approve=gate.auto_approve)
    chosen = tuple(one for one in chosen if not one.suspended)
    with (
        local_accounts(settings, fleet.environment),
        open_table(settings, fleet.environment) as table,
        stopped_by_signals() as stopping,
    ):
        drive = Drive(settings, fleet, table, origin_of_run(settings.root), stopping)
        check_one(drive.rollouts)
        # Before all accounts are read for nothing.
        if drive.shared and not settings.of(chosen[0]).environment().plan_keys().reveal():
            raise Refused(*_UNSEALED)
        table.put_accounts(fleet.accounts)
        results = _planned(drive, chosen) if folder is None else _read_plans(drive, chosen, folder)
        verdict = judge(results, _once(fleet.policy, gate), skip=gate.skip_failed)
        names = {one.account for one in verdict.changing}
        steps = waves_of([one for one in chosen if one.name in names], fleet.waves)
        ctx.exit(_gated(drive, verdict, steps, form, gate))


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
    settings, stopping = drive.settings, drive.stopping
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

        job = Job(JobKind.PLAN, drive.fleet.accounts[0], settings, drive.origin, save=True)
        jobs = jobs_of(JobKind.PLAN, settings, changed, known, drive.origin, job)
        run_jobs(drive.fleet, stopping, jobs, ended)
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
        results.append(_read_plan(drive.settings, account, path, result) if path.exists() else result)
    if not any(one.digest or one.error for one in results):
        hint = "`reconciler fleet plan --out DIR` writes DIR/ACCOUNT.plan"
        raise Refused(f"{shown}: no chosen account has a saved plan here; nothing was sent", hint)
    return results


def _read_plan(settings: Settings, account: FleetAccount, path: Path, result: JobResult) -> JobResult:
    """Return what a saved plan has; what is wrong with it is the account's."""
    from reconciler.fleet.job import counted as counts_of
    from reconciler.fleet.job import failed

    try:
        environment = settings.of(account).environment(account.address)
        content = read_file(path).decode(errors="replace")
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


def _gated(drive: Drive, verdict: GateVerdict, steps: Sequence[Step], form: str, gate: GateOptions) -> int:
    """Hold the plans against the policy, ask, and apply them; return the exit code."""
    _show(verdict, steps, drive.fleet, form, quiet=output.quiet() and gate.auto_approve)
    if not verdict.open:
        raise Refused(*refusal(verdict))
    if not verdict.changing:
        return _left_code(verdict)
    if not gate.auto_approve:
        _ask(verdict)
    rollouts = drive.rollouts
    rollout, items = _made(drive, verdict, steps)
    plans = {one.account: one.plan for one in verdict.changing}
    if drive.shared and not all(map(is_sealed_plan, plans.values())):
        raise Refused(*_UNSEALED)
    rollouts.prune()
    if not rollouts.begin(rollout, items, plans):
        check_one(rollouts)
        raise Refused("another rollout began meanwhile; nothing was sent", "run it again")
    output.note(f"rollout {rollout.id[:SHORT]} begins: {count(len(items), 'account')} in {count(len(steps), 'wave')}")
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


def _made(drive: Drive, verdict: GateVerdict, steps: Sequence[Step]) -> tuple[Rollout, list[RolloutItem]]:
    """Return a new rollout and its accounts."""
    origin, settings = drive.origin, drive.settings
    now = real_clock().now()
    rollout = Rollout(
        id=uuid4().hex,
        fleet=drive.rollouts.fleet,
        state=RolloutState.RUNNING,
        started_at=now,
        who=origin.who,
        commit=origin.commit,
        ci_url=origin.ci_url,
        chosen=verdict.chosen,
        waves=len(steps),
        wave=1,
        max_failed=verdict.max_failed,
        driver=uuid4().hex,
        seen_at=now,
        approved=tuple(sorted(settings.options.approved)),
        soaks=tuple(step.soak_s for step in steps),
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


def _left_code(verdict: GateVerdict) -> int:
    """Return the exit code of what the gate left out: 1 for an account without a plan, 3 for one that is held."""
    if verdict.unplanned:
        return 1
    return 3 if verdict.held or verdict.blocked else 0


@dataclass(slots=True)
class Drive:
    """What a rollout is driven with, in a process that has all of its accounts; `codes` are those of applies."""

    settings: Settings
    fleet: Fleet
    table: FleetTable
    origin: Origin
    stopping: Stopping
    codes: list[int] = field(default_factory=list)

    @property
    def shared(self) -> bool:
        """Say whether the table is in a database, which others can read too."""
        return isinstance(self.table.store, DatabaseStore)

    @property
    def rollouts(self) -> Rollouts:
        """Return the fleet's rollouts."""
        return Rollouts.of(self.table)

    def account(self, name: str) -> FleetAccount | None:
        """Return an account of the fleet, None where the project has it no more."""
        return next((one for one in self.fleet.accounts if one.name == name), None)

    def job_of(self, item: RolloutItem, kind: JobKind) -> Job:
        """Return the job of an account."""
        account = self.account(item.account) or FleetAccount(item.account, self.fleet.environment, item.account)
        job = Job(kind, account, self.settings, self.origin, big=is_big(self.settings.root, account, 0))
        if kind is not JobKind.APPLY:
            return job
        plan = self.rollouts.plan_of(item.rollout, item.account)
        return replace(job, least_s=LEAST_APPLY_S, plan=plan, digest=item.digest)

    def fit(self, name: str) -> str:
        """Return why an account must not begin, "" where it may."""
        account = self.account(name)
        if account is None:
            return "the project has no such account any more; nothing was sent"
        try:
            return "it is suspended by now; nothing was sent" if self.settings.suspended_now(account) else ""
        except Invalid as exc:
            return str(exc.problems[0])

    def ended(self, result: JobResult, item: RolloutItem) -> None:
        """Take how an account ended, and write it as what is known of the account."""
        if (account := self.account(result.account)) is not None:
            self.table.record(result, account)
        applied = result.kind is JobKind.APPLY
        if applied:
            self.codes.append(result.code)
        if applied or item.state is ItemState.FAILED:
            output.note(item_text(item))

    def at_wave(self, rollout: Rollout, mine: Sequence[RolloutItem], doing: str) -> None:
        """Say which wave it is at."""
        wave = f"wave {rollout.wave} of {rollout.waves}"
        if doing == "soaking":
            soak = duration(rollout.soaks[rollout.wave - 1])
            output.note(f"{wave} is applied; its accounts are checked again in {soak}")
        else:
            output.note(f"{wave}: {count(len(mine), 'account')}")

    def wait(self, seconds: float) -> None:
        """Let a time pass, unless it is to end."""
        self.stopping.wanted.wait(seconds)

    def carry(self, jobs: Iterable[Job], ended: Callable[[JobResult], None], may_begin: Callable[[Job], bool]) -> None:
        """Do jobs in this process."""
        run_jobs(self.fleet, self.stopping, jobs, ended, may_begin)


def driven(drive: Drive, rollout: Rollout, form: str, verdict: GateVerdict | None = None) -> int:
    """Drive a rollout, report what became of it, and return the exit code."""
    stopping, rollouts = drive.stopping, drive.rollouts
    around = Surroundings(
        now=real_clock().now,
        wait=drive.wait,
        stopped=stopping.wanted.is_set,
        carry=drive.carry,
        job_of=drive.job_of,
        fit=drive.fit,
        ended=drive.ended,
        at_wave=drive.at_wave,
    )
    try:
        with _heart(rollouts, rollout, stopping):
            rollout = run_rollout(rollouts, rollout, around)
    except LedgerFailed as exc:
        run = rollout.id[:SHORT]
        hint = f"{exc.hint}; then continue with `reconciler fleet rollout resume {run}`: nothing is done twice"
        raise LedgerFailed(exc.message, hint) from exc
    items = rollouts.items(rollout.id)
    _report(rollout, items, form, verdict)
    return _code(rollout, items, drive.codes, verdict, interrupted=stopping.wanted.is_set())


@contextmanager
def _heart(rollouts: Rollouts, rollout: Rollout, stopping: Stopping) -> Iterator[None]:
    """Say in the table, as long as this lasts, that the driver lives; it stops where another one drives by now."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT_S):
            try:
                if not rollouts.beat(rollout, real_clock().now()) and not over.is_set():
                    stopping.stop()
                    return
            except LedgerFailed:
                continue  # whoever writes the next account says so

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _report(rollout: Rollout, items: Sequence[RolloutItem], form: str, verdict: GateVerdict | None) -> None:
    """Print where a rollout is."""
    match form:
        case "json":
            output.json_result(rollout_json(rollout, items, verdict))
        case "brief":
            output.result(rollout_brief(rollout, items))
        case _:
            output.result(rollout_text(rollout, items, width=output.width(), color=output.color()))
    if form == "text" and (step := next_step(rollout)):
        output.next_step(step)


def _code(
    rollout: Rollout,
    items: Sequence[RolloutItem],
    codes: Sequence[int],
    verdict: GateVerdict | None,
    *,
    interrupted: bool,
) -> int:
    """Return the exit code: interrupted, then what failed, then what is refused or blocked, then what is left."""
    if interrupted:
        return 130
    left = 0 if verdict is None else _left_code(verdict)
    states = {one.state for one in items}
    if ItemState.FAILED in states or left == 1:
        return 1
    if rollout.state in (RolloutState.STOPPED, RolloutState.ABORTED) or ItemState.REFUSED in states:
        return 3
    if left or 3 in codes:  # noqa: PLR2004 - blocked
        return 3
    return 0 if rollout.state is RolloutState.DONE else 2


# --- rollout -----------------------------------------------------------------------------------------


@contextmanager
def _tables(options: Options) -> Iterator[tuple[Settings, Fleet, FleetTable]]:
    """Yield the settings, the fleet and its tables."""
    settings, fleet, _ = fleet_of(options, (), ())
    with open_table(settings, fleet.environment, create=False) as table:
        yield settings, fleet, table


def status(ctx: click.Context, run: str | None, form: str, *, options: Options) -> None:
    """Print where a rollout is, from the table alone."""
    with _tables(options) as (_, _, table):
        rollouts = Rollouts.of(table)
        rollout = rollouts.named(run)
        _report(rollout, rollouts.items(rollout.id), form, None)
    ctx.exit(0)


_TO = {
    "pause": (RolloutState.PAUSED, (RolloutState.RUNNING,), "paused: accounts that have begun will finish"),
    "abort": (RolloutState.ABORTED, UNFINISHED, "aborted: no account begins any more, and those that have will finish"),
}


def change(ctx: click.Context, run: str | None, verb: str, *, options: Options) -> None:
    """Pause or abort a rollout."""
    state, of, said = _TO[verb]
    with _tables(options) as (_, _, table):
        rollouts = Rollouts.of(table)
        rollout = rollouts.named(run)
        who = origin_of_run(Path.cwd()).who
        if not rollouts.set_state(rollout.id, state, of=of, why=f"by {who}", now=real_clock().now()):
            found = rollouts.find(rollout.id) or rollout
            raise Refused(f"the rollout {rollout.id[:SHORT]} is {found.state}, and cannot be {state}", "")
        output.report(f"Rollout {rollout.id[:SHORT]} is {said}.")
        now = rollouts.find(rollout.id) or rollout
        if step := next_step(now):
            output.next_step(step)
    ctx.exit(0)


def resume(ctx: click.Context, run: str | None, form: str, *, options: Options) -> None:
    """Continue a rollout whose driver has ended, or that is paused or stopped."""
    with (
        _tables(options) as (settings, fleet, table),
        local_accounts(settings, fleet.environment),
        stopped_by_signals() as stopping,
    ):
        rollouts = Rollouts.of(table)
        rollout = rollouts.named(run)
        if rollout.state not in UNFINISHED:
            hint = "`reconciler fleet apply` begins another"
            raise Refused(f"the rollout {rollout.id[:SHORT]} is {rollout.state}; nothing was sent", hint)
        rollout = _taken(rollouts, rollout, stopping)
        waiting = [one for one in rollouts.items(rollout.id) if one.state in (ItemState.WAITING, ItemState.APPLYING)]
        again = [
            replace(one, state=ItemState.WAITING, error="", message="")
            for one in rollouts.items(rollout.id)
            if one.state is ItemState.FAILED and rollouts.plan_of(rollout.id, one.account)
        ]
        if again:
            rollouts.put(*again)
        wave = min((one.wave for one in (*waiting, *again)), default=rollout.wave)
        rollout = rollouts.put_wave(rollout, min(wave, rollout.wave) if again else rollout.wave)
        rollouts.set_state(rollout.id, RolloutState.RUNNING, of=UNFINISHED)
        agreed = replace(settings, options=replace(settings.options, approved=rollout.approved))
        left = count(len(waiting) + len(again), "account")
        output.note(f"rollout {rollout.id[:SHORT]} continues: {left} left")
        drive = Drive(agreed, fleet, table, origin_of_run(settings.root), stopping)
        ctx.exit(driven(drive, rollout, form))


def _taken(rollouts: Rollouts, rollout: Rollout, stopping: Stopping) -> Rollout:
    """Become the driver of a rollout; Refused where another one lives, which its signs in the table show."""
    refused = Refused(
        f"another process drives the rollout {rollout.id[:SHORT]}; nothing was sent",
        f"pause it first: reconciler fleet rollout pause {rollout.id[:SHORT]}",
    )
    if rollout.driver:
        output.note(f"waiting {duration(SILENT_S)} for a sign of the process that drove it last")
        stopping.wanted.wait(SILENT_S)
        found = rollouts.find(rollout.id) or rollout
        if found.driver and found.seen_at != rollout.seen_at:
            raise refused
        rollout = found
    taken = rollouts.take(rollout, uuid4().hex, real_clock().now())
    if taken is None:
        raise refused
    return taken
