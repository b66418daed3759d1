"""Times as HTTP and the API write them, to seconds since 1970 and back. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_S = (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - _EPOCH).total_seconds()


def rfc3339(moment_s: float) -> str:
    """
    Return a moment as the API's `created_at_start` and `created_at_end` take it, in UTC; from 1970 to 9999.

    >>> rfc3339(0), rfc3339(1.5)
    ('1970-01-01T00:00:00Z', '1970-01-01T00:00:01.500000Z')
    """
    within_s = min(max(moment_s, 0.0), _LAST_S)
    return (_EPOCH + timedelta(seconds=within_s)).isoformat().replace("+00:00", "Z")


def from_rfc3339(text: str) -> float | None:
    """
    Return the moment that `text` writes, None where it writes none; without an offset it is UTC.

    >>> from_rfc3339("1970-01-01T01:00:00.123456789+01:00"), from_rfc3339("")
    (0.123456, None)
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


SEEN_AFTER_S = 60.0
"""This long after its creation a customer is visible in any list; clocks that differ a little count too."""


def was_there(created_at: str, moment_s: float) -> bool:
    """
    Say whether whoever was created at `created_at` must have been seen by a listing that began at `moment_s`.

    One whose time cannot be read may always have been there.

    >>> was_there("1970-01-01T00:00:00Z", 61.0), was_there("1970-01-01T00:00:01Z", 61.0), was_there("", 61.0)
    (True, False, True)
    """
    created_s = from_rfc3339(created_at)
    return created_s is None or created_s < moment_s - SEEN_AFTER_S


def from_http(text: str | None) -> float | None:
    """
    Return the moment of an HTTP date (whole seconds), None for no date.

    >>> from_http("Thu, 01 Jan 1970 00:01:00 GMT"), from_http("soon"), from_http(None)
    (60.0, None, None)
    """
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - _EPOCH).total_seconds()


def retry_after(text: str | None, server_now_s: float) -> float | None:
    """
    Return how long a Retry-After header asks to wait, in seconds; None where it says nothing.

    It is a number of seconds, or an HTTP date, which is by the server's clock (RFC 9110, 10.2.3).

    >>> retry_after("3", 0.0), retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 48.0), retry_after("-1", 0.0)
    (3.0, 12.0, None)
    """
    if text is None:
        return None
    number = text.strip()
    if number.isascii() and number.replace(".", "", 1).isdigit():
        return float(number)
    moment = from_http(number)
    return None if moment is None else max(0.0, moment - server_now_s)
