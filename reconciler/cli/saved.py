"""A saved plan: read, of this account, made from files that are as they were, and still true of the account."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Container, Iterable
from pathlib import Path

from reconciler.cli.output import read_text
from reconciler.errors import Refused
from reconciler.ledger.base import Ledger
from reconciler.model import Action, Address, Change, EnvironmentRef, SourceFile, Status
from reconciler.pipeline.planning import Drafting
from reconciler.plan.saved import load
from reconciler.plan.stale import draft_of_saved
from reconciler.plans import Plan
from reconciler.terms import Terms

_AGAIN = "make a new plan with `plan --out`"
Key = tuple[Action, Address]


def read_plan(path: Path) -> Plan:
    """Return a saved plan; ReconcilerError where the file cannot be read, Refused where it is no whole plan."""
    return load(read_text(path))


def same_account(saved: Plan, here: EnvironmentRef) -> None:
    """Raise Refused where a saved plan is of another environment, base URL or account."""
    for name, theirs, ours in (
        ("environment", saved.environment.name, here.name),
        ("base URL", saved.environment.base_url, here.base_url),
    ):
        if theirs != ours:
            raise Refused(
                f"the plan is for the {name} {theirs}, and this is {ours}; nothing was sent", "name it with -e"
            )
    if saved.environment.account != here.account:
        raise Refused("the plan is for another API key's account; nothing was sent", "check the credentials")


def paths_of(saved: Plan, overlays: Iterable[str]) -> tuple[str, ...]:
    """Return the paths that a saved plan was made from, relative to the project; `overlays` come by themselves."""
    above = {Path(os.path.normpath(path)).as_posix() for path in overlays}
    return (*saved.folders, *saved.globs, *(file.name for file in saved.files if file.name not in above))


def files_as_planned(saved: Plan, root: Path) -> None:
    """Raise Refused where a file that a plan was made from is not there any more, or is another one now."""
    for file in saved.files:
        try:
            content = (root / file.name).read_bytes()
        except OSError as exc:
            raise Refused(
                f"{file.name}: the plan was made from this file, and it cannot be read: {exc.strerror}; "
                "nothing was sent",
                _AGAIN,
            ) from exc
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise Refused(f"{file.name}: it has changed since the plan was made; nothing was sent", _AGAIN)


def no_other_files(saved: Plan, read: Iterable[SourceFile]) -> None:
    """Raise Refused where a file was read now that the plan was not made from, or the other way round."""
    then, now = {file.name for file in saved.files}, {file.name for file in read}
    for name in sorted(now - then):
        raise Refused(f"{name}: the plan was made without this file; nothing was sent", _AGAIN)
    for name in sorted(then - now):
        raise Refused(f"{name}: the plan was made from this file, and it is not read now; nothing was sent", _AGAIN)


def run_name(saved: Plan | None) -> str:
    """Return what a run is called in the ledger: a saved plan's own name, so that its next run knows what it did."""
    return "apply" if saved is None else f"apply of plan {saved.fingerprint[:16]}"


def sent_before(saved: Plan, ledger: Ledger, statuses: Container[Status | None] = (None, Status.DONE)) -> set[Key]:
    """
    Return what earlier runs of a saved plan have done, or sent without an answer (the status None).

    Raises Refused where the values of one were removed from the history.
    """
    name = run_name(saved)
    earlier = [run for run in ledger.runs() if run.command == name]
    for run in earlier:
        if run.pruned_at:
            # Which users it created is not known any more.
            raise Refused(
                f"the values of run {run.id}, which applied this plan, were removed at {run.pruned_at}; "
                "nothing was sent",
                _AGAIN,
            )
    return {
        (intent.action, intent.address)
        for run in earlier
        for intent in ledger.intents(run.id)
        if intent.status in statuses
    }


def drafted_alone(saved: Plan, ledger: Ledger, terms: Terms) -> Drafting:
    """Return what makes a draft of a saved plan alone, without the files that it was made from."""
    done, sent = sent_before(saved, ledger, (Status.DONE,)), sent_before(saved, ledger, (None,))
    return lambda live, records: draft_of_saved(saved, done, sent, live, records, terms)


def still_true(saved: Plan, now: Plan, sent: set[Key]) -> None:
    """
    Raise Refused unless what is planned now is the saved plan, but for what its own earlier runs have done.

    `sent` is of `sent_before`: what a run of it sent and is not needed now was done by it.
    """
    planned = {(change.action, change.address): change for change in saved.changes}
    for change in now.changes:
        then = planned.pop((change.action, change.address), None)
        if then is None:
            raise _stale(change, "is needed now and is not in it")
        if not _same(then, change, sent):
            raise _stale(change, "is another one now")
    for key, change in planned.items():
        if key not in sent:
            raise _stale(change, "is in it, and is not needed or not possible any more")


def _same(then: Change, now: Change, sent: set[Key]) -> bool:
    """Say whether a change is the one that was shown; the id of a customer that the plan created is known by now."""
    created = then.id is None and (Action.CREATE, Address(then.address.external_id)) in sent
    return (created or then.id == now.id) and _values(then) == _values(now)


def _values(change: Change) -> list[tuple[str, str, str | None]]:
    """Return what a change does to its fields; the cause only explains."""
    return [(field.name, field.before, field.after) for field in change.fields]


def _stale(change: Change, why: str) -> Refused:
    """Return that a saved plan is stale."""
    return Refused(f"the plan is stale: {change.action} {change.address} {why}; nothing was sent", _AGAIN)
