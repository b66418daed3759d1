"""Drift as Markdown, for an issue, and as one HTML file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from reconciler.escape import MAX_BYTES, visible
from reconciler.model.reports import Drift, DriftFinding, DriftKind, Ignored, Moved, Pending, Rule
from reconciler.report import html_page, markdown
from reconciler.report.drift import BLOCKED, CAUSES, EXPIRED, IGNORED, PENDING, TITLES, UNSEEN, masked_drift, summary
from reconciler.report.layout import address, shown
from reconciler.report.markdown import Section, code, prose
from reconciler.report.messages.explanations import finding_text
from reconciler.report.messages.plan import unknown_text

_LOOKS = {DriftKind.ARCHIVED: "bad", DriftKind.GONE: "bad", DriftKind.DUPLICATED: "bad"}
_KINDS = {kind.value: (TITLES[kind], _LOOKS.get(kind, "warn")) for kind in DriftKind} | {
    "blocked": ("Blocked", "warn"),
    "expired": ("Expired rule", "warn"),
    "pending": ("Edit not applied yet", "quiet"),
    "ignored": ("Ignored", "quiet"),
}
_TABLES = {"": (("Applied", "old"), ("Live", "new"), ("Declared", "other"), ("Who moved", "cause wide"))}


def drift_markdown(drift: Drift, *, max_bytes: int = MAX_BYTES, redact: bool = False) -> str:
    """Return `drift` as CommonMark of at most `max_bytes` of UTF-8, the most important first; `redact` masks values."""
    one = masked_drift(drift) if redact else drift
    head = markdown.report_head(one.unknown, summary(one), one.environment, one.project)
    return markdown.report(head, list(_sections(one)), max_bytes)


def _sections(drift: Drift) -> Iterator[Section]:
    """Yield the sections, the drift first."""
    for kind in DriftKind:
        yield Section(TITLES[kind], [_finding(one) for one in drift.findings if one.kind is kind], opened=True)
    yield Section(BLOCKED, [markdown.blocked_entry(one) for one in drift.blocked], opened=True)
    yield Section(EXPIRED, [_expired(rule) for rule in drift.expired])
    yield Section(PENDING, [_pending(one) for one in drift.pending])
    yield Section(IGNORED, [_ignored(one) for one in drift.ignored])
    yield Section(UNSEEN, [f"- {prose(unknown_text(one))}\n" for one in drift.unobservable])


def _finding(one: DriftFinding) -> str:
    """Return one finding: whom and where, what happened in words, each field, the ids."""
    where = f" ({code(str(one.source))})" if one.source else ""
    ids = f"  - ids: {', '.join(map(code, one.ids))}\n" if one.ids else ""
    fields = "".join(
        f"  - {code(name)}: applied {'not recorded' if field.applied is None else code(applied)}, "
        f"live {code(live)}, declared {code(declared)}; {cause}\n"
        for field in one.fields
        for name, applied, live, declared, cause in (_values(field),)
    )
    return f"- {code(str(one.address))}{where}: {prose(finding_text(one))}\n{fields}{ids}"


def _values(field: Moved) -> tuple[str, str, str, str, str]:
    """Return the name of a field, its applied, live and declared value, and who moved, safe to show."""
    applied = "not recorded" if field.applied is None else shown(field.applied)
    return visible(field.name), applied, shown(field.live), shown(field.declared), CAUSES[field.cause]


def _expired(rule: Rule) -> str:
    """Return a rule whose day has passed."""
    return f"- {code(rule.key)} at {code(str(rule.source))}, until {rule.until}\n"


def _pending(one: Pending) -> str:
    """Return an edit that is not applied."""
    names = f": {', '.join(map(code, one.fields))}" if one.fields else ""
    return f"- {one.action} {code(str(one.address))}{names}\n"


def _ignored(one: Ignored) -> str:
    """Return a finding that a rule hides."""
    return f"- {code(str(one.finding.address))} {one.finding.kind}, until {one.rule.until}: {prose(one.rule.reason)}\n"


def drift_html(drift: Drift, *, redact: bool = False) -> str:
    """Return `drift` as a whole HTML document; `redact` masks personal values."""
    one = masked_drift(drift) if redact else drift
    return html_page.html_page(
        "drift.html",
        list(_entries(one)),
        kinds=_KINDS,
        tables=_TABLES,
        environment=one.environment,
        project=one.project,
        unknown=one.unknown,
        summary=summary(one),
        unseen=UNSEEN,
        notes=[("", visible(unknown_text(row))) for row in one.unobservable],
    )


def _entries(drift: Drift) -> Iterator[dict[str, Any]]:
    """Yield the entries of the list, the drift first."""
    order = list(DriftKind)
    for one in sorted(drift.findings, key=lambda finding: order.index(finding.kind)):
        yield _finding_entry(one.kind.value, one)
    yield from map(html_page.blocked_entry, drift.blocked)
    for rule in drift.expired:
        yield html_page.entry(
            "expired", shown(rule.key), source=rule.source, facts=[f"until {rule.until}"], said=[rule.reason]
        )
    for edit in drift.pending:
        facts = [edit.action.value, *edit.fields]
        yield html_page.entry("pending", address(edit.address), source=edit.source, facts=facts)
    for hid in drift.ignored:
        facts = [hid.finding.kind.value, f"until {hid.rule.until}"]
        yield _finding_entry("ignored", hid.finding, facts=facts, said=[f"Ignored: {hid.rule.reason}"])


def _finding_entry(
    kind: str, one: DriftFinding, *, facts: Iterable[str] = (), said: Iterable[str] = ()
) -> dict[str, Any]:
    return html_page.entry(
        kind,
        address(one.address),
        ids=one.ids or [one.id],
        source=one.source,
        facts=[*facts],
        said=[finding_text(one), *said],
        fields=[_values(field) for field in one.fields],
    )
