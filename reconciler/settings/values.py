"""
Text of the project file, an option or a variable as values, and what such a file may name at all.

What a file may name: a project file comes with the customers files, from whoever may propose a change to them. It
says which account is meant, and not where the secrets of this process go.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from reconciler.documents.scalars import quoted
from reconciler.escape import visible

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""A name that an environment may have; its ledger's file is named by it."""

SLOWEST_PER_S = 0.001
"""A request in a quarter of an hour; less is a slip of the pen."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_VARIABLE = re.compile(r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)\})", re.ASCII)
_SHELL = re.compile(r"\$[A-Za-z_{(]|`", re.ASCII)
_ONE_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}", re.ASCII)


def interpolated(text: str, variables: Mapping[str, str]) -> str:
    """
    Return `text` with each `${NAME}` replaced by that variable, and `$$` by `$`; an empty variable is an unset one.

    >>> interpolated("${HOST}/$$1", {"HOST": "db"})
    'db/$1'
    """

    def value(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        if not variables.get(match[2]):
            raise ValueError(f"the variable {match[2]} is not set, or is empty; set it")
        return variables[match[2]]

    if "${" in _VARIABLE.sub("", text):
        raise ValueError("'${' does not begin a variable's name; write ${NAME}, or $${ for the text")
    return _VARIABLE.sub(value, text)


def variables_in(text: str) -> tuple[str, ...]:
    """
    Return the variables that a text names, in their order.

    >>> variables_in("${HOST}/$${X}/${NAME}")
    ('HOST', 'NAME')
    """
    return tuple(match[2] for match in _VARIABLE.finditer(text) if match[2])


def names_a_variable(text: str) -> bool:
    """
    Say whether `text` is one `${NAME}` and nothing else.

    >>> names_a_variable("${AP_CLIENT_SECRET}"), names_a_variable("s3cret")
    (True, False)
    """
    return _ONE_VARIABLE.fullmatch(text) is not None


def located(text: str) -> str:
    """
    Return a path with what a shell would have made of `~` at its start; a variable that is left in it is an error.

    >>> located("state/"), located("./~/state")
    ('state/', './~/state')
    """
    if _SHELL.search(text):
        raise ValueError(f"{quoted(text)}: shell variables are not expanded here; write the whole path, or ~/…")
    return home_for_tilde(text)


def home_for_tilde(text: str) -> str:
    """Return a path whose first part, if it is `~` or `~NAME`, is that home folder."""
    first, slash, rest = text.partition("/")
    if not first.startswith("~"):
        return text
    try:
        return f"{Path(first).expanduser()}{slash}{rest}"
    except RuntimeError as error:
        raise ValueError(f"{quoted(first)} is not a home folder; write ./{first} for a file with that name") from error


def seconds(text: str) -> float:
    """
    Return a duration in seconds.

    >>> seconds("500ms"), seconds("10s"), seconds("1m"), seconds("2h")
    (0.5, 10.0, 60.0, 7200.0)
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{quoted(text)} is not a duration; write a number with ms, s, m or h, such as 10s")
    return float(match[1]) * _SECONDS[match[2]]


def rate(text: str) -> float:
    """
    Return requests per second; 0 is no limit.

    >>> rate("5"), rate("0")
    (5.0, 0.0)
    """
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not isfinite(number) or (number and number < SLOWEST_PER_S):
        raise ValueError(f"{quoted(text)} is not a rate; write requests per second, such as 5, or 0 for no limit")
    return number


def base_url(text: str) -> str:
    """
    Return a base URL without the slash at its end.

    It must be https; http serves this machine alone, as a token must not cross a network in the clear. The value is
    never shown where it may hold a password.

    >>> base_url("https://api.example/"), base_url("http://127.0.0.1:8085")
    ('https://api.example', 'http://127.0.0.1:8085')
    """
    try:
        parts = urlsplit(text.strip())
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise ValueError("this is not a URL; write one such as https://api.example") from error
    if parts.username is not None or parts.password is not None:
        raise ValueError("a base URL cannot contain a user or password; use client_id and client_secret")
    if parts.scheme not in ("http", "https") or not host or re.search(r"\s", text.strip()):
        raise ValueError(f"{quoted(text)} is not a base URL; write one such as https://api.example")
    if parts.query or parts.fragment or "?" in text or "#" in text:
        raise ValueError(f"{quoted(text)} has a query or a fragment; a base URL ends with its path")
    if parts.scheme == "http" and not is_this_machine(host):
        raise ValueError(f"{quoted(text)} is not encrypted; write https (http is for this machine alone)")
    return text.strip().rstrip("/")


def is_this_machine(host: str) -> bool:
    """Say whether `host` is a loopback address or localhost."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


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
        raise ValueError("a service file can name any host; set RECONCILER_STATE to the whole URL")


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


ALLOWED_VARIABLES = "RECONCILER_ALLOWED_VARIABLES"
ALLOWED_HOSTS = "RECONCILER_ALLOWED_HOSTS"
ALLOWED_FOLDERS = "RECONCILER_ALLOWED_FOLDERS"

VENDOR_HOSTS = ("public-api.alternativepayments.io", "public-api.demo.alternativepayments.io")

_OURS = ("AP_", "RECONCILER_")
# What this process alone needs: it is sent to nobody.
_KEY = re.compile(r"RECONCILER_(?:.*KEY.*|NOTIFY.*|ALLOWED_.*)", re.ASCII | re.IGNORECASE)
# What ends with _ID is a name and no key.
_SECRET = re.compile(r"(?!.*_ID$).*(?:SECRET|PASSWORD|PASSWD|TOKEN|KEY)", re.IGNORECASE)
_SYSTEM = (Path("/proc"), Path("/dev"), Path("/sys"))


@dataclass(frozen=True, slots=True)
class Trust:
    """What is allowed beside `AP_*`, `RECONCILER_*`, the vendor's hosts and this machine; see `read_trust`."""

    variables: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    def check_variables(self, text: str, *, secret: bool) -> None:
        """
        Raise ValueError where `text` uses a variable that it may not.

        `secret` says that the value is sent as a secret and shown nowhere; a variable whose name says that it holds
        one is used nowhere else, unless it is allowed by name.

        >>> Trust().check_variables("${AP_CLIENT_ID}", secret=False)
        >>> Trust().check_variables("${HOME}", secret=False)
        Traceback (most recent call last):
            ...
        ValueError: a project file cannot use the variable HOME; to allow it, set RECONCILER_ALLOWED_VARIABLES=HOME
        """
        named = dict.fromkeys(variables_in(text))
        for name in named:
            if _KEY.fullmatch(name):
                message = f"a project file cannot use the variable {name}, which is only for Reconciler itself"
                raise ValueError(f"{message}; remove it")
        asked = [name for name in named if name not in self.variables]
        foreign = [name for name in asked if not name.startswith(_OURS)]
        if foreign:
            message = f"a project file cannot use the variable {foreign[0]}"
            raise ValueError(f"{message}; to allow it, set {_added(ALLOWED_VARIABLES, self.variables, foreign)}")
        for name in asked:
            if not secret and _SECRET.match(name):
                message = f"the variable {name} holds a secret, judging by its name, and this value is printed"
                raise ValueError(f"{message}; use it in client_secret or as the password in state, or rename it")

    def check_hosts(self, hosts: Iterable[str]) -> None:
        """
        Raise ValueError where one of `hosts` is neither the vendor's nor this machine, and is not allowed.

        >>> Trust(hosts=("db.example",)).check_hosts(["DB.example.", "127.0.0.1"])
        """
        allowed = {same_host(host) for host in (*VENDOR_HOSTS, *self.hosts)}
        foreign = [host for host in hosts if same_host(host) not in allowed and not is_this_machine(host)]
        if foreign:
            wanted = list(dict.fromkeys(map(same_host, foreign)))
            message = f"a project file cannot send to {visible(wanted[0])}"
            raise ValueError(f"{message}; to allow it, set {_added(ALLOWED_HOSTS, self.hosts, wanted)}")


def read_trust(variables: Mapping[str, str]) -> Trust:
    """Return what the three variables allow, separated by commas."""
    return Trust(*(_listed(variables.get(name, "")) for name in (ALLOWED_VARIABLES, ALLOWED_HOSTS, ALLOWED_FOLDERS)))


def same_host(host: str) -> str:
    """
    Return a host as it is compared: without case, brackets, and the dot at its end.

    >>> same_host("DB.Example."), same_host("[::1]")
    ('db.example', '::1')
    """
    return host.strip().strip("[]").rstrip(".").lower()


def bills(base_url: str) -> bool:
    """
    Say whether a base URL leads to the account that bills, however its host is written.

    >>> bills("https://Public-API.alternativepayments.io.:443/x"), bills("https://public-api.demo.alternativepayments.io")
    (True, False)
    """
    return same_host(host_of(base_url)) == VENDOR_HOSTS[0]


def host_of(url: str) -> str:
    """Return the host of a URL, "" for none."""
    return urlsplit(url).hostname or ""


def check_file(path: Path) -> None:
    """Raise ValueError where a path leads to the system's own files, which show this process and its devices."""
    try:
        found = path.resolve()
    except (OSError, RuntimeError, ValueError):
        return  # whoever reads it says why it cannot
    if any(found.is_relative_to(folder) for folder in _SYSTEM):
        folder = found.parts[1]
        raise ValueError(f"a project file cannot name a file in /{folder}; name a regular file")


def _listed(text: str) -> tuple[str, ...]:
    """Return what a comma separated list holds, each once."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _added(variable: str, allowed: Iterable[str], more: Iterable[str]) -> str:
    """Return the setting that allows `more`."""
    return f"{variable}={visible(','.join((*allowed, *more)))}"
