"""The rules of `moved` and `forget`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from reconciler.desired.findings import Finding
from reconciler.desired.overlay import Merged
from reconciler.documents.parse import Document
from reconciler.documents.places import Path
from reconciler.documents.words import clipped, did_you_mean, quoted

_SUGGESTIONS = 20  # each compares with every key: after a few, the mistake is another one


class MoveLine(NamedTuple):
    """A line of `moved`, and where it stands."""

    document: Document
    path: Path
    origin: str
    to: str


def moves_of(documents: Sequence[Document]) -> Iterator[MoveLine]:
    """Yield the `moved` lines of all documents, in their order."""
    for document in documents:
        for index, line in enumerate(document.tree.get("moved", ())):
            if isinstance(line, Mapping):
                yield MoveLine(document, ("moved", index), line["from"], line["to"])


def forgotten_in(documents: Sequence[Document]) -> Iterator[tuple[Document, Path, str]]:
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
        yield Finding(circle[0].document, circle[0].path, message, "remove one of them")
    yield from _twice(lines)
    suggested = 0
    for line in lines:
        if line in going_round:
            continue
        if complete and line.to not in merged.entries and line.to not in merged.absent:
            near = did_you_mean(line.to, merged.entries) if suggested < _SUGGESTIONS else ""
            suggested += 1
            message = f"{quoted(line.to)} is not declared"
            hint = near or "a customer moves to a key under `customers`"
            yield Finding(line.document, (*line.path, "to"), message, hint)
        if line.origin in merged.entries:
            message, also = f"{quoted(line.origin)} is still declared, at {{also}}", _declared(merged, line.origin)
            yield Finding(line.document, (*line.path, "from"), message, "remove this line, or that entry", also=also)
    for document, path, key in forgotten_in(everything):
        if key in merged.entries:
            message = f"{quoted(key)} is declared, at {{also}}"
            hint = "to stop managing it, remove the entry too"
            yield Finding(document, path, message, hint, also=_declared(merged, key))


def _twice(lines: Sequence[MoveLine]) -> Iterator[Finding]:
    """Yield a finding for each second line with one `from`, or with one `to`."""
    for step in ("from", "to"):
        first: dict[str, MoveLine] = {}
        for line in lines:
            key = line.origin if step == "from" else line.to
            other = first.setdefault(key, line)
            if other is not line:
                what = "moves twice" if step == "from" else "is moved to twice"
                message = f"{quoted(key)} {what}, first at {{also}}"
                also = (other.document, (*other.path, step))
                yield Finding(line.document, (*line.path, step), message, "remove one of the two", also=also)


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


def _declared(merged: Merged, key: str) -> tuple[Document, Path]:
    """Return where a key is declared."""
    return merged.entries[key].layers[0], ("customers", key)
