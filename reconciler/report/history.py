"""The runs of the ledger, the changes of one, and those of one customer, as text and as values for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciler.api.times import rfc3339
from reconciler.escape import visible
from reconciler.model.core import Reason, Status
from reconciler.model.ledger import Intent, Run, Tally
from reconciler.report.layout import BLANK, REASONS, Line, Span, address, aligned, count, line, page, shown
from reconciler.report.redact import masked, masked_address, masked_text, uncited

_SHORT = 8
"""How many letters of a run's id are shown, where they are enough."""

_TITLES = ("run", "started", "command", "outcome", "changes", "requests")


Tallies = Mapping[str, Tally]
"""What the intents of each run come to, by the run's id."""


def runs_json(runs: Sequence[Run], tallies: Tallies) -> dict[str, Any]:
    """Return runs as a value for JSON, in their order; what is not known is left out."""
    return {"runs": [_run_json(run, tallies) for run in runs]}


def changes_json(
    runs: Sequence[Run], tallies: Tallies, intents: Sequence[Intent], *, redact: bool = False
) -> dict[str, Any]:
    """Return changes and their runs as a value for JSON; a change whose answer is not known is in doubt."""
    by_id = {run.id: run for run in runs}
    rows = [masked_intent(one) for one in intents] if redact else intents
    return {**runs_json(runs, tallies), "changes": [change_json(one, by_id.get(one.run)) for one in rows]}


def change_json(one: Intent, run: Run | None) -> dict[str, Any]:
    """Return one change as a value for JSON, `run` being its run; what is not known is null."""
    return {
        "run": one.run,
        "command": None if run is None else run.command,
        "at": rfc3339(one.opened_at),
        "action": one.action.value,
        "address": str(one.address),
        "id": one.id,
        "before": dict(one.before),
        "after": dict(one.after),
        "status": _status(one).value,
        "message": one.message,
        "reason": None if one.reason is None else one.reason.value,
        "source": None if one.source is None else one.source.as_json(),
    }


def runs_text(runs: Sequence[Run], tallies: Tallies, *, width: int, color: bool) -> str:
    """Return runs as a table, newest last; where it does not fit into `width`, as a list."""
    if not runs:
        return "No runs yet.\n"
    return page(_runs(runs, tallies, width), width=width, color=color)


def run_text(
    run: Run, tallies: Tallies, intents: Sequence[Intent], *, width: int, color: bool, redact: bool = False
) -> str:
    """Return one run and its changes as text of at most `width` columns."""
    rows = [masked_intent(one) for one in intents] if redact else intents
    return page(_run(run, tallies, rows), width=width, color=color)


def life_text(
    name: str, runs: Sequence[Run], intents: Sequence[Intent], *, width: int, color: bool, redact: bool = False
) -> str:
    """Return every change of one customer as text of at most `width` columns, oldest first."""
    rows = [masked_intent(one) for one in intents] if redact else intents
    return page(_life(name, {run.id: run for run in runs}, rows), width=width, color=color)


def _run_json(run: Run, tallies: Tallies) -> dict[str, Any]:
    """Return one run as a value for JSON."""
    known = {
        "finished_at": run.finished_at,
        "who": run.who,
        "actor": run.actor,
        "commit": run.commit,
        "ci_url": run.ci_url,
        "key": run.key,
        "plan": run.plan,
        "pruned_at": run.pruned_at,
    }
    return {
        "id": run.id,
        "started_at": run.started_at,
        "command": run.command,
        "outcome": _outcome(run),
        "changes": _tally(run, tallies).done,
        "requests": _requests(run, tallies),
        **{name: text for name, text in known.items() if text},
    }


def _tally(run: Run, tallies: Tallies) -> Tally:
    """Return what the intents of a run come to: so it is counted, whether the run finished or was killed."""
    return tallies.get(run.id, Tally())


def _requests(run: Run, tallies: Tallies) -> int:
    """Return how many requests a run sent; of one that did not finish, those of its changes, as only those are kept."""
    return run.requests if run.finished_at else _tally(run, tallies).sent


def _runs(runs: Sequence[Run], tallies: Tallies, width: int) -> Iterator[Line]:
    """Yield the runs."""
    size = _length([run.id for run in runs])
    rows = [
        (
            visible(run.id[:size]),
            moment(run.started_at),
            visible(_brief(run.command, size)),
            visible(_outcome(run)),
            str(_tally(run, tallies).done),
            str(_requests(run, tallies)),
        )
        for run in runs
    ]
    table = aligned([_TITLES, *rows], width=width)
    if table is not None:
        yield from table
        return
    for short, started, command, outcome, changes, requests in rows:
        yield Line((Span(short, "bold"), Span(f"  {started}")))
        facts = count(int(changes), "change"), count(int(requests), "request")
        yield line(f"{command}: {outcome}, {', '.join(facts)}", indent=2)


def _run(run: Run, tallies: Tallies, intents: Sequence[Intent]) -> Iterator[Line]:
    """Yield one run and its changes."""
    yield line(f"Run {visible(run.id)}", "bold")
    facts = (
        ("command", run.command),
        ("outcome", _outcome(run)),
        ("started", run.started_at),
        ("finished", run.finished_at),
        ("requests", str(_requests(run, tallies))),
        ("who", run.who),
        ("actor", run.actor),
        ("commit", run.commit),
        ("CI job", run.ci_url),
        ("key", run.key),
        ("plan", run.plan),
        ("pruned", run.pruned_at),
    )
    for name, text in facts:
        if text:
            yield line(f"{name:9} {visible(text)}", indent=2, hang=10)
    yield BLANK
    ends = [_status(one) for one in intents]
    counts = (f"{ends.count(end)} {end.value.replace('_', ' ')}" for end in Status if end in ends)
    yield line(f"Changes ({', '.join(counts) or 'none'})", "bold")
    for one in intents:
        yield _head(one)
        yield from _details(one)


def _life(name: str, runs: Mapping[str, Run], intents: Sequence[Intent]) -> Iterator[Line]:
    """Yield the changes of one customer, each with its time and its run."""
    yield line(visible(name), "bold")
    for one in intents:
        yield BLANK
        yield line(moment(rfc3339(one.opened_at)))
        yield _head(one)
        yield line(in_run(one.run, runs.get(one.run)), indent=6)
        yield from _details(one)


def in_run(name: str, run: Run | None) -> str:
    """Return in words which run made a change, who that was, of which commit and in which CI job."""
    if run is None:
        return visible(f"in run {name[:_SHORT]}")
    facts = (run.actor or run.who, run.commit and f"commit {run.commit}", run.ci_url)
    return visible(", ".join([f"in run {name[:_SHORT]} ({_brief(run.command, _SHORT)})", *filter(None, facts)]))


def why(one: Intent) -> str:
    """Return in words why a change was planned, and where its entry is or was; "" where the ledger has no reason."""
    place = "" if one.source is None else visible(str(one.source))
    match one.reason:
        case None:
            return place
        case Reason.ENTRY_GONE:
            return f"its entry was removed from {place}" if place else "its entry was removed"
        case Reason.DECLARED:
            return f"declared at {place}" if place else REASONS[one.reason]
        case _:
            return f"{REASONS[one.reason]}, declared at {place}" if place else REASONS[one.reason]


def _head(one: Intent) -> Line:
    """Return what a change is, whom it is about, which id, and how it ended."""
    status, style = _status(one), _STYLES[_status(one)]
    verb = one.action.value.replace("_", " ")
    customer = f"  {visible(one.id)}" if one.id else ""
    ended = status.value.replace("_", " ")
    return Line((Span(f"{verb} "), Span(address(one.address), "bold"), Span(f"{customer}  "), Span(ended, style)), 2)


def _details(one: Intent) -> Iterator[Line]:
    """Yield why a change was planned, each field's old and new value, and what is to be said of it."""
    if reason := why(one):
        yield line(reason, indent=6)
    for name, after in one.after.items():
        before = one.before.get(name, "")
        value = f"{shown(before)} -> {shown(after)}" if before else shown(after)
        yield line(f"{visible(name)}: {value}", indent=6)
    if one.message:
        yield line(visible(one.message), indent=6)


_STYLES = {Status.DONE: "green", Status.FAILED: "red", Status.SKIPPED: "yellow", Status.IN_DOUBT: "magenta"}


def _status(one: Intent) -> Status:
    """Return how a change ended; one that is open is in doubt."""
    return Status.IN_DOUBT if one.status is None else one.status


def _outcome(run: Run) -> str:
    """Return how a run ended, in one word; one that never said so runs still, or its process died."""
    return run.outcome or "unfinished"


def moment(text: str) -> str:
    """
    Return a time in RFC 3339 as people read it.

    >>> moment("2026-01-05T10:20:30.123456Z")
    '2026-01-05 10:20:30Z'
    """
    day, _, time = text.partition("T")
    return visible(f"{day} {time.partition('.')[0].removesuffix('Z')}Z" if time else text)


def _brief(command: str, size: int) -> str:
    """
    Return a run's command as a table shows it: the run that it undid by `size` letters, a saved plan without its name.

    >>> _brief("undo 0123456789abcdef", 8), _brief("apply of plan 0123456789abcdef", 8), _brief("apply", 8)
    ('undo 01234567', 'apply of plan', 'apply')
    """
    words, _, name = command.rpartition(" ")
    match words:
        case "undo":
            return f"undo {name[:size]}"
        case "apply of plan":
            return words
        case _:
            return command


def _length(ids: Sequence[str]) -> int:
    """
    Return how many letters tell all `ids` apart, 8 at least.

    >>> _length(["0123456789", "0123456780"]), _length(["a"])
    (10, 8)
    """
    longest = max([_SHORT, *map(len, ids)])
    return next((size for size in range(_SHORT, longest) if len({one[:size] for one in ids}) == len(ids)), longest)


def masked_intent(one: Intent) -> Intent:
    """Return a change with every personal value masked."""
    values = [(name, text) for side in (one.before, one.after) for name, text in side.items() if text]
    email = [("email", one.address.email)] if one.address.email else []
    return replace(
        one,
        address=masked_address(one.address),
        before={name: masked(name, text) for name, text in one.before.items()},
        after={name: text if text is None else masked(name, text) for name, text in one.after.items()},
        message=uncited(masked_text(one.message, [*values, *email])),
    )
