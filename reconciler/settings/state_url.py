"""The URL of a ledger: which hosts it names, and whether it can be shown without its password."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%-]*)(?::\d*)?", re.ASCII)
_VARIABLES = re.compile(r"(?:\$\{[A-Za-z_][A-Za-z0-9_]*\})+", re.ASCII)
_PASSWORDS = ("password", "sslpassword")
_UNREADABLE = (
    "the URL of the ledger cannot be read; write postgresql://USER:PASSWORD@HOST:5432/DATABASE or s3://BUCKET/PREFIX, "
    "with % in a password as %25, @ as %40, / as %2F, : as %3A, ? as %3F and # as %23"
)
# A URL with a slash too few, or the other form of a connection string, would pass for a path, and be shown.
_NO_PATH = re.compile(r"(?:postgres(?:ql)?|s3|gs|az|https?):|(?:.*\s)?password\s*=", re.IGNORECASE | re.DOTALL)


def check_path(text: str) -> None:
    """Raise ValueError, which does not quote it, where a text that is no URL is meant as one."""
    if _NO_PATH.match(text):
        raise ValueError(_UNREADABLE)


def hosts_of(url: str) -> tuple[str, ...]:
    """
    Return every host, or bucket, that a ledger's URL names; a folder is a socket on this machine.

    Raises ValueError, which does not quote it, where readers could differ on which part is the password.

    >>> hosts_of("postgresql://ana:p%40ss@a.example:5432,b.example/state?hostaddr=10.0.0.1")
    ('a.example', 'b.example', '10.0.0.1')
    >>> hosts_of("s3://bucket/prefix?endpoint=https://s3.example")
    ('bucket', 's3.example')
    """
    rest = url.partition("://")[2]
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    user, _, named = authority.rpartition("@")
    if "@" in user or "@" in rest[len(authority) :] or re.search(r"[\s\\]", url):
        raise ValueError(_UNREADABLE)
    hosts: list[str] = []
    for part in named.split(","):
        match = _HOST.fullmatch(part)
        if match is None:
            raise ValueError(_UNREADABLE)
        hosts.append(unquote(match[1]).strip("[]"))
    for name, value in _query(url):
        if name in ("host", "hostaddr"):
            hosts += value.split(",")
        elif name == "endpoint":
            hosts.append(urlsplit(value).hostname or "")
    return tuple(host for host in hosts if host and not host.startswith(("/", "@")))


def check_no_service(url: str) -> None:
    """Raise ValueError where a URL leaves its host to a service file of PostgreSQL."""
    if any(name in ("service", "servicefile") for name, _ in _query(url)):
        raise ValueError("a service file may name any host; put the whole URL into RECONCILER_STATE")


def has_literal_password(written: str) -> bool:
    """
    Say whether a URL as the project file writes it, before its variables are put in, holds a password.

    >>> has_literal_password("postgresql://ana:hunter2@db.example/state")
    True
    >>> has_literal_password("postgresql://ana:${PASSWORD}@db.example/state")
    False
    """
    _, colon, rest = written.partition("://")
    if not colon:
        return False
    password = rest.rpartition("@")[0].partition(":")[2] if "@" in rest else ""
    passwords = [password, *(value for name, value in _query(written) if name in _PASSWORDS)]
    return any(one and not _VARIABLES.fullmatch(one) for one in passwords)


def _query(url: str) -> list[tuple[str, str]]:
    """Return names and values of a URL's query."""
    return parse_qsl(url.partition("?")[2], keep_blank_values=True)
