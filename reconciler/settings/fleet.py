"""
Many accounts: which folders are accounts, what `fleet:` and each `account.yaml` say, and an account's own settings.

A folder is an account, and its name is the account's. All of them are reached as one environment of the project file
says, in which `{account}` stands for the name. What an account changes of that environment can only be stricter.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch, fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from reconciler.documents.scalars import did_you_mean, quoted
from reconciler.errors import Invalid, Problem, Source
from reconciler.escape import visible
from reconciler.file_patterns import has_magic
from reconciler.model.core import Action
from reconciler.model.fleet import FleetAccount, FleetPolicy, Wave
from reconciler.model.policy import Share
from reconciler.settings.environment import Policy
from reconciler.settings.project import ProjectFile, Values, misfit_problem, read_document, shape_of
from reconciler.settings.values import NAME, seconds

ACCOUNT_FILE = "account.yaml"
"""What an account's folder may have beside its customers files."""

PLACEHOLDERS = ("client_id", "client_id_file", "client_secret", "client_secret_file", "state")
"""The values of an environment in which `{account}` stands for an account's name."""

_EVERY_S = 3600.0
_PARALLEL = 20
_PLACEHOLDER = re.compile(r"\{(account|ACCOUNT)\}")
_NOT_A_VARIABLE = re.compile(r"[^A-Z0-9_]")
_SELECTOR = re.compile(r"([^=!]+?)\s*(!?=)\s*(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Fleet:
    """
    The accounts of a project by name, and how they are worked on; `environment` is the one that they share.

    `problems` are what is wrong with files of single accounts: their own jobs fail with it, and nobody else's.
    """

    environment: str
    accounts: tuple[FleetAccount, ...]
    parallel: int = _PARALLEL
    every_s: float = _EVERY_S
    waves: tuple[Wave, ...] = ()
    policy: FleetPolicy = FleetPolicy()  # noqa: RUF009 - it is frozen
    problems: tuple[Problem, ...] = ()

    def chosen(self, selectors: Sequence[str] = (), names: Collection[str] = ()) -> tuple[FleetAccount, ...]:
        """
        Return the accounts that all `selectors` (`label=value`, `label!=value`) hold for, of those named if any are.

        A name may be a pattern, and a value too. Raises Invalid for a selector that is none, and for a name or a
        pattern that no account has.
        """
        tests = [_selector(text) for text in selectors]
        problems = [Problem(Source("ACCOUNT"), "", *self._lacking(name)) for name in names if not self._named(name)]
        if problems:
            raise Invalid(problems)
        return tuple(
            one
            for one in self.accounts
            if (not names or any(fnmatchcase(one.name, name) for name in names)) and all(test(one) for test in tests)
        )

    def _named(self, name: str) -> bool:
        return any(fnmatchcase(one.name, name) for one in self.accounts)

    def _lacking(self, name: str) -> tuple[str, str]:
        """Return that there is no such account, and which one may be meant."""
        known = [one.name for one in self.accounts]
        return f"there is no account {quoted(name)}", did_you_mean(name, known) or "`reconciler fleet list` shows them"


def _selector(text: str) -> Callable[[FleetAccount], bool]:
    """Return what a selector asks of an account; Invalid for a text that is none."""
    match = _SELECTOR.fullmatch(text.strip())
    if match is None:
        raise Invalid(
            [Problem(Source("-l"), "", f"{quoted(text)} is not a selector", "write label=value or label!=value")]
        )
    label, wanted, value = match[1].strip(), match[2] == "=", match[3].strip()
    return lambda account: fnmatchcase(account.labels.get(label, ""), value) is wanted


# --- placeholders ------------------------------------------------------------------------------------


def filled(tree: Mapping[str, Any], account: str) -> dict[str, Any]:
    """
    Return the values of an environment with an account's name in the place of `{account}`.

    Within the name of a variable `{ACCOUNT}` is the name in capitals, with `_` for what a variable cannot have.

    >>> filled({"state": "s/{account}.db", "client_secret": "${AP_SECRET_{ACCOUNT}}", "rate": "{account}"}, "a-1.b")
    {'state': 's/a-1.b.db', 'client_secret': '${AP_SECRET_A_1_B}', 'rate': '{account}'}
    """
    names = {"account": account, "ACCOUNT": variable_part(account)}

    def fill(value: object) -> object:
        return _PLACEHOLDER.sub(lambda match: names[match[1]], value) if isinstance(value, str) else value

    return {name: fill(value) if name in PLACEHOLDERS else value for name, value in tree.items()}


def variable_part(account: str) -> str:
    """
    Return an account's name as a part of the name of a variable.

    >>> variable_part("acme-west.1")
    'ACME_WEST_1'
    """
    return _NOT_A_VARIABLE.sub("_", account.upper())


# --- the project file --------------------------------------------------------------------------------


def read_fleet(project: ProjectFile | None, top: Values, within: Sequence[Path]) -> Fleet:
    """
    Return the fleet of a project file; Invalid with all that is wrong with it, but for its accounts' own files.

    `top` are the file's values. Folders are followed as far as they lead into one of `within`.
    """
    values = _fleet_values(project, top)
    template = _template(values)
    every_s = values.parsed("every", _period, _EVERY_S)
    parallel = values.parsed("parallel", _whole, _PARALLEL)
    waves, policy = tuple(_wave(row) for row in values.items("waves")), _fleet_policy(values.inside("policy"))
    own = replace(values, problems=[])
    accounts = []
    for one in _folders(values, within):
        if one.fault is None:
            accounts.append(read_account(own, one.name, one.path, template, every_s)[0])
        else:
            own.problems.append(one.fault)
            accounts.append(FleetAccount(one.name, template, one.path, {}, every_s, fault=one.fault))
    if values.problems:
        raise Invalid(values.problems)
    return Fleet(template, tuple(accounts), parallel, every_s, waves, policy, tuple(own.problems))


def one_account(project: ProjectFile | None, top: Values, within: Sequence[Path], name: str) -> FleetAccount:
    """
    Return one account by its name, without reading any account's file; Invalid where there is none.

    Of a folder that cannot be an account's, the account has what is wrong.
    """
    values = _fleet_values(project, top)
    template = _template(values)
    found = next((one for one in _folders(values, within, name) if name in (one.name, Path(one.path).name)), None)
    if found is None and not values.problems:
        hint = did_you_mean(name, [one.name for one in _folders(values, within)])
        hint = hint or "`reconciler fleet list` shows the accounts"
        values.problems.append(Problem(Source("-e"), "", f"there is no account {quoted(name)}", hint))
    if found is None or values.problems:
        raise Invalid(values.problems)
    return FleetAccount(found.name, template, found.path, fault=found.fault)


def template_of(project: ProjectFile | None) -> str:
    """Return the name of the environment that a fleet's accounts share, "" where there is no fleet."""
    fleet = {} if project is None else project.document.tree.get("fleet") or {}
    return str(fleet.get("environment", "")) if isinstance(fleet, Mapping) else ""


def _fleet_values(project: ProjectFile | None, top: Values) -> Values:
    """Return what is written below `fleet:`; Invalid where nothing is."""
    if project is None or not top.tree.get("fleet"):
        name = "reconciler.yaml" if project is None else project.name
        hint = "write `fleet: {accounts: accounts/*, environment: production}`; `reconciler init --fleet` shows how"
        raise Invalid([Problem(Source(name), "fleet", "this project has no fleet", hint)])
    return replace(top.inside("fleet"), problems=[])


def _template(values: Values) -> str:
    """Return the environment that the accounts share."""
    name = values.text("environment")
    known = values.project.environments if values.project is not None else {}
    if isinstance(name, str) and name not in known and name != "local":
        hint = did_you_mean(name, known) or f"there are: {', '.join(known) or 'none'}"
        values.problems.append(
            values.problem("environment", ValueError(f"there is no environment {quoted(name)}; {hint}"))
        )
    return name if isinstance(name, str) else ""


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder that a pattern leads to, from the project's; `fault` is why it cannot be the account `name`'s."""

    name: str
    path: str
    fault: Problem | None = None


def _folders(values: Values, within: Sequence[Path], name: str | None = None) -> list[_Folder]:
    """
    Return the accounts' folders by account; what is wrong with the patterns is gathered in `values`.

    With a `name` others are left out where they need not be looked for. A folder that cannot be an account's has its
    path in the place of a name, which no account has.
    """
    root = values.project.path.parent if values.project is not None else Path()
    written = values.tree.get("accounts")
    patterns = [written] if isinstance(written, str) else list(written or ())
    found: dict[str, Why | None] = {}
    for place, pattern in enumerate(map(str, patterns)):
        below = ("accounts",) if isinstance(written, str) else ("accounts", place)
        try:
            found |= _matches(root, pattern, within, name)
        except ValueError as error:
            values.problems.append(values.problem_at(below, error))
    having: dict[str, list[str]] = {}
    for path in found:
        having.setdefault(path.rpartition("/")[2], []).append(path)
    folders = []
    for path, outside in found.items():
        own, why = path.rpartition("/")[2], outside
        if not NAME.fullmatch(own):
            why = _NO_NAME
        elif outside is None and len(having[own]) > 1:
            # Neither is the account: which of them its key is for, nobody can tell.
            other = next(one for one in having[own] if one != path)
            why = f"another folder has the name {own}: {visible(other)}", "rename one of the folders"
        shown = visible(path)
        folders.append(_Folder(own, path) if why is None else _Folder(shown, shown, Problem(Source(shown), "", *why)))
    return sorted(folders, key=lambda one: one.name)


def _matches(root: Path, pattern: str, within: Sequence[Path], name: str | None) -> dict[str, Why | None]:
    """
    Return the folders that a pattern leads to, from `root`, hidden ones left out, each with why it cannot be used.

    With a `name` it is enough to find those that have it. Raises ValueError where there are none, but for a name.
    """
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise ValueError(f"{quoted(pattern)} leads out of the project; name folders below the project file's")
    above, slash, last = pattern.rstrip("/").rpartition("/")
    if name is not None and NAME.fullmatch(name) and "**" not in last:
        if not fnmatch(name, last):
            return {}
        pattern = f"{above}{slash}{name}"
    try:
        paths = sorted(map(str, root.glob(pattern))) if has_magic(pattern) else [str(root / pattern)]
    except (OSError, NotImplementedError) as error:
        raise ValueError(f"{quoted(pattern)} cannot be read: {error}; check the path") from error
    inside = cache(lambda path: not within or any(Path(os.path.realpath(path)).is_relative_to(one) for one in within))
    found: dict[str, Why | None] = {}
    begin = len(str(root / "x")) - 1
    for path in paths:  # there may be 10,000, so that no Path is made of each
        below = path[begin:].replace(os.sep, "/")
        if not below or below.startswith(".") or "/." in below:
            continue
        is_link = os.path.islink(path)  # noqa: PTH114
        if os.path.isdir(path):  # noqa: PTH112
            is_inside = inside(path) if is_link else inside(os.path.dirname(path)) or inside(path)  # noqa: PTH120
            found[below] = None if is_inside else _OUTSIDE
        elif is_link and not os.path.exists(path):  # noqa: PTH110
            found[below] = _NOWHERE
    if not found and name is None:
        raise ValueError(f"{quoted(pattern)} matches no folder; create a folder for each account")
    return found


Why = tuple[str, str]
"""Why a folder cannot be an account's, and what to do."""

_NO_NAME = (
    "this folder's name is not one that an account can have",
    "use letters, digits, '.', '_' and '-', and begin with a letter or a digit",
)
_OUTSIDE = ("it leads out of the repository", "set RECONCILER_ALLOWED_FOLDERS to allow it")
_NOWHERE = ("this link leads nowhere", "create what it leads to, or remove it")


def _wave(values: Values) -> Wave:
    """Return a wave of a rollout."""
    labels = values.tree.get("labels") or {}
    share: Callable[[str], Share | None] = Share.parse
    return Wave(
        {str(name): str(value) for name, value in labels.items()},
        values.parsed("share", share, None),
        values.parsed("soak", seconds, 0.0),
    )


def _fleet_policy(values: Values) -> FleetPolicy:
    """Return what a rollout must keep to."""
    usual = FleetPolicy()
    share: Callable[[str], Share | None] = Share.parse
    return FleetPolicy(
        max_accounts_changed=values.parsed("max_accounts_changed", share, usual.max_accounts_changed),
        max_accounts_archiving=values.parsed("max_accounts_archiving", share, usual.max_accounts_archiving),
        max_archives=values.parsed("max_archives", share, usual.max_archives),
        max_failed=values.parsed("max_failed", Share.parse, usual.max_failed),
    )


def _period(text: str) -> float:
    """Return a period in seconds; ValueError for one under a second."""
    period_s = seconds(text)
    if period_s < 1.0:
        raise ValueError(f"{quoted(text)} is too short; write a period such as 30m or 1h")
    return period_s


def _whole(text: str) -> int:
    """Return a whole number from 1 to 1000."""
    if not text.strip().isascii() or not text.strip().isdigit() or not 1 <= int(text[:9]) <= _MOST_PARALLEL:
        raise ValueError(f"{quoted(text)} is not a number of accounts; write one from 1 to {_MOST_PARALLEL}")
    return int(text)


_MOST_PARALLEL = 200


# --- account.yaml ------------------------------------------------------------------------------------


def read_account(
    values: Values, name: str, folder: str, template: str, every_s: float
) -> tuple[FleetAccount, Values | None]:
    """
    Return an account, and what its `account.yaml` writes, None where it has none.

    `values` are those of `fleet:`, in which what is wrong is gathered.
    """
    root = values.project.path.parent if values.project is not None else Path()
    plain = FleetAccount(name, template, folder, {}, every_s)
    path = os.path.join(root, folder, ACCOUNT_FILE)  # noqa: PTH118 - there may be 10,000
    if not os.path.exists(path):  # noqa: PTH110 - the same
        return plain, None
    try:
        own = _account_values(Path(path), f"{folder}/{ACCOUNT_FILE}", values.variables)
    except Invalid as error:
        values.problems.extend(error.problems)
        return plain, None
    labels = {str(label): str(value) for label, value in (own.tree.get("labels") or {}).items()}
    period_s = own.parsed("every", _period, every_s)
    values.problems.extend(own.problems)
    return FleetAccount(name, template, folder, labels, period_s, own.flag("suspend") or False), own


def _account_values(path: Path, shown: str, variables: Mapping[str, str]) -> Values:
    """Return what an account's file writes; Invalid where it has not the shape of its schema."""
    document = read_document(path, visible(shown), hint="make it readable")
    tree = {} if document.tree is None else document.tree
    file = ProjectFile(path, replace(document, tree=tree))
    misfits = shape_of("account").misfits(tree)
    if misfits:
        wrong = [misfit_problem(file, one) for one in misfits]
        raise Invalid(sorted(wrong, key=lambda problem: problem.source))
    return Values(file, (), tree, variables)


_SHARES = ("max_archives", "max_restores", "max_changes")


def stricter(policy: Policy, own: Policy, values: Values) -> Policy:
    """
    Return an environment's policy with what an account's adds; what would be looser is a problem in `values`.

    `values` are those of the account's `policy:`.
    """
    shares: dict[str, Share] = {}
    for name in _SHARES:
        limit, mine = getattr(policy, name), getattr(own, name)
        if name not in values.tree or mine is None:
            continue
        if limit is not None and (mine.percent is not limit.percent or mine.amount > limit.amount):
            message = f"{mine} is looser than {limit}, which the environment has, or cannot be compared with it"
            values.problems.append(values.problem(name, ValueError(f"{message}; write at most {limit}, or remove it")))
            continue
        shares[name] = mine
    return replace(
        policy,
        max_archives=shares.get("max_archives", policy.max_archives),
        max_restores=shares.get("max_restores", policy.max_restores),
        max_changes=shares.get("max_changes", policy.max_changes),
        protect=tuple(dict.fromkeys((*policy.protect, *own.protect))),
        required=tuple(dict.fromkeys((*policy.required, *own.required))),
        require_approval_for=tuple(
            one for one in Action if one in {*policy.require_approval_for, *own.require_approval_for}
        ),
        places={**own.places, **policy.places, **{name: own.places[name] for name in shares if name in own.places}},
    )
