"""
Values <-> JSON, through cattrs: one converter for every noun, and how its classes differ from their fields.

Import it only where JSON is made or read: cattrs takes as long to load as a short command takes in all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum
from functools import cache, partial
from typing import Any, TypeAlias, TypeVar, get_args, get_origin

from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from reconciler.errors import Source
from reconciler.model.core import Address
from reconciler.model.plan import BindingChange, Change, Cost, FieldChange, Fit, Rename, Unverified
from reconciler.model.reasons import Cited, Likeness, Moment, ReasonParts
from reconciler.model.reports import Pending

Json = dict[str, Any]
Noun = TypeVar("Noun")
Override: TypeAlias = Any  # of cattrs, which does not export its name

ALWAYS: Override = override(omit_if_default=False)
"""Of a field that JSON has though it holds its default."""
NEVER: Override = override(omit=True)
"""Of a field that JSON does not have."""


def renamed(key: str) -> Override:
    """Return what gives a field another key in JSON."""
    return override(rename=key)


def new_converter() -> Converter:
    """
    Return a converter that writes no defaults, and that reads what is of the declared type alone.

    What it reads raises KeyError, TypeError or ValueError, never a group of exceptions.
    """
    # One fault at a time: several would come as a group.
    made = Converter(detailed_validation=False, omit_if_default=True, unstruct_collection_overrides={tuple: list})
    made.register_structure_hook(float, _number)
    for kind in (str, bool, int):
        made.register_structure_hook(kind, _only(kind))
    made.register_structure_hook_func(_is_tuple, partial(_tuple, made))
    made.register_structure_hook(StrEnum, lambda value, cls: cls(value))
    made.register_unstructure_hook(StrEnum, str)
    made.register_unstructure_hook(Address, str)
    made.register_structure_hook(Address, lambda value, _: Address.parse(read_text(value)))
    made.register_unstructure_hook(Source, Source.as_json)
    made.register_unstructure_hook(Moment, lambda one: one.at)
    made.register_unstructure_hook(Cited, lambda one: {"cited": one.words})
    declare(made, Likeness, key=ALWAYS, signs=ALWAYS)
    return made


def declare(made: Converter, noun: type[Any], **differs: Override) -> None:
    """Say how the JSON of a class differs from its fields: `ALWAYS`, `NEVER`, or another name."""
    made.register_unstructure_hook(noun, make_dict_unstructure_fn(noun, made, _cattrs_omit_if_default=True, **differs))
    made.register_structure_hook(noun, make_dict_structure_fn(noun, made, **differs))


def parts_to_json(made: Converter, parts: ReasonParts) -> Json:
    """Return the parts of a reason as JSON: a value of a field is an object, several parts are a list."""
    return {name: made.unstructure(part) for name, part in parts.items()}


def _only(kind: type[Noun]) -> Callable[[object, object], Noun]:
    """Return what takes a value of `kind` alone; cattrs would make one of anything."""

    def read(value: object, _: object) -> Noun:
        if type(value) is kind:
            return value
        raise ValueError(f"{kind.__name__} expected")

    return read


def _number(value: object, _: object) -> float:
    """Return a number; neither infinity nor what is no number."""
    if type(value) in (int, float) and math.isfinite(number := float(value)):  # type: ignore[arg-type]
        return number
    raise ValueError("number expected")


def _is_tuple(cls: object) -> bool:
    """Say whether a field is declared as a tuple of one type."""
    origin: object = get_origin(cls)
    return origin is tuple


def _tuple(made: Converter, value: object, cls: type) -> tuple[Any, ...]:
    """Return a tuple of one type; an object, or a text, is none."""
    if not isinstance(value, list):
        raise ValueError("list expected")  # noqa: TRY004 - as anything else that is not of its type
    kind = get_args(cls)[0]
    read = made.get_structure_hook(kind)
    return tuple(read(item, kind) for item in value)


def read_text(value: object) -> str:
    """Return a value that is text; ValueError where it is not."""
    if isinstance(value, str):
        return value
    raise ValueError("text expected")


@cache
def plan_converter() -> Converter:
    """Return what writes the values of a plan, those apart that `report` says in words, and reads its changes."""
    made = new_converter()
    declare(made, FieldChange, before=ALWAYS, after=ALWAYS, cause=ALWAYS)
    declare(made, Change, fields=ALWAYS)
    made.register_structure_hook(Change, make_dict_structure_fn(Change, made, source=NEVER))
    change = made.get_unstructure_hook(Change)
    made.register_unstructure_hook(Change, partial(_change, change))
    declare(made, BindingChange, origin=renamed("from"))
    declare(made, Pending, fields=ALWAYS, source=ALWAYS)
    declare(made, Rename, origin=renamed("from"))
    declare(made, Fit, max_duration_s=renamed("max_duration_seconds"))
    made.register_unstructure_hook(Cost, partial(_cost, made))
    made.register_unstructure_hook(Unverified, _unverified)
    return made


def _change(written: Callable[[Change], Json], change: Change) -> Json:
    """Return the JSON of a change: with its external_id after its address, which may be a user's."""
    row = written(change)
    return {
        "action": row["action"],
        "address": row["address"],
        "external_id": change.address.external_id,
        **row,
    }


def _cost(made: Converter, cost: Cost) -> Json:
    """Return the JSON of the price; `seconds` is what the requests take at the rate."""
    # 5.0 is written 5: the rate is a number that people read.
    rate = int(cost.rate_per_s) if cost.rate_per_s.is_integer() else cost.rate_per_s
    seconds = round(cost.seconds, 3)
    price = {"requests": cost.requests, "seconds": seconds, "rate_per_second": rate, "overhead": cost.overhead}
    return price if cost.fit is None else {**price, "fits_in": made.unstructure(cost.fit)}


def _unverified(one: Unverified) -> Json:
    """Return the JSON of a customer whose state cannot be verified yet."""
    times = {"written_seconds_ago": round(one.ago_s, 3), "verifiable_in_seconds": round(one.left_s, 3)}
    return {"address": str(one.address), "id": one.id, **times}
