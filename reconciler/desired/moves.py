"""The rules of `moved` and `forget`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from reconciler.desired.findings import Finding
from reconciler.desired.overlay import Merged
from reconciler.documents.nodes import KeyPath
from reconciler.documents.parse import Document
from reconciler.documents.scalars import clipped, did_you_mean, quoted

_SUGGESTIONS = 20  # each compares with every key: after a few, the mistake is another one


class MoveLine(NamedTuple):
    """A line of `moved`, and where it stands."""

    document: Document
    path: KeyPath
    origin: str
    to: str


def moves_of(documents: Sequence[Document]) -> Iterator[MoveLine]:
    """Yield the `moved` lines of all documents, in their order."""
    for document in documents:
        for index, line in enumerate(document.tree.get("moved", ())):
            if isinstance(line, Mapping):
                yield MoveLine(document, ("moved", index), line["from"], line["to"])


def ends_of(lines: Iterable[MoveLine]) -> dict[str, str]:
    """Return, for each key that `lines` move, the key that they lead to; of a circle, one of its keys."""
    onward = {line.origin: line.to for line in lines}
    ends: dict[str, str] = {}
    for origin, to in onward.items():
        way, key = {origin: ""}, to
        while key in onward and key not in ends and key not in way:
            way[key] = ""
            key = onward[key]
        ends |= dict.fromkeys(way, ends.get(key, key))
    return ends


def forgotten_in(documents: Sequence[Document]) -> Iterator[tuple[Document, KeyPath, str]]:
    """Yield the keys of `forget` of all documents, and where they stand."""
    for document in documents:
        for index, key in enumerate(document.tree.get("forget", ())):
            if isinstance(key, str):
                yield document, ("forget", index), key


def check_moves(
    merged: Merged, documents: Sequence[Document], overlays: Sequence[Document], *, complete: bool
) -> Iterator[Finding]:
    """Yield what is wrong with the `moved` and `forget` lines of all documents."""
    everything = (*documents, *overlays)
    lines = tuple(moves_of(everything))
    round_trips = tuple(_circles(lines))
    going_round = {line for circle in round_trips for line in circle}
    for circle in round_trips:
        way = " → ".join(clipped(line.origin) for line in (*circle, circle[0]))
        message = f"these moves go in a circle: {way}"
        yield Finding(circle[0].document, circle[0].path, message, _opened(circle, merged))
    yield from _torn(lines)
    suggested, origins = 0, {line.origin for line in lines}
    for line in lines:
        if line in going_round:
            continue
        if complete and line.to not in origins and line.to not in merged.entries and line.to not in merged.absent:
            near = did_you_mean(line.to, merged.entries) if suggested < _SUGGESTIONS else ""
            suggested += 1
            message = f"{quoted(line.to)} is not declared"
            hint = near or "a customer moves to a key under `customers`"
            yield Finding(line.document, (*line.path, "to"), message, hint)
        if line.origin in merged.entries:
            message, also = f"{quoted(line.origin)} is still declared, at {{also}}", _declared(merged, line.origin)
            hint = (
                "if that entry is the moved customer, remove it; if it is a new customer, "
                "remove this line once every environment has been applied with it"
            )
            yield Finding(line.document, (*line.path, "from"), message, hint, also=also)
    for document, path, key in forgotten_in(everything):
        if key in merged.entries:
            message = f"{quoted(key)} is declared, at {{also}}"
            hint = "to stop managing it, remove the entry too"
            yield Finding(document, path, message, hint, also=_declared(merged, key))


def _torn(lines: Sequence[MoveLine]) -> Iterator[Finding]:
    """Yield a finding for each line whose `from` an earlier one moves to another key."""
    first: dict[str, MoveLine] = {}
    for line in lines:
        other = first.setdefault(line.origin, line)
        if other.to != line.to:
            message = (
                f"{quoted(line.origin)} moves to two keys, {quoted(other.to)} at {{also}} and {quoted(line.to)} here"
            )
            hint = f"keep the line to the key that {quoted(line.origin)} has now; the other is a new customer"
            also = (other.document, (*other.path, "from"))
            yield Finding(line.document, (*line.path, "from"), message, hint, also=also)


def _opened(circle: Sequence[MoveLine], merged: Merged) -> str:
    """Return which line of a circle may go without harm to an environment that still knows a former key."""
    declared = [line.origin for line in circle if line.origin in merged.entries]
    match declared:
        case []:
            return "declare the key that the customer has now, and remove the line that moves it away from there"
        case [key]:
            return f"{quoted(key)} is declared: remove the line with `from: {clipped(key)}`"
        case _:
            return "moves cannot swap keys: remove these lines, and run `reconciler state move` for each account"


def _circles(lines: Sequence[MoveLine]) -> Iterator[tuple[MoveLine, ...]]:
    """Yield each round trip once, from its first line on."""
    onward = {line.origin: line for line in reversed(lines)}
    seen: set[str] = set()
    for line in lines:
        way: dict[str, Any] = {}
        step = onward.get(line.origin)
        while step is not None and step.origin not in seen:
            seen.add(step.origin)
            way[step.origin] = step
            step = onward.get(step.to)
        if step is not None and step.origin in way:
            steps = list(way.values())
            yield tuple(steps[steps.index(step) :])


def _declared(merged: Merged, key: str) -> tuple[Document, KeyPath]:
    """Return where a key is declared."""
    return merged.entries[key].layers[0], ("customers", key)
