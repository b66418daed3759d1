"""What can be set of the emulator: odds as JSON or flags, and the list of all that there is to set."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from enum import StrEnum
from typing import Any

from reconciler.emulator import faults
from reconciler.emulator.faults import Amounts, Fault, Odds, On, Strike
from reconciler.rules import Behaviour, Rewrite, behaviour, questions

_NEXT: Mapping[str, On] = {"next_requests": On.ALL, "next_reads": On.READS, "next_writes": On.WRITES}
_DEFAULTS: Mapping[str, int | float] = asdict(Amounts())
_WHEN = ("chance", "next", "at")
_LARGEST = 10**9
_STATUSES = range(200, 600)
_BODILESS = (204, 205, 304)


def read_odds(values: Mapping[str, object]) -> Odds:
    """
    Return the odds that a JSON object says.

    A fault's name gives a probability, an object of `on`, `chance`, `next` and `at`, or a list of such;
    `next_requests`, `next_reads` and `next_writes` give `{fault: how many}`; the rest are amounts and `seed`.

    >>> read_odds({"lost_after": {"chance": 0.5, "on": "writes"}}).strikes
    (Strike(fault=<Fault.LOST_AFTER: 'lost_after'>, on=<On.WRITES: 'writes'>, chance=0.5, next=0, at=frozenset()),)
    """
    strikes: list[Strike] = []
    amounts: dict[str, Any] = {}
    seed = 0
    for name, value in values.items():
        if name in set(Fault):
            # A probability alone is the shortest object.
            several = value if isinstance(value, list) else [value]
            strikes += [_strike(Fault(name), one) for one in several]
        elif name in _NEXT:
            strikes += _next(name, value)
        elif name == "seed":
            seed = _whole(name, value)
        elif name in _DEFAULTS:
            amounts[name] = _amount(name, value)
        else:
            raise ValueError(f"{name!r} is no fault; there are {', '.join((*Fault, *_NEXT, *_DEFAULTS, 'seed'))}")
    return Odds(tuple(strikes), seed, Amounts(**amounts))


def read_flags(texts: Iterable[str]) -> Odds:
    """
    Return the odds that flags say: `NAME=WHEN`, or an amount's `NAME=NUMBER`.

    WHEN is words joined by commas: a probability, `next:N`, `at:N`, and `reads`, `writes` or `all`.

    >>> read_flags(["slow=0.1,reads", "slow=at:4,at:7,writes", "slow_s=5"]) == read_odds(
    ...     {"slow": [{"chance": 0.1, "on": "reads"}, {"at": [4, 7], "on": "writes"}], "slow_s": 5}
    ... )
    True
    """
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"{text!r}: write NAME=WHEN, as in lost_after=0.1 or slow=next:2,writes")
        if name in set(Fault):
            values.setdefault(name, []).append(_words(name, value))
        else:
            values[name] = _json(value)
    return read_odds(values)


def _words(name: str, text: str) -> dict[str, object]:
    """Return the object that a flag's words mean."""
    said: dict[str, object] = {}
    numbers: list[object] = []
    for word in text.split(","):
        kind, colon, number = word.strip().partition(":")
        if colon and kind == "next":
            said["next"] = _json(number)
        elif colon and kind == "at":
            numbers.append(_json(number))
        elif kind in set(On):
            said["on"] = kind
        elif isinstance(chance := _json(word), int | float):
            said["chance"] = chance
        else:
            raise ValueError(f"{name}: {word!r} is none of a probability, next:N, at:N, {', '.join(On)}")
    return {**said, "at": numbers} if numbers else said


def _json(text: str) -> object:
    """Return the value of a text that is JSON, else the text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _strike(fault: Fault, value: object) -> Strike:
    """Return one strike of a fault."""
    if not isinstance(value, Mapping):
        return Strike(fault, chance=_chance(fault, value))
    if not set(value) <= {"on", *_WHEN} or not set(value) & set(_WHEN):
        raise ValueError(f"{fault} is a probability, or an object of on and of chance, next or at")
    on, at = value.get("on", On.ALL), value.get("at", [])
    if on not in list(On):
        raise ValueError(f"{fault}: on is one of {', '.join(On)}")
    if not isinstance(at, list):
        at = [at]
    return Strike(
        fault,
        On(on),
        _chance(fault, value.get("chance", 0.0)),
        _whole(f"{fault}: next", value.get("next", 0)),
        frozenset(_whole(f"{fault}: at", number, least=1) for number in at),
    )


def _next(name: str, value: object) -> list[Strike]:
    """Return the strikes of the next requests, which come one fault after the other."""
    if not isinstance(value, Mapping) or not set(value) <= set(Fault):
        raise ValueError(f"{name} gives a number for some of {', '.join(Fault)}")
    return [Strike(Fault(fault), _NEXT[name], next=_whole(f"{name}: {fault}", count)) for fault, count in value.items()]


def _chance(name: str, value: object) -> float:
    """Return a probability."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{name} is a probability, from 0 to 1")
    return float(value)


def _amount(name: str, value: object) -> int | float:
    """Return the value of an amount."""
    if isinstance(_DEFAULTS[name], int):
        number = _whole(name, value, least=1)
        if name == "html_status" and (number not in _STATUSES or number in _BODILESS):
            raise ValueError("html_status is a status that has a body, from 200 to 599")
        return number
    return seconds(name, value, least=-_LARGEST if name == "jump_s" else 0)


def seconds(name: str, value: object, *, least: float = -_LARGEST) -> float:
    """Return a number of seconds, whose size a clock can show."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not least <= value <= _LARGEST:  # type: ignore[arg-type, operator]
        raise ValueError(f"{name} is a number of seconds{', not below 0' if least == 0 else ''}")
    return value  # type: ignore[return-value]


def _whole(name: str, value: object, *, least: int = 0) -> int:
    """Return a whole number."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _LARGEST:
        raise ValueError(f"{name} is a whole number, not below {least}")
    return value


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
