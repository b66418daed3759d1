from __future__ import annotations

import re
from collections.abc import Iterator
from io import StringIO

import pytest
from command_line import environment

from reconciler.report.progress import progress


@pytest.fixture(autouse=True)
def _terminal() -> Iterator[None]:
    """Let the terminal be one that can move its cursor, whatever the tests run in."""
    with environment({"TERM": "xterm"}):
        yield


class SetClock:
    """A clock that stands where the test puts it."""

    def __init__(self) -> None:
        self.time_s = 100.0

    def now(self) -> float:
        return self.time_s

    def monotonic(self) -> float:
        return self.time_s

    async def sleep(self, wait_s: float) -> None:
        self.time_s += wait_s


def test_a_short_run_without_a_terminal_says_nothing() -> None:
    stream, clock = StringIO(), SetClock()
    with progress(stream, terminal=False, clock=clock) as shown:
        shown.planning("reading customers")
        clock.time_s += 9.9
        shown.advance(10, 10)
    assert stream.getvalue() == ""


def test_without_a_terminal_a_plain_line_comes_every_ten_seconds_with_rate_and_time_left() -> None:
    stream, clock = StringIO(), SetClock()
    with progress(stream, terminal=False, clock=clock) as shown:
        for second in range(31):
            clock.time_s = 100.0 + second
            if second <= 10:
                shown.planning(f"reading customers: {second} pages")
            else:
                shown.advance((second - 11) * 5, 1000)
    assert stream.getvalue() == (
        "reading customers: 10 pages\n"
        "45 of 1000 changes, 5.0/s, 3 min 11 s left\n"
        "95 of 1000 changes, 5.0/s, 3 min 1 s left\n"
    )


def test_before_anything_is_done_no_rate_is_claimed() -> None:
    stream, clock = StringIO(), SetClock()
    with progress(stream, terminal=False, clock=clock) as shown:
        shown.advance(0, 20)
        clock.time_s += 10
        shown.advance(0, 20)
    assert stream.getvalue() == "0 of 20 changes\n"


def test_the_time_left_is_the_one_that_is_given_whatever_the_speed_so_far() -> None:
    stream, clock = StringIO(), SetClock()
    with progress(stream, terminal=False, clock=clock) as shown:
        shown.advance(0, 1000, 201.0)
        clock.time_s += 10
        shown.advance(20, 1000, 197.0)
    assert stream.getvalue() == "20 of 1000 changes, 2.0/s, 3 min 17 s left\n"


def test_a_note_is_a_line_at_once_and_an_empty_one_is_none() -> None:
    stream, clock = StringIO(), SetClock()
    with progress(stream, terminal=False, clock=clock) as shown:
        shown.note("about 61 requests\x1b[31m")
        shown.note("")
    assert stream.getvalue() == "about 61 requests\\x1b[31m\n"


def test_on_a_terminal_a_note_stays_above_the_bar() -> None:
    stream, clock = StringIO(), SetClock()
    with progress(stream, terminal=True, clock=clock, width=40) as shown:
        shown.note("reading the account: about 61 requests, 12.2 s at 5 per second")
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    # Broken at a blank, where the terminal would tear a word.
    assert "reading the account: about 61 requests, \n12.2 s at 5 per second\n" in plain


def test_a_hostile_text_of_planning_stays_one_line() -> None:
    stream, clock = StringIO(), SetClock()
    with progress(stream, terminal=False, clock=clock) as shown:
        clock.time_s += 10
        shown.planning("a\x1b[31m\nb")
    assert stream.getvalue() == "a\\x1b[31m\\nb\n"


def test_on_a_terminal_the_bar_says_the_same_and_is_removed_at_the_end() -> None:
    stream, clock = StringIO(), SetClock()
    with progress(stream, terminal=True, clock=clock, width=80) as shown:
        shown.planning("[bold]reading")
        clock.time_s += 1
        shown.advance(0, 20)
        clock.time_s += 1
        shown.advance(5, 20)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "[bold]reading" in plain
    assert "5 of 20 changes, 5.0/s, 3 s left" in plain
    assert stream.getvalue().endswith("\x1b[2K")


def test_on_a_narrow_terminal_the_time_left_is_still_there() -> None:
    stream, clock = StringIO(), SetClock()
    with progress(stream, terminal=True, clock=clock, width=24) as shown:
        shown.advance(0, 1200)
        clock.time_s += 24
        shown.advance(120, 1200)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "120 of 1200, 3 min 36 s" in plain


def test_a_bar_is_drawn_ten_times_a_second_at_most() -> None:
    stream, clock = StringIO(), SetClock()
    with progress(stream, terminal=True, clock=clock, width=80) as shown:
        for done in range(1000):
            clock.time_s += 0.001
            shown.advance(done, 1000)
    assert 9 <= stream.getvalue().count(" of 1000 changes") <= 13
