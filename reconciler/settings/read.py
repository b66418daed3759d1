"""Project file, options and environment variables to `Settings`, and to the `Environment` that a run works with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.documents.scalars import did_you_mean, quoted
from reconciler.errors import Invalid, Problem, Source
from reconciler.file_patterns import plain_part
from reconciler.kinds.kind import CUSTOMER_FIELDS
from reconciler.model.core import Action
from reconciler.model.policy import Prune, Share
from reconciler.settings.access import BUILT_IN, read_access
from reconciler.settings.environment import RATE_PER_S, Environment, Options, Policy, Server
from reconciler.settings.place import Place, repository_root
from reconciler.settings.project import ProjectFile, Values, read_project_file
from reconciler.settings.trust import read_trust
from reconciler.settings.values import NAME, rate, seconds
from reconciler.settings.windows import read_windows


@dataclass(frozen=True, slots=True)
class Settings:
    """
    What the project file, the options and the variables say together.

    `root` is the project's folder, else the working folder: where relative paths start. `names` are the environments
    that the project file declares. Nothing of one environment is looked at before it is asked for, so that a variable
    that only production needs is no error in demo.
    """

    root: Path
    project: str
    names: tuple[str, ...]
    options: Options
    _project_file: ProjectFile | None
    _cwd: Path
    _files: tuple[str, ...]
    _variables: Mapping[str, str] = field(repr=False)

    @property
    def pins_allowed(self) -> bool:
        """Say whether `id` may stand in customers files: where there is one environment, or no project file."""
        return len(self.names) <= 1

    @property
    def overlays(self) -> tuple[str, ...]:
        """Return the overlays of all environments: files that a folder's reading leaves out."""
        return tuple(path for name in self.names for path in self._values(name).paths("overlays"))

    def files(self) -> tuple[str, ...]:
        """Return the paths of the customers files; Invalid where none is named."""
        if self.options.files:
            return tuple(map(self._from_root, self.options.files))
        if not self._files:
            name = self._project_file.name if self._project_file else "-f"
            hint = "say which: -f PATH, or `files: [customers/]` in reconciler.yaml"
            if self._project_file is None:
                hint += "; `reconciler init` writes a project to begin with"
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
        allowed = [self._cwd / folder for folder in read_trust(self._variables).folders]
        return tuple(path.resolve() for path in (repository_root(self.root) or self.root, *allowed, *named))

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
        chosen = name or self._chosen()
        values = self._values(chosen)
        tree = values.tree
        environment = Environment(
            name=chosen,
            access=read_access(chosen, values, root=self.root, cwd=self._cwd),
            project=self.project,
            place=Place(self.root),
            prune=Prune(tree.get("prune", Prune.MANAGED)),
            owns=values.texts("owns"),
            server=_server(values.inside("server")),
            equal=_equal(values.inside("equal")),
            policy=_policy(values.inside("policy")),
            overlays=values.paths("overlays"),
            include=values.texts("include"),
            exclude=values.texts("exclude"),
            disposable=values.flag("disposable") or False,
            rate_per_s=self._rate(values),
        )
        if values.problems:
            raise Invalid(values.problems)
        return environment

    def _values(self, name: str) -> Values:
        """Return what the project file writes of the environment `name`."""
        tree = (self._project_file.environments.get(name) if self._project_file else None) or {}
        return Values(self._project_file, ("environments", name), tree, self._variables)

    def _chosen(self) -> str:
        """Return the name of the environment that is meant; Invalid where that is not clear."""
        named = self.options.environment or self._variables.get("AP_ENVIRONMENT")
        if named:
            return self._known(named, "-e" if self.options.environment else "AP_ENVIRONMENT")
        if len(self.names) == 1:
            return self.names[0]
        if not self.names:
            return "default"
        name = self._project_file.name if self._project_file else ""
        message = f"there are several environments: {', '.join(self.names)}"
        raise Invalid([Problem(Source(name), "environments", message, "name one with -e, or with AP_ENVIRONMENT")])

    def _known(self, name: str, given_by: str) -> str:
        """Return `name` where it is an environment's; Invalid, with the nearest, where it is not."""
        # The emulator on this machine is at hand in every project.
        if name in self.names or name == "local" or (not self.names and self._nameable(name)):
            return name
        known = self.names or tuple(BUILT_IN)
        hint = did_you_mean(name, known) or f"there are: {', '.join(known)}"
        if not self.names:
            hint += "" if hint.endswith("?") else "."
            hint += " To name one of your own, declare it in reconciler.yaml, or set AP_BASE_URL and AP_ENVIRONMENT"
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
    project_file = read_project_file(options.project_file, cwd)
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
    return settings


def _server(values: Values) -> Server:
    """Return what is stated of the server."""
    parse_lag: Callable[[str], float | None] = seconds
    return Server(values.flag("lists_archived"), values.flag("gets_archived"), values.parsed("lag", parse_lag, None))


def _policy(values: Values) -> Policy:
    """Return the limits and what they protect."""
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
        places={name: place for name in values.tree if (place := values.place(name)) is not None},
    )


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
                    message = f"{quoted(text)} stands in two lists; what means the same stands in one"
                    values.problems.append(values.problem(name, ValueError(message)))
    return equal
