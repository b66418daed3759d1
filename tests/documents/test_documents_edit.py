from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.documents.edit import EditResult, RefusedEdit, Remove, SetValue, apply_edits
from reconciler.documents.parse import parse
from reconciler.documents.scalars import double_quoted, scalar, single_quoted

CITY = ("customers", "acme", "city")
ORDER = ("name", "city", "state", "users")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("    city: Boston\n", "    city: New York\n"),
        ("    city:   Boston   # HQ  \n", "    city:   New York   # HQ  \n"),
        ("    city: 'Boston'\n", "    city: 'New York'\n"),
        ('    city: "Boston" # x\n', '    city: "New York" # x\n'),
        ("    city: &here Boston\n", "    city: &here New York\n"),
        ("    city:\n", "    city: New York\n"),
        ("    city: # none\n", "    city: New York # none\n"),
        ("    city: ~\n", "    city: New York\n"),
        ("    city: null", "    city: New York"),
        ("    city: |\n      Boston\n\n    state: MA\n", "    city: New York\n\n    state: MA\n"),
        ("    city: >- # folded\n      Bos\n      ton\n", "    city: New York # folded\n"),
        ("    city: Bos\n      ton\n    state: MA\n", "    city: New York\n    state: MA\n"),
        ("    city: Boston\r\n    state: MA\r\n", "    city: New York\r\n    state: MA\r\n"),
        ("    name: Acme # n\n    state: MA\n", "    name: Acme # n\n    city: New York\n    state: MA\n"),
        (
            "    state: |+\n      MA\n\n    users: {}\n",
            "    state: |+\n      MA\n\n    users: {}\n    city: New York\n",
        ),
        ("    name: |\n      Acme", "    city: New York\n    name: |\n      Acme"),
        ("    name: Acme\r\n", "    name: Acme\r\n    city: New York\r\n"),
    ],
)
def test_a_value_is_set_at_its_place_and_nothing_else_changes(before: str, after: str) -> None:
    head = "# top\r\ncustomers:\r\n  acme:\r\n" if "\r" in before else "# top\ncustomers:\n  acme:\n"
    assert apply_edits(head + before, [SetValue(CITY, "New York")], order=ORDER) == EditResult(head + after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{acme: {city: Boston, state: MA}}", "{acme: {city: New York, state: MA}}"),
        ("{acme: {state: MA}}", "{acme: {state: MA, city: New York}}"),
        ("{acme: {}}", "{acme: {city: New York}}"),
        ("\n  acme: {\n    state: MA, # x\n  }", "\n  acme: {\n    state: MA, city: New York, # x\n  }"),
    ],
)
def test_a_value_is_set_in_a_flow_mapping(before: str, after: str) -> None:
    assert apply_edits(f"customers: {before}\n", [SetValue(CITY, "New York")]) == EditResult(f"customers: {after}\n")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "null"),
        (True, "true"),
        ("true", '"true"'),
        ("02134", "02134"),
        ("a: b", '"a: b"'),
        ("", '""'),
        (" x", '" x"'),
        ("a\x1bb", '"a\\x1bb"'),
        ("*a", '"*a"'),
    ],
)
def test_a_value_is_quoted_where_it_would_be_read_otherwise(value: str | bool | None, written: str) -> None:
    text = "customers: {acme: {city: %s}}\n"
    assert apply_edits(text % "Boston", [SetValue(CITY, value)]) == EditResult(text % written)


def test_a_literal_block_stays_one_where_the_new_value_has_lines() -> None:
    text = "customers:\n  acme:\n    city: |\n        a\n        b\n    state: MA\n"
    assert apply_edits(text, [SetValue(CITY, "c\nd\n")]) == EditResult(
        text.replace("   a", "   c").replace("   b", "   d")
    )


def test_a_byte_order_mark_is_kept() -> None:
    text = "\ufeffcustomers: {acme: {city: %s}}\n"
    assert apply_edits(text % "A", [SetValue(CITY, "B")]) == EditResult(text % "B")


def test_a_value_that_is_an_alias_is_given_a_value_of_its_own() -> None:
    text = "defaults: {city: &b Boston}\ncustomers:\n  acme:\n    city: %s\n  hooli: {city: *b}\n"
    assert apply_edits(text % "*b", [SetValue(CITY, "Lynn")]) == EditResult(text % "Lynn")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("customers:\n  acme: {city: &c B}\n  hooli: {city: *c}\n", "an alias *c uses it too"),
        ("customers:\n  acme: &c {city: B}\n  hooli: *c\n", "an alias *c uses it too"),
        ("customers:\n  x: &c {city: B}\n  acme: *c\n", "'acme' is the alias *c, which others may use too"),
        ("customers:\n  acme: {city: {a: b}}\n", "'city' holds more than a single value"),
        ("customers:\n  hooli: {}\n", "'acme' is not in this file"),
        ("customers:\n  acme:\n", "'acme' is not a mapping here"),
        ("customers: [\n", "the file has errors, or no content; `reconciler validate` shows them"),
    ],
)
def test_what_has_no_place_of_its_own_is_refused_and_the_text_stays(text: str, why: str) -> None:
    edit = SetValue(CITY, "Lynn")
    assert apply_edits(text, [edit]) == EditResult(text, (RefusedEdit(edit, why),))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("\n  acme:\n    name: A # a\n    city: B # b\n  x: {}\n", "\n  acme:\n    name: A # a\n  x: {}\n"),
        ("\n  acme:\n    city: B # b\n  x: {}\n", "\n  acme:\n    {}\n  x: {}\n"),
        (" {acme: {city: B, name: A}}\n", " {acme: {name: A}}\n"),
        (" {acme: {name: A, city: B}}\n", " {acme: {name: A}}\n"),
        (" {acme: {city: B}}\n", " {acme: {}}\n"),
    ],
)
def test_a_key_is_removed_with_its_line(before: str, after: str) -> None:
    assert apply_edits(f"customers:{before}", [Remove(CITY)]) == EditResult(f"customers:{after}")


def test_a_value_that_stands_in_the_defaults_alone_cannot_be_removed_from_a_customer() -> None:
    text = "defaults: {city: B}\ncustomers: {acme: {}}\n"
    why = "'city' is not written here; it may be in `defaults` or an overlay"
    assert apply_edits(text, [Remove(CITY)]) == EditResult(text, (RefusedEdit(Remove(CITY), why),))


def test_edits_that_meet_are_made_one_after_the_other_and_a_refused_one_hinders_none() -> None:
    edits = [
        SetValue(CITY, "B"),
        SetValue(("customers", "none", "city"), "C"),
        SetValue(("customers", "acme", "name"), "A"),
    ]
    assert apply_edits("customers: {acme: {}}\n", edits) == EditResult(
        "customers: {acme: {city: B, name: A}}\n", (RefusedEdit(edits[1], "'none' is not in this file"),)
    )


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["null", "true", "NO", "02134", "a: b", "a #b", "- a", "x, y", "{", "'", "two\nlines\n", "end ", "\u2028", "..."]
)
NAMES = ("name", "city", "state", "country")


@st.composite
def values(draw: st.DrawFn, *, flow: bool) -> str:
    text = draw(TEXTS)
    styles = [scalar(text, flow=flow), double_quoted(text), single_quoted(text) or '""', "null"]
    blocks = [
        "|\n      some\n      lines",
        ">-\n      fold\n      ed",
        "|+ # why\n      kept\n",
        "plain\n      goes on",
        "",
    ]
    return draw(st.sampled_from(styles + ([] if flow else blocks)))


@st.composite
def documents(draw: st.DrawFn) -> str:
    lines = ["# head", "version: 1", "defaults: {country: USA}", "customers:"]
    for key in ("acme", "globex"):
        names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
        if draw(st.booleans()):
            pairs = ", ".join(f"{name}: {draw(values(flow=True))}" for name in names)
            lines.append(f"  {key}: {{{pairs}}}{draw(st.sampled_from(['', ' # note', '  ']))}")
            continue
        lines.append(f"  {key}: {draw(st.sampled_from(['', '# note']))}")
        for name in names:
            value = draw(values(flow=False))
            comment = "" if "\n" in value else draw(st.sampled_from(["", " # 1", "  "]))
            lines += draw(st.sampled_from([[], [""], ["    # above"]]))
            lines += f"    {name}: {value}{comment}".split("\n")
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    return draw(st.sampled_from(["", "\ufeff"])) + newline.join(lines) + draw(st.sampled_from(["", newline]))


PATHS = st.tuples(st.just("customers"), st.sampled_from(["acme", "globex"]), st.sampled_from(NAMES))


@given(documents(), PATHS, TEXTS | st.none() | st.booleans())
def test_any_value_is_set_in_any_document_and_the_lines_around_it_stay(
    text: str, path: tuple[str, str, str], value: str | bool | None
) -> None:
    result = apply_edits(text, [SetValue(path, value)])
    assert result.refused == ()
    before, after = text.splitlines(keepends=True), result.text.splitlines(keepends=True)
    start = next(n for n, pair in enumerate([*zip(before, after, strict=False), (None, "")]) if pair[0] != pair[1])
    end = next(
        n for n, pair in enumerate([*zip(before[::-1], after[::-1], strict=False), (None, "")]) if pair[0] != pair[1]
    )
    changed = before[start : len(before) - end]
    assert sum(": " in line or line.strip().endswith(":") for line in changed) <= 1 or not text.endswith("\n")
    old, new = parse(text.encode(), "c")[0], parse(result.text.encode(), "c")[0]
    assert old is not None
    assert new is not None
    old.tree["customers"][path[1]][path[2]] = value
    assert new.tree == old.tree


@given(documents(), PATHS)
def test_what_is_set_and_removed_again_leaves_the_document_as_it_was(text: str, path: tuple[str, str, str]) -> None:
    there = parse(text.encode(), "c")[0]
    assert there is not None
    if path[2] not in there.tree["customers"][path[1]]:
        assert apply_edits(apply_edits(text, [SetValue(path, "x")]).text, [Remove(path)]).text == text
