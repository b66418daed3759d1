"""
Values as YAML scalars that `parse` reads back unchanged, and values and paths as text that is safe to show.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from reconciler.escape import inert, visible

_SHOWN = 60  # characters of a text that a message shows
_COMPARED = 200  # characters of the longest word that is compared with others


def clipped(text: str) -> str:
    """
    Return `text` made visible, and cut where it is long.

    >>> clipped("a" * 100_000_000) == "a" * 60 + "…"
    True
    """
    return visible(text) if len(text) <= _SHOWN else visible(text[:_SHOWN]) + "…"


def quoted(text: str) -> str:
    """Return `text` in single quotes, made visible and cut where it is long."""
    return f"'{clipped(text)}'"


def path_text(path: Iterable[str | int]) -> str:
    """
    Return a path as messages write it.

    >>> path_text(("customers", "acme", "ignore_changes", 0))
    'customers.acme.ignore_changes[0]'
    """
    steps = (f"[{step}]" if isinstance(step, int) else f".{clipped(step)}" for step in path)
    return "".join(steps).removeprefix(".")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """
    Return the hint that names the known word nearest to `word`, "" where none is near.

    >>> did_you_mean("emial", ["name", "email"])
    "did you mean 'email'?"
    """
    near = nearest_word(word, known)
    return f"did you mean {quoted(near)}?" if near else ""


def nearest_word(word: str, known: Iterable[str]) -> str:
    """
    Return the known word nearest to `word`, "" where none is near.

    >>> nearest_word("emial", ["name", "email"])
    'email'
    """
    length = len(word)
    candidates = tuple(one for one in known if abs(len(one) - length) <= 1 + length // 3)
    # Two long words take minutes to compare.
    return (_nearest(word, candidates) or "") if length <= _COMPARED else ""


# A mistake is often made a thousand times.
@lru_cache(maxsize=64)
def _nearest(word: str, candidates: tuple[str, ...]) -> str | None:
    """Return the candidate that is most like `word`, None where none is."""
    from difflib import get_close_matches  # noqa: PLC0415 - most runs have no mistake in them

    near = get_close_matches(word, candidates, n=1)
    return near[0] if near else None


# Plain words that YAML readers, ours or an editor's, do not take as text; and the merge key.
_WORDS = frozenset({"", "null", "true", "false", "yes", "no", "on", "off", "y", "n", "~", "<<", "="})
_INDICATORS = "-?:,[]{}#&*!|>'\"%@`"
_AMBIGUOUS = re.compile(r":(?=\s|$)|\s#")
NULLS = ("", "~", "null", "Null", "NULL")
"""What is read as null where it is plain."""

PLACEHOLDERS = frozenset({"NULL", "Null", "None", "NONE", "none", "nil", "Nil", "NIL", "undefined"})
"""What programs write for nothing, and what nobody is called: a doubt where it is plain."""

_NO_NAMES = PLACEHOLDERS.union(NULLS)
_TEMPLATE = re.compile(r"\$\{[^{}]*\}|(?<!\w)\$[A-Z_][A-Z0-9_]*(?![a-z])|\A\$[A-Za-z_]\w*\Z")
_IN_FLOW = frozenset(",[]{}")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}


def scalar(text: str | None, *, flow: bool = False) -> str:
    r"""
    Return a value as YAML: plain where that keeps it, else in double quotes with escapes.

    `flow` says that it is in `{…}` or `[…]`.

    >>> scalar("Acme & Co"), scalar("NO"), scalar(" x"), scalar("a\u202eb"), scalar(None)
    ('Acme & Co', '"NO"', '" x"', '"a\\u202eb"', 'null')
    """
    if text is None:
        return "null"
    return text if _plain(text) and not (flow and _IN_FLOW & set(text)) else double_quoted(text)


def doubtful_value(text: str) -> tuple[str, str] | None:
    """
    Return what a reader should know of a plain value that seems not to be meant, and what to do; None for any other.

    >>> doubtful_value("${NAME}")[0], doubtful_value("None")[0], doubtful_value("Ke$ha")
    ("'${NAME}' looks like a template that was not expanded", "this is the text 'None'", None)
    """
    if text in NULLS and text in PLACEHOLDERS:
        return f"{text} is read as null: empty", 'write null if you mean that, or quote the text: "NULL"'
    if text in PLACEHOLDERS:
        return f"this is the text {quoted(text)}", "write null if it should be empty; quote it if you mean the text"
    if "$" in text and _TEMPLATE.search(text):
        hint = "variables are not replaced in customers files: expand it first, or quote it if you mean the text"
        return f"{quoted(text)} looks like a template that was not expanded", hint
    return None


def doubted_key(text: str) -> tuple[str, str] | None:
    """Return the same of a plain key that names a customer or a user: null is no null there, but a text."""
    if text in _NO_NAMES:
        return f"the key is the text {quoted(text)}", "write the customer's key; quote it if you mean the text"
    return doubtful_value(text) if "$" in text else None


def double_quoted(text: str) -> str:
    """Return `text` in double quotes, with escapes for what cannot be seen."""
    return inert('"' + "".join(map(_escaped, text)) + '"')


def single_quoted(text: str) -> str | None:
    """Return `text` in single quotes, None where it needs an escape."""
    return "'" + text.replace("'", "''") + "'" if _all_clean(text) else None


def literal(text: str, *, indent: int, newline: str) -> str | None:
    r"""
    Return `text` as a literal block whose lines have `indent` spaces; None where it is no such text.

    >>> literal("1 Main St\nApt 2\n", indent=6, newline="\n")
    '|\n      1 Main St\n      Apt 2'
    """
    lines = text.removesuffix("\n").split("\n")
    blank = any(one != one.strip() or not one for one in lines)
    if len(lines) == 1 or blank or not all(map(_all_clean, lines)):
        return None
    header = "|" if text.endswith("\n") else "|-"
    return newline.join((header, *(" " * indent + one for one in lines)))


def canonical(value: str, style: str, anchor: str | None, *, flow: bool = False) -> str:
    r"""
    Return a scalar that was read from a file, in the shortest form that keeps its meaning.

    `style` as in `nodes`. A block of lines stays one, its lines without indent, unless `flow`.

    >>> canonical("02134", "'", None), canonical("~", "", None), canonical("~", '"', None), canonical("NO", "", "a")
    ('02134', 'null', '"~"', '&a NO')
    """
    name = "" if anchor is None else f"&{anchor} "
    if not style and value in NULLS:
        return f"{name}null"
    if not style and value and _all_clean(value) and not (flow and _IN_FLOW & set(value)):
        return name + value
    block = literal(value, indent=0, newline="\n") if style == "|" and not flow else None
    return name + (block or scalar(value, flow=flow))


def canonical_key(value: str, style: str, anchor: str | None) -> str:
    """
    Return a key that was read from a file in its shortest form: always a text, and on one line.

    >>> canonical_key("~", "", None), canonical_key("a", "'", None)
    ('~', 'a')
    """
    name = "" if anchor is None else f"&{anchor} "
    return name + (value if not style and value and _all_clean(value) else scalar(value))


def _plain(text: str) -> bool:
    """Say whether `text` may be without quotes."""
    return (
        text.casefold() not in _WORDS
        and text[0] not in _INDICATORS
        and text == text.strip()
        and _AMBIGUOUS.search(text) is None
        and doubtful_value(text) is None
        and not text.startswith("...")
        and _all_clean(text)
    )


def _all_clean(text: str) -> bool:
    """Say whether `text` may be raw in a file: each character may, and no CI runner obeys it in a log."""
    return ((text.isascii() and text.isprintable()) or all(map(_clean, text))) and inert(text) == text


def _clean(char: str) -> bool:
    """Say whether a character may be raw in a file: it is seen, and YAML allows it."""
    return (char.isascii() and char.isprintable()) or (visible(char) == char and unicodedata.category(char) != "Cn")


def _escaped(char: str) -> str:
    """Return a character as it is in double quotes."""
    if char in _ESCAPES:
        return _ESCAPES[char]
    if _clean(char):
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004
