"""
Each part of a plan to its JSON, and back where an apply reads it. Keys that say nothing are left out.

What is read back may be forged: each value is of the type that it is written in, else ValueError or the like.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.errors import Source
from reconciler.model.core import Action, Address, Cause, CustomerId, Reason
from reconciler.model.ledger import PutUsers
from reconciler.model.plan import (
    BindingAction,
    BindingChange,
    Blocked,
    Change,
    Cost,
    Exceeded,
    FieldChange,
    Fit,
    Note,
    Unverified,
)

Json = dict[str, Any]


def change_to_json(change: Change) -> Json:
    """Return the JSON of a change; `id` is null where the plan creates the customer."""
    return {
        "action": change.action.value,
        "address": str(change.address),
        "external_id": change.address.external_id,
        "id": change.id,
        "reason": change.reason.value,
        "fields": [
            {"name": one.name, "before": one.before, "after": one.after, "cause": one.cause.value}
            for one in change.fields
        ],
        **_said("otherwise", change.otherwise),
        **_said("unless_listed", change.unless_listed or None),
        **_said("payment_methods", change.payment_methods),
        **_source_to_json(change.source),
    }


def change_from_json(row: Mapping[str, Any]) -> Change:
    """Return the change of its JSON, as far as it was shown to be done: where it was declared stays out."""
    return Change(
        action=Action(row["action"]),
        address=Address.parse(text(row["address"])),
        id=None if row["id"] is None else CustomerId(text(row["id"])),
        reason=Reason(row["reason"]),
        fields=tuple(map(_field_from_json, row["fields"])),
        otherwise=Action(row["otherwise"]) if "otherwise" in row else None,
        unless_listed=row.get("unless_listed", False) is True,
        payment_methods=_number(row.get("payment_methods")),
    )


def _field_from_json(row: Mapping[str, Any]) -> FieldChange:
    """Return one field of a change of its JSON."""
    after = None if row["after"] is None else text(row["after"])
    return FieldChange(text(row["name"]), text(row["before"]), after, Cause(row["cause"]))


def binding_to_json(binding: BindingChange) -> Json:
    """Return the JSON of a binding that begins, moves or ends; `from` is the former key of a move."""
    return {
        "action": binding.action.value,
        "address": str(binding.address),
        "id": binding.id,
        **_said("from", binding.origin),
    }


def binding_from_json(row: Mapping[str, Any]) -> BindingChange:
    """Return the binding change of its JSON."""
    origin = text(row["from"]) if "from" in row else None
    return BindingChange(
        BindingAction(row["action"]), Address.parse(text(row["address"])), CustomerId(text(row["id"])), origin
    )


def text(value: object) -> str:
    """Return a value that is a text; ValueError where it is not."""
    if isinstance(value, str):
        return value
    raise ValueError("it is no text")


def _number(value: object) -> int | None:
    """Return a value that is a whole number or nothing; ValueError where it is not."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise ValueError("it is no whole number")


def blocked_to_json(one: Blocked) -> Json:
    """Return the JSON of what is blocked."""
    return {
        "address": str(one.address),
        **_said("field", one.field),
        "reason": one.reason,
        "hint": one.hint,
        **_said("ids", list(one.ids) or None),
        **({} if one.moved is None else {"moved": {"from": one.moved.origin, "to": one.moved.to}}),
        **_source_to_json(one.source),
        **_values_to_json(one.values),
    }


def note_to_json(note: Note) -> Json:
    """Return the JSON of a note; without `address` it is about the whole plan."""
    address = None if note.address is None else str(note.address)
    return {"text": note.text, **_said("address", address), **_values_to_json(note.values)}


def cost_to_json(cost: Cost) -> Json:
    """Return the JSON of the price; `seconds` is what the requests take at the rate."""
    # 5.0 is written 5: the rate is a number that people read.
    rate = int(cost.rate_per_s) if cost.rate_per_s.is_integer() else cost.rate_per_s
    seconds = round(cost.seconds, 3)
    price = {"requests": cost.requests, "seconds": seconds, "rate_per_second": rate, "overhead": cost.overhead}
    return price | _fit(cost.fit)


def _fit(fit: Fit | None) -> Json:
    """Return in how many runs the plan fits under `fits_in`, nothing where that was not asked."""
    if fit is None:
        return {}
    bounds = {**_said("max_requests", fit.max_requests), **_said("max_duration_seconds", fit.max_duration_s)}
    return {"fits_in": {"windows": fit.windows, **bounds}}


def unverified_to_json(one: Unverified) -> Json:
    """Return the JSON of a customer whose state cannot be verified yet."""
    times = {"written_seconds_ago": round(one.ago_s, 3), "verifiable_in_seconds": round(one.left_s, 3)}
    return {"address": str(one.address), "id": one.id, **times}


def _said(key: str, value: object) -> Json:
    """Return `value` under its key, nothing for None."""
    return {} if value is None else {key: value}


def limit_to_json(limit: Exceeded) -> Json:
    """Return the JSON of an exceeded limit."""
    counted = {"name": limit.name, "planned": limit.planned, "allowed": limit.allowed, "flag": limit.flag}
    return {
        **counted,
        **_source_to_json(limit.source),
        **_said("action", limit.action),
        **_said("rule", limit.rule or None),
        **_said("opens_at", limit.opens_at or None),
    }


def _source_to_json(source: Source | None) -> Json:
    """Return the place of a declaration under `source`, nothing where there is none."""
    return {} if source is None else {"source": source.as_json()}


def _values_to_json(values: tuple[tuple[str, str], ...]) -> Json:
    """Return the values that a text quotes under `values`."""
    return {"values": [{"field": name, "value": value} for name, value in values]} if values else {}


def users_to_json(row: PutUsers) -> dict[str, Any]:
    """Return the users that the ledger shall know of one customer, for their digest."""
    users = [
        {
            "email": user.email,
            "fields": dict(user.fields),
            "applied": None if user.applied is None else dict(user.applied),
        }
        for user in row.users
    ]
    return {"id": row.id, "users": users}
