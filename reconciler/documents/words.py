"""Paths, values and near misses in words that are safe to show."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from reconciler.escape import visible

_SHOWN = 60  # characters of a text that a message shows
_COMPARED = 200  # characters of the longest word that is compared with others


def clipped(text: str) -> str:
    """
    Return `text` made visible, and cut where it is long.

    >>> clipped("a" * 100_000_000) == "a" * 60 + "…"
    True
    """
    return visible(text) if len(text) <= _SHOWN else visible(text[:_SHOWN]) + "…"


def quoted(text: str) -> str:
    """Return `text` in single quotes, made visible and cut where it is long."""
    return f"'{clipped(text)}'"


def written(path: Iterable[str | int]) -> str:
    """
    Return a path as messages write it.

    >>> written(("customers", "acme", "ignore_changes", 0))
    'customers.acme.ignore_changes[0]'
    """
    steps = (f"[{step}]" if isinstance(step, int) else f".{clipped(step)}" for step in path)
    return "".join(steps).removeprefix(".")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """
    Return the hint that names the known word nearest to `word`, "" where none is near.

    >>> did_you_mean("emial", ["name", "email"])
    "did you mean 'email'?"
    """
    length = len(word)
    candidates = tuple(one for one in known if abs(len(one) - length) <= 1 + length // 3)
    # Two long words take minutes to compare.
    near = _nearest(word, candidates) if length <= _COMPARED else None
    return f"did you mean {quoted(near)}?" if near else ""


# A mistake is often made a thousand times.
@lru_cache(maxsize=64)
def _nearest(word: str, candidates: tuple[str, ...]) -> str | None:
    """Return the candidate that is most like `word`, None where none is."""
    from difflib import get_close_matches  # noqa: PLC0415 - most runs have no mistake in them

    near = get_close_matches(word, candidates, n=1)
    return near[0] if near else None
