"""The runs that a ledger keeps: one by the name that a user gives, what they archived; and what it forgets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.errors import ReconcilerError, Refused
from reconciler.ledger.base import Ledger
from reconciler.model.core import Action, Address, CustomerId, Status
from reconciler.model.ledger import (
    Binding,
    DropBinding,
    Intent,
    PutBinding,
    PutIntent,
    PutRun,
    Run,
    Write,
    entry_before,
)
from reconciler.model.reports import LastMove
from reconciler.report.redact import masked_address, masked_ending

PROBING = "doctor --probe"
"""What a probe is called in the history."""

CLEANED = "cleaned"
"""How a probe ended that did not come to its end, and whose customers a later one archived."""

LEAST = 4
"""A shorter prefix of a run's id is no name for it: it would soon be another run's too."""

_LATEST = 100
"""More runs do not fit into the moment around a create in which it is looked for, at 5 requests per second."""


def named_run(ledger: Ledger, name: str) -> Run:
    """Return the run whose id is `name`, or begins with it; ReconcilerError where that is none, or several."""
    runs = ledger.runs()
    hint = "`reconciler history` lists the runs"
    found = [run for run in runs if run.id == name] or [run for run in runs if name and run.id.startswith(name)]
    if not found:
        raise ReconcilerError(f"{name!r}: the ledger has no such run", hint)
    if len(found) > 1:
        raise ReconcilerError(f"{name!r}: {len(found)} runs begin like this", f"use more characters of the id; {hint}")
    if len(name) < min(LEAST, len(found[0].id)):
        raise ReconcilerError(f"{name!r}: this is too short for a run's id", f"give {LEAST} letters at least; {hint}")
    return found[0]


def unfinished(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Return the probes that did not come to their end, and that no later one has cleaned up after."""
    return tuple(run for run in runs if run.command == PROBING and run.outcome not in ("done", CLEANED))


def undoable(run: Run) -> Run:
    """Return `run`; Refused where it was a probe, or the values that it changed were removed from the history."""
    if run.command == PROBING:
        raise Refused(
            f"run {run.id}: it was a probe, which archived what it created; there is nothing to undo",
            "`reconciler history` lists the runs",
        )
    if run.pruned_at:
        raise Refused(
            f"run {run.id}: its values were removed from the history at {run.pruned_at}, so it cannot be undone",
            "change the files, and apply",
        )
    return run


def done_in(intents: Iterable[Intent]) -> int:
    """Return how many of a run's changes were done."""
    return sum(one.status is Status.DONE for one in intents)


def last_move(ledger: Ledger, row: Binding) -> LastMove | None:
    """Return our last create, archive or restore of a customer; None where the history does not have one."""
    done = [one for one in ledger.history(row.external_id) if one.id == row.id and one.status is Status.DONE]
    last = next((one for one in reversed(done) if one.action in _MOVES), None)
    if last is None:
        return None
    return LastMove(last, next((run for run in ledger.runs() if run.id == last.run), None), entry_before(done, last))


_MOVES = (Action.CREATE, Action.ARCHIVE, Action.RESTORE)


def archived_by_runs(ledger: Ledger) -> frozenset[CustomerId]:
    """Return the customers that a run archived and none restored since; a duplicate's archive is nowhere else."""
    archived: set[CustomerId] = set()
    for run in ledger.runs():
        for intent in ledger.intents(run.id):
            if intent.id is None or intent.status is not Status.DONE:
                continue
            if intent.action is Action.ARCHIVE:
                archived.add(intent.id)
            elif intent.action is Action.RESTORE:
                archived.discard(intent.id)
    return frozenset(archived)


def created_by_runs(ledger: Ledger) -> frozenset[CustomerId]:
    """Return the customers that the latest runs are known to have created."""
    return frozenset(
        intent.id
        for run in ledger.runs()[-_LATEST:]
        for intent in ledger.intents(run.id)
        if intent.action is Action.CREATE and intent.status is Status.DONE and intent.id is not None
    )


def doubted_users(ledger: Ledger, address: Address) -> tuple[Intent, ...]:
    """Return the creates of one user that ended in doubt in the latest runs: nobody has looked for that user yet."""
    return tuple(
        intent
        for run in ledger.runs()[-_LATEST:]
        for intent in ledger.intents(run.id)
        if intent.action is Action.CREATE_USER and intent.address == address and intent.status is Status.IN_DOUBT
    )


@dataclass(frozen=True, slots=True)
class Retention:
    """
    The runs whose values go, how many changes they have, and the writes that remove those.

    `in_doubt` are older ones too that stay as they are: the next run that writes settles what they left in doubt.
    """

    runs: tuple[Run, ...]
    changes: int
    in_doubt: tuple[Run, ...]
    writes: tuple[Write, ...]


def retention(ledger: Ledger, *, before: str, now: str) -> Retention:
    """
    Return what removing the values of the runs that began before `before` takes; both times as `Run` has them.

    Removed are old and new values, messages, hashes of requests and the emails of users. Actions, external_ids,
    ids, times and outcomes stay: what was archived by us is known from them. No other run needs what goes: undo
    reads the values of its own run alone, and the next plan those of the bindings. Of these go the values from before
    our last writes, where those are as old.
    """
    runs: list[Run] = []
    left: list[Run] = []
    intents: list[Intent] = []
    for run in ledger.runs():
        if run.started_at >= before or run.pruned_at:
            continue
        held = ledger.intents(run.id)
        if any(intent.status is None for intent in held):
            left.append(run)
            continue
        runs.append(run)
        intents += held
    writes: list[Write] = [PutIntent(_without_values(intent)) for intent in intents]
    writes += [PutRun(replace(run, pruned_at=now)) for run in runs]
    since = datetime.fromisoformat(before).timestamp()
    rows = ledger.records().bindings.values()
    writes += [PutBinding(replace(row, recent_json=None)) for row in rows if row.recent_json and row.written_at < since]
    return Retention(tuple(runs), len(intents), tuple(left), tuple(writes))


@dataclass(frozen=True, slots=True)
class Erasure:
    """
    What erasing a customer's values takes: how many changes of the history hold some, and the writes.

    `in_doubt` are runs that left a change of it in doubt: nothing is erased before that is settled.
    """

    changes: int
    in_doubt: tuple[Run, ...]
    writes: tuple[Write, ...]


def erasure(ledger: Ledger, row: Binding) -> Erasure:
    """
    Return what erasing the values of a bound customer and its users takes, from the bindings and from every run.

    Its key, ids, times, state and file stay, so that it is still known whom we manage and what was done.
    """
    held = [
        (run, intent)
        for run in ledger.runs()
        for intent in ledger.intents(run.id)
        if intent.address.external_id == row.external_id or intent.id == row.id
    ]
    in_doubt = tuple(dict.fromkeys(run for run, intent in held if intent.status is None))
    emptied = replace(row, applied_json="{}", applied_hash=b"", observed_json=None, trouble_json=None, recent_json=None)
    erased = [_without_values(intent) for _, intent in held]
    # Dropping the row drops the users seen.
    writes: list[Write] = [DropBinding(row.external_id), PutBinding(emptied), *map(PutIntent, erased)]
    changes = sum(new != old for new, (_, old) in zip(erased, held, strict=True))
    return Erasure(changes, in_doubt, tuple(writes))


def _without_values(intent: Intent) -> Intent:
    """Return a change without what it holds of a person."""
    address: Address = masked_address(intent.address)
    ending = masked_ending(intent.ending)
    return replace(intent, address=address, before={}, after={}, message="", payload_hash="", ending=ending)
