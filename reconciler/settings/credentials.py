"""
API keys from a command, such as a vault's: what it is called with, and what it prints.

It comes from the variable RECONCILER_CREDENTIALS_COMMAND or from the user's own configuration file, never from a
project: a repository runs nothing. No shell sees it.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from reconciler.errors import Invalid, Problem, Source
from reconciler.escape import visible
from reconciler.settings.project import belongs_to_another, read_document

COMMAND = "RECONCILER_CREDENTIALS_COMMAND"
CONFIG = "RECONCILER_CONFIG"
"""The variable that names another configuration file than the usual one."""
KEY = "credentials_command"
"""The same in the user's configuration file."""

TIMEOUT_S = 30.0
_LARGEST = 64 * 1024
_SHOWN = 300
_PRINTS = 'it prints {"client_id": "...", "client_secret": "..."} on stdout'


class CredentialsCommand:
    """A command that prints an API key; it is run once, where the key is first asked for."""

    def __init__(self, words: tuple[str, ...], given_by: str) -> None:
        self.words = words
        self.given_by = given_by

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CredentialsCommand) and other.words == self.words

    def __hash__(self) -> int:
        return hash(self.words)

    @cached_property
    def printed(self) -> tuple[str, str] | Problem:
        """Return the client id and the secret, the Problem where the command gives none; its output is in none."""
        named = visible(shlex.join(self.words))
        try:
            ran = subprocess.run(  # noqa: S603 - the user's own, without a shell
                self.words, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return self._problem(f"`{named}` did not end within {TIMEOUT_S:.0f} s", "run it by hand to see why")
        except OSError as error:
            return self._problem(f"`{named}` cannot be run: {error.strerror}", "check the path")
        if ran.returncode:
            said = visible(ran.stderr.decode(errors="replace").strip())[:_SHOWN]
            message = f"`{named}` ended with exit code {ran.returncode}: {said or 'it said nothing'}"
            return self._problem(message, _PRINTS)
        return self._read(ran.stdout, named)

    def _read(self, output: bytes, named: str) -> tuple[str, str] | Problem:
        """Return what the command printed as a key."""
        try:
            read: Any = json.loads(output) if len(output) <= _LARGEST else None
        except (ValueError, RecursionError):
            read = None
        if not isinstance(read, Mapping):
            return self._problem(f"`{named}` did not print a JSON object", _PRINTS)
        lacking = [name for name in ("client_id", "client_secret") if not isinstance(read.get(name), str)]
        if lacking:
            return self._problem(f"`{named}` printed no {' and no '.join(lacking)}", _PRINTS)
        return read["client_id"], read["client_secret"]

    def _problem(self, message: str, hint: str) -> Problem:
        return Problem(Source(self.given_by), "", message, hint)


def credentials_command(
    variables: Mapping[str, str], *, account: str, environment: str
) -> CredentialsCommand | Problem | None:
    """
    Return the command that gives keys, with the names of account and environment filled in; None where there is none.

    In its words `{account}` and `{environment}` stand for the names. The Problem says what is wrong with it.
    """
    text, given_by = variables.get(COMMAND), COMMAND
    if not text:
        try:
            found = _configured(variables)
        except Invalid as error:
            return error.problems[0]
        if found is None:
            return None
        text, given_by = found
    try:
        words = shlex.split(text)
    except ValueError as error:
        return Problem(Source(given_by), "", f"this is not a command: {error}", "close the quotes")
    names = {"{account}": account, "{environment}": environment}
    if not words or (not account and any("{account}" in word for word in words)):
        message = "the command asks for {account}, and no account is selected" if words else "the command is empty"
        hint = "select one with -e ACCOUNT/ENVIRONMENT" if words else "remove it"
        return Problem(Source(given_by), "", message, hint)
    for name, value in names.items():
        words = [word.replace(name, value) for word in words]
    return CredentialsCommand(tuple(words), given_by)


def _configured(variables: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the command of the user's configuration file, and the file's name; None for none, Invalid if wrong."""
    from platformdirs import user_config_path  # noqa: PLC0415 - most runs have their key from elsewhere

    given = variables.get(CONFIG)
    path = Path(given) if given else user_config_path("reconciler", appauthor=False) / "config.yaml"
    if not given and not path.is_file():
        return None
    shown = visible(str(path))
    if path.is_file() and belongs_to_another(path):
        hint = f"name one of yours in {CONFIG}"
        raise Invalid([Problem(Source(shown), "", "this file belongs to another user and is not read", hint)])
    tree = read_document(path, shown, hint=f"check {CONFIG}").tree
    if not isinstance(tree, Mapping) or set(tree) - {KEY} or not isinstance(tree.get(KEY, ""), str):
        hint = f"write `{KEY}: COMMAND` and nothing else"
        raise Invalid([Problem(Source(shown), "", "this is not a configuration of Reconciler", hint)])
    text = tree.get(KEY)
    return (str(text), shown) if text else None
