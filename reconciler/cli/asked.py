"""What the commands that write are asked for alike: consent, the lock's patience, how to print, where events go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from reconciler.cli import events as streaming
from reconciler.cli import options as shared
from reconciler.cli.events import Events
from reconciler.model import Action
from reconciler.pipeline.opening import real_clock

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options say of consent and of how to print."""

    auto_approve: bool
    approved: frozenset[Action]
    form: str
    redact: bool
    events: Events


@dataclass(frozen=True, slots=True)
class Ask:
    """Whether and what is agreed to beforehand, how long another run is waited for, and where events go."""

    auto_approve: bool
    approved: tuple[str, ...]
    lock_timeout_s: float
    events: str | None


def consent_options(command: Command) -> Command:
    """Add `--auto-approve`, `--approve`, `--lock-timeout` and `--json-events`, as the parameter `ask`."""
    command = shared.gathered("ask", Ask, "auto_approve", "approved", "lock_timeout", "events")(command)
    command = streaming.option(command)
    command = shared.approve(shared.lock_timeout(command))
    return click.option("--auto-approve", is_flag=True, help="Do not ask.")(command)


def asked_of(ctx: click.Context, ask: Ask, form: str, *, redact: bool) -> Asked:
    """Return what the options say; the stream of events ends with the command."""
    if ask.events == streaming.STDOUT:
        if form != "text":
            raise click.UsageError("--json-events - and --format json would both write to stdout: name a file")
        form = "events"
    stream = streaming.events_to(ctx, ask.events, real_clock(), redact=redact)
    return Asked(ask.auto_approve, frozenset(map(Action, ask.approved)), form, redact, stream)
