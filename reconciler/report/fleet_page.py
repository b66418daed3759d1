"""
The state of a fleet: text, JSON, Markdown for a comment, and one HTML file.

All of it comes from the fleet's table. The page holds names of accounts and labels, counts and words, and no customer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from reconciler.escape import MAX_BYTES, visible
from reconciler.model.fleet import AccountState, AccountStatus, Day, FleetAccount
from reconciler.report import markdown
from reconciler.report.layout import BLANK, Line, aligned, count, duration, line, page
from reconciler.report.markdown import Section, code, prose

TITLES = {
    AccountState.FAILED: ("Failed", "bad"),
    AccountState.BLOCKED: ("Blocked", "warn"),
    AccountState.DRIFTED: ("Drifted", "warn"),
    AccountState.PENDING: ("Edits not applied", "quiet"),
    AccountState.NEW: ("Not checked yet", "quiet"),
    AccountState.IN_SYNC: ("In sync", ""),
    AccountState.SUSPENDED: ("Suspended", "quiet"),
}
"""Title and look of each state, the worst first."""

_ORDER = {state: place for place, state in enumerate(TITLES)}
_DAYS = 60
"""How many the chart has; more bars would be too narrow to tell apart."""


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """What is known of the chosen accounts of a fleet; `labels` by account, `now` in seconds since 1970."""

    environment: str
    project: str
    accounts: Sequence[AccountStatus]
    now: float
    labels: Mapping[str, Mapping[str, str]]
    days: Sequence[Day] = ()

    def worst_first(self) -> list[AccountStatus]:
        """Return the accounts, the worst state first, and of one state the longest in it first."""
        return sorted(self.accounts, key=lambda one: (_ORDER[one.state], one.since, one.account))

    def counted(self) -> dict[AccountState, int]:
        """Return how many accounts are in each state that any is in, the worst first."""
        found = Counter(one.state for one in self.accounts)
        return {state: found[state] for state in TITLES if found[state]}

    def summary(self) -> str:
        """Return the counts as a sentence without its end."""
        if not self.accounts:
            return "No accounts"
        parts = [f"{number} {TITLES[state][0].lower()}" for state, number in self.counted().items()]
        return f"{count(len(self.accounts), 'account')}: {', '.join(parts)}"


# --- text and JSON -----------------------------------------------------------------------------------

_MOST_ROWS = 200
"""Of a text; the other formats have all."""


def status_text(status: FleetStatus, *, width: int, color: bool) -> str:
    """Return a status as a table, the worst first, and the counts; accounts in sync are only counted."""
    rows = [one for one in status.worst_first() if one.state is not AccountState.IN_SYNC]
    lines: list[Line] = []
    if rows:
        head = ("ACCOUNT", "STATE", "SINCE", "LAST CHECK", "CUSTOMERS", "FOUND")
        cells = [head, *(_cells(one, status.now) for one in rows[:_MOST_ROWS])]
        fitting = aligned(cells, width=width)
        lines += [line("  ".join(row)) for row in cells[1:]] if fitting is None else fitting
        if len(rows) > _MOST_ROWS:
            lines.append(line(f"and {len(rows) - _MOST_ROWS} more: --format json has all of them"))
        lines += [line(f"{one.account}: {visible(one.message)}") for one in rows[:_MOST_ROWS] if one.message]
        lines.append(BLANK)
    return page([*lines, line(f"{status.summary()}.", "bold")], width=width, color=color)


def _cells(one: AccountStatus, now: float) -> tuple[str, ...]:
    """Return an account as the cells of a row."""
    since, checked = ago(one.since, now), ago(one.checked_at, now)
    found = ", ".join(f"{number} {word}" for number, word in _numbers(one)) or one.error or "-"
    return visible(one.account), TITLES[one.state][0].lower(), since, checked, str(one.customers), found


def ago(at: float, now: float) -> str:
    """
    Return how long ago a time was, "-" for never.

    >>> ago(60.0, 120.0), ago(0.0, 120.0)
    ('1 min ago', '-')
    """
    return f"{duration(max(now - at, 0.0))} ago" if at else "-"


def list_json(
    environment: str, accounts: Sequence[FleetAccount], known: Mapping[str, AccountStatus] | None
) -> dict[str, Any]:
    """Return accounts as a value for JSON, with what is known of each; `fleet-list.schema.json` describes it."""
    rows = []
    for one in accounts:
        status = None if known is None else known[one.name]
        rows.append(
            {
                "account": one.name,
                "environment": one.address,
                "folder": one.folder,
                "labels": dict(one.labels),
                "every_s": one.every_s,
                "suspended": one.suspended,
                "state": None if status is None else status.state.value,
                "checked_at": None if status is None else rfc3339(status.checked_at) or None,
            }
        )
    return {"format_version": "1", "environment": environment, "accounts": rows}


def status_json(status: FleetStatus) -> dict[str, Any]:
    """Return a status as a value for JSON; `schema/fleet-status.schema.json` describes it."""
    return {
        "format_version": "1",
        "environment": status.environment,
        "project": status.project,
        "at": rfc3339(status.now) or None,
        "counts": {state.value: number for state, number in status.counted().items()},
        "accounts": [
            {
                "account": one.account,
                "state": one.state.value,
                "since": rfc3339(one.since) or None,
                "checked_at": rfc3339(one.checked_at) or None,
                "ok_at": rfc3339(one.ok_at) or None,
                "next_due": rfc3339(one.next_due) or None,
                "failures": one.failures,
                "customers": one.customers,
                "drifted": one.drifted,
                "pending": one.pending,
                "blocked": one.blocked,
                "requests": one.requests,
                "seconds": one.seconds,
                "commit": one.commit,
                "error": one.error,
                "message": one.message,
                "labels": dict(status.labels.get(one.account, {})),
            }
            for one in status.worst_first()
        ],
        "days": [
            {"day": one.day, "accounts": one.accounts, "drifted": one.drifted, "failing": one.failing}
            for one in status.days
        ],
    }


def rfc3339(at: float) -> str:
    """
    Return a time as RFC 3339 in UTC, "" for never.

    >>> rfc3339(0), rfc3339(1767225600.5)
    ('', '2026-01-01T00:00:00Z')
    """
    return datetime.fromtimestamp(int(at), UTC).isoformat().replace("+00:00", "Z") if at else ""


# --- Markdown ----------------------------------------------------------------------------------------


def status_markdown(status: FleetStatus, *, max_bytes: int = MAX_BYTES) -> str:
    """Return a status as CommonMark of at most `max_bytes` of UTF-8, the worst accounts first; the rest as counts."""
    head = f"### {status.summary()}\n\nEnvironment {code(status.environment)}, project {code(status.project)}.\n"
    sections = [
        Section(TITLES[state][0], [_item(one, status.now) for one in rows], opened=state in _OPENED)
        for state in TITLES
        if state is not AccountState.IN_SYNC and (rows := [one for one in status.worst_first() if one.state is state])
    ]
    return markdown.report(head, sections, max_bytes)


_OPENED = (AccountState.FAILED, AccountState.BLOCKED, AccountState.DRIFTED)


def _item(one: AccountStatus, now: float) -> str:
    """Return an account as an item of a list."""
    said = [*(f"{number} {word}" for number, word in _numbers(one)), *([] if not one.checked_at else [_age(one, now)])]
    why = f"  - {prose(one.message)}\n" if one.message else ""
    return f"- {code(one.account)}: {', '.join(said) or 'no check yet'}\n{why}"


def _numbers(one: AccountStatus) -> list[tuple[int, str]]:
    """Return what there is to count of an account's customers."""
    numbers = ((one.drifted, "drifted"), (one.pending, "not applied"), (one.blocked, "blocked"))
    return [(number, word) for number, word in numbers if number]


def _age(one: AccountStatus, now: float) -> str:
    """Return how long ago an account was checked."""
    return f"checked {ago(one.checked_at, now)}"


# --- HTML --------------------------------------------------------------------------------------------

_HEIGHT = 100
_WIDTH = 10


def status_html(status: FleetStatus) -> str:
    """Return a status as a whole HTML document: a table to sort and search, and a chart by day."""
    from reconciler.report import html_page  # noqa: PLC0415 - its templates take longer to load than a status as text

    shown = status.worst_first()
    return html_page.document(
        "fleet.html",
        styles=("page.css", "fleet.css"),
        script="fleet.js",
        data={
            "now": round(status.now),
            "states": {state.value: look for state, look in TITLES.items()},
            "rows": [_row(one, status.labels.get(one.account, {})) for one in shown],
        },
        summary=visible(status.summary()),
        environment=visible(status.environment),
        project=visible(status.project),
        total=len(shown),
        at=datetime.fromtimestamp(status.now, UTC).strftime("%Y-%m-%d %H:%M UTC"),
        chart=_chart(status.days),
    )


def _row(one: AccountStatus, labels: Mapping[str, str]) -> list[Any]:
    """Return an account as the values of its columns, then what is only searched and shown below."""
    return [
        visible(one.account),
        one.state.value,
        round(one.since),
        round(one.checked_at),
        round(one.ok_at),
        one.customers,
        one.drifted,
        one.pending,
        one.blocked,
        one.failures,
        one.requests,
        [visible(f"{name}={value}") for name, value in sorted(labels.items())],
        visible(one.message or one.error),
    ]


def _chart(days: Sequence[Day]) -> Mapping[str, Any] | None:
    """Return the bars of the last days, failing accounts below drifted ones; None without a day."""
    last = sorted(days, key=lambda day: day.day)[-_DAYS:]
    if not last:
        return None
    most = max(1, *(day.drifted + day.failing for day in last))
    bars = []
    for place, day in enumerate(last):
        failing, drifted = (round(number * _HEIGHT / most, 2) for number in (day.failing, day.drifted))
        bars.append(
            {
                "x": place * _WIDTH,
                "failing": {"y": _HEIGHT - failing, "height": failing},
                "drifted": {"y": round(_HEIGHT - failing - drifted, 2), "height": drifted},
                "day": day,
            }
        )
    return {"bars": bars, "width": len(last) * _WIDTH, "height": _HEIGHT, "most": most}
