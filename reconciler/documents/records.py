"""
Plain records, read ahead of the parser: most of a customers file, which then has less than a fifth of its events.

A record is a line `KEY:` and the lines below it, each `NAME: TEXT`, all one step further in, and nothing else. What
makes YAML hard is in none of them. The parser gets one word in place of such lines, and as many line breaks, so that
every other place in the text stays what it was. Where a word is not met again as a whole value (the lines were within
a longer text, say), the text is read once more as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Record = dict[str, str]

Share = Callable[[str, str], str]
"""Returns the text that stands for a text: `setdefault` of a dict."""

_TEXT = rb"""(?:[0-9A-Za-z_/(.+\x80-\xff][^\x00-\x1f\x7f:#$]*|"[^\x00-\x1f\x7f"\\]*"|'[^\x00-\x1f\x7f']*')"""
_RECORD = re.compile(
    rb"^((?P<out> +)[0-9A-Za-z_][0-9A-Za-z_.@+-]{0,200}:\n)"
    rb"(?P<pairs>(?P<in>(?P=out) +)[a-z_]{1,40}: " + _TEXT + rb"\n(?:(?P=in)[a-z_]{1,40}: " + _TEXT + rb"\n)*)"
    # What follows is beside or above the key: no further pair, and nothing that goes on with the last text.
    rb"""(?=\n*(?:(?P=out)?[0-9A-Za-z_"']|\Z))""",
    re.MULTILINE,
)
_PAIR = re.compile(r"^ +([a-z_]+): (.*)$", re.MULTILINE)
_CLOSED = re.compile(
    rb"""[^\[\]{}"']*(?:\[(?:[^\[\]{}"']|"[^"\\]*"|'[^']*')*\]|\{(?:[^\[\]{}"']|"[^"\\]*"|'[^']*')*\})[^\[\]{}]*"""
)
_MARK = "\ue000"
_LONGEST = 10_000


def hide_records(
    data: bytes, share: Share, *, shared: int, odd: Mapping[str, object]
) -> tuple[bytes, dict[str, Record]]:
    """
    Return `data` with a word in place of each plain record, and the records by their words.

    Texts shorter than `shared` are kept once, by `share`. What is plain and one of `odd` is for whoever reads events.
    """
    hidden: dict[str, Record] = {}
    if _MARK.encode() in data or _has_open_brackets(data):
        return data, hidden

    def word_of(found: re.Match[bytes]) -> bytes:
        lines = found["pairs"]
        record = _record(lines, share, shared, odd)
        if record is None:
            return found[0]
        word = f"{_MARK}{len(hidden)}"
        hidden[word] = record
        return b"%b%b%b%b" % (found[1], found["in"], word.encode(), b"\n" * len(record))

    return _RECORD.sub(word_of, data), hidden


def _has_open_brackets(data: bytes) -> bool:
    """Say whether a list or a mapping in brackets may go on in the next line, where a line means something else."""
    if b"[" not in data and b"{" not in data:
        return False
    return any((b"[" in line or b"{" in line) and _CLOSED.fullmatch(line) is None for line in data.split(b"\n"))


def _record(lines: bytes, share: Share, shared: int, odd: Mapping[str, object]) -> Record | None:
    """Return what lines of pairs hold, None where the parser must say."""
    if b" \n" in lines or len(lines) > _LONGEST:
        return None
    try:
        text = lines.decode()
    except UnicodeDecodeError:
        return None
    if not (text.isascii() or text.replace("\n", "").isprintable()):
        return None
    record: Record = {}
    pairs = _PAIR.findall(text)
    for name, written in pairs:
        quoted = written[0] in "\"'"
        value = written[1:-1] if quoted else written
        if not quoted and value in odd:
            return None
        record[share(name, name)] = share(value, value) if len(value) < shared else value
    return record if len(record) == len(pairs) else None
