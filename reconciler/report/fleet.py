"""
What a run over the accounts of a fleet found, as text, JSON and Markdown, and one message of what is new.

Accounts with something to say come first, the worst of them on top. Nothing here holds a customer's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from reconciler.escape import MAX_BYTES, visible
from reconciler.model.fleet import AccountState, AccountStatus, ChangeCounts, JobKind, JobResult
from reconciler.report import markdown
from reconciler.report.drift import Message
from reconciler.report.fleet_page import TITLES, rfc3339
from reconciler.report.layout import BLANK, MOST, Line, Span, count, line, more, page
from reconciler.report.markdown import Section, code, prose

FORMAT_VERSION = "1"
WORST_FIRST = (130, 1, 3, 2, 0)
"""Exit codes of accounts, the one that counts most first."""

_LOOKS = {"bad": "red", "warn": "yellow", "quiet": "dim"}
_ORDER = {state: place for place, state in enumerate(TITLES)}
_NAMED = 20


@dataclass(frozen=True, slots=True)
class FleetRun:
    """
    What a run over accounts found.

    `unchanged`: accounts whose files did not change since the commit that was named, so that nobody looked. `later`:
    those that are not due yet. `suspended` were left out. `not_begun`: those that the run did not come to.
    """

    kind: JobKind
    environment: str
    project: str
    results: Sequence[JobResult]
    unchanged: int = 0
    later: int = 0
    suspended: Sequence[str] = ()
    not_begun: Sequence[str] = ()

    def worst_first(self) -> list[JobResult]:
        """Return the results, the worst first; of one state those that archive and change most."""
        return sorted(
            self.results,
            key=lambda one: (_ORDER[one.state], -one.planned.archives, -one.drifted, -one.planned.changes, one.account),
        )

    def of(self, *states: AccountState) -> list[JobResult]:
        """Return the results of some states."""
        return [one for one in self.worst_first() if one.state in states]

    def code(self, *, detailed: bool = True) -> int:
        """Return the exit code of all accounts together; without `detailed` what a plan needs is none."""
        codes = {one.code for one in self.results} | ({1} if self.not_begun else set())
        if not detailed:
            codes = {one if one == 1 else 0 for one in codes}
        return next((one for one in WORST_FIRST if one in codes), 0)

    def totals(self) -> ChangeCounts:
        """Return how many changes all plans have together."""
        rows = [asdict(one.planned) for one in self.results]
        return ChangeCounts(**{name: sum(row[name] for row in rows) for name in asdict(ChangeCounts())})

    def summary(self) -> str:
        """Return the run in one line."""
        parts = [f"{self._head()}."]
        failed = len(self.of(AccountState.FAILED))
        if failed:
            parts.append(f"{failed} failed.")
        if self.not_begun:
            verb = "checked" if self.kind is JobKind.DRIFT else "planned"
            parts.append(f"{len(self.not_begun)} not {verb}.")
        if self.unchanged:
            parts.append(f"{count(self.unchanged, 'account has', 'accounts have')} the same files, and no plan.")
        if self.later:
            parts.append(f"{self.later} not due yet.")
        if self.suspended:
            parts.append(f"{len(self.suspended)} suspended.")
        return " ".join(parts)

    def _head(self) -> str:
        all_ = count(len(self.results), "account")
        if not self.results:
            return f"No account was {'checked' if self.kind is JobKind.DRIFT else 'planned'}"
        if self.kind is JobKind.DRIFT:
            drifted = [one for one in self.results if one.drifted]
            pending = sum(one.pending > 0 for one in self.results)
            edits = f". {count(pending, 'account has', 'accounts have')} edits that are not applied" if pending else ""
            if not drifted:
                return f"No drift in {all_}{edits}"
            customers = sum(one.drifted for one in drifted)
            return f"Drift in {len(drifted)} of {all_}: {count(customers, 'customer')}{edits}"
        changing = len(changing_rows(self.results))
        if not changing:
            return f"No changes in {all_}"
        return f"Plan: {changing} of {all_} would change: {changes_text(self.totals())}"


def changing_rows(results: Iterable[JobResult]) -> list[JobResult]:
    """Return the results whose plans have changes."""
    return [one for one in results if one.planned.changes]


def changes_text(one: ChangeCounts) -> str:
    """
    Return how many changes there are of each action; "" for none.

    >>> changes_text(ChangeCounts(creates=2, users=1, archives=3))
    '2 to create, 1 user to create, 3 to archive'
    """
    rows = (
        (one.creates, f"{one.creates} to create"),
        (one.users, f"{count(one.users, 'user')} to create"),
        (one.patches, f"{one.patches} to patch"),
        (one.archives, f"{one.archives} to archive"),
        (one.restores, f"{one.restores} to restore"),
    )
    return ", ".join(text for number, text in rows if number)


def _said(one: JobResult) -> list[str]:
    """Return what there is to say of an account, in short parts."""
    if one.state is AccountState.FAILED:
        return [f"failed: {one.message}" + (f"; {one.hint}" if one.hint else "")]
    parts = []
    if one.kind is JobKind.DRIFT:
        parts += [f"{count(one.drifted, 'customer')} drifted"] if one.drifted else []
        parts += [f"{count(one.pending, 'customer')} with edits not applied"] if one.pending else []
    else:
        parts += [changes_text(one.planned)] if one.planned.changes else []
    parts += [f"{one.blocked} blocked"] if one.blocked else []
    return parts + list(one.exceeded)


# --- text --------------------------------------------------------------------------------------------


def run_text(run: FleetRun, *, width: int, color: bool, quiet: bool = False) -> str:
    """Return a run as text; `quiet` leaves out a summary that nobody needs to read."""
    shown = [(one, parts) for one in run.worst_first() if (parts := _said(one))]
    size = max((len(visible(one.account)) for one, _ in shown[:MOST]), default=0)
    lines = [_row(one, "; ".join(parts), size) for one, parts in shown[:MOST]]
    if rest := more(len(shown), "--format json"):
        lines.append(line(rest, "dim"))
    if lines:
        lines.append(BLANK)
    if quiet and not lines and not run.not_begun:
        return ""
    return page([*lines, line(visible(run.summary()), "bold")], width=width, color=color)


def _row(one: JobResult, text: str, size: int) -> Line:
    """Return an account as a line."""
    name = visible(one.account)
    look = _LOOKS.get(TITLES[one.state][1], "")
    return Line((Span(f"{name.ljust(size)}  "), Span(visible(text), look)), hang=size + 2)


def run_brief(run: FleetRun) -> str:
    """Return a run as one line for each account that has something to say, and the summary."""
    rows = [
        f"{visible(one.account)}: {visible('; '.join(parts))}" for one in run.worst_first() if (parts := _said(one))
    ]
    return "\n".join((*rows, visible(run.summary()))) + "\n"


# --- JSON --------------------------------------------------------------------------------------------


def run_json(run: FleetRun) -> dict[str, Any]:
    """Return a run as a value for JSON; its schema is `fleet.schema.json`."""
    totals = run.totals()
    return {
        "format_version": FORMAT_VERSION,
        "command": run.kind.value,
        "environment": run.environment,
        "project": run.project,
        "summary": run.summary(),
        "totals": {
            "accounts": len(run.results),
            "changing": len(changing_rows(run.results)),
            "drifted": sum(one.drifted > 0 for one in run.results),
            "failed": len(run.of(AccountState.FAILED)),
            "changes": asdict(totals),
        },
        "unchanged": run.unchanged,
        "not_due": run.later,
        "suspended": list(run.suspended),
        "not_begun": list(run.not_begun),
        "accounts": [_result_json(one, run.environment) for one in run.worst_first()],
    }


def _result_json(one: JobResult, environment: str) -> dict[str, Any]:
    """Return how a job ended."""
    return {
        "account": one.account,
        "environment": f"{one.account}/{environment}",
        "state": one.state.value,
        "exit_code": one.code,
        "began_at": rfc3339(one.began_at),
        "seconds": round(one.ended_at - one.began_at, 3),
        "customers": one.customers,
        "drifted": one.drifted,
        "pending": one.pending,
        "blocked": one.blocked,
        "changes": asdict(one.planned),
        "exceeded": list(one.exceeded),
        "requests": one.requests,
        "throttled": one.throttled,
        "commit": one.commit,
        "digest": one.digest,
        "error": one.error,
        "message": one.message,
        "hint": one.hint,
    }


# --- Markdown ----------------------------------------------------------------------------------------


def run_markdown(run: FleetRun, *, max_bytes: int = MAX_BYTES) -> str:
    """Return a run as CommonMark of at most `max_bytes` of UTF-8, the worst accounts first."""
    head = f"### {run.summary()}\n\nEnvironment {code(run.environment)}, project {code(run.project)}.\n"
    pending = "Changes" if run.kind is JobKind.PLAN else TITLES[AccountState.PENDING][0]
    titles = {state: pending if state is AccountState.PENDING else title for state, (title, _) in TITLES.items()}
    sections = [
        Section(titles[state], [item for one in run.of(state) for item in _item(one)], opened=state in _OPENED)
        for state in TITLES
    ]
    return markdown.report(head, sections, max_bytes)


_OPENED = (AccountState.FAILED, AccountState.BLOCKED, AccountState.DRIFTED)


def _item(one: JobResult) -> Iterator[str]:
    """Yield an account as an item of a list, if there is something to say of it."""
    if parts := _said(one):
        yield f"- {code(one.account)}: {prose('; '.join(parts))}\n"


# --- news --------------------------------------------------------------------------------------------


def news_message(news: Sequence[tuple[AccountStatus, str]], environment: str) -> Message:
    """Return one message of the accounts whose state changed, each with the state that was notified of before."""
    worst = sorted(news, key=lambda one: (_ORDER[one[0].state], one[0].account))
    rows = [f"- {visible(one.account)}: {_news(one, before)}" for one, before in worst[:_NAMED]]
    rows += [f"- and {len(worst) - _NAMED} more; `reconciler fleet status` shows all"] if len(worst) > _NAMED else []
    bad = sum(TITLES[one.state][1] in ("bad", "warn") for one, _ in worst)
    good = len(worst) - bad
    parts = [f"{count(bad, 'account needs', 'accounts need')} attention"] if bad else []
    parts += [f"{good} recovered"] if good else []
    return Message(f"{', '.join(parts).capitalize()} in {visible(environment)}", "\n".join(rows))


def _news(one: AccountStatus, before: str) -> str:
    """Return what is new of an account."""
    state = TITLES[one.state][0].lower()
    was = f", was {before}" if before else ""
    match one.state:
        case AccountState.FAILED:
            return f"{state}{was}: {one.message}"
        case AccountState.DRIFTED:
            return f"{state}{was}: {count(one.drifted, 'customer')}"
        case AccountState.BLOCKED:
            return f"{state}{was}: {count(one.blocked, 'customer')}"
        case _:
            return f"{state}{was}"
