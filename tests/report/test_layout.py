from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.report.layout import Line, Span, aligned, columns, line, page

words = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cf"]), max_size=30)


def test_a_long_line_is_broken_at_blanks_and_its_rest_hangs() -> None:
    assert (
        page([line("one two three four", indent=1, hang=3)], width=12, color=False) == " one two\n   three\n   four\n"
    )


def test_a_word_longer_than_a_line_is_cut() -> None:
    assert page([line("abcdefghijklmnopqrst", indent=1)], width=10, color=False) == " abcdefghi\n   jklmnop\n   qrst\n"


def test_a_continuation_with_no_room_starts_further_left() -> None:
    assert page([line("name  one two three", hang=6)], width=18, color=False) == "name  one two\n  three\n"


def test_each_row_of_a_painted_line_is_painted_by_itself() -> None:
    painted = page([Line((Span("one two ", "red"), Span("three")))], width=8, color=True)
    assert painted == "\x1b[31mone two\x1b[0m\n  three\n"


def test_rows_that_do_not_fit_are_not_aligned() -> None:
    assert aligned([("abc", "def")], width=7) is None
    assert aligned([("abc", "def")], width=8) == [line("abc  def")]


@given(parts=st.lists(words, max_size=4), indent=st.integers(0, 6), width=st.integers(12, 60))
def test_wrapping_loses_nothing_but_blanks_and_keeps_the_width(parts: list[str], indent: int, width: int) -> None:
    shown = page([Line(tuple(Span(one, "") for one in parts), indent)], width=width, color=False)
    assert "".join(shown.split()) == "".join("".join(parts).split())
    assert max(map(columns, shown.split("\n"))) <= width
