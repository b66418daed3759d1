"""Makes text from outside safe to print. Imports no other module of the package."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

MAX_BYTES = 65_535
"""Of a plan as Markdown: a comment on GitHub takes fewer than 65,536 characters, and none has less than a byte."""
LEAST_BYTES = 5_000
"""Of the same: head and notice fit in it, whatever an environment is called."""

_UNSAFE = {"Cc", "Cf", "Zl", "Zp", "Cs", "Co"}
# Format characters that join letters: Persian and Indic names and emoji need them, and they cannot reorder text.
_JOINERS = "\u200c\u200d"


# Letters that comparisons by culture pass over, as .NET's do, in which two of the runners are written.
_PASSED_OVER = (
    "[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0]*"
)
# What makes a line of a log a command: GitHub's runner takes `::` where a line begins, and `##[` anywhere; Azure's
# agent `##vso[` and `##[`, TeamCity `##teamcity[`, GitLab `section_start:` and `section_end:`, each anywhere.
_COMMANDS = ("##[", "##vso[", "##teamcity[", "section_start:", "section_end:")
_REACH = 64
"""A command's letters, and those that are passed over within it, are no more."""


def inert(text: str, *, before: str = "") -> str:
    r"""
    Return `text` with one letter of each command that a CI runner would obey escaped, as JSON and YAML escape it.

    `before` is what is on its first line already.

    >>> inert("x ##vso[task.complete]"), inert("a::b"), inert("  ::debug::x"), inert("vso[x", before="##")
    ('x \\u0023#vso[task.complete]', 'a::b', '  \\u003a:debug::x', '\\u0076so[x')
    """
    near = before + text
    if near.isascii() and not any(begin in near for begin in ("##", "::", "section_")):
        return text
    pieces, done = [], len(before)
    for match in _command().finditer(near):
        at = max(match.start("line") if match["line"] else match.start(), len(before))
        if at >= done and match.end() > len(before):
            pieces += [near[done:at], f"\\u{ord(near[at]):04x}"]
            done = at + 1
    return "".join((*pieces, near[done:]))


@cache
def _command() -> re.Pattern[str]:
    """Return what finds a command; compiling it takes longer than all that a `--help` writes."""
    return re.compile(
        rf"(?:(?:^|(?<=[\r\n]))(?:[^\S\r\n]|{_PASSED_OVER[:-1]})*(?P<line>:){_PASSED_OVER}:)|"
        + "|".join(_PASSED_OVER.join(map(re.escape, word)) for word in _COMMANDS),
        re.IGNORECASE,
    )


def line_so_far(text: str) -> str:
    r"""
    Return what `inert` must know of what was written, to go on after it: the end of its last line.

    >>> line_so_far("a\n  "), line_so_far("a\nb" + "c" * 100)[:3]
    ('  ', 'ccc')
    """
    line = text[max(text.rfind("\n"), text.rfind("\r")) + 1 :]
    # The begin of a line that holds nothing yet must stay one, and any other must not become one.
    return line[-_REACH:] if line.strip() else line[:_REACH]


def cited(text: str) -> str:
    r"""
    Return what someone else says as a message holds it: in double quotes, and with none inside.

    `--redact` masks what is in double quotes, so a message of ours has none of its own.

    >>> cited('the "name" is taken')
    '"the \'name\' is taken"'
    """
    return '"' + text.replace('"', "'") + '"'


def visible(text: str, *, keep: str = "") -> str:
    r"""
    Return `text` with control, bidi and line-separator characters escaped, `keep` excepted.

    A live or declared value can then neither move the cursor nor reorder or break a line.

    >>> visible("a\x1b[31m\u202eb\n")
    'a\\x1b[31m\\u202eb\\n'
    """
    if text.isascii() and text.isprintable():
        return text
    kept = keep + _JOINERS
    return "".join(
        char if char in kept or unicodedata.category(char) not in _UNSAFE else _escaped(char) for char in text
    )


def _escaped(char: str) -> str:
    """Return the escape that Python, JSON and YAML readers know for one character."""
    return char.encode("unicode_escape").decode("ascii")
