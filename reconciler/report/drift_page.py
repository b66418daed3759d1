"""Drift as Markdown, for an issue, and as one HTML file: in both, text from the account stays text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from reconciler.escape import visible
from reconciler.model.reports import Drift, DriftFinding, DriftKind
from reconciler.report.drift import BLOCKED, CAUSES, EXPIRED, IGNORED, PENDING, TITLES, UNSEEN, masked_drift, summary
from reconciler.report.layout import shown
from reconciler.report.plan_markdown import code, prose

MOST_BYTES = 65_000
"""An issue's body on GitHub takes fewer than 65,536 characters, and none has less than a byte."""
_COLUMNS = ("field", "applied", "live", "declared", "who moved")
_STYLE = """
:root{color-scheme:light dark;--line:#d4d7dd;--dim:#565c68;--bad:#b3261e}
@media (prefers-color-scheme:dark){:root{--line:#383d47;--dim:#a5acb9;--bad:#ff9b93}}
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:0 auto;padding:1.25rem}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid var(--line)}
code{font-family:ui-monospace,monospace;overflow-wrap:anywhere}.dim{color:var(--dim)}.bad{color:var(--bad)}
article{margin:0 0 1.5rem}h3{margin:1rem 0 .25rem}div{overflow-x:auto}
"""


def drift_markdown(drift: Drift, *, max_bytes: int = MOST_BYTES, redact: bool = False) -> str:
    """Return `drift` as CommonMark of at most `max_bytes` of UTF-8: what does not fit is left out, and counted."""
    one = masked_drift(drift) if redact else drift
    unknown = "".join(f"> **Not known:** {prose(text)}\n\n" for text in one.unknown)
    where = f"Environment {code(one.environment.name)}, project {code(one.project)}."
    kept = [f"{unknown}### {summary(one)}\n\n{where}\n"]
    room = max_bytes - len(kept[0].encode()) - 200
    entries = list(_entries(one))
    for place, entry in enumerate(entries):
        room -= len(entry.encode())
        if room < 0:
            kept.append(f"\n**Cut to fit:** {len(entries) - place} more do not stand here.\n")
            break
        kept.append(entry)
    return "".join(kept)


def _entries(drift: Drift) -> Iterator[str]:
    """Yield the parts of a report, each a whole."""
    for kind in DriftKind:
        members = [one for one in drift.findings if one.kind is kind]
        for place, one in enumerate(members):
            title = f"\n#### {TITLES[kind]} ({len(members)})\n" if not place else ""
            yield f"{title}{_finding(one)}"
    lists: tuple[tuple[str, Sequence[str]], ...] = (
        (
            PENDING,
            [_edit(one.action, str(one.address), one.fields) for one in drift.pending],
        ),
        (
            IGNORED,
            [
                f"- {code(str(one.finding.address))} {one.finding.kind}, until {one.rule.until}: "
                f"{prose(one.rule.reason)}\n"
                for one in drift.ignored
            ],
        ),
        (
            EXPIRED,
            [f"- {code(rule.key)} at {code(str(rule.source))}, until {rule.until}\n" for rule in drift.expired],
        ),
        (
            BLOCKED,
            [
                f"- {code(str(one.address))}: {prose(one.reason)}\n  - way out: {prose(one.hint)}\n"
                for one in drift.blocked
            ],
        ),
        (UNSEEN, [f"- {prose(text)}\n" for text in drift.unobservable]),
    )
    for title, rows in lists:
        for place, row in enumerate(rows):
            yield (f"\n#### {title} ({len(rows)})\n\n" if not place else "") + row


def _finding(one: DriftFinding) -> str:
    """Return one finding."""
    where = f" ({code(str(one.source))})" if one.source else ""
    ids = f"  - ids: {', '.join(map(code, one.ids))}\n" if one.ids else ""
    fields = "".join(
        f"  - {code(field.name)}: applied {'not recorded' if field.applied is None else code(shown(field.applied))}, "
        f"live {code(shown(field.live))}, declared {code(shown(field.declared))}; {CAUSES[field.cause]}\n"
        for field in one.fields
    )
    return f"\n- {code(str(one.address))}{where}: {prose(one.text)}\n{fields}{ids}"


def _edit(action: str, address: str, fields: Sequence[str]) -> str:
    """Return one edit that is not applied."""
    names = f": {', '.join(map(code, fields))}" if fields else ""
    return f"- {action} {code(address)}{names}\n"


def drift_html(drift: Drift, *, redact: bool = False) -> str:
    """Return `drift` as one HTML file that loads nothing and runs nothing; `redact` masks personal values."""
    one = masked_drift(drift) if redact else drift
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    head = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_html(f'Drift of {one.environment.name}')}</title>\n<style>{_STYLE}</style>\n</head>\n"
    )
    return f"{head}<body>\n<main>\n{''.join(_html_parts(one))}</main>\n</body>\n</html>\n"


def _html_parts(drift: Drift) -> Iterator[str]:
    """Yield the parts of the page."""
    yield f"<h1>{_html(summary(drift))}</h1>\n"
    yield f'<p class="dim">{_html(f"Environment {drift.environment.name}, project {drift.project}")}</p>\n'
    for text in drift.unknown:
        yield f'<p class="bad">{_html(f"Not known: {text}")}</p>\n'
    for kind in DriftKind:
        members = [one for one in drift.findings if one.kind is kind]
        if members:
            yield f"<h2>{_html(f'{TITLES[kind]} ({len(members)})')}</h2>\n" + "".join(map(_html_finding, members))
    lists: tuple[tuple[str, Sequence[str]], ...] = (
        (
            PENDING,
            [f"{one.action} {one.address}: {', '.join(one.fields)}".removesuffix(": ") for one in drift.pending],
        ),
        (
            IGNORED,
            [
                f"{one.finding.address} {one.finding.kind}, until {one.rule.until}: {one.rule.reason}"
                for one in drift.ignored
            ],
        ),
        (EXPIRED, [f"{one.source}: {one.key}" for one in drift.expired]),
        (BLOCKED, [f"{one.address}: {one.reason}; {one.hint}" for one in drift.blocked]),
        (UNSEEN, drift.unobservable),
    )
    for title, rows in lists:
        if rows:
            items = "".join(f"<li>{_html(row)}</li>\n" for row in rows)
            yield f"<h2>{_html(f'{title} ({len(rows)})')}</h2>\n<ul>\n{items}</ul>\n"


def _html_finding(one: DriftFinding) -> str:
    """Return one finding."""
    where = f' <span class="dim">{_html(str(one.source))}</span>' if one.source else ""
    ids = f"<p>{_html('ids: ' + ', '.join(one.ids))}</p>\n" if one.ids else ""
    table = ""
    if one.fields:
        heads = "".join(f'<th scope="col">{name}</th>' for name in _COLUMNS)
        table = (
            f"<div><table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{''.join(_html_row(one))}</tbody></table></div>\n"
        )
    title = f"<h3><code>{_html(str(one.address))}</code>{where}</h3>\n"
    return f"<article>\n{title}<p>{_html(one.text)}</p>\n{table}{ids}</article>\n"


def _html_row(one: DriftFinding) -> Iterator[str]:
    """Yield one row a field."""
    for field in one.fields:
        applied = "not recorded" if field.applied is None else shown(field.applied)
        cells = (field.name, applied, shown(field.live), shown(field.declared), CAUSES[field.cause])
        yield "<tr>" + "".join(f"<td>{_html(cell)}</td>" for cell in cells) + "</tr>\n"


def _html(text: str) -> str:
    """Return `text` as HTML shows it."""
    return escape(visible(text))
