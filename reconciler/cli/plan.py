"""`plan`: what apply would do; and planning with progress on stderr, for every command that makes a plan."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from reconciler.cli import output
from reconciler.cli.options import ANNOTATED
from reconciler.cli.session import (
    Session,
    annotate,
    annotated_problems,
    connected,
    declared,
    settings_of,
    shown_progress,
    traced,
    warn_of_exposed_files,
)
from reconciler.desired.load import Loaded
from reconciler.errors import LedgerFailed, Locked
from reconciler.escape import MAX_BYTES
from reconciler.gc_pause import without_collector
from reconciler.ledger.base import Ledger
from reconciler.model.core import Desired
from reconciler.model.plan import Plan
from reconciler.model.policy import Allowance, Terms
from reconciler.pipeline import plan, resources
from reconciler.pipeline.plan import with_second_listing
from reconciler.pipeline.sealed_plan import check_keys, saved, sealed
from reconciler.plan.limits import with_fit
from reconciler.plan.presence import Lacked
from reconciler.plan.saved_plan import as_pieces, as_text, digest_in
from reconciler.plan.server_behavior import known_lag
from reconciler.report.metrics import Measurement
from reconciler.report.plan_text import plan_brief, plan_text, summary_line
from reconciler.settings import Environment, Options, Settings


def made(
    session: Session,
    ledger: Ledger,
    desired: Desired,
    terms: Terms,
    *,
    patient: bool = False,
    alone: bool = False,
    made_by: str = "",
    lacked: Lacked | None = None,
) -> plan.Planned:
    """
    Return the plan that leads to `desired`; the lease is kept meanwhile where `ledger` is written to.

    `patient` waits for what an earlier run left in doubt, `alone` lets the targets be read alone. `made_by` and
    `lacked` are those of `plan.make`.
    """
    with without_collector(lasting=True), shown_progress(session.clock) as progress:
        making = plan.make(
            session.client,
            ledger,
            desired,
            terms,
            say=progress.planning,
            price=progress.note,
            patience=session.clock if patient else None,
            alone=alone,
            made_by=made_by,
            lacked=lacked,
        )
        # Looking holds no lock that would have to be kept.
        return session.run(resources.with_renewed_lease(ledger, session.clock, making) if ledger.writable else making)


def drafted(session: Session, ledger: Ledger, draft: plan.Drafting) -> plan.Planned:
    """Return the plan that `draft` makes of the account, as `made` does; patient where `ledger` is written to."""
    terms = session.environment.terms(session.options)
    with shown_progress(session.clock) as progress:
        making = plan.make_of(
            session.client,
            ledger,
            draft,
            terms,
            say=progress.planning,
            price=progress.note,
            patience=session.clock if ledger.writable else None,
        )
        return session.run(resources.with_renewed_lease(ledger, session.clock, making) if ledger.writable else making)


def since(options: Options, settings: Settings, environment: Environment, desired: Desired) -> Options:
    """Return options narrowed to what changed since the commit that they name; as they are where they name none."""
    if options.changed_since is None:
        return options
    if options.targets:
        raise click.UsageError("--changed-since cannot be used with --target")
    from reconciler.pipeline.changed_since import changed_since

    found, targets = changed_since(options.changed_since, settings, environment, desired)
    return replace(options, since=found, targets=targets)


def run(
    ctx: click.Context,
    form: str,
    reports: Sequence[tuple[str, Path]],
    max_bytes: int | None,
    out: Path | None,
    *,
    options: Options,
    strict: bool,
    redact: bool,
    detailed_exitcode: bool,
    measured: Measurement | None,
) -> None:
    """Print the plan, save it where `-o` says, and write it where `reports` say: a format and a file each."""
    if max_bytes is not None and "markdown" not in (form, *(one for one, _ in reports)):
        raise click.UsageError("--max-bytes works only with --format markdown or --report markdown=FILE")
    # What an apply may take, and not this run.
    budget = Allowance(options.max_requests, options.max_duration_s)
    options = replace(options, max_requests=None, max_duration_s=None)
    with annotated_problems(form, options, redact=redact):
        settings = settings_of(options)
        environment = settings.environment()
        reports = [(one, output.of_environment(path, environment.name)) for one, path in reports]
        for _, path in reports:
            output.check_parent(path)
        if out is not None:
            out = output.of_environment(out, environment.name)
            check_keys(environment)
        loaded = declared(settings, environment, strict=strict, redact=redact)
    warn_of_exposed_files(environment)
    options = since(options, settings, environment, loaded.desired)
    with connected(settings, options, environment, trace=traced(measured)) as session:
        with resources.open_ledger(environment, writable=False) as ledger:
            planned = made(session, ledger, loaded.desired, environment.terms(options), alone=True)
            lineage = "" if ledger.meta is None else ledger.meta.lineage
        kept = keep_learned(session, planned)
    if out is not None:
        text = saved(planned, lineage, refresh_users=options.refresh_users)
        output.write_private(out, sealed(text, environment))
        digest = digest_in(text)
    elif not kept:
        planned = with_second_listing(planned, environment.terms(options))
    fitted = with_fit(planned.plan, budget, known_lag(planned.learned, environment.terms(options)))
    if measured is not None:
        measured.planned(fitted)
    for one, path in reports:
        output.report_to(path, as_document(fitted, one, max_bytes=max_bytes or MAX_BYTES, redact=redact))
    _print(fitted, loaded, form, options, max_bytes=output.room(max_bytes or MAX_BYTES), redact=redact)
    if out is not None:
        output.note(f"Saved the plan as {out}; its digest is {digest}.")
    if form == "text" and fitted.changes and not fitted.limits:
        output.next_step(f"To apply it: {again('apply', options, saved=out)}")
    ctx.exit(plan.detailed_code(planned.plan) if detailed_exitcode else 0)


def _print(plan: Plan, loaded: Loaded, form: str, options: Options, *, max_bytes: int, redact: bool) -> None:
    """Print a plan in a format; its warnings too, where the format shows findings at lines of files."""
    if form in ANNOTATED:
        from reconciler.report.annotations import of_plan, of_problems

        found = of_problems(loaded.warnings, redact=redact) + of_plan(plan, loaded.desired, redact=redact)
        annotate(form, found, options, last=summary_line(plan))
    elif form in ("markdown", "html"):
        output.document(as_document(plan, form, max_bytes=max_bytes, redact=redact))
    else:
        show(plan, form, redact=redact)


def again(command: str, options: Options, *, saved: Path | None = None) -> str:
    """Return the command line of another command for what `options` name; a `saved` plan has its targets itself."""
    words = ["reconciler"]
    words += ["-p", options.project_file] if options.project_file else []
    words += ["-e", options.environment] if options.environment else []
    words += command.split() if saved is None else [command, str(saved)]
    words += [word for file in options.files for word in ("-f", file)]
    if saved is None:
        if options.changed_since is not None:
            words += ["--changed-since", options.changed_since]
        else:
            words += [word for one in options.targets for word in ("--target", one)]
        words += [word for one in options.excludes for word in ("--exclude", one)]
        words += [word for key in options.recreate for word in ("--allow-recreate", key)]
    words += [word for action in options.approved for word in ("--approve", action)]
    limits = {"archives": options.max_archives, "restores": options.max_restores, "changes": options.max_changes}
    words += ["--accept-new-key"] if options.accept_new_key else []
    words += [word for name, share in limits.items() if share is not None for word in (f"--max-{name}", str(share))]
    return shlex.join(words)


def as_document(plan: Plan, form: str, *, max_bytes: int, redact: bool) -> str:
    """Return a plan in a format, as a file holds it; `max_bytes` is for Markdown."""
    match form:
        case "json":
            from reconciler.report.plan_json import plan_to_json

            return as_text(plan_to_json(plan, redact=redact))
        case "markdown":
            from reconciler.report.plan_markdown import plan_markdown

            return plan_markdown(plan, max_bytes=max_bytes, redact=redact)
        case "html":
            from reconciler.report.plan_html import plan_html

            return plan_html(plan, redact=redact)
        case "brief":
            return plan_brief(plan, redact=redact)
        case _:
            return plan_text(plan, width=output.PIPE_COLUMNS, color=False, redact=redact)


def show(plan: Plan, form: str, *, redact: bool) -> None:
    """Print a plan; with `--quiet` no text where there is nothing to do, and nothing to say of it."""
    if form == "json":
        from reconciler.report.plan_json import plan_to_json

        output.pieces(as_pieces(plan_to_json(plan, redact=redact)))
    elif output.quiet() and not (plan.changes or plan.bindings or wants_eyes(plan)):
        return
    elif form == "brief":
        output.result(plan_brief(plan, redact=redact))
    else:
        output.result(plan_text(plan, width=output.width(), color=output.color(), redact=redact))


def wants_eyes(plan: Plan) -> bool:
    """Say whether a plan holds what someone must decide on, or what could not be verified."""
    return bool(plan.blocked or plan.limits or plan.approvals or plan.unverified)


def keep_learned(session: Session, planned: plan.Planned) -> bool:
    """Write what the plan learned, where there is a ledger and nobody writes to it now; say whether that was done."""
    if not planned.records.known:
        return False
    if planned.plan.listing is None and not plan.learned_writes(planned):
        return True
    environment = session.environment
    try:
        with session.run(resources.note(environment, session.clock, doing="plan")) as ledger:
            plan.keep_learned(ledger, planned)
    except Locked:
        return False
    except LedgerFailed as exc:
        output.say(f"warning: what this plan found out about the server could not be recorded: {exc}")
        return False
    return True
