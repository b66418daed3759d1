"""What a run works with, made from settings: clock, client, ledger; the lock of a writing run; and who runs it."""

from __future__ import annotations

import asyncio
import os
import random
import shlex
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from reconciler.clock import Clock, RealClock
from reconciler.crash_points import Step, no_hook
from reconciler.errors import Invalid, LedgerFailed, Locked, TakenOver
from reconciler.git import git
from reconciler.input_file import private_mode
from reconciler.ledger.base import Ledger
from reconciler.ledger.encryption import Cipher, SealedLedger, read_keys
from reconciler.ledger.lock import Holder, Lock, account_key, lock_holder, rfc3339, take_lock, this_process
from reconciler.ledger.open import connect_sqlite, end_lease, files_of, is_shared, lease_holder, shared_pace
from reconciler.ledger.open import open_ledger as open_ledger_at
from reconciler.ledger.sqlite_file import copy_beside
from reconciler.model.core import NO_FILE
from reconciler.model.policy import UNBOUNDED, Allowance
from reconciler.settings import Environment
from reconciler.settings.project import repository_root

if TYPE_CHECKING:
    from reconciler.api.client import ApiClient
    from reconciler.api.exchange import Sent
    from reconciler.api.limit import Board


ACTORS = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILDKITE_BUILD_CREATOR", "CIRCLE_USERNAME", "BUILD_REQUESTEDFOR")
"""Who began the job, as GitHub Actions, GitLab CI, Buildkite, CircleCI and Azure Pipelines name it."""

URLS = ("CI_JOB_URL", "BUILDKITE_BUILD_URL", "CIRCLE_BUILD_URL", "BUILD_URL")
"""Where the job is shown: GitLab CI, Buildkite, CircleCI, Jenkins. GitHub Actions has it in three parts."""

COMMITS = ("GITHUB_SHA", "CI_COMMIT_SHA", "BUILDKITE_COMMIT", "CIRCLE_SHA1", "GIT_COMMIT", "BUILD_SOURCEVERSION")


@dataclass(frozen=True, slots=True)
class Origin:
    """
    Who (`user@host pid`), the git commit of the project's folder, the CI job's URL, whom CI names; "" where unknown.

    `commit` ends with `-dirty`, as `git describe` has it, where a file of the folder differs from it.
    """

    who: str = ""
    commit: str = ""
    ci_url: str = ""
    actor: str = ""


NOWHERE = Origin()


def origin_of_run(root: Path, variables: Mapping[str, str] | None = None) -> Origin:
    """Return where this run comes from; `root` is the project's folder."""
    given = os.environ if variables is None else variables
    return Origin(this_process(), _commit(root, given), _ci_url(given), _first(given, ACTORS))


def _first(variables: Mapping[str, str], names: Iterable[str]) -> str:
    """Return the first of `names` that is set, "" where none is."""
    return next((variables[name] for name in names if variables.get(name)), "")


def _ci_url(variables: Mapping[str, str]) -> str:
    """Return the URL of the CI job."""
    if url := _first(variables, URLS):
        return url
    if run := variables.get("GITHUB_RUN_ID"):
        return f"{variables.get('GITHUB_SERVER_URL')}/{variables.get('GITHUB_REPOSITORY')}/actions/runs/{run}"
    return ""


def _commit(root: Path, variables: Mapping[str, str]) -> str:
    """Return the commit that CI names, else that of the folder's checkout, `-dirty` where a file there differs."""
    named = _first(variables, COMMITS)
    # Our own folder changes at every run, and is no source of it. A submodule's config is not asked.
    told = git(root, "status", *FORMAT, "--", ".", ":(exclude).reconciler")
    head, differing = read_status(told or "")
    commit = named or ("" if head == _NONE_YET else head)
    return f"{commit}{DIRTY}" if commit and differing else commit


DIRTY = "-dirty"
"""How the name of a commit ends where a file differs from it."""
FORMAT = ("--porcelain=v2", "-z", "--branch", "--ignore-submodules=dirty")
"""Words of `git status` that `read_status` reads."""
_HEAD = "# branch.oid "
_NONE_YET = "(initial)"


def commits_of(root: Path, files: Iterable[str]) -> Mapping[str, str]:
    """
    Return the commit of each file's repository, by the file's name in the project whose folder is `root`.

    It ends with `-dirty` where the file differs from the commit, or is not tracked. A file in no repository is left
    out, and so is one whose repository has no commit yet, or belongs to someone else: git does not answer for that.
    """
    inside: dict[Path, dict[str, str]] = {}
    tops: dict[Path, Path | None] = {}
    for name in files:
        if name in NO_FILE:
            continue
        # A loop of links is a RuntimeError before Python 3.13, and a NUL in a name is a ValueError.
        with suppress(OSError, RuntimeError, ValueError):
            path = (root / name).resolve()
            if path.parent not in tops:
                tops[path.parent] = repository_root(path.parent)
            if (top := tops[path.parent]) is not None:
                inside.setdefault(top, {})[name] = path.relative_to(top).as_posix()
    return {name: commit for top, paths in inside.items() for name, commit in _commits_in(top, paths).items()}


def _commits_in(top: Path, paths: Mapping[str, str]) -> Mapping[str, str]:
    """Return the commit of files of one repository; `paths` are theirs from its root, by name."""
    below = os.path.commonpath(paths.values()) or "."
    inside = f":(top,literal){below}" if below != "." else "."
    told = git(top, "status", *FORMAT, "--untracked-files=normal", "--ignored=matching", "--", inside)
    head, differing = read_status(told or "")
    if head in ("", _NONE_YET):
        return {}
    folders = tuple(path for path in differing if path.endswith("/"))
    return {
        name: f"{head}-dirty" if path in differing or path.startswith(folders) else head for name, path in paths.items()
    }


def read_status(told: str) -> tuple[str, frozenset[str]]:
    r"""
    Return the commit and the paths that differ from it, of what `git status --porcelain=v2 -z` printed.

    A folder that is not tracked ends with a slash.

    >>> read_status("# branch.oid 5d1c\0001 .M N... 1 1 1 a b d.yaml\0? e/\0")[0]
    '5d1c'
    >>> sorted(read_status("1 .M N... 1 1 1 a b d.yaml\0? e/\0002 R. N... 1 1 1 a b R100 new.yaml\0old.yaml\0")[1])
    ['d.yaml', 'e/', 'new.yaml', 'old.yaml']
    """
    head, paths = "", set[str]()
    rows = iter(told.split("\0"))
    for row in rows:
        if row.startswith(_HEAD):
            head = row.removeprefix(_HEAD)
        elif row[:2] in _COLUMNS:
            paths.add(row.split(" ", _COLUMNS[row[:2]])[-1])
        if row.startswith("2 "):
            paths.add(next(rows, ""))
    return head, frozenset(paths)


_COLUMNS = {"1 ": 8, "2 ": 9, "u ": 10, "? ": 1, "! ": 1}
"""How many columns come before the path, by the kind of row."""


@dataclass(frozen=True, slots=True)
class ExposedFile:
    """A file that others on this machine can read and should not, and the mode for `chmod` that ends that."""

    kind: str
    path: Path
    mode: str


def exposed_files(environment: Environment, plans: Iterable[Path] = ()) -> tuple[ExposedFile, ...]:
    """Return which files of secrets, of the ledger and of `plans` others can read, by their modes alone."""
    access = environment.access
    secrets = {"client_secret": access.client_secret, "state_key": access.state_keys, "plan_key": access.plan_keys}
    files = {path: kind for kind, path in secrets.items() if isinstance(path, Path)}
    if isinstance(access.state, str):
        files |= dict.fromkeys(files_of(access.state), "ledger")
    files |= dict.fromkeys(plans, "plan")
    modes = {path: private_mode(path) for path in files}
    return tuple(ExposedFile(kind, path, modes[path]) for path, kind in files.items() if modes[path])


def exposed_text(files: Iterable[ExposedFile]) -> str:
    """Return in one line which files others can read."""
    return f"others on this machine can read {', '.join(str(one.path) for one in files)}"


def chmod_text(files: Iterable[ExposedFile]) -> str:
    """Return the command that ends that."""
    by_mode: dict[str, list[str]] = {}
    for one in files:
        by_mode.setdefault(one.mode, []).append(str(one.path))
    return " && ".join(shlex.join(("chmod", mode, *paths)) for mode, paths in by_mode.items())


First = TypeVar("First")
Second = TypeVar("Second")


def real_clock() -> Clock:
    """Return the machine's clock."""
    return RealClock()


def open_client(
    environment: Environment,
    clock: Clock,
    *,
    allowance: Allowance = UNBOUNDED,
    step: Step = no_hook,
    trace: Callable[[Sent], None] | None = None,
    patient: bool = True,
) -> ApiClient:
    """
    Return the client of an environment, not entered yet; Invalid with all that is missing to reach it.

    `trace` is notified of each sending. All clients of one key on this machine, or with a ledger in one database, keep
    one pace together, but those without a limit. Without `patient` what has no
    answer is not sent again.
    """
    # Who only opens a ledger needs neither.
    from reconciler.api.client import ApiClient  # noqa: PLC0415
    from reconciler.api.limit import Budget  # noqa: PLC0415

    base_url, credentials = _asked(environment.base_url, environment.credentials)
    return ApiClient(
        base_url=base_url,
        client_id=credentials.client_id,
        client_secret=credentials.client_secret.reveal(),
        clock=clock,
        jitter=random.random,
        rate_per_s=environment.rate_per_s,
        step=step,
        trace=trace,
        budget=Budget(clock, allowance),
        board=_board(environment, base_url, credentials.client_id, clock) if environment.rate_per_s else None,
        patient=patient,
    )


def _board(environment: Environment, base_url: str, client_id: str, clock: Clock) -> Board:
    """Return where the pace of the key is kept: where the ledger is, if several machines share that."""
    try:
        state = environment.state()
    except Invalid:
        state = ""  # whoever opens the ledger says so
    return shared_pace(state, base_url, client_id, clock)


def _asked(first: Callable[[], First], second: Callable[[], Second]) -> tuple[First, Second]:
    """Return what both return; Invalid with the problems of both."""
    try:
        got = first()
    except Invalid as lacking:
        try:
            second()
        except Invalid as more:
            raise Invalid([*lacking.problems, *more.problems]) from lacking
        raise
    return got, second()


def cipher_of(environment: Environment) -> Cipher:
    """Return what seals and opens the ledger of an environment; LedgerFailed for keys that are none."""
    return Cipher(read_keys(environment.state_keys().reveal()))


def open_ledger(environment: Environment, *, writable: bool, step: Step = no_hook) -> Ledger:
    """
    Return the ledger of an environment, open; without `writable` nothing on disk changes.

    LedgerFailed, before it is opened, for keys that are none.
    """
    cipher = cipher_of(environment)
    ledger = open_ledger_at(
        environment.state(),
        environment=environment.name,
        base_url=environment.base_url(),
        writable=writable,
        step=step,
    )
    return SealedLedger(ledger, cipher)


RENEW_EVERY_S = 5.0
"""So often a lease is renewed; a renewal that fails is tried again each second."""

_AGAIN_S = 1.0
_ASK_EVERY_S = 0.5
_MARGIN_S = 5.0  # a request may leave so long after the commit of its intent

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class WritingRun:
    """A ledger and, where that is a file, the lock on it and its account; leaving the context closes and ends both."""

    ledger: Ledger
    lock: Lock | None = None

    def __enter__(self) -> Ledger:
        return self.ledger

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the ledger and end the lock."""
        self.ledger.__exit__(kind, error, trace)
        if self.lock is not None:
            self.lock.__exit__(kind, error, trace)


async def begin(
    environment: Environment, clock: Clock, *, doing: str, timeout_s: float = 0.0, step: Step = no_hook
) -> WritingRun:
    """
    Return the ledger of a run that begins to write, locked; Locked where another has the lock after `timeout_s`.

    `step` is notified of every commit. Whoever began before writes no more. Where the lock is a lease, `kept` keeps it.
    """
    account = _account(environment)
    if is_shared(environment.state()):
        ledger = open_ledger(environment, writable=True, step=step)
        holder = Holder(this_process(), rfc3339(clock.now()), doing)
        try:
            return WritingRun(await _leased(ledger, holder, account, clock, timeout_s))
        except BaseException:
            ledger.__exit__(None, None, None)
            raise
    writing = await _locked(environment, clock, doing, timeout_s, step)
    try:
        return WritingRun(writing.ledger.begin(_holder(writing), account=account), writing.lock)
    except BaseException:
        writing.__exit__(None, None, None)
        raise


async def note(environment: Environment, clock: Clock, *, doing: str) -> WritingRun:
    """
    Return the ledger for a short write of what was learned; Locked where a run writes now.

    It does not take over. Where the lock is a lease, the write itself raises Locked.
    """
    if is_shared(environment.state()):
        return WritingRun(open_ledger(environment, writable=True))
    return await _locked(environment, clock, doing, 0.0)


@contextmanager
def locked_ledger(environment: Environment, *, doing: str) -> Iterator[Ledger]:
    """Yield the ledger of a short command that writes; Locked where another run writes."""
    with asyncio.run(begin(environment, real_clock(), doing=doing)) as ledger:
        yield ledger


async def with_renewed_lease(ledger: Ledger, clock: Clock, work: Coroutine[Any, Any, Result]) -> Result:
    """
    Return what `work` returns, the lease of `ledger` renewed meanwhile.

    Where it cannot be kept, `work` is cancelled and LedgerFailed is raised, while the lease still lasts
    for as long as a request may take to leave. Nothing is renewed between two calls: a lease that
    expired meanwhile is had again, unless another run has taken it.
    """
    working = asyncio.ensure_future(work)
    renewing = asyncio.ensure_future(_renewed(ledger, clock))
    try:
        await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working
            renewing.result()
        return working.result()
    finally:
        working.cancel()
        renewing.cancel()
        await asyncio.gather(working, renewing, return_exceptions=True)


def copy_of_file(environment: Environment) -> Path | None:
    """Copy a ledger that is a file beside itself, and return where; None for a shared one, which has no beside."""
    if is_shared(environment.state()):
        return None
    return copy_beside(Path(environment.state()).resolve(), "before-push", connect_sqlite)


def holder_now(environment: Environment) -> Holder | None:
    """Return who holds the lock of the environment's account, None for nobody."""
    state = environment.state()
    if is_shared(state):
        return lease_holder(state, _account(environment))
    return lock_holder(
        base_url=environment.base_url(),
        client_id=environment.client_id(),
        ledger=Path(state),
        otherwise=Path(state).parent,
    )


def end_by_hand(environment: Environment) -> None:
    """End a lease, whoever holds it; Locked where the lock is no lease: it ends with its process, and only so."""
    if not is_shared(environment.state()):
        raise Locked(
            f"the lock is held by a process of this machine: {holder_now(environment) or 'nobody'}",
            "end that process to end its lock",
        )
    end_lease(environment.state(), _account(environment))


def _account(environment: Environment) -> str:
    """Return the name under which the environment's account is locked."""
    return account_key(environment.base_url(), environment.client_id())


def _holder(writing: WritingRun) -> Holder:
    """Return who holds the lock."""
    return writing.lock.holder if writing.lock is not None else Holder()


async def _locked(
    environment: Environment, clock: Clock, doing: str, timeout_s: float, step: Step = no_hook
) -> WritingRun:
    """Return the ledger of a file, under its lock and that of its account."""
    lock = await take_lock(
        base_url=environment.base_url(),
        client_id=environment.client_id(),
        doing=doing,
        clock=clock,
        timeout_s=timeout_s,
        ledger=Path(environment.state()),
        otherwise=Path(environment.state()).parent,
    )
    try:
        return WritingRun(open_ledger(environment, writable=True, step=step), lock)
    except BaseException:
        lock.__exit__(None, None, None)
        raise


async def _leased(ledger: Ledger, holder: Holder, account: str, clock: Clock, timeout_s: float) -> Ledger:
    """Return the ledger with its lease taken, asking again until `timeout_s` has passed; then Locked."""
    until = clock.monotonic() + timeout_s
    while True:
        try:
            return ledger.begin(holder, account=account)
        except Locked:
            wait_s = min(_ASK_EVERY_S, until - clock.monotonic())
            if wait_s <= 0:
                raise
        await clock.sleep(wait_s)


async def _renewed(ledger: Ledger, clock: Clock) -> None:
    """Renew the lease until cancelled; LedgerFailed where it is another's, or can no longer be kept in time."""
    if not ledger.lease_s:
        await asyncio.get_running_loop().create_future()
    held_s = clock.monotonic()
    while True:
        asked_s = clock.monotonic()
        try:
            ledger.renew()
        except TakenOver:
            raise
        except LedgerFailed:
            if clock.monotonic() + _AGAIN_S - held_s > ledger.lease_s - _MARGIN_S:
                raise
            await clock.sleep(_AGAIN_S)
        else:
            held_s = asked_s
            await clock.sleep(RENEW_EVERY_S)
