from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.desired.format import format_text
from reconciler.desired.write import Written, write_customers
from reconciler.documents.edit import read_comments
from reconciler.documents.nodes import read_nodes
from reconciler.documents.parse import parse
from reconciler.documents.scalars import double_quoted, scalar, single_quoted
from reconciler.errors import Problem, Source

MESSY = """\
# yaml-language-server: $schema=x

customers:
    # the first

    acme:  # main
        city:   'Boston'   # HQ
        name: "Acme"
        users: { j@x.example: {last_name: Doe, first_name: "Jane"} }
        # end of acme
    # before globex


    globex: {name: 'x, y', archived: true, ein: 12-3456789}
    hooli: { name: a, # one
      city: b } # two
    initech:
      state:
      name: | # why
          a
          b
      city: >-
        folded
        text
version: 1
moved: [{to: a, from: b}]
forget:
- x
-   # odd
  y
# the end
"""
CLEAN = """\
# yaml-language-server: $schema=x

version: 1
customers:
  # the first

  acme:  # main
    name: Acme
    city: Boston   # HQ
    users:
      j@x.example: {first_name: Jane, last_name: Doe}
    # end of acme
  # before globex

  globex: {name: "x, y", ein: 12-3456789, archived: true}
  hooli:
    name: a # one
    city: b # two
  initech:
    name: | # why
      a
      b
    city: folded text
    state: null
moved:
  - {from: b, to: a}
forget:
  - x
  # odd
  - y
# the end
"""


def clean(text: str) -> str:
    content, problems = format_text(text.encode(), "c.yaml")
    assert problems == ()
    return content.decode()


def test_the_layout_is_mended_and_every_comment_kept() -> None:
    assert clean(MESSY) == CLEAN


def test_line_ends_and_a_byte_order_mark_are_kept() -> None:
    assert clean("\ufeff" + MESSY.replace("\n", "\r\n")) == "\ufeff" + CLEAN.replace("\n", "\r\n")


@pytest.mark.parametrize("written", ["02134", "NO", "1e5", "2024-01-01", '"null"', '"true"', "null", "true"])
def test_a_value_that_needs_no_change_stays_as_it_is(written: str) -> None:
    text = f"customers:\n  acme:\n    name: {written}\n"
    assert clean(text) == text


@pytest.mark.parametrize(("before", "after"), [("'02134'", "02134"), ("~", "null"), ("", "null"), ("'a: b'", '"a: b"')])
def test_a_value_is_written_in_the_shortest_form_that_keeps_it(before: str, after: str) -> None:
    assert clean(f"customers: {{acme: {{name: {before}}}}}\n") == f"customers:\n  acme: {{name: {after}}}\n"


def test_a_flow_that_is_too_long_for_a_line_becomes_lines() -> None:
    long = "x" * 90
    assert clean(f"customers:\n  acme: {{name: a, city: {long}}}\n") == (
        f"customers:\n  acme:\n    name: a\n    city: {long}\n"
    )


def test_a_file_with_an_alias_keeps_the_order_of_its_keys() -> None:
    text = "customers:\n  acme:\n    city: &c Boston\n    name: *c\n  hooli: &h {city: *c, name: H}\n"
    assert clean(text) == text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("~: {}", "~: {}"),
        ("'a': {}", "a: {}"),
        ("? |\n    two\n    lines\n  : {}", '"two\\nlines\\n": {}'),
        ("? a", "a: null"),
    ],
)
def test_a_key_is_a_text_on_one_line(before: str, after: str) -> None:
    assert clean(f"customers:\n  {before}\n") == f"customers:\n  {after}\n"


def test_what_import_writes_needs_no_change() -> None:
    entry = Written(
        "acme", {"name": "A", "city": None}, id="c", users={"j@x.example": {"last_name": "D"}}, archived=True
    )
    text = write_customers([entry])
    assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("customers:\n\ta: 1\n", Problem(Source("c.yaml", 2, 1), "", "a tab", "indent with spaces")),
        (
            "%YAML 1.2\n---\nversion: 1\n",
            Problem(Source("c.yaml", 1), "", "a YAML directive (%)", "remove it; it has no effect here"),
        ),
        ("# c\n", Problem(Source("c.yaml"), "", "the file is empty", "declare customers: {} if there should be none")),
    ],
)
def test_what_cannot_be_read_stays_as_it_is(text: str, problem: Problem) -> None:
    assert format_text(text.encode(), "c.yaml") == (text.encode(), (problem,))


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["null", "true", "NO", "02134", "a: b", "a #b", "- a", "x, y", "{", "'", "two\nlines\n", "end ", "\u2028", "..."]
)
NAMES = ("name", "city", "state", "users")
BLOCKS = [
    "|\n      some\n      lines",
    ">-\n      fold\n      ed",
    "|+ # why\n      kept\n",
    "plain\n      goes on",
    "",
]


@st.composite
def values(draw: st.DrawFn, *, flow: bool) -> str:
    text = draw(TEXTS)
    styles = [scalar(text, flow=flow), double_quoted(text), single_quoted(text) or '""', "null"]
    return draw(st.sampled_from(styles + ([] if flow else BLOCKS)))


@st.composite
def documents(draw: st.DrawFn) -> str:
    above = st.sampled_from([[], [""], ["# far left"], ["", "", "    # above"], ["          # far right", "  # left"]])
    lines = [*draw(above), *draw(st.sampled_from([[], ["version: 1"]])), "customers: # all"]
    for key in draw(st.lists(TEXTS.filter(bool), unique=True, min_size=1, max_size=3)):
        lines += draw(above)
        names = draw(st.lists(st.sampled_from(NAMES), unique=True))
        if not names or draw(st.booleans()):
            wrap = draw(st.sampled_from(["", "", "\n      # inside\n      "]))
            pairs = ", ".join(f"{wrap}{name}: {draw(values(flow=True))}" for name in names)
            lines += f"  {scalar(key)}: {{{pairs}}}{draw(st.sampled_from(['', ' # note', '  ']))}".split("\n")
            continue
        lines.append(f"  {scalar(key)}: {draw(st.sampled_from(['', '# note']))}")
        for name in names:
            lines += draw(above)
            value = draw(values(flow=False))
            comment = "" if "\n" in value else draw(st.sampled_from(["", "   # 1", "  "]))
            lines += f"    {name}: {value}{comment}".split("\n")
    lines += [*draw(above), *draw(st.sampled_from([[], ["defaults: {country: USA, city: X}"]])), *draw(above)]
    return draw(st.sampled_from(["\n", "\r\n"])).join([*lines, ""])


@given(documents())
def test_any_file_keeps_its_data_and_comments_and_is_changed_once_only(text: str) -> None:
    content, problems = format_text(text.encode(), "c.yaml")
    assert problems == ()
    before, after = parse(text.encode(), "c.yaml")[0], parse(content, "c.yaml")[0]
    assert before is not None
    assert after is not None
    assert after.tree == before.tree
    old, new = (read_comments(one, read_nodes(one)) for one in (text, content.decode()))
    assert Counter(one.text for one in new) == Counter(one.text for one in old)
    assert format_text(content, "c.yaml") == (content, ())
