"""Where requests go, and how: the one host, TLS, the proxy, the token of OAuth 2, and at which stage one failed."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import logging
import math
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Protocol
from urllib.request import getproxies, proxy_bypass

import httpx

from reconciler import __version__
from reconciler.clock import Clock
from reconciler.errors import Forbidden, Invalid, NotFound, NotTheApi, Problem, Rejected, Source, Unauthorized
from reconciler.escape import visible

_log = logging.getLogger(__name__)

_DEFAULT_PORTS = {"https": 443, "http": 80}
_HOST = re.compile(r"[\w*-]+(?:\.[\w*-]+)*")
_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*):(?P<port>\d{1,5})")


def proxy_for(url: httpx.URL, *, warn: bool = False) -> str:
    """
    Return the URL of the proxy for requests to `url`, "" for none.

    With `warn` each entry of NO_PROXY that says nothing is logged.
    """
    proxies = getproxies()
    named = proxies.get(url.scheme) or proxies.get("all")
    if not named:
        return ""
    excluded = [_excludes(entry, url) for entry in _entries(proxies.get("no", ""), warn=warn)]
    # The system's own exceptions, where the proxy is not a variable's.
    if any(excluded) or proxy_bypass(url.host):
        return ""
    return named if "://" in named else f"http://{named}"


def _entries(text: str, *, warn: bool) -> Iterator[str]:
    """Yield the entries of NO_PROXY that name something, in lower case."""
    for entry in re.split(r"[\s,]+", text.strip().lower()):
        host, _ = _parts(entry)
        if host == "*" or _network(host) is not None or _HOST.fullmatch(host.removeprefix(".").removesuffix(".")):
            yield entry
        elif entry and warn:
            _log.warning("NO_PROXY: %r has no host, domain, address or network, and is skipped", visible(entry))


def _parts(entry: str) -> tuple[str, int | None]:
    """
    Return the host or network of an entry, and its port if it has one.

    >>> _parts("api.example:8443"), _parts("[fd00::1]:443"), _parts("fd00::/64"), _parts("https://api.example")
    (('api.example', 8443), ('fd00::1', 443), ('fd00::/64', None), ('api.example', None))
    """
    rest = entry.rpartition("://")[2]
    found = _PORT.fullmatch(rest)
    host, port = (found["host"], int(found["port"])) if found else (rest, None)
    return host.removeprefix("[").removesuffix("]"), port


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Return an address or a network of addresses, None for a name."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _excludes(entry: str, url: httpx.URL) -> bool:
    """Say whether an entry of NO_PROXY names the host of `url`, a domain above it, or a network around it."""
    name, port = _parts(entry)
    if port not in (None, url.port or _DEFAULT_PORTS.get(url.scheme)):
        return False
    if name == "*":
        return True
    host = url.host.lower().removesuffix(".")
    network = _network(name)
    if network is not None:
        address = _network(host)
        return address is not None and address.network_address in network
    domain = name.removeprefix("*").removeprefix(".").removesuffix(".")
    return host == domain or fnmatchcase(host, f"*.{domain}") or ("*" in domain and fnmatchcase(host, domain))


JSON_TYPE = "application/json"

HEADERS: Mapping[str, str] = {
    "User-Agent": f"reconciler/{__version__}",
    "Accept": JSON_TYPE,
    "Accept-Encoding": "gzip",
}
"""What every request carries."""

CONNECTIONS = 50
# Shorter than what servers keep an idle connection open: one that just closes loses a request, and a lost
# create costs reads.
_IDLE_S = 4.0
_CONNECT_S = 10.0
_POOL_S = 5.0


def origin(base_url: str) -> httpx.URL:
    """
    Return the base URL without a slash at its end.

    Raises Invalid where it is no URL, names a user or a query, or is plain http to another machine.

    >>> str(origin("https://public-api.alternativepayments.io/"))
    'https://public-api.alternativepayments.io'
    """
    try:
        url = httpx.URL(base_url.strip())
    except httpx.InvalidURL as error:
        raise _invalid("the base URL is not a URL", "write it as https://HOST") from error
    if url.scheme not in ("https", "http") or not url.host:
        raise _invalid(f"the base URL {visible(base_url)!r} has no host", "write it as https://HOST")
    if url.userinfo or url.query or url.fragment:
        raise _invalid(f"the base URL of {visible(url.host)} contains a user, a query or a fragment", "leave them out")
    if url.scheme == "http" and not is_loopback(url.host):
        raise _invalid(
            f"the base URL of {visible(url.host)} is without TLS", "write https://; http is for this machine"
        )
    return url.copy_with(path=url.path.rstrip("/"))


def _invalid(message: str, hint: str) -> Invalid:
    """Return the error for a base URL."""
    return Invalid([Problem(Source("AP_BASE_URL"), "", message, hint)])


def is_loopback(host: str) -> bool:
    """
    Say whether a host is this machine.

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.9", "::1", "example.com", "127.0.0.1.example.com")]
    [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def connect(url: httpx.URL, transport: httpx.AsyncBaseTransport | None) -> httpx.AsyncBaseTransport:
    """
    Return what carries requests to one origin: `transport` if given, else HTTP by HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE.

    It is a transport, not one of httpx's clients: we use no redirects, cookies or authentication of theirs, and
    checking for them takes a tenth of a request's CPU time. Requests to this machine never use a proxy.
    Raises Invalid where the proxy or the certificates that the environment names cannot be used.
    """
    if transport is not None:
        return transport
    proxy = "" if is_loopback(url.host) else proxy_for(url, warn=True)
    try:
        return httpx.AsyncHTTPTransport(
            proxy=proxy or None,
            # Without TLS nothing is verified; an empty context spares reading the authorities.
            verify=httpx.create_ssl_context() if url.scheme == "https" else _no_authorities(),
            # Its own reading of NO_PROXY fails at a network of addresses.
            trust_env=False,
            limits=httpx.Limits(
                max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=_IDLE_S
            ),
        )
    except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
        raise Invalid(
            [
                Problem(
                    Source("environment"),
                    "",
                    f"the connection cannot be set up ({visible(str(error))})",
                    "check HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR",
                )
            ]
        ) from error


def patience(timeout_s: float) -> Mapping[str, float | None]:
    """Return how long each part of a request may take at most, as a transport takes it."""
    return httpx.Timeout(timeout_s, connect=min(_CONNECT_S, timeout_s), pool=min(_POOL_S, timeout_s)).as_dict()


def _no_authorities() -> ssl.SSLContext:
    """Return a context that trusts nobody."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


LIFE_S = 3600.0
"""How long a token lives where its reply does not say (the guide's example)."""
_MARGIN_S = 60.0
_MARGIN_SHARE = 0.1


class Credential(Protocol):
    """What is in the Authorization header."""

    async def current(self) -> str:
        """Return the header's value."""

    def refused(self, used: str) -> bool:
        """Say whether another may do after a 401 to `used`."""


@dataclass(frozen=True, slots=True, repr=False)
class Basic:
    """The client id and secret, as the token's own request carries them."""

    client_id: str
    client_secret: str

    async def current(self) -> str:
        """Return `Basic base64(client_id:client_secret)`."""
        return f"Basic {self._coded()}"

    def secrets(self) -> tuple[str, str]:
        """Return what no message may hold: the secret, and the pair as it is sent."""
        return self.client_secret, self._coded()

    def _coded(self) -> str:
        """Return `base64(client_id:client_secret)`."""
        return base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()

    def refused(self, used: str) -> bool:  # noqa: ARG002
        """Return False: there are no other credentials."""
        return False


@dataclass(frozen=True, slots=True, repr=False)
class TokenGrant:
    """
    A token, and how long it lives from the moment at which it was asked for.

    `scopes` is what its reply says that it may do, None where it does not say (RFC 6749, 5.1: it need not).
    """

    token: str
    life_s: float
    scopes: frozenset[str] | None = None


class Tokens:
    """
    Asks for a token when one is needed, and hands the same one to everybody.

    It is replaced a minute (of a short life: a tenth) before it expires, by the monotonic clock. There
    is no refresh token: a new one is asked for. Who waits for it shares the answer, an error too.
    `scopes` is what the last one may do, None where that was not said.
    """

    def __init__(self, ask: Callable[[], Awaitable[TokenGrant]], clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._header = ""
        self._until_s = 0.0
        self.scopes: frozenset[str] | None = None
        self._asking: asyncio.Task[str] | None = None

    async def current(self) -> str:
        """Return `Bearer …`; raises what the asking raised."""
        if self._header and self._clock.monotonic() < self._until_s:
            return self._header
        if self._asking is None:
            self._asking = asyncio.create_task(self._renewed())
            self._asking.add_done_callback(self._asked)
        # Shielded: the one who asked first may be cancelled, the others still wait.
        return await asyncio.shield(self._asking)

    async def _renewed(self) -> str:
        """Ask for a token, keep it and return its header."""
        asked_s = self._clock.monotonic()
        granted = await self._ask()
        self._until_s = asked_s + granted.life_s - min(_MARGIN_S, granted.life_s * _MARGIN_SHARE)
        self._header = f"Bearer {granted.token}"
        self.scopes = granted.scopes
        return self._header

    def _asked(self, task: asyncio.Task[str]) -> None:
        """Let the next one ask again, and look at the error, which nobody may be left to do."""
        self._asking = None
        if not task.cancelled():
            task.exception()

    def refused(self, used: str) -> bool:
        """Drop the token behind a 401, unless another has replaced it; return True: a new one may do."""
        if used == self._header:
            self._header = ""
        return True

    async def close(self) -> None:
        """End an asking that nobody waits for any more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)


def read_grant(body: object) -> TokenGrant:
    """
    Return the token in a reply of `POST /oauth/token`; raises NotTheApi where there is none.

    >>> read_grant({"access_token": "abc", "token_type": "bearer", "expires_in": 3600}).life_s
    3600.0
    """
    body = body if isinstance(body, dict) else {}
    token = body.get("access_token")
    # Anything but printable ASCII could not stand in a header, or would end it.
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable() or " " in token:
        raise NotTheApi("POST /oauth/token: the reply has no access_token; check the base URL")
    scope = body.get("scope")
    scopes = frozenset(scope.split()) if isinstance(scope, str) else None
    return TokenGrant(token, _life_s(body), scopes)


def _life_s(body: Mapping[str, object]) -> float:
    """Return how long a token lives, in seconds: what is documented, where the reply has no number for it."""
    told = body.get("expires_in")
    try:
        life_s = float(told) if isinstance(told, str | int | float) and not isinstance(told, bool) else LIFE_S
    except (ValueError, OverflowError):
        return LIFE_S
    return life_s if 0 < life_s < math.inf else LIFE_S


def refusal(failure: Rejected) -> Forbidden | NotTheApi | Rejected:
    """Return what a 4xx to the token's request means: wrong credentials are answered with 403 (guide)."""
    match failure:
        case Forbidden() | Unauthorized():
            return Forbidden(
                f"POST /oauth/token: {failure.status}: the credentials are wrong, or of another environment; "
                "check the client id and the secret (production and demo have separate keys)",
                status=failure.status,
                code=failure.code,
                detail=failure.detail,
            )
        case NotFound() | Rejected(status=HTTPStatus.METHOD_NOT_ALLOWED):
            return NotTheApi(
                f"POST /oauth/token: {failure.status}: no such path; check the base URL (it ends without /v1)"
            )
        case _:
            return failure


class Stage(StrEnum):
    """How far a request came before it failed: `answer` means that something answered, or should have."""

    NAME = "name"
    CONNECTION = "connection"
    TLS = "tls"
    PROXY = "proxy"
    ANSWER = "answer"


def stage_of(failure: BaseException) -> Stage:
    """Return the stage at which a request failed, by what its error was raised from."""
    causes = list(_causes(failure))
    if any(isinstance(one, httpx.ProxyError) for one in causes):
        return Stage.PROXY
    if any(isinstance(one, ssl.SSLError) or "CERTIFICATE_VERIFY" in str(one) for one in causes):
        return Stage.TLS
    if any(isinstance(one, socket.gaierror) for one in causes):
        return Stage.NAME
    if any(isinstance(one, httpx.ConnectError | httpx.ConnectTimeout) for one in causes):
        return Stage.CONNECTION
    return Stage.ANSWER


def proxy_of(base_url: str) -> str:
    """
    Return `host:port` of the proxy through which `base_url` is reached, "" for none.

    Never its user or password. Requests to this machine take none.
    """
    url = httpx.URL(base_url)
    named = "" if is_loopback(url.host) else proxy_for(url)
    if not named:
        return ""
    try:
        proxy = httpx.URL(named)
    except httpx.InvalidURL:
        return "an address that is not a URL"
    return visible(proxy.host if proxy.port is None else f"{proxy.host}:{proxy.port}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield `error` and what it was raised from, groups opened."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is None or any(one is known for known in seen):
            continue
        seen.append(one)
        yield one
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
