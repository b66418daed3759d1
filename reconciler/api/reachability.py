"""What stands between this machine and the API: which proxy, and at which stage of a connection it failed."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from enum import StrEnum

import httpx

from reconciler.api.transport import is_loopback, proxy_for
from reconciler.escape import visible


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
        return "an address that is no URL"
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
