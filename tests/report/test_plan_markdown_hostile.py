"""Whatever a customer is called, it stays text in the Markdown of a plan."""

from __future__ import annotations

import re

import pytest
from command_line import raw
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_blocks import read
from test_plan_text_hostile import hostile_plan

from reconciler.escape import LEAST_BYTES, visible
from reconciler.report.markdown import code, prose
from reconciler.report.plan_markdown import plan_markdown

PIECES = (
    "`", "```", "````", "~~~", "<script>", "</details>", "<!--", "-->", "<![CDATA[", "&lt;", "\\", "@octocat", "#123",
    "GH-7", "https://evil.example", "www.evil.example", "a@evil.example", "[x](javascript:alert(1))",
    "![x](//e.example)", "<https://e.example>", "[x]: /url", "**b**", "_i_", "- ", "1. ", "> ", "# ", "---", "| a |",
    "\n", "\r\n", "\u2028", "\u202e", "\x1b[31m", "\t", "    ", " ", ":smile:", "/close", "deadbeefdeadbeef",
    "$x$", "word", "é", "\ud800",
)  # fmt: skip
HOSTILE = st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=12).map("".join)
KINDS = {
    *("html_block", "blockquote_open", "blockquote_close", "paragraph_open", "paragraph_close", "inline", "text"),
    *("strong_open", "strong_close", "heading_open", "heading_close", "code_inline", "softbreak", "fence"),
    *("bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close"),
}
DETAILS = re.compile(
    r"<details(?: open)?>\n<summary>[A-Z][A-Za-z ,:]+ \(\d+(?:, of which \d+ (?:does|do) not fit here)?\)</summary>\n"
    r"|</details>\n"
)
LINKS = re.compile(r"[@#<>&\[\]\\/$~|_*`]|www\.|\w\.\w|[A-Za-z]\d|\d[A-Za-z]|[0-9a-f]{7}")


@given(value=HOSTILE, most=st.sampled_from([LEAST_BYTES, 65_535]))
@example(value="`" * 40, most=65_535)
def test_a_hostile_plan_holds_no_html_no_link_no_image_and_nothing_that_is_one_elsewhere(value: str, most: int) -> None:
    shown = plan_markdown(hostile_plan(value), max_bytes=most)
    seen = read(shown)
    assert seen.kinds <= KINDS
    assert [one for one in seen.html if not DETAILS.fullmatch(one)] == []
    assert seen.html.count("</details>\n") == len(seen.html) / 2
    assert [one for one in seen.words if LINKS.search(one)] == []
    assert raw(shown) == []


@given(HOSTILE)
def test_a_value_in_a_code_span_reads_as_it_is(value: str) -> None:
    shown = code(value)
    assert read(f"a {shown} b").code == (visible(value) or " ",)
    assert read(f"a {shown} b").words == ("a ", " b")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("acme", "`acme`"),
        ("``", "``` `` ```"),
        ("a\nb", "`a\\nb`"),
        ("`a", "`` `a ``"),
        (" a ", "`  a  `"),
        ("  ", "`  `"),
    ],
)
def test_a_code_span_has_marks_longer_than_any_in_it(text: str, written: str) -> None:
    assert code(text) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("write moved, or archive it.", "write moved, or archive it."),
        ("the server keeps @team", "the server keeps `@team`"),
        ("see #12 and GH-3", "see `#12` and `GH-3`"),
        ("1. first", "`1.` first"),
        ("at deadbee now", "at `deadbee` now"),
        ("at 1234567 now", "at `1234567` now"),
        ("a  b", "a b"),
        ("cus_1, cus_2", "`cus_1, cus_2`"),
        ("ids: cus_1, 3", "ids: `cus_1`, 3"),
        ("add `ignore_changes: [email]`, or", "add `ignore_changes: [email]`, or"),
        ("a `b` `c` d", "a `` `b` `c` `` d"),
        ("", ""),
    ],
)
def test_only_plain_words_of_a_sentence_stand_outside_of_code(text: str, written: str) -> None:
    assert prose(text) == written
