"""What the history forgets: the values of old runs, which are personal data; that and what they did stays."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reconciler.ledger.base import Ledger
from reconciler.model import Address
from reconciler.records import Intent, PutIntent, PutRun, Run, Write
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
    reads the values of its own run alone, and the next plan those of the bindings.
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
    return Pruning(tuple(runs), len(intents), tuple(left), tuple(writes))


def _without_values(intent: Intent) -> Intent:
    """Return a change without what it holds of a person."""
    address: Address = masked_address(intent.address)
    return replace(intent, address=address, before={}, after={}, message="", payload_hash="")
