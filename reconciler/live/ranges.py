"""Where a listing is cut into ranges of `created_at`, so that they can be read at once. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from reconciler.api.times import from_rfc3339, rfc3339

PAGES_A_RANGE = 10
"""A range may cost one request more, so there is at most one for so many pages."""

MOST = 16
"""So many ranges at most."""

AT_ONCE = 8
"""
So many are read at once: enough for 5 requests per second at a second and a half of latency.

Each more is a connection that the pool looks at before every request: sixteen took a twentieth of a plan's CPU.
"""

OVERLAP_S = 2
"""
How far a range reaches beyond each of its cuts: bounds may be exclusive, and times rounded to the second.

Both ranges at a cut hold whoever was created within these two seconds before and after it; so whatever the server
makes of a bound, and of the part of a second that it does not show, nobody stands between two ranges.
"""

# What is shown may be up to a second before, or after, what was compared with the bounds.
_STRAY_S = 2


@dataclass(frozen=True, slots=True)
class Range:
    """Whoever was created between two moments (seconds since 1970); None is open. The moments include the overlap."""

    start_s: float | None = None
    end_s: float | None = None

    def query(self) -> tuple[tuple[str, str], ...]:
        """Return the parameters that narrow a list of customers to this range."""
        bounds = (("created_at_start", self.start_s), ("created_at_end", self.end_s))
        return tuple((name, rfc3339(moment_s)) for name, moment_s in bounds if moment_s is not None)

    def holds(self, created_at: str) -> bool:
        """
        Say whether a server that narrows by these bounds may list a customer created then.

        >>> [Range(end_s=100).holds(text) for text in ("1970-01-01T00:01:41Z", "1970-01-01T00:01:43Z", "")]
        [True, False, False]
        """
        created_s = from_rfc3339(created_at)
        if created_s is None:
            return False
        return (self.start_s is None or self.start_s - _STRAY_S <= created_s) and (
            self.end_s is None or created_s <= self.end_s + _STRAY_S
        )


def ranges_of(cuts: Sequence[int]) -> tuple[Range, ...]:
    """
    Return the ranges between `cuts`, moments in ascending order: together, they hold whoever there is.

    >>> [(one.start_s, one.end_s) for one in ranges_of([100, 200])]
    [(None, 102), (98, 202), (198, None)]
    """
    edges = (None, *cuts, None)
    return tuple(
        Range(
            None if after is None else after - OVERLAP_S,
            None if before is None else before + OVERLAP_S,
        )
        for after, before in pairwise(edges)
    )


def cuts_of(created: Iterable[str], page: int) -> tuple[int, ...]:
    """
    Return where to cut a listing of customers with these created_at; nothing where it is to be read in one.

    `page` is how many customers stand on a page. There is at most one range for ten pages, and together they take at
    most one request more for each. Where many were created at once, there are fewer, as whoever stands in an overlap
    is read twice. Who has no created_at that is a time may stand in no range: then there are none.
    """
    seconds: list[int] = []
    for text in created:
        moment_s = from_rfc3339(text)
        if moment_s is None:
            return ()
        seconds.append(int(moment_s // 1))
    most = min(ceil(len(seconds) / max(page, 1)) // PAGES_A_RANGE, MOST)
    if most <= 1:
        return ()
    seconds.sort()
    tried = (_cut(seconds, page, count) for count in range(most, 1, -1))
    return next((cuts for cuts in tried if cuts and _affordable(seconds, page, cuts)), ())


def _cut(seconds: Sequence[int], page: int, count: int) -> tuple[int, ...]:
    """
    Return the cuts between about `count` ranges of about as many pages.

    A range is a little shorter than its pages: a last page that is full would be asked for its successor.
    """
    cuts: list[int] = []
    start = ended = 0
    for left in range(count, 1, -1):
        whole = ceil((len(seconds) - start) / (page * left)) * page
        if start + whole > len(seconds):
            break
        beyond = seconds[start + whole - 1]
        place = bisect_left(seconds, beyond)
        if place - ended < page:
            # Nearly all of the range were created within this second: it ends after it.
            beyond += 1
            place = bisect_left(seconds, beyond)
        if place == len(seconds):
            break
        # Who is shown in the second before `beyond` is the last to be in the range.
        cuts.append(beyond - 1 - OVERLAP_S)
        ended, start = place, bisect_left(seconds, beyond - 1 - 2 * OVERLAP_S)
    return tuple(cuts)


def _affordable(seconds: Sequence[int], page: int, cuts: Sequence[int]) -> bool:
    """Say whether the ranges take at most one request more for each than the listing in one."""
    sizes = (
        (len(seconds) if one.end_s is None else bisect_left(seconds, one.end_s + 1))
        - (0 if one.start_s is None else bisect_left(seconds, one.start_s))
        for one in ranges_of(cuts)
    )
    return sum(ceil(size / page) for size in sizes) <= ceil(len(seconds) / page) + len(cuts) + 1
