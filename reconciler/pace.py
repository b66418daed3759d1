"""
When the next request of a key may be sent. Pure: the caller has the clock.

FAQ: 5 requests per second per key; "space requests out evenly". All moments are seconds of one monotonic
clock, which those who share a pace share too.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from math import inf

HAIR = 1.005
"""The spacing over 1/rate: what timers and the network shift must not make a sixth request in a second."""
NO_WAIT_S = 1e-6
"""Too short a wait may not move a clock of floats."""
FORGOTTEN_S = 600.0
"""How long the last 429 slows down requests that no answer speeds up: another user of the key may be gone by then."""
_SLOWEST = 1 / 16
_RECOVERY = 1 / 50
_PLAUSIBLE_S = 300.0
"""Further ahead than any pause or queue is: the clock has begun again since."""
_KEPT_S = 2.0
"""Longer than any second that a request can be in the way of."""


@dataclass(frozen=True, slots=True)
class Pace:
    """
    Requests of one key: the next moment that is free, a pause, the share of the rate, and the last ones.

    `left_s` holds the last requests in the order of their slots: when each left, or is to leave; the first
    of them has the number `first`. `slowed_s` is when a 429 last lowered `share`.
    """

    next_s: float = -inf
    paused_until_s: float = -inf
    slowed_s: float = -inf
    share: float = 1.0
    first: int = 0
    left_s: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of one request: its number, from when it may leave, and whether it was allowed to leave."""

    number: int
    due_s: float
    taken: bool = False


def to_text(pace: Pace) -> str:
    """Return a pace as a text, for whoever keeps it."""
    return json.dumps(asdict(pace))


def from_text(text: str | bytes, now_s: float) -> Pace:
    """Return the pace of a text; a new one where it holds none, or one of another clock than that of `now_s`."""
    try:
        said = json.loads(text)
        pace = Pace(**{**said, "left_s": tuple(map(float, said["left_s"]))})
        furthest_s = max(pace.next_s, pace.paused_until_s, pace.slowed_s, *pace.left_s, -inf)
        return pace if furthest_s <= now_s + _PLAUSIBLE_S and 0 < pace.share <= 1 and pace.first >= 0 else Pace()
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return Pace()


def shift(pace: Pace, by_s: float) -> Pace:
    """Return the pace with its moments by another clock, `by_s` ahead of the one they were by."""
    return replace(
        pace,
        next_s=pace.next_s + by_s,
        paused_until_s=pace.paused_until_s + by_s,
        slowed_s=pace.slowed_s + by_s,
        left_s=tuple(left_s + by_s for left_s in pace.left_s),
    )


def share_at(pace: Pace, now_s: float) -> float:
    """Return the share of the full rate that may be used; 1 where the last 429 is long ago."""
    return pace.share if now_s - pace.slowed_s <= FORGOTTEN_S else 1.0


def reserve(pace: Pace, rate_per_s: float, now_s: float) -> tuple[Pace, Slot]:
    """
    Return the pace with one more slot, and the slot: a spacing after the one before, never in the past.

    >>> pace, first = reserve(Pace(), 5.0, 10.0)
    >>> _, second = reserve(pace, 5.0, 10.0)
    >>> first.due_s, round(second.due_s, 3)
    (10.0, 10.201)
    """
    number = pace.first + len(pace.left_s)
    due_s = max(pace.next_s, pace.paused_until_s, now_s, _a_second_after(pace, number, rate_per_s))
    old = next((place for place, left_s in enumerate(pace.left_s) if left_s > now_s - _KEPT_S), len(pace.left_s))
    return replace(
        pace,
        next_s=due_s + HAIR / (rate_per_s * share_at(pace, now_s)),
        first=pace.first + old,
        left_s=(*pace.left_s[old:], due_s),
    ), Slot(number, due_s)


def take(pace: Pace, slot: Slot, rate_per_s: float, now_s: float) -> tuple[Pace, Slot]:
    """
    Return the pace in which a slot that has come is used, and the slot, taken; or the slot to wait for instead.

    That is another one after a pause, and where this one was slept through: its time may be used by now. It is
    the same one, later, where the n-th before it left late, n being the requests of a second.
    """
    if pace.paused_until_s > now_s + NO_WAIT_S or now_s - slot.due_s > HAIR / rate_per_s:
        return _again(pace, slot, rate_per_s, now_s)
    free_s = _a_second_after(pace, slot.number, rate_per_s)
    if free_s > now_s + NO_WAIT_S:
        return after_leaving(pace, slot.number, free_s), replace(slot, due_s=free_s)
    return after_leaving(pace, slot.number, now_s), replace(slot, due_s=now_s, taken=True)


def _again(pace: Pace, slot: Slot, rate_per_s: float, now_s: float) -> tuple[Pace, Slot]:
    """Return another slot for one that was missed; taken where it has come already, so that nobody waits forever."""
    pace, other = reserve(after_leaving(pace, slot.number, -inf), rate_per_s, now_s)
    return pace, replace(other, taken=other.due_s <= now_s + NO_WAIT_S)


def after_leaving(pace: Pace, number: int, left_s: float) -> Pace:
    """Return the pace in which request `number` left at `left_s`: later than its slot, or never (minus infinity)."""
    place = number - pace.first
    if not 0 <= place < len(pace.left_s):
        return pace
    return replace(pace, left_s=(*pace.left_s[:place], left_s, *pace.left_s[place + 1 :]))


def after_throttle(pace: Pace, left_s: float, wait_s: float, now_s: float) -> Pace:
    """
    Return the pace after a 429 to a request that left at `left_s`: a pause of `wait_s`, then half the rate.

    Several 429s to requests that left before the first of them was answered are one event.
    """
    paused = replace(pace, paused_until_s=max(pace.paused_until_s, now_s + wait_s))
    if left_s <= pace.slowed_s:
        return paused
    return replace(paused, slowed_s=now_s, share=max(share_at(pace, now_s) / 2, _SLOWEST))


def after_answer(pace: Pace, now_s: float) -> Pace:
    """Return the pace after an answer: a fiftieth of the full rate is won back."""
    return replace(pace, share=min(1.0, share_at(pace, now_s) + _RECOVERY))


def _a_second_after(pace: Pace, number: int, rate_per_s: float) -> float:
    """Return when the n-th request before `number` is a second away; minus infinity where it is no longer known."""
    second = int(rate_per_s)
    place = number - second - pace.first
    return pace.left_s[place] + HAIR * second / rate_per_s if second and 0 <= place < len(pace.left_s) else -inf
