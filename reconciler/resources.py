"""The package's data files: schemas, examples, and the commit it was built from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parent
CHECKOUT = _PACKAGE.parent
"""Where the sources lie, if it runs from a checkout."""

DISTRIBUTION = "alternative-payments-reconciler"
"""What pip calls the package; the `reconciler` of PyPI is another project."""


def shipped(name: str) -> Path:
    """
    Return where the shipped file `name` lies: in the installed package, else in the checkout it runs from.

    >>> shipped("schema/customers.schema.json").name
    'customers.schema.json'
    """
    installed = _PACKAGE / "_shipped" / name
    return installed if installed.exists() else CHECKOUT / name


def built_from() -> str:
    """Return the commit that the package was built from, "" where it does not say one, as in a checkout."""
    try:
        return (_PACKAGE / "_shipped" / "commit").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def to_install(extra: str) -> str:
    """
    Return the command that installs what an extra needs.

    >>> to_install("objects")
    "pip install 'alternative-payments-reconciler[objects]'"
    """
    return f"pip install '{DISTRIBUTION}[{extra}]'"


@cache
def schema(name: str) -> Mapping[str, Any]:
    """Return the JSON Schema `name` (`customers`, `project`, …); read once."""
    loaded: Mapping[str, Any] = json.loads(shipped(f"schema/{name}.schema.json").read_text(encoding="utf-8"))
    return loaded
