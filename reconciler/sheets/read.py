"""
The rows of a sheet: CSV with its delimiter and encoding recognized, or a workbook with its cells as typed.

A cell becomes text here and nowhere else. A typed cell whose text is not in the workbook (a date, a number of more
digits than a spreadsheet keeps) comes with what is wrong, since only the map knows whether it is needed.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

from reconciler.documents.scalars import did_you_mean, quoted
from reconciler.errors import Invalid, Problem, Source
from reconciler.input_file import LARGEST
from reconciler.resources import to_install

EXTRA = "excel"


@dataclass(slots=True)
class SheetRow:
    """One row: the line that it begins on (in a workbook its number), its cells, and what is wrong with any."""

    line: int
    cells: Sequence[str]
    faults: Sequence[tuple[int, str]] = ()

    @property
    def blank(self) -> bool:
        """Say whether no cell holds anything."""
        return not any(cell.strip() for cell in self.cells) and not self.faults


@dataclass(slots=True)
class Sheet:
    """
    A file that can be read as rows; `how` says what was recognized, in words.

    The cells of a workbook are `typed`; its rows end with their last cell that holds anything.
    """

    name: str
    how: str
    rows: Iterator[SheetRow] = field(repr=False)
    typed: bool = False


def read_sheet(content: bytes, name: str, *, sheet: str = "") -> Sheet:
    """
    Return the rows of a file; `sheet` is that of a workbook, its first where it is empty.

    Raise Invalid, here or while the rows are taken, where it is no sheet or cannot be read to its end.
    """
    if content.startswith(b"PK\x03\x04"):
        return _workbook(content, name, sheet)
    if content.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        if "EncryptedPackage".encode("utf-16-le") in content:
            raise _refused(name, "the workbook is protected with a password", "save a copy without one, or as CSV")
        raise _refused(name, "this is a workbook of Excel 97-2003 (.xls)", "save it as .xlsx or CSV")
    start = content[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype", b"<html", b"<table", b"<?xml")):
        raise _refused(name, "this is a web page or XML, whatever its name", "open it and save it as .xlsx or CSV")
    if not content.strip():
        raise _refused(name, "the file is empty", "export it again")
    encoding, words = _encoding(content, name)
    head = _text(content, encoding).read(_SAMPLE)
    mark = _SEPARATOR_LINE.match(head)
    delimiter = mark["delimiter"] if mark else _delimiter(head)
    how = f"CSV, {_DELIMITERS.get(delimiter, quoted(delimiter))}, {words}"
    return Sheet(name, how, _csv_rows(content, encoding, delimiter, name, skip=1 if mark else 0))


def _refused(name: str, message: str, hint: str, line: int = 0, column: int = 0) -> Invalid:
    return Invalid([Problem(Source(name, line, column), "", message, hint)])


# --- CSV -----------------------------------------------------------------------------------------------

_SAMPLE = 65_536  # characters by which the delimiter is recognized
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
# What Excel writes, and obeys, ahead of the header.
_SEPARATOR_LINE = re.compile(r"sep=(?P<delimiter>[^\w\s]|\t)\r?\n", re.IGNORECASE)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_CHUNK = 1024**2


def _text(content: bytes, encoding: str) -> io.TextIOWrapper:
    """Return a file as text, decoded as it is read: a text of 30 MB would take four times as much."""
    return io.TextIOWrapper(io.BytesIO(content), encoding=encoding, newline="")


def _encoding(content: bytes, name: str) -> tuple[str, str]:
    """Return the encoding of a file as Python calls it, and as people do."""
    for mark, encoding, words in _MARKS:
        if content.startswith(mark):
            _check_decodes(content, encoding, words, name)
            return encoding, words
    head = content[:4096]
    if b"\0" in head:
        even, odd = head[::2].count(0), head[1::2].count(0)
        if max(even, odd) > len(head) * 0.3 and min(even, odd) < len(head) * 0.05:
            encoding = "utf-16-be" if even > odd else "utf-16-le"
            _check_decodes(content, encoding, "UTF-16", name)
            return encoding, "UTF-16"
    if found := _BINARY.search(content):
        line, column = _place(content, found.start())
        raise _refused(name, "this is not text: it holds control characters", "export it as CSV or .xlsx", line, column)
    if (wrong := _undecodable(content, "utf-8")) is None:
        return "utf-8", "UTF-8"
    _check_not_mixed(content, wrong, name)
    if (wrong := _undecodable(content, "cp1252")) is not None:
        line, column = _place(content, wrong)
        message = "this is neither UTF-8 nor UTF-16 nor Windows-1252"
        raise _refused(name, message, "save it as CSV UTF-8", line, column)
    return "cp1252", "Windows-1252"


def _check_decodes(content: bytes, encoding: str, words: str, name: str) -> None:
    if (wrong := _undecodable(content, encoding)) is not None:
        message = f"it begins as {words}, and is not {words} to its end"
        raise _refused(name, message, "export it again", *_place(content, wrong))


def _undecodable(content: bytes, encoding: str) -> int | None:
    """Return the offset of the first byte that is none of an encoding; None where all of it is."""
    decoder = codecs.getincrementaldecoder(encoding)()
    view, pending = memoryview(content), 0
    try:
        for start in range(0, len(content), _CHUNK):
            pending = len(decoder.getstate()[0])
            begin = start - pending
            decoder.decode(bytes(view[start : start + _CHUNK]), final=start + _CHUNK >= len(content))
    except UnicodeDecodeError as error:
        return min(begin + error.start, len(content) - 1)
    return None


def _check_not_mixed(content: bytes, wrong: int, name: str) -> None:
    """Raise Invalid where most that is not ASCII is UTF-8: as Windows-1252 each of its letters would become two."""
    text = content.decode("utf-8", "surrogateescape")
    stray = sum("\udc80" <= char <= "\udcff" for char in text)
    if sum(char > "\x7f" for char in text) > 2 * stray:
        message = "most of this file is UTF-8, and this line is not"
        raise _refused(name, message, "open it and save it as CSV UTF-8", *_place(content, wrong))


def _place(content: bytes, at: int) -> tuple[int, int]:
    """Return line and column of a byte."""
    return content.count(b"\n", 0, at) + 1, at - content.rfind(b"\n", 0, at)


def _delimiter(head: str) -> str:
    """
    Return the delimiter of a CSV by its first lines: the one that cuts most rows into as many cells.

    A file of one column has none of them, and a comma does for it.
    """
    scores = {}
    for delimiter in _DELIMITERS:
        try:
            widths = Counter(len(row) for row in csv.reader(io.StringIO(head, newline=""), delimiter=delimiter) if row)
        except csv.Error:
            continue
        wide = [(rows, width) for width, rows in widths.items() if width > 1]
        if wide:
            scores[delimiter] = max(wide)
    return max(scores, key=lambda one: scores[one]) if scores else ","


def _csv_rows(content: bytes, encoding: str, delimiter: str, name: str, *, skip: int) -> Iterator[SheetRow]:
    """Yield the rows of a CSV, each with the line that it begins on."""
    text = _text(content, encoding)
    for _ in range(skip):
        text.readline()
    # Strict: else an open quote takes in the rows below it, and nobody hears of it.
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + skip + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _quotes(content, encoding, delimiter, name, line) from error
        yield SheetRow(line, cells)


def _quotes(content: bytes, encoding: str, delimiter: str, name: str, line: int) -> Invalid:
    """Return what is wrong with the quotes of the row that begins on `line`."""
    text = _text(content, encoding)
    for _ in range(line - 1):
        text.readline()
    at, column, state, opened = line, 0, "start", (line, 1)
    while char := text.read(1):
        column += 1
        if state == "quoted":
            state = "closing" if char == '"' else state
        elif state == "closing" and char == '"':
            state = "quoted"
        elif char in (delimiter, "\r", "\n"):
            state = "start"
        elif state == "closing":
            message = f"text follows a closing quote; the cell begins on line {opened[0]}, column {opened[1]}"
            return _refused(name, message, "close the quote there, or double each quote inside the cell", at, column)
        elif state == "start" and char == '"':
            state, opened = "quoted", (at, column)
        else:
            state = "plain"
        if char == "\n":
            at, column = at + 1, 0
    if state != "quoted":
        return _refused(name, f"a cell is longer than {csv.field_size_limit():,} characters", "shorten it", line)
    return _refused(name, "the quote that opens here is never closed", "close it, or export the file again", *opened)


# --- workbooks -----------------------------------------------------------------------------------------

_PADDED = re.compile(r"0+(-0+)*")
_PRECISE = 10**15


def _workbook(content: bytes, name: str, wanted: str) -> Sheet:
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise _refused(name, f"the workbook is damaged: {error}", "export it again") from error
    with archive:
        names = set(archive.namelist())
        unpacked = sum(one.file_size for one in archive.infolist())
    if "xl/workbook.xml" not in names:
        hint = "save it as .xlsx or CSV"
        what = "an OpenDocument file" if "content.xml" in names else "an archive, not a workbook"
        raise _refused(name, f"this is {what}", hint)
    if unpacked > LARGEST:
        message = f"the workbook is larger than {LARGEST // 1024**2} MiB unpacked"
        raise _refused(name, message, "save the sheet as CSV")
    try:
        # Only here: an extra, and slow to load.
        import openpyxl  # noqa: PLC0415
    except ImportError as error:
        hint = f"{to_install(EXTRA)}, or save the sheet as CSV"
        raise _refused(name, "this is a workbook, and openpyxl is not installed", hint) from error
    try:
        with warnings.catch_warnings():
            # It warns of what it does not keep, such as a list of choices; nothing is written back.
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    except Exception as error:  # whatever a file that is none does to its reader
        raise _refused(name, f"the workbook cannot be read: {error}", "open it and save it again") from error
    titles = [str(one.title) for one in book.worksheets]
    if wanted and wanted not in titles:
        hint = did_you_mean(wanted, titles) or f"its sheets: {', '.join(map(quoted, titles))}"
        raise _refused(name, f"the workbook has no sheet {quoted(wanted)}", hint)
    if not titles:
        raise _refused(name, "the workbook has no sheet", "export it again")
    title = wanted or titles[0]
    return Sheet(name, f"workbook, sheet {quoted(title)}", _typed_rows(book, title, name), typed=True)


def _typed_rows(book: Any, title: str, name: str) -> Iterator[SheetRow]:  # noqa: ANN401 - openpyxl's
    """Yield the rows of a sheet; the workbook is closed after the last."""
    try:
        page = book[title]
        # What a program wrote of its size may be wrong.
        page.reset_dimensions()
        for number, row in enumerate(page.iter_rows(), start=1):
            faults, cells = [], []
            for at, cell in enumerate(row):
                text, fault = _typed(cell.value, cell)
                cells.append(text)
                if fault:
                    faults.append((at, fault))
            while cells and not cells[-1]:
                cells.pop()
            yield SheetRow(number, cells, faults)
    except Invalid:
        raise
    except Exception as error:  # the same
        raise _refused(name, f"the workbook cannot be read: {error}", "open it and save it again") from error
    finally:
        book.close()


def _typed(value: object, cell: Any) -> tuple[str, str]:  # noqa: ANN401 - openpyxl's
    """Return the text of a typed cell, and what is wrong with it, "" for nothing."""
    match value:
        case None:
            return "", ""
        case str():
            return value, f"the formula failed: {value}" if cell.data_type == "e" else ""
        case bool():
            return ("TRUE" if value else "FALSE"), ""
        case int() | float():
            if abs(value) >= _PRECISE:
                return str(value), "a spreadsheet keeps 15 digits of a number, and this one has more"
            return _number(value, str(cell.number_format)), ""
        case datetime() | date() | time():
            return str(value), f"this is the date {value}; the code that was typed is lost"
        case _:
            return str(value), ""


def _number(value: float, shown_as: str) -> str:
    r"""
    Return a number as its format shows it, as far as the format gives it zeros and hyphens.

    >>> _number(2134, "00000"), _number(12345678, "00\\-0000000"), _number(2134.0, "General"), _number(0.5, "0%")
    ('02134', '01-2345678', '2134', '0.5')
    """
    if value != int(value):
        return repr(value)
    text = str(int(value))
    pattern = shown_as.partition(";")[0].replace("\\", "").replace('"', "")
    zeros = pattern.count("0")
    if value < 0 or zeros < 2 or not _PADDED.fullmatch(pattern) or len(text) > zeros:  # noqa: PLR2004 - 0 is no padding
        return text
    digits = iter(text.zfill(zeros))
    return "".join("-" if char == "-" else next(digits) for char in pattern)
