"""
Plan <-> JSON: the public form (`schema/plan.schema.json`), and the file that `apply PLAN` takes.

What is read back may be forged: each value is of the type that it is written in, else ValueError or the like.

The same plan gives the same bytes. A digest over the content shows accident, not malice: a file that
was edited, cut or put together is refused, each with its own message. Malice gains nothing: of a file
only what was shown to its reader is loaded, and all of it is planned again before anything is sent.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from reconciler.errors import Refused, Source
from reconciler.model.core import Action, Address, Cause, CustomerId, EnvironmentRef, Reason
from reconciler.model.ledger import Binding, PutUsers
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
    Plan,
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
    return {"text": note.kind, **_said("address", address), **_values_to_json(note.values)}


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


FORMAT_VERSION = "1"
"""The version of the public form."""

SAVED_VERSION = 2
"""The version of what a saved plan has besides; 0.1.0 saved plans without one."""

AGAIN = "make a new plan: reconciler plan --out FILE"

_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    What a saved plan keeps of the account that it was made from, so that another key of that account may apply it.

    A client id names a key and not an account. What tells two accounts behind one base URL apart is who lives there:
    the customers that the ledger binds or, while it binds too few, all that were listed.

    - `ledger`: the lineage of the ledger whose bindings proved the account; "" where they did not.
    - `listed`: a digest of the customers that were listed, those apart that the plan archives or restores; "" where
      the account was not listed.
    """

    ledger: str = ""
    listed: str = ""


NO_EVIDENCE = Evidence()


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """
    What an apply takes from a saved plan: what its reader was shown, and nothing that is written or sent.

    - `name` is its digest: two plans that were saved apart differ in it. `fingerprint` is that of `Plan`.
    - `read_at`: the server's clock (seconds since 1970) when the account was read for it. `held`: that of `Pass`, a
      digest of the customers that were listed; "" where it creates nobody.
    - `files`, `folders`, `globs`: what it was made from, for messages alone. `targets`, `excludes` narrow an apply,
      `refresh_users` has it list the users of every customer, as `Terms` says; `recreate` is what it insists on.
    - `evidence`: what tells the account from others, for an apply with another key.
    - `rows`, `users`: digests of the ledger's rows as the plan would have written them, by key and by customer.
    """

    environment: EnvironmentRef
    name: str
    fingerprint: str
    read_at: float
    changes: tuple[Change, ...] = ()
    bindings: tuple[BindingChange, ...] = ()
    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    globs: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    refresh_users: bool = False
    recreate: tuple[str, ...] = ()
    rows: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[CustomerId, str] = field(default_factory=dict)
    held: str = ""
    evidence: Evidence = NO_EVIDENCE


def plan_to_json(plan: Plan, *, mask: Callable[[Plan], Plan] | None = None) -> dict[str, Any]:
    """
    Return `plan` in its public form, ready for `json.dumps`; keys that say nothing are left out.

    `mask` hides personal values; what it gave is marked `redacted`, and no apply takes it.
    """
    shown = plan if mask is None else mask(plan)
    document: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "environment": {
            "name": shown.environment.name,
            "base_url": shown.environment.base_url,
            "account": shown.environment.account,
        },
        "project": shown.project,
        "unknown": list(shown.unknown),
        "summary": {
            **{action.value: shown.count(action) for action in Action},
            "blocked": len(shown.blocked),
            "unchanged": shown.unchanged,
        },
        "cost": cost_to_json(shown.cost),
        "changes": [change_to_json(change) for change in shown.changes],
        "bindings": [binding_to_json(binding) for binding in shown.bindings],
        "limits": [limit_to_json(limit) for limit in shown.limits],
        "blocked": [blocked_to_json(one) for one in shown.blocked],
        "notes": [note_to_json(note) for note in shown.notes],
        "out_of_scope": shown.out_of_scope,
        "fingerprint": shown.fingerprint,
        "files": [{"name": file.name, "sha256": file.sha256} for file in shown.files],
        **{name: list(texts) for name, texts in _asked(shown).items() if texts},
    }
    if shown.unverified:
        document["unverified"] = [unverified_to_json(one) for one in shown.unverified]
    return document if mask is None else document | {"redacted": True}


def save(
    plan: Plan, read_at: float, nonce: str, *, refresh_users: bool = False, evidence: Evidence = NO_EVIDENCE
) -> str:
    """
    Return the text of a plan file: the public form, what only an apply reads, and a digest.

    Each change is a line, in ASCII. `read_at`, `refresh_users` and `evidence` are those of `SavedPlan`; `nonce` is
    another one each time, so that no two plans have one digest.
    """
    document = plan_to_json(plan) | {
        "saved": {
            "version": SAVED_VERSION,
            "nonce": nonce,
            "read_at": read_at,
            **_held(plan),
            **({"refresh_users": True} if refresh_users else {}),
            **{name: text for name, text in asdict(evidence).items() if text},
        },
        "rows": [{"external_id": entry.external_id, "digest": row_digest(entry)} for entry in plan.entries],
        "users": [{"id": row.id, "digest": users_digest(row)} for row in plan.users],
    }
    return as_text(document | {"digest": _digest(document)})


def _held(plan: Plan) -> dict[str, str]:
    """Return what is kept of the listing that lacked all that `plan` creates."""
    return {} if plan.listing is None else {"held": plan.listing.held}


def row_digest(entry: Binding) -> str:
    """Return a digest of a row of the ledger; when it was last written, and over what, does not count."""
    # All of its fields, also those that are new to it.
    row = replace(entry, written_at=0.0, recent_json=None)
    return hashlib.sha256(repr(row).encode("utf-8", "surrogatepass")).hexdigest()


def users_digest(row: PutUsers) -> str:
    """Return a digest of the users that the ledger shall know of one customer."""
    return _digest(users_to_json(row))


def as_pieces(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the text of `as_text` piece by piece, an item of a list each, so that no one has to hold all of it."""
    # json.dumps with an indent is ten times slower: it leaves its C encoder.
    comma = "{\n"
    for key, value in document.items():
        yield f"{comma}{json.dumps(key)}: "
        yield from _pieces(value)
        comma = ",\n"
    yield "\n}\n"


def as_text(document: Mapping[str, Any]) -> str:
    r"""
    Return a JSON object as text: each key, and each item of a list, on a line of its own; in ASCII.

    Every letter that is not ASCII is escaped, so that no text of a customer reorders or breaks a line.

    >>> print(as_text({"a": [1, {"b": "\u202e"}], "c": []}), end="")
    {
    "a": [
    1,
    {"b": "\u202e"}
    ],
    "c": []
    }
    """
    return "".join(as_pieces(document))


def load(text: str) -> SavedPlan:
    """
    Return the plan of a file that `save` wrote.

    Raises Refused for what is no plan, was cut, was altered, was redacted, or is of another version.
    """
    document = _document(text)
    if document.get("format_version") != FORMAT_VERSION:
        raise Refused(
            f"the plan is of format {json.dumps(document['format_version'])[:20]}, and this version reads "
            f"format {FORMAT_VERSION}",
            f"apply it with the version that made it, or {AGAIN}",
        )
    if document.get("redacted"):
        raise Refused("the plan was written with --redact: its values are not in it", AGAIN)
    digest = document.pop("digest", None)
    if digest is None:
        raise Refused("the plan has no digest: it was printed with --format json, not saved", AGAIN)
    if digest != _digest(document):
        raise Refused("the plan was altered after it was saved: its digest differs", AGAIN)
    saved = document.get("saved")
    if not isinstance(saved, dict) or saved.get("version") != SAVED_VERSION:
        raise Refused("the plan was saved by another version of reconciler", AGAIN)
    try:
        return _plan(document, digest)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise Refused("the plan cannot be read: it was not saved by this program", AGAIN) from exc


def _asked(plan: Plan) -> Mapping[str, tuple[str, ...]]:
    """Return what was asked to be read for `plan`, what it was narrowed to, and what it insists on."""
    narrowed = {"targets": plan.targets, "excludes": plan.excludes}
    return {"folders": plan.folders, "globs": plan.globs, **narrowed, "allow_recreate": plan.recreate}


def _plan(document: Mapping[str, Any], digest: str) -> SavedPlan:
    """Return the plan of a whole document; KeyError, TypeError and the like where it is none."""
    environment = document["environment"]
    name, base_url, account = (text(environment[key]) for key in ("name", "base_url", "account"))
    fingerprint, read_at = text(document["fingerprint"]), document["saved"]["read_at"]
    if not _HEX.fullmatch(fingerprint) or not isinstance(read_at, float) or not math.isfinite(read_at):
        raise ValueError("it is no fingerprint, or no time")
    return SavedPlan(
        environment=EnvironmentRef(name, base_url, account),
        name=digest,
        fingerprint=fingerprint,
        read_at=read_at,
        changes=tuple(map(change_from_json, _items(document, "changes"))),
        bindings=tuple(map(binding_from_json, _items(document, "bindings"))),
        files=tuple(text(row["name"]) for row in _items(document, "files")),
        folders=tuple(map(text, _items(document, "folders"))),
        globs=tuple(map(text, _items(document, "globs"))),
        targets=tuple(map(text, _items(document, "targets"))),
        excludes=tuple(map(text, _items(document, "excludes"))),
        refresh_users=document["saved"].get("refresh_users") is True,
        recreate=tuple(map(text, _items(document, "allow_recreate"))),
        rows={text(row["external_id"]): text(row["digest"]) for row in _items(document, "rows")},
        users={CustomerId(text(row["id"])): text(row["digest"]) for row in _items(document, "users")},
        held=text(document["saved"].get("held", "")),
        evidence=Evidence(*(text(document["saved"].get(name, "")) for name in ("ledger", "listed"))),
    )


def _items(document: Mapping[str, Any], key: str) -> list[Any]:
    """Return a list of the document, empty where it is left out; ValueError for what is no list."""
    items = document.get(key, [])
    if isinstance(items, list):
        return items
    raise ValueError(f"{key} is no list")


def _document(text: str) -> dict[str, Any]:
    """Return the JSON object of a plan file; Refused where it is cut, or no plan."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as exc:
        if text.lstrip()[1:].lstrip().startswith('"format_version"'):
            raise Refused("the plan is cut or damaged: it is not whole JSON", AGAIN) from exc
        raise Refused("this is not a saved plan: it is not JSON", AGAIN) from exc
    if not isinstance(document, dict) or "format_version" not in document:
        raise Refused("this is not a saved plan: it has no format_version", AGAIN)
    return document


def _digest(document: Mapping[str, Any]) -> str:
    """Return the SHA-256, in hex, over the content; neither layout nor the order of keys counts."""
    content = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def _pieces(value: object) -> Iterator[str]:
    """Yield the text of one value of the document: a list with one item a line."""
    if not isinstance(value, list) or not value:
        yield json.dumps(value, allow_nan=False)
        return
    comma = "[\n"
    for item in value:
        yield comma + json.dumps(item, allow_nan=False)
        comma = ",\n"
    yield "\n]"
