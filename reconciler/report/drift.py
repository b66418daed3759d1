"""Drift in words: as text, as a message to someone, as JSON and as JUnit XML."""

from __future__ import annotations

import hashlib
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from reconciler.escape import visible
from reconciler.model.core import Cause
from reconciler.model.reports import Drift, DriftFinding, DriftKind, Heard, Ignored, Moved, Pending, Remark, Rule
from reconciler.report.layout import BLANK, Line, Span, address, at, count, line, page, shown
from reconciler.report.messages import Wording
from reconciler.report.messages.explanations import finding_text, remark_json
from reconciler.report.messages.plan import blocked_wording, unknown_text, unverified_text
from reconciler.report.redact import masked, masked_address, masked_blocked

TITLES = {
    DriftKind.CHANGED: "Changed",
    DriftKind.ARCHIVED: "Archived by someone else",
    DriftKind.RESTORED: "Restored by someone else",
    DriftKind.GONE: "Hidden or gone",
    DriftKind.DUPLICATED: "Duplicated",
    DriftKind.UNMANAGED: "New and not managed",
}
PENDING = "Pending edits, which are not drift"
IGNORED = "Ignored"
EXPIRED = "Expired rules, which hide nothing"
BLOCKED = "Blocked for another reason"
UNSEEN = "Not observable on this server"
CAUSES = {
    Cause.DRIFT: "the account changed",
    Cause.BOTH: "the account and the file changed",
    Cause.UNKNOWN: "no record of which side changed",
    Cause.CONFIG: "the file changed",
}


def summary(drift: Drift) -> str:
    """
    Return the drift in one line.

    >>> from reconciler.model.core import EnvironmentRef
    >>> summary(Drift(EnvironmentRef("demo", "https://api.example", ""), "default", managed=3, live=4))
    'No drift. 3 of 4 customers are managed (75%).'
    """
    kinds = [f"{drift.count(kind)} {kind}" for kind in DriftKind if drift.count(kind)]
    heads = [f"Drift: {', '.join(kinds)}."] if kinds else []
    heads += [unverified_text(drift.unverified)] if drift.unverified else []
    head = " ".join(heads) or "No drift."
    waiting = f" {count(len(drift.pending), 'edit is', 'edits are')} not applied yet." if drift.pending else ""
    hidden = f" {len(drift.ignored)} ignored." if drift.ignored else ""
    return f"{head}{waiting}{hidden} {coverage(drift)}"


def coverage(drift: Drift) -> str:
    """Return how much of the account is managed, or how much of it webhooks named."""
    if drift.heard is not None:
        checked = drift.heard.customers - len(drift.heard.unknown)
        return f"{count(checked, 'customer')} checked, named by {count(drift.heard.bodies, 'event')}."
    share = f" ({100 * drift.managed / drift.live:.0f}%)" if drift.live else ""
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
    return replace(
        one,
        address=masked_address(one.address),
        fields=tuple(map(_masked_field, one.fields)),
        blocked=tuple(map(masked_blocked, one.blocked)),
    )


def _masked_field(one: Moved) -> Moved:
    """Return a field, masked; what is empty, or unknown, stays."""
    applied = None if one.applied is None else masked(one.name, one.applied)
    declared = None if one.declared is None else masked(one.name, one.declared)
    return replace(one, applied=applied, live=masked(one.name, one.live), declared=declared)


def _masked_pending(one: Pending) -> Pending:
    """Return an edit, masked."""
    return replace(one, address=masked_address(one.address))


def drift_text(drift: Drift, *, width: int, color: bool, redact: bool = False) -> str:
    """Return `drift` as text of at most `width` columns; `redact` masks personal values."""
    return page(_lines(masked_drift(drift) if redact else drift), width=width, color=color)


def _lines(drift: Drift) -> Iterator[Line]:
    """Yield the lines of a report."""
    for one in drift.unknown:
        yield line(f"Unknown: {visible(unknown_text(one))}", "yellow")
    where = f"{visible(drift.environment.name)} ({visible(drift.environment.base_url)})"
    yield line(f"Environment {where}, project {visible(drift.project)}", "bold")
    yield BLANK
    for kind in DriftKind:
        members = [one for one in drift.findings if one.kind is kind]
        yield from _section(TITLES[kind], [row for one in members for row in _finding_lines(one)], len(members), "red")
    pending = [_pending(f"{one.action.value} {address(one.address)}", one.fields) for one in drift.pending]
    yield from _section(PENDING, pending, len(pending))
    yield from _section(IGNORED, [*_ignored(drift)], len(drift.ignored))
    yield from _section(EXPIRED, [*_expired(drift)], len(drift.expired), "yellow")
    blocked = [row for one in drift.blocked for row in _blocked(address(one.address), one.field, blocked_wording(one))]
    yield from _section(BLOCKED, blocked, len(drift.blocked), "yellow")
    unseen = [line(visible(unknown_text(one)), indent=2) for one in drift.unobservable]
    yield from _section(UNSEEN, unseen, len(unseen))
    yield line(summary(drift), "bold")


def _section(title: str, lines: list[Line], number: int, style: str = "") -> Iterator[Line]:
    """Yield a section and a blank line after it; nothing where it has nothing."""
    if not number:
        return
    yield line(f"{title} ({number})", f"bold {style}".strip())
    yield from lines
    yield BLANK


def _finding_lines(one: DriftFinding) -> Iterator[Line]:
    """Yield whom and where, what happened in words, and each field."""
    identity = f"  {visible(one.id)}" if one.id else ""
    where = f"  {visible(str(one.source))}" if one.source else ""
    yield Line((Span("~ ", "red"), Span(address(one.address), "bold"), Span(identity + where)), indent=2)
    yield line(visible(finding_text(one)), indent=6)
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


def _blocked(whom: str, field: str | None, wording: Wording) -> Iterator[Line]:
    """Yield what is blocked, why, and what to do."""
    name = f" {visible(field)}" if field else ""
    yield Line((Span("! ", "yellow"), Span(whom, "bold"), Span(name)), indent=2)
    yield line(visible(wording.what), indent=6)
    yield line(f"to fix this: {visible(wording.fix)}", indent=6)


def drift_brief(drift: Drift, *, redact: bool = False) -> str:
    """Return one line a finding, one for each that is blocked, and the summary; `redact` masks personal values."""
    one = masked_drift(drift) if redact else drift
    rows = [
        (
            finding.kind.value,
            address(finding.address),
            [finding_text(finding), *map(field_said, finding.fields)],
            finding.source,
        )
        for finding in one.findings
    ]
    rows += [("blocked", address(row.address), [blocked_wording(row).what], row.source) for row in one.blocked]
    lines = [f"{what} {whom}: {visible(' '.join(said))}{at(source)}" for what, whom, said, source in rows]
    return "".join(f"{row}\n" for row in (*lines, summary(one)))


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
        return Message(f"No more drift in {where}", summary(drift))
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


FORMAT_VERSION = "1"


def drift_json(drift: Drift, *, redact: bool = False) -> dict[str, Any]:
    """Return `drift` as a value for JSON; `redact` masks personal values."""
    from reconciler.model.convert import plan_converter  # noqa: PLC0415 - what makes JSON takes long to load
    from reconciler.report.plan_json import coded, unknown_to_json  # noqa: PLC0415 - the same

    write = plan_converter().unstructure

    one = masked_drift(drift) if redact else drift
    return {
        "format_version": FORMAT_VERSION,
        "environment": write(one.environment),
        "project": one.project,
        "drifted": bool(one.findings),
        "summary": {
            **{kind.value: one.count(kind) for kind in DriftKind},
            "pending": len(one.pending),
            "ignored": len(one.ignored),
            "blocked": len(one.blocked),
        },
        "coverage": {
            "managed": one.managed,
            "live": one.live,
            "share": round(one.managed / one.live, 4) if one.live else None,
        },
        "findings": [_finding_json(finding, write) for finding in one.findings],
        "pending": write(one.pending),
        "ignored": [{"finding": _finding_json(hid.finding, write), "rule": _rule(hid.rule)} for hid in one.ignored],
        "expired": [_rule(rule) for rule in one.expired],
        "blocked": [
            {
                "address": str(row.address),
                "field": row.field,
                "reason": said.what,
                "hint": said.fix,
                **coded(row.reason, row.parts),
            }
            for row in one.blocked
            for said in (blocked_wording(row),)
        ],
        "unknown": [unknown_text(row) for row in one.unknown],
        "unknown_reasons": [unknown_to_json(row) for row in one.unknown],
        "unobservable": [unknown_text(row) for row in one.unobservable],
        "unobservable_reasons": [unknown_to_json(row) for row in one.unobservable],
        "unverified": write(one.unverified),
        "requests": one.requests,
        **({} if one.heard is None else {"events": _heard_json(one.heard)}),
    }


def _heard_json(heard: Heard) -> dict[str, Any]:
    """Return what webhooks named."""
    topics = [{"topic": topic, "events": number} for topic, number in heard.topics.items()]
    return {
        "events": heard.bodies,
        "customers": heard.customers,
        "unknown_ids": list(heard.unknown),
        "other_topics": topics,
    }


def drift_junit(drift: Drift, *, redact: bool = False) -> str:
    """
    Return `drift` as JUnit XML: a failed test for each finding, a skipped one for each that is ignored.

    A passed one stands for all the managed customers that did not drift.
    """
    one = masked_drift(drift) if redact else drift
    suite = ET.Element(
        "testsuite",
        name=_xml(f"drift of {one.environment.name}"),
        tests=str(len(one.findings) + len(one.ignored) + 1),
        failures=str(len(one.findings)),
        skipped=str(len(one.ignored)),
        errors="0",
    )
    for finding in one.findings:
        failure = ET.SubElement(
            _case(suite, finding), "failure", type=finding.kind.value, message=_xml(finding_text(finding))
        )
        failure.text = _xml("; ".join(field_said(field) for field in finding.fields)) or None
    for hid in one.ignored:
        said = _xml(f"until {hid.rule.until}: {hid.rule.reason}")
        ET.SubElement(_case(suite, hid.finding), "skipped", message=said)
    ET.SubElement(suite, "testcase", classname="drift", name=_xml(summary(one)))
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suite, encoding="unicode") + "\n"


def _xml(text: str) -> str:
    """Return `text` as it is shown, without the two characters that XML 1.0 cannot hold (its rule 2, Char)."""
    return visible(text).replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def _case(suite: ET.Element, finding: DriftFinding) -> ET.Element:
    """Return the test of a finding."""
    name = _xml(f"{finding.address} {finding.kind}")
    return ET.SubElement(suite, "testcase", classname=f"drift.{finding.kind}", name=name)


def _finding_json(one: DriftFinding, write: Callable[[Any], Any]) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "address": write(one.address),
        "external_id": one.address.external_id,
        "id": one.id,
        "text": finding_text(one),
        "reasons": [remark_json(remark) for remark in one.why]
        + [remark_json(Remark(row.reason, row.parts)) for row in one.blocked],
        "fields": write(one.fields),
        "ids": list(one.ids),
        "source": write(one.source),
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "key": rule.key,
        "kinds": sorted(kind.value for kind in rule.kinds),
        "fields": sorted(rule.fields),
        "until": rule.until.isoformat(),
        "reason": rule.reason,
        "source": str(rule.source),
    }
