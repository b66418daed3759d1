"""
Every sentence about a plan, an apply or a rule: the only place that turns codes and their typed parts into words.

A module here holds the sentences of one noun, by code. A sentence is a template: `{key}` is a part as it is, and what
follows a colon says how it is written:

===================  ===================================================================================
`{key:q}`            in single quotes, cut where it is long
`{key:address}`      as a command takes it: with `/` and `%` written `%2F` and `%25`
`{key:yaml}`         as a YAML scalar, to be pasted into a file
`{key:flow}`         the same, within `[…]` or `{…}`
`{n:customer}`       a number, or how many there are, with its noun: `3 customers`
`{keys:is|are}`      one word for one of them, another for more
`{at:aside}`         in parentheses, after a space; nothing where there is none
`{ages_s:to}`        `1 to 3`
`{likes:line}`       of a `Likeness`: the line of YAML that says that it is the customer of `{key}`
`{likes:agrees}`     of a `Likeness`: what agrees
`{likes:others}`     of a `Likeness`: who it is, what agrees, and why nothing may be done
`{likes:name}`       of a `Likeness`: what `distinct_from` calls it
`{x:before}`         followed by a colon and a space, `{x:after}` after a space, `{x:colon}` after a colon and a space,
                     `{x:then}` after a semicolon and a space; nothing where it is empty
`{words:plain}`      `Cited` words without quotes, as those of `then` are
`{action:spaced}`    a code as words
===================  ===================================================================================

Several are written as `a, b, and c`, up to `MOST` of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from string import Formatter
from typing import Any, TypeAlias

from reconciler.documents.scalars import quoted, scalar
from reconciler.escape import cited
from reconciler.model.core import Address
from reconciler.model.reasons import Cited, FieldCited, FieldValue, Likeness, Moment, ReasonCode, ReasonParts
from reconciler.report.layout import count

MOST = 3
"""How many of several parts a sentence has; JSON has all."""


Piece: TypeAlias = Any  # as `Formatter` types them


@dataclass(frozen=True, slots=True)
class Wording:
    """What is wrong, or to be known, and what to do about it: "" where there is nothing to do."""

    what: str
    fix: str = ""

    @property
    def text(self) -> str:
        """Return both, one after the other."""
        return f"{self.what} {self.fix}".rstrip()


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
    wording = wordings[code]
    return Wording(said(wording.what, parts), said(wording.fix, parts))


def plain(template: str) -> str:
    """
    Return a template with the names of its parts in it.

    >>> plain("{request:before}{status}{code:after}. See {ids}.")
    '*request*: *status* *code*. See *ids*.'
    """
    return re.sub(r"\{\{|\}\}|\{(\w+):?([^}]*)\}", _named, template)


def _named(found: re.Match[str]) -> str:
    """Return what stands for one part: its name, or the word for several."""
    if found[1] is None:
        return found[0][0]
    one, bar, several = found[2].partition("|")
    noun = "" if not one or bar or one in SPECS or one in _JOINED else f" {one}s"
    before, after, _ = _JOINED.get(one, ("", "", ""))
    return several if bar else f"{before}*{found[1]}*{after}{noun}"


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
        if format_spec and format_spec not in SPECS:
            return count(number, format_spec)
        if not isinstance(value, tuple):
            return self._one(value, format_spec)
        texts = [text for part in value if (text := self._one(part, format_spec))]
        match format_spec:
            case "aside":
                return f" ({', '.join(texts)})" if texts else ""
            case "to":
                return " to ".join(texts)
            case "line":
                return _several(texts, "or")
            case "" | "others" if any(isinstance(part, Likeness) for part in value):
                more = [f"{len(texts) - MOST} more"] if len(texts) > MOST else []
                return "; ".join([*texts[:MOST], *more])
            case _:
                return _several(texts, "" if format_spec in ("flow", "name") else "and")

    def _joined(self, value: Piece, spec: str) -> str:
        """Return a part with what joins it to the sentence; nothing of one that is empty."""
        parts = value if isinstance(value, tuple) else (value,)
        before, after, inner = _JOINED[spec]
        texts = [text for text in (self._one(part, inner) for part in parts) if text not in ("", '""')]
        return "".join(f"{before}{text}{after}" for text in texts)

    def _one(self, part: Piece, spec: str) -> str:
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
        match spec:
            case "address":
                return str(Address(text))
            case "yaml" | "flow":
                return scalar(text, flow=spec == "flow")
            case "q":
                return quoted(text)
            case "spaced":
                return text.replace("_", " ")
            case _:
                return text

    def _likeness(self, one: Likeness, spec: str) -> str:
        """Return a customer that another one may be."""
        match spec:
            case "name":
                return scalar(one.key or one.id, flow=True)
            case "line":
                return f"`{_line(one, str(self._parts['key']))}`" if one.read else ""
            case "agrees":
                return _agrees(one)
        who = f"{quoted(one.key)} ({one.id})" if one.key is not None else one.id
        name = f" ({quoted(one.name.value)})" if one.name.value else ""
        unread = " (its entry was not read here)" if not one.read else ""
        archived = " and is archived" if not one.active else ""
        return f"{who}{name}, which {_agrees(one)}{unread or archived}" if spec else f"{who}{name} {_agrees(one)}"


SPECS = {"q", "address", "yaml", "flow", "aside", "to", "line", "name", "agrees", "others", "plain", "spaced"}
_JOINED = {"before": ("", ": ", ""), "after": (" ", "", ""), "colon": (": ", "", ""), "then": ("; ", "", "plain")}
_SIGNS = {
    "customer_integration_id": "customer_integration_id (equal to the key)",
    "ein": "EIN",
    "domain": "email domain",
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


def _several(texts: Sequence[str], last: str) -> str:
    """
    Return several texts in a row, the last one after `last`; "" for a list in brackets.

    >>> _several(["a", "b", "c", "d"], "and"), _several(["a", "b"], "or"), _several(["a", "b", "c", "d"], "")
    ('a, b, c, and 1 more', 'a or b', 'a, b, c, …')
    """
    shown = list(texts[:MOST])
    if len(texts) > MOST:
        return f"{', '.join(shown)}, {f'{last} {len(texts) - MOST} more' if last else '…'}"
    if not last or len(shown) < 2:  # noqa: PLR2004 - alone, it needs no comma
        return ", ".join(shown)
    return f"{shown[0]} {last} {shown[1]}" if len(shown) == 2 else f"{', '.join(shown[:-1])}, {last} {shown[-1]}"  # noqa: PLR2004
