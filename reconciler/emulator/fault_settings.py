"""What can be set of the emulator: switches and odds as JSON or flags, and the list of faults."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields, replace
from enum import StrEnum
from typing import Any

from reconciler.emulator import faults
from reconciler.emulator.faults import Amounts, Fault, Odds, On, Strike
from reconciler.rules import Behaviour, Rewrite
from reconciler.rules.behaviour import CHOICES, SyncUndoes

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
            raise ValueError(
                f"{name!r} is not a fault; the faults are {', '.join((*Fault, *_NEXT, *_DEFAULTS, 'seed'))}"
            )
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


def switched(ways: Behaviour, values: Mapping[str, object]) -> Behaviour:
    """
    Return a behavior with switches set; a value is JSON's, or the text of it.

    ValueError names a switch that does not exist, or what it may be.

    >>> ways = switched(Behaviour(), {"unique": "none", "page_max": "50", "rewrites": ["trim"]})
    >>> ways.unique, ways.page_max, ways.rewrites
    (<Unique.NONE: 'none'>, 50, frozenset({<Rewrite.TRIM: 'trim'>}))
    """
    defaults = {field.name: field.default for field in fields(Behaviour)}
    read: dict[str, Any] = {}
    for name, value in values.items():
        if name not in defaults:
            raise ValueError(f"{name!r} is not a switch; the switches are {', '.join(defaults)}")
        read[name] = _switch(name, value, defaults[name])
    return replace(ways, **read)


def _switch(name: str, value: object, default: object) -> object:
    """Return `value` as the type that `default` has."""
    match default:
        case bool():
            return _boolean(name, value)
        case StrEnum():
            return _choice(name, value, type(default))
        case frozenset():
            words = _list(name, value)
            return frozenset(_choice(name, word, SETS[name]) for word in words) if name in SETS else words
        case _:
            return _number(name, value, whole=isinstance(default, int))


SETS: Mapping[str, type[StrEnum]] = {"rewrites": Rewrite, "sync_undoes": SyncUndoes}
"""The switches that are a list of words of a closed set."""


def _boolean(name: str, value: object) -> bool:
    """Return a boolean or the word for one."""
    text = str(value).lower()
    if text not in {"true", "false"}:
        raise ValueError(f"{name} must be true or false")
    return text == "true"


def _choice(name: str, value: object, words: type[StrEnum]) -> StrEnum:
    """Return the word of a closed set that `value` is."""
    try:
        # JSON's null is a word of `clears` and `unset`.
        return words("null" if value is None else str(value))
    except ValueError as exc:
        raise ValueError(f"{name} must be one of {', '.join(words)}") from exc


def _list(name: str, value: object) -> frozenset[str]:
    """Return the words of a list, or of a text that joins them by commas."""
    parts = value.split(",") if isinstance(value, str) else value
    if isinstance(parts, list | tuple | set | frozenset):
        return frozenset(word for part in parts if (word := str(part).strip()))
    raise ValueError(f"{name} must be a list of words")


def _number(name: str, value: object, *, whole: bool) -> int | float:
    """Return a number that is not negative, one of the choices where there are such."""
    wrong = f"{name} must be a whole number" if whole else f"{name} must be a number"
    if name in CHOICES:
        wrong = f"{name} must be one of {', '.join(map(str, CHOICES[name]))}"
    try:
        number = int(str(value)) if whole else float(str(value))
    except ValueError as exc:
        raise ValueError(wrong) from exc
    if not 0 <= number <= _LARGEST or number not in CHOICES.get(name, (number,)):
        raise ValueError(wrong)
    if name == "page_max" and number < 1:
        raise ValueError("page_max must be at least 1")
    return number


Row = tuple[str, str, str]


def fault_rows() -> Iterator[Row]:
    """Yield each fault's name, nothing, and what it is."""
    for fault in faults.Fault:
        yield fault, "", faults.MEANINGS[fault]


def amount_rows() -> Iterator[Row]:
    """Yield each amount's name, its default and what it is."""
    for name, default in asdict(faults.Amounts()).items():
        yield name, f"{default:g}", faults.AMOUNTS[name]
