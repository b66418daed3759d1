"""
Project file, options and variables to `Settings`, and to the `Environment` of a run; change windows too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, tzinfo
from fnmatch import fnmatchcase
from pathlib import Path

from reconciler.documents.scalars import did_you_mean, quoted
from reconciler.errors import Invalid, Problem, Source
from reconciler.escape import visible
from reconciler.file_patterns import has_magic, plain_part
from reconciler.kinds.kind import CUSTOMER_FIELDS
from reconciler.model.core import Action
from reconciler.model.fleet import FleetAccount
from reconciler.model.policy import Lifecycle, Prune, Share, SyncedRules, Waiver, Window
from reconciler.settings.environment import (
    BUILT_IN,
    LIMITS,
    RATE_PER_S,
    Environment,
    Options,
    Policy,
    Server,
    read_access,
)
from reconciler.settings.fleet import (
    ACCOUNT_FILE,
    PLACEHOLDERS,
    Fleet,
    filled,
    one_account,
    read_account,
    read_fleet,
    stricter,
    template_of,
    variable_part,
)
from reconciler.settings.project import (
    ProjectFile,
    ProjectPlace,
    Values,
    project_file_of,
    read_project_file,
    repository_root,
)
from reconciler.settings.values import NAME, rate, read_trust, seconds

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_TIME = re.compile(r"(\d{1,2}):(\d{2})", re.ASCII)
_DAY_MINUTES = 24 * 60
_ZONES_ARE = "write a name from the IANA database, such as Europe/Berlin"
_THIS_MACHINES = "localtime"  # a file beside the zones on many systems: another one on each


def read_windows(rows: Iterable[Values]) -> tuple[Window, ...]:
    """Return the windows that are written; what is wrong with them is gathered in `rows`."""
    return tuple(map(_window, rows))


def minute_of_day(text: str) -> int:
    """
    Return the minutes after midnight of a time of day, up to 24:00; ValueError for anything else.

    >>> minute_of_day("09:30"), minute_of_day("24:00")
    (570, 1440)
    """
    match = _TIME.fullmatch(text.strip())
    minutes = int(match[1]) * 60 + int(match[2]) if match and int(match[2]) < 60 else _DAY_MINUTES + 1  # noqa: PLR2004 - an hour has 60
    if minutes > _DAY_MINUTES:
        raise ValueError(f"{quoted(text)} is not a time of day; write one such as 09:00, up to 24:00")
    return minutes


def weekdays(text: str) -> frozenset[int]:
    """
    Return the days that `DAY` or `DAY-DAY` names, Monday being 0; a range may go over Sunday.

    >>> sorted(weekdays("mon-fri")), sorted(weekdays("sat-mon"))
    ([0, 1, 2, 3, 4], [0, 5, 6])
    """
    first, dash, last = (part.strip() for part in text.strip().lower().partition("-"))
    for name in (first, last) if dash else (first,):
        if name not in DAYS:
            nearest = did_you_mean(name, DAYS) or f"write one of {', '.join(DAYS)}, or a range such as mon-fri"
            raise ValueError(f"{quoted(name)} is not a day; {nearest}")
    begin = DAYS.index(first)
    length = (DAYS.index(last) - begin) % 7 if dash else 0
    return frozenset((begin + step) % 7 for step in range(length + 1))


def zone(text: str) -> tzinfo:
    """
    Return the zone that has this name in the IANA database; ValueError, with the nearest, for any other.

    >>> zone("Europe/Berlin")
    zoneinfo.ZoneInfo(key='Europe/Berlin')
    """
    # Most projects have no windows.
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones  # noqa: PLC0415

    # A folder of zones (`Europe`) is an OSError, a path that leads out of them a ValueError.
    with suppress(ZoneInfoNotFoundError, ValueError, OSError):
        if text != _THIS_MACHINES:
            return ZoneInfo(text)
    nearest = did_you_mean(text, sorted(available_timezones() - {_THIS_MACHINES}))
    raise ValueError(f"{quoted(text)} is not a time zone; {nearest or _ZONES_ARE}")


def _window(values: Values) -> Window:
    """Return one window; what is not written of it does not narrow it."""
    opens, closes = values.parsed("from", minute_of_day, 0), values.parsed("to", minute_of_day, _DAY_MINUTES)
    if opens == _DAY_MINUTES:
        values.problems.append(values.problem("from", ValueError("a day ends at 24:00; write 00:00 of the next day")))
    elif opens == closes:
        values.problems.append(
            values.problem("from", ValueError("it opens when it closes; for a whole day, leave out both"))
        )
    named = values.texts("days")
    days: frozenset[int] = frozenset()
    for at, text in enumerate(named):
        try:
            days |= weekdays(text)
        except ValueError as error:
            values.problems.append(values.problem_at(("days", at), error))
    place = values.text("zone")
    actions = frozenset(map(Action, values.tree.get("actions") or Action))
    return Window(
        actions=actions,
        days=days or frozenset(range(7)),
        opens=opens,
        closes=closes,
        zone=values.parsed("zone", zone, zone("UTC")),
        said=f"{_said(days)} {_clock(opens)}-{_clock(closes)} {place or 'UTC'}".lstrip(),
        source=values.here(),
    )


def _said(days: frozenset[int]) -> str:
    """
    Return days in words, "" for all of them.

    >>> _said(frozenset({0, 1, 2, 4})), _said(frozenset())
    ('mon-wed,fri', '')
    """
    if len(days) in (0, 7):
        return ""
    runs: list[list[int]] = []
    for day in sorted(days):
        if runs and day == runs[-1][-1] + 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ",".join(DAYS[run[0]] if len(run) == 1 else f"{DAYS[run[0]]}-{DAYS[run[-1]]}" for run in runs)


def _clock(minutes: int) -> str:
    """Return minutes after midnight as a time of day."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


@dataclass(frozen=True, slots=True)
class Settings:
    """
    What the project file, the options and the variables say together.

    `root` is the project's folder, else the working folder: where relative paths start. `names` are the environments
    that the project file declares. `account` is the one of a fleet that they are for, if any. Nothing of one
    environment is looked at before it is asked for, so that a variable that only production needs is no error in demo.
    """

    root: Path
    project: str
    names: tuple[str, ...]
    options: Options
    _project_file: ProjectFile | None
    _cwd: Path
    _files: tuple[str, ...]
    _variables: Mapping[str, str] = field(repr=False)
    account: FleetAccount | None = None

    @property
    def project_file(self) -> Path | None:
        """Return where the project file is, None where there is none."""
        return None if self._project_file is None else self._project_file.path

    def with_project_file(self, content: bytes) -> Settings:
        """Return the settings that this content of the project file would give; Invalid where it is wrong."""
        if self._project_file is None:
            raise ValueError("there is no project file")
        other = project_file_of(content, self._project_file.path, self._project_file.name)
        if self.account is None:
            return _settings(other, self.options, variables=self._variables, cwd=self._cwd)
        # It is known: it need not be looked for among all.
        fleet = _settings(other, replace(self.options, environment=None), variables=self._variables, cwd=self._cwd)
        return fleet.of(self.account)

    def fleet(self) -> Fleet:
        """Return the fleet of the project; Invalid where it has none, with all that is wrong with it."""
        return read_fleet(self._project_file, self._top(), self._folders())

    def at_home(self, environment: str) -> bool:
        """Say whether the accounts that share an environment are the emulator's on this machine."""
        if environment != "local":
            return False
        return self.shared(environment).environment().base_url() == BUILT_IN["local"]

    def of(self, account: FleetAccount) -> Settings:
        """Return the settings for one account, as reading them with `-e` and its address does."""
        options = replace(self.options, environment=account.address)
        return replace(self, options=options, account=account, _files=(account.folder,))

    def shared(self, environment: str, name: str = "any") -> Settings:
        """Return the settings for an account that there is none of: what is said for all, and for none alone."""
        return self.of(FleetAccount(name, environment, f".reconciler/{name}"))

    def suspended_now(self, account: FleetAccount) -> bool:
        """Say whether an account's own file suspends it by now; Invalid for a file that cannot be read."""
        values = replace(self._top(), problems=[])
        found, _ = read_account(values, account.name, account.folder, account.environment, account.every_s)
        if values.problems:
            raise Invalid(values.problems)
        return found.suspended

    def shared_variables(self, accounts: Iterable[FleetAccount]) -> list[Problem]:
        """Return a problem for each account whose name gives the same variables as another's, where they are used."""
        written = self._values(template_of(self._project_file)).tree
        if not any("{ACCOUNT}" in str(written.get(name)) for name in PLACEHOLDERS):
            return []
        problems, owners = [], dict[str, str]()
        for one in accounts:
            part = variable_part(one.name)
            if (owner := owners.setdefault(part, one.name)) != one.name:
                message = f"{one.name} and {owner} both become {part} where {{ACCOUNT}} is in a variable's name"
                hint = "rename one of the folders, or use files with {account}"
                problems.append(Problem(Source(visible(one.folder)), "", message, hint))
        return problems

    def _top(self) -> Values:
        """Return what the project file writes."""
        tree = self._project_file.document.tree if self._project_file else {}
        return Values(self._project_file, (), tree, self._variables)

    @property
    def pins_allowed(self) -> bool:
        """Say whether `id` may be in customers files: where there is one environment, or no project file."""
        return self.account is not None or len(self.names) <= 1

    @property
    def overlays(self) -> tuple[str, ...]:
        """Return the overlays of all environments, and an account's own file: what a folder's reading leaves out."""
        own = () if self.account is None else (f"{self.account.folder}/{ACCOUNT_FILE}",)
        return (*own, *(path for name in self.names for path in self._values(name).paths("overlays")))

    def files(self) -> tuple[str, ...]:
        """Return the paths of the customers files; Invalid where none is named."""
        if self.options.files:
            return tuple(map(self._from_root, self.options.files))
        if not self._files:
            name = self._project_file.name if self._project_file else "-f"
            hint = "pass -f PATH, or write `files: [customers/]` in reconciler.yaml"
            if self._project_file is None:
                hint += "; `reconciler init` creates a starter project"
            raise Invalid([Problem(Source(name), "", "no customers files are named", hint)])
        return self._files

    @property
    def within(self) -> tuple[Path, ...]:
        """
        Return the folders, or files, that customers files are read from, as real paths.

        They are the project's repository, or its folder where it is in none, what RECONCILER_ALLOWED_FOLDERS allows,
        and what `-f` names.
        """
        named = [self._cwd / plain_part(path) for path in self.options.files if path not in ("", "-")]
        return (*self._folders(), *(path.resolve() for path in named))

    def _folders(self) -> tuple[Path, ...]:
        """Return the folders that the project may read from, as real paths."""
        allowed = [self._cwd / folder for folder in read_trust(self._variables).folders]
        return tuple(path.resolve() for path in (repository_root(self.root) or self.root, *allowed))

    def _from_root(self, path: str) -> str:
        """Return a path of `-f`, which starts at the working folder, as one that starts at the project's."""
        if path in ("", "-") or Path(path).is_absolute() or self.root == self._cwd:
            return path
        return str(self._cwd / path)

    def environment(self, name: str | None = None) -> Environment:
        """
        Return the environment `name`; without one that of `-e` or AP_ENVIRONMENT, or the only one there is.

        Raises Invalid with all that is wrong with it; what is missing to reach it is said when that is asked for.
        """
        chosen = name or self.selected()
        account = self._account(chosen)
        if account is not None and account.fault is not None:
            raise Invalid([account.fault])
        values = self._values(chosen if account is None else account.environment, account)
        tree = values.tree
        written = chosen if account is None else account.environment
        named = "" if account is None else account.name
        environment = Environment(
            name=chosen,
            access=read_access(written, values, root=self.root, cwd=self._cwd, account=named),
            project=self.project,
            place=ProjectPlace(self.root),
            prune=Prune(tree.get("prune", Prune.MANAGED)),
            owns=values.texts("owns"),
            server=_server(values.inside("server")),
            synced=_synced(values),
            equal=_equal(values.inside("equal")),
            policy=_policy(values.inside("policy")),
            overlays=values.paths("overlays"),
            include=values.texts("include"),
            exclude=values.texts("exclude"),
            disposable=values.flag("disposable") or False,
            rate_per_s=self._rate(values),
        )
        if account is not None:
            environment = self._overridden(environment, account, values)
        if values.problems:
            raise Invalid(values.problems)
        return environment

    def _account(self, chosen: str) -> FleetAccount | None:
        """Return the account that an environment's name names, None for one that is no fleet's."""
        if self.account is not None and chosen == self.account.address:
            return self.account
        name, slash, template = chosen.rpartition("/")
        if slash:
            return self._known_account(name, template, "-e")
        if "fleet" in self._top().tree and chosen == template_of(self._project_file):
            message = f"{quoted(chosen)} is the environment that the accounts of a fleet share"
            hint = f"select an account with -e ACCOUNT/{chosen}, or use `reconciler fleet`"
            raise Invalid([Problem(Source("-e"), "", message, hint)])
        return None

    def _known_account(self, name: str, template: str, given_by: str) -> FleetAccount:
        """Return an account of the fleet; Invalid where there is none, or its environment is another."""
        shared = template_of(self._project_file)
        if shared and template != shared:
            message = f"the accounts of this fleet have no environment {quoted(template)}"
            raise Invalid([Problem(Source(given_by), "", message, f"write {name}/{shared}")])
        account = one_account(self._project_file, self._top(), self._folders(), name)
        if account.fault is not None:
            raise Invalid([account.fault])
        return account

    def _overridden(self, environment: Environment, account: FleetAccount, values: Values) -> Environment:
        """Return an environment with what the account's own file says; what is wrong is gathered in `values`."""
        # What one account needs for a time must not be allowed to all of them.
        environment = replace(environment, policy=replace(environment.policy, at=None))
        _, own = read_account(values, account.name, account.folder, account.environment, account.every_s)
        if own is None:
            return environment
        tree, policy = own.tree, own.inside("policy")
        changed = replace(
            environment,
            owns=own.texts("owns") or environment.owns,
            synced=_synced(own) if "synced" in tree else environment.synced,
            equal={**environment.equal, **_equal(own.inside("equal"))},
            policy=stricter(environment.policy, _policy(policy), policy),
            include=own.texts("include") or environment.include,
            exclude=(*environment.exclude, *own.texts("exclude")),
        )
        values.problems.extend(own.problems)
        return changed

    def matching(self, named: Sequence[str]) -> tuple[str, ...]:
        """
        Return the environments that names and patterns select, in the order of the project file, each once.

        Raises Invalid for each that selects none.
        """
        chosen: set[str] = set()
        problems: list[Problem] = []
        for one in named:
            if one in self.names or not has_magic(one):
                try:
                    chosen.add(self._known(one, "-e"))
                except Invalid as error:
                    problems += error.problems
            elif "/" in one:
                found = {each.address for each in self.fleet().accounts if fnmatchcase(each.address, one)}
                chosen |= found
                if not found:
                    message = f"no account matches {quoted(one)}"
                    problems.append(Problem(Source("-e"), "", message, "`reconciler fleet list` shows the accounts"))
            elif found := {name for name in self.names if fnmatchcase(name, one)}:
                chosen |= found
            else:
                there_are = ", ".join(self.names) or "none, as there is no project file that declares one"
                message = f"no environment matches {quoted(one)}"
                problems.append(Problem(Source("-e"), "", message, f"there are: {there_are}"))
        if problems:
            raise Invalid(problems)
        return (*(name for name in self.names if name in chosen), *sorted(chosen.difference(self.names)))

    def _values(self, name: str, account: FleetAccount | None = None) -> Values:
        """Return what the project file writes of the environment `name`, with the name of an account filled in."""
        tree = (self._project_file.environments.get(name) if self._project_file else None) or {}
        tree = tree if account is None else filled(tree, account.name)
        return Values(self._project_file, ("environments", name), tree, self._variables)

    def selected(self) -> str:
        """Return the name of the environment that is meant; Invalid where that is not clear."""
        named = self.options.environment or self._variables.get("AP_ENVIRONMENT")
        if self.account is not None and named == self.account.address:
            return named
        if named:
            return self._known(named, "-e" if self.options.environment else "AP_ENVIRONMENT")
        if len(self.names) == 1:
            return self.names[0]
        if not self.names:
            return "default"
        name = self._project_file.name if self._project_file else ""
        message = f"there are several environments: {', '.join(self.names)}"
        raise Invalid([Problem(Source(name), "environments", message, "select one with -e or AP_ENVIRONMENT")])

    def _known(self, name: str, given_by: str) -> str:
        """Return `name` where it is an environment's; Invalid, with the nearest, where it is not."""
        account, slash, template = name.rpartition("/")
        if slash and account:
            return self._known_account(account, template, given_by).address
        # The emulator on this machine is at hand in every project.
        if name in self.names or name == "local" or (not self.names and self._nameable(name)):
            return name
        known = self.names or tuple(BUILT_IN)
        hint = did_you_mean(name, known) or f"there are: {', '.join(known)}"
        if not self.names:
            hint += "" if hint.endswith("?") else "."
            hint += " To add one, declare it in reconciler.yaml, or set AP_BASE_URL and AP_ENVIRONMENT"
        elif given_by != "-e" and not NAME.fullmatch(name):
            hint += "; -e selects several"
        raise Invalid([Problem(Source(given_by), "", f"there is no environment {quoted(name)}", hint)])

    def _nameable(self, name: str) -> bool:
        """
        Say whether variables alone can describe an environment of this name.

        Not one that only `-e` names: each name has a ledger of its own, and a slip of the pen would begin a new one.
        """
        variables = self._variables
        named = name == (variables.get("AP_ENVIRONMENT") or "default") and variables.get("AP_BASE_URL")
        return name in BUILT_IN or bool(NAME.fullmatch(name) and named)

    def _rate(self, values: Values) -> float:
        """Return requests per second: the option, else RECONCILER_RATE, else the project file, else the API's."""
        if self.options.rate_per_s is not None:
            return self.options.rate_per_s
        written = values.parsed("rate", rate, RATE_PER_S)
        variable = self._variables.get("RECONCILER_RATE")
        try:
            return rate(variable) if variable else written
        except ValueError as error:
            message, _, hint = str(error).partition("; ")
            values.problems.append(Problem(Source("RECONCILER_RATE"), "", message, hint))
            return written


def read_settings(options: Options, *, variables: Mapping[str, str], cwd: Path) -> Settings:
    """
    Return what the options, the environment `variables` and the project file say.

    `cwd` is the working folder, where `-p`, `-f` and a project file's absence count from. Raises Invalid where the
    project file is wrong.
    """
    return _settings(read_project_file(options.project_file, cwd), options, variables=variables, cwd=cwd)


def _settings(
    project_file: ProjectFile | None, options: Options, *, variables: Mapping[str, str], cwd: Path
) -> Settings:
    """Return what options and variables say together with a project file that was read."""
    top = Values(project_file, (), project_file.document.tree if project_file else {}, variables)
    settings = Settings(
        root=project_file.path.parent if project_file else cwd,
        project=top.parsed("project", str, "default"),
        names=tuple(project_file.environments) if project_file else (),
        options=options,
        _project_file=project_file,
        _cwd=cwd,
        _files=top.paths("files"),
        _variables=variables,
    )
    if top.problems:
        raise Invalid(top.problems)
    named = options.environment or variables.get("AP_ENVIRONMENT") or ""
    name, slash, template = named.rpartition("/")
    # A pattern names several, each of which is read for itself.
    if not slash or has_magic(named):
        return settings
    account = settings._known_account(name, template, "-e" if options.environment else "AP_ENVIRONMENT")  # noqa: SLF001 - the class's own module
    return replace(settings.of(account), options=options)


def _server(values: Values) -> Server:
    """Return what is stated of the server."""
    parse_lag: Callable[[str], float | None] = seconds
    return Server(values.flag("lists_archived"), values.flag("gets_archived"), values.parsed("lag", parse_lag, None))


def _synced(values: Values) -> SyncedRules:
    """Return what an integration owns; `values` are the environment's, as some of them contradict each other."""
    inside = values.inside("synced")
    lifecycle = Lifecycle(inside.tree.get("lifecycle", Lifecycle.MANAGE))
    rules = SyncedRules(lifecycle, frozenset(inside.tree.get("fields", ())))
    for place, name in enumerate(inside.tree.get("fields", ())):
        if not CUSTOMER_FIELDS[name].patchable:
            message = f"the API cannot patch {quoted(name)}, so a plan never does; remove it from the list"
            values.problems.append(inside.problem_at(("fields", place), ValueError(message)))
    archives_all = values.tree.get("prune") == Prune.ALL and bool(values.tree.get("owns"))
    if rules.lifecycle is Lifecycle.OBSERVE and archives_all:
        message = (
            "`observe` never archives a customer that an integration syncs, and `prune: all` with `owns:` archives "
            "every one that nobody declares; use `prune: managed`, or `lifecycle: manage`"
        )
        values.problems.append(inside.problem("lifecycle", ValueError(message)))
    return rules


def _policy(values: Values) -> Policy:
    """Return the limits and what they protect."""
    at, lacks = (None, ()) if values.project is None else values.project.written(values.path)
    usual = Policy()
    parse_share: Callable[[str], Share | None] = Share.parse
    return Policy(
        max_archives=values.parsed("max_archives", Share.parse, usual.max_archives),
        max_restores=values.parsed("max_restores", Share.parse, usual.max_restores),
        max_changes=values.parsed("max_changes", parse_share, None),
        protect=values.texts("protect"),
        required=values.texts("required"),
        require_approval_for=tuple(map(Action, values.tree.get("require_approval_for") or ())),
        windows=read_windows(values.items("windows")),
        allow=_waivers(values),
        at=at,
        lacks=lacks,
        places={name: place for name in values.tree if (place := values.place(name)) is not None},
    )


def _waivers(values: Values) -> tuple[Waiver, ...]:
    """Return what the policy allows for a time: one mapping, or a list of them."""
    rows = values.items("allow") if isinstance(values.tree.get("allow"), list) else (values.inside("allow"),)
    return tuple(_waiver(row) for row in rows if row.tree)


def _waiver(values: Values) -> Waiver:
    """Return what is allowed until a day; nothing of it comes from a variable, as its schema has no room for one."""
    parse_share: Callable[[str], Share | None] = Share.parse
    shares = {name: share for name in LIMITS if (share := values.parsed(name, parse_share, None)) is not None}
    approve = frozenset(map(Action, values.tree.get("approve", ())))
    if not shares and not approve and not any(name in values.tree for name in LIMITS):
        message = f"it allows nothing; add {', '.join(LIMITS)} or approve"
        values.problems.append(values.problem_at((), ValueError(message)))
    return Waiver(values.parsed("until", _day, date.min), values.tree["reason"], shares, approve, values.here())


def _day(text: str) -> date:
    """Return a day; ValueError where there is no such day."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{quoted(text)} is not a date; write one such as 2026-12-31") from error


def _equal(values: Values) -> Mapping[str, Mapping[str, str]]:
    """Return, for each field, canonical text → the first of its class."""
    equal: dict[str, dict[str, str]] = {}
    for name, classes in values.tree.items():
        members = equal.setdefault(name, {})
        for index, texts in enumerate(classes or ()):
            canonical = [
                CUSTOMER_FIELDS[name].canonical(text) for text in values.several((*values.path, name, index), texts)
            ]
            for text in canonical:
                if members.setdefault(text, canonical[0]) != canonical[0]:
                    message = f"{quoted(text)} is in two lists; put texts that mean the same in one list"
                    values.problems.append(values.problem(name, ValueError(message)))
    return equal
