"""One environment, ready for use: what it is under, and how its account and ledger are reached."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from reconciler.errors import Invalid, Problem, Source
from reconciler.input_file import read_file
from reconciler.model.core import Action, EnvironmentRef
from reconciler.model.policy import NOTHING_OWNED, Prune, Share, Since, SyncedRules, Terms, Waiver, Window
from reconciler.settings.credentials import COMMAND, CredentialsCommand, credentials_command
from reconciler.settings.project import NOWHERE, ProjectPlace, Values
from reconciler.settings.values import (
    base_url,
    check_file,
    check_no_service,
    check_path,
    host_of,
    hosts_of,
    located,
    names_a_variable,
    read_trust,
)

RATE_PER_S = 5.0
"""What the API allows for each key (FAQ, "What is the API rate limit?")."""

_BETWEEN_KEYS = ", \t\r\n"
_LARGEST_SECRET = 64 * 1024

LIMITS = ("max_archives", "max_restores", "max_changes")
TENTH = Share(10, percent=True)
"""The limit of archives, and of restores, where none is given."""


class Secret:
    """A text that is never shown: only `reveal` gives it out."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself, for the one place that sends it."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.reveal() == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API key."""

    client_id: str
    client_secret: Secret


@dataclass(frozen=True, slots=True)
class Options:
    """
    What the command line says, None or empty where it says nothing.

    `project_file` is `-p`, `environment` `-e`, `files` `-f`; `targets` and `excludes` are `--target`, `--exclude`,
    `recreate` is `--allow-recreate`, `approved` `--approve`. `changed_since` is the commit of `--changed-since`,
    `since` what it led to.
    """

    project_file: str | None = None
    environment: str | None = None
    files: tuple[str, ...] = ()
    rate_per_s: float | None = None
    max_archives: Share | None = None
    max_restores: Share | None = None
    max_changes: Share | None = None
    max_requests: int | None = None
    max_duration_s: float | None = None
    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    refresh_users: bool = False
    accept_new_key: bool = False
    recreate: tuple[str, ...] = ()
    approved: tuple[str, ...] = ()
    changed_since: str | None = None
    since: Since | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """What the project file states of the server; None where it states nothing."""

    lists_archived: bool | None = None
    gets_archived: bool | None = None
    lag_s: float | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """
    What a plan must keep to. `protect`: patterns of external_ids; `required`: names of fields.

    `places`: for a rule that is written, where. `at` and `lacks` are `policy_at` and `policy_lacks` of `Terms`.
    """

    max_archives: Share = TENTH
    max_restores: Share = TENTH
    max_changes: Share | None = None
    protect: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    require_approval_for: tuple[Action, ...] = ()
    windows: tuple[Window, ...] = ()
    allow: tuple[Waiver, ...] = ()
    places: Mapping[str, Source] = field(default_factory=dict, compare=False)
    at: Source | None = field(default=None, compare=False)
    lacks: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Access:
    """
    How an environment is reached. What is missing is the Problem that reports it, raised when it is asked for.

    `validate` needs none of it, so a variable that is not set is no error until then. `secret_file` is read when the
    secret is asked for; `state` is a path or a URL, which may hold a password.
    """

    base_url: str | Problem
    client_id: str | Path | CredentialsCommand | Problem = field(repr=False)
    client_secret: Secret | Path | CredentialsCommand | Problem = field(repr=False)
    state: str | Problem = field(repr=False)
    state_keys: Secret | Path | Problem | None = field(default=None, repr=False)
    plan_keys: Secret | Path | Problem | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Environment:
    """
    One environment of the project, or the one that variables describe.

    `equal`: for a field, canonical text → the one that stands for its class. Paths of `overlays` start at the
    project's folder.
    """

    name: str
    access: Access
    project: str = "default"
    place: ProjectPlace = NOWHERE
    prune: Prune = Prune.MANAGED
    owns: tuple[str, ...] = ()
    server: Server = Server()
    synced: SyncedRules = NOTHING_OWNED
    equal: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    policy: Policy = Policy()
    overlays: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    disposable: bool = False
    rate_per_s: float = RATE_PER_S

    @property
    def shared_name(self) -> str:
        """Return the name in the project file: without the account, where it is one of a fleet's."""
        return self.name.rpartition("/")[2]

    @property
    def runs_a_command(self) -> bool:
        """Say whether a command gives the key."""
        return isinstance(self.access.client_id, CredentialsCommand)

    def base_url(self) -> str:
        """Return the API's base URL; Invalid where none is known."""
        return _asked(self.access.base_url)

    def state(self) -> str:
        """Return where the ledger is, a path or a URL; Invalid where a variable in it is not set."""
        return _asked(self.access.state)

    def client_id(self) -> str:
        """Return the API key's client id; Invalid where none is given, or it is none."""
        return _asked(_credential(self._client_id(), "client id"))

    def _client_id(self) -> str | Problem:
        """Return the client id as it was written, the Problem where it is missing or cannot be read."""
        written = self.access.client_id
        if isinstance(written, CredentialsCommand):
            return written.printed if isinstance(written.printed, Problem) else written.printed[0]
        read = _read_secret(written, "client id", "client_id_file") if isinstance(written, Path) else written
        return read.reveal() if isinstance(read, Secret) else read

    def credentials(self) -> Credentials:
        """Return the API key; Invalid, naming all that is missing, where it is not given or cannot be read."""
        client_id, secret = _credential(self._client_id(), "client id"), self.access.client_secret
        if isinstance(secret, CredentialsCommand):
            secret = secret.printed if isinstance(secret.printed, Problem) else Secret(secret.printed[1])
        if isinstance(secret, Path):
            secret = _read_secret(secret, "client secret", "client_secret_file")
        if isinstance(secret, Secret):
            text = _credential(secret.reveal(), "client secret")
            secret = text if isinstance(text, Problem) else Secret(text)
        if isinstance(client_id, Problem) or isinstance(secret, Problem):
            raise Invalid(list(dict.fromkeys(one for one in (client_id, secret) if isinstance(one, Problem))))
        return Credentials(client_id, secret)

    def state_keys(self) -> Secret:
        """Return the keys of the ledger as they were written, "" for none; Invalid where their file cannot be read."""
        return _keys(self.access.state_keys, "ledger's key", "RECONCILER_STATE_KEY")

    def plan_keys(self) -> Secret:
        """Return the keys of saved plans as they were written, "" for none; Invalid where they cannot be read."""
        return _keys(self.access.plan_keys, "key of saved plans", "RECONCILER_PLAN_KEY")

    def ref(self) -> EnvironmentRef:
        """Return which account this is; Invalid where base URL or client id are missing."""
        account = hashlib.sha256(self.client_id().encode()).hexdigest()
        return EnvironmentRef(self.name, self.base_url(), account)

    def terms(self, options: Options) -> Terms:
        """Return what a plan for this environment is made under; options win over the project file's policy."""
        return Terms(
            environment=self.ref(),
            project=self.project,
            place=self.place.text,
            prune=self.prune,
            owns=self.owns,
            protect=self.policy.protect,
            required=self.policy.required,
            equal=self.equal,
            max_archives=options.max_archives or self.policy.max_archives,
            max_restores=options.max_restores or self.policy.max_restores,
            max_changes=options.max_changes or self.policy.max_changes,
            windows=self.policy.windows,
            approval=self.policy.require_approval_for,
            approved=frozenset(map(Action, options.approved)),
            allow=self.policy.allow,
            by_option=frozenset(name for name in LIMITS if getattr(options, name) is not None),
            policy_at=self.policy.at,
            policy_lacks=self.policy.lacks,
            places={name: place for name, place in self.policy.places.items() if not getattr(options, name, None)},
            targets=options.targets,
            excludes=options.excludes,
            since=options.since,
            lists_archived=self.server.lists_archived,
            gets_archived=self.server.gets_archived,
            lag_s=self.server.lag_s,
            rate_per_s=self.rate_per_s,
            refresh_users=options.refresh_users,
            accept_new_key=options.accept_new_key,
            disposable=self.disposable,
            recreate=options.recreate,
            synced=self.synced,
        )


def _asked(value: str | Problem) -> str:
    """Return a value that is needed now, or raise what it lacks."""
    if isinstance(value, Problem):
        raise Invalid([value])
    return value


def _keys(keys: Secret | Path | Problem | None, what: str, variable: str) -> Secret:
    """Return keys as they were written, "" for none; Invalid where they are empty, or their file cannot be read."""
    if keys is None:
        return Secret("")
    read = _read_secret(keys, what, f"{variable}_FILE") if isinstance(keys, Path) else keys
    if isinstance(read, Problem):
        raise Invalid([read])
    if not read.reveal().strip(_BETWEEN_KEYS):
        place = str(keys) if isinstance(keys, Path) else variable
        hint = "write 32 random bytes in Base64 into it, as `openssl rand -base64 32` prints, or remove it"
        raise Invalid([Problem(Source(place), "", f"the {what} is empty", hint)])
    return read


def _credential(text: str | Problem, what: str) -> str | Problem:
    """
    Return a client id or a secret without what copying or a shell left around it, or the Problem with what is in it.

    RFC 6749, appendix A, allows printable ASCII; the message says where something else is, and never what the rest is.
    """
    if isinstance(text, Problem):
        return text
    # A line break from `echo`, a byte order mark from an editor, a zero-width space from a web page.
    text = text.strip().strip("\ufeff\u200b").strip()
    at = next((at for at, char in enumerate(text) if not "!" <= char <= "~"), None)
    if at is not None:
        kind = "a space or a line break" if text[at].isspace() else f"U+{ord(text[at]):04X}"
        message = f"the {what} holds {kind} at character {at + 1} of {len(text)}, which no credential has"
        return Problem(Source("environment"), "", message, "copy it again from the Partner Dashboard")
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return Problem(
            Source("environment"), "", (f"the {what} is in quotes, which would be sent too"), "remove the quotes"
        )
    if not text:
        return Problem(Source("environment"), "", f"the {what} is empty", "set it")
    return text


def _read_secret(path: Path, what: str, named_by: str) -> Secret | Problem:
    """Return the secret that a file holds, without the line break at its end."""
    try:
        text = read_file(path, _LARGEST_SECRET).decode().strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        return Problem(Source(str(path)), "", f"the {what} cannot be read: {reason}", f"check {named_by}")
    if not text:
        return Problem(Source(str(path)), "", f"the file of the {what} is empty", "write the secret into it")
    return Secret(text)


BUILT_IN: Mapping[str, str] = {
    "production": "https://public-api.alternativepayments.io",
    "demo": "https://public-api.demo.alternativepayments.io",
    "local": "http://127.0.0.1:8085",
}
"""The environments that need no base URL: the API's own, and the emulator on this machine."""

_ENDPOINTS: Mapping[str, tuple[str, ...]] = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
"""The variables with which a store's own tools find it, the strongest first."""

_LOCAL_KEY = "local"
_WHERE_KEYS_ARE = "create one in the Partner Dashboard under Team Preferences, API Keys"


def read_access(name: str, values: Values, *, root: Path, cwd: Path, account: str = "") -> Access:
    """
    Return how the environment `name` is reached: what `values` write, else what its variables say.

    Paths in the project file start at `root`, those in variables at `cwd`. Of an `account` of a fleet the ledger has
    the account's name too, and so has a local key; the variables of one key are not its own.
    """
    # Once for both: it is run once.
    command = cache(lambda: credentials_command(values.variables, account=account, environment=name))
    return Access(
        base_url=_base_url(name, values),
        client_id=_client_id(name, values, account, command, root=root),
        client_secret=_client_secret(name, values, account, command, root=root, cwd=cwd),
        state=_state(f"{account}/{name}" if account else name, values, root=root, cwd=cwd),
        state_keys=_access_keys("RECONCILER_STATE_KEY", values, cwd=cwd),
        plan_keys=_access_keys("RECONCILER_PLAN_KEY", values, cwd=cwd),
    )


def _base_url(name: str, values: Values) -> str | Problem:
    """Return the base URL; one that cannot be used is an error at once."""
    text = values.text("base_url")
    if isinstance(text, Problem):
        return text
    variable = values.variables.get("AP_BASE_URL")
    try:
        if text is not None:
            return _trusted_base_url(base_url(text), values)
        if variable:
            return base_url(variable)
    except ValueError as error:
        message, _, hint = str(error).partition("; ")
        problem = (
            Problem(Source("AP_BASE_URL"), "", message, hint) if text is None else values.problem("base_url", error)
        )
        values.problems.append(problem)
        return problem
    if name in BUILT_IN:
        return BUILT_IN[name]
    if values.project is None or name not in values.project.environments:
        hint = "set AP_ENVIRONMENT to production, demo or local, or set AP_BASE_URL"
        return Problem(Source("AP_ENVIRONMENT"), "", "no environment is named", hint)
    message, hint = "it has no base_url", "write `base_url:`; only production, demo and local have a default"
    return values.project.problem(values.path, message, hint, at_key=True)


def _trusted_base_url(url: str, values: Values) -> str | Problem:
    """Return a base URL of the project file, the Problem where its host is not one that a project file may name."""
    if names_a_variable(values.tree["base_url"]):
        return url
    try:
        read_trust(values.variables).check_hosts([host_of(url)])
    except ValueError as error:
        return values.problem("base_url", error)
    return url


Asked = Callable[[], CredentialsCommand | Problem | None]


def _client_id(
    name: str, values: Values, account: str, command: Asked, *, root: Path
) -> str | Path | CredentialsCommand | Problem:
    """Return the API key's client id, or the file that holds it, or the command that prints it."""
    text, file = values.text("client_id"), values.text("client_id_file")
    if text is not None and file is not None:
        error = ValueError("client_id and client_id_file are both set; remove one of them")
        return values.problem("client_id_file", error)
    if text is not None:
        return text
    if file is not None:
        return file if isinstance(file, Problem) else _in(root, file, values, "client_id_file")
    variable = values.variables.get("AP_CLIENT_ID")
    if variable and not account:
        return variable
    if (printing := command()) is not None:
        return printing
    if name == "local":
        return account or _LOCAL_KEY
    if account:
        return _no_key(values, account, "client_id")
    hint = f"set it to the API key's client id; {_WHERE_KEYS_ARE}"
    return Problem(Source("AP_CLIENT_ID"), "", "this variable is not set", hint)


def _no_key(values: Values, account: str, key: str) -> Problem:
    """Return that nothing says which key an account has."""
    message = f"it has no {key} for the account {account}"
    hint = f"write `{key}_file: secrets/{{account}}/{key}` or {key} with {{ACCOUNT}}, or set {COMMAND}"
    if values.project is None:
        return Problem(Source("fleet"), "", message, hint)
    return values.project.problem(values.path, message, hint, at_key=True)


def _client_secret(
    name: str, values: Values, account: str, command: Asked, *, root: Path, cwd: Path
) -> Secret | Path | CredentialsCommand | Problem:
    """Return the API key's secret, or the file that holds it, or the command that prints it."""
    text, file = values.text("client_secret", secret=True), values.text("client_secret_file")
    if text is not None and file is not None:
        error = ValueError("client_secret and client_secret_file are both set; remove one of them")
        return values.problem("client_secret_file", error)
    if text is not None:
        return text if isinstance(text, Problem) else Secret(text)
    if file is not None:
        return file if isinstance(file, Problem) else _in(root, file, values, "client_secret_file")
    variable, named = (values.variables.get(f"AP_CLIENT_SECRET{end}") for end in ("", "_FILE"))
    if variable and not account:
        return Secret(variable)
    if named and not account:
        return _in(cwd, named, values, "AP_CLIENT_SECRET_FILE")
    if (printing := command()) is not None:
        return printing
    if name == "local":
        return Secret(_LOCAL_KEY)
    if account:
        return _no_key(values, account, "client_secret")
    hint = f"set it, or AP_CLIENT_SECRET_FILE, to the API key's secret; {_WHERE_KEYS_ARE}"
    return Problem(Source("AP_CLIENT_SECRET"), "", "this variable is not set", hint)


def _state(name: str, values: Values, *, root: Path, cwd: Path) -> str | Problem:
    """Return where the ledger is: a URL as it is, a path made absolute."""
    written: str | None = values.tree.get("state")
    text = None if written is None else values.text("state", secret="://" in written)
    if isinstance(text, Problem):
        return text
    variable = values.variables.get("RECONCILER_STATE")
    folder, place = (cwd, "RECONCILER_STATE") if text is None and variable else (root, "state")
    text = text or variable or ".reconciler/"
    try:
        if "://" not in text:
            check_path(text)
            path = _in(folder, text, values, place)
            return path if isinstance(path, Problem) else str(path / f"{name}.db" if text.endswith("/") else path)
        hosts = hosts_of(text)
        if written is not None and not names_a_variable(written):
            check_no_service(text)
            read_trust(values.variables).check_hosts(hosts)
    except ValueError as error:
        return _problem(place, error, values)
    return _with_endpoint(text, values.variables)


def _with_endpoint(url: str, variables: Mapping[str, str]) -> str:
    """
    Return the URL of a ledger with the endpoint that the store's own variables name, unless it names one itself.

    >>> _with_endpoint("s3://bucket/state", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9000"})
    's3://bucket/state?endpoint=http%3A%2F%2F127.0.0.1%3A9000'
    """
    parts = urlsplit(url)
    named = next((variables[name] for name in _ENDPOINTS.get(parts.scheme, ()) if variables.get(name)), "")
    if not named or "endpoint" in parse_qs(parts.query, keep_blank_values=True):
        return url
    return f"{url}{'&' if parts.query else '?'}{urlencode({'endpoint': named})}"


def _access_keys(name: str, values: Values, *, cwd: Path) -> Secret | Path | Problem | None:
    """
    Return the keys that a variable gives, or the file of them that one named `…_FILE` does; None for none.

    A variable that is set and empty is not none: whoever set it wants encryption.
    """
    key, file = values.variables.get(name), values.variables.get(f"{name}_FILE")
    if key or not file:
        return Secret(key or "") if key is not None or file is not None else None
    return _in(cwd, file, values, f"{name}_FILE")


def _in(folder: Path, text: str, values: Values, place: str) -> Path | Problem:
    """
    Return a path that starts at `folder`; `place` is the variable or the name in the project file that gives it.

    A project file names none of the system's own files.
    """
    try:
        path = folder / located(text)
        if not place.isupper():
            check_file(path)
    except ValueError as error:
        return _problem(place, error, values)
    return path


def _problem(place: str, error: ValueError, values: Values) -> Problem:
    """Return what is wrong with the value of a variable, or of a name in the project file."""
    message, _, hint = str(error).partition("; ")
    return Problem(Source(place), "", message, hint) if place.isupper() else values.problem(place, error)
