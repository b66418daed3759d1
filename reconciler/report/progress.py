"""
A run while it runs: a bar or plain lines for people, and its events as JSON lines for machines.

The union of events is closed. A reader ignores events and keys that it does not know; a stream without `run_ended`
is that of a run that was refused, or died.

The bar and the plain lines say the same: how much is done, how fast, how long it will take. Nothing here starts a
thread; a report is written when `planning` or `advance` is called and it is time for one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, TextIO, assert_never

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from reconciler.clock import Clock
from reconciler.escape import inert, visible
from reconciler.model.core import Action, Status
from reconciler.model.ledger import Run
from reconciler.model.plan import Change, Outcome, Plan
from reconciler.model.reasons import Ending, ending_json
from reconciler.report.layout import duration
from reconciler.report.messages.failures import ending_text, outcome_text
from reconciler.report.redact import masked_change, masked_ending, masked_outcome

FORMAT_VERSION = "1"


@dataclass(frozen=True, slots=True)
class PlanMade:
    """What is planned, before anybody is asked and anything refused; so many `needed` changes were not approved."""

    plan: Plan
    needed: int = 0


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The run begins: it has a name in the history now."""

    run: Run
    changes: int


@dataclass(frozen=True, slots=True)
class ChangeStarted:
    """A change is taken up."""

    change: Change


@dataclass(frozen=True, slots=True)
class ChangeEnded:
    """A change has ended; `done` of `total` have."""

    outcome: Outcome
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing is sent for a while, because creates are in doubt."""

    in_doubt: int
    wait_s: float


@dataclass(frozen=True, slots=True)
class RequestThrottled:
    """The server said 429 to a request (`POST /customers`); it is sent again."""

    request: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run has ended: how, and why early if it did."""

    run: Run
    outcomes: Sequence[Outcome]
    halt: Ending | None


Event = PlanMade | RunStarted | ChangeStarted | ChangeEnded | Waiting | RequestThrottled | RunEnded


def event_line(event: Event, *, at: str, redact: bool = False) -> str:
    r"""
    Return an event as a line of JSON, in ASCII; `at` is the time, RFC 3339 UTC.

    >>> event_line(RequestThrottled("GET /customers"), at="2026-01-05T08:00:00.000000Z")
    '{"event":"throttled","at":"2026-01-05T08:00:00.000000Z","request":"GET /customers"}\n'
    """
    name, document = _event(event, redact=redact)
    # Written as bytes, past the stream that makes text inert.
    return inert(json.dumps({"event": name, "at": at, **document}, separators=(",", ":"))) + "\n"


def _event(event: Event, *, redact: bool) -> tuple[str, dict[str, Any]]:
    """Return an event's name, and its keys."""
    match event:
        case PlanMade(plan, needed):
            return "plan_made", _plan(plan) | {"needed_since": needed}
        case RunStarted(run, changes):
            named = {"run": run.id, "command": run.command, "changes": changes}
            return "run_started", {"format_version": FORMAT_VERSION, **named}
        case ChangeStarted(change):
            return "change_started", _change(masked_change(change) if redact else change)
        case ChangeEnded(outcome, done, total):
            shown = masked_outcome(outcome) if redact else outcome
            document = _change(shown.change) | {"id": shown.change.id if shown.id is None else shown.id}
            ended = {"status": shown.status.value, "message": outcome_text(shown)}
            return "change_ended", document | ended | ending_json(shown.ending) | {"done": done, "total": total}
        case Waiting(in_doubt, wait_s):
            return "waiting", {"because": "in_doubt", "changes": in_doubt, "seconds": wait_s}
        case RequestThrottled(request):
            return "throttled", {"request": request}
        case RunEnded(run, outcomes, halt):
            return "run_ended", {
                "run": run.id,
                "outcome": run.outcome,
                "halt": ending_text(masked_ending(halt) if redact else halt),
                "halted": ending_json(masked_ending(halt) if redact else halt),
                "requests": run.requests,
                **{status.value: sum(one.status is status for one in outcomes) for status in Status},
            }
        case _:
            assert_never(event)


def _plan(plan: Plan) -> dict[str, Any]:
    """Return a plan in numbers."""
    return {
        "format_version": FORMAT_VERSION,
        "environment": plan.environment.name,
        **{action.value: plan.count(action) for action in Action},
        "blocked": len(plan.blocked),
        "over_limits": len(plan.limits),
        "requests": plan.cost.requests,
        "seconds": plan.cost.seconds,
    }


def _change(change: Change) -> dict[str, Any]:
    """Return what a change is, without its values."""
    return {
        "action": change.action.value,
        "address": str(change.address),
        "external_id": change.address.external_id,
        "id": change.id,
    }


PLAIN_EVERY_S = 10.0
BAR_EVERY_S = 0.1
NARROW = 48
"""Below so many columns the words would be cut off before the time left."""


class Progress(Protocol):
    """Told how far a run is; reports it now and then."""

    def __enter__(self) -> Self:
        """Return itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""

    def planning(self, text: str) -> None:
        """Take what is being read now, in a few words."""

    def note(self, text: str) -> None:
        """Write a line that stays; nothing for an empty text."""

    def advance(self, done: int, total: int, left_s: float | None = None) -> None:
        """Take how many of how many changes are done, and how long the rest takes; None: as fast as so far."""

    def close(self) -> None:
        """End it; a bar is removed."""


def progress(stream: TextIO, *, terminal: bool, clock: Clock, width: int | None = None) -> Progress:
    """Return what writes to `stream`: a bar on a terminal (`width` columns, else the terminal's), else plain lines."""
    return BarProgress(stream, clock=clock, width=width) if terminal else PlainProgress(stream, clock=clock)


class _Pace:
    """How fast changes are done, measured from the first report on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._start: tuple[float, int] | None = None

    def words(self, done: int, total: int, left_s: float | None, *, short: bool = False) -> str:
        """
        Return `120 of 1200 changes, 5.0/s, 3 min 36 s left`; the rate once there is something to measure.

        The time left is `left_s` where that is known, else by the rate so far. `short` is `120 of 1200, 3 min 36 s`.
        """
        now = self._clock.monotonic()
        if self._start is None:
            self._start = (now, done)
        began, done_then = self._start
        text = f"{done} of {total}" + ("" if short else " changes")
        left = "" if short else " left"
        if done <= done_then or now <= began:
            return text if left_s is None else f"{text}, {duration(left_s)}{left}"
        rate_per_s = (done - done_then) / (now - began)
        rate = "" if short else f" {rate_per_s:.1f}/s,"
        return f"{text},{rate} {duration((total - done) / rate_per_s if left_s is None else left_s)}{left}"


class PlainProgress:
    """A line every ten seconds, the first after ten: a short run says nothing."""

    def __init__(self, stream: TextIO, *, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock
        self._pace = _Pace(clock)
        self._due = clock.monotonic() + PLAIN_EVERY_S

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def planning(self, text: str) -> None:
        """Write `text` if it is time."""
        self._write(visible(text))

    def note(self, text: str) -> None:
        """Write a line, whenever the last one was."""
        if text:
            self._stream.write(f"{visible(text)}\n")
            self._stream.flush()

    def advance(self, done: int, total: int, left_s: float | None = None) -> None:
        """Write how far it is if it is time."""
        self._write(self._pace.words(done, total, left_s))

    def close(self) -> None:
        """Do nothing: what was written stays."""

    def _write(self, text: str) -> None:
        """Write a line where ten seconds have passed since the last."""
        now = self._clock.monotonic()
        if now < self._due:
            return
        self._due = now + PLAIN_EVERY_S
        self._stream.write(f"{text}\n")
        self._stream.flush()


class BarProgress:
    """A bar and the same words, drawn ten times a second at most; removed at the end."""

    def __init__(self, stream: TextIO, *, clock: Clock, width: int | None = None) -> None:
        self._clock = clock
        self._pace = _Pace(clock)
        self._due = clock.monotonic()
        console = Console(file=stream, width=width, force_terminal=True, highlight=False)
        # The words are ours, and no markup: a text of the server cannot colour them.
        words = TextColumn("{task.description}", markup=False)
        self._bar = Bar(BarColumn(bar_width=20), words, console=console, auto_refresh=False, transient=True)
        self._task = self._bar.add_task("", total=None)
        self._bar.start()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def planning(self, text: str) -> None:
        """Show `text` beside a bar that has no end yet."""
        self._bar.update(self._task, description=visible(text))
        self._draw()

    def note(self, text: str) -> None:
        """Write a line above the bar."""
        if text:
            self._bar.console.print(visible(text), markup=False, highlight=False)

    def advance(self, done: int, total: int, left_s: float | None = None) -> None:
        """Show how far it is."""
        words = self._pace.words(done, total, left_s, short=self._bar.console.width < NARROW)
        self._bar.update(self._task, description=words, completed=done, total=total)
        self._draw()

    def close(self) -> None:
        """Remove the bar."""
        self._bar.stop()

    def _draw(self) -> None:
        """Draw where a tenth of a second has passed since the last time."""
        now = self._clock.monotonic()
        if now >= self._due:
            self._due = now + BAR_EVERY_S
            self._bar.refresh()
