"""Where requests go, and how the connection is made: the one host, TLS, the proxy."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping

import httpx

from reconciler import __version__
from reconciler.api.proxy import proxy_for
from reconciler.errors import Invalid, Problem, Source
from reconciler.escape import visible

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


def connect(url: httpx.URL, transport: httpx.AsyncBaseTransport | None, timeout_s: float) -> httpx.AsyncClient:
    """
    Return the HTTP client for one origin; HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE are honoured.

    Requests to this machine never take a proxy. Raises Invalid where the proxy or the certificates that
    the environment names cannot be used.
    """
    proxy = "" if transport is not None or is_loopback(url.host) else proxy_for(url, warn=True)
    try:
        return httpx.AsyncClient(
            transport=transport,
            proxy=proxy or None,
            # Without TLS nothing is verified; an empty context spares reading the authorities.
            verify=httpx.create_ssl_context() if url.scheme == "https" and transport is None else _no_authorities(),
            # Its own reading of NO_PROXY fails at a network of addresses.
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(timeout_s, connect=min(_CONNECT_S, timeout_s), pool=min(_POOL_S, timeout_s)),
            limits=httpx.Limits(
                max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=_IDLE_S
            ),
            headers=HEADERS,
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


def _no_authorities() -> ssl.SSLContext:
    """Return a context that trusts nobody."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
