"""Customers files loaded for a test, and a folder of `cases/` as the inputs of the planner."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeAlias, cast

import pytest

from reconciler.desired.load import Loaded, load_desired
from reconciler.errors import Invalid, ReconcilerError
from reconciler.kinds.wire import compact, read_customer, read_user, with_record
from reconciler.model.convert import parts_to_json, plan_converter
from reconciler.model.core import Action, Address, CustomerId, Desired, End, EnvironmentRef, Live, LiveCustomer, Read
from reconciler.model.ledger import (
    Binding,
    BindingState,
    Intent,
    Learned,
    Pass,
    Recent,
    RecentWrite,
    Records,
    Reversals,
    SeenUser,
    Trouble,
    Via,
    reversals_json,
)
from reconciler.model.policy import Lifecycle, Prune, Share, SyncedRules, Terms
from reconciler.model.reasons import ReasonParts
from reconciler.plan.draft import Draft
from reconciler.plan.make import make_plan
from reconciler.plan.presence import held
from reconciler.report.plan_json import plan_to_json

YAML_FILE = "customers.yaml"
Option: TypeAlias = Any  # what load_desired takes by name


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write `files` below `folder`."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def load(folder: Path, files: str | bytes | Mapping[str, str | bytes], *paths: str, **options: Option) -> Loaded:
    """Return what `files` (or one FILE) declare; `paths` are read, FILE without any."""
    write(folder, files if isinstance(files, Mapping) else {YAML_FILE: files})
    return load_desired(paths or (YAML_FILE,), root=folder, **options)


def problems(folder: Path, files: str | bytes | Mapping[str, str | bytes], *paths: str, **options: Option) -> list[str]:
    """Return what is wrong with `files`, as the user reads it."""
    with pytest.raises(Invalid) as caught:
        load(folder, files, *paths, **options)
    return [str(problem) for problem in caught.value.problems]


def warnings(folder: Path, files: str | Mapping[str, str | bytes], *paths: str, **options: Option) -> list[str]:
    """Return the warnings of files that are no error."""
    return [str(problem) for problem in load(folder, files, *paths, **options).warnings]


Json: TypeAlias = dict[str, Any]

CASES = Path(__file__).parent / "cases"
FILE = "desired.yaml"
REF = EnvironmentRef("test", "https://api.example", "0" * 64)
NOW_S = 1_767_225_600.0
CREATED_AT = "2025-01-01T00:00:00Z"

_LIMITS = ("max_archives", "max_restores", "max_changes")
_PATTERNS = ("owns", "protect", "targets", "excludes")
_NO_TERMS = ("files", "include", "exclude", "applied")
_USUAL_COST = {"requests": 0, "seconds": 0.0, "rate_per_second": 5, "overhead": 0}


def inputs(folder: Path) -> tuple[Desired, Live, Records, Terms]:
    """Return what the planner of a case is given."""
    written = _read(folder / "terms.json")
    live = _live(folder)
    return _desired(folder, written), live, _records(folder, live), _terms(written)


def drafted(folder: Path) -> Draft:
    """Return the draft that the planner makes of a case; raises what it raises."""
    lacked = {} if _read(folder / "terms.json").get("applied") else None
    return make_plan(*inputs(folder), lacked=lacked)


def planned(folder: Path) -> Json:
    """Return what `plan.json` of a case says if the planner is right."""
    try:
        return _draft_to_json(drafted(folder))
    except ReconcilerError as error:
        said = {"message": error.message, "hint": error.hint}
        if error.stop is not None:
            parts = parts_to_json(plan_converter(), cast("ReasonParts", error.stop.parts))
            said = {"code": str(error.stop.reason), "parts": parts}
        return {"refused": {"error": type(error).__name__, **said}}


def layout(document: Mapping[str, Any]) -> str:
    """Return a JSON object as text: each key, and each item of what it holds, on a line of its own."""
    return "{\n" + ",\n".join(f"  {json.dumps(key)}: {_items(value)}" for key, value in document.items()) + "\n}\n"


def _items(value: object) -> str:
    match value:
        case dict() if value and all(isinstance(item, dict | list) for item in value.values()):
            rows = [f"    {json.dumps(key)}: {json.dumps(item, ensure_ascii=False)}" for key, item in value.items()]
            return "{\n" + ",\n".join(rows) + "\n  }"
        case list() if value:
            return "[\n" + ",\n".join(f"    {json.dumps(item, ensure_ascii=False)}" for item in value) + "\n  ]"
        case _:
            return json.dumps(value, ensure_ascii=False)


# --- a case's files to values -------------------------------------------------------------------------


def _read(path: Path) -> Json:
    return json.loads(path.read_text()) if path.exists() else {}


def _desired(folder: Path, written: Json) -> Desired:
    files = written.get("files", [FILE])
    patterns = {name: written.get(name, []) for name in ("include", "exclude")}
    with (folder / FILE).open("rb") as stdin:
        return load_desired(files, root=folder, stdin=stdin, **patterns).desired


def _terms(written: Json) -> Terms:
    chosen: Json = {name: value for name, value in written.items() if name not in _NO_TERMS}
    chosen |= {name: Share.parse(chosen[name]) for name in _LIMITS if name in chosen}
    chosen |= {name: tuple(chosen[name]) for name in _PATTERNS if name in chosen}
    if "prune" in chosen:
        chosen["prune"] = Prune(chosen["prune"])
    if "synced" in chosen:
        synced = chosen["synced"]
        lifecycle = Lifecycle(synced.get("lifecycle", Lifecycle.MANAGE))
        chosen["synced"] = SyncedRules(lifecycle, frozenset(synced.get("fields", ())))
    if "equal" in chosen:
        chosen["equal"] = {
            name: {text: group[0] for group in groups for text in group} for name, groups in chosen["equal"].items()
        }
    return Terms(REF, **chosen)


def _live(folder: Path) -> Live:
    written = _read(folder / "live.json")
    listed = {CustomerId(key): _customer(key, reply) for key, reply in written.pop("customers", {}).items()}
    got = {key: None if reply is None else _customer(key, reply) for key, reply in written.pop("got", {}).items()}
    users = {key: tuple(filter(None, map(read_user, rows))) for key, rows in written.pop("users", {}).items()}
    methods = written.pop("payment_methods", dict.fromkeys(listed, 0))
    ends = (End(written.pop("last_page", 0)),)
    return Live(listed=listed, got=got, users=users, payment_methods=methods, ends=ends, read_at=NOW_S, **written)


def _customer(customer_id: str, reply: Json) -> LiveCustomer:
    live = read_customer({"id": customer_id, "created_at": CREATED_AT, **reply})
    assert live is not None, customer_id
    return live


def _records(folder: Path, live: Live) -> Records:
    path = folder / "ledger.json"
    if not path.exists():
        return Records()
    written = _read(path)
    return Records(
        bindings={key: binding(key, row) for key, row in written.get("bindings", {}).items()},
        users={CustomerId(key): tuple(map(_seen_user, rows)) for key, rows in written.get("users", {}).items()},
        taken=written.get("taken", {}),
        lacked={key: _lacked(row, live) for key, row in written.get("lacked", {}).items()},
        intents=tuple(_intent(seq, row) for seq, row in enumerate(written.get("intents", []))),
        learned=Learned(**written.get("learned", {})),
        known=True,
        keys=(written.get("account", REF.account),),
    )


def binding(key: str, row: Json) -> Binding:
    """Return the ledger's row that `row` writes, as usual where it says nothing."""
    bare = Binding(
        external_id=key,
        id=row["id"],
        live_external_id=row.get("live_external_id", key),
        created_at=row.get("created_at", CREATED_AT),
        state=BindingState(row.get("state", "active")),
        project=row.get("project", "default"),
        source=row.get("source", FILE),
        protected=row.get("protected", False),
        via=Via(row.get("via", "matched")),
        written_at=NOW_S - row["written_s_ago"] if "written_s_ago" in row else 0.0,
        integration_id=row.get("integration_id", ""),
    )
    applied: Mapping[str, str | None] = row.get("applied", {})
    observed = {name: value or "" for name, value in applied.items()} | row.get("observed", {})
    if "earlier" in row:
        held = row.get("held", {})
        changed = {
            name: RecentWrite(held.get(name, observed.get(name, "")), tuple((text, bare.written_at) for text in texts))
            for name, texts in row["earlier"].items()
        }
        bare = replace(bare, recent_json=Recent(fields=changed).as_json())
    trouble = {name: _trouble(one) for name, one in row.get("trouble", {}).items()}
    if "reversals" in row:
        made, s_ago = row["reversals"]["made"], row["reversals"]["s_ago"]
        reversals = Reversals(BindingState(made), tuple(NOW_S - one for one in s_ago))
        bare = replace(bare, reversals_json=reversals_json(reversals))
    return with_record(bare, applied, observed, trouble)


def _lacked(row: Json, live: Live) -> Pass:
    at = NOW_S - row["s_ago"]
    return Pass(at, "of others" if row.get("others") else held(live.listed.values(), at))


def _trouble(row: Json) -> Trouble:
    refused = tuple(row["refused"]) if "refused" in row else None
    times = tuple(NOW_S - one for one in row.get("s_ago", ()))
    return Trouble(row.get("patched", ""), row.get("runs", 0), tuple(row.get("seen", ())), refused, times)


def _seen_user(row: Json) -> SeenUser:
    names = {name: value for name, value in row.items() if name in ("first_name", "last_name")}
    return SeenUser(row["email"], names, row.get("applied"))


def _intent(seq: int, row: Json) -> Intent:
    opened_at = NOW_S - row["opened_s_ago"]
    return Intent("run", seq, Action(row["action"]), Address.parse(row["address"]), row.get("id"), opened_at)


# --- a draft to plan.json -----------------------------------------------------------------------------


def _draft_to_json(draft: Draft) -> Json:
    if draft.reads:
        return {"reads": [_read_to_json(read) for read in draft.reads]}
    document = plan_to_json(draft.plan)
    for name in ("format_version", "environment", "fingerprint", "listing"):
        document.pop(name, None)
    document["cost"] = {name: value for name, value in document["cost"].items() if value != _USUAL_COST[name]}
    document["summary"] = {name: number for name, number in document["summary"].items() if number}
    document["files"] = [row["name"] for row in document["files"]]
    document["entries"] = [_entry_to_json(entry) for entry in draft.plan.entries]
    document["users"] = [
        {"id": row.id, "users": [_user_to_json(user) for user in row.users]} for row in draft.plan.users
    ]
    # A case is about what is decided; how it is said is for the tests of the messages.
    document["unknown"] = document.pop("unknown_reasons")
    for row in (*document["unknown"], *document["notes"], *document["blocked"]):
        for key in ("text", "reason", "hint", "values"):
            row.pop(key, None)
    usual = {"project": "default", "files": [FILE], "out_of_scope": 0}
    return {name: value for name, value in document.items() if value != usual.get(name) and value not in ([], {})}


def _user_to_json(user: SeenUser) -> Json:
    applied = None if user.applied is None else dict(user.applied)
    return {"email": user.email, "fields": dict(user.fields), "applied": applied}


def _read_to_json(read: Read) -> str:
    return " ".join([type(read).__name__, *(str(getattr(read, one.name)) for one in fields(read) if one.name == "id")])


def _entry_to_json(entry: Binding) -> Json:
    """Return a row as ledger.json writes it; its hash must be the one of what it says."""
    applied, observed = entry.applied(), entry.observed()
    usual: Json = {
        "live_external_id": entry.external_id,
        "created_at": CREATED_AT,
        "state": "active",
        "project": "default",
        "source": FILE,
        "protected": False,
        "via": "matched",
        "integration_id": "",
    }
    row: Json = {"state": entry.state.value, "via": entry.via.value}
    row |= {name: getattr(entry, name) for name in usual.keys() - row.keys()}
    written: Json = {"external_id": entry.external_id, "id": entry.id, "applied": applied}
    if any(observed[name] != (value or "") for name, value in applied.items()):
        written["observed"] = observed
    if entry.trouble_json is not None:
        written["trouble"] = json.loads(entry.trouble_json)
    if (reversals := entry.reversals()) is not None:
        written["reversals"] = {"made": reversals.made.value, "s_ago": [NOW_S - one for one in reversals.at]}
    if entry.written_at:
        written["written_s_ago"] = NOW_S - entry.written_at
    if entry.recent_json is not None:
        recent = entry.recent().fields.items()
        written["earlier"] = {name: [text for text, _ in held.earlier] for name, held in recent}
    hashed = with_record(entry, applied, observed, {}).applied_hash
    assert entry.applied_hash == hashed, f"{entry.external_id}: the hash is not that of {compact(applied)}"
    return written | {name: row[name] for name, value in usual.items() if row[name] != value}
