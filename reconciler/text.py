"""Text that comes from elsewhere, made safe to show. Imports nothing of ours."""

from __future__ import annotations

import unicodedata

_UNSAFE = {"Cc", "Cf", "Zl", "Zp", "Cs", "Co"}
# Format characters that join letters: Persian and Indic names and emoji need them, and they cannot reorder text.
_JOINERS = "\u200c\u200d"


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
