"""Where requests go, and how the connection is made: the one host, TLS, the proxy."""

from __future__ import annotations

import ipaddress
import logging
import re
import ssl
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from urllib.request import getproxies, proxy_bypass

import httpx

from reconciler import __version__
from reconciler.errors import Invalid, Problem, Source
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
            _log.warning("NO_PROXY: %r names no host, domain, address or network, and is skipped", visible(entry))


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
        raise _invalid("the base URL is no URL", "write it as https://HOST") from error
    if url.scheme not in ("https", "http") or not url.host:
        raise _invalid(f"the base URL {visible(base_url)!r} names no host", "write it as https://HOST")
    if url.userinfo or url.query or url.fragment:
        raise _invalid(f"the base URL of {visible(url.host)} holds a user, a query or a fragment", "leave them out")
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
    """Return how long each part of a request may take at most, as a transport is told."""
    return httpx.Timeout(timeout_s, connect=min(_CONNECT_S, timeout_s), pool=min(_POOL_S, timeout_s)).as_dict()


def _no_authorities() -> ssl.SSLContext:
    """Return a context that trusts nobody."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
