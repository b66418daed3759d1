"""
The project file as text: found, parsed, checked, interpolated; where it is; and the ignore file of `drift`.

The same repository is the same place wherever it is checked out, by SSH or HTTPS. A folder without a remote is a place
on this machine alone.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from reconciler.documents.nodes import KeyPath as TreePath
from reconciler.documents.nodes import find_places
from reconciler.documents.parse import Document, parse
from reconciler.documents.scalars import path_text
from reconciler.documents.schema import Misfit, Shape
from reconciler.errors import Invalid, Problem, Source
from reconciler.escape import visible
from reconciler.git import git
from reconciler.input_file import read_file
from reconciler.model.policy import LOCAL
from reconciler.model.reports import DriftKind, Rule
from reconciler.resources import schema
from reconciler.settings.values import (
    check_file,
    has_literal_password,
    interpolated,
    located,
    names_a_variable,
    read_trust,
)
from reconciler.system import HERE, System

_SCP = re.compile(r"(?:[^@/]*@)?(\[[^\]]+\]|[^:/\[\]]{2,}):(?!//)(.*)", re.DOTALL)
_REMOTE = re.compile(r"remote\.(.*)\.url\n(.*)", re.DOTALL)
# What hosts call themselves for SSH.
_HOSTS = {
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
    "ssh.dev.azure.com": "dev.azure.com",
}


class ProjectPlace:
    """The place of a folder; git is asked once, where the place is asked for."""

    def __init__(self, root: Path | None) -> None:
        self._root = root

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ProjectPlace)

    def __hash__(self) -> int:
        return hash(ProjectPlace)

    @cached_property
    def text(self) -> str:
        """
        Return `host/path`, with `//folder` where the folder is not the repository's; `local:HASH` without a remote.

        The hash is of this machine's name and the folder's path, which are nobody else's business.
        """
        if self._root is None:
            return ""
        return _place_of(self._root) or local_place(self._root)


NOWHERE = ProjectPlace(None)


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


PROJECT_FILE = "reconciler.yaml"
_LARGEST = 16 * 1024**2

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """A project file whose shape is right; `path` is where it lies, `document` what it holds."""

    path: Path
    document: Document

    @property
    def name(self) -> str:
        """Return the file's name, as the user gave it."""
        return self.document.name

    @property
    def environments(self) -> Mapping[str, Any]:
        """Return the raw environments by name; one without content is None."""
        declared: Mapping[str, Any] = self.document.tree.get("environments", {})
        return declared

    def problem(self, path: TreePath, message: str, hint: str, *, at_key: bool = False) -> Problem:
        """Return a problem at `path` of this file."""
        place = find_places(self.document.data, [path])[path]
        return Problem(Source(self.name, *(place.key if at_key else place.value)), path_text(path), message, hint)

    def written(self, path: TreePath) -> tuple[Source, tuple[str, ...]]:
        """Return where `path` is written, or its nearest parent that is, and the keys that are not written."""
        tree, depth = self.document.tree, 0
        while depth < len(path) and isinstance(tree, Mapping) and path[depth] in tree:
            tree, depth = tree[path[depth]], depth + 1
        return self.problem(path[:depth], "", "").source, tuple(map(str, path[depth:]))


def read_project_file(given: str | None, cwd: Path) -> ProjectFile | None:
    """
    Return the project file that `-p` gives, else the nearest `reconciler.yaml`, else None.

    The nearest is that of the working folder, or of a folder above it up to the repository's root or the home folder.
    Raises Invalid where it cannot be read, where one found above belongs to another user, or where it does not have
    the shape of `schema/project.schema.json`.
    """
    path = nearest_project_file(cwd) if given is None else cwd / given
    if path is None:
        return None
    shown = visible(given or os.path.relpath(path, cwd))
    if given is None and path.parent != cwd and belongs_to_another(path):
        hint = f"if you trust it, pass -p {shown}"
        raise Invalid([Problem(Source(shown), "", "this project file belongs to another user and is not read", hint)])
    return project_file_of(_content(path, shown, hint="check the path in -p"), path, shown)


def project_file_of(content: bytes, path: Path, shown: str) -> ProjectFile:
    """Return the project file at `path` that holds `content`; raises Invalid where it is none."""
    document, problems = _parsed(content, shown)
    if document.tree is None and problems:
        raise Invalid(problems)
    if not isinstance(document.tree, dict):
        message = "the file is empty" if document.tree is None else "the file is not a mapping"
        raise Invalid([Problem(Source(shown), "", message, "write `files: [customers/]`, or remove the file")])
    project = ProjectFile(path, document)
    misfits = list(shape_of("project").misfits(document.tree))
    for again, value in document.again:
        misfits += shape_of("project").misfits_at(again, value)
    wrong = [*problems, *(misfit_problem(project, misfit) for misfit in misfits), *_literal_secrets(project)]
    if wrong:
        raise Invalid(sorted(wrong, key=lambda problem: problem.source))
    return project


def misfit_problem(project: ProjectFile, misfit: Misfit) -> Problem:
    """Return what does not fit as a problem; a command that a repository would have us run says where it belongs."""
    if misfit.path and misfit.path[-1] == "credentials_command":
        message = "a repository must not say which command is run"
        hint = "set RECONCILER_CREDENTIALS_COMMAND to it, or write it into your own configuration file"
        return project.problem(misfit.path, message, hint, at_key=True)
    return project.problem(misfit.path, misfit.message, misfit.hint, at_key=misfit.at_key)


def nearest_project_file(cwd: Path) -> Path | None:
    """
    Return the project file of `cwd`, else of the nearest folder above it; None where there is none.

    The search ends at the root of a git repository or at the home folder, and does not begin where neither is above:
    outside of them, folders are anybody's.
    """
    folders = (cwd, *cwd.parents)
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home() raises where there is none
    end = next((at for at, folder in enumerate(folders) if str(folder) == home or (folder / ".git").exists()), 0)
    return next((folder / PROJECT_FILE for folder in folders[: end + 1] if (folder / PROJECT_FILE).exists()), None)


def belongs_to_another(path: Path, system: System = HERE) -> bool:
    """Say whether a file belongs to another user than the one who runs this; no where the system has no such thing."""
    return not system.is_ours(path.stat())


def read_document(path: Path, shown: str, *, hint: str) -> Document:
    """Return what a YAML file holds; Invalid (with `hint` if it cannot be read) for anything wrong."""
    document, problems = _parsed(_content(path, shown, hint=hint), shown)
    if problems:
        raise Invalid(problems)
    return document


def _content(path: Path, shown: str, *, hint: str) -> bytes:
    """Return the content of a YAML file; Invalid (with `hint`) where it cannot be read."""
    try:
        return read_file(path, _LARGEST)
    except OSError as error:
        raise Invalid([Problem(Source(shown), "", f"this cannot be read: {error.strerror}", hint)]) from error


def _parsed(content: bytes, shown: str) -> tuple[Document, tuple[Problem, ...]]:
    """Return what YAML holds and what is wrong with it; Invalid where it is no YAML."""
    document, problems = parse(content, shown)
    if document is None:
        raise Invalid(problems)
    return document, problems


@cache
def shape_of(name: str) -> Shape:
    """Return the shape that a schema of ours describes; compiled once."""
    return Shape(schema(name))


def _literal_secrets(project: ProjectFile) -> list[Problem]:
    """Return a problem for each client secret, and each password of a ledger's URL, that is written out."""
    environments = project.environments if isinstance(project.environments, dict) else {}
    fleet = project.document.tree.get("fleet")
    shared = fleet.get("environment") if isinstance(fleet, dict) else None
    problems = []
    for name, environment in environments.items():
        tree = environment if isinstance(environment, dict) else {}
        secret, state = tree.get("client_secret"), tree.get("state")
        if isinstance(secret, str) and not names_a_variable(_OF_ACCOUNT.sub("X", secret)):
            hint = (
                f"name it: ${{{'AP_SECRET_{ACCOUNT}' if name == shared else 'AP_CLIENT_SECRET'}}}, "
                "or use client_secret_file; "
                "and replace the secret, which is no longer safe"
            )
            problems.append(project.problem(("environments", name, "client_secret"), _NOT_HERE.format("secret"), hint))
        if isinstance(state, str) and has_literal_password(state):
            hint = "write ${RECONCILER_STATE} set that variable to the whole URL, and replace the password"
            problems.append(project.problem(("environments", name, "state"), _NOT_HERE.format("password"), hint))
    return problems


_NOT_HERE = "a {} does not belong in this file"
_OF_ACCOUNT = re.compile(r"\{ACCOUNT\}")


@dataclass(slots=True)
class Values:
    """One mapping of a project file (an environment, or the file's top), read value by value; gathers the problems."""

    project: ProjectFile | None
    path: TreePath
    tree: Mapping[str, Any]
    variables: Mapping[str, str]
    problems: list[Problem] = field(default_factory=list)

    def inside(self, name: str) -> Values:
        """Return the mapping below `name`, empty where there is none; its problems are gathered here too."""
        return Values(self.project, (*self.path, name), self.tree.get(name) or {}, self.variables, self.problems)

    def text(self, name: str, *, secret: bool = False) -> str | Problem | None:
        """
        Return the text of `name` interpolated, the Problem where that cannot be, None where it is not written.

        Only one that is sent as a `secret` may hold one.
        """
        written = self.tree.get(name)
        return None if written is None else self._interpolated((*self.path, name), written, secret=secret)

    def parsed(self, name: str, parse_text: Callable[[str], T], default: T) -> T:
        """Return what `parse_text` makes of `name`, `default` where it is not written or wrong."""
        text = self.text(name)
        if isinstance(text, Problem):
            self.problems.append(text)
        elif text is not None:
            try:
                return parse_text(text)
            except ValueError as error:
                self.problems.append(self.problem(name, error))
        return default

    def flag(self, name: str) -> bool | None:
        """Return a boolean, None where it is not written."""
        value: bool | None = self.tree.get(name)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts, empty where it is not written."""
        return self.several((*self.path, name), self.tree.get(name) or ())

    def paths(self, name: str) -> tuple[str, ...]:
        """Return a list of paths, empty where it is not written; one that it may not name is a problem."""
        folder = self.project.path.parent if self.project else Path()
        found = []
        for index, text in enumerate(self.texts(name)):
            try:
                found.append(located(text))
                check_file(folder / found[-1])
            except ValueError as error:
                self.problems.append(self._problem((*self.path, name, index), error))
        return tuple(found)

    def several(self, path: TreePath, texts: Sequence[str]) -> tuple[str, ...]:
        """Return `texts`, which are at `path`, interpolated."""
        read = [self._interpolated((*path, index), text) for index, text in enumerate(texts)]
        self.problems.extend(one for one in read if isinstance(one, Problem))
        return tuple(one for one in read if isinstance(one, str))

    def problem(self, name: str, error: ValueError) -> Problem:
        """Return what is wrong with the value of `name`; `error` says what; what to do."""
        return self._problem((*self.path, name), error)

    def problem_at(self, below: TreePath, error: ValueError) -> Problem:
        """Return what is wrong with the value at a path below this mapping."""
        return self._problem((*self.path, *below), error)

    def here(self) -> Source | None:
        """Return where this mapping is written."""
        return None if self.project is None else self.project.problem(self.path, "", "").source

    def place(self, name: str) -> Source | None:
        """Return where `name` is written, None where it is not."""
        if self.project is None or name not in self.tree:
            return None
        return self.project.problem((*self.path, name), "", "").source

    def items(self, name: str) -> tuple[Values, ...]:
        """Return the mappings that the list `name` holds; their problems are gathered here too."""
        path = (*self.path, name)
        rows = enumerate(self.tree.get(name) or ())
        return tuple(Values(self.project, (*path, at), row, self.variables, self.problems) for at, row in rows)

    def _interpolated(self, path: TreePath, text: str, *, secret: bool = False) -> str | Problem:
        try:
            read_trust(self.variables).check_variables(text, secret=secret)
            return interpolated(text, self.variables)
        except ValueError as error:
            return self._problem(path, error)

    def _problem(self, path: TreePath, error: ValueError) -> Problem:
        message, _, hint = str(error).partition("; ")
        if self.project is None:
            return Problem(Source(path_text(path)), "", message, hint)
        return self.project.problem(path, message, hint)


IGNORE_FILE = "drift-ignore.yaml"


def read_rules(given: str | None, root: Path, cwd: Path) -> tuple[Rule, ...]:
    """
    Return the rules of the file that `--ignore` gives (from `cwd`), else of `drift-ignore.yaml` in `root`, else none.

    Raises Invalid with every problem where it cannot be read, or does not have the shape of its schema.
    """
    path = root / IGNORE_FILE if given is None else cwd / given
    if given is None and not path.exists():
        return ()
    shown = visible(given or IGNORE_FILE)
    document = read_document(path, shown, hint="check the path in --ignore")
    misfits = shape_of("drift-ignore").misfits(document.tree)
    if misfits:
        wrong = [_problem(document, one.path, one.message, one.hint, at_key=one.at_key) for one in misfits]
        raise Invalid(sorted(wrong, key=lambda problem: problem.source))
    read = [_rule(document, place, raw) for place, raw in enumerate(document.tree["ignore"])]
    broken = [one for one in read if isinstance(one, Problem)]
    if broken:
        raise Invalid(broken)
    return tuple(one for one in read if isinstance(one, Rule))


def _rule(document: Document, place: int, raw: dict[str, Any]) -> Rule | Problem:
    """Return one rule, or what is wrong with its day."""
    path: TreePath = ("ignore", place)
    try:
        until = date.fromisoformat(raw["until"])
    except ValueError:
        return _problem(document, (*path, "until"), "this is not a date", "write it like 2027-01-31")
    source = _problem(document, path, "", "").source
    kinds = frozenset(map(DriftKind, raw.get("kinds", ())))
    return Rule(raw["key"], until, raw["reason"], source, kinds, frozenset(raw.get("fields", ())))


def _problem(document: Document, path: TreePath, message: str, hint: str, *, at_key: bool = False) -> Problem:
    """Return a problem at `path` of the file."""
    place = find_places(document.data, [path])[path]
    return Problem(Source(document.name, *(place.key if at_key else place.value)), path_text(path), message, hint)
