"""The checks of `doctor`. Each fails for itself: what one cannot look at is no reason to leave the others out."""

from __future__ import annotations

import os
import platform
import stat
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from reconciler import __version__
from reconciler.api.client import ApiClient
from reconciler.api.transport import is_loopback, origin
from reconciler.clock import Clock
from reconciler.errors import Invalid, ReconcilerError
from reconciler.model.reports import Check, Facts, Finding, Verdict, skipped
from reconciler.pipeline import contact as asking
from reconciler.pipeline.opening import open_client
from reconciler.settings import Environment, Settings
from reconciler.settings.environment import BUILT_IN

REACHED_BY = (Check.CREDENTIALS, Check.REACHABILITY, Check.SCOPES, Check.CLOCK)
"""What asking the API tells."""

_PACKAGES = ("httpx", "click", "PyYAML", "jsonschema", "psycopg")


def program() -> Facts:
    """Return with what a diagnosis was made."""
    versions = {name: _version(name) for name in _PACKAGES}
    return {
        "reconciler": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        **{name: found for name, found in versions.items() if found},
    }


def _version(package: str) -> str:
    """Return the version of an installed package, "" where it is not there."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def project(settings_of: Callable[[], Settings]) -> tuple[Settings | None, Environment | None, Finding]:
    """Return the settings and the environment that is meant, as far as there are such, and what was found of them."""
    settings = None
    try:
        settings = settings_of()
        environment = settings.environment()
    except (ReconcilerError, OSError) as error:
        return settings, None, _project_wrong(error)
    facts = {"file": bool(settings.names), "environments": len(settings.names), "disposable": environment.disposable}
    source = f"project {settings.project}" if settings.names else "no project file: by options and variables"
    return (
        settings,
        environment,
        Finding(Check.PROJECT, Verdict.OK, f"environment {environment.name}, {source}", facts=facts),
    )


def _project_wrong(error: ReconcilerError | OSError) -> Finding:
    """Return what is wrong with the project file, the options or the variables."""
    if isinstance(error, Invalid):
        first, *others = error.problems
        more = f" (and {len(others)} more: `reconciler validate` lists them)" if others else ""
        said = str(replace(first, hint=""))
        facts = {"problems": len(error.problems)}
        return Finding(Check.PROJECT, Verdict.WRONG, f"{said}{more}", first.hint, facts)
    said = error.message if isinstance(error, ReconcilerError) else str(error.strerror or error)
    return Finding(Check.PROJECT, Verdict.WRONG, said, getattr(error, "hint", ""), {"error": type(error).__name__})


def server_of(environment: Environment) -> str:
    """Return which server is meant, by a closed word: that of another is nobody's business."""
    try:
        url = environment.base_url()
    except Invalid:
        return ""
    for name in ("production", "demo"):
        if url == BUILT_IN[name]:
            return name
    return "this machine" if is_loopback(origin(url).host) else "another"


async def of_the_api(environment: Environment, clock: Clock) -> tuple[list[Finding], int]:
    """Return what asking the API tells, in the order of `REACHED_BY`, and how many requests were sent."""
    try:
        url = environment.base_url()
        origin(url)
    except Invalid as lacking:
        return _unaddressed(environment, lacking), 0
    given = _given(environment)
    try:
        client = _client(environment, clock, given)
    except ReconcilerError as error:
        wrong = Finding(Check.REACHABILITY, Verdict.WRONG, str(error), facts={"error": type(error).__name__})
        others = (skipped(check, "no connection can be set up") for check in REACHED_BY)
        found = [wrong if one.check is Check.REACHABILITY else one for one in others]
        return ([given, *found[1:]] if given is not None else found), 0
    made = await asking.contact(client, clock)
    found = [
        given or _kept_safe(environment, asking.credentials(made, key_name(environment))),
        asking.reachability(made, url, server_of(environment)),
        skipped(Check.SCOPES, "there are no credentials") if given else asking.scopes(made),
        asking.clock_of(made),
    ]
    return found, made.requests


def key_name(environment: Environment) -> str:
    """Return the name of the environment's API key as the history has it, which is no secret; Invalid without one."""
    return f"{environment.name}/{environment.ref().account[:8]}"


def _unaddressed(environment: Environment, lacking: Invalid) -> list[Finding]:
    """Return that nothing can be asked: where to is not known."""
    said = str(replace(lacking.problems[0], hint=""))
    there = Finding(Check.REACHABILITY, Verdict.WRONG, said, lacking.problems[0].hint, {"server": ""})
    others = [skipped(check, "there is no base URL") for check in REACHED_BY]
    found = [there if one.check is Check.REACHABILITY else one for one in others]
    return [_given(environment) or found[0], *found[1:]]


def _given(environment: Environment) -> Finding | None:
    """Return what lacks of the credentials; None where they are there."""
    try:
        environment.credentials()
    except Invalid as lacking:
        said = "; ".join(str(replace(one, hint="")) for one in lacking.problems)
        facts = {"given": False, "granted": False}
        return Finding(Check.CREDENTIALS, Verdict.WRONG, said, lacking.problems[0].hint, facts)
    return None


def _client(environment: Environment, clock: Clock, lacking: Finding | None) -> ApiClient:
    """Return a client that asks once; without credentials one whose token is refused by whoever answers."""
    if lacking is None:
        return open_client(environment, clock, patient=False)
    return ApiClient(
        base_url=environment.base_url(),
        client_id="",
        client_secret="",
        clock=clock,
        jitter=lambda: 1.0,
        rate_per_s=environment.rate_per_s,
        patient=False,
    )


def _kept_safe(environment: Environment, found: Finding) -> Finding:
    """Return a finding of the credentials, a warning where their file may be read by others on this machine."""
    file = environment.access.client_secret
    if found.verdict is not Verdict.OK or not isinstance(file, Path) or os.name != "posix":
        return found
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except OSError:
        return found
    if not mode & 0o077:
        return found
    said = f"{found.said}; the file of its secret may be read by others ({mode:o})"
    return replace(
        found, verdict=Verdict.WARNING, said=said, mend=f"chmod 600 {file}", facts={**found.facts, "private": False}
    )
