"""What the ledger forgets: the values of old runs, or of one customer, which are personal data; what was done stays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.ledger.base import Ledger
from reconciler.model.core import Address
from reconciler.model.ledger import Binding, DropBinding, Intent, PutBinding, PutIntent, PutRun, Run, Write
from reconciler.report.redact import masked_address


@dataclass(frozen=True, slots=True)
class Pruning:
    """
    The runs whose values go, how many changes they have, and the writes that remove those.

    `in_doubt` are older ones too that stay as they are: the next run that writes settles what they left in doubt.
    """

    runs: tuple[Run, ...]
    changes: int
    in_doubt: tuple[Run, ...]
    writes: tuple[Write, ...]


def pruning(ledger: Ledger, *, before: str, now: str) -> Pruning:
    """
    Return what removing the values of the runs that began before `before` takes; both times as `Run` has them.

    Removed are old and new values, messages, hashes of requests and the e-mails of users. Actions, external_ids,
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
    return Pruning(tuple(runs), len(intents), tuple(left), tuple(writes))


@dataclass(frozen=True, slots=True)
class Forgetting:
    """
    What erasing a customer's values takes: how many changes of the history hold some, and the writes.

    `in_doubt` are runs that left a change of it in doubt: nothing is erased before that is settled.
    """

    changes: int
    in_doubt: tuple[Run, ...]
    writes: tuple[Write, ...]


def forgetting(ledger: Ledger, row: Binding) -> Forgetting:
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
    return Forgetting(changes, in_doubt, tuple(writes))


def _without_values(intent: Intent) -> Intent:
    """Return a change without what it holds of a person."""
    address: Address = masked_address(intent.address)
    return replace(intent, address=address, before={}, after={}, message="", payload_hash="")
