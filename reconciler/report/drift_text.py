"""Drift as text: what cannot be known, the findings by kind, what stands beside them, one summary line."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.escape import visible
from reconciler.model.reports import Drift, DriftFinding, DriftKind, Moved
from reconciler.report.drift_words import (
    BLOCKED,
    CAUSES,
    EXPIRED,
    IGNORED,
    PENDING,
    TITLES,
    UNSEEN,
    masked_drift,
    summary,
)
from reconciler.report.layout import BLANK, Line, Part, line, page
from reconciler.report.words import address, shown


def drift_text(drift: Drift, *, width: int, color: bool, redact: bool = False) -> str:
    """Return `drift` as text of at most `width` columns; `redact` masks personal values."""
    return page(_lines(masked_drift(drift) if redact else drift), width=width, color=color)


def _lines(drift: Drift) -> Iterator[Line]:
    """Yield the lines of a report."""
    for text in drift.unknown:
        yield line(f"Not known: {visible(text)}", "yellow")
    where = f"{visible(drift.environment.name)} ({visible(drift.environment.base_url)})"
    yield line(f"Environment {where}, project {visible(drift.project)}", "bold")
    yield BLANK
    for kind in DriftKind:
        members = [one for one in drift.findings if one.kind is kind]
        yield from _section(TITLES[kind], [row for one in members for row in _finding(one)], len(members), "red")
    pending = [_pending(f"{one.action.value} {address(one.address)}", one.fields) for one in drift.pending]
    yield from _section(PENDING, pending, len(pending))
    yield from _section(IGNORED, [*_ignored(drift)], len(drift.ignored))
    yield from _section(EXPIRED, [*_expired(drift)], len(drift.expired), "yellow")
    blocked = [row for one in drift.blocked for row in _blocked(address(one.address), one.field, one.reason, one.hint)]
    yield from _section(BLOCKED, blocked, len(drift.blocked), "yellow")
    unseen = [line(visible(text), indent=2) for text in drift.unobservable]
    yield from _section(UNSEEN, unseen, len(unseen))
    yield line(summary(drift), "bold")


def _section(title: str, lines: list[Line], number: int, style: str = "") -> Iterator[Line]:
    """Yield a section and a blank line after it; nothing where it has nothing."""
    if not number:
        return
    yield line(f"{title} ({number})", f"bold {style}".strip())
    yield from lines
    yield BLANK


def _finding(one: DriftFinding) -> Iterator[Line]:
    """Yield whom and where, what happened in words, and each field."""
    identity = f"  {visible(one.id)}" if one.id else ""
    where = f"  {visible(str(one.source))}" if one.source else ""
    yield Line((Part("~ ", "red"), Part(address(one.address), "bold"), Part(identity + where)), indent=2)
    yield line(visible(one.text), indent=6)
    for field in one.fields:
        yield line(field_said(field), indent=6)
    if one.ids:
        yield line(f"ids: {', '.join(map(visible, one.ids))}", indent=6)


def field_said(field: Moved) -> str:
    """Return what became of a field, safe to show."""
    applied = "not recorded" if field.applied is None else shown(field.applied)
    declared = f"; declared {shown(field.declared)}" if (field.declared or "") != (field.applied or "") else ""
    return f"{visible(field.name)}: applied {applied}, live {shown(field.live)}{declared}  [{CAUSES[field.cause]}]"


def _pending(what: str, fields: tuple[str, ...]) -> Line:
    """Return one edit."""
    names = f": {', '.join(map(visible, fields))}" if fields else ""
    return line(what + names, indent=2)


def _ignored(drift: Drift) -> Iterator[Line]:
    """Yield one line for each finding that a rule hides."""
    for one in drift.ignored:
        names = f" ({', '.join(visible(field.name) for field in one.finding.fields)})" if one.finding.fields else ""
        said = f"{one.finding.kind} {address(one.finding.address)}{names}, until {one.rule.until}: "
        yield line(said + visible(one.rule.reason), indent=2)


def _expired(drift: Drift) -> Iterator[Line]:
    """Yield one line for each rule whose day has passed."""
    for rule in drift.expired:
        yield line(f"{visible(str(rule.source))}: {visible(rule.key)}, until {rule.until}", indent=2)


def _blocked(whom: str, field: str | None, reason: str, hint: str) -> Iterator[Line]:
    """Yield what is blocked, and the way out."""
    name = f" {visible(field)}" if field else ""
    yield Line((Part("! ", "yellow"), Part(whom, "bold"), Part(name)), indent=2)
    yield line(visible(reason), indent=6)
    yield line(f"way out: {visible(hint)}", indent=6)
