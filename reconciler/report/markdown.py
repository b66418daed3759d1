"""
Text that comes from elsewhere, written into Markdown so that it stays text.

Escaping is not enough: GitHub and GitLab look for `@name`, `#123` and addresses after the escapes have gone.
Only in code are they left alone. So a value stands in a code span or a fence, and of a sentence that may
quote values only plain words stand outside of one.
"""

from __future__ import annotations

import re
from itertools import groupby

from reconciler.escape import visible

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
