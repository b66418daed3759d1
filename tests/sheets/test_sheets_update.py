"""A newer export into the file that is there: the file then says what the export says, and no other line changed."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.desired.write import write_customers
from reconciler.documents.parse import parse
from reconciler.sheets.entries import SheetPass
from reconciler.sheets.map import SheetMap, read_map
from reconciler.sheets.read import read_sheet
from reconciler.sheets.update import Update

MAP = b"""\
key: Id
columns: {name: Name, city: City, ein: {column: EIN, clean: [ein]}}
users: [{email: Email, first_name: First}]
"""
COLUMNS = ("Id", "Name", "City", "EIN", "Email", "First")
KEYS = st.sampled_from(["a", "b", "0123", "null", "x: y", "é"])
ROWS = st.lists(
    st.tuples(
        KEYS,
        st.sampled_from(["Acme", "no", "Acme # 1", "ÄÖ"]),
        st.sampled_from(["", "Boston", "'s-Hertogenbosch", "{x}"]),
        st.sampled_from(["", "12-3456789", "123456789"]),
        st.sampled_from(["", "jo@acme.example", "JO@acme.example"]),
        st.sampled_from(["", "Jo"]),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda row: row[0],
)


def _pass(rows: Sequence[Sequence[str]], sheet_map: SheetMap) -> SheetPass:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([COLUMNS, *rows])
    return SheetPass(read_sheet(out.getvalue().encode(), "c.csv"), sheet_map, lambda _: None)


def _updated(text: str, rows: Sequence[Sequence[str]], *, archive: bool = False) -> tuple[str, Update]:
    sheet_map = read_map(MAP, "map.yaml")
    update = Update({"c.yaml": text.encode()}, sheet_map)
    new = [entry for entry in _pass(rows, sheet_map).entries() if not update.compare(entry)]
    update.finish(archive=archive)
    return update.texts(new, "c.yaml").get("c.yaml", text), update


def _tree(text: str) -> dict[str, dict[str, object]]:
    document, problems = parse(text.encode(), "c.yaml")
    assert (document is not None, problems) == (True, ())
    assert document is not None
    found: dict[str, dict[str, object]] = document.tree["customers"]
    return found


def _fresh(rows: Sequence[Sequence[str]]) -> str:
    return write_customers(_pass(rows, read_map(MAP, "map.yaml")).entries(), schema="")


@given(ROWS, ROWS)
def test_the_file_says_what_the_newer_export_says_and_keeps_who_left(
    before: Sequence[Sequence[str]], after: Sequence[Sequence[str]]
) -> None:
    first = _fresh(before)
    text, update = _updated(first, after)
    assert update.done.refused == []
    found, wanted = _tree(text), _tree(_fresh(after))
    assert found.keys() == _tree(first).keys() | wanted.keys()
    for key, entry in wanted.items():
        same = {name: str(found[key].get(name, "")).replace("-", "") for name in ("name", "city", "ein")}
        assert same == {name: str(entry.get(name, "")).replace("-", "") for name in ("name", "city", "ein")}
    again, twice = _updated(text, after)
    assert (again, twice.done.changed, twice.done.new) == (text, {}, [])


HAND = """\
# by hand
version: 1
defaults: {city: Boston}
customers:

  # the biggest
  a:   # never archive
    id: cus_1
    name: 'Acme'   # as on the invoice
    protect: true
  "0123": {name: Old, ein: 12-3456789}
# the end
"""


def test_comments_order_quotes_and_what_the_map_does_not_know_stay() -> None:
    text, update = _updated(
        HAND, [("a", "Acme Inc", "Boston", "", "", ""), ("0123", "Old", "", "12-3456789", "jo@acme.example", "Jo")]
    )
    expected = HAND.replace("'Acme'", "'Acme Inc'")
    expected = expected.replace("3456789}", "3456789, users: {jo@acme.example: {first_name: Jo}}}")
    assert text == expected
    assert update.done.changed == {"a": ["name"], "0123": ["users"]}


def test_a_value_that_defaults_give_is_not_written_again() -> None:
    text, update = _updated(HAND, [("a", "Acme", "Boston", "", "", ""), ("0123", "Old", "", "123456789", "", "")])
    assert (text, update.done.unchanged) == (HAND, 2)


def test_a_cell_that_became_empty_takes_its_line_out() -> None:
    text, _ = _updated("customers:\n  a:\n    name: A\n    city: Bonn # seat\n", [("a", "A", "", "", "", "")])
    assert text == "customers:\n  a:\n    name: A\n"


def test_who_left_is_named_and_archived_only_where_that_is_wanted() -> None:
    rows = [("a", "Acme", "Boston", "", "", "")]
    text, update = _updated(HAND, rows)
    assert (text, update.done.gone, update.done.archived) == (HAND, ["0123"], [])
    text, update = _updated(HAND, rows, archive=True)
    assert text == HAND.replace("3456789}", "3456789, archived: true}")
    assert (update.done.gone, update.done.archived) == ([], ["0123"])


def test_who_came_back_stays_archived_and_is_named() -> None:
    text = "customers:\n  a: {name: A, archived: true}\n"
    after, update = _updated(text, [("a", "A", "", "", "", "")])
    assert (after, update.done.returned) == (text, ["a"])


def test_new_entries_follow_the_last_one_in_the_file_s_own_indentation_and_line_ends() -> None:
    text, _ = _updated("customers:\r\n    a:\r\n        name: A\r\nmoved: []\r\n", [("b", "B", "", "", "", "")])
    assert text == "customers:\r\n    a:\r\n        name: A\r\n    b:\r\n      name: B\r\nmoved: []\r\n"


def test_new_entries_go_where_there_is_none_yet() -> None:
    row = [("b", "B", "", "", "", "")]
    assert (
        _updated("version: 1\ncustomers: {} # none\n", row)[0] == "version: 1\ncustomers: # none\n  b:\n    name: B\n"
    )
    assert _updated("version: 1", row)[0] == "version: 1\ncustomers:\n  b:\n    name: B\n"
    flow, _ = _updated("customers: {a: {name: A}}\n", row)
    assert flow == "customers: {a: {name: A}, b: {name: B}}\n"


def test_what_an_alias_shares_is_not_edited_and_said() -> None:
    text = "customers:\n  a: &same {name: A}\n  b: *same\n"
    after, update = _updated(text, [("a", "Acme", "", "", "", ""), ("b", "A", "", "", "", "")])
    assert after == text
    assert [key for key, _ in update.done.refused] == ["a"]
    assert update.done.changed == {}


def test_a_file_of_one_hundred_entries_gets_one_edit() -> None:
    rows = [(f"k{number}", f"Name {number}", "Bonn", "", "", "") for number in range(100)]
    first = _fresh(rows)
    rows[50] = ("k50", "Other", "Bonn", "", "", "")
    text, _ = _updated(first, rows)
    changed = [line for line in text.splitlines() if line not in first.splitlines()]
    assert changed == ["    name: Other"]
    assert yaml.safe_load(text)["customers"]["k50"]["name"] == "Other"


def test_a_key_that_the_map_cannot_make_is_from_elsewhere_and_never_gone() -> None:
    sheet_map = read_map(MAP.replace(b"key: Id", b"key: 'crm-{Id}'"), "map.yaml")
    update = Update({"c.yaml": b"customers:\n  crm-1: {name: A}\n  by-hand: {name: B}\n"}, sheet_map)
    update.finish(archive=True)
    assert update.done.archived == ["crm-1"]
