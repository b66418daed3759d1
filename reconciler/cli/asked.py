"""What the commands that write are asked for alike: consent, the lock's patience, how to print, where events go."""

from __future__ import annotations

from dataclasses import dataclass

import click

from reconciler.cli import events as streaming
from reconciler.cli.events import Events
from reconciler.cli.options import Ask
from reconciler.model.core import Action
from reconciler.pipeline.resources import real_clock


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options say of consent and of how to print."""

    auto_approve: bool
    approved: frozenset[Action]
    form: str
    redact: bool
    events: Events


def asked_of(ctx: click.Context, ask: Ask, form: str, *, redact: bool) -> Asked:
    """Return what the options say; the stream of events ends with the command."""
    if ask.events == streaming.STDOUT:
        if form != "text":
            raise click.UsageError("--json-events - and --format json would both write to stdout: name a file")
        form = "events"
    stream = streaming.events_to(ctx, ask.events, real_clock(), redact=redact)
    return Asked(ask.auto_approve, frozenset(map(Action, ask.approved)), form, redact, stream)
