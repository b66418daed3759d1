"""
Markdown for comments and issues: text from the account stays text, and a report keeps within its size.

Escaping is not enough: GitHub and GitLab look for `@name`, `#123` and addresses after the escapes are gone.
Only in code are they left alone. So a value is in a code span or a fence, and of a sentence that may
quote values only plain words are outside of one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from reconciler.escape import visible
from reconciler.model.core import EnvironmentRef
from reconciler.model.plan import Blocked, Unknown
from reconciler.report.messages.plan import blocked_wording, unknown_text

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
    """Return a code span; the sentence's own period, comma or colon at its end comes after it."""
    ends = stretch[-1] in ",;:" or stretch.endswith(("'.", "`."))
    inner = stretch[:-1] if ends and len(stretch) > 1 else stretch
    quoted = _QUOTED.fullmatch(inner)
    return code(quoted[1] if quoted else inner) + stretch[len(inner) :]


def _is_plain(token: str) -> bool:
    """Say whether a word is one that no reader of Markdown, and no forge, makes anything of."""
    return _PLAIN.fullmatch(token) is not None and _HASH.search(token) is None


def _longest(text: str) -> int:
    """Return the length of the longest run of backticks."""
    return max(map(len, _TICKS.findall(text)), default=0)


_NOTICE_BYTES = 200
_NAME_LETTERS = 80
_SENTENCE_LETTERS = 240


@dataclass(frozen=True, slots=True)
class Section:
    """
    Entries under a title; `diff` puts them into a block of code, `opened` shows them without a click.

    `number` is how many there are, where an entry can be more or less than one of them.
    """

    title: str
    entries: Sequence[str]
    number: int | None = None
    diff: bool = False
    opened: bool = False

    def written(self, entries: Sequence[str]) -> str:
        """Return the section with some of its entries, and how many those are where it is not all."""
        number = len(self.entries) if self.number is None else self.number
        left = len(self.entries) - len(entries)
        part = f", of which {left} {'does' if left == 1 else 'do'} not fit here" if left else ""
        text = "".join(entries)
        if self.diff and entries:
            marks = fence(text)
            text = f"{marks}diff\n{text}{marks}\n"
        opened = " open" if self.opened else ""
        return f"\n<details{opened}>\n<summary>{self.title} ({number}{part})</summary>\n\n{text}\n</details>\n"


def report_head(
    unknown: Sequence[Unknown], summary: str, environment: EnvironmentRef, project: str, *, cost: str = ""
) -> str:
    """Return what cannot be known, the summary, the price where there is one, and for which account it is."""
    unknowns = "".join(f"> **Unknown:** {prose(_cut(unknown_text(one), _SENTENCE_LETTERS))}\n\n" for one in unknown)
    names = environment.name, environment.base_url, project
    name, url, shown = (code(_cut(text, _NAME_LETTERS)) for text in names)
    price = f"{cost}\n" if cost else ""
    return f"{unknowns}### {summary}\n\n{price}Environment {name} at {url}, project {shown}.\n"


def report(head: str, sections: Sequence[Section], max_bytes: int) -> str:
    """
    Return a head and the sections that have something, of at most `max_bytes` of UTF-8 (`LEAST_BYTES` or more).

    Where that is too long, each section keeps an equal share of the room, or what it needs where that is less, and
    within it the first entries that fit: no long section pushes out another.
    """
    parts = [part for part in sections if part.entries]
    text = head + "".join(part.written(part.entries) for part in parts)
    if _size(text) <= max_bytes:
        return text
    notice = "\n**Cut to fit:** not every entry is shown here; `--format json` has all of them.\n"
    room = max_bytes - _size(head) - _NOTICE_BYTES
    kept = _kept(parts, room)
    return head + notice + "".join(part.written(entries) for part, entries in zip(parts, kept, strict=True))


def blocked_entry(one: Blocked) -> str:
    """Return what is blocked: whom and where, why, how to fix it, the ids."""
    what = " ".join(code(text) for text in (str(one.address), one.field) if text)
    where = f" ({code(str(one.source))})" if one.source else ""
    ids = f"  - ids: {', '.join(map(code, one.ids))}\n" if one.ids else ""
    wording = blocked_wording(one)
    return f"- {what}{where}: {prose(wording.what)}\n  - to fix this: {prose(wording.fix)}\n{ids}"


def _cut(text: str, most: int) -> str:
    """Return `text` as it is shown, of at most so many letters."""
    whole = visible(text)
    return whole if len(whole) <= most else whole[:most] + "…"


def _kept(parts: Sequence[Section], room: int) -> list[Sequence[str]]:
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


def _size(text: str) -> int:
    """Return the bytes of a text in UTF-8, where half a pair of UTF-16 is shown escaped."""
    return len(text.encode("utf-8", "backslashreplace"))
