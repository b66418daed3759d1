"""How an environment is reached: base URL, API key, ledger; from the project file, else from variables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from reconciler.errors import Problem, Source
from reconciler.settings.environment import Access, Secret
from reconciler.settings.project import Values
from reconciler.settings.state_url import check_no_service, check_path, hosts_of
from reconciler.settings.trust import check_file, host_of, read_trust
from reconciler.settings.values import base_url, located, names_a_variable

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
"""The variables by which a store's own tools are told where it is, the strongest first."""

_LOCAL_KEY = "local"
_WHERE_KEYS_ARE = "keys are made in the Partner Dashboard, Team Preferences, API Keys"


def read_access(name: str, values: Values, *, root: Path, cwd: Path) -> Access:
    """
    Return how the environment `name` is reached: what `values` write, else what its variables say.

    Paths in the project file start at `root`, those in variables at `cwd`.
    """
    return Access(
        base_url=_base_url(name, values),
        client_id=_client_id(name, values),
        client_secret=_client_secret(name, values, root=root, cwd=cwd),
        state=_state(name, values, root=root, cwd=cwd),
        state_keys=_keys("RECONCILER_STATE_KEY", values, cwd=cwd),
        plan_keys=_keys("RECONCILER_PLAN_KEY", values, cwd=cwd),
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
    message, hint = "it has no base_url", "write `base_url:`; only production, demo and local have one of their own"
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


def _client_id(name: str, values: Values) -> str | Problem:
    """Return the API key's client id."""
    text = values.text("client_id")
    if text is not None:
        return text
    if variable := values.variables.get("AP_CLIENT_ID"):
        return variable
    if name == "local":
        return _LOCAL_KEY
    hint = f"set it to the API key's client id; {_WHERE_KEYS_ARE}"
    return Problem(Source("AP_CLIENT_ID"), "", "this variable is not set", hint)


def _client_secret(name: str, values: Values, *, root: Path, cwd: Path) -> Secret | Path | Problem:
    """Return the API key's secret, or the file that holds it."""
    text, file = values.text("client_secret", secret=True), values.text("client_secret_file")
    if text is not None and file is not None:
        error = ValueError("client_secret and client_secret_file are both given; remove one of the two")
        return values.problem("client_secret_file", error)
    if text is not None:
        return text if isinstance(text, Problem) else Secret(text)
    if file is not None:
        return file if isinstance(file, Problem) else _in(root, file, values, "client_secret_file")
    if variable := values.variables.get("AP_CLIENT_SECRET"):
        return Secret(variable)
    if variable := values.variables.get("AP_CLIENT_SECRET_FILE"):
        return _in(cwd, variable, values, "AP_CLIENT_SECRET_FILE")
    if name == "local":
        return Secret(_LOCAL_KEY)
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


def _keys(name: str, values: Values, *, cwd: Path) -> Secret | Path | Problem | None:
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
