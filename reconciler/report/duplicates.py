"""Customers that are there twice, as text and as a value for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.escape import visible
from reconciler.model.core import LiveCustomer
from reconciler.model.plan import MOST_ALIKE, Candidate, Doubles, DuplicateGroup, Twins
from reconciler.report.layout import BLANK, Line, Span, count, line, page, shown
from reconciler.report.messages.plan import kept_text
from reconciler.report.redact import masked

MOST_GROUPS = 20
MOST_MEMBERS = 5
"""So much of likely twins is shown as text; an account may be full of them, and JSON has all."""


def duplicates_json(found: Doubles, *, redact: bool = False) -> dict[str, Any]:
    """Return all that is there twice as a value for JSON; the one to keep is first in its group."""
    return {
        "duplicates": [
            {
                "external_id": group.external_id,
                "keep": group.kept.customer.id,
                "why": kept_text(group.why),
                "code": group.why,
                "customers": [
                    {
                        **_customer_json(one.customer, redact=redact),
                        "bound_to": one.key,
                        "payment_methods": one.payment_methods,
                        "users": one.users,
                    }
                    for one in group.candidates
                ],
            }
            for group in found.groups
        ],
        "twins": [
            {
                "equal": {name: masked(name, value) if redact else value for name, value in twins.fields},
                "alike": list(twins.alike),
                "score": round(twins.score, 2),
                "customers": [_customer_json(one, redact=redact) for one in twins.customers],
            }
            for twins in found.twins
        ],
    }


def duplicates_text(found: Doubles, *, width: int, color: bool, redact: bool = False) -> str:
    """Return what is there twice as text of at most `width` columns; of likely twins the first."""
    return page(_lines(found, redact=redact), width=width, color=color)


def groups_text(found: Doubles, *, width: int, color: bool, redact: bool = False) -> str:
    """Return the customers that share an external_id alone, as text of at most `width` columns."""
    return page(_groups(found, redact=redact), width=width, color=color)


def _customer_json(one: LiveCustomer, *, redact: bool) -> dict[str, Any]:
    """Return one customer as a value for JSON."""
    name = one.fields.get("name", "")
    return {
        "id": one.id,
        "external_id": one.external_id,
        "name": masked("name", name) if redact else name,
        "created_at": one.created_at,
    }


def _lines(found: Doubles, *, redact: bool) -> Iterator[Line]:
    """Yield the duplicates, the likely twins, and what they come to."""
    yield from _groups(found, redact=redact)
    if found.twins:
        yield line(f"Likely duplicates, never archived by Reconciler ({len(found.twins)})", "bold")
        for twins in found.twins[:MOST_GROUPS]:
            yield from _twins(twins, redact=redact)
        left = len(found.twins) - MOST_GROUPS
        if left > 0:
            yield line(f"and {left} more: --format json has all of them", indent=2)
        yield BLANK
    extra = sum(len(group.candidates) - 1 for group in found.groups)
    if extra:
        yield line(
            f"{count(extra, 'duplicate')} of {count(len(found.groups), 'customer')}; "
            f"{count(len(found.twins), 'likely twin')}. `reconciler duplicates --archive` keeps one of each.",
            "bold",
        )
    else:
        yield line(f"No two active customers share an external_id; {count(len(found.twins), 'likely twin')}.", "bold")


def _groups(found: Doubles, *, redact: bool) -> Iterator[Line]:
    """Yield the customers that share an external_id."""
    if not found.groups:
        return
    yield line(f"Active customers that share an external_id ({len(found.groups)})", "bold")
    for group in found.groups:
        yield from _group(group, redact=redact)
    yield BLANK


def _group(group: DuplicateGroup, *, redact: bool) -> Iterator[Line]:
    """Yield those that share an external_id, the one to keep first and why."""
    yield line(shown(group.external_id), "bold", indent=2)
    for one in group.candidates:
        kept = one is group.kept
        why = f" ({kept_text(group.why)})" if kept else ""
        facts = ", ".join(_facts(one, redact=redact))
        verb = Span("keep     ", "green") if kept else Span("archive  ", "red")
        yield Line((verb, Span(visible(one.customer.id), "bold"), Span(f"{why}  {facts}")), indent=4, hang=9)


def _facts(one: Candidate, *, redact: bool) -> Iterator[str]:
    """Yield what speaks for a candidate."""
    yield _name(one.customer, redact=redact)
    if one.key is not None:
        yield f"bound to {shown(one.key)}"
    if one.payment_methods is not None:
        yield count(one.payment_methods, "payment method")
    if one.users is not None:
        yield count(one.users, "user")
    yield f"created {visible(one.customer.created_at) or 'at an unknown time'}"


def _twins(twins: Twins, *, redact: bool) -> Iterator[Line]:
    """Yield customers that agree, and in what."""
    alike = f"{' and '.join(twins.alike)} alike" if twins.alike else ""
    score = f"score {min(twins.score, MOST_ALIKE):.1f} of {MOST_ALIKE:.0f}" if twins.score else ""
    yield line(", ".join(filter(None, (*_equal(twins.fields, redact=redact), alike, score))), indent=2)
    for one in twins.customers[:MOST_MEMBERS]:
        key = shown(one.external_id) if one.external_id else "no external_id"
        facts = f"  {key}, {_name(one, redact=redact)}, created {visible(one.created_at)}"
        yield Line((Span(visible(one.id), "bold"), Span(facts)), indent=4)
    left = len(twins.customers) - MOST_MEMBERS
    if left > 0:
        yield line(f"and {left} more", indent=4)


def _equal(fields: Sequence[tuple[str, str]], *, redact: bool) -> Iterator[str]:
    """Yield each field in which twins agree, with its value."""
    for name, value in fields:
        yield f"{name} {shown(masked(name, value) if redact else value)}"


def _name(one: LiveCustomer, *, redact: bool) -> str:
    """Return a customer's name."""
    name = one.fields.get("name", "")
    return shown(masked("name", name) if redact else name)
