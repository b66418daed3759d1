"""
Whose entries changed since a commit: the files of the merge base, read from git, compared with those of now.

What is compared is what is declared, so a change of a default or of an overlay counts for whoever it concerns. Where
that cannot be known, or a setting changed that has no values of its own, the answer is everyone, with the reason.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import lru_cache
from operator import attrgetter
from pathlib import Path, PurePosixPath
from posixpath import normpath

from reconciler.desired.files import STDIN, File, chosen, name_from
from reconciler.desired.load import PROJECT_FILE, load_some
from reconciler.errors import Invalid, ReconcilerError, Source
from reconciler.escape import visible
from reconciler.file_patterns import is_below, is_customers_file, plain_part
from reconciler.git import SLOW_S, GitFailed, TreeEntry, asked, blobs, tree_of
from reconciler.model.core import Desired, DesiredCustomer
from reconciler.model.fleet import FleetAccount
from reconciler.model.policy import SHORT, Since
from reconciler.model.reasons import NoteKind, ReasonParts
from reconciler.pipeline.resources import FORMAT, read_status
from reconciler.plan.scope import literal, selecting
from reconciler.settings import Environment, Settings
from reconciler.settings.fleet import ACCOUNT_FILE

_OF_FEW = frozenset({"name", "access", "overlays", "rate_per_s"})
"""Settings that change no plan, or only through what is declared; of `access`, what leads to the account counts."""


_FETCH = "fetch the whole history: git fetch --unshallow, or fetch-depth: 0 for actions/checkout"


class _Everyone(Exception):
    """The whole account must be planned, and why."""

    def __init__(self, why: NoteKind, parts: ReasonParts) -> None:
        super().__init__(why)
        self.why = why
        self.parts = parts


@dataclass(frozen=True, slots=True)
class _Commit:
    """What a commit has, by path relative to the project's folder `root`; links to files are what they lead to."""

    ref: str
    id: str
    root: Path
    files: Mapping[str, TreeEntry]
    obstacles: tuple[str, ...]

    @property
    def parts(self) -> dict[str, str]:
        """Return what every note says of it."""
        return {"ref": self.ref, "commit": self.id[:SHORT]}

    def contents(self, names: tuple[str, ...]) -> tuple[File, ...]:
        """Return files with what they hold."""
        found = blobs(self.root, [self.files[name].object_id for name in names])
        return tuple(File(name, content) for name, content in zip(names, found, strict=True))


def changed_since(
    ref: str, settings: Settings, environment: Environment, now: Desired
) -> tuple[Since, tuple[str, ...]]:
    """
    Return by which commit a plan is narrowed, and the targets that it is narrowed to.

    Without targets it is about nobody, or about everyone where `Since.whole` says why. `now` is what the files declare
    for `environment`. Raises ReconcilerError where `ref` leads to no commit to compare with.
    """
    base = merge_base(settings.root, ref)
    try:
        keys = _changed(_commit(settings.root, ref, base), settings, environment, now)
    except GitFailed as exc:
        raise ReconcilerError(f"git cannot read commit {base[:SHORT]}: {_said(exc)}", _FETCH) from exc
    except _Everyone as everyone:
        count = len(now.customers)
        return Since(ref, base, count, count, everyone.why, everyone.parts), ()
    excluded = selecting(settings.options.excludes)
    targets = tuple(literal(key) for key in sorted(keys) if not excluded(key))
    return Since(ref, base, len(now.customers.keys() | keys), len(targets)), targets


def merge_base(root: Path, ref: str) -> str:
    """
    Return the id of the one best common ancestor of `ref` and HEAD.

    Raises ReconcilerError where there is none, where there are several, or where a shallow clone may lack the best.
    """
    try:
        asked(root, "rev-parse", "--show-toplevel")
    except GitFailed as exc:
        # Git ends such a message with the command that trusts the folder.
        own = next((line.strip() for line in str(exc).splitlines() if "--add safe.directory" in line), "")
        hint = f"if you trust it, run {visible(own)}" if own else "run it in a git checkout"
        raise ReconcilerError(f"--changed-since compares with a commit of git: {_said(exc)}", hint) from exc
    head, other = _resolved(root, "HEAD"), _resolved(root, ref)
    shallow, found = False, list[str]()
    try:
        shallow = asked(root, "rev-parse", "--is-shallow-repository").strip() == "true"
        found = asked(root, "merge-base", "--all", other, head, timeout_s=SLOW_S).split()
    except GitFailed as exc:
        # Without a common commit, git fails and says nothing.
        if str(exc):
            raise ReconcilerError(f"--changed-since: {_said(exc)}", _FETCH) from exc
    if shallow and found != [other]:
        message = f"this clone is shallow, so git cannot tell where {visible(ref)} and HEAD branch"
        raise ReconcilerError(f"--changed-since: {message}", _FETCH)
    if not found:
        raise ReconcilerError(
            f"--changed-since: {visible(ref)} and HEAD have no common commit", "name a commit of this branch's history"
        )
    if len(found) > 1:
        raise ReconcilerError(
            f"--changed-since: {visible(ref)} and HEAD branch at {len(found)} commits",
            f"merge {visible(ref)} into this branch, or name one of them: {', '.join(one[:SHORT] for one in found)}",
        )
    return found[0]


def changed_accounts(ref: str, settings: Settings, accounts: Sequence[FleetAccount]) -> tuple[FleetAccount, ...]:
    """
    Return the accounts of a fleet whose files may differ from those of the merge base of `ref` and HEAD.

    They are those in whose folders something differs, those whose folders cannot be an account's, and all of them where
    the project file or an overlay differs. What a link leads to is not followed: an account with a link counts as
    changed. Of the others a plan would be about nobody. Raises ReconcilerError where `ref` leads to no commit to
    compare with.
    """
    root = settings.root
    base = merge_base(root, ref)
    try:
        prefix = asked(root, "rev-parse", "--show-prefix").rstrip("\n")
        then, now = ({one.path: one for one in tree_of(root, commit)} for commit in (base, "HEAD"))
        told = asked(root, "status", *FORMAT, "--untracked-files=all", "--ignored=matching", timeout_s=SLOW_S)
    except GitFailed as exc:
        raise ReconcilerError(f"git cannot compare with commit {base[:SHORT]}: {_said(exc)}", _FETCH) from exc
    differing = {path for path in then.keys() | now.keys() if then.get(path) != now.get(path)}
    differing |= read_status(told)[1]
    top = Path(prefix) if prefix else Path()
    names = {name_from(top, Path(path)) for path in differing}
    file = settings.project_file
    overlays = () if not accounts else settings.shared(accounts[0].environment).environment().overlays
    if (file is not None and name_from(root, file) in names) or chosen(overlays, names, root=root):
        return tuple(accounts)
    elsewhere = {one.path for one in (*then.values(), *now.values()) if one.link or one.kind == "commit"}
    # Whatever is above one of these, or is it, or is below a folder that git does not look into.
    touched = {
        str(above) for path in differing | elsewhere for above in (path.rstrip("/"), *PurePosixPath(path).parents)
    }
    whole = {path.rstrip("/") for path in differing if path.endswith("/")} | elsewhere

    def concerned(account: FleetAccount) -> bool:
        if account.fault is not None:
            return True
        folder = normpath(f"{prefix}{account.folder}")
        return folder in touched or not whole.isdisjoint((folder, *map(str, PurePosixPath(folder).parents)))

    return tuple(one for one in accounts if concerned(one))


def _said(exc: GitFailed) -> str:
    """Return the first line of git's own words."""
    lines = str(exc).splitlines() or ["git failed"]
    return visible(lines[0].removeprefix("fatal: ").removeprefix("error: "))


def _resolved(root: Path, ref: str) -> str:
    """Return the id of the commit that `ref` names."""
    if ref and not ref.startswith("-") and ref.isprintable():
        try:
            return asked(root, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}").strip()
        except GitFailed:
            pass
    if ref == "HEAD":
        raise ReconcilerError("--changed-since: this repository has no commit yet", "leave it out")
    hint = "check its name, and fetch it: git fetch origin, or fetch-depth: 0 for actions/checkout"
    if ref and "/" not in ref and ref.isprintable():
        try:
            asked(root, "rev-parse", "--verify", "--quiet", f"refs/remotes/origin/{ref}^{{commit}}")
            hint = f"did you mean origin/{ref}?"
        except GitFailed:
            pass
    raise ReconcilerError(f"--changed-since: there is no commit '{visible(ref)}' here", hint)


@lru_cache(maxsize=1)
def _commit(root: Path, ref: str, commit: str) -> _Commit:
    """Return what a commit has, read once for the accounts of a fleet."""
    prefix = asked(root, "rev-parse", "--show-prefix").rstrip("\n")
    entries = {one.path: one for one in tree_of(root, commit)}
    files: dict[str, TreeEntry] = {}
    obstacles: list[str] = []
    links = [one for one in entries.values() if one.link]
    ends = dict(zip((one.path for one in links), blobs(root, [one.object_id for one in links]), strict=True))
    for path, entry in entries.items():
        name = path.removeprefix(prefix) if path.startswith(prefix) else name_from(Path(prefix), Path(path))
        if not entry.link and entry.kind == "blob":
            files[name] = entry
            continue
        end = _end(path, ends, entries) if entry.link else None
        if end is not None:
            files[name] = end
        elif entry.kind == "commit" or not _is_plain_link(name, ends[path]):
            obstacles.append(name)
    return _Commit(ref, commit, root, files, tuple(obstacles))


def _end(path: str, ends: Mapping[str, bytes], entries: Mapping[str, TreeEntry]) -> TreeEntry | None:
    """Return the file that a link leads to, None where it is none of the commit's."""
    for _ in range(len(ends)):
        target = ends[path].decode("utf-8", "surrogateescape")
        path = normpath(f"{PurePosixPath(path).parent}/{target}") if not target.startswith("/") else target
        entry = entries.get(path)
        if entry is None or not entry.link:
            return entry if entry is not None and entry.kind == "blob" else None
    return None


def _is_plain_link(name: str, target: bytes) -> bool:
    """Say whether a link that leads to no file of the commit is named like a file that is no customers file."""
    last = PurePosixPath(name).name
    return not is_customers_file(last) and bool(PurePosixPath(last).suffix) and not target.endswith(b"/")


def _changed(commit: _Commit, settings: Settings, environment: Environment, now: Desired) -> frozenset[str]:
    """Return the keys whose entries differ; raises _Everyone where that cannot be known, or all are concerned."""
    then_settings = _settings_then(commit, settings)
    unknown = _Everyone(NoteKind.SINCE_ENVIRONMENT_UNKNOWN, {**commit.parts, "environment": environment.name})
    if (environment.shared_name in settings.names) != (environment.shared_name in then_settings.names):
        raise unknown
    try:
        then = then_settings.environment(environment.name)
        paths = then_settings.files()
        overlays, without = then.overlays, (PROJECT_FILE, *then.overlays, *then_settings.overlays)
    except Invalid as exc:
        raise unknown from exc
    settings_differ = (*_differing(then, environment), *_account_file(commit, settings))
    if settings_differ:
        raise _Everyone(NoteKind.SINCE_SETTINGS, {**commit.parts, "settings": settings_differ})
    _all_in_git(commit, (*paths, *settings.files(), *overlays, *environment.overlays), now)
    names = chosen(paths, commit.files.keys(), root=settings.root, without=without)
    above = tuple(name for path in overlays for name in chosen([path], commit.files.keys(), root=settings.root))
    # A link and what it leads to are one file, read once.
    names = tuple({commit.files[name].path: name for name in reversed(names)}.values())[::-1]
    return _compared(commit, commit.contents(names), commit.contents(above), environment, now)


def _settings_then(commit: _Commit, settings: Settings) -> Settings:
    """Return the settings that options and variables of now give with the project file of a commit."""
    root, found = settings.root, settings.project_file
    name = PROJECT_FILE if found is None else found.name
    # A project file that was nearer then would have been the one that is read.
    nearer = [] if settings.options.project_file else _folders(Path.cwd(), root, until_top=found is None)
    for folder in nearer:
        other = name_from(root, folder / PROJECT_FILE)
        if other != name and other in commit.files:
            raise _Everyone(NoteKind.SINCE_PROJECT_FILE, {**commit.parts, "file": other})
    if (found is None) == (name in commit.files):
        raise _Everyone(NoteKind.SINCE_PROJECT_FILE, {**commit.parts, "file": name})
    if found is None:
        return settings
    (file,) = commit.contents((name,))
    try:
        return settings.with_project_file(file.content)
    except Invalid as exc:
        raise _unreadable(commit, exc) from exc


def _folders(cwd: Path, root: Path, *, until_top: bool) -> Iterator[Path]:
    """Yield the folders in which a project file would be found before that of `root`; all above where it has none."""
    for folder in (cwd, *cwd.parents):
        if not until_top and folder == root:
            return
        yield folder


def _unreadable(commit: _Commit, exc: Invalid) -> _Everyone:
    """Return that a file of then cannot be read; never its words, which may show a value."""
    at = exc.problems[0].source
    return _Everyone(NoteKind.SINCE_FILE_UNREADABLE, {**commit.parts, "at": Source(at.file, at.line)})


def _differing(then: Environment, now: Environment) -> Iterator[str]:
    """Yield the names of settings that differ and can concern every customer."""
    for field in fields(Environment):
        if field.name not in _OF_FEW and _plain(getattr(then, field.name)) != _plain(getattr(now, field.name)):
            yield field.name
    for name in ("base_url", "state"):
        if _plain(getattr(then.access, name)) != _plain(getattr(now.access, name)):
            yield name


def _account_file(commit: _Commit, settings: Settings) -> Iterator[str]:
    """Yield the name of an account's own file where it differs: what it says is read from the disk alone."""
    if settings.account is None:
        return
    name = f"{normpath(settings.account.folder)}/{ACCOUNT_FILE}"
    path = settings.root / name
    now = path.read_bytes() if path.is_file() else None
    then = commit.contents((name,))[0].content if name in commit.files else None
    if then != now:
        yield ACCOUNT_FILE


def _plain(value: object) -> object:
    """Return a value without the places where its parts were written."""
    if isinstance(value, Source):
        return None
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value) if one.compare}
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return value


def _all_in_git(commit: _Commit, paths: tuple[str, ...], now: Desired) -> None:
    """Raise _Everyone where a path leads, or a file was read, outside of what the commit can hold."""
    top = Path(asked(commit.root, "rev-parse", "--show-toplevel").rstrip("\n"))
    real = Path(os.path.realpath(commit.root))
    outside = "-" if "-" in paths else ""
    for name in [name_from(commit.root, commit.root / plain_part(path)) for path in paths if path != "-"]:
        if not Path(os.path.normpath(real / name)).is_relative_to(top):
            outside = outside or name
        blocked = (one for one in commit.obstacles if one == name or _within(one, name) or _within(name, one))
        outside = outside or next(blocked, "")
    for file in now.reading.files:
        if not Path(os.path.realpath(commit.root / file.name)).is_relative_to(top):
            outside = outside or file.name
    if outside:
        raise _Everyone(NoteKind.SINCE_NOT_IN_GIT, {"ref": commit.ref, "file": STDIN if outside == "-" else outside})


def _within(name: str, folder: str) -> bool:
    """Say whether what lies at `name` would be looked into with a folder."""
    return is_below(f"{name}/any.yaml", folder)


def _compared(
    commit: _Commit, files: tuple[File, ...], overlays: tuple[File, ...], environment: Environment, now: Desired
) -> frozenset[str]:
    """
    Return the keys whose entries differ from those of `files` with `overlays` over them.

    While no overlay differs, an entry is that of its file alone: files that are the same byte by byte are not parsed.
    """
    hashes = {one.name: one.sha256 for one in now.reading.files}
    same = {one.name for one in (*files, *overlays) if hashes.get(one.name) == hashlib.sha256(one.content).hexdigest()}
    laid = {one.name for one in overlays}
    now_laid = tuple(chosen(environment.overlays, hashes.keys(), root=commit.root))
    apart = same - laid if tuple(one.name for one in overlays) == now_laid and laid <= same else set()
    try:
        then, named = load_some(
            [one for one in files if one.name not in apart],
            overlays,
            include=environment.include,
            exclude=environment.exclude,
        )
    except Invalid as exc:
        raise _unreadable(commit, exc) from exc
    keys = named | {key for key, one in now.customers.items() if one.source.file not in apart}
    if not apart:
        keys |= then.customers.keys()
    changed = {key for key in keys if not _same(then.customers.get(key), now.customers.get(key))}
    return frozenset(changed | _moved(then, now, apart) | _forgotten(then, now, apart))


_VALUES = attrgetter(*(one.name for one in fields(DesiredCustomer) if one.name not in ("source", "users")))


def _same(then: DesiredCustomer | None, now: DesiredCustomer | None) -> bool:
    """Say whether two entries declare the same, in the same file; their places in it do not count."""
    if then is None or now is None:
        return then is now
    if _VALUES(then) != _VALUES(now) or then.source.file != now.source.file or len(then.users) != len(now.users):
        return False
    users = zip(then.users, now.users, strict=True)
    return all(replace(one, source=other.source) == other for one, other in users)


def _moved(then: Desired, now: Desired, apart: set[str]) -> set[str]:
    """Return the keys of `moved` lines that are only in one of the two."""
    before = {(one.origin, one.to) for one in then.moved}
    after = {(one.origin, one.to) for one in now.moved if one.source.file not in apart}
    return {key for line in before ^ after for key in line}


def _forgotten(then: Desired, now: Desired, apart: set[str]) -> set[str]:
    """Return the keys that only one of the two forgets."""
    return then.forget.keys() ^ {key for key, source in now.forget.items() if source.file not in apart}
