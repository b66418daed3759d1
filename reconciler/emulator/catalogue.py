"""What there is to set, as rows of words: for the command's lists and for the reference."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, fields
from enum import StrEnum

from reconciler.emulator import faults
from reconciler.rules import Behaviour, Rewrite, behaviour, questions

Row = tuple[str, str, str]


def switch_rows() -> Iterator[Row]:
    """
    Yield each switch's name, its default and what it is, with the values where they are few.

    >>> next(row for row in switch_rows() if row[0] == "page_shape")
    ('page_shape', 'flat', 'where a page keeps its cursors: beside data, or in pagination (flat, nested)')
    """
    for field in fields(Behaviour):
        yield field.name, _text(field.default), questions.MEANINGS[field.name] + _choices(field.name, field.default)


def fault_rows() -> Iterator[Row]:
    """Yield each fault's name, nothing, and what it is."""
    for fault in faults.Fault:
        yield fault, "", faults.MEANINGS[fault]


def amount_rows() -> Iterator[Row]:
    """Yield each amount's name, its default and what it is."""
    for name, default in asdict(faults.Amounts()).items():
        yield name, f"{default:g}", faults.AMOUNTS[name]


def _text(default: object) -> str:
    """Return a default as `--set` takes it; nothing for an empty list."""
    match default:
        case frozenset():
            return ",".join(sorted(default))
        case bool():
            return json.dumps(default)
        case _:
            return f"{default}"


def _choices(name: str, default: object) -> str:
    """Return the values that a switch may have, where it has not any number or text."""
    words: tuple[object, ...] = behaviour.CHOICES.get(name, ())
    if isinstance(default, StrEnum):
        words = tuple(type(default))
    elif name == "rewrites":
        words = tuple(Rewrite)
    return f" ({', '.join(map(str, words))})" if words else ""
