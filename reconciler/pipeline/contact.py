"""What the API says when it is asked once: reachability, credentials, scopes and clock, as findings of `doctor`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from reconciler import endpoints
from reconciler.api.client import ApiClient
from reconciler.api.pagination import read_page
from reconciler.api.reachability import Stage, proxy_of, stage_of
from reconciler.api.transport import origin
from reconciler.clock import Clock
from reconciler.endpoints import PageQuery
from reconciler.errors import ApiFailed, Forbidden, Rejected, Throttled, Unanswered
from reconciler.model.reports import Check, Fact, Finding, Verdict, skipped
from reconciler.report.layout import duration

REQUESTS = 2
"""What a contact takes: a token, and a list of one customer."""

AGREES_S = 2.0
"""Clocks that differ by less agree: Date is in whole seconds, and a reply is under way for a while."""

_SCOPE = re.compile(r"[a-z_-]{1,40}:(read|write)")
_MENDS: Mapping[Stage, str] = {
    Stage.NAME: "check the base URL and this machine's DNS; where only a proxy knows names, set HTTPS_PROXY",
    Stage.CONNECTION: "check the network, a firewall, the base URL, HTTPS_PROXY",
    Stage.TLS: "behind a proxy with an authority of its own, name that authority's file in SSL_CERT_FILE",
    Stage.PROXY: "check HTTPS_PROXY, its user and password, and whether NO_PROXY should name the host",
    Stage.ANSWER: "check the base URL (it ends without /v1); if it is right, try again later",
}


@dataclass(frozen=True, slots=True)
class Contact:
    """
    What became of asking for a token and for a list of one customer; `failure` is None where both came.

    `granted` and `listed` say how far it came. `scopes` and `ahead_s` are the client's.
    """

    granted: bool = False
    listed: bool = False
    failure: ApiFailed | None = None
    scopes: frozenset[str] | None = None
    ahead_s: float | None = None
    answer_s: float = 0.0
    requests: int = 0


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
            read_page((await client.send(request)).body, request.name)
            made = replace(made, listed=True)
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
            mend = "check the client id and the secret; production and demo have keys of their own, which are made in "
            mend += "the Partner Dashboard, Team Preferences, API Keys"
            return Finding(Check.CREDENTIALS, Verdict.WRONG, _first_part(made.failure), mend, facts)
        case Throttled() | Rejected():
            facts |= {"status": made.failure.status}
            mend = "try again in a minute; other programs may use the key"
            return Finding(Check.CREDENTIALS, Verdict.WARNING, f"no token yet: {made.failure.message}", mend, facts)
        case _:
            return replace(skipped(Check.CREDENTIALS, "they are given, and the API was not reached"), facts=facts)


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
        said = f"the list of customers did not come: {made.failure.message}"
        verdict = Verdict.WARNING if isinstance(made.failure, Throttled) else Verdict.WRONG
        return Finding(Check.SCOPES, verdict, said, made.failure.hint or "try again later", facts)
    if known and not any(scope.endswith(":write") for scope in known):
        said = f"the key may read only ({' '.join(known)}): plan and drift work, apply will be refused"
        mend = "for apply, give it customers:write in the Partner Dashboard, Team Preferences, API Keys"
        return Finding(Check.SCOPES, Verdict.WARNING, said, mend, facts)
    more = f"; the token says: {' '.join(known)}" if known else "; whether it may write, only a write tells"
    return Finding(Check.SCOPES, Verdict.OK, f"the key may read customers{more}", facts=facts)


def clock_of(made: Contact) -> Finding:
    """Return whether this machine's clock agrees with the server's."""
    ahead_s = made.ahead_s
    facts: dict[str, Fact] = {"dated": ahead_s is not None, "ahead_s": None if ahead_s is None else round(ahead_s, 1)}
    if not made.requests or (made.failure is not None and not answered(made)):
        return skipped(Check.CLOCK, "the API was not reached")
    if ahead_s is None:
        said = "the server's replies have no Date, so its clock is not known: this machine's is used"
        return Finding(Check.CLOCK, Verdict.WARNING, said, "see that this machine's clock is set by NTP", facts)
    if abs(ahead_s) <= AGREES_S:
        said = "this machine's clock agrees with the server's, as far as whole seconds tell"
        return Finding(Check.CLOCK, Verdict.OK, said, facts=facts)
    side = "behind" if ahead_s > 0 else "ahead of"
    said = f"this machine's clock is {duration(abs(ahead_s))} {side} the server's; runs go by the server's"
    mend = "set it by NTP: the history's times and a certificate's dates go by this machine's"
    return Finding(Check.CLOCK, Verdict.WARNING, said, mend, facts)


def _first_part(failure: ApiFailed) -> str:
    """Return what an error says without what it says to do: a finding has that in its mend."""
    return failure.message.partition("; ")[0]
