"""
What a shell offers for a word that is being typed: environments, keys, customers' ids, runs.

It asks no server, and says nothing where something is wrong: the command itself will.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from reconciler.ledger.base import Ledger
    from reconciler.settings import Settings

_WORD = re.compile(r"[\w./@][\w./@%+,:=-]*")
"""A word in which no shell expands, quotes or separates anything."""

MOST = 500
"""So many words a shell is offered; a longer list helps nobody."""


class Name(click.types.StringParamType):
    """A text that names something; a shell offers existing names, by what the command line has."""

    def names(self, ctx: click.Context) -> Iterable[str]:
        """Return what may be offered."""
        raise NotImplementedError

    def shell_complete(self, ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """
        Return the names that begin with `incomplete` and mean themselves to a shell; none where they cannot be known.

        Shells insert a word as it is: `$(…)` in one would run when the line does.
        """
        from click.shell_completion import CompletionItem

        try:
            fitting = (name for name in self.names(ctx) if name.startswith(incomplete) and _WORD.fullmatch(name))
            return [CompletionItem(name) for name in islice(fitting, MOST)]
        except (ReconcilerError, OSError):
            return []


class FilePath(click.Path):
    """A path; `~` at its start is a home folder, as where the shell has left it: in `--out=~/next.plan`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path that `value` writes."""
        if isinstance(value, str) and value.startswith("~"):
            # Only here: a shell has mostly done it.
            from reconciler.settings.values import home_for_tilde

            try:
                value = home_for_tilde(value)
            except ValueError as exc:
                self.fail(str(exc), param, ctx)
        return super().convert(value, param, ctx)


class EnvironmentType(Name):
    """An environment of the project file."""

    def names(self, ctx: click.Context) -> Iterable[str]:
        """Return those of the project file."""
        from reconciler.settings.project import read_project_file

        project = read_project_file(_given(ctx, "project_file"), Path.cwd())
        if project is None:
            return ()
        fleet = project.document.tree.get("fleet")
        shared = str(fleet.get("environment", "")) if isinstance(fleet, dict) else ""
        own = [name for name in project.environments if name != shared]
        return [*own, *(f"{name}/{shared}" for name in _accounts(ctx))] if shared else own


class AccountType(Name):
    """An account of the fleet."""

    def names(self, ctx: click.Context) -> Iterable[str]:
        """Return the first accounts."""
        return _accounts(ctx)


_MOST_ACCOUNTS = 100


def _accounts(ctx: click.Context) -> list[str]:
    """Return the first accounts of the fleet; none where they cannot be read."""
    try:
        return [one.name for one in _settings(ctx, environment=False).fleet().accounts[:_MOST_ACCOUNTS]]
    except (ReconcilerError, OSError):
        return []


class KeyType(Name):
    """A customer's key, as an address writes it."""

    def names(self, ctx: click.Context) -> Iterable[str]:
        """Return those that are declared or recorded."""
        from reconciler.model.core import Address

        return (str(Address(key)) for key in sorted({*_recorded(ctx), *_declared(ctx)}))


class CustomerType(Name):
    """The API's id of a customer."""

    def names(self, ctx: click.Context) -> Iterable[str]:
        """Return those that are recorded."""
        with _ledger(ctx) as ledger:
            return sorted(row.bound_id for row in ledger.records().bindings.values())


class RunType(Name):
    """A run's id."""

    def names(self, ctx: click.Context) -> Iterable[str]:
        """Return those of the ledger, the newest first."""
        with _ledger(ctx) as ledger:
            return [run.id for run in reversed(ledger.runs())]


def _given(ctx: click.Context, name: str) -> str | None:
    """Return what a common option says up to here, before the command or after it."""
    given: str | None = ctx.params.get(name) or getattr(ctx.obj, name, None)
    return given


def _recorded(ctx: click.Context) -> Iterable[str]:
    """Return the keys that the ledger has; none where it cannot be read."""
    try:
        with _ledger(ctx) as ledger:
            return list(ledger.records().bindings)
    except (ReconcilerError, OSError):
        return []


def _declared(ctx: click.Context) -> Iterable[str]:
    """Return the keys that the files declare; none where they cannot be read."""
    from reconciler.desired.load import load_desired

    if "-" in (ctx.params.get("files") or ()):
        return []
    try:
        settings = _settings(ctx)
        return list(load_desired(settings.files(), root=settings.root, within=settings.within).desired.customers)
    except (ReconcilerError, OSError):
        return []


def _ledger(ctx: click.Context) -> Ledger:
    """Return the ledger of the environment that the command line names so far, for reading."""
    from reconciler.ledger.open import open_ledger

    named = _settings(ctx).environment()
    return open_ledger(named.state(), environment=named.name, base_url=named.base_url(), writable=False)


def _settings(ctx: click.Context, *, environment: bool = True) -> Settings:
    """Return the settings by the words before the one being typed."""
    from reconciler.settings import Options, read_settings

    options = Options(
        project_file=_given(ctx, "project_file"),
        environment=_given(ctx, "environment") if environment else None,
        files=ctx.params.get("files") or (),
    )
    return read_settings(options, variables=os.environ, cwd=Path.cwd())
