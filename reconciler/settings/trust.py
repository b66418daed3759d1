"""
What a project file may name: variables, hosts and files. More than that is allowed from outside the file alone.

A project file comes with the customers files, from whoever may propose a change to them. It says which account is
meant, and not where the secrets of this process go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from reconciler.escape import visible
from reconciler.settings.values import is_this_machine, variables_in

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
        ValueError: a project file may not use the variable HOME; to allow it, set RECONCILER_ALLOWED_VARIABLES=HOME
        """
        named = dict.fromkeys(variables_in(text))
        for name in named:
            if _KEY.fullmatch(name):
                message = f"a project file may not use the variable {name}, which is for this program alone"
                raise ValueError(f"{message}; remove it")
        asked = [name for name in named if name not in self.variables]
        foreign = [name for name in asked if not name.startswith(_OURS)]
        if foreign:
            message = f"a project file may not use the variable {foreign[0]}"
            raise ValueError(f"{message}; to allow it, set {_added(ALLOWED_VARIABLES, self.variables, foreign)}")
        for name in asked:
            if not secret and _SECRET.match(name):
                message = f"the variable {name} holds a secret, by its name, and this value is shown"
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
            message = f"a project file may not send to {visible(wanted[0])}"
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
        raise ValueError(f"a project file may not name a file in /{folder}; name a regular file")


def _listed(text: str) -> tuple[str, ...]:
    """Return what a comma separated list holds, each once."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _added(variable: str, allowed: Iterable[str], more: Iterable[str]) -> str:
    """Return the setting that allows `more`."""
    return f"{variable}={visible(','.join((*allowed, *more)))}"
