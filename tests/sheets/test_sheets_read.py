"""What is recognized of a file: delimiter, encoding, typed cells; and what no sheet is."""

from __future__ import annotations

import contextlib
import csv
import io
from datetime import date

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import Invalid
from reconciler.sheets.read import read_sheet

TABLE = [["Id", "Name", "City"], ["1", "Café, Söhne", "Zürich"], ["2", 'The "Blue" Door', "São Paulo"], ["3", "", "x"]]


def _csv(rows: list[list[str]], delimiter: str = ",") -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue()


def _cells(content: bytes) -> list[list[str]]:
    return [list(row.cells) for row in read_sheet(content, "c.csv").rows]


def _wrong(content: bytes) -> str:
    with pytest.raises(Invalid) as caught:
        _cells(content)
    (problem,) = caught.value.problems
    return str(problem)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_csv_is_read_whatever_its_delimiter_and_encoding(delimiter: str, encoding: str) -> None:
    assert _cells(_csv(TABLE, delimiter).encode(encoding)) == TABLE


def test_the_line_that_excel_writes_ahead_names_the_delimiter() -> None:
    rows = list(read_sheet(b"sep=;\r\nId;Name\r\n1;a,b\r\n", "c.csv").rows)
    assert [(row.line, list(row.cells)) for row in rows] == [(2, ["Id", "Name"]), (3, ["1", "a,b"])]


def test_semicolons_win_where_each_row_has_a_decimal_comma() -> None:
    assert _cells(b"Id;Name;Price\n1;a;1,50\n2;b;2,50\n")[1] == ["1", "a", "1,50"]


def test_one_column_needs_no_delimiter() -> None:
    assert _cells(b"Name\nAcme\nGlobex\n") == [["Name"], ["Acme"], ["Globex"]]


def test_a_row_is_known_by_the_line_that_it_begins_on() -> None:
    rows = list(read_sheet(b'Id,Address\n1,"9 Anvil Way\nBellhurst"\n2,x\n', "c.csv").rows)
    assert [row.line for row in rows] == [1, 2, 4]


def test_a_file_says_what_was_recognized() -> None:
    assert read_sheet("a;b\n1;é\n".encode("cp1252"), "c.csv").how == "CSV, semicolons, Windows-1252"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "c.csv: the file is empty; export it again"),
        (b" \n\n", "c.csv: the file is empty; export it again"),
        (b"a,b\n1,\x01\n", "c.csv:2:3: this is not text: it holds control characters; export it as CSV or .xlsx"),
        (
            b'a,b\n1,"x\n2,y\n',
            "c.csv:2:3: the quote that opens here is never closed; close it, or export the file again",
        ),
        (b"<html><table>", "c.csv: this is a web page or XML, whatever its name; open it and save it as .xlsx or CSV"),
        (b"a,b\n1,\x81\n", "c.csv:2:3: this is neither UTF-8 nor UTF-16 nor Windows-1252; save it as CSV UTF-8"),
        (b"PK\x03\x04 no more", "c.csv: the workbook is damaged: File is not a zip file; export it again"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512) + "EncryptedPackage".encode("utf-16-le"),
            "c.csv: the workbook is protected with a password; save a copy without one, or as CSV",
        ),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512),
            "c.csv: this is a workbook of Excel 97-2003 (.xls); save it as .xlsx or CSV",
        ),
        (
            b'a,b\n1,"x\n2,"y"\n',
            (
                "c.csv:3:4: text follows a closing quote; the cell begins on line 2, column 3; close the quote there, "
                "or double each quote inside the cell"
            ),
        ),
        (
            "a,b\n1,é\n2,è\n3,ü\n".encode() + b"4,\xe9\n",
            "c.csv:5:3: most of this file is UTF-8, and this line is not; open it and save it as CSV UTF-8",
        ),
    ],
)
def test_what_is_no_sheet_is_an_error_with_its_place(content: bytes, message: str) -> None:
    assert _wrong(content) == message


def test_an_open_quote_is_found_far_below_the_longest_cell() -> None:
    assert _wrong(b'a,b\n1,"x\n' + b"2,y\n" * 50_000).startswith("c.csv:2:3: the quote that opens here is never closed")


def test_a_workbook_gives_what_its_cells_show() -> None:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    page.append(["Id", "ZIP", "EIN", "Active", "Since"])
    page.append([101, 2134, 12345678, True, date(2026, 9, 2)])
    page.append([102.0, "02134", "12-3456789", None, None])
    page["B2"].number_format = "00000"
    page["C2"].number_format = "00\\-0000000"
    out = io.BytesIO()
    book.save(out)
    rows = list(read_sheet(out.getvalue(), "b.xlsx").rows)
    assert list(rows[1].cells) == ["101", "02134", "01-2345678", "TRUE", "2026-09-02 00:00:00"]
    assert [at for at, _ in rows[1].faults] == [4]
    assert list(rows[2].cells) == ["102", "02134", "12-3456789"]


_CELLS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufeff"), max_size=8)
_ROWS = st.lists(st.lists(_CELLS, min_size=3, max_size=3), max_size=5)


@given(_ROWS, st.sampled_from([";", "\t", ","]), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_what_a_csv_writer_wrote_is_read_back(rows: list[list[str]], delimiter: str, encoding: str) -> None:
    table = [["Id", "Name", "City"], *([f"{number}", *row[1:]] for number, row in enumerate(rows))]
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(table)
    content = out.getvalue().encode(encoding)
    assert [list(row.cells) for row in read_sheet(content, "c.csv").rows] == table


def _workbook() -> bytes:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    page.append(["Id", "Name"])
    page.append([1, "Acme"])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


WHOLE = (_workbook(), _csv(TABLE).encode(), _csv(TABLE, ";").encode("utf-16"))
CHANGES = st.lists(st.tuples(st.integers(0, 8000), st.binary(max_size=3), st.integers(0, 40)), min_size=1, max_size=5)


@given(st.sampled_from(WHOLE), CHANGES)
def test_a_damaged_file_is_read_or_refused_and_nothing_else(
    content: bytes, changes: list[tuple[int, bytes, int]]
) -> None:
    damaged = bytearray(content)
    for at, new, length in changes:
        begin = at % len(content)
        damaged[begin : begin + length] = new
    with contextlib.suppress(Invalid):
        _cells(bytes(damaged))
