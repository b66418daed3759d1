"""
The kinds of resource: one file and one row of `KINDS` each. Values and pure functions, no I/O.

A kind says its fields, which of them may be patched, what identifies it, how its values compare and
what the API offers for it. A new kind is one file here, one row, one schema, one example, one case
folder; code elsewhere that needs `if kind ==` lacks a column here.
"""

from __future__ import annotations

from reconciler.kinds.kind import CUSTOMER, USER, Field, Kind, Personal

KINDS: tuple[Kind, ...] = (CUSTOMER, USER)

__all__ = ["CUSTOMER", "KINDS", "USER", "Field", "Kind", "Personal"]
