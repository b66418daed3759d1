"""
`plan`, `apply`, `drift`, `undo`: the files compared with the account, and the changes that follow.

What a command does is in the module of its name, which is imported when it runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reconciler.cli import completion
from reconciler.cli import options as shared
from reconciler.cli.completion import FilePath
from reconciler.escape import LEAST_BYTES, MAX_BYTES


@click.command("plan", short_help="Show the changes that apply would make")
@shared.plan
@shared.strict
@shared.redact
@shared.output_format("text", "json", "markdown", "html", "brief", *shared.ANNOTATED)
@shared.reports("text", "json", "markdown", "html", "brief")
@click.option(
    "--max-bytes",
    type=click.IntRange(min=LEAST_BYTES),
    help=f"Shorten Markdown to N bytes, by whole entries. Default: {MAX_BYTES}, GitHub's limit.",
)
@shared.out(
    "Save the plan for `apply PLAN`, sealed if RECONCILER_PLAN_KEY is set. {environment} in the path becomes its name."
)
@shared.metrics
@click.option(
    "--detailed-exitcode", is_flag=True, help="0: nothing to do, 2: changes, 3: blocked, over a limit, not approved."
)
@click.pass_context
def plan(ctx: click.Context, /, **given: Any) -> None:
    """
    Show the changes that apply would make: creates, patches, archives, restores, and what is blocked.

    Read access is enough. Exit code 0 if a plan could be made; see also --detailed-exitcode.

    \b
    Example:
      reconciler plan -f customers.yaml --out today.plan
    """  # noqa: D301 - click's mark
    from reconciler.cli.plan import run

    run(ctx, **given)


@click.command("apply", short_help="Make the account match the files")
@click.argument("plan", required=False, type=FilePath(path_type=Path))
@shared.plan
@shared.strict
@shared.redact
@shared.output_format("text", "json", "brief")
@click.option("--partial", is_flag=True, help="Make the changes of PLAN that are still needed exactly as shown.")
@click.option(
    "--plan-digest", type=shared.DigestType(), help="Refuse PLAN unless its digest, which `plan --out` prints, is this."
)
@shared.consent
@shared.metrics
@click.pass_context
def apply(ctx: click.Context, /, **given: Any) -> None:
    """
    Make the account match the files: plan, ask, apply, report.

    With a saved PLAN, it plans again from the current files, ledger, policy and account, and makes the changes of
    PLAN if each is still needed exactly as shown. Otherwise it sends nothing; with --partial, it makes those that are
    and lists the others. Other changes that are needed are listed and not made. Give the options for files, limits and
    approvals again; those of `plan` don't carry over.

    Without a terminal and without --auto-approve, nothing is sent. Exit code 0: done, 1: some changes failed or are
    in doubt, 2: more is needed than was approved, 3: refused, or something is still blocked, 130: interrupted.

    \b
    Example:
      reconciler apply -f customers.yaml
      reconciler apply today.plan -f customers.yaml --auto-approve
    """  # noqa: D301 - click's mark
    from reconciler.cli.apply import run

    run(ctx, **given)


@click.command("drift", short_help="Show what was changed outside Reconciler since the last apply")
@shared.settings(shared.files, shared.targets, shared.rate)
@shared.strict
@shared.redact
@shared.output_format("text", "json", "markdown", "html", "junit", "brief", *shared.ANNOTATED)
@shared.reports("text", "json", "markdown", "html", "junit", "brief")
@click.option(
    "--ignore",
    metavar="FILE",
    type=FilePath(readable=False),
    help="Rules for drift to ignore. Default: drift-ignore.yaml, if it exists.",
)
@click.option(
    "--events",
    metavar="FILE",
    type=FilePath(readable=False),
    help="Check only the customers that webhooks name: their bodies as JSON, one on each line; - for standard input.",
)
@shared.metrics
@click.option("--accept", is_flag=True, help="Write what drifted into the files, without asking.")
@click.pass_context
def drift(ctx: click.Context, /, **given: Any) -> None:
    """
    Show what was changed outside Reconciler since the last apply.

    A live value that matches the files isn't drift. Edits that aren't applied yet are listed separately. Read
    access is enough. Exit code 0: no drift, 1: an error, 2: drift.

    --accept edits only the lines of values that drifted. What it can't edit is printed as a patch, and the exit
    code is 2. The next apply records what you accepted. If you discard the edit before that, the drift is back.

    \b
    Example:
      reconciler -e production drift --format junit > drift.xml
      reconciler drift -e 'prod-*'
    """  # noqa: D301 - click's mark
    from reconciler.cli.drift import run

    run(ctx, **given)


@click.command("undo", short_help="Revert the changes of one run")
@click.argument("run", type=completion.RunType())
@shared.settings(shared.limits, shared.budget, shared.rate)
@shared.redact
@shared.output_format("text", "json")
@click.option("--dry-run", is_flag=True, help="Show the plan and what has changed since RUN. Change nothing.")
@shared.consent
@click.pass_context
def undo(ctx: click.Context, /, **given: Any) -> None:
    """
    Undo a run: show the reverse as a plan, ask, and apply it.

    RUN is the run's id in the history, or its first characters. What the run created or restored is archived, what
    it patched is patched back, and what it archived is restored. Later changes are blocked. No file is read or
    changed, so the next apply makes the changes again if the files still declare them. The exit codes are those of
    apply.

    \b
    Example:
      reconciler undo 3f2a91c0
      reconciler undo 3f2a91c0 --auto-approve --max-archives 20
    """  # noqa: D301 - click's mark
    from reconciler.cli.undo import undo

    undo(ctx, **given)
