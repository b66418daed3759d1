"""
The file that `apply PLAN` takes: a plan's public form, and what only an apply reads.

What is read back may be forged: each value is of the type that it is written in, else the file is refused.

The same plan gives the same bytes. A digest over the content shows accident, not malice: a file that
was edited, cut or put together is refused, each with its own message. Malice gains nothing: of a file
only what was shown to its reader is loaded, and all of it is planned again before anything is sent.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from reconciler.errors import Refused
from reconciler.model.core import CustomerId, EnvironmentRef, SourceFile
from reconciler.model.ledger import Binding, PutUsers
from reconciler.model.plan import FORMAT_VERSION, BindingChange, Change, Plan
from reconciler.model.policy import Since
from reconciler.model.reasons import StopReason, stop

_READ = ("1", FORMAT_VERSION)
"""Those that are read: format 1 says the same of what a saved plan is loaded from."""

SAVED_VERSION = 2
"""The version of what a saved plan has in addition; 0.1.0 saved plans without one."""

_HEX = re.compile(r"[0-9a-f]{64}")
_LAST = re.compile(r'"digest": "([0-9a-f]{64})"\n\}\n\Z')
_LAST_LENGTH = 100


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
    - `files`, `folders`, `globs`: what it was made from, for messages alone. `targets`, `excludes` and
      `since` narrow an apply, `refresh_users` has it list the users of every customer, as `Terms` says; `recreate` is
      what it insists on.
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
    since: Since | None = None
    refresh_users: bool = False
    recreate: tuple[str, ...] = ()
    rows: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[CustomerId, str] = field(default_factory=dict)
    held: str = ""
    evidence: Evidence = NO_EVIDENCE


def save(
    document: Mapping[str, Any],
    plan: Plan,
    read_at: float,
    nonce: str,
    *,
    refresh_users: bool = False,
    evidence: Evidence = NO_EVIDENCE,
) -> str:
    """
    Return the text of a plan file: `document`, the public form of `plan`, what only an apply reads, and a digest.

    Each change is a line, in ASCII. `read_at`, `refresh_users` and `evidence` are those of `SavedPlan`; `nonce` is
    another one each time, so that no two plans have one digest.
    """
    whole = {
        **document,
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
    return as_text(whole | {"digest": _digest(whole)})


def digest_in(text: str) -> str:
    """Return the digest at the end of a text that `save` made; "" for any other."""
    found = _LAST.search(text[-_LAST_LENGTH:])
    return found[1] if found else ""


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
    # Its declaration is that of JSON, where None and nothing are told apart.
    users = [
        {"email": one.email, "fields": dict(one.fields), "applied": None if one.applied is None else dict(one.applied)}
        for one in row.users
    ]
    return _digest({"id": row.id, "users": users})


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
    if document.get("format_version") not in _READ:
        found = json.dumps(document["format_version"])[:20]
        raise Refused(stop(StopReason.PLAN_FORMAT_UNKNOWN, {"found": found, "known": _READ}))
    if document.get("redacted"):
        raise Refused(stop(StopReason.PLAN_REDACTED))
    digest = document.pop("digest", None)
    if digest is None:
        raise Refused(stop(StopReason.PLAN_NOT_SAVED))
    if digest != _digest(document):
        raise Refused(stop(StopReason.PLAN_ALTERED))
    saved = document.get("saved")
    if not isinstance(saved, dict) or saved.get("version") != SAVED_VERSION:
        raise Refused(stop(StopReason.PLAN_VERSION_UNKNOWN))
    try:
        return _plan(document, digest)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise Refused(stop(StopReason.PLAN_FORGED)) from exc


@dataclass(frozen=True, slots=True)
class _Digest:
    """The digest of a row of the ledger, by key, or of the users of a customer, by its id."""

    digest: str
    external_id: str = ""
    id: CustomerId = CustomerId("")  # noqa: RUF009 - a str, which nothing changes


@dataclass(frozen=True, slots=True)
class _Besides:
    """What only an apply reads; `ledger` and `listed` are those of `Evidence`."""

    read_at: float
    refresh_users: bool = False
    held: str = ""
    ledger: str = ""
    listed: str = ""


@dataclass(frozen=True, slots=True)
class _Since:
    """By which commit the plan was narrowed; with `whole` it was not."""

    ref: str
    commit: str
    customers: int
    planned: int
    whole: str = ""


@dataclass(frozen=True, slots=True)
class _Document:
    """What is read of a plan file: keys are those of its JSON."""

    environment: EnvironmentRef
    fingerprint: str
    saved: _Besides
    changes: tuple[Change, ...] = ()
    bindings: tuple[BindingChange, ...] = ()
    files: tuple[SourceFile, ...] = ()
    folders: tuple[str, ...] = ()
    globs: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    changed_since: _Since | None = None
    allow_recreate: tuple[str, ...] = ()
    rows: tuple[_Digest, ...] = ()
    users: tuple[_Digest, ...] = ()


def _plan(document: Mapping[str, Any], digest: str) -> SavedPlan:
    """Return the plan of a whole document; KeyError, TypeError and the like where it is none."""
    from reconciler.model.convert import plan_converter  # noqa: PLC0415 - most commands read no plan, and it is slow

    read = plan_converter().structure(document, _Document)
    if not _HEX.fullmatch(read.fingerprint):
        raise ValueError(read.fingerprint)
    return SavedPlan(
        environment=read.environment,
        name=digest,
        fingerprint=read.fingerprint,
        read_at=read.saved.read_at,
        changes=read.changes,
        bindings=read.bindings,
        files=tuple(file.name for file in read.files),
        folders=read.folders,
        globs=read.globs,
        targets=read.targets,
        excludes=read.excludes,
        since=_since(read.changed_since),
        refresh_users=read.saved.refresh_users,
        recreate=read.allow_recreate,
        rows={row.external_id: row.digest for row in read.rows},
        users={row.id: row.digest for row in read.users},
        held=read.saved.held,
        evidence=Evidence(read.saved.ledger, read.saved.listed),
    )


def _since(read: _Since | None) -> Since | None:
    """Return by which commit the plan was narrowed, None where it was not."""
    if read is None or read.whole:
        return None
    return Since(read.ref, read.commit, read.customers, read.planned)


def _document(text: str) -> dict[str, Any]:
    """Return the JSON object of a plan file; Refused where it is cut, or no plan."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as exc:
        if text.lstrip()[1:].lstrip().startswith('"format_version"'):
            raise Refused(stop(StopReason.PLAN_CUT)) from exc
        raise Refused(stop(StopReason.PLAN_NOT_JSON)) from exc
    if not isinstance(document, dict) or "format_version" not in document:
        raise Refused(stop(StopReason.PLAN_WITHOUT_FORMAT))
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
