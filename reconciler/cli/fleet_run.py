"""`fleet plan` and `fleet drift`: many accounts worked on at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import click

from reconciler.cli import output
from reconciler.cli.drift import NOTIFY, sent
from reconciler.cli.environments import named_log
from reconciler.cli.fleet import fleet_of
from reconciler.cli.options import ANNOTATED
from reconciler.cli.session import annotate, annotated_problems, emulator_at_home, say_exposed, shown_progress
from reconciler.cli.terminal import first_signal, interrupt
from reconciler.errors import LedgerFailed, ReconcilerError
from reconciler.escape import MAX_BYTES, visible
from reconciler.fleet.job import ACCOUNT, Job
from reconciler.fleet.pool import Pool
from reconciler.fleet.rollout import Ground
from reconciler.fleet.table import FleetTable, in_shard, is_due, open_table
from reconciler.model.fleet import AccountStatus, FleetAccount, JobKind, JobResult
from reconciler.pipeline.resources import ExposedFile, origin_of_run, real_clock
from reconciler.plan.saved_plan import as_pieces, as_text
from reconciler.report.fleet import FleetRun, news_message, run_brief, run_json, run_markdown, run_text
from reconciler.report.layout import count, until
from reconciler.settings import Options, Settings
from reconciler.settings.fleet import Fleet
from reconciler.settings.project import read_rules

PLAN = ".plan"
"""How the name of an account's saved plan ends."""


def chosen_of(
    options: Options, labels: Sequence[str], accounts: Sequence[str]
) -> tuple[Settings, Fleet, tuple[FleetAccount, ...]]:
    """Return what `fleet_of` does; ReconcilerError where nobody is chosen, as a label may be misspelled."""
    settings, fleet, chosen = fleet_of(options, labels, accounts)
    if not chosen:
        raise ReconcilerError("no account is chosen", "`reconciler fleet list` shows the accounts with their labels")
    return settings, fleet, chosen


@contextmanager
def local_accounts(settings: Settings, environment: str) -> Iterator[None]:
    """Run an emulator with an account for each key, where the fleet is `local`, with its usual URL, and none runs."""
    with emulator_at_home(settings.root, "*") if settings.at_home(environment) else nullcontext():
        yield


def work(
    jobs: Iterator[Job],
    total: int,
    parallel: int,
    ended: Callable[[JobResult], None],
    *,
    may_begin: Callable[[Job], bool] = lambda _: True,
) -> Pool:
    """
    Do the jobs with progress on stderr, and return the pool, which says how that ended.

    The first Ctrl-C begins nothing more and lets what has begun end, the second ends the process.
    """
    clock, done, failed = real_clock(), 0, 0
    with shown_progress(clock) as progress, named_log(ACCOUNT.get):

        def take(result: JobResult) -> None:
            nonlocal done, failed
            ended(result)
            done += 1
            failed += bool(result.error)
            progress.planning(f"{done} of {count(total, 'account')}" + (f", {failed} failed" if failed else ""))

        def pause(wait_s: float) -> None:
            progress.note(f"the API does not answer: waiting {until(wait_s, clock.now())} before the next account")

        pool = Pool(parallel, ended=take, paused=pause, may_begin=may_begin)
        with first_signal(pool.stop, "error: interrupted"):
            pool.run(jobs)
    return pool


def in_part(accounts: Sequence[FleetAccount], shard: tuple[int, int] | None) -> tuple[FleetAccount, ...]:
    """Return the accounts of a part of the fleet."""
    return tuple(one for one in accounts if shard is None or in_shard(one.name, *shard))


def _parted(accounts: Sequence[FleetAccount]) -> tuple[tuple[FleetAccount, ...], tuple[str, ...]]:
    """Return the accounts that are not suspended, and the names of those that are."""
    active = tuple(one for one in accounts if not one.suspended)
    return active, tuple(one.name for one in accounts if one.suspended)


def _finish(ctx: click.Context, pool: Pool, run: FleetRun, code: int) -> None:
    """End the command; with 1 and a sentence where the API was given up, as interrupted where it was."""
    if pool.breaker.gave_up:
        raise ReconcilerError(
            f"the API has not answered for long: {count(len(run.not_begun), 'account was', 'accounts were')} not begun",
            "run it again when the API is up",
        )
    if pool.stopped:
        output.say(f"interrupted: {count(len(run.not_begun), 'account was', 'accounts were')} not begun")
        interrupt()
    ctx.exit(code)


# --- plan --------------------------------------------------------------------------------------------


def plan(
    ctx: click.Context,
    form: str,
    reports: Sequence[tuple[str, Path]],
    max_bytes: int | None,
    out: Path | None,
    *,
    options: Options,
    labels: Sequence[str],
    accounts: Sequence[str],
    shard: tuple[int, int] | None,
    detailed_exitcode: bool,
) -> None:
    """Plan the accounts that are chosen, save their plans in a folder, and print what they would change together."""
    if max_bytes is not None and "markdown" not in (form, *(one for one, _ in reports)):
        raise click.UsageError("--max-bytes works only with --format markdown or --report markdown=FILE")
    with annotated_problems(form, options, redact=True):
        settings, fleet, chosen = chosen_of(options, labels, accounts)
    reports = _report_paths(reports, fleet)
    if out is not None:
        prepare(out)
    active, suspended = _parted(in_part(chosen, shard))
    changed = active
    if options.changed_since is not None:
        from reconciler.pipeline.changed_since import changed_accounts

        changed = changed_accounts(options.changed_since, settings, active)
    results: list[JobResult] = []

    def ended(result: JobResult) -> None:
        if out is not None and result.plan:
            output.write_private(out / f"{result.account}{PLAN}", result.plan)
        results.append(replace(result, plan=""))

    with local_accounts(settings, fleet.environment):
        ground = Ground(settings, fleet, origin_of_run(settings.root))
        jobs = ground.jobs(JobKind.PLAN, changed, known_of(settings, fleet), save=out is not None)
        pool = work(jobs, len(changed), fleet.parallel, ended)
    run = FleetRun(
        JobKind.PLAN,
        fleet.environment,
        settings.project,
        results,
        unchanged=len(active) - len(changed),
        suspended=suspended,
        not_begun=_missing(changed, results),
    )
    show(run, form, reports, options, max_bytes=max_bytes or MAX_BYTES)
    if out is not None:
        output.note(f"Saved {count(sum(bool(one.digest) for one in results), 'plan')} in {visible(str(out))}.")
        if form == "text" and any(one.planned.changes for one in results):
            output.next_step(f"To apply them: reconciler fleet apply {visible(str(out))}")
    _finish(ctx, pool, run, run.code(detailed=detailed_exitcode))


def prepare(folder: Path) -> None:
    """Make the folder of saved plans; ReconcilerError where it has some already, which would be applied with these."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        old = next(folder.glob(f"*{PLAN}"), None)
    except OSError as exc:
        raise ReconcilerError(f"{visible(str(folder))}: it cannot be used: {exc.strerror}", "name a folder") from exc
    if old is not None:
        message = f"{visible(str(folder))} holds plans of an earlier run, such as {visible(old.name)}"
        raise ReconcilerError(message, "name another folder, or remove them")


def known_of(settings: Settings, fleet: Fleet) -> Mapping[str, AccountStatus]:
    """Return what is known of the accounts; nothing where the table cannot be read, which a plan does not need."""
    with suppress(LedgerFailed), open_table(settings, fleet.environment, create=False) as table:
        return table.statuses()
    return {}


def _missing(accounts: Sequence[FleetAccount], results: Sequence[JobResult]) -> tuple[str, ...]:
    """Return the names of accounts that have no result."""
    ended = {one.account for one in results}
    return tuple(one.name for one in accounts if one.name not in ended)


# --- drift -------------------------------------------------------------------------------------------


def drift(
    ctx: click.Context,
    form: str,
    reports: Sequence[tuple[str, Path]],
    ignore: str | None,
    *,
    options: Options,
    labels: Sequence[str],
    accounts: Sequence[str],
    shard: tuple[int, int] | None,
    due: bool,
) -> None:
    """Check the accounts that are chosen, record what each has, and print it."""
    with annotated_problems(form, options, redact=True):
        settings, fleet, chosen = chosen_of(options, labels, accounts)
    reports = _report_paths(reports, fleet)
    rules = read_rules(ignore, settings.root, Path.cwd())
    active, suspended = _parted(in_part(chosen, shard))
    results: list[JobResult] = []
    clock = real_clock()
    with local_accounts(settings, fleet.environment), open_table(settings, fleet.environment) as table:
        table.put_accounts(fleet.accounts)
        known = table.statuses()
        now = clock.now()
        wanted = tuple(one for one in active if not due or is_due(one, known.get(one.name), now))
        by_name = {one.name: one for one in wanted}

        def ended(result: JobResult) -> None:
            table.record(result, by_name[result.account])
            results.append(result)

        ground = Ground(settings, fleet, origin_of_run(settings.root), rules)
        # Those that have waited longest come first: whoever was cut off goes on where that was.
        order = sorted(wanted, key=lambda one: known[one.name].next_due)
        pool = work(ground.jobs(JobKind.DRIFT, order, known), len(order), fleet.parallel, ended)
        table.count_day(clock.now())
        notify(table, clock.now())
    run = FleetRun(
        JobKind.DRIFT,
        fleet.environment,
        settings.project,
        results,
        later=len(active) - len(wanted),
        suspended=suspended,
        not_begun=_missing(wanted, results),
    )
    show(run, form, reports, options, max_bytes=MAX_BYTES)
    _finish(ctx, pool, run, run.code())


def notify(table: FleetTable, now: float) -> None:
    """Notify the URLs in RECONCILER_NOTIFY of all accounts whose state changed since the last message, in one."""
    urls = os.environ.get(NOTIFY, "").split()
    if not urls or not table.news():
        return
    with table.sending(uuid4().hex, now) as mine:
        # Read again: another process may have notified of them meanwhile.
        news = table.news() if mine else ()
        if news and sent(urls, news_message(news, table.environment)):
            table.mark_notified(one for one, _ in news)


# --- what is printed ---------------------------------------------------------------------------------


def _report_paths(reports: Sequence[tuple[str, Path]], fleet: Fleet) -> list[tuple[str, Path]]:
    """Return the reports with their paths."""
    found = [(form, output.of_environment(path, fleet.environment)) for form, path in reports]
    for _, path in found:
        output.check_parent(path)
    return found


def warn_of_exposed(results: Iterable[JobResult]) -> None:
    """Write to stderr, in one line, which files of the accounts others on this machine can read; nothing for none."""
    exposed = {file for one in results for file in one.exposed}
    say_exposed([ExposedFile("account", Path(path), mode) for path, mode in sorted(exposed)])


def show(run: FleetRun, form: str, reports: Sequence[tuple[str, Path]], options: Options, *, max_bytes: int) -> None:
    """Print a run, and write it to files."""
    warn_of_exposed(run.results)
    for one, path in reports:
        output.report_to(path, as_document(run, one, max_bytes=max_bytes))
    if form == "text":
        text = run_text(run, width=output.width(), color=output.color(), quiet=output.quiet())
        if text:
            output.result(text)
    elif form == "json":
        output.pieces(as_pieces(run_json(run)))
    elif form == "markdown":
        output.document(as_document(run, form, max_bytes=output.room(max_bytes)))
    elif form in ANNOTATED:
        from reconciler.report.annotations import of_accounts

        annotate(form, of_accounts(run.worst_first(), run.environment), options, last=run.summary())
    else:
        output.result(run_brief(run))


def as_document(run: FleetRun, form: str, *, max_bytes: int) -> str:
    """Return a run in a format, as a file holds it; `max_bytes` is for Markdown."""
    match form:
        case "json":
            return as_text(run_json(run))
        case "markdown":
            return run_markdown(run, max_bytes=max_bytes)
        case "brief":
            return run_brief(run)
        case _:
            return run_text(run, width=output.PIPE_COLUMNS, color=False)
