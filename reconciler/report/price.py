"""What reading an account costs, said before it is paid."""

from __future__ import annotations

from math import ceil

from reconciler.model.core import Live
from reconciler.model.ledger import Learned
from reconciler.report.words import count, duration


def reading_requests(learned: Learned) -> int | None:
    """
    Return how many requests a token and one listing take by what the last one held; None where none is known.

    Ranges are cut so that they take one more together, nearly always.

    >>> reading_requests(Learned(longest_page=100, listed=5_950)), reading_requests(Learned())
    (61, None)
    """
    if not learned.longest_page:
        return None
    return 1 + max(1, ceil(learned.listed / learned.longest_page)) + bool(learned.cuts)


def again_requests(customers: int, longest_page: int) -> int:
    """
    Return how many requests it takes to list the account once more, in one; a full last page is asked for another.

    >>> again_requests(350, 100), again_requests(300, 100), again_requests(0, 0)
    (4, 4, 1)
    """
    return 1 if not longest_page else max(1, ceil(customers / longest_page) + (customers % longest_page == 0))


def again_price(live: Live, rate_per_s: float) -> str:
    """Return what it costs to list the account once more, in one line; without a limit nothing worth a line: ""."""
    if not rate_per_s:
        return ""
    requests = again_requests(len(live.listed), live.longest_page)
    price = f"about {count(requests, 'request')}, {duration(requests / rate_per_s)} at {rate_per_s:g} per second"
    return f"listing the account once more, to be sure of who is not there: {price}"


def reading_price(learned: Learned, users: int, rate_per_s: float, *, alone: int = 0) -> str:
    """
    Return what reading the account costs, in one line; the users of so many customers are listed besides.

    `alone` is how many targets are read instead of it, 0 for the account. Without a limit, which only an emulator
    has, it costs nothing worth a line: "".

    >>> reading_price(Learned(longest_page=100, listed=5_950), 0, 5.0)
    'reading the account: about 61 requests, 12.2 s at 5 per second'
    >>> reading_price(Learned(longest_page=100, listed=5_950), 0, 5.0, alone=2)
    'reading 2 targets alone: about 3 requests, 0.6 s at 5 per second, and not the 61 of the account'
    >>> reading_price(Learned(), 0, 5.0)
    'reading the account: its size is not known yet'
    """
    account = reading_requests(learned)
    if not rate_per_s:
        return ""
    if account is None:
        return "reading the account: its size is not known yet"
    requests = users + (1 + alone if alone else account)
    price = f"about {count(requests, 'request')}, {duration(requests / rate_per_s)} at {rate_per_s:g} per second"
    if alone:
        return f"reading {count(alone, 'target')} alone: {price}, and not the {account + users} of the account"
    return f"reading the account: {price}"
