"""Plain records that are read ahead of the parser are what the parser would have read."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from reconciler.documents.parse import hide_records, parse

RECORD = b"customers:\n  acme:\n    name: Acme Corp\n    city: Bonn\n  globex:\n    name: Globex\n"


def same(data: bytes) -> None:
    """Assert that a text is read ahead as it is read event by event, problems and places included."""
    quick, whole = (parse(data, "c.yaml", marked="customers", ahead=ahead) for ahead in (True, False))
    assert quick[1] == whole[1]
    assert (quick[0] is None) == (whole[0] is None)
    if quick[0] is not None and whole[0] is not None:
        assert vars_of(quick[0]) == vars_of(whole[0])


def vars_of(document: object) -> dict[str, object]:
    """Return the fields of a document, its tree with the order of its keys."""
    fields = {name: getattr(document, name) for name in document.__slots__}  # type: ignore[attr-defined]
    return fields | {"order": repr(fields["tree"])}


def hidden(data: bytes) -> int:
    """Return how many records are read ahead."""
    return len(hide_records(data, {}.setdefault, shared=12, odd={"null": None})[1])


INDENTS = st.sampled_from(["", "  ", "  ", "    ", "    ", "    ", "      ", "        ", "\t", " "])
KEYS = st.sampled_from(["customers:", "acme:", "users:", "a@x.example:", "name:", "city:", "moved:", "a:", "c", "-"])
PLAIN_TEXTS = st.sampled_from(["", " A", " null", " true", " ~", " None", " 1e5", " a b", " é", " x", "  A", " .5"])
QUOTED_TEXTS = st.sampled_from([' "q"', " 'q'", " 'it''s'", ' "a\\n"', ' "a', " 'a", " |", " >-", ' "a b: c #d"'])
NO_TEXTS = st.sampled_from([" [a, b]", " [a", " {a: b}", " {", " a]", " &x A", " *x", " !t A", " - a", " -a", " ? b"])
ODD_TEXTS = st.sampled_from(
    [" a ", " a: b", " a #b", " a#b", " #c", " ${X}", " $X", " \u2028", " a\u0085b", " \ue0000", " ...", " a\ufeff"]
)
ODD = st.sampled_from(
    ["", "# c", "  # c", "    # c", "---", "...", "}", "]", '"', "'", "  text", "      more", "%YAML 1.1", "\ue0000"]
)
LINES = st.one_of(
    st.builds(lambda *parts: "".join(parts), INDENTS, KEYS, st.one_of(PLAIN_TEXTS, QUOTED_TEXTS, NO_TEXTS, ODD_TEXTS)),
    ODD,
)
PLAIN = st.builds(
    lambda key, pairs: "\n".join([f"  {key}:", *(f"    {name}: {text}" for name, text in pairs)]),
    st.sampled_from(["acme", "globex", "initech"]),
    st.lists(
        st.tuples(st.sampled_from(["name", "city", "ein"]), st.sampled_from(["A", "Bonn", "null", '"q"', "a b", "é"])),
        min_size=1,
        max_size=3,
    ),
)
FIRST = st.sampled_from(["customers:", "defaults:", "x: |", 'x: "', "x: [", ""])
USERS = st.just("  acme:\n    name: A\n    users:\n      jane@x.example:\n        first_name: Jane")


@settings(max_examples=20 * (settings.default.max_examples if settings.default else 100))
@given(
    st.sampled_from(["customers:", "defaults:", "x: |", 'x: "', "x: [", ""]), st.lists(st.one_of(PLAIN, LINES, USERS))
)
def test_any_lines_are_read_ahead_as_they_are_read_one_by_one(first: str, lines: list[str]) -> None:
    data = "\n".join([first, *lines, ""]).encode()
    event(f"{hidden(data)} hidden")
    same(data)


@given(st.text())
def test_any_text_is_read_ahead_as_it_is(text: str) -> None:
    same(RECORD + b"    city: " + text.encode("utf-8", "surrogatepass") + b"\n" + RECORD[11:])


@pytest.mark.parametrize(
    "data",
    [
        b"x: |\n  acme:\n    name: A\n",
        b'x: "\n  acme:\n    name: A\n  "\n',
        b"x: '\n  acme:\n    name: A\n  '\n",
        b"x: [\n  acme:\n    name: A\n  ]\n",
        b"x: {\n  acme:\n    name: A\n  }\n",
        b"x: word\n  acme:\n    name: A\n",
        b"customers:\n  acme:\n    name: A\n      B\n",
        b"customers:\n  acme:\n    name: A\n# c\n    city: B\n",
        b"customers:\n  acme:\n    name: A\n\n    city: B\n",
        b"customers:\n  acme:\n    name: A\n   city: B\n",
        b"customers:\n  name: A\n",
        b"customers:\n  acme:\n    users:\n      jane: x\n",
        b"customers:\n  acme:\n    name: A\n    name: B\n",
        b"customers:\n  acme:\n    name: A\n  acme:\n    name: B\n",
        b"customers:\n  acme:\n    name: None\n",
        b"customers:\n  acme:\n    name: ${X}\n",
        b"customers:\n  acme:\n    name: \xee\x80\x800\n",
        b"customers:\n  acme:\n    name: A\n    \xff: B\n",
        b"customers:\r\n  acme:\r\n    name: A\r\n",
        b"\xef\xbb\xbfcustomers:\n  acme:\n    name: A\n",
        b'customers:\n  acme:\n    name: "\\ud83d\\ude00"\n  b:\n    name: B\n',
        b"a: &x A\ncustomers:\n  acme:\n    name: A\n  b: *x\n",
        RECORD + b"---\n" + RECORD,
    ],
)
def test_what_only_looks_like_a_record_is_read_by_the_parser(data: bytes) -> None:
    same(data)


@pytest.mark.parametrize(
    "text", ["A", "02134", "12-3456789", "Ann & Bob", "(a)", '"02134"', "'NO'", '"a: b #c"', "Café"]
)
def test_a_record_of_plain_or_quoted_texts_is_read_ahead(text: str) -> None:
    data = RECORD.replace(b"Bonn", text.encode())
    assert hidden(data) == 2
    same(data)


def test_one_customer_that_is_not_plain_leaves_the_others_as_quick() -> None:
    assert hidden(RECORD + b"  other:\n    name: A\n    ignore_changes: [city]\n" + RECORD[11:]) == 4


def test_the_places_of_keys_stay_what_they_are() -> None:
    document, _ = parse(RECORD, "c.yaml", marked="customers")
    assert document is not None
    assert {key: (one.line, one.column) for key, one in document.keys.items()} == {"acme": (2, 3), "globex": (5, 3)}


def test_a_long_line_in_brackets_takes_little_memory() -> None:
    line = b"customers:\n  acme: {name: " + b"x" * 1_000_000 + b"}\n"
    tracemalloc.start()
    try:
        assert hidden(line) == 0
        assert tracemalloc.get_traced_memory()[1] < 10 * len(line)
    finally:
        tracemalloc.stop()
