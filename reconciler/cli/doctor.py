"""`doctor`: what stands between this machine and a good run: one line each, with the mend."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import click

from reconciler.cli import consent, output
from reconciler.cli.session import local_emulator, settings_of
from reconciler.errors import Invalid, ReconcilerError
from reconciler.model.core import EnvironmentRef
from reconciler.model.reports import Check, Diagnosis, Finding, skipped
from reconciler.pipeline import doctor
from reconciler.pipeline.doctor import ProbeResult
from reconciler.pipeline.ledger_checks import LEDGERS, of_the_ledger
from reconciler.pipeline.resources import real_clock
from reconciler.report.doctor import answers_json, answers_text, diagnosis_json, diagnosis_text, left_text
from reconciler.settings import Environment, Options, Settings


def run(
    ctx: click.Context,
    account: str | None,
    lock_timeout_s: float,
    form: str,
    *,
    options: Options,
    report: bool,
    probe: bool,
    auto_approve: bool,
) -> None:
    """Print what was found, and probe where that is asked for."""
    if not probe:
        found = examined(options)
        _print(found, None, form, report=report)
        ctx.exit(0 if found.healthy else 1)
    consent.can_be_asked(auto_approve=auto_approve)
    settings = settings_of(options)
    environment = settings.environment()
    # Only here: a run that writes imports what no look needs.
    from reconciler.cli.probe import may_be_probed, probed

    may_be_probed(environment, account)
    found = examined(options)
    if not found.healthy:
        _print(found, None, form, report=report)
        output.say("not probed: something is wrong")
        ctx.exit(1)
    what = probed(settings, options, environment, auto_approve=auto_approve, lock_timeout_s=lock_timeout_s)
    # What the ledger holds has changed; the network has not.
    kept = tuple(one for one in found.findings if one.check not in LEDGERS)
    found = replace(found, findings=(*kept, *of_the_ledger(environment)), requests=found.requests + what.requests)
    _print(found, what, form, report=report)
    ctx.exit(130 if what.interrupted else 1 if what.stopped or what.left else 0)


def _print(found: Diagnosis, what: ProbeResult | None, form: str, *, report: bool) -> None:
    """Print what was found, and what a probe found."""
    if form == "json":
        document = diagnosis_json(found, report=report)
        output.json_result(document if what is None else {**document, "probe": _probe_json(what, report=report)})
        return
    if what is None and found.healthy and output.quiet() and not report:
        return
    how: dict[str, Any] = {"width": output.width(), "color": output.color(), "report": report}
    text = diagnosis_text(found, **how)
    if what is not None:
        text += "\n" + answers_text(what.answers, **how)
        text += left_text(len(what.made), len(what.cleaned), key=what.key, left=what.left, **how)
    output.result(text)
    if what is not None and what.stopped:
        output.say(f"the probe stopped before its end: {what.stopped}")


def _probe_json(what: ProbeResult, *, report: bool) -> dict[str, Any]:
    """Return what a probe found as a value for JSON."""
    named = {} if report else {"external_id": what.key, "stopped": what.stopped, "left_ids": list(what.left)}
    return {
        **named,
        "complete": not what.stopped,
        "made": len(what.made),
        "left": len(what.left),
        "cleaned": len(what.cleaned),
        "requests": what.requests,
        "answers": answers_json(what.answers, report=report),
    }


def examined(options: Options) -> Diagnosis:
    """Return what is found; nothing that is wrong raises."""
    settings, environment, project = doctor.project(lambda: settings_of(options))
    if settings is None or environment is None:
        unclear = [skipped(check, "which environment is meant is not clear") for check in list(Check)[1:]]
        return Diagnosis((project, *unclear), program=doctor.program())
    output.note(_price(environment))
    asked, requests = _asked(settings, environment)
    found = (project, *asked, *of_the_ledger(environment))
    return Diagnosis(found, _ref(environment), doctor.server_of(environment), requests, doctor.program())


def _price(environment: Environment) -> str:
    """Return what it costs, before it is paid."""
    rate = environment.rate_per_s
    seconds = f", {doctor.REQUESTS / rate:g} s at {rate:g} a second" if rate else ""
    return f"asking the API: {doctor.REQUESTS} requests at most{seconds}; nothing is changed"


def _asked(settings: Settings, environment: Environment) -> tuple[list[Finding], int]:
    """Return what asking the API tells, and the requests; `local` gets an emulator where none runs."""
    with ExitStack() as stack:
        try:
            stack.enter_context(local_emulator(environment, settings.root))
        except (ReconcilerError, OSError) as error:
            # Not to be reached, then, and that is what will be found.
            output.say(f"no emulator could be started: {error}")
        return asyncio.run(doctor.of_the_api(environment, real_clock()))


def _ref(environment: Environment) -> EnvironmentRef | None:
    """Return which account is meant, None where base URL or client id are missing."""
    try:
        return environment.ref()
    except Invalid:
        return None
