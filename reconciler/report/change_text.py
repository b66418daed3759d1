"""One change as lines: whom, why, where it is declared, and each field's old and new value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from reconciler.escape import visible
from reconciler.model.core import Action
from reconciler.model.plan import Change, FieldChange
from reconciler.report.layout import Line, Part, columns, line, padded
from reconciler.report.words import REASONS, address, count, shown

_MARKS = {
    Action.RESTORE: ("^", "cyan"),
    Action.PATCH: ("~", "yellow"),
    Action.CREATE: ("+", "green"),
    Action.CREATE_USER: ("+", "green"),
    Action.ARCHIVE: ("-", "red"),
}
_NARROW = 60
"""Below this width old and new stand below each other."""


def change_lines(change: Change, *, width: int, nested: bool = False) -> Iterator[Line]:
    """Yield the lines of `change`; `nested` is a user below the customer that is created with it."""
    indent = 6 if nested else 2
    yield _head(change, indent, nested=nested)
    inner = indent + 4
    match change.action:
        case Action.PATCH:
            yield from _compared(change.fields, width, inner)
        case Action.RESTORE:
            if change.otherwise is not None:
                yield line("if the API does not know it (404), it is created with:", indent=inner)
                yield from _valued(change.fields, inner + 2)
        case Action.CREATE:
            yield from _valued(change.fields, inner)
        case Action.CREATE_USER:
            # Its e-mail stands in its address.
            yield from _valued(tuple(one for one in change.fields if one.name != "email"), inner)
            if change.unless_listed:
                yield line("unless the customer has it already, which its restore will show", indent=inner)
        case Action.ARCHIVE:
            pass
        case _:
            assert_never(change.action)


def facts(change: Change, *, nested: bool = False) -> str:
    """Return its id, reason, payment methods and place, as far as there are any; safe to show."""
    known = [] if nested else [REASONS[change.reason]]
    if change.id is not None:
        known.insert(0, visible(change.id))
    if change.payment_methods is not None:
        known.append(count(change.payment_methods, "payment method"))
    where = visible(str(change.source)) if change.source else ""
    return "  ".join(filter(None, (", ".join(known), where)))


def _head(change: Change, indent: int, *, nested: bool) -> Line:
    """Return the first line: mark, address, facts."""
    mark, style = _MARKS[change.action]
    text = visible(change.address.email or "") if nested else address(change.address)
    rest = facts(change, nested=nested)
    return Line((Part(f"{mark} ", style), Part(text, f"bold {style}"), Part(f"  {rest}" if rest else "")), indent)


def _valued(fields: tuple[FieldChange, ...], indent: int) -> Iterator[Line]:
    """Yield each field with its value, the values below each other."""
    size = max((columns(one.name) for one in fields), default=0)
    for one in fields:
        yield line(f"{padded(visible(one.name), size)}  {shown(one.after)}", indent=indent, hang=size + 2)


def _compared(fields: tuple[FieldChange, ...], width: int, indent: int) -> Iterator[Line]:
    """Yield each field's old and new value: side by side where all fit, else below each other."""
    rows = [(visible(one.name), shown(one.before), shown(one.after), one.cause.value) for one in fields]
    names, befores, afters, causes = (
        [max(map(columns, cells), default=0) for cells in zip(*rows, strict=True)] if rows else [0, 0, 0, 0]
    )
    beside = width >= _NARROW and indent + names + befores + afters + causes + len("   ->   ()") <= width
    for name, before, after, cause in rows:
        if beside:
            yield Line(
                (
                    Part(f"{padded(name, names)}  "),
                    Part(padded(before, befores), "red"),
                    Part(" -> "),
                    Part(after, "green"),
                    Part(" " * (afters - columns(after)) + f"  ({cause})"),
                ),
                indent,
            )
        else:
            yield line(f"{name} ({cause})", indent=indent)
            yield line(f"- {before}", "red", indent=indent + 2)
            yield line(f"+ {after}", "green", indent=indent + 2)
