"""
A ledger as text, one row a line, for `state pull` and `state push`; the same for every kind of storage.

The first line says the owner, the last one how many rows there were and the SHA-256 of all before it,
so that a text that was cut, joined or edited is told from a whole one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from reconciler.errors import Invalid, LedgerFailed, LedgerTooNew, Problem, Source
from reconciler.escape import inert
from reconciler.ledger.base import Copy, Meta
from reconciler.ledger.rows import (
    PUTS,
    Row,
    SeenUsers,
    read_binding,
    read_intent,
    read_keys,
    read_learned,
    read_run,
    statements,
)
from reconciler.model.ledger import (
    Binding,
    PutBinding,
    PutIntent,
    PutKeys,
    PutLearned,
    PutRun,
    PutTaken,
    PutUsers,
    Write,
)

FORMAT = 2

_READABLE = (1, FORMAT)
# What a copy of an older format lacks at the end of a row.
_ADDED: Mapping[str, object] = {
    **dict.fromkeys(("actor", "key_name", "plan_digest", "pruned_at", "told", "cuts", "answers", "place"), ""),
    **dict.fromkeys(("reason", "source_file", "source_commit", "ending_json", "integration_id"), ""),
    **dict.fromkeys(("listed", "page_limit", "source_line"), 0),
    **dict.fromkeys(("narrows", "reversals_json", "recent_json")),
    **dict.fromkeys(("lag_s", "asked_at"), 0.0),
}

_TABLES = {put.table: put for put in PUTS.values()}
# What is no text, by column; a "?" may be null.
_KINDS: Mapping[str, str] = {
    **dict.fromkeys(("observed_json", "trouble_json", "reversals_json", "recent_json"), "text?"),
    **dict.fromkeys(("email", "status", "empties", "intents.id"), "text?"),
    **dict.fromkeys(("lists_archived", "gets_archived", "narrows"), "bool?"),
    **dict.fromkeys(("seq", "requests", "changes", "longest_page", "listed", "page_limit", "source_line"), "int"),
    **dict.fromkeys(("written_at", "opened_at", "closed_at", "lag_s", "asked_at"), "float"),
    "protected": "bool",
    "applied_hash": "hex",
}
_WHOLE = "use the unchanged output of `reconciler state pull`"


def to_lines(copy: Copy) -> Iterator[str]:
    """Yield the lines of a copy, each ended; all ASCII."""
    digest, rows = hashlib.sha256(), 0
    account = next((" ".join(write.keys) for write in copy.writes if isinstance(write, PutKeys)), "")
    meta = copy.meta
    head = {
        "reconciler_ledger": FORMAT,
        "environment": meta.environment,
        "base_url": meta.base_url,
        "lineage": meta.lineage,
        "created_at": meta.created_at,
        "serial": meta.serial,
        "account": account,
    }
    for document in (head, *_documents(copy)):
        line = _line(document)
        digest.update(line.encode())
        rows += document is not head
        yield line
    yield _line({"rows": rows, "sha256": digest.hexdigest()})


def read_copy(name: str, text: bytes) -> Copy:
    """
    Return the copy that a text holds, every row checked; `name` is the file's, for messages.

    Invalid with what is wrong, line by line; LedgerTooNew for a format that this program does not know.
    """
    *lines, end = text.splitlines(keepends=True) or [b""]
    last = _document(end)
    digest = hashlib.sha256(b"".join(lines)).hexdigest()
    if last != {"rows": len(lines) - 1, "sha256": digest} or not lines:
        message = "it was cut short or changed: its last line does not match the lines before it"
        raise Invalid([Problem(Source(name), "", message, _WHOLE)])
    head = _document(lines[0])
    if isinstance(head, dict) and isinstance(head.get("reconciler_ledger"), int) and head["reconciler_ledger"] > FORMAT:
        raise LedgerTooNew(f"{name}: the copy has format {head['reconciler_ledger']}", "update reconciler")
    meta = _meta(name, head)
    keys = read_keys(head["account"])
    writes: list[Write] = [PutKeys(keys)] if keys else []
    problems: list[Problem] = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            writes.append(_write(_document(line)))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, LedgerFailed):
            problems.append(Problem(Source(name, number), "", "this is not a row of a ledger", _WHOLE))
    problems += _doubles(name, writes)
    if problems:
        raise Invalid(problems)
    return Copy(meta, tuple(writes))


def lacking(columns: Sequence[str]) -> list[object]:
    """Return what a row of an older format lacks at its end: the values of the columns that it has not."""
    return [_ADDED[column] for column in columns]


def _documents(copy: Copy) -> Iterator[dict[str, Any]]:
    """Yield each row as `{"table": …, "row": {column: value}}`."""
    for statement, row in statements(copy.writes):
        if statement not in PUTS:
            continue
        put = PUTS[statement]
        values = (one.hex() if isinstance(one, bytes) else one for one in row)
        yield {"table": put.table, "row": dict(zip(put.columns.split(", "), values, strict=True))}


def _line(document: object) -> str:
    """Return a document as one line, which stays as it is where it is printed: the checksum is over it."""
    return inert(json.dumps(document, separators=(",", ":"))) + "\n"


def _document(line: bytes) -> Any:  # noqa: ANN401 - what a line holds is not known yet
    """Return what a line holds, None where it is no JSON."""
    try:
        return json.loads(line, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None


def _no_number(text: str) -> float:
    """Raise ValueError: JSON has no NaN and no Infinity."""
    raise ValueError(text)


def _meta(name: str, head: Any) -> Meta:  # noqa: ANN401 - what the first line holds is not known yet
    """Return whose ledger the copy is, from its first line."""
    texts = ("environment", "base_url", "lineage", "created_at", "account")
    if (
        not isinstance(head, dict)
        or head.keys() != {"reconciler_ledger", "serial", *texts}
        or head["reconciler_ledger"] not in _READABLE
        or not all(isinstance(head[key], str) for key in texts)
        or type(head["serial"]) is not int
    ):
        raise Invalid([Problem(Source(name, 1), "", "this is not the first line of a copy", _WHOLE)])
    return Meta(head["environment"], head["base_url"], head["lineage"], head["created_at"], head["serial"])


def _write(document: Any) -> Write:  # noqa: ANN401 - what a line holds is not known yet
    """Return the write that a row is; ValueError, KeyError, TypeError or LedgerFailed where it is none."""
    table, row = document["table"], document["row"]
    columns = _TABLES[table].columns.split(", ")
    row |= {name: _ADDED[name] for name in columns[len(row) :] if name in _ADDED}
    if document.keys() != {"table", "row"} or list(row) != columns:
        raise ValueError("other columns")
    return _READ[table](tuple(_value(table, column, row[column]) for column in columns))


def _value(table: str, column: str, value: Any) -> Any:  # noqa: ANN401 - of the type that the column has
    """Return a value as its column holds it; ValueError where it is of another type."""
    kind = _KINDS.get(f"{table}.{column}") or _KINDS.get(column, "text")
    if value is None and kind.endswith("?"):
        return None
    match kind.removesuffix("?"), value:
        case "text", str():
            return value
        case "hex", str():
            return bytes.fromhex(value)
        case "bool", bool():
            return value
        case "float", int() | float() if not isinstance(value, bool):
            return float(value)
        case "int", int() if not isinstance(value, bool) and -(2**63) <= value < 2**63:
            return value
        case _:
            raise ValueError(column)


def _binding(row: Row) -> Write:
    """Return the write of a binding whose JSON can be read."""
    binding = read_binding(row)
    _texts(binding.applied(), null=True)
    _texts(binding.observed(), null=False)
    binding.trouble()
    binding.reversals()
    _recent(binding)
    return PutBinding(binding)


def _recent(binding: Binding) -> None:
    """Raise ValueError unless what our latest writes changed can be read."""
    recent = binding.recent()
    times = [recent.moved_at, *(at for held in recent.fields.values() for _, at in held.earlier)]
    if not all(isinstance(at, int | float) for at in times):
        raise ValueError("no time")
    texts = [text for held in recent.fields.values() for text in (held.value, *(text for text, _ in held.earlier))]
    _texts(dict(enumerate(texts)), null=False)


def _users(row: Row) -> Write:
    """Return the write of the users of a customer."""
    users = SeenUsers({row[0]: row[1]})[row[0]]
    for user in users:
        _texts({"email": user.email, **user.fields}, null=False)
        _texts(user.applied or {}, null=True)
    return PutUsers(row[0], users)


def _intent(row: Row) -> Write:
    intent = read_intent(row)
    _texts(intent.before, null=False)
    _texts(intent.after, null=True)
    return PutIntent(intent)


def _texts(values: Mapping[Any, object], *, null: bool) -> None:
    """Raise ValueError unless all values are texts, or null where that may be."""
    if not all(isinstance(value, str) or (null and value is None) for value in values.values()):
        raise ValueError("no text")


_READ: Mapping[str, Callable[[Row], Write]] = {
    "bindings": _binding,
    "users": _users,
    "taken": lambda row: PutTaken(*row),
    "learned": lambda row: PutLearned(read_learned(row)),
    "intents": _intent,
    "runs": lambda row: PutRun(read_run(row)),
}


def _doubles(name: str, writes: list[Write]) -> Iterator[Problem]:
    """Yield what is there twice: a key of a table, or one customer under two keys."""
    seen: set[tuple[object, ...]] = set()
    for write in writes:
        match write:
            case PutBinding(binding):
                keys = [("key", binding.external_id), ("id", binding.id)]
            case PutUsers(customer):
                keys = [("users", customer)]
            case PutTaken(external_id):
                keys = [("taken", external_id)]
            case PutIntent(intent):
                keys = [("intent", f"{intent.run} {intent.seq}")]
            case PutRun(run):
                keys = [("run", run.id)]
            case _:
                keys = [(type(write).__name__, "")]
        for key in keys:
            if key in seen:
                yield Problem(Source(name), "", f"the {key[0]} {key[1]!r} is in it twice", _WHOLE)
            seen.add(key)
