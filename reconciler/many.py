"""Declares value classes of which a plan has a hundred thousand instances. Imports no other module."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

Noun = TypeVar("Noun")


@dataclass_transform(frozen_default=True)
def one_of_many(*, order: bool = False) -> Callable[[type[Noun]], type[Noun]]:
    """
    Return the decorator of a frozen dataclass with slots that takes a quarter of the usual time to make.

    The type checker refuses an assignment to a field, as of any frozen value. The interpreter does not: what keeps it
    from doing so is passed by at each field of each new value, at five times the price of setting it.
    """
    return dataclass(slots=True, unsafe_hash=True, order=order)
