"""
What reviewers should see at a line of a file, and how GitHub, code scanning (SARIF) and GitLab take it.

Problems, a plan or a drift become annotations, and each renderer writes all of them. A live name may hold line breaks,
`::` or a link: texts are made visible first, and then escaped as the host reads them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from reconciler import __version__
from reconciler.errors import Problem, Severity, Source
from reconciler.escape import inert, visible
from reconciler.model.core import NO_FILE, Action, Desired
from reconciler.model.fleet import JobKind, JobResult
from reconciler.model.plan import Blocked, Change, Exceeded, Note, Plan, Unknown
from reconciler.model.reports import Drift, DriftFinding
from reconciler.report.drift import EXPIRED, TITLES, field_said, masked_drift
from reconciler.report.layout import address, count
from reconciler.report.messages import Wording, plain
from reconciler.report.messages.explanations import DRIFT, finding_text
from reconciler.report.messages.plan import BLOCKED, NOTES, UNKNOWN, blocked_wording, note_text, unknown_text
from reconciler.report.plan_text import ALLOW, allow_phrase, facts, limit_phrase, limit_way
from reconciler.report.redact import masked_plan, masked_problem


class Level(StrEnum):
    """How much it asks of a reviewer, the most first; the words are SARIF's."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Annotation:
    """One thing to see; `code` is that of a rule, `source` None where it is at no line. Texts are safe to show."""

    level: Level
    code: str
    title: str
    message: str
    source: Source | None = None


def of_problems(problems: Iterable[Problem], *, redact: bool = False) -> list[Annotation]:
    """Return what is wrong with files."""
    shown = [masked_problem(one) if redact else one for one in problems]
    return [_problem(one) for one in sorted(shown, key=lambda one: one.source)]


def of_plan(plan: Plan, desired: Desired, *, redact: bool = False) -> list[Annotation]:
    """Return what of a plan wants a decision: limits, what is blocked, archives, restores, and notes at a line."""
    shown = masked_plan(plan) if redact else plan
    limits = [
        *(_limit("plan/limit", "Over a limit", one, shown) for one in shown.limits),
        *(_limit("plan/approval", "Needs approval", one, shown) for one in shown.approvals),
    ]
    changes = (_change(one) for one in shown.changes if one.action in (Action.ARCHIVE, Action.RESTORE))
    notes = (_note(one, source) for one in shown.notes if (source := _note_source(one, desired)) is not None)
    return [*limits, *map(_blocked, shown.blocked), *changes, *notes, *map(_unknown, shown.unknown)]


def of_drift(drift: Drift, *, redact: bool = False) -> list[Annotation]:
    """Return each finding of a drift, what is blocked for another reason, and rules that have ended."""
    one = masked_drift(drift) if redact else drift
    expired = (
        Annotation(Level.WARNING, "drift/expired", EXPIRED, visible(f"{rule.key}, until {rule.until}"), rule.source)
        for rule in one.expired
    )
    unknown = map(_unknown, (*one.unknown, *one.unobservable))
    blocked = (replace(_blocked(row), level=Level.WARNING) for row in one.blocked)
    return [*map(_drifted, one.findings), *blocked, *expired, *unknown]


def of_accounts(results: Iterable[JobResult], environment: str) -> list[Annotation]:
    """Return which accounts failed, are over a limit, archive or drifted, or have someone blocked."""
    return [annotation for one in results for annotation in _of_account(one, environment)]


def _of_account(one: JobResult, environment: str) -> Iterator[Annotation]:
    """Yield what of an account wants a look."""
    name = visible(one.account)
    if one.error:
        said = "; ".join(filter(None, (one.message, one.hint)))
        yield Annotation(Level.ERROR, "account/failed", f"{name}: failed", visible(said))
    for held in one.exceeded:
        yield Annotation(Level.ERROR, "account/limit", f"{name}: over a limit or not approved", visible(held))
    show = f"`reconciler -e {name}/{environment} {one.kind.value}` shows"
    if one.blocked:
        level = Level.WARNING if one.kind is JobKind.DRIFT else Level.ERROR
        text = f"{count(one.blocked, 'customer is', 'customers are')} blocked. {show} why."
        yield Annotation(level, "account/blocked", f"{name}: blocked", text)
    if one.kind is JobKind.PLAN and one.planned.archives:
        text = f"An apply archives {count(one.planned.archives, 'customer')}. {show} which."
        yield Annotation(Level.WARNING, "account/archive", f"{name}: {one.planned.archives} to archive", text)
    if one.drifted:
        text = f"{count(one.drifted, 'customer')} drifted. {show} what."
        yield Annotation(Level.WARNING, "account/drift", f"{name}: drifted", text)


def of_failure(message: str) -> Annotation:
    """Return why one of several environments has no result."""
    return Annotation(Level.ERROR, "environment/failed", "Failed", visible(message))


def _problem(one: Problem) -> Annotation:
    """Return what is wrong at a place of a file."""
    level = Level.ERROR if one.severity is Severity.ERROR else Level.WARNING
    message = f"{one.message}; {one.hint}" if one.hint else one.message
    title = visible(one.path or one.source.file)
    return Annotation(level, f"files/{level}", title, visible(message), one.source)


def _limit(code: str, title: str, one: Exceeded, plan: Plan) -> Annotation:
    """Return what exceeds a limit, or lacks an approval, with what allows it once and what allows it for a time."""
    allow = f"; {ALLOW}: {allow_phrase(plan.allow)}" if plan.allow is not None and one.flag else ""
    return Annotation(Level.ERROR, code, title, visible(f"{limit_phrase(one)}; {limit_way(one)}{allow}"), one.source)


def _blocked(one: Blocked) -> Annotation:
    """Return what is blocked, and what to do about it."""
    field = f" {visible(one.field)}" if one.field else ""
    message = visible(blocked_wording(one).text)
    return Annotation(
        Level.ERROR, f"blocked/{one.reason.value}", f"Blocked: {address(one.address)}{field}", message, one.source
    )


def _change(one: Change) -> Annotation:
    """Return an archive or a restore."""
    title = f"{one.action.value.capitalize()}: {address(one.address)}"
    known = facts(replace(one, source=None))
    return Annotation(
        Level.WARNING, f"plan/{one.action.value}", title, f"{_CHANGES[one.action]} ({known}).", one.source
    )


def _note(one: Note, source: Source) -> Annotation:
    """Return a note, at its line."""
    title = "Note" if one.address is None else f"Note: {address(one.address)}"
    return Annotation(Level.NOTE, f"note/{one.kind.value}", title, visible(note_text(one)), source)


def _note_source(one: Note, desired: Desired) -> Source | None:
    """Return where what a note is about is written: the place that it names, or the customer's."""
    named = one.parts.get("at")
    first = named[0] if isinstance(named, tuple) and named else named
    if isinstance(first, Source):
        return first
    customer = None if one.address is None else desired.customers.get(one.address.external_id)
    return None if customer is None else customer.source


def _unknown(one: Unknown) -> Annotation:
    """Return what cannot be known."""
    return Annotation(Level.NOTE, f"unknown/{one.kind.value}", "Unknown", visible(unknown_text(one)))


def _drifted(one: DriftFinding) -> Annotation:
    """Return one finding, with each field."""
    code = f"drift/{one.why[0].code}" if one.why else f"blocked/{one.blocked[0].reason}"
    said = " ".join((visible(finding_text(one)), *(f"{field_said(field)}." for field in one.fields)))
    return Annotation(Level.WARNING, code, f"{TITLES[one.kind]}: {address(one.address)}", said, one.source)


# --- where -------------------------------------------------------------------------------------------


def in_repository(annotations: Iterable[Annotation], named: Callable[[str], str]) -> list[Annotation]:
    """Return annotations with files as the repository names them; `named` gives that of a file, "" for none in it."""
    return [replace(one, source=_in_repository(one.source, named)) for one in annotations]


def _in_repository(source: Source | None, named: Callable[[str], str]) -> Source | None:
    """Return a place in a file of the repository; None for any other."""
    name = "" if source is None or source.file in NO_FILE else named(source.file)
    return None if source is None or not name else Source(name, source.line, source.column)


# --- GitHub ------------------------------------------------------------------------------------------

MOST_SHOWN = 10
"""Of errors, of warnings and of notices, GitHub shows the first so many of a step."""
MOST_TITLE = 200
MOST_MESSAGE = 2_000
_GITHUB = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}
_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def github(annotations: Sequence[Annotation], last: str) -> str:
    r"""
    Return annotations as GitHub's workflow commands, and a `last` line for the log.

    >>> print(github([Annotation(Level.NOTE, "note/x", "a,b", "50%", Source("a:b.yaml", 7))], "Done."), end="")
    ::notice file=a%3Ab.yaml,line=7,title=a%2Cb::50%25
    Done.
    """
    lines = [_command(one) for level in Level for one in _capped([one for one in annotations if one.level is level])]
    return "".join(f"{one}\n" for one in (*lines, inert(visible(last))))


def _capped(annotations: Sequence[Annotation]) -> Iterator[Annotation]:
    """Yield what GitHub shows of one level; the last one counts the rest, where there is a rest."""
    if len(annotations) <= MOST_SHOWN:
        yield from annotations
        return
    yield from annotations[: MOST_SHOWN - 1]
    rest = len(annotations) - MOST_SHOWN + 1
    noun = _GITHUB[annotations[0].level]
    said = f"GitHub shows {MOST_SHOWN} of a kind. Run the command without --format github to see all."
    yield Annotation(annotations[0].level, "more", f"{rest} more {noun}s", said)


def _command(one: Annotation) -> str:
    """Return one workflow command; no text of it can be another one."""
    where = {} if one.source is None else {"file": one.source.file, "line": one.source.line, "col": one.source.column}
    named = {**where, "title": _cut(one.title, MOST_TITLE)}
    # `before`: nothing of it begins a line.
    properties = ",".join(
        f"{name}={inert(visible(str(value)), before='x').translate(_PROPERTY)}"
        for name, value in named.items()
        if value
    )
    return f"::{_GITHUB[one.level]} {properties}::{inert(_cut(one.message, MOST_MESSAGE), before='x').translate(_DATA)}"


def _cut(text: str, most: int) -> str:
    """Return `text` of at most `most` letters."""
    return text if len(text) <= most else text[: most - 1] + "…"


# --- documents ---------------------------------------------------------------------------------------

_CHANGES = {Action.ARCHIVE: "An apply archives it", Action.RESTORE: "An apply restores it"}
_OWN = {
    "files/error": Wording("A file cannot be used as it is written."),
    "files/warning": Wording("A file may not mean what it says."),
    "plan/limit": Wording("The plan exceeds a limit, so an apply sends nothing."),
    "plan/approval": Wording("The policy wants an action approved, and nobody has approved it."),
    "plan/archive": Wording("An apply archives a customer."),
    "plan/restore": Wording("An apply restores a customer."),
    "environment/failed": Wording("An environment has no result, so what it needs is unknown."),
    "account/failed": Wording("An account of a fleet could not be planned or checked."),
    "account/limit": Wording("The plan of an account exceeds a limit or lacks an approval, so an apply sends nothing."),
    "account/blocked": Wording("Customers of an account are blocked."),
    "account/archive": Wording("An apply archives customers of an account."),
    "account/drift": Wording("Customers of an account were changed outside Reconciler."),
    "drift/expired": Wording("A rule of the ignore file has ended, and hides nothing."),
}
_LEVELS = {"note": Level.NOTE, "unknown": Level.NOTE, "blocked": Level.ERROR, "drift": Level.WARNING}


def _rules() -> dict[str, Wording]:
    """Return each code that an annotation can have, with what it means and what to do."""
    families: Mapping[str, Mapping[Any, Wording]] = {
        "blocked": BLOCKED,
        "drift": DRIFT,
        "note": NOTES,
        "unknown": UNKNOWN,
    }
    coded = {
        f"{family}/{code}": Wording(plain(one.what), plain(one.fix))
        for family, wordings in families.items()
        for code, one in wordings.items()
    }
    return {**_OWN, **coded}


def sarif(annotations: Sequence[Annotation], home: str) -> dict[str, Any]:
    """Return annotations as SARIF 2.1.0; what is at no line is at the first of the file `home`."""
    rules = _rules()
    index = {code: number for number, code in enumerate(rules)}
    results = [
        {
            "ruleId": one.code,
            "ruleIndex": index[one.code],
            "level": one.level.value,
            "message": {"text": _unlinked(f"{one.title}: {one.message}")},
            "locations": [{"physicalLocation": _physical(_place(one, home))}],
            "partialFingerprints": {"reconciler/v1": mark},
        }
        for one, mark in zip(annotations, _fingerprints(annotations), strict=True)
    ]
    driver = {
        "name": "Reconciler",
        "semanticVersion": __version__,
        "rules": [_rule(code, wording) for code, wording in rules.items()],
    }
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }


def _rule(code: str, wording: Wording) -> dict[str, Any]:
    family, _, name = code.partition("/")
    errors = ("files/error", "plan/limit", "plan/approval", "environment/failed", "account/failed", "account/limit")
    level = Level.ERROR if code in errors else _LEVELS.get(family, Level.WARNING)
    return {
        "id": code,
        "shortDescription": {"text": f"{family.capitalize()}: {name.replace('_', ' ')}"},
        "fullDescription": {"text": _unlinked(wording.what)},
        "help": {"text": _unlinked(wording.text), "markdown": wording.text},
        "defaultConfiguration": {"level": level.value},
    }


def _physical(source: Source) -> dict[str, Any]:
    """Return a place; an unknown column is left out."""
    region = {"startLine": source.line, **({"startColumn": source.column} if source.column else {})}
    uri = quote(source.file, errors="backslashreplace")
    return {"artifactLocation": {"uri": uri, "uriBaseId": "%SRCROOT%"}, "region": region}


def _unlinked(text: str) -> str:
    r"""
    Return `text` as a SARIF message holds it: brackets would make a link.

    >>> _unlinked("[win](https://example.com)")
    '\\[win\\](https://example.com)'
    """
    return text.replace("[", "\\[").replace("]", "\\]")


_GITLAB = {Level.ERROR: "critical", Level.WARNING: "minor", Level.NOTE: "info"}


def gitlab(annotations: Sequence[Annotation], home: str) -> list[dict[str, Any]]:
    """Return annotations as GitLab's code quality report; what is at no line is at the first of the file `home`."""
    return [
        {
            "description": f"{one.title}: {one.message}",
            "check_name": one.code,
            "fingerprint": mark,
            "severity": _GITLAB[one.level],
            "location": {"path": place.file, "lines": {"begin": place.line}},
        }
        for one, mark in zip(annotations, _fingerprints(annotations), strict=True)
        for place in (_place(one, home),)
    ]


def _place(one: Annotation, home: str) -> Source:
    """Return where an annotation is shown: an unknown line is the first, and no place that of the file `home`."""
    source = one.source or Source(home)
    return replace(source, line=max(source.line, 1))


def _fingerprints(annotations: Iterable[Annotation]) -> Iterator[str]:
    """Yield for each annotation what tells it from the others, and stays where lines move."""
    seen: Counter[tuple[str, ...]] = Counter()
    for one in annotations:
        key = (one.code, "" if one.source is None else one.source.file, one.title, one.message)
        seen[key] += 1
        yield hashlib.sha256(json.dumps([*key, seen[key]]).encode("ascii")).hexdigest()
