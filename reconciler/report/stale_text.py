"""Why changes of a saved plan are not planned again as they were saved, in words."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.escape import visible
from reconciler.model.plan import Stale, StaleReason
from reconciler.report.layout import line, page
from reconciler.report.redact import masked_address, masked_blocked
from reconciler.report.words import MOST, REASONS, address, count

_WHY = {
    StaleReason.BLOCKED: "{blocked}",
    StaleReason.CUSTOMER: "it is for another customer now: {id}",
    StaleReason.DECLARED: "it is declared again",
    StaleReason.FIELDS: "changed since the plan was saved: {names}",
    StaleReason.FORGOTTEN: "`forget:` names it now",
    StaleReason.INSTEAD: "{action} is needed instead",
    StaleReason.LEFT_OUT: "--target or --exclude leaves it out",
    StaleReason.MOVED: "its key is {names} now",
    StaleReason.NOT_DECLARED: "no file that was read declares it",
    StaleReason.NOT_NEEDED: "it is not needed any more",
    StaleReason.NOT_READ: "the file of its entry was not read: {names}",
    StaleReason.PAYMENT_METHODS: "it has {methods} now, and not {then} as when the plan was saved",
    StaleReason.REASON: "its reason is another one now: {why}",
    StaleReason.UNKNOWN: "the ledger does not know it",
    StaleReason.WAITS: "it needs {action} first, which is not in the plan",
}


def stale_text(stale: Sequence[Stale], *, width: int, redact: bool = False) -> str:
    """Return a line for each change that is stale, as text of at most `width` columns."""
    lines = []
    for one in stale[:MOST]:
        where = masked_address(one.change.address) if redact else one.change.address
        verb = one.change.action.value.replace("_", " ")
        lines.append(line(f"stale: {verb} {address(where)}: {visible(_why(one, redact=redact))}"))
    if len(stale) > MOST:
        lines.append(line(f"... and {len(stale) - MOST} more"))
    return page(lines, width=width, color=False)


def _why(one: Stale, *, redact: bool) -> str:
    """Return why a change is stale."""
    now, blocked = one.now or one.change, one.blocked
    if redact and blocked is not None:
        blocked = masked_blocked(blocked)
    return _WHY[one.reason].format(
        action=now.action.value.replace("_", " "),
        blocked="" if blocked is None else blocked.reason,
        id=now.id or "a new one",
        methods=count(now.payment_methods or 0, "payment method"),
        names=", ".join(one.names) or "none",
        then=one.change.payment_methods or 0,
        why=REASONS[now.reason],
    )
