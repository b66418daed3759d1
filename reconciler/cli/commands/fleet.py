"""
`fleet`: many accounts, a folder for each.

What a command does is in `cli/fleet.py`, which is imported when it runs.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from reconciler.cli import completion
from reconciler.cli import options as shared
from reconciler.cli.completion import FilePath
from reconciler.escape import LEAST_BYTES, MAX_BYTES


@click.group("fleet", short_help="Work on many accounts, a folder for each")
def fleet() -> None:
    """
    Work on the accounts of a fleet: folders that `fleet:` in the project file names.

    `-e ACCOUNT/ENVIRONMENT` selects one of them for every other command.

    \b
    Example:
      reconciler init --fleet
      reconciler fleet list
      reconciler -e acme/production plan
    """  # noqa: D301 - click's mark


labels = click.option(
    "-l",
    "--label",
    "labels",
    multiple=True,
    metavar="LABEL=VALUE",
    help="Only accounts with this label, or with another value (LABEL!=VALUE); repeatable: all must hold.",
)
chosen = shared.together(
    click.argument("accounts", metavar="[ACCOUNT]...", nargs=-1, type=completion.AccountType()), labels
)
"""Which accounts a command is about, by name or pattern and by label."""


@fleet.command("list", short_help="List the accounts")
@chosen
@shared.settings()
@shared.output_format("text", "json", "brief")
@click.pass_context
def list_(ctx: click.Context, /, **given: Any) -> None:
    """
    List the accounts: what the last check of each found, folders, labels and periods. No request is sent.

    \b
    Example:
      reconciler fleet list -l wave=canary
    """  # noqa: D301 - click's mark
    from reconciler.cli.fleet import list_accounts

    list_accounts(ctx, **given)


@fleet.command("validate", short_help="Check the files and keys of all accounts, offline")
@chosen
@shared.settings()
@shared.strict
@shared.redact
@shared.output_format("text", "json", *shared.ANNOTATED)
@click.pass_context
def validate(ctx: click.Context, /, **given: Any) -> None:
    """
    Check the customers files of all accounts, and whether each has a key of its own, offline.

    Exit code 0: no errors, 1: errors.

    \b
    Example:
      reconciler fleet validate --strict
    """  # noqa: D301 - click's mark
    from reconciler.cli.fleet import validate

    validate(ctx, **given)


class ShardType(click.ParamType[tuple[int, int]]):
    """`K/N`: a part, counted from 1, of so many."""

    name = "K/N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Return the part and how many there are."""
        if isinstance(value, tuple):
            return value
        part, _, parts = str(value).partition("/")
        if not (part.isascii() and part.isdigit() and parts.isascii() and parts.isdigit()):
            self.fail(f"{value!r} is not K/N, such as 1/4", param, ctx)
        if len(parts) > _MOST_DIGITS or not 1 <= int(part) <= int(parts):
            self.fail(f"{value!r} is no part: K is from 1 to N", param, ctx)
        return int(part), int(parts)


_MOST_DIGITS = 5

shard = click.option(
    "--shard",
    type=ShardType(),
    help="Only the K-th of N parts of the accounts, by a hash of their names: for several machines.",
)


@fleet.command("plan", short_help="Show the changes that apply would make in each account")
@chosen
@shared.settings(shared.changed_since, shared.new_key, shared.rate)
@shard
@shared.output_format("text", "json", "markdown", "brief", *shared.ANNOTATED)
@shared.reports("text", "json", "markdown", "brief")
@click.option(
    "--max-bytes",
    type=click.IntRange(min=LEAST_BYTES),
    help=f"Shorten Markdown to N bytes, by whole entries. Default: {MAX_BYTES}, GitHub's limit.",
)
@click.option(
    "-o",
    "--out",
    "--output",
    "out",
    metavar="DIR",
    type=FilePath(file_okay=False, readable=False, path_type=Path),
    help="Save each account's plan as DIR/ACCOUNT.plan for `fleet apply DIR`, sealed if RECONCILER_PLAN_KEY is set.",
)
@click.option(
    "--detailed-exitcode", is_flag=True, help="0: nothing to do, 2: changes, 3: blocked, over a limit, not approved."
)
@click.pass_context
def plan(ctx: click.Context, /, **given: Any) -> None:
    """
    Plan the accounts, several at once, and show those with changes, the worst first.

    Read access is enough. With --changed-since, accounts whose files did not change are not read, and the plans of
    the others are narrowed to what changed. Exit code 0 if all could be planned, 1 if one failed; see also
    --detailed-exitcode.

    \b
    Example:
      reconciler fleet plan --changed-since origin/main --out plans
    """  # noqa: D301 - click's mark
    from reconciler.cli.fleet_run import plan

    plan(ctx, **given)


@fleet.command("drift", short_help="Show what was changed outside Reconciler in each account")
@chosen
@shared.settings(shared.rate)
@click.option("--due", is_flag=True, help="Only accounts whose next check is due: for cron or a timer.")
@shard
@shared.output_format("text", "json", "markdown", "brief", *shared.ANNOTATED)
@shared.reports("text", "json", "markdown", "brief")
@click.option(
    "--ignore",
    metavar="FILE",
    type=FilePath(readable=False),
    help="Rules for drift to ignore. Default: drift-ignore.yaml, if it exists.",
)
@click.pass_context
def drift(ctx: click.Context, /, **given: Any) -> None:
    """
    Check the accounts for drift, several at once, and record what each has for `fleet status`.

    Each result is recorded as it ends. If the command is interrupted, run it again with --due: it checks the rest.
    With RECONCILER_NOTIFY set, one message names all accounts whose state changed. Exit code 0: no drift, 1: an
    account failed, 2: drift.

    \b
    Example:
      reconciler fleet drift --due
    """  # noqa: D301 - click's mark
    from reconciler.cli.fleet_run import drift

    drift(ctx, **given)


@fleet.command("status", short_help="Show what is known of each account")
@chosen
@shared.settings()
@shared.output_format("text", "json", "markdown", "html", "prometheus")
@shared.out("Write the status to FILE.")
@click.option("--per-account", is_flag=True, help="With --format prometheus: a metric for each account, by its name.")
@click.option(
    "--max-bytes",
    type=click.IntRange(min=LEAST_BYTES),
    help=f"Shorten Markdown to N bytes, by whole entries. Default: {MAX_BYTES}, GitHub's limit.",
)
@click.pass_context
def status(ctx: click.Context, /, **given: Any) -> None:
    """
    Show what the last job of each account found, the worst first. No request is sent.

    html is one page to sort and search, with a chart by day. prometheus needs the extra `metrics`.

    \b
    Example:
      reconciler fleet status
      reconciler fleet status --format html -o fleet.html
    """  # noqa: D301 - click's mark
    from reconciler.cli.fleet import show_status

    show_status(ctx, **given)


# --- several machines --------------------------------------------------------------------------------


class _ListenType(click.ParamType[tuple[str, int]]):
    """`HOST:PORT`."""

    name = "HOST:PORT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Return the host and the port that `value` writes."""
        match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\s]+):(\d{1,5})", str(value), re.ASCII)
        if match is None or int(match[2]) > _LARGEST_PORT:
            self.fail(f"{value!r} is no HOST:PORT, such as 127.0.0.1:8087", param, ctx)
        return match[1].strip("[]"), int(match[2])


_LARGEST_PORT = 65_535


@fleet.command("worker", short_help="Check accounts on several machines, by a queue")
@shared.settings()
@click.option(
    "--listen",
    type=_ListenType(),
    default="127.0.0.1:8087",
    show_default=True,
    help="Where /healthz, /metrics and /events answer. Port 0 takes a free one.",
)
@click.option(
    "--checks",
    type=click.IntRange(0, 100),
    default=8,
    show_default=True,
    help="How many checks run at once in addition to --jobs, so that applies never keep all of them waiting.",
)
@click.option(
    "--jobs", type=click.IntRange(1, 100), default=12, show_default=True, help="How many jobs of any kind run at once."
)
@click.pass_context
def worker(ctx: click.Context, /, **given: Any) -> None:
    """
    Check each account when it is due, together with all other workers of this fleet.

    The ledgers must be in one PostgreSQL database, which also has the queue. SIGTERM, Ctrl-C and `fleet drain` let the
    jobs that run finish. Needs the extra `fleet`.

    \b
    Example:
      reconciler fleet worker --listen 0.0.0.0:8087
    """  # noqa: D301 - click's mark
    from reconciler.cli.fleet_worker import work

    work(ctx, **given)


@fleet.command("drain", short_help="Let workers finish and end")
@shared.settings()
@click.option("--self", "own", is_flag=True, help="Only the workers on this host, as before a container is stopped.")
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for them.",
)
@click.pass_context
def drain(ctx: click.Context, /, **given: Any) -> None:
    """
    Have the workers begin no further job, and wait until those that run have ended.

    Workers that start later work as usual.

    \b
    Example:
      reconciler fleet drain
    """  # noqa: D301 - click's mark
    from reconciler.cli.fleet_worker import drain

    drain(ctx, **given)


def _gate(*options: Any) -> Any:
    """Return what the options say of the gate."""
    from reconciler.cli.fleet_apply import GateOptions

    return GateOptions(*options)


gate = shared.together(
    shared.gathered(
        "gate",
        _gate,
        "accounts_changed",
        "accounts_archiving",
        "archives_in_all",
        "failed",
        "skip_failed",
        "auto_approve",
    ),
    click.option("--auto-approve", is_flag=True, help="Apply without asking."),
    click.option(
        "--max-accounts-changed",
        "accounts_changed",
        type=shared.ShareType(),
        help="Allow changes in up to N accounts, or N% of the chosen ones, for this rollout.",
    ),
    click.option(
        "--max-accounts-archiving",
        "accounts_archiving",
        type=shared.ShareType(),
        help="Allow archives in up to N accounts, or N% of the chosen ones, for this rollout.",
    ),
    click.option(
        "--max-archives",
        "archives_in_all",
        type=shared.ShareType(),
        help="Allow up to N archives, or N% of the customers, in all accounts together, for this rollout.",
    ),
    click.option(
        "--max-failed",
        "failed",
        type=shared.ShareType(),
        help="Begin no further wave once more than N accounts, or N% of the chosen ones, have failed.",
    ),
    click.option(
        "--skip-failed",
        is_flag=True,
        help="Leave out accounts that cannot be planned, or whose own policy is against their plan.",
    ),
)
run = click.argument("run", metavar="[RUN]", required=False)
"""A rollout by its id, or the first digits of it; the latest without it."""


saved_plans = click.argument(
    "folder", metavar="[DIR]", required=False, type=completion.FilePath(file_okay=False, path_type=Path)
)
"""A folder of saved plans."""


@fleet.command("apply", short_help="Plan all accounts, then apply them wave by wave")
@saved_plans
@labels
@gate
@shared.settings(shared.changed_since, shared.approve, shared.rate)
@shared.output_format("text", "json", "brief")
@click.pass_context
def apply(ctx: click.Context, /, **given: Any) -> None:
    """
    Plan all chosen accounts, hold the plans against the fleet's policy, ask, and apply them wave by wave.

    With DIR it applies the saved plans in DIR that `fleet plan --out DIR` wrote. Nothing is sent before all plans are
    made and agreed to, and each account is changed as its plan says or not at all.

    Exit code 0: all is applied, 1: an account failed, 2: the rollout is paused, 3: refused, or customers are blocked.

    \b
    Example:
      reconciler fleet apply -l wave=canary
      reconciler fleet apply --auto-approve --max-accounts-changed 100%
    """  # noqa: D301 - click's mark
    from reconciler.cli.fleet_apply import apply

    apply(ctx, **given)


@fleet.group("submit", short_help="Queue work for the workers")
def submit() -> None:
    """
    Queue work for the workers of the fleet, before what is scheduled.

    \b
    Example:
      reconciler fleet submit drift
      reconciler fleet submit apply --auto-approve --wait
    """  # noqa: D301 - click's mark


@submit.command("drift", short_help="Have accounts checked now")
@chosen
@shared.settings()
@click.pass_context
def submit_drift(ctx: click.Context, /, **given: Any) -> None:
    """
    Queue a check of each chosen account.

    \b
    Example:
      reconciler fleet submit drift -l wave=canary
    """  # noqa: D301 - click's mark
    from reconciler.cli.fleet_worker import submit_checks

    submit_checks(ctx, **given)


@submit.command("apply", short_help="Plan all accounts here, and have the workers apply them")
@saved_plans
@labels
@gate
@click.option(
    "--commit",
    metavar="SHA",
    help="The commit whose files a worker must have to begin. Default: the one that is checked out here.",
)
@click.option("--wait", is_flag=True, help="Wait until the rollout has ended, and exit as `fleet apply` does.")
@shared.settings(shared.changed_since, shared.approve, shared.rate)
@shared.output_format("text", "json", "brief")
@click.pass_context
def submit_apply(ctx: click.Context, /, **given: Any) -> None:
    """
    Plan all chosen accounts here, hold the plans against the fleet's policy, ask, and have the workers apply them.

    As `fleet apply`, but the workers carry the waves out: this command may end, and any worker may die. The saved
    plans wait in the database, sealed, so RECONCILER_PLAN_KEY must be set here and at each worker.

    Exit code with --wait as that of `fleet apply`; without it 0: submitted, 1: an account could not be planned, 3:
    refused, or customers are blocked.

    \b
    Example:
      reconciler fleet submit apply --auto-approve --wait
    """  # noqa: D301 - click's mark
    from reconciler.cli.fleet_apply import submit

    submit(ctx, **given)


@fleet.group("rollout", short_help="Show, pause, continue or end a rollout")
def rollout() -> None:
    """
    Show a rollout, pause it, continue it, or end it.

    \b
    Example:
      reconciler fleet rollout status
      reconciler fleet rollout pause
    """  # noqa: D301 - click's mark


@rollout.command("status", short_help="Show a rollout")
@run
@click.option("--wait", is_flag=True, help="Wait until it does not run any more, and exit as `fleet apply` does.")
@shared.settings()
@shared.output_format("text", "json", "brief")
@click.pass_context
def rollout_status(ctx: click.Context, /, **given: Any) -> None:
    """
    Show where a rollout is, the latest without RUN. No request is sent.

    \b
    Example:
      reconciler fleet rollout status --format json
    """  # noqa: D301 - click's mark
    from reconciler.cli.rollout import status

    status(ctx, **given)


@rollout.command("pause", short_help="Let no further account begin")
@run
@shared.settings()
@click.pass_context
def pause(ctx: click.Context, /, **given: Any) -> None:
    """
    Pause a rollout: accounts that have begun will finish, and no other begins.

    \b
    Example:
      reconciler fleet rollout pause
    """  # noqa: D301 - click's mark
    from reconciler.cli.rollout import change

    change(ctx, verb="pause", **given)


@rollout.command("resume", short_help="Continue a rollout")
@run
@shared.settings(shared.rate)
@shared.output_format("text", "json", "brief")
@click.pass_context
def resume(ctx: click.Context, /, **given: Any) -> None:
    """
    Continue a rollout that is paused or stopped, or whose process has ended, with the same saved plans.

    Accounts that failed are tried again. Nothing is done twice. One that was submitted is left to the workers.

    \b
    Example:
      reconciler fleet rollout resume
    """  # noqa: D301 - click's mark
    from reconciler.cli.rollout import resume

    resume(ctx, **given)


@rollout.command("abort", short_help="End a rollout")
@run
@shared.settings()
@click.pass_context
def abort(ctx: click.Context, /, **given: Any) -> None:
    """
    End a rollout: accounts that have begun will finish, and no other begins. What was applied stays.

    \b
    Example:
      reconciler fleet rollout abort
    """  # noqa: D301 - click's mark
    from reconciler.cli.rollout import change

    change(ctx, verb="abort", **given)
