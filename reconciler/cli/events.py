"""`--json-events`: where the events of a run go, and that a run never ends because nobody reads them."""

from __future__ import annotations

import os
import sys
from http import HTTPStatus
from typing import Protocol

import click

from reconciler.api.request import Sent
from reconciler.cli import output
from reconciler.clock import Clock
from reconciler.errors import ReconcilerError
from reconciler.pipeline.apply import stamp
from reconciler.report.progress import Event, RequestThrottled, event_line

STDOUT = "-"


class Line(Protocol):
    """What takes bytes, and gives them on at once."""

    def write(self, data: bytes, /) -> object:
        """Write."""

    def flush(self) -> None:
        """Give on what was written."""


class Events:
    """
    A stream of events; without a stream they are dropped.

    Where it cannot be written (a full disk, a reader that went), a warning says so once, and the run goes on.
    """

    def __init__(self, stream: Line | None, clock: Clock, *, redact: bool) -> None:
        self._stream = stream
        self._clock = clock
        self._redact = redact

    def tell(self, event: Event) -> None:
        """Write one event."""
        if self._stream is None:
            return
        try:
            self._stream.write(event_line(event, at=stamp(self._clock), redact=self._redact).encode("ascii"))
            self._stream.flush()
        except OSError as error:
            self._stream = None
            output.say(f"warning: the events cannot be written: {error.strerror}; the run goes on without them")

    def sent(self, sent: Sent) -> None:
        """Tell of a request that the server found one too many."""
        if sent.status == HTTPStatus.TOO_MANY_REQUESTS:
            self.tell(RequestThrottled(sent.shown))


def events_to(ctx: click.Context, target: str | None, clock: Clock, *, redact: bool) -> Events:
    """Return the stream that `--json-events` names, closed with the command; ReconcilerError where it cannot be."""
    if target is None:
        return Events(None, clock, redact=redact)
    if target == STDOUT:
        return Events(sys.stdout.buffer, clock, redact=redact)
    try:
        # It names people, as the plan does: its owner's alone.
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise ReconcilerError(f"{target}: it cannot be written: {error.strerror}", "name another file") from error
    return Events(ctx.with_resource(os.fdopen(descriptor, "wb", buffering=0)), clock, redact=redact)
