"""
Values <-> JSON, through cattrs: one converter for every noun, and how its classes differ from their fields.

Import it only where JSON is made or read: cattrs takes as long to load as a short command takes in all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar

from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from reconciler.errors import Source
from reconciler.model.core import Address
from reconciler.model.reasons import Cited, Likeness, Moment, ReasonParts

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
    for kind in (str, bool, int, float):
        made.register_structure_hook(kind, _only(kind))
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
        number = kind is float and isinstance(value, int | float) and math.isfinite(value)
        if type(value) is kind or (number and not isinstance(value, bool)):
            return kind(value) if number else value  # type: ignore[call-arg,return-value]
        raise ValueError(f"{kind.__name__} expected")

    return read


def read_text(value: object) -> str:
    """Return a value that is text; ValueError where it is not."""
    if isinstance(value, str):
        return value
    raise ValueError("text expected")
