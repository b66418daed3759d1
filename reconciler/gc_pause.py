"""Pauses the garbage collector while millions of values without cycles are created. Imports no other module."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collector(*, lasting: bool = False) -> Iterator[None]:
    """
    Keep the cycle collector off: it would look at each of the many new values again and again.

    What is made in here is `lasting` where the process needs it to its end: the collector does not look at it later
    either. What is in cycles then stays too, so that it is for a process that does this once or twice.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if lasting:
            gc.freeze()
        if was_on:
            gc.enable()
