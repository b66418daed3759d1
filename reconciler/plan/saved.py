"""
Plan <-> JSON: the public form (`schema/plan.schema.json`), and the file that `apply PLAN` takes.

The same plan gives the same bytes. A digest over the content shows accident, not malice: a file that
was edited, cut or put together is refused, each with its own message.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reconciler.errors import Refused
from reconciler.model import Action, EnvironmentRef, SourceFile
from reconciler.plan import saved_parts as parts
from reconciler.plans import Plan

FORMAT_VERSION = "1"

_AGAIN = "make a new plan with 'plan --out FILE'"


def plan_to_json(plan: Plan, *, mask: Callable[[Plan], Plan] | None = None) -> dict[str, Any]:
    """
    Return `plan` in its public form, ready for `json.dumps`; keys that say nothing are left out.

    `mask` hides personal values; what it gave is marked `redacted` and holds neither entries nor users, and no
    apply takes it.
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
        "cost": parts.cost_to_json(shown.cost),
        "changes": [parts.change_to_json(change) for change in shown.changes],
        "bindings": [parts.binding_to_json(binding) for binding in shown.bindings],
        "limits": [parts.limit_to_json(limit) for limit in shown.limits],
        "blocked": [parts.blocked_to_json(one) for one in shown.blocked],
        "notes": [parts.note_to_json(note) for note in shown.notes],
        "out_of_scope": shown.out_of_scope,
        "fingerprint": shown.fingerprint,
        "files": [{"name": file.name, "sha256": file.sha256} for file in shown.files],
        **{name: list(texts) for name, texts in _asked(shown).items() if texts},
    }
    if mask is None:
        entries = [parts.entry_to_json(entry) for entry in shown.entries]
        return document | {"entries": entries, "users": [parts.users_to_json(row) for row in shown.users]}
    return document | {"redacted": True}


def save(plan: Plan) -> str:
    """Return the text of a plan file: the public form and its digest, one change a line, in ASCII."""
    document = plan_to_json(plan)
    return as_text(document | {"digest": _digest(document)})


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


def load(text: str) -> Plan:
    """
    Return the plan of a file that `save` wrote.

    Raises Refused for what is no plan, was cut, was altered, was redacted, or is of a newer version.
    """
    document = _document(text)
    if document.get("format_version") != FORMAT_VERSION:
        raise Refused(
            f"the plan is of format {json.dumps(document['format_version'])[:20]}, and this version reads "
            f"format {FORMAT_VERSION}",
            f"apply it with the version that made it, or {_AGAIN}",
        )
    if document.get("redacted"):
        raise Refused("the plan was written with --redact: its values are not in it", _AGAIN)
    digest = document.pop("digest", None)
    if digest is None:
        raise Refused("the plan has no digest: it was printed with --format json, not saved", _AGAIN)
    if digest != _digest(document):
        raise Refused("the plan was altered after it was saved: its digest differs", _AGAIN)
    try:
        return _plan(document)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise Refused("the plan cannot be read: it was not saved by this program", _AGAIN) from exc


def _asked(plan: Plan) -> Mapping[str, tuple[str, ...]]:
    """Return what was asked to be read for `plan`, and what it was narrowed to."""
    return {"folders": plan.folders, "globs": plan.globs, "targets": plan.targets, "excludes": plan.excludes}


def _plan(document: Mapping[str, Any]) -> Plan:
    """Return the plan of a whole document; KeyError, TypeError and the like where it is none."""
    environment, summary = document["environment"], document["summary"]
    return Plan(
        environment=EnvironmentRef(environment["name"], environment["base_url"], environment["account"]),
        project=document["project"],
        changes=tuple(map(parts.change_from_json, document["changes"])),
        bindings=tuple(map(parts.binding_from_json, document["bindings"])),
        blocked=tuple(map(parts.blocked_from_json, document["blocked"])),
        limits=tuple(map(parts.limit_from_json, document["limits"])),
        notes=tuple(map(parts.note_from_json, document["notes"])),
        unknown=tuple(document["unknown"]),
        cost=parts.cost_from_json(document["cost"]),
        unchanged=summary["unchanged"],
        out_of_scope=document["out_of_scope"],
        fingerprint=document["fingerprint"],
        files=tuple(SourceFile(row["name"], row["sha256"]) for row in document["files"]),
        folders=tuple(document.get("folders", ())),
        globs=tuple(document.get("globs", ())),
        targets=tuple(document.get("targets", ())),
        excludes=tuple(document.get("excludes", ())),
        entries=tuple(map(parts.entry_from_json, document["entries"])),
        users=tuple(map(parts.users_from_json, document["users"])),
    )


def _document(text: str) -> dict[str, Any]:
    """Return the JSON object of a plan file; Refused where it is cut, or no plan."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as exc:
        if text.lstrip()[1:].lstrip().startswith('"format_version"'):
            raise Refused("the plan is cut or damaged: it is not whole JSON", _AGAIN) from exc
        raise Refused("this is not a saved plan: it is not JSON", _AGAIN) from exc
    if not isinstance(document, dict) or "format_version" not in document:
        raise Refused("this is not a saved plan: it has no format_version", _AGAIN)
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
