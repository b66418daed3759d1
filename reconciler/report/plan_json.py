"""A plan as JSON: the public form (`schema/plan.schema.json`), with the code and the parts of each reason in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.convert import parts_to_json, plan_converter
from reconciler.model.core import Action
from reconciler.model.plan import FORMAT_VERSION, Blocked, Note, Plan, Unknown
from reconciler.model.policy import Since
from reconciler.model.reasons import ReasonCode, ReasonParts, quoted_values
from reconciler.report.messages.plan import blocked_wording, note_text, unknown_text
from reconciler.report.redact import masked_plan

Json = dict[str, Any]


def plan_to_json(plan: Plan, *, redact: bool = False) -> Json:
    """
    Return `plan` in its public form, ready for `json.dumps`; keys that say nothing are left out.

    `redact` masks personal values; such a plan is marked `redacted`, and no apply takes it.
    """
    shown = masked_plan(plan) if redact else plan
    write = plan_converter().unstructure
    document: Json = {
        "format_version": FORMAT_VERSION,
        "environment": write(shown.environment),
        "project": shown.project,
        "unknown": [unknown_text(one) for one in shown.unknown],
        "unknown_reasons": [unknown_to_json(one) for one in shown.unknown],
        "summary": {
            **{action.value: shown.count(action) for action in Action},
            "blocked": len(shown.blocked),
            "unchanged": shown.unchanged,
        },
        "cost": write(shown.cost),
        "changes": write(shown.changes),
        "bindings": write(shown.bindings),
        "limits": write(shown.limits),
        "approvals": write(shown.approvals),
        **({} if shown.allow is None else {"allow": write(shown.allow)}),
        "blocked": [blocked_to_json(one) for one in shown.blocked],
        "notes": [note_to_json(one) for one in shown.notes],
        "out_of_scope": shown.out_of_scope,
        "fingerprint": shown.fingerprint,
        "files": write(shown.files),
        **{name: list(texts) for name, texts in _asked(shown).items() if texts},
    }
    if shown.since is not None:
        document["changed_since"] = _since_to_json(shown.since)
    if shown.unverified:
        document["unverified"] = write(shown.unverified)
    return document | {"redacted": True} if redact else document


def blocked_to_json(one: Blocked) -> Json:
    """Return the JSON of what is blocked: why and what to do in words, and the code with its parts."""
    write, wording = plan_converter().unstructure, blocked_wording(one)
    said = {"field": one.field, "reason": wording.what, "hint": wording.fix}
    where = {"ids": list(one.ids), "moved": write(one.moved), "source": write(one.source)}
    return _given({"address": str(one.address), **said, **coded(one.reason, one.parts), **where})


def note_to_json(note: Note) -> Json:
    """Return the JSON of a note; without `address` it is about the whole plan."""
    address = None if note.address is None else str(note.address)
    return _given({"text": note_text(note), "address": address, **coded(note.kind, note.parts)})


def unknown_to_json(one: Unknown) -> Json:
    """Return the JSON of what cannot be known."""
    return _given({"text": unknown_text(one), **coded(one.kind, one.parts)})


def coded(code: ReasonCode, parts: ReasonParts) -> Json:
    """Return a code and its parts, and the values of fields among them; keys that have nothing are left out."""
    values = [{"field": name, "value": value} for name, value in quoted_values(parts)]
    return _given({"code": code.value, "parts": parts_to_json(plan_converter(), parts), "values": values})


def _since_to_json(since: Since) -> Json:
    """Return the JSON of the commit that a plan was narrowed by; `whole` is the code of the note that says why not."""
    numbers = {"customers": since.customers, "planned": since.planned}
    return _given({"ref": since.ref, "commit": since.commit, "whole": since.whole}) | numbers


def _given(keys: Json) -> Json:
    """Return the keys that hold something."""
    return {key: value for key, value in keys.items() if value not in (None, [], {})}


def _asked(plan: Plan) -> Mapping[str, tuple[str, ...]]:
    """Return what was asked to be read for `plan`, what it was narrowed to, and what it insists on."""
    narrowed = {"targets": plan.targets, "excludes": plan.excludes}
    return {"folders": plan.folders, "globs": plan.globs, **narrowed, "allow_recreate": plan.recreate}
