"""YAML text to parser events: PyYAML's C parser where it is built, else its Python one, with the same result."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

import yaml
from yaml.events import ScalarEvent

from reconciler.escape import visible

try:
    from yaml import cyaml

    CParser: Any = cyaml.CParser  # type: ignore[attr-defined]  # the stubs know the loaders alone
except ImportError:  # a PyYAML without libyaml
    CParser = None

Event: TypeAlias = Any
"""A `yaml.events` value: PyYAML's types do not say which attributes which of them has."""

Tree: TypeAlias = Any
"""What a document holds: dicts, lists, texts, booleans and None."""

Next = Callable[[], Event]
"""Returns the next event, None after the last; raises yaml.YAMLError."""

LONGEST_LINE = 10_000_000
"""Bytes. A line beyond it is no customer, and some parsers take minutes for it."""

# What YAML allows nowhere, as UTF-8: C0, DEL and C1 controls (tab, line breaks and NEL apart), U+FEFF, U+FFFE, U+FFFF.
_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x84\x86-\x9f]|\xef(?:\xbb\xbf|\xbf[\xbe\xbf])")
_ASCII_CONTROLS = bytes([*range(9), 11, 12, *range(14, 32), 127])
_CONFLICT = re.compile(rb"^(?:<{7}|>{7})(?= |\r?$)", re.MULTILINE)
_LFS = b"version https://git-lfs.github.com/spec/"
_BOM = b"\xef\xbb\xbf"


class Malformed(Exception):
    """The text is no YAML that we read. `line` and `column` count from 1, 0 where there is no place."""

    def __init__(self, line: int, column: int, message: str, hint: str) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.message = message
        self.hint = hint


def open_events(data: bytes, *, pure: bool = False) -> Next:
    """
    Return what yields the events of `data` one by one; `pure` takes the Python parser.

    Raises Malformed for what is no text: invalid UTF-8, control characters, an endless line.
    """
    data = data.removeprefix(_BOM)
    _refuse_no_text(data)
    pairs = _pairs_in(data)
    if pairs is not None:
        data = pairs.hidden(data)
    parser: Any = yaml.SafeLoader(data.decode()) if pure or CParser is None else CParser(data)
    get: Next = parser.get_event
    return get if pairs is None else pairs.shown(get)


_PAIR = re.compile(rb"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_HALVES = range(0xD800, 0xE000)
_PRIVATE = (0xE000, 0xE800, 0xF000)  # where ranges for private use begin, each as long as that of the halves


class _Pairs:
    """
    How the escapes of a surrogate pair, as JSON writes a character beyond U+FFFF, get past a YAML parser.

    YAML has no such escape, and its parsers refuse it. Each half is replaced by an escape of the same length, so that
    no place in the text moves: one for private use, of a range that begins at `base` and that the text does not use.
    In what the parser returns they are put back: as the character that they are in double quotes, as the escapes that
    they were in any other text.
    """

    def __init__(self, base: int) -> None:
        self._base = base
        self._halves = {base + offset: half for offset, half in enumerate(_HALVES)}
        self._spelled: dict[str, str] = {}

    def hidden(self, data: bytes) -> bytes:
        """Return `data` as the parser gets it."""

        def escaped(pair: re.Match[bytes]) -> bytes:
            return pair[1] + b"".join(map(self._escape, pair.groups()[1:]))

        return _PAIR.sub(escaped, data)

    def _escape(self, half: bytes) -> bytes:
        """Return the escape that stands for that of one half."""
        code = f"\\u{int(half, 16) - _HALVES.start + self._base:04x}"
        self._spelled.setdefault(code, f"\\u{half.decode()}")
        return code.encode()

    def shown(self, get: Next) -> Next:
        """Return what yields the events of `get` with their texts as they were meant."""

        def following() -> Event:
            event = get()
            if isinstance(event, ScalarEvent):
                event.value = self._characters(event.value) if event.style == '"' else self._escapes(event.value)
            return event

        return following

    def _characters(self, text: str) -> str:
        if text.isascii():
            return text
        return text.translate(self._halves).encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")

    def _escapes(self, text: str) -> str:
        return re.sub(r"\\u[0-9a-f]{4}", lambda found: self._spelled.get(found[0], found[0]), text)


def _pairs_in(data: bytes) -> _Pairs | None:
    """Return how to read the escaped surrogate pairs of `data`, None where it holds none, or uses every range."""
    if b"\\u" not in data or not _PAIR.search(data):
        return None
    private = {ord(char) for char in data.decode() if ord(char) >= _PRIVATE[0]}
    private |= {int(code, 16) for code in re.findall(rb"\\[uU](?:0000)?([0-9a-fA-F]{4})", data)}
    free = (base for base in _PRIVATE if private.isdisjoint(range(base, base + len(_HALVES))))
    base = next(free, None)
    return None if base is None else _Pairs(base)


def malformed(error: yaml.YAMLError, data: bytes) -> Malformed:
    """Return what a parser's `error` over `data` says, in our words."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return Malformed(0, 0, "this is not YAML", "check the file's encoding: it must be UTF-8 text")
    problem = str(getattr(error, "problem", None) or getattr(error, "context", None) or "this is not YAML")
    line = _line(data, mark.line)
    indent = line[: len(line) - len(line.lstrip())]
    if b"\t" in indent or "\\t" in problem or "'\t'" in problem:
        return Malformed(mark.line + 1, max(line.find(b"\t"), 0) + 1, "a tab", "indent with spaces")
    message = visible(problem[:200])
    template = b"${" in line or b"{{" in line
    hint = "expand the template on this line, or quote the text" if template else _hint(message)
    return Malformed(mark.line + 1, mark.column + 1, f"this is not YAML: {message}", hint)


def _refuse_no_text(data: bytes) -> None:
    """Raise Malformed for bytes that no YAML file holds, and for what git or a filter of it left in place of one."""
    if data.startswith(_LFS):
        hint = "run `git lfs pull`; in CI, check out with LFS (actions/checkout: `lfs: true`)"
        raise Malformed(1, 1, "this is a Git LFS pointer, not the file", hint)
    marked = b"<<<<<<<" in data or b">>>>>>>" in data
    if marked and (conflict := _CONFLICT.search(data)) is not None:
        hint = "keep one of the two versions, and remove the lines <<<<<<<, ======= and >>>>>>>"
        raise Malformed(*_place(data, conflict.start()), "a merge conflict that was not resolved", hint)
    try:
        data.decode()
    except UnicodeDecodeError as error:
        at = _place(data, error.start)
        raise Malformed(*at, f"byte 0x{data[error.start]:02x} is not UTF-8", "save the file as UTF-8") from error
    # Two ways, as the first is ten times as quick and nearly all files pass it.
    plain = data.isascii() and len(data.translate(None, _ASCII_CONTROLS)) == len(data)
    found = None if plain else _CONTROLS.search(data)
    if found:
        name = f"U+{ord(found.group().decode()):04X}"
        hint = 'remove it, or write it as an escape in double quotes: "\\x07"'
        raise Malformed(*_place(data, found.start()), f"a control character ({name})", hint)
    _refuse_endless_line(data)


def _refuse_endless_line(data: bytes) -> None:
    """Raise Malformed where a line is longer than LONGEST_LINE."""
    start = 0
    while len(data) - start > LONGEST_LINE:
        end = data.rfind(b"\n", start, start + LONGEST_LINE + 1)
        if end < 0:
            at = (data.count(b"\n", 0, start) + 1, 1)
            raise Malformed(*at, f"a line longer than {LONGEST_LINE:,} bytes", "write one key on a line")
        start = end + 1


def _place(data: bytes, offset: int) -> tuple[int, int]:
    """Return line and column (from 1, in characters) of a byte's offset."""
    start = data.rfind(b"\n", 0, offset) + 1
    return data.count(b"\n", 0, offset) + 1, len(data[start:offset].decode(errors="replace")) + 1


def _line(data: bytes, number: int) -> bytes:
    """Return the first bytes of the line `number` (from 0)."""
    start = 0
    for _ in range(number):
        start = data.find(b"\n", start) + 1
    end = data.find(b"\n", start)
    return data[start : min(end if end >= 0 else len(data), start + 1000)]


def _hint(problem: str) -> str:
    """Return what fixes the parser's commonest complaints."""
    if "mapping values are not allowed" in problem:
        return "quote a text that holds ': ', or check the indentation"
    if "invalid Unicode character escape" in problem:
        return "write the character itself; an escape of half a surrogate pair is no character"
    if "undefined alias" in problem:
        return "quote a text that begins with '*'"
    if "cannot start any token" in problem or "scanning an anchor" in problem or "scanning an alias" in problem:
        return "quote a text that begins with a special character"
    return "check quotes, colons and the indentation here and on the line before"
