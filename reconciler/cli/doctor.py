"""`doctor`: what stands between this machine and a good run: one line each, with the mend."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import click

from reconciler.cli import options as shared
from reconciler.cli import output
from reconciler.cli.main import Chosen
from reconciler.cli.session import local_emulator, options_of, settings_of
from reconciler.diagnosis import Check, Diagnosis, Finding, skipped
from reconciler.errors import Invalid, ReconcilerError
from reconciler.model import EnvironmentRef
from reconciler.pipeline import checks, contact
from reconciler.pipeline.checks_of_ledger import of_the_ledger
from reconciler.pipeline.opening import real_clock
from reconciler.report.doctor import diagnosis_json, diagnosis_text
from reconciler.settings import Environment, Options, Settings


@click.command("doctor")
@click.option("--report", is_flag=True, help="Leave out all that is a secret or personal, so that it can be shared.")
@shared.rate
@shared.output_format("text", "json")
@click.pass_context
def command(ctx: click.Context, rate_per_s: float | None, form: str, *, report: bool) -> None:
    """
    Look at credentials, reachability, scopes, clock, ledger and lock, and say what mends what is wrong.

    It sends two requests, a token's and a list of one customer, and changes nothing. Exit code 1 where
    something is wrong.

    \b
    Example:
      reconciler -e production doctor
      reconciler doctor --report > report.txt
    """  # noqa: D301 - click's mark
    chosen: Chosen = ctx.obj
    found = examined(options_of(chosen, rate_per_s=rate_per_s))
    if form == "json":
        output.json_result(diagnosis_json(found, report=report))
    else:
        output.result(diagnosis_text(found, width=output.width(), color=output.color(), report=report))
    ctx.exit(0 if found.healthy else 1)


def examined(options: Options) -> Diagnosis:
    """Return what is found; nothing that is wrong raises."""
    settings, environment, project = checks.project(lambda: settings_of(options))
    if settings is None or environment is None:
        unclear = [skipped(check, "which environment is meant is not clear") for check in list(Check)[1:]]
        return Diagnosis((project, *unclear), program=checks.program())
    output.say(_price(environment))
    asked, requests = _asked(settings, environment)
    found = (project, *asked, *of_the_ledger(environment))
    return Diagnosis(found, _ref(environment), checks.server_of(environment), requests, checks.program())


def _price(environment: Environment) -> str:
    """Return what it costs, before it is paid."""
    rate = environment.rate_per_s
    seconds = f", {contact.REQUESTS / rate:g} s at {rate:g} a second" if rate else ""
    return f"asking the API: {contact.REQUESTS} requests at most{seconds}; nothing is changed"


def _asked(settings: Settings, environment: Environment) -> tuple[list[Finding], int]:
    """Return what asking the API tells, and the requests; `local` gets an emulator where none runs."""
    with ExitStack() as stack:
        try:
            stack.enter_context(local_emulator(environment, settings.root))
        except (ReconcilerError, OSError) as error:
            # Not to be reached, then, and that is what will be found.
            output.say(f"no emulator could be started: {error}")
        return asyncio.run(checks.of_the_api(environment, real_clock()))


def _ref(environment: Environment) -> EnvironmentRef | None:
    """Return which account is meant, None where base URL or client id are missing."""
    try:
        return environment.ref()
    except Invalid:
        return None
