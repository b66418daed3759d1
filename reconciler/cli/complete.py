"""
What a shell offers for a word that is being typed: environments, keys, customers' ids, runs.

It asks no server, and says nothing where something is wrong: the command itself will.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.errors import ReconcilerError
from reconciler.text import visible

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from reconciler.ledger.base import Ledger
    from reconciler.settings import Options

MOST = 500
"""So many words a shell is offered; a longer list helps nobody."""


def environments(ctx: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the environments of the project file that begin with `begun`."""

    def names() -> Iterable[str]:
        from reconciler.settings.project import read_project_file  # noqa: PLC0415 - `--help` must not import it

        project = read_project_file(ctx.params.get("project_file"), Path.cwd())
        return () if project is None else project.environments

    return _offered(names, begun)


def keys(ctx: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the declared and recorded keys that begin with `begun`, as an address writes them."""

    def names() -> Iterable[str]:
        from reconciler.model import Address  # noqa: PLC0415 - `--help` must not import it

        return (str(Address(key)) for key in sorted({*_recorded(ctx), *_declared(ctx)}))

    return _offered(names, begun)


def customer_ids(ctx: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the API's ids of recorded customers that begin with `begun`."""

    def names() -> Iterable[str]:
        with _ledger(ctx) as ledger:
            return sorted(row.bound_id for row in ledger.records().bindings.values())

    return _offered(names, begun)


def runs(ctx: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the ids of the runs that begin with `begun`, the newest first."""

    def names() -> Iterable[str]:
        with _ledger(ctx) as ledger:
            return [run.id for run in reversed(ledger.runs())]

    return _offered(names, begun)


def _recorded(ctx: click.Context) -> Iterable[str]:
    """Return the keys that the ledger has; none where it cannot be read."""
    try:
        with _ledger(ctx) as ledger:
            return list(ledger.records().bindings)
    except (ReconcilerError, OSError):
        return []


def _declared(ctx: click.Context) -> Iterable[str]:
    """Return the keys that the files declare; none where they cannot be read."""
    from reconciler.cli.session import settings_of  # noqa: PLC0415 - `--help` must not import it
    from reconciler.desired.load import load_desired  # noqa: PLC0415 - the same

    options = _options(ctx)
    if "-" in options.files:
        return []
    try:
        settings = settings_of(options)
        return list(load_desired(settings.files(), root=settings.root).desired.customers)
    except (ReconcilerError, OSError):
        return []


def _ledger(ctx: click.Context) -> Ledger:
    """Return the ledger of the environment that the command line names so far, for reading."""
    from reconciler.cli.session import settings_of  # noqa: PLC0415 - `--help` must not import it
    from reconciler.pipeline.opening import open_ledger  # noqa: PLC0415 - the same

    return open_ledger(settings_of(_options(ctx)).environment(), writable=False)


def _options(ctx: click.Context) -> Options:
    """Return what the words before the one being typed say."""
    from reconciler.settings import Options  # noqa: PLC0415 - `--help` must not import it

    before = ctx.find_root().params
    return Options(
        project_file=before.get("project_file"),
        environment=before.get("environment"),
        files=ctx.params.get("files") or (),
    )


def _offered(names: Callable[[], Iterable[str]], begun: str) -> list[CompletionItem]:
    """Return those of `names` that begin with `begun` and can be typed; none where they cannot be told."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only a shell asks

    try:
        fitting = (name for name in names() if name.startswith(begun) and visible(name) == name)
        return [CompletionItem(name) for name in islice(fitting, MOST)]
    except (ReconcilerError, OSError):
        return []
