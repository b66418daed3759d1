"""Drift as a message to somebody: how many of what, and whom it is about; no value, as a message goes anywhere."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from reconciler.escape import visible
from reconciler.model.reports import Drift
from reconciler.report.drift_words import summary
from reconciler.report.redact import masked_address

_NAMED = 20


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent, in plain text."""

    title: str
    body: str


def message_of(drift: Drift) -> Message:
    """Return the message that tells of `drift`, or that there is none any more."""
    where = visible(drift.environment.name)
    if not drift.findings:
        return Message(f"No drift any more in {where}", summary(drift))
    keys = [f"- {finding.kind}: {visible(str(masked_address(finding.address)))}" for finding in drift.findings]
    more = [f"- and {len(keys) - _NAMED} more"] if len(keys) > _NAMED else []
    return Message(f"Drift in {where}", "\n".join([summary(drift), *keys[:_NAMED], *more]))


def state_of(drift: Drift) -> str:
    """
    Return a hash that differs where the drift does, "" for none: of whom it is about, and of the values.

    It holds no value itself, and no one can be tried out from it but with all the others.
    """
    if not drift.findings:
        return ""
    rows = [
        [one.kind, str(one.address), one.id, [[field.name, field.live] for field in one.fields], one.ids]
        for one in drift.findings
    ]
    return hashlib.sha256(json.dumps(rows).encode("ascii")).hexdigest()
