"""The files that come with the package and are no code: schemas and examples."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """
    Return where the shipped file `name` lies: in the installed package, else in the checkout it runs from.

    >>> shipped("schema/customers.schema.json").name
    'customers.schema.json'
    """
    installed = _PACKAGE / "_shipped" / name
    return installed if installed.exists() else _PACKAGE.parent / name


@cache
def schema(name: str) -> Mapping[str, Any]:
    """Return the JSON Schema `name` (`customers`, `project`, …); read once."""
    loaded: Mapping[str, Any] = json.loads(shipped(f"schema/{name}.schema.json").read_text(encoding="utf-8"))
    return loaded
