"""
Where a project is: the host and path of its git remote, and the folder in the repository.

The same repository is the same place wherever it is checked out, by SSH or HTTPS. A folder without a remote is a place
on this machine alone.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

from reconciler.git import git
from reconciler.model.policy import LOCAL

_SCP = re.compile(r"(?:[^@/]*@)?(\[[^\]]+\]|[^:/\[\]]{2,}):(?!//)(.*)", re.DOTALL)
_REMOTE = re.compile(r"remote\.(.*)\.url\n(.*)", re.DOTALL)
# What hosts call themselves for SSH.
_HOSTS = {
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
    "ssh.dev.azure.com": "dev.azure.com",
}


class Place:
    """The place of a folder; git is asked once, where the place is asked for."""

    def __init__(self, root: Path | None) -> None:
        self._root = root

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place)

    def __hash__(self) -> int:
        return hash(Place)

    @cached_property
    def text(self) -> str:
        """
        Return `host/path`, with `//folder` where the folder is not the repository's; `local:HASH` without a remote.

        The hash is of this machine's name and the folder's path, which are nobody else's business.
        """
        if self._root is None:
            return ""
        return _place_of(self._root) or local_place(self._root)


NOWHERE = Place(None)


def local_place(folder: Path) -> str:
    """Return the place of a folder that has no remote."""
    name = f"{platform.node()}\0{os.path.realpath(folder)}"
    return LOCAL + hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def repository_root(folder: Path) -> Path | None:
    """
    Return the root of the git repository that a folder is in; None for none, and for one of a whole home folder.

    Raises OSError where that cannot be seen.
    """
    real = folder.resolve()
    top = next((one for one in (real, *real.parents) if (one / ".git").exists()), None)
    home = os.path.realpath(os.path.expanduser("~"))  # noqa: PTH111 - Path.home() raises where there is none
    return None if top is None or str(top) == home else top


def _place_of(root: Path) -> str:
    """Return the place of a folder."""
    try:
        folder = root.resolve()
        top = next((one for one in (folder, *folder.parents) if (one / ".git").exists()), None)
    except OSError:
        return ""
    # Most folders that are in no repository need no process to know it.
    told = None if top is None else git(folder, "config", "--null", "--get-regexp", r"^remote\..*\.url$")
    if top is None or not told:
        return ""
    found = [one for one in map(_REMOTE.fullmatch, told.split("\0")) if one is not None]
    remotes = {one[1]: one[2] for one in reversed(found)}
    name = "origin" if "origin" in remotes else min(remotes, default="")
    repository = repository_of(remotes.get(name, ""))
    inside = folder.relative_to(top).as_posix()
    return f"{repository}//{inside}" if repository and inside != "." else repository


def repository_of(remote: str) -> str:
    """
    Return the host and path of a git remote, without scheme, user, port and `.git`; "" for none.

    Case does not count: no host that people share keeps two repositories that differ in it alone.

    >>> repository_of("git@github.com:Acme/billing.git"), repository_of("https://x:t@github.com:443/acme/billing/")
    ('github.com/acme/billing', 'github.com/acme/billing')
    >>> repository_of("git@ssh.dev.azure.com:v3/acme/pay/billing")
    'dev.azure.com/acme/pay/billing'
    >>> repository_of("https://acme@dev.azure.com/acme/pay/_git/billing"), repository_of("/srv/git/billing.git")
    ('dev.azure.com/acme/pay/billing', '/srv/git/billing')
    """
    remote = remote.strip()
    if "://" in remote:
        try:
            parts = urlsplit(remote)
            host, path = parts.hostname or "", unquote(parts.path)
        except ValueError:
            return ""
    elif (short := _SCP.fullmatch(remote)) is not None:
        host, path = short[1].strip("[]"), short[2]
    else:
        host, path = "", remote
    host = _HOSTS.get(host.lower(), host.lower())
    path = path.rstrip("/").removesuffix(".git").rstrip("/")
    if not host:
        return path
    path = path.strip("/").lower()
    if host in ("dev.azure.com", "vs-ssh.visualstudio.com") or host.endswith(".visualstudio.com"):
        path = path.removeprefix("v3/").replace("_git/", "")
    # What Bitbucket puts before the path by HTTPS alone.
    return f"{host}/{path.removeprefix('scm/')}" if path else ""
