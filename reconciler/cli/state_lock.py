"""`state unlock`: end a lease by hand."""

from __future__ import annotations

import sys

import click

from reconciler.cli import output
from reconciler.cli.session import settings_of
from reconciler.errors import Refused
from reconciler.pipeline import resources
from reconciler.settings import Options


def unlock(*, options: Options, force: bool) -> None:
    """End the lock that another run holds, and say who held it."""
    environment = settings_of(options).environment()
    holder = resources.holder_now(environment)
    if holder is None:
        output.report("nobody holds the lock")
        return
    if not force:
        _agreed(str(holder))
    resources.end_by_hand(environment)
    output.report(f"the lock is ended; it was held: {holder}")


def _agreed(holder: str) -> None:
    """Ask; Refused where there is no consent."""
    if not sys.stdin.isatty():
        raise Refused(
            f"the lock is held: {holder}; there is no terminal to ask on, and nothing was done",
            "make sure that this run is dead, then give --force",
        )
    question = f"The lock is held: {holder}\nIs that run dead? It could write nothing more. End its lock?"
    if not click.confirm(question, default=False, err=True):
        raise Refused("the lock was left as it is")
