"""A plan as Markdown, for a comment on a pull request; and text from elsewhere written so that it stays text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from reconciler.escape import MAX_BYTES, visible
from reconciler.model.core import Action
from reconciler.model.plan import BindingChange, Blocked, Change, Exceeded, FieldChange, Note, Plan
from reconciler.report.layout import address, shown
from reconciler.report.plan_text import facts
from reconciler.report.plan_words import (
    TITLES,
    cost_phrase,
    left_out_phrase,
    limit_phrase,
    limit_way,
    sections,
    summary_line,
    users_phrase,
)
from reconciler.report.redact import masked_plan

_TICKS = re.compile("`+")
# Words and numbers: no digit beside a letter, no dot within, no number that would begin a list. What else there is may
# be a link to somebody: hosts, issues of trackers (GH-1), hashes of commits.
_PLAIN = re.compile(r"\(?[A-Za-z]+(?:['-][A-Za-z]+)*\)?[,.;:]?|\(?[0-9]{1,6}[,;:]?", re.ASCII)
# Our own sentences quote what is to be typed like this.
_QUOTED = re.compile("`([^`]+)`")
_HASH = re.compile(r"[0-9a-f]{7,}", re.IGNORECASE)


def code(text: str) -> str:
    r"""
    Return `text` as a code span of one line.

    >>> code("New York"), code("a`b"), code("`"), code(" a "), code("")
    ('`New York`', '``a`b``', '`` ` ``', '`  a  `', '` `')
    """
    shown = visible(text) or " "
    fence = "`" * (_longest(shown) + 1)
    # One blank at each end is taken off where there is one at both and something between.
    bare = shown.strip(" ") == "" or not (shown[0] in " `" or shown[-1] in " `")
    return f"{fence}{shown}{fence}" if bare else f"{fence} {shown} {fence}"


def prose(text: str) -> str:
    """
    Return a sentence: plain words as they are, all else in code spans.

    >>> prose("no longer managed, stays @bob #1 <b>")
    'no longer managed, stays `@bob #1 <b>`'
    """
    tokens = [token for token in visible(text).split(" ") if token]
    stretches = ((plain, " ".join(stretch)) for plain, stretch in groupby(tokens, _is_plain))
    return " ".join(stretch if plain else _apart(stretch) for plain, stretch in stretches)


def fence(text: str) -> str:
    """
    Return the marks around a block of code that holds `text`, longer than any in it.

    >>> fence("a"), fence("a ```` b")
    ('```', '`````')
    """
    return "`" * max(3, _longest(text) + 1)


def _apart(stretch: str) -> str:
    """Return a code span; the sentence's own comma or colon at its end stands after it."""
    inner = stretch[:-1] if stretch[-1] in ",;:" and len(stretch) > 1 else stretch
    quoted = _QUOTED.fullmatch(inner)
    return code(quoted[1] if quoted else inner) + stretch[len(inner) :]


def _is_plain(token: str) -> bool:
    """Say whether a word is one that no reader of Markdown, and no forge, makes anything of."""
    return _PLAIN.fullmatch(token) is not None and _HASH.search(token) is None


def _longest(text: str) -> int:
    """Return the length of the longest run of backticks."""
    return max(map(len, _TICKS.findall(text)), default=0)


_DANGER = (Action.ARCHIVE, Action.RESTORE, Action.PATCH, Action.CREATE, Action.CREATE_USER)
_NOTICE_BYTES = 200
_NAME_LETTERS = 80
_SENTENCE_LETTERS = 240


@dataclass(frozen=True, slots=True)
class _Section:
    """Entries under a title; `diff` puts them into a block of code, `opened` shows them without a click."""

    title: str
    entries: Sequence[str]
    number: int
    diff: bool = False
    opened: bool = False

    def written(self, entries: Sequence[str]) -> str:
        """Return the section with some of its entries, and how many those are where it is not all."""
        left = len(self.entries) - len(entries)
        part = f", of which {left} {'does' if left == 1 else 'do'} not fit here" if left else ""
        text = "".join(entries)
        if self.diff and entries:
            marks = fence(text)
            text = f"{marks}diff\n{text}{marks}\n"
        opened = " open" if self.opened else ""
        return f"\n<details{opened}>\n<summary>{self.title} ({self.number}{part})</summary>\n\n{text}\n</details>\n"


def plan_markdown(plan: Plan, *, max_bytes: int = MAX_BYTES, redact: bool = False) -> str:
    """
    Return `plan` as CommonMark with `<details>`, of at most `max_bytes` of UTF-8 (`LEAST_BYTES` or more).

    First stands what cannot be known, then the plan in one line. Where it is too long, each section keeps an
    equal share of the room, or what it needs where that is less.
    """
    whole = masked_plan(plan) if redact else plan
    head, parts = _head(whole), list(_sections(whole))
    text = head + "".join(part.written(part.entries) for part in parts)
    if _size(text) <= max_bytes:
        return text
    notice = "\n**Cut to fit:** not every entry is shown here; `--format json` has all of them.\n"
    room = max_bytes - _size(head) - _NOTICE_BYTES
    kept = _kept(parts, room)
    return head + notice + "".join(part.written(entries) for part, entries in zip(parts, kept, strict=True))


def _kept(parts: Sequence[_Section], room: int) -> list[Sequence[str]]:
    """Return the entries of each part that fit into `room` bytes: the smallest part is served first."""
    kept: list[Sequence[str]] = [()] * len(parts)
    order = sorted(range(len(parts)), key=lambda number: sum(map(_size, parts[number].entries)))
    for done, number in enumerate(order):
        part = parts[number]
        # What stands around the entries, with the count of those left out, and marks as long as any entry needs.
        frame = _size(part.written(())) + 2 * max(map(_size, map(fence, part.entries)), default=0) + len("diff\n\n")
        share = room // (len(order) - done) - frame
        fitting = []
        for entry in part.entries:
            if (size := _size(entry)) <= share:
                fitting.append(entry)
                share -= size
        kept[number] = fitting
        room -= _size(part.written(fitting))
    return kept


def _head(plan: Plan) -> str:
    """Return what cannot be known, the summary, the price, and for which account it is."""
    unknown = "".join(f"> **Not known:** {prose(_cut(text, _SENTENCE_LETTERS))}\n\n" for text in plan.unknown)
    names = plan.environment.name, plan.environment.base_url, plan.project
    name, url, project = (code(_cut(text, _NAME_LETTERS)) for text in names)
    where = f"Environment {name} at {url}, project {project}."
    return f"{unknown}### {summary_line(plan)}\n\n{cost_phrase(plan.cost)}\n{where}\n"


def _cut(text: str, most: int) -> str:
    """Return `text` as it is shown, of at most so many letters."""
    whole = visible(text)
    return whole if len(whole) <= most else whole[:most] + "…"


def _sections(plan: Plan) -> Iterator[_Section]:
    """Yield the sections that have something, the most dangerous first."""
    if plan.limits:
        rows = [_limit(one) for one in plan.limits]
        yield _Section("Over a limit, so nothing is sent", rows, len(rows), opened=True)
    if plan.blocked:
        yield _Section("Blocked", [_blocked(one) for one in plan.blocked], len(plan.blocked), opened=True)
    members = dict(sections(plan))
    for action in _DANGER:
        if rows_of := members.get(action):
            number = sum(change.action is action for change, _ in rows_of)
            entries = [_change(change, nested=nested) for change, nested in rows_of]
            yield _Section(TITLES[action], entries, number, diff=True)
    if plan.bindings:
        yield _Section("In the ledger only", [_binding(one) for one in plan.bindings], len(plan.bindings))
    notes = [_note(note) for note in plan.notes]
    notes += [f"- {prose(text)}\n" for text in (users_phrase(plan), left_out_phrase(plan)) if text]
    if notes:
        yield _Section("Notes", notes, len(notes))


def _limit(one: Exceeded) -> str:
    """Return a limit, and what allows it; an option whole, as it is to be copied."""
    way = f"to allow it once: {code(one.flag)}" if one.flag else prose(limit_way(one))
    return f"- {prose(limit_phrase(one))}; {way}\n"


def _blocked(one: Blocked) -> str:
    """Return what is blocked: whom and where, why, the way out, the ids."""
    what = " ".join(code(text) for text in (str(one.address), one.field) if text)
    where = f" ({code(str(one.source))})" if one.source else ""
    ids = f"  - ids: {', '.join(map(code, one.ids))}\n" if one.ids else ""
    return f"- {what}{where}: {prose(one.reason)}\n  - way out: {prose(one.hint)}\n{ids}"


def _binding(one: BindingChange) -> str:
    """Return what happens in the ledger, to whom, which id."""
    origin = "" if one.origin is None else f"{code(one.origin)} to "
    return f"- {one.action} {origin}{code(str(one.address))}, id {code(one.id)}\n"


def _note(note: Note) -> str:
    """Return a note, with what it is about."""
    about = "" if note.address is None else f"{code(str(note.address))}: "
    return f"- {about}{prose(note.text)}\n"


def _change(change: Change, *, nested: bool) -> str:
    """Return a change as lines of a diff, each with a line feed."""
    mark = {Action.PATCH: " ", Action.ARCHIVE: "-"}.get(change.action, "+")
    indent = "    " if nested else ""
    name = visible(change.address.email or "") if nested else address(change.address)
    rows = [f"{mark} {indent}{name}  {facts(change, nested=nested)}".rstrip()]
    rows += (f"{sign}   {indent}{text}" for sign, text in _fields(change))
    return "".join(row + "\n" for row in rows)


def _fields(change: Change) -> Iterable[tuple[str, str]]:
    """Yield the lines below a change, each with its sign."""
    if change.otherwise is not None:
        yield "+", "if the API does not know it (404), it is created with:"
    for one in change.fields:
        if change.action is Action.PATCH:
            yield "-", f"{visible(one.name)}: {shown(one.before)}"
            yield "+", f"{visible(one.name)}: {shown(one.after)}  ({one.cause})"
        elif not _told_already(change, one):
            yield "+", f"{visible(one.name)}: {shown(one.after)}"
    if change.unless_listed:
        yield "+", "unless the customer has it already, which its restore will show"


def _told_already(change: Change, one: FieldChange) -> bool:
    """Say whether a field is a user's e-mail, which stands in its address."""
    return change.action is Action.CREATE_USER and one.name == "email"


def _size(text: str) -> int:
    """Return the bytes of a text in UTF-8, where half a pair of UTF-16 is shown escaped."""
    return len(text.encode("utf-8", "backslashreplace"))
