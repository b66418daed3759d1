"""`doctor --probe`: who may be probed, what is said before it, and the run itself."""

from __future__ import annotations

import asyncio

from reconciler.cli import consent, output
from reconciler.cli.carry import stopped_by_signals
from reconciler.cli.session import connected
from reconciler.errors import Refused
from reconciler.escape import visible
from reconciler.pipeline import apply, doctor, resources
from reconciler.pipeline.doctor import key_name
from reconciler.pipeline.history import PROBING
from reconciler.pipeline.resources import origin_of_run
from reconciler.probe.run import REQUESTS
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
            f"a probe leaves an archived customer behind: give --account {visible(key)}, or write `disposable: true` "
            "under the environment in the project file",
        )
    if account != key:
        raise Refused(visible(f"this is the account {key}, not {account}; nothing was sent"), "check -e and the key")


def said_before(environment: Environment) -> str:
    """Return what a probe does, before anybody agrees to it."""
    seconds = f", {duration(REQUESTS / environment.rate_per_s)}" if environment.rate_per_s else ""
    return (
        f"The probe works in {key_name(environment)} at {environment.base_url()}. It sends {REQUESTS} requests at most"
        f"{seconds}, a few more for what is slow, and waits 5 s. It creates a customer whose external_id begins with "
        f"{doctor.KEY}, with users at example.com, patches, archives and restores it, and leaves it archived: nothing "
        "can delete it. Where the server takes an external_id twice it leaves a second one, archived too."
    )


def probed(
    settings: Settings, options: Options, environment: Environment, *, auto_approve: bool, lock_timeout_s: float
) -> doctor.ProbeResult:
    """Say what will be done, ask, and do it; the first Ctrl-C stops it in good order."""
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
