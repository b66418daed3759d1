"""The runs that the ledger keeps: one by the name that a user gives, and what all of them archived."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.errors import ReconcilerError, Refused
from reconciler.ledger.base import Ledger
from reconciler.model.core import Action, Address, CustomerId, Status
from reconciler.model.ledger import Binding, Intent, Run
from reconciler.model.reports import Archived

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
        raise ReconcilerError(f"{name!r}: the ledger holds no such run", hint)
    if len(found) > 1:
        raise ReconcilerError(f"{name!r}: {len(found)} runs begin so", f"give more letters of the id; {hint}")
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
            f"run {run.id}: it was a probe: what it made it archived, and there is nothing to undo",
            "`reconciler history` lists the runs",
        )
    if run.pruned_at:
        raise Refused(
            f"run {run.id}: its values were removed from the history at {run.pruned_at}: it cannot be undone",
            "write what is wanted into the files, and apply",
        )
    return run


def done_in(intents: Iterable[Intent]) -> int:
    """Return how many of a run's changes were done."""
    return sum(one.status is Status.DONE for one in intents)


def last_archive(ledger: Ledger, row: Binding) -> Archived | None:
    """Return our archive of a customer that the ledger holds as archived; None where the history does not have it."""
    done = [one for one in ledger.history(row.external_id) if one.id == row.id and one.status is Status.DONE]
    last = next((one for one in reversed(done) if one.action in (Action.ARCHIVE, Action.RESTORE)), None)
    if last is None or last.action is not Action.ARCHIVE:
        return None
    return Archived(last, next((run for run in ledger.runs() if run.id == last.run), None))


def archived_by_runs(ledger: Ledger) -> frozenset[CustomerId]:
    """Return the customers that a run archived and none restored since; a duplicate's archive stands nowhere else."""
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
