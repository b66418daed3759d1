"""How an environment is reached: base URL, API key, ledger; from the project file, else from variables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reconciler.errors import Problem, Source
from reconciler.settings.environment import Access, Secret
from reconciler.settings.project import Values
from reconciler.settings.values import base_url, located

BUILT_IN: Mapping[str, str] = {
    "production": "https://public-api.alternativepayments.io",
    "demo": "https://public-api.demo.alternativepayments.io",
    "local": "http://127.0.0.1:8085",
}
"""The environments that need no base URL: the API's own, and the emulator on this machine."""

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
        state_keys=_state_keys(values, cwd=cwd),
    )


def _base_url(name: str, values: Values) -> str | Problem:
    """Return the base URL; one that cannot be used is an error at once."""
    text = values.text("base_url")
    if isinstance(text, Problem):
        return text
    variable = values.variables.get("AP_BASE_URL")
    try:
        if text is not None:
            return base_url(text)
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
    text, file = values.text("client_secret"), values.text("client_secret_file")
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
    text = values.text("state")
    if isinstance(text, Problem):
        return text
    variable = values.variables.get("RECONCILER_STATE")
    folder, place = (cwd, "RECONCILER_STATE") if text is None and variable else (root, "state")
    text = text or variable or ".reconciler/"
    if "://" in text:
        return text
    path = _in(folder, text, values, place)
    if isinstance(path, Problem):
        return path
    return str(path / f"{name}.db" if text.endswith("/") else path)


def _state_keys(values: Values, *, cwd: Path) -> Secret | Path | Problem | None:
    """Return the keys that the ledger is encrypted with, or the file that holds them; None for none."""
    if variable := values.variables.get("RECONCILER_STATE_KEY"):
        return Secret(variable)
    file = values.variables.get("RECONCILER_STATE_KEY_FILE")
    return _in(cwd, file, values, "RECONCILER_STATE_KEY_FILE") if file else None


def _in(folder: Path, text: str, values: Values, place: str) -> Path | Problem:
    """Return a path that starts at `folder`; `place` is the variable or the name in the project file that gives it."""
    try:
        return folder / located(text)
    except ValueError as error:
        message, _, hint = str(error).partition("; ")
        return Problem(Source(place), "", message, hint) if place.isupper() else values.problem(place, error)
