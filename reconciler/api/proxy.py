"""Which proxy requests to one host take, by the variables that other programs obey too."""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from urllib.request import getproxies, proxy_bypass

import httpx

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
