"""`drift`: what the live side changed since we applied. It reads, and writes nothing but what it learned."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from reconciler.cli import output
from reconciler.cli.accept import take_over
from reconciler.cli.notify import notify
from reconciler.cli.plan import keep_learned
from reconciler.cli.planned import made
from reconciler.cli.session import connected, declared, settings_of
from reconciler.documents.scalars import quoted
from reconciler.ledger.base import Ledger
from reconciler.model.reports import Drift
from reconciler.pipeline import resources
from reconciler.plan.drift import drift_of, without_ignored
from reconciler.plan.scope import NOBODY, Seen, rules_of_nobody
from reconciler.report.drift import drift_json, drift_junit, drift_text
from reconciler.report.drift_page import drift_html, drift_markdown
from reconciler.settings import Options
from reconciler.settings.project import read_rules

APPLYING = ("apply", "undo", "duplicates", "seed")
"""Commands whose runs make the account as it is declared; what was created before the last of them did not appear."""


def run(
    ctx: click.Context,
    form: str,
    ignore: str | None,
    *,
    options: Options,
    strict: bool,
    redact: bool,
    accept: bool,
) -> None:
    """Print what drifted, and write it into the files where it is accepted."""
    settings = settings_of(options)
    environment = settings.environment()
    rules = read_rules(ignore, settings.root, Path.cwd())
    loaded = declared(settings, environment, strict=strict, redact=redact)
    terms = environment.terms(options)
    if accept and form != "text":
        raise click.UsageError("--accept prints what it does as text: leave --format out")
    with (
        connected(settings, options, environment) as session,
        resources.open_ledger(environment, writable=False) as ledger,
    ):
        planned = made(session, ledger, loaded.desired, terms)
        since = _since(ledger)
        today = datetime.fromtimestamp(session.client.server_now(), UTC).date()
        seen = Seen(loaded.desired, planned.live, planned.records, planned.learned, terms, since)
        drift = without_ignored(drift_of(planned.plan, seen), rules, today)
        show(drift, form, redact=redact)
        for rule, hint in rules_of_nobody(rules, loaded.desired, planned.live, planned.records):
            said = f"{rule.source}: {quoted(rule.key)} {NOBODY}{f'; {hint}' if hint else ''}"
            output.say(f"warning: {said}")
        if accept:
            ctx.exit(take_over(session, loaded.desired, drift))
        keep_learned(session, planned)
        notify(session, planned, drift)
    ctx.exit(2 if drift.findings else 0)


def show(drift: Drift, form: str, *, redact: bool) -> None:
    """Print a drift."""
    match form:
        case "json":
            output.json_result(drift_json(drift, redact=redact))
        case "markdown":
            output.document(drift_markdown(drift, redact=redact))
        case "html":
            output.document(drift_html(drift, redact=redact))
        case "junit":
            output.document(drift_junit(drift, redact=redact))
        case _ if not output.quiet() or drift.findings or drift.blocked or drift.unverified or drift.expired:
            output.result(drift_text(drift, width=output.width(), color=output.color(), redact=redact))


def _since(ledger: Ledger) -> str:
    """Return when the last run that applied began, "" where none did."""
    applied = [run.started_at for run in ledger.runs() if run.command.split(" ")[0] in APPLYING]
    return max(applied, default="")
