"""
Every sentence about a plan, an apply or a rule: the only place that turns codes and their typed parts into words.

A module here holds the sentences of one noun, by code. A sentence is a template: `{key}` is a part as it is, and what
follows a colon says how it is written:

===================  ===================================================================================
`{key:q}`            in single quotes, cut where it is long
`{key:yaml}`         as a YAML scalar, to be pasted into a file
`{key:flow}`         the same, within `[…]` or `{…}`
`{n:customer}`       a number, or how many there are, with its noun: `3 customers`
`{keys:is|are}`      one word for one of them, another for more
`{at:minute}`        a time as people read it
`{likes:line}`       of a `Likeness`: the line of YAML that says that it is the customer of `{key}`
`{likes:name}`       of a `Likeness`: what `distinct_from` calls it
`{x:before}`         followed by a colon and a space, `{x:after}` after a space, `{x:colon}` after a colon and a space,
                     `{x:then}` after a semicolon and a space; nothing where it is empty
`{words:plain}`      `Cited` words without quotes, as those of `then` are
`{action:spaced}`    a code as words
===================  ===================================================================================

Several are written as `a, b, and c`, up to `MOST` of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from string import Formatter
from typing import Any, TypeAlias

from reconciler.documents.scalars import quoted, scalar
from reconciler.escape import cited
from reconciler.model.reasons import Cited, FieldCited, FieldValue, Likeness, Moment, ReasonCode, ReasonParts
from reconciler.report.layout import count

MOST = 3
"""So many of several parts stand in a sentence; JSON has all."""


Piece: TypeAlias = Any  # as `Formatter` types them


@dataclass(frozen=True, slots=True)
class Wording:
    """What is wrong, or to be known, and what to do about it: "" where there is nothing to do."""

    what: str
    fix: str = ""


def said(template: str, parts: ReasonParts) -> str:
    """
    Return a sentence with its parts.

    >>> said("{keys:q} {keys:is|are} bound to {id}", {"keys": ("acme", "globex"), "id": "cus_1"})
    "'acme' and 'globex' are bound to cus_1"
    >>> said("{field} stays {value}", {"field": "city", "value": FieldValue("city", "Boston")})
    "city stays 'Boston'"
    """
    return _Sentence(parts).vformat(template, (), parts)


def worded(wordings: Mapping[Any, Wording], code: ReasonCode, parts: ReasonParts) -> Wording:
    """Return the wording of a code with its parts."""
    wording = wordings[code]
    return Wording(said(wording.what, parts), said(wording.fix, parts))


def placeholders(wording: Wording) -> set[str]:
    """
    Return the names of the parts that a wording shows.

    >>> sorted(placeholders(Wording("{id} is {name:q}", "delete {id}")))
    ['id', 'name']
    """
    return {name for text in (wording.what, wording.fix) for _, name, _, _ in Formatter().parse(text) if name}


class _Sentence(Formatter):
    """Writes parts into a template."""

    def __init__(self, parts: ReasonParts) -> None:
        self._parts = parts

    def format_field(self, value: Piece, format_spec: str) -> str:
        """Return a part as its place in the sentence wants it."""
        number = len(value) if isinstance(value, tuple) else value
        if "|" in format_spec:
            one, several = format_spec.split("|")
            return one if number == 1 else several
        if format_spec in _JOINED:
            return self._joined(value, format_spec)
        if format_spec and format_spec not in _SPECS:
            return count(number, format_spec)
        if isinstance(value, tuple):
            return _several([self._one(part, format_spec) for part in value], compact=format_spec in _IN_LISTS)
        return self._one(value, format_spec)

    def _joined(self, value: Piece, spec: str) -> str:
        """Return a part with what joins it to the sentence; nothing of one that is empty."""
        parts = value if isinstance(value, tuple) else (value,)
        before, after, inner = _JOINED[spec]
        texts = [text for text in (self._one(part, inner) for part in parts) if text not in ("", '""')]
        return "".join(f"{before}{text}{after}" for text in texts)

    def _one(self, part: Piece, spec: str) -> str:
        """Return one part as `spec` says."""
        match part:
            case FieldValue():
                return quoted(part.value) if part.value else "empty"
            case Cited():
                return part.words if spec == "plain" else cited(part.words)
            case FieldCited():
                return f"{part.field}: {cited(part.words)}" if part.field else cited(part.words)
            case Moment():
                return f"{datetime.fromtimestamp(part.at, UTC):%Y-%m-%d %H:%M} UTC"
            case Likeness():
                return self._likeness(part, spec)
            case _:
                text = str(part)
        if spec in ("yaml", "flow"):
            return scalar(text, flow=spec == "flow")
        if spec == "spaced":
            return text.replace("_", " ")
        return quoted(text) if spec == "q" else text

    def _likeness(self, one: Likeness, spec: str) -> str:
        """Return a customer that another one may be."""
        if spec == "name":
            return scalar(one.key or one.id, flow=True)
        if spec == "line":
            return _line(one, str(self._parts["key"]))
        if spec == "agrees":
            return _agrees(one)
        who = f"{quoted(one.key)} ({one.id})" if one.key is not None else one.id
        name = f" {quoted(one.name.value)}" if one.name.value else ""
        return f"{who}{name} {_agrees(one)}"


_SPECS = {"q", "yaml", "flow", "minute", "line", "name", "agrees", "plain", "spaced"}
_JOINED = {"before": ("", ": ", ""), "after": (" ", "", ""), "colon": (": ", "", ""), "then": ("; ", "", "plain")}
_IN_LISTS = {"flow", "name"}
_SIGNS = {
    "customer_integration_id": "customer_integration_id (equal to the key)",
    "ein": "EIN",
    "email": "email",
    "name": "name",
}


def _agrees(one: Likeness) -> str:
    """Return in words what agrees."""
    fields = " and ".join(_SIGNS.get(sign, sign) for sign in one.signs)
    near = f"has almost the same key ({quoted(one.near)})" if one.near else ""
    same = f"has the same {fields}" if fields else ""
    return f"{near} and the same {fields}" if near and fields else near or same


def _line(one: Likeness, key: str) -> str:
    """Return the line of YAML that says that `one` is the customer of `key`."""
    if one.key is None:
        return f"id: {scalar(one.id)}"
    return f"moved: [{{from: {scalar(one.key, flow=True)}, to: {scalar(key, flow=True)}}}]"


def _several(texts: Iterable[str], *, compact: bool) -> str:
    """
    Return several parts in a row.

    >>> _several(["a", "b", "c", "d"], compact=False), _several("ab", compact=False), _several("abcd", compact=True)
    ('a, b, c, and 1 more', 'a and b', 'a, b, c, …')
    """
    shown = list(texts)
    if len(shown) > MOST:
        shown = [*shown[:MOST], "…" if compact else f"and {len(shown) - MOST} more"]
        return ", ".join(shown)
    if compact or len(shown) < 2:  # noqa: PLR2004 - alone, it needs no comma
        return ", ".join(shown)
    return f"{shown[0]} and {shown[1]}" if len(shown) == 2 else f"{', '.join(shown[:-1])}, and {shown[-1]}"  # noqa: PLR2004
