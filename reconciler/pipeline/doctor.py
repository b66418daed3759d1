"""The checks of `doctor`, and its probe. Each check fails for itself, and leaves no other out."""

from __future__ import annotations

import asyncio
import platform
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from reconciler import __version__, endpoints
from reconciler.api.client import ApiClient
from reconciler.api.pagination import read_page
from reconciler.api.transport import Stage, is_loopback, origin, proxy_of, stage_of
from reconciler.apply.sender import Journal, Sender
from reconciler.clock import Clock
from reconciler.endpoints import PageQuery
from reconciler.errors import ApiFailed, Forbidden, Invalid, ReconcilerError, Rejected, Throttled, Unanswered
from reconciler.ledger.base import Ledger
from reconciler.live.reads import SingleReads
from reconciler.model.core import CustomerId
from reconciler.model.ledger import PutIntent, PutKeys, PutLearned, PutRun, Run
from reconciler.model.policy import Terms
from reconciler.model.reports import (
    Check,
    Fact,
    Facts,
    Finding,
    ProbeAnswer,
    ProbeQuestion,
    Verdict,
    skipped,
)
from reconciler.pipeline.apply import finished_run
from reconciler.pipeline.history import CLEANED, done_in, unfinished
from reconciler.pipeline.plan import Say
from reconciler.pipeline.resources import ExposedFile, chmod_text, exposed_files, exposed_text, open_client
from reconciler.plan.server_behavior import known_lag, probed
from reconciler.probe import questions as probe_run
from reconciler.probe import session as earlier
from reconciler.probe.contract import CursorKind, cursor_kind, end_cursor, new_fields
from reconciler.probe.session import ProbeSession
from reconciler.report.layout import duration
from reconciler.settings import Environment, Settings
from reconciler.settings.environment import BUILT_IN
from reconciler.system import HERE, System

REQUESTS = 2
"""What a contact takes: a token, and a list of one customer."""

AGREES_S = 2.0
"""Clocks that differ by less agree: Date is in whole seconds, and a reply is under way for a while."""

_SCOPE = re.compile(r"[a-z_-]{1,40}:(read|write)")
_MENDS: Mapping[Stage, str] = {
    Stage.NAME: "check the base URL and this machine's DNS; if only a proxy can resolve names, set HTTPS_PROXY",
    Stage.CONNECTION: "check the network, the firewall, the base URL and HTTPS_PROXY",
    Stage.TLS: "behind a proxy with its own certificate authority, set SSL_CERT_FILE to its file",
    Stage.PROXY: "check HTTPS_PROXY, its user and password, and whether NO_PROXY should name the host",
    Stage.ANSWER: "check the base URL (it ends without /v1); if it is right, try again later",
}


@dataclass(frozen=True, slots=True)
class Contact:
    """
    What became of asking for a token and for a list of one customer; `failure` is None where both came.

    `granted` and `listed` say how far it came. `scopes` and `ahead_s` are the client's. `page` is the list as it came.
    """

    granted: bool = False
    listed: bool = False
    failure: ApiFailed | None = None
    scopes: frozenset[str] | None = None
    ahead_s: float | None = None
    answer_s: float = 0.0
    requests: int = 0
    page: object = None


async def contact(client: ApiClient, clock: Clock) -> Contact:
    """Return what became of two requests, or of the first where that failed. Enters the client and leaves it."""
    made = Contact()
    began_s = clock.monotonic()
    async with client:
        try:
            await client.sign_in()
            made = replace(made, granted=True, scopes=client.scopes)
            began_s = clock.monotonic()
            request = endpoints.list_customers(PageQuery(limit=1))
            body = (await client.send(request)).body
            read_page(body, request.name)
            made = replace(made, listed=True, page=body)
        except ApiFailed as failure:
            made = replace(made, failure=failure)
        answer_s = clock.monotonic() - began_s
        return replace(made, ahead_s=client.ahead_s, answer_s=answer_s, requests=client.requests)


def answered(made: Contact) -> bool:
    """Say whether the API itself answered, if only with a refusal."""
    return made.failure is None or isinstance(made.failure, Rejected)


def reachability(made: Contact, base_url: str, server: str) -> Finding:
    """Return whether the API is reached, and through what."""
    proxy = proxy_of(base_url)
    through = f" through the proxy {proxy}" if proxy else ""
    tls = origin(base_url).scheme == "https"
    facts: dict[str, Fact] = {
        "server": server,
        "tls": tls,
        "proxy": bool(proxy),
        "answer_ms": round(made.answer_s * 1000),
    }
    if made.failure is not None and not answered(made):
        stage = stage_of(made.failure)
        if proxy and stage in (Stage.NAME, Stage.CONNECTION):
            # What was to be connected to was the proxy.
            stage = Stage.PROXY
        facts |= {"stage": stage.value, "error": type(made.failure).__name__}
        if isinstance(made.failure, Unanswered):
            facts |= {"status": made.failure.status}
        said = f"{base_url} is not reached{through}: {_first_part(made.failure)}"
        return Finding(Check.REACHABILITY, Verdict.WRONG, said, _MENDS[stage], facts)
    how = "with TLS" if tls else "on this machine, without TLS"
    said = f"{base_url} answers{through}, {how}, within {duration(made.answer_s)}"
    return Finding(Check.REACHABILITY, Verdict.OK, said, facts=facts)


def credentials(made: Contact, key: str) -> Finding:
    """Return whether the API takes the credentials; `key` names them, and is no secret."""
    facts: dict[str, Fact] = {"given": True, "granted": made.granted}
    if made.granted:
        return Finding(Check.CREDENTIALS, Verdict.OK, f"a token was granted to the key {key}", facts=facts)
    match made.failure:
        case Forbidden():
            facts |= {"status": made.failure.status}
            mend = "check the client id and the secret; production and demo have separate keys; create them in "
            mend += "the Partner Dashboard, Team Preferences, API Keys"
            return Finding(Check.CREDENTIALS, Verdict.WRONG, _first_part(made.failure), mend, facts)
        case Throttled() | Rejected():
            facts |= {"status": made.failure.status}
            mend = "try again in a minute; other programs may use the key"
            return Finding(Check.CREDENTIALS, Verdict.WARNING, f"no token yet: {made.failure.message}", mend, facts)
        case _:
            return replace(skipped(Check.CREDENTIALS, "they are set, but the API was not reached"), facts=facts)


def scopes(made: Contact) -> Finding:
    """Return what the key may do, as far as a read tells, and what the token's reply said of it."""
    known = sorted(scope for scope in made.scopes or () if _SCOPE.fullmatch(scope))
    facts: dict[str, Fact] = {"reads": made.listed, "granted": " ".join(known)}
    if not made.granted:
        return skipped(Check.SCOPES, "there is no token")
    if isinstance(made.failure, Forbidden):
        mend = "give the key the scope customers:read in the Partner Dashboard, Team Preferences, API Keys"
        return Finding(Check.SCOPES, Verdict.WRONG, _first_part(made.failure), mend, facts)
    if made.failure is not None:
        said = f"the customers could not be listed: {made.failure.message}"
        verdict = Verdict.WARNING if isinstance(made.failure, Throttled) else Verdict.WRONG
        return Finding(Check.SCOPES, verdict, said, made.failure.hint or "try again later", facts)
    if known and not any(scope.endswith(":write") for scope in known):
        said = f"the key can only read ({' '.join(known)}): plan and drift work, but apply will be refused"
        mend = "for apply, give it customers:write in the Partner Dashboard, Team Preferences, API Keys"
        return Finding(Check.SCOPES, Verdict.WARNING, said, mend, facts)
    more = f"; the token says: {' '.join(known)}" if known else "; only a write shows whether it can write"
    return Finding(Check.SCOPES, Verdict.OK, f"the key can read customers{more}", facts=facts)


def clock_of(made: Contact) -> Finding:
    """Return whether this machine's clock agrees with the server's."""
    ahead_s = made.ahead_s
    facts: dict[str, Fact] = {"dated": ahead_s is not None, "ahead_s": None if ahead_s is None else round(ahead_s, 1)}
    if not made.requests or (made.failure is not None and not answered(made)):
        return skipped(Check.CLOCK, "the API was not reached")
    if ahead_s is None:
        said = "the server's replies have no Date, so its clock is unknown; this machine's clock is used"
        return Finding(Check.CLOCK, Verdict.WARNING, said, "make sure that NTP sets this machine's clock", facts)
    if abs(ahead_s) <= AGREES_S:
        said = "this machine's clock agrees with the server's to the second"
        return Finding(Check.CLOCK, Verdict.OK, said, facts=facts)
    side = "behind" if ahead_s > 0 else "ahead of"
    said = f"this machine's clock is {duration(abs(ahead_s))} {side} the server's; runs use the server's"
    mend = "set it with NTP: times in the history and certificate checks use this machine's clock"
    return Finding(Check.CLOCK, Verdict.WARNING, said, mend, facts)


def contract_of(made: Contact) -> Finding:
    """Return what a page of customers holds that the contract does not have, and what its cursor shows."""
    if not made.listed:
        return skipped(Check.CONTRACT, "no list of customers was read")
    names, cursor = new_fields(made.page), cursor_kind(end_cursor(made.page))
    facts: dict[str, Fact] = {"new_fields": " ".join(names), "cursor": cursor.name.lower()}
    order = {
        CursorKind.KEYSET: "; its cursor is a random id, so a customer created meanwhile may be on a page already read",
        CursorKind.OPAQUE: "; its cursor shows nothing of the order",
        CursorKind.NONE: "",
    }[cursor]
    if not names:
        return Finding(Check.CONTRACT, Verdict.OK, f"a list holds the fields of the contract{order}", facts=facts)
    said = f"{'new field' if len(names) == 1 else 'new fields'}: {', '.join(names)}{order}"
    advice = "nothing breaks: Reconciler ignores new fields; `reconciler api customers list --limit 1` shows them"
    return Finding(Check.CONTRACT, Verdict.OK, f"{said}; {advice}", facts=facts)


def _first_part(failure: ApiFailed) -> str:
    """Return what an error says without what it says to do: a finding has that in its fix."""
    return failure.message.partition("; ")[0]


REACHED_BY = (Check.CREDENTIALS, Check.REACHABILITY, Check.SCOPES, Check.CLOCK, Check.CONTRACT)
"""What asking the API tells."""

_PLAN, _SEALED = ".plan", b'{"sealed_plan"'
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
    source = f"project {settings.project}" if settings.names else "no project file; options and variables are used"
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


def files(environment: Environment, folders: Iterable[Path], system: System = HERE) -> Finding:
    """Return which files of secrets, ledger and, in `folders`, saved plans others on this machine can read."""
    if not system.has_modes:
        return skipped(Check.FILES, "on this system a file's mode does not say who can read it")
    plans = sorted({path for folder in folders for path in folder.glob(f"*{_PLAN}")})
    found = [one for one in exposed_files(environment, plans) if one.kind != "plan" or _shows_customers(one)]
    facts: dict[str, Fact] = {"readable": " ".join(dict.fromkeys(one.kind for one in found))}
    if found:
        return Finding(Check.FILES, Verdict.WARNING, exposed_text(found), chmod_text(found), facts)
    said = "others on this machine cannot read the files with secrets, the ledger or saved plans"
    return Finding(Check.FILES, Verdict.OK, said, facts=facts)


def _shows_customers(plan: ExposedFile) -> bool:
    """Say whether a file that is named as one is a saved plan, and not sealed."""
    try:
        with plan.path.open("rb") as file:
            start = file.read(len(_SEALED))
    except OSError:
        return False
    return start.startswith(b"{") and start != _SEALED


def server_of(environment: Environment) -> str:
    """Return which server is meant, by a closed word: that of another is no one's business."""
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
    made = await contact(client, clock)
    found = [
        given or credentials(made, key_name(environment)),
        reachability(made, url, server_of(environment)),
        skipped(Check.SCOPES, "there are no credentials") if given else scopes(made),
        clock_of(made),
        contract_of(made),
    ]
    return found, made.requests


def key_name(environment: Environment) -> str:
    """Return the name of the environment's API key as the history has it, which is no secret; Invalid without one."""
    return f"{environment.name}/{environment.ref().account[:8]}"


def _unaddressed(environment: Environment, lacking: Invalid) -> list[Finding]:
    """Return that nothing can be asked: where to is unknown."""
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


KEY = "Reconciler-probe-"
"""What the external_id of each customer that a probe makes begins with; the first of its run's id follows."""

_MARK_CHARS = 12


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """
    What a probe found: every question, in their order; `stopped` says why it ended early, "" where it did not.

    `key` is the external_id of what it made, `made` the ids; `left` are those that could not be archived. `cleaned`
    are the ids that earlier probes had left active.
    """

    answers: tuple[ProbeAnswer, ...]
    key: str
    made: tuple[CustomerId, ...] = ()
    left: tuple[CustomerId, ...] = ()
    cleaned: tuple[CustomerId, ...] = ()
    stopped: str = ""
    interrupted: bool = False
    requests: int = 0


def key_of(run: Run) -> str:
    """Return the external_id of the customers that a probe makes."""
    return f"{KEY}{run.id[:_MARK_CHARS]}"


async def probe(
    client: ApiClient, ledger: Ledger, terms: Terms, *, run: Run, clock: Clock, stop: asyncio.Event, tell: Say
) -> ProbeResult:
    """
    Probe the account, and write what was learned; `stop` set means no new request.

    Every create is in the journal before it leaves: a probe that is killed is cleaned up by the next. LedgerFailed
    where the ledger cannot be written.
    """
    before, records = ledger.runs(), ledger.records()
    key, learned = terms.environment.account, records.learned
    run = replace(run, key=f"{terms.environment.name}/{terms.environment.account[:8]}")
    ledger.commit([PutRun(run), PutKeys((key, *(one for one in records.keys if one != key and key in records.keys)))])
    lag_s = known_lag(learned, terms)
    sender = Sender(run=run.id, client=client, journal=Journal(ledger), stop=stop, clock=clock, lag_s=lag_s)
    cleaned = await _cleaned(ledger, sender, before, clock, lag_s, tell)
    session = ProbeSession(sender, clock, key_of(run), run.id[:_MARK_CHARS])
    stopped = await probe_run.run(session, tell)
    answers = tuple(
        session.answers.get(one) or ProbeAnswer(one, "", "the probe stopped before this question")
        for one in ProbeQuestion
    )
    known = probed(ledger.records().learned, answers, f"by a probe that started at {run.started_at}")
    left_active = any(one.active for one in session.made)
    outcome = "interrupted" if sender.interrupted else "stopped" if stopped or left_active else "done"
    done = finished_run(run, clock, outcome, requests=client.requests, changes=done_in(ledger.intents(run.id)))
    ledger.commit([PutLearned(known), PutRun(done)])
    return ProbeResult(
        answers,
        session.key,
        made=tuple(one.live.id for one in session.made),
        left=tuple(one.live.id for one in session.made if one.active),
        cleaned=cleaned,
        stopped=stopped,
        interrupted=sender.interrupted,
        requests=client.requests,
    )


async def _cleaned(
    ledger: Ledger, sender: Sender, runs: Iterable[Run], clock: Clock, lag_s: float, tell: Say
) -> tuple[CustomerId, ...]:
    """Archive what probes left that did not come to their end; return the ids."""
    found: list[CustomerId] = []
    keys = {row.bound_id: key for key, row in ledger.records().bindings.items()}
    for run in unfinished(runs):
        intents = ledger.intents(run.id)
        wait_s = earlier.wait_s(intents, sender.client.server_now(), lag_s)
        if wait_s:
            tell(f"waiting {wait_s:.0f} s: the result of a probe that was killed may not be visible yet")
            await sender.pause(wait_s + 1.0)
        if sender.stopped:
            break
        session = ProbeSession(sender, clock, key_of(run), run.id[:_MARK_CHARS])
        made = await earlier.cleaned(session, intents, SingleReads(sender.client), keys)
        closing = earlier.closed(intents, sender.client.server_now())
        done = (
            run
            if run.finished_at
            else finished_run(run, clock, CLEANED, requests=run.requests, changes=done_in(intents))
        )
        ledger.commit([*map(PutIntent, closing), PutRun(replace(done, outcome=CLEANED))])
        found += [one.live.id for one in made]
    return tuple(found)
