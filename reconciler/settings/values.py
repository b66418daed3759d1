"""Texts of the project file, an option or a variable to values. A ValueError says what is wrong; what to do."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from urllib.parse import urlsplit

from reconciler.documents.scalars import quoted

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
        raise ValueError("'${' begins no name of a variable; write ${NAME}, or $${ for the text")
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
        raise ValueError(f"{quoted(text)}: nothing replaces a shell's variable here; write the whole path, or ~/…")
    return home_for_tilde(text)


def home_for_tilde(text: str) -> str:
    """Return a path whose first part, if it is `~` or `~NAME`, is that home folder."""
    first, slash, rest = text.partition("/")
    if not first.startswith("~"):
        return text
    try:
        return f"{Path(first).expanduser()}{slash}{rest}"
    except RuntimeError as error:
        raise ValueError(f"{quoted(first)} is nobody's home folder; write ./{first} for a file of that name") from error


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
        raise ValueError("a base URL holds no user and no password; use client_id and client_secret")
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
