"""
API keys from a command, such as a vault's: what it is called with, and what it prints.

It comes from the variable RECONCILER_CREDENTIALS_COMMAND or from the user's own configuration file, never from a
project: a repository runs nothing. No shell sees it.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from threading import Thread
from typing import IO, Any

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
_READ_OF_ERRORS, _SHOWN = 4096, 300
_LAST_WORDS_S = 1.0
_PRINTED = re.compile(r"[^\s\"'{}\[\],:]{6,}")
_NAMED_SECRET = re.compile(
    r"((?:secret|token|password|bearer|key)[\"']?(?:\s*[=:]\s*|\s)[\"']?)[^\s\"',;]+", re.IGNORECASE
)
_TOKEN = re.compile(r"(?=[A-Za-z+_=-]*[0-9])(?=[0-9+_=-]*[A-Za-z])[A-Za-z0-9+_=-]{16,}")
_PRINTS = 'it prints {"client_id": "...", "client_secret": "..."} on stdout'


class CredentialsCommand:
    """A command that prints an API key; it is run once, where the key is first asked for."""

    def __init__(self, words: tuple[str, ...], given_by: str, wanted_for: str) -> None:
        self.words = words
        self.given_by = given_by
        self._named = f"`{visible(shlex.join(words))}` for {visible(wanted_for)}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CredentialsCommand) and other.words == self.words

    def __hash__(self) -> int:
        return hash(self.words)

    @cached_property
    def printed(self) -> tuple[str, str] | Problem:
        """Return the client id and the secret, the Problem where the command gives none; its output is in none."""
        try:
            code, output, errors = _run(self.words)
        except subprocess.TimeoutExpired:
            return self._problem(f"{self._named} did not end within {TIMEOUT_S:.0f} s", "run it by hand to see why")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            return self._problem(f"{self._named} cannot be run: {visible(reason)}", "check the path")
        if max(len(output), len(errors)) > _LARGEST:
            return self._problem(f"{self._named} printed more than {_LARGEST // 1024} kB", _PRINTS)
        if code:
            said = _without_secrets(errors[:_READ_OF_ERRORS].decode(errors="replace").strip(), output)
            reason = visible(said)[:_SHOWN] or "it printed no reason"
            return self._problem(f"{self._named} ended with exit code {code}: {reason}", _PRINTS)
        return self._read(output)

    def _read(self, output: bytes) -> tuple[str, str] | Problem:
        """Return what the command printed as a key."""
        try:
            read: Any = json.loads(output)
        except (ValueError, RecursionError):
            read = None
        if not isinstance(read, Mapping):
            return self._problem(f"{self._named} did not print a JSON object", _PRINTS)
        lacking = [name for name in ("client_id", "client_secret") if not isinstance(read.get(name), str)]
        if lacking:
            return self._problem(f"{self._named} printed no {' and no '.join(lacking)}", _PRINTS)
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
    return CredentialsCommand(tuple(words), given_by, f"{account}/{environment}" if account else environment)


def _run(words: tuple[str, ...]) -> tuple[int, bytes, bytes]:
    """
    Return a command's exit code and what it printed, of each stream no more than a read beyond the limit.

    Raises TimeoutExpired where it does not end in time. A process that it left behind is not waited for.
    """
    process = subprocess.Popen(  # noqa: S603 - the user's own, without a shell
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    )
    streams, texts = (process.stdout, process.stderr), (bytearray(), bytearray())
    # Daemons: they end with the streams, which a process that was left behind may keep open.
    readers = [Thread(target=_fill, args=pair, daemon=True) for pair in zip(texts, streams, strict=True)]
    try:
        for reader in readers:
            reader.start()
        code = process.wait(TIMEOUT_S)
        for reader in readers:
            reader.join(_LAST_WORDS_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    output, errors = map(bytes, texts)
    return code, output, errors


def _fill(text: bytearray, stream: IO[bytes]) -> None:
    """Add what a stream holds; one that is over the limit is closed, which ends most commands."""
    with stream:
        while len(text) <= _LARGEST and (read := stream.read(_LARGEST)):
            text += read


def _without_secrets(text: str, output: bytes) -> str:
    r"""
    Return what a command said without what it printed as a key, and without what else looks like one.

    >>> _without_secrets("denied for hush-hush, token=abc, id 0123456789abcdef", b'{"client_secret": "hush-hush"}')
    'denied for ***, token=***, id ***'
    """
    for word in set(_PRINTED.findall(output.decode(errors="replace"))):
        text = text.replace(word, "***")
    return _TOKEN.sub("***", _NAMED_SECRET.sub(r"\1***", text))


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
