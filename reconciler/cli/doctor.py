"""`doctor` and its probe: what is between this machine and a good run, each with its fix."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from reconciler.cli import consent, output
from reconciler.cli.carry_out import stopped_by_signals
from reconciler.cli.session import connected, local_emulator, run_in, settings_of
from reconciler.errors import Invalid, ReconcilerError, Refused
from reconciler.escape import visible
from reconciler.model.core import EnvironmentRef
from reconciler.model.reports import Check, ContractChange, Diagnosis, Finding, skipped
from reconciler.pipeline import apply, contract, doctor, resources
from reconciler.pipeline.doctor import ProbeResult, key_name
from reconciler.pipeline.history import PROBING
from reconciler.pipeline.ledger_checks import LEDGERS, of_the_ledger
from reconciler.pipeline.resources import origin_of_run, real_clock
from reconciler.probe.questions import REQUESTS
from reconciler.report.doctor import (
    answers_json,
    answers_text,
    contract_json,
    contract_text,
    diagnosis_json,
    diagnosis_text,
    left_text,
)
from reconciler.report.layout import duration
from reconciler.settings import Environment, Options, Settings


def may_be_probed(environment: Environment, account: str | None) -> None:
    """Raise Refused for an account that is neither disposable nor named by `account`."""
    key = key_name(environment)
    if environment.disposable and account is None:
        return
    if account is None:
        raise Refused(
            visible(f"environment {environment.name} is not marked disposable; nothing was sent"),
            f"a probe leaves an archived customer behind: pass --account {visible(key)}, or write `disposable: true` "
            "under the environment in the project file",
        )
    if account != key:
        raise Refused(visible(f"this is the account {key}, not {account}; nothing was sent"), "check -e and the key")


def said_before(environment: Environment) -> str:
    """Return what a probe does, before anybody agrees to it."""
    seconds = f", {duration(REQUESTS / environment.rate_per_s)}" if environment.rate_per_s else ""
    return (
        f"The probe runs in {key_name(environment)} at {environment.base_url()}. It sends at most {REQUESTS} requests"
        f"{seconds}, a few more if the server is slow, and waits 5 s. It "
        "creates a customer whose external_id begins with "
        f"{doctor.KEY}, with users at example.com, patches, archives and restores it, and leaves it archived: "
        "the API cannot delete it. If the server accepts an external_id twice, a second archived customer stays too."
    )


def probed(
    settings: Settings, options: Options, environment: Environment, *, auto_approve: bool, lock_timeout_s: float
) -> doctor.ProbeResult:
    """Say what will be done, ask, and do it; the first Ctrl-C stops it cleanly."""
    # Whoever is asked sees what for.
    (output.note if auto_approve else output.say)(said_before(environment))
    if not auto_approve:
        consent.yes("Probe this account? [y/N]: ")
    with connected(settings, options, environment) as session:
        stop = asyncio.Event()
        run = apply.new_run(session.clock, PROBING, origin=origin_of_run(settings.root))
        begun = resources.begin(environment, session.clock, doing=PROBING, timeout_s=lock_timeout_s)
        with session.run(begun) as ledger:

            async def probe() -> doctor.ProbeResult:
                with stopped_by_signals(stop):
                    return await doctor.probe(
                        session.client,
                        ledger,
                        environment.terms(options),
                        run=run,
                        clock=session.clock,
                        stop=stop,
                        tell=output.note,
                    )

            return session.run(resources.with_renewed_lease(ledger, session.clock, probe()))


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
    openapi: Path | None,
) -> None:
    """Print what was found, and probe where that is asked for; or how an OpenAPI file differs from our contract."""
    if openapi is not None:
        if probe or report:
            raise click.UsageError(
                "--openapi compares a file and looks at nothing else: leave out --probe and --report"
            )
        ctx.exit(_compare(openapi, form, options))
    if not probe:
        found = examined(options)
        _print(found, None, form, report=report)
        ctx.exit(0 if found.healthy else 1)
    consent.can_be_asked(auto_approve=auto_approve)
    settings = settings_of(options)
    environment = settings.environment()
    # Only here: a run that writes imports what no look needs.

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


def _compare(path: Path, form: str, options: Options) -> int:
    """Print how an OpenAPI file differs from our contract; 1 where something that we use is not as known."""
    _, environment, _ = doctor.project(lambda: settings_of(options))
    found = contract.compare(path, _base_url(environment))
    if form == "json":
        output.json_result(contract_json(found))
    else:
        output.result(contract_text(found, width=output.width(), color=output.color()))
    return int(any(one.change is not ContractChange.ADDED for one in found))


def _base_url(environment: Environment | None) -> str:
    """Return the environment's base URL, "" where it has none."""
    try:
        return "" if environment is None else environment.base_url()
    except Invalid:
        return ""


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
        output.say(f"the probe stopped early: {what.stopped}")


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
        unclear = [skipped(check, "it is not clear which environment is meant") for check in list(Check)[1:]]
        return Diagnosis((project, *unclear), program=doctor.program())
    output.note(_price(environment))
    asked, requests = _asked(settings, environment)
    files = doctor.files(environment, {Path.cwd(), settings.root})
    found = (project, files, *asked, *of_the_ledger(environment))
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
        runner = stack.enter_context(asyncio.Runner())
        return run_in(runner, doctor.of_the_api(environment, real_clock()))


def _ref(environment: Environment) -> EnvironmentRef | None:
    """Return which account is meant, None where base URL or client id are missing."""
    try:
        return environment.ref()
    except Invalid:
        return None
