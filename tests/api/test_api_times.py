from __future__ import annotations

import pytest

from reconciler.api.times import from_http, from_rfc3339, retry_after, rfc3339


@pytest.mark.parametrize("text", ["2025-03-01T12:00:00Z", "2025-03-01T12:00:00.250000Z"])
def test_a_time_of_the_api_survives_the_way_there_and_back(text: str) -> None:
    assert rfc3339(from_rfc3339(text) or 0) == text


@pytest.mark.parametrize("text", ["", "yesterday", "2025-13-01T00:00:00Z", "123"])
def test_what_is_no_time_is_none(text: str) -> None:
    assert from_rfc3339(text) is None


def test_times_out_of_range_are_the_nearest_in_it() -> None:
    assert (rfc3339(-5), rfc3339(1e18)) == ("1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z")


@pytest.mark.parametrize("text", ["Thu, 99 Jan 1970 00:00:00 GMT", "x", "Thu, 01 Jan 99999999999 00:00:00 GMT"])
def test_a_bad_http_date_is_none(text: str) -> None:
    assert from_http(text) is None


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        (None, None),
        ("2", 2.0),
        (" 2.5 ", 2.5),
        ("-2", None),
        ("soon", None),
        ("\u0662", None),
        ("Thu, 01 Jan 1970 00:00:10 GMT", 5.0),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date_by_the_servers_clock(text: str | None, wait_s: float | None) -> None:
    assert retry_after(text, 5.0) == wait_s
