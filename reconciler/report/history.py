"""The runs of the ledger, and the changes of one, as text and as values for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from reconciler.model import Status
from reconciler.records import Intent, Run
from reconciler.report.layout import BLANK, Line, Part, aligned, line, page
from reconciler.report.redact import masked, masked_address, masked_text, uncited
from reconciler.report.words import address, count, shown
from reconciler.text import visible

_SHORT = 8
"""How many letters of a run's id are shown, where they are enough."""

_TITLES = ("run", "started", "command", "outcome", "changes", "requests")


def runs_json(runs: Sequence[Run]) -> dict[str, Any]:
    """Return runs as a value for JSON, in their order; what is not known is left out."""
    return {"runs": [_run_json(run) for run in runs]}


def run_json(run: Run, intents: Sequence[Intent], *, redact: bool = False) -> dict[str, Any]:
    """Return one run and its changes as a value for JSON; a change whose answer is not known is in doubt."""
    return {
        "runs": [_run_json(run)],
        "changes": [
            {
                "action": one.action.value,
                "address": str(one.address),
                "id": one.id,
                "before": dict(one.before),
                "after": dict(one.after),
                "status": _status(one).value,
                "message": one.message,
            }
            for one in (map(_masked, intents) if redact else intents)
        ],
    }


def runs_text(runs: Sequence[Run], *, width: int, color: bool) -> str:
    """Return runs as a table, newest last; where it does not fit into `width`, as a list."""
    if not runs:
        return "No runs yet.\n"
    return page(_runs(runs, width), width=width, color=color)


def run_text(run: Run, intents: Sequence[Intent], *, width: int, color: bool, redact: bool = False) -> str:
    """Return one run and its changes as text of at most `width` columns."""
    rows = [_masked(one) for one in intents] if redact else intents
    return page(_run(run, rows), width=width, color=color)


def _run_json(run: Run) -> dict[str, Any]:
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
        "changes": run.changes,
        "requests": run.requests,
        **{name: text for name, text in known.items() if text},
    }


def _runs(runs: Sequence[Run], width: int) -> Iterator[Line]:
    """Yield the runs."""
    size = _length([run.id for run in runs])
    rows = [
        (
            visible(run.id[:size]),
            _moment(run.started_at),
            visible(_brief(run.command, size)),
            visible(_outcome(run)),
            str(run.changes),
            str(run.requests),
        )
        for run in runs
    ]
    table = aligned([_TITLES, *rows], width=width)
    if table is not None:
        yield from table
        return
    for short, started, command, outcome, changes, requests in rows:
        yield Line((Part(short, "bold"), Part(f"  {started}")))
        facts = count(int(changes), "change"), count(int(requests), "request")
        yield line(f"{command}: {outcome}, {', '.join(facts)}", indent=2)


def _run(run: Run, intents: Sequence[Intent]) -> Iterator[Line]:
    """Yield one run and its changes."""
    yield line(f"Run {visible(run.id)}", "bold")
    facts = (
        ("command", run.command),
        ("outcome", _outcome(run)),
        ("started", run.started_at),
        ("finished", run.finished_at),
        ("requests", str(run.requests)),
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
    yield line(f"Changes ({len(intents)})", "bold")
    for one in intents:
        yield from _change(one)


def _change(one: Intent) -> Iterator[Line]:
    """Yield one change: what, whom, which id, how it ended, and each field's old and new value."""
    status, style = _status(one), _STYLES[_status(one)]
    verb = one.action.value.replace("_", " ")
    customer = f"  {visible(one.id)}" if one.id else ""
    ended = status.value.replace("_", " ")
    yield Line((Part(f"{verb} "), Part(address(one.address), "bold"), Part(f"{customer}  "), Part(ended, style)), 2)
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


def _moment(text: str) -> str:
    """
    Return a time in RFC 3339 as people read it.

    >>> _moment("2026-01-05T10:20:30.123456Z")
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


def _masked(one: Intent) -> Intent:
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
