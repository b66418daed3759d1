"""
The hook at every step that can't be undone: a request is sent, an answer arrives, a commit.

Whoever gives one can end the process there, and see that nothing is lost or doubled by it.
"""

from __future__ import annotations

from collections.abc import Callable

Step = Callable[[str], None]
"""Told before a request leaves (`send …`), after its answer (`answer …`), around a commit (`commit`, `committed`)."""


def no_hook(_: str) -> None:
    """Do nothing."""
