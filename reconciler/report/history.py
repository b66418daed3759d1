"""The runs of the ledger, the changes of one, and those of one customer, as text and as values for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reconciler.api.times import rfc3339
from reconciler.escape import visible
from reconciler.model.core import Action, Reason, Status
from reconciler.model.ledger import Binding, BindingState, Intent, Run, Tally, entry_before
from reconciler.model.reasons import ending_json
from reconciler.model.reports import LaterChange
from reconciler.report.layout import BLANK, MOST, REASONS, Line, Span, address, aligned, count, line, more, page, shown
from reconciler.report.messages.failures import ending_text
from reconciler.report.redact import masked, masked_address, masked_ending, masked_text, uncited

SHORT = 8
"""How many letters of a run's id are shown, where they are enough."""

_TITLES = ("run", "started", "command", "outcome", "changes", "requests")


Tallies = Mapping[str, Tally]
"""What the intents of each run come to, by the run's id."""


def runs_json(runs: Sequence[Run], tallies: Tallies) -> dict[str, Any]:
    """Return runs as a value for JSON, in their order; what is unknown is left out."""
    return {"runs": [_run_json(run, tallies) for run in runs]}


def changes_json(
    runs: Sequence[Run],
    tallies: Tallies,
    intents: Sequence[Intent],
    life: Life | None = None,
    *,
    redact: bool = False,
) -> dict[str, Any]:
    """
    Return changes and their runs as a value for JSON; a change whose answer is unknown is in doubt.

    With `life` they are all of one customer, and what the ledger holds of it now is added.
    """
    by_id = {run.id: run for run in runs}
    rows = [masked_intent(one) for one in intents] if redact else intents
    changes = [change_json(one, by_id.get(one.run), entry_before(rows, one) if life else None) for one in rows]
    document = {**runs_json(runs, tallies), "changes": changes}
    if life is None:
        return document
    bound = None if life.bound is None else binding_json(life.bound)
    return {"bound": bound, "keys": list(life.keys), **document}


def binding_json(one: Binding) -> dict[str, Any]:
    """Return one of the ledger's customers as a value for JSON, without its values."""
    return {
        "external_id": one.external_id,
        "id": one.id,
        "live_external_id": one.live_external_id,
        "created_at": one.created_at,
        "state": one.state.value,
        "protected": one.protected,
        "via": one.via.value,
        "project": one.project,
        "source": one.source,
    }


def change_json(one: Intent, run: Run | None, entry: Intent | None = None) -> dict[str, Any]:
    """
    Return one change as a value for JSON, `run` being its run; what is unknown is null.

    `entry` is the change that was last made by an entry that was then removed.
    """
    return {
        "run": one.run,
        "command": None if run is None else run.command,
        "who": who(run) or None,
        "at": rfc3339(one.opened_at),
        "action": one.action.value,
        "address": str(one.address),
        "id": one.id,
        "before": dict(one.before),
        "after": dict(one.after),
        "status": _status(one).value,
        "message": one.message or ending_text(one.ending),
        **ending_json(one.ending),
        "reason": None if one.reason is None else one.reason.value,
        "source": _source_json(one),
        **({} if entry is None else {"entry": _source_json(entry)}),
        "values_removed": values_removed(one),
    }


def _source_json(one: Intent) -> dict[str, Any] | None:
    """Return where a change is declared, and of which commit that file is where that is known."""
    if one.source is None:
        return None
    return {**one.source.as_json(), **({"commit": one.commit} if one.commit else {})}


def values_removed(one: Intent) -> bool:
    """Say whether a change has none of its values any more: `history prune` or `state forget` removed them."""
    return one.action in _WITH_VALUES and not (one.before or one.after)


_WITH_VALUES = (Action.CREATE, Action.PATCH, Action.CREATE_USER)


@dataclass(frozen=True, slots=True)
class Life:
    """
    What a customer is called, and what the ledger binds it by now: None for nothing.

    `keys` are all that it had in this ledger, the latest first; those of several customers where one key had several.
    """

    name: str
    bound: Binding | None
    keys: tuple[str, ...]


def later_json(later: Sequence[LaterChange], *, redact: bool = False) -> list[dict[str, Any]]:
    """Return what happened to the customers of a run since it, as a value for JSON."""
    return [_later_json(masked_later(one) if redact else one) for one in later]


def _later_json(one: LaterChange) -> dict[str, Any]:
    """Return one of what happened since; `change` is null where it was done outside Reconciler."""
    return {
        "address": str(one.address),
        "id": one.id,
        "change": None if one.intent is None else change_json(one.intent, one.run),
        "became": None if one.became is None else one.became.value,
        "fields": [{"name": name, "left": left, "now": now} for name, left, now in one.fields],
    }


def later_text(run: Run, later: Sequence[LaterChange], *, width: int, color: bool, redact: bool = False) -> str:
    """Return what happened to the customers of `run` since it, as text of at most `width` columns."""
    return page(_later(run, [masked_later(one) if redact else one for one in later]), width=width, color=color)


def _later(run: Run, later: Sequence[LaterChange]) -> Iterator[Line]:
    """Yield which run it is, and what happened since: up to a number, as a plan does."""
    yield line(f"Undo of run {visible(run.id[:SHORT])} ({visible(_brief(run.command, SHORT))})", "bold")
    facts = (moment(run.started_at), visible(who(run)), run.commit and f"commit {visible(_shortened(run.commit))}")
    yield line(", ".join(filter(None, facts)), indent=2)
    yield BLANK
    yield line(f"Changed since ({len(later)})" if later else "Nothing has changed since.", "bold")
    for one in later[:MOST]:
        if one.intent is None:
            what = "changed" if one.became is None else _BECAME[one.became]
            yield Line((Span(address(one.address), "bold"), Span(f"  {what} outside Reconciler", "yellow")), 2)
            for name, left, now in one.fields:
                yield line(f"{visible(name)}: {shown(left)} -> {shown(now)}", indent=6)
        else:
            yield _head(one.intent)
            yield line(f"{moment(rfc3339(one.intent.opened_at))} {in_run(one.intent.run, one.run)}", indent=6)
            yield from _details(one.intent, one.run, None)
    if rest := more(len(later), "--format json"):
        yield line(rest, indent=2)
    yield BLANK


_BECAME = {
    BindingState.ACTIVE: "restored",
    BindingState.ARCHIVED: "archived",
    BindingState.ABSENT: "archived or deleted",
}


def masked_later(one: LaterChange) -> LaterChange:
    """Return one of what happened since, with every personal value masked."""
    intent = None if one.intent is None else masked_intent(one.intent)
    fields = tuple((name, left and masked(name, left), now and masked(name, now)) for name, left, now in one.fields)
    return replace(one, address=masked_address(one.address), intent=intent, fields=fields)


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
    life: Life, runs: Sequence[Run], intents: Sequence[Intent], *, width: int, color: bool, redact: bool = False
) -> str:
    """Return every change of one customer as text of at most `width` columns, oldest first."""
    rows = [masked_intent(one) for one in intents] if redact else intents
    return page(_life(life, {run.id: run for run in runs}, rows), width=width, color=color)


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
        yield from _details(one, run, None)


def _life(life: Life, runs: Mapping[str, Run], intents: Sequence[Intent]) -> Iterator[Line]:
    """Yield what a customer is now, and its changes, each with its time and its run."""
    yield line(visible(life.name), "bold")
    if life.bound is None:
        yield line("not managed: the ledger has no customer for this key", indent=2)
    else:
        key, file = visible(life.bound.external_id), visible(life.bound.source) or "no file"
        state = {BindingState.ABSENT: "not active, and not archived by Reconciler"}
        what = state.get(life.bound.state, life.bound.state.value)
        yield line(f"{key}: {visible(life.bound.id or '')}, {what}, from {file}", indent=2)
    former = [key for key in life.keys if life.bound is None or key != life.bound.external_id]
    if former:
        title = "keys in the history" if life.bound is None else "former keys"
        yield line(f"{title}: {', '.join(map(visible, former))}", indent=2)
    if not intents:
        yield line("No run changed it.", indent=2)
    for one in intents:
        run = runs.get(one.run)
        yield BLANK
        yield line(moment(rfc3339(one.opened_at)))
        yield _head(one)
        yield line(in_run(one.run, run), indent=6)
        yield from _details(one, run, entry_before(intents, one))


def who(run: Run | None) -> str:
    """Return who began a run: whom CI names, else user and host; "" where the ledger does not have that."""
    return "" if run is None else run.actor or run.who


def in_run(name: str, run: Run | None) -> str:
    """Return in words which run made a change, who that was, of which commit and in which CI job."""
    if run is None:
        return visible(f"in run {name[:SHORT]}")
    facts = (who(run), run.commit and f"commit {_shortened(run.commit)}", run.ci_url)
    return visible(", ".join([f"in run {name[:SHORT]} ({_brief(run.command, SHORT)})", *filter(None, facts)]))


def _shortened(commit: str) -> str:
    """
    Return a commit as people read it.

    >>> _shortened("5d1c2f0c7b5d1c2f0c7b5d1c2f0c7b5d1c2f0c7b-dirty")
    '5d1c2f0c7b5d-dirty'
    """
    name, dash, rest = commit.partition("-")
    return f"{name[:_COMMIT]}{dash}{rest}"


_COMMIT = 12
"""How many letters of a commit's hash are shown."""


def _place(one: Intent) -> str:
    """
    Return in words where a change is declared, and of which commit that file was; "" where there is no such place.

    >>> from reconciler.model.core import Action, Address
    >>> from reconciler.errors import Source
    >>> _place(Intent("", 1, Action.PATCH, Address("a"), None, 0.0, source=Source("c.yaml", 9), commit="5d1c-dirty"))
    'c.yaml:9, which differed from commit 5d1c'
    """
    if one.source is None:
        return ""
    place = visible(str(one.source))
    if not one.commit:
        return place
    commit = visible(_shortened(one.commit))
    differed = commit.removesuffix("-dirty")
    # Which commit removed an entry is not known, only one that lacks it.
    of = "as of" if one.reason is Reason.ENTRY_GONE else "of"
    return f"{place} {of} commit {commit}" if commit == differed else f"{place}, which differed from commit {differed}"


def why(one: Intent, run: Run | None, entry: Intent | None = None) -> str:
    """
    Return in words why a change was made, and where its entry is or was, with the commit.

    `entry` is the change that was last made by an entry that was then removed.
    """
    place, command = _place(one), "" if run is None else visible(_brief(run.command, SHORT))
    match one.reason:
        case None:
            return "no reason recorded: an older version made the run"
        case Reason.ENTRY_GONE:
            was = "" if entry is None else f"; last applied from {_place(entry)}"
            return f"its entry was removed{place and f' from {place}'}{was}"
        case Reason.DECLARED:
            return f"declared at {place}" if place else REASONS[one.reason]
        case Reason.UNDO if command.startswith("undo "):
            return f"undoes run {command.removeprefix('undo ')}"
        case Reason.OWNED if command == "seed":
            return "not declared, and `seed --reset` archives such customers"
        case Reason.DIRECT | Reason.DUPLICATE if command:
            return f"{REASONS[one.reason]} ({command})"
        case _:
            return f"{REASONS[one.reason]}, declared at {place}" if place else REASONS[one.reason]


def _head(one: Intent) -> Line:
    """Return what a change is, whom it is about, which id, and how it ended."""
    status, style = _status(one), _STYLES[_status(one)]
    verb = one.action.value.replace("_", " ")
    customer = f"  {visible(one.id)}" if one.id else ""
    ended = status.value.replace("_", " ")
    return Line((Span(f"{verb} "), Span(address(one.address), "bold"), Span(f"{customer}  "), Span(ended, style)), 2)


def _details(one: Intent, run: Run | None, entry: Intent | None) -> Iterator[Line]:
    """Yield why a change was made, each field's old and new value, and what is to be said of it."""
    yield line(why(one, run, entry), indent=6)
    if values_removed(one):
        pruned = run is not None and run.pruned_at
        how = f"`history prune`, {moment(run.pruned_at)}" if run is not None and pruned else "`state forget`"
        yield line(f"its values were removed ({how})", indent=6)
    for name, after in one.after.items():
        before = one.before.get(name, "")
        value = f"{shown(before)} -> {shown(after)}" if before else shown(after)
        yield line(f"{visible(name)}: {value}", indent=6)
    if said := one.message or ending_text(one.ending):
        yield line(visible(said), indent=6)


_STYLES = {Status.DONE: "green", Status.FAILED: "red", Status.SKIPPED: "yellow", Status.IN_DOUBT: "magenta"}


def _status(one: Intent) -> Status:
    """Return how a change ended; one that is open is in doubt."""
    return Status.IN_DOUBT if one.status is None else one.status


def _outcome(run: Run) -> str:
    """Return how a run ended, in one word; one without an end still runs, or its process died."""
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
    longest = max([SHORT, *map(len, ids)])
    return next((size for size in range(SHORT, longest) if len({one[:size] for one in ids}) == len(ids)), longest)


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
        ending=masked_ending(one.ending),
    )
