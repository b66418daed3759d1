"""What drift is called, and the sentences that every form of its report shares."""

from __future__ import annotations

from dataclasses import replace

from reconciler.model.core import Cause
from reconciler.model.plan import unverified_text
from reconciler.model.reports import Drift, DriftFinding, DriftKind, Ignored, Moved, Pending
from reconciler.report.redact import masked, masked_address, masked_blocked, masked_text
from reconciler.report.words import count

TITLES = {
    DriftKind.CHANGED: "Changed",
    DriftKind.ARCHIVED: "Archived by somebody else",
    DriftKind.RESTORED: "Restored by somebody else",
    DriftKind.GONE: "Hidden or gone",
    DriftKind.DUPLICATED: "There more than once",
    DriftKind.UNMANAGED: "Appeared, and not managed",
}
PENDING = "Edits that are not applied yet: no drift"
IGNORED = "Ignored"
EXPIRED = "Rules that have ended, and hide nothing"
BLOCKED = "Blocked, for another reason"
UNSEEN = "Not observable on this server"
CAUSES = {
    Cause.DRIFT: "the live side moved",
    Cause.BOTH: "the live side and the file moved",
    Cause.UNKNOWN: "no record of who moved",
    Cause.CONFIG: "the file moved",
}


def summary(drift: Drift) -> str:
    """
    Return the drift in one line.

    >>> from reconciler.model.core import EnvironmentRef
    >>> summary(Drift(EnvironmentRef("demo", "https://api.example", ""), "default", managed=3, live=4))
    'No drift. 3 of 4 customers are managed (75 %).'
    """
    kinds = [f"{drift.count(kind)} {kind}" for kind in DriftKind if drift.count(kind)]
    heads = [f"Drift: {', '.join(kinds)}."] if kinds else []
    heads += [f"{unverified_text(drift.unverified)}."] if drift.unverified else []
    head = " ".join(heads) or "No drift."
    waiting = f" {count(len(drift.pending), 'edit is', 'edits are')} not applied yet." if drift.pending else ""
    hidden = f" {len(drift.ignored)} ignored." if drift.ignored else ""
    return f"{head}{waiting}{hidden} {coverage(drift)}"


def coverage(drift: Drift) -> str:
    """Return how much of the account is managed."""
    share = f" ({100 * drift.managed / drift.live:.0f} %)" if drift.live else ""
    return f"{drift.managed} of {count(drift.live, 'customer is', 'customers are')} managed{share}."


def masked_drift(drift: Drift) -> Drift:
    """Return `drift` with every personal value masked, by the type of its field; external_ids and ids stay."""
    return replace(
        drift,
        findings=tuple(map(_masked, drift.findings)),
        ignored=tuple(Ignored(_masked(one.finding), one.rule) for one in drift.ignored),
        pending=tuple(_masked_pending(one) for one in drift.pending),
        blocked=tuple(map(masked_blocked, drift.blocked)),
    )


def _masked(one: DriftFinding) -> DriftFinding:
    """Return a finding, masked."""
    values = [(field.name, value) for field in one.fields for value in (field.applied, field.live, field.declared)]
    return replace(
        one,
        address=masked_address(one.address),
        text=masked_text(one.text, [(name, value) for name, value in values if value]),
        fields=tuple(map(_masked_field, one.fields)),
    )


def _masked_field(one: Moved) -> Moved:
    """Return a field, masked; what is empty, or not known, stays."""
    applied = None if one.applied is None else masked(one.name, one.applied)
    declared = None if one.declared is None else masked(one.name, one.declared)
    return replace(one, applied=applied, live=masked(one.name, one.live), declared=declared)


def _masked_pending(one: Pending) -> Pending:
    """Return an edit, masked."""
    return replace(one, address=masked_address(one.address))
