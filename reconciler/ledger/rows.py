"""The nouns of `model.ledger` as rows of SQL tables, and back. Pure, and the same for every SQL database."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, astuple, dataclass
from enum import StrEnum
from typing import Any, LiteralString, assert_never

from reconciler.errors import LedgerFailed, Source
from reconciler.model.core import Action, Address, CustomerId, Reason, Status
from reconciler.model.ledger import (
    LACKED_S,
    Binding,
    BindingState,
    DropBinding,
    Intent,
    Learned,
    Pass,
    PutBinding,
    PutIntent,
    PutKeys,
    PutLacked,
    PutLearned,
    PutRun,
    PutTaken,
    PutUsers,
    Records,
    Run,
    SeenUser,
    Via,
    Write,
    texts_of,
)
from reconciler.model.reasons import read_ending, stored_ending

BINDING_COLUMNS: LiteralString = (
    "external_id, id, live_external_id, created_at, state, project, source, protected, via, written_at, "
    "applied_hash, applied_json, observed_json, trouble_json, place, reversals_json, recent_json, "
    "integration_id"
)
INTENT_COLUMNS: LiteralString = (
    "run, seq, action, external_id, email, id, opened_at, payload_hash, before_json, after_json, status, "
    "message, closed_at, reason, source_file, source_line, source_commit, ending_json"
)
LEARNED_COLUMNS: LiteralString = (
    "lists_archived, gets_archived, longest_page, empties, how, listed, told, page_limit, narrows, cuts, lag_s, "
    "answers, asked_at"
)
RUN_COLUMNS: LiteralString = (
    "id, started_at, command, outcome, finished_at, requests, changes, who, git_commit, ci_url, actor, key_name, "
    "plan_digest, pruned_at"
)

TABLES: tuple[LiteralString, ...] = ("bindings", "users", "taken", "lacked", "learned", "intents", "runs")
"""What `overwrite` empties first."""


class Statement(StrEnum):
    """What is done to one row; each SQL database says it in its own words."""

    PUT_BINDING = "put binding"
    PUT_USERS = "put users"
    PUT_TAKEN = "put taken"
    PUT_LACKED = "put lacked"
    PUT_LEARNED = "put learned"
    PUT_INTENT = "put intent"
    PUT_RUN = "put run"
    PUT_KEYS = "put keys"
    DROP_TAKEN = "drop taken"
    DROP_LACKED = "drop lacked"
    DROP_OLD_LACKED = "drop old lacked"
    DROP_USERS = "drop users"
    DROP_BINDING = "drop binding"


@dataclass(frozen=True, slots=True)
class Put:
    """
    A row that is written whether or not its key is there; `key` "" where the table has one row.

    Not by INSERT OR REPLACE: that would silently delete the row of another key that has the same id.
    """

    table: str
    columns: str
    key: str

    def changed(self) -> str:
        """
        Return what an upsert sets where the key is there.

        >>> Put("taken", "external_id, words", "external_id").changed()
        'words = excluded.words'
        """
        keys = self.key.split(", ")
        return ", ".join(f"{name} = excluded.{name}" for name in self.columns.split(", ") if name not in keys)


PUTS: Mapping[Statement, Put] = {
    Statement.PUT_BINDING: Put("bindings", BINDING_COLUMNS, "external_id"),
    Statement.PUT_USERS: Put("users", "id, users_json", "id"),
    Statement.PUT_TAKEN: Put("taken", "external_id, words", "external_id"),
    Statement.PUT_LACKED: Put("lacked", "external_id, at, held", "external_id"),
    Statement.PUT_LEARNED: Put("learned", LEARNED_COLUMNS, ""),
    Statement.PUT_INTENT: Put("intents", INTENT_COLUMNS, "run, seq"),
    Statement.PUT_RUN: Put("runs", RUN_COLUMNS, "id"),
}


Row = tuple[Any, ...]

# A dict is some five times quicker than the call of an enum, and there is one of each in every row.
_STATES = {state.value: state for state in BindingState}
_VIAS = {via.value: via for via in Via}


def statements(writes: Iterable[Write]) -> Iterator[tuple[Statement, Row]]:
    """
    Yield (statement, values) for each of `writes`, in their order; equal statements may be sent together.

    That a listing lacked a key says nothing once its create was sent, or who had it is forgotten.
    """
    for write in writes:
        match write:
            case PutBinding(binding):
                yield Statement.PUT_BINDING, _binding_row(binding)
            case DropBinding(external_id):
                yield Statement.DROP_USERS, (external_id,)
                yield Statement.DROP_BINDING, (external_id,)
                yield Statement.DROP_LACKED, (external_id,)
            case PutUsers(customer, users):
                yield Statement.PUT_USERS, (customer, _users_json(users))
            case PutTaken(external_id, words):
                yield _taken_row(external_id, words)
            case PutLacked(seen, external_ids):
                yield from _lacked_rows(seen, external_ids)
            case PutIntent(intent):
                yield from _intent_rows(intent)
            case PutLearned() | PutKeys() | PutRun():
                yield _row_of_all(write)
            case _:
                assert_never(write)


def writes_of(records: Records, intents: Iterable[Intent], runs: Iterable[Run]) -> tuple[Write, ...]:
    """
    Return the writes that make a ledger with these rows; `intents` are all, those of `records` among them.

    What a listing lacked is left out: put back later, it would not know of the creates that were sent meanwhile.
    """
    learned = [PutLearned(records.learned)] if records.learned != Learned() else []
    keys = [PutKeys(records.keys)] if records.keys else []
    return (
        *keys,
        *learned,
        *map(PutBinding, records.bindings.values()),
        *(PutUsers(customer, users) for customer, users in records.users.items()),
        *(PutTaken(external_id, words) for external_id, words in records.taken.items()),
        *map(PutIntent, intents),
        *map(PutRun, runs),
    )


def read_binding(row: Row) -> Binding:
    """Return the binding of a row of BINDING_COLUMNS; its JSON stays text. KeyError for a word that is unknown."""
    key, customer, live, created_at, state, project, source, protected, via, written_at, *rest = row
    applied_hash, applied, observed, trouble, place, reversals, recent, synced = rest
    # SQLite lets any value be in any column.
    if not type(key) is type(customer) is type(live) is type(created_at) is str or type(written_at) is not float:
        raise TypeError("a value of a binding")
    return Binding(
        key,
        CustomerId(customer),
        key if live == key else live,  # one string, not two: they are nearly always equal
        created_at,
        _STATES[state],
        sys.intern(project),
        sys.intern(source),
        bool(protected),
        _VIAS[via],
        written_at or 0.0,
        applied_hash,
        applied,
        observed,
        trouble,
        sys.intern(place),  # nearly all rows share the place
        reversals,
        recent,
        _text(synced),
    )


def read_lacked(rows: Iterable[Row]) -> dict[str, Pass]:
    """Return the external_ids that a listing lacked, of rows of (external_id, at, held)."""
    passes: dict[Row, Pass] = {}
    return {_text(key): passes.setdefault((at, held), Pass(float(at), _text(held))) for key, at, held in rows}


def read_texts(rows: Iterable[Row]) -> dict[str, str]:
    """Return rows of (key, text) as a mapping; TypeError where a value is none."""
    return {_text(key): _text(text) for key, text in rows}


def read_keys(text: Any) -> tuple[str, ...]:  # noqa: ANN401 - of a row
    """Return the API keys of the ledger's account, which are one text; TypeError for any other value."""
    return tuple(_text(text).split())


def read_learned(row: Row | None) -> Learned:
    """Return what the row of LEARNED_COLUMNS holds; nothing is known without one."""
    if row is None:
        return Learned()
    lists_archived, gets_archived, longest_page, empties, how, listed, told, page_limit, narrows, cuts, *rest = row
    learned = Learned(
        _flag(lists_archived),
        _flag(gets_archived),
        longest_page,
        empties,
        how,
        listed,
        told,
        page_limit,
        _flag(narrows),
        tuple(map(int, cuts.split())),
        *rest,
    )
    for name, usual in _LEARNED.items():
        if usual is not None and type(getattr(learned, name)) is not type(usual):
            raise TypeError(name)
    if not isinstance(learned.empties, str | None):
        raise TypeError("empties")
    return learned


def read_intent(row: Row) -> Intent:
    """Return the intent of a row of INTENT_COLUMNS; ValueError for a word that is unknown."""
    run, seq, action, external_id, email, customer, opened_at, payload_hash, before, after, status, *rest = row
    message, closed_at, reason, file, line, commit, ending = rest
    if not all(isinstance(value, kind) for value, kind in zip(row, _INTENT_KINDS, strict=True)):
        raise TypeError("a value of an intent")
    return Intent(
        run,
        seq,
        Action(action),
        Address(external_id, email),
        customer,
        opened_at,
        payload_hash,
        texts_of(json.loads(before)),
        texts_of(json.loads(after)),
        None if status is None else Status(status),
        message,
        closed_at,
        Reason(reason) if reason else None,
        Source(file, line) if file else None,
        commit,
        read_ending(ending),
    )


def read_run(row: Row) -> Run:
    """Return the run of a row of RUN_COLUMNS; TypeError where a value has another type, as SQLite lets it."""
    if list(map(type, row)) != _RUN_TYPES:
        raise TypeError("a value of a run")
    return Run(*row)


_MAYBE = (str, type(None))
_INTENT_KINDS: tuple[Any, ...] = (
    str,
    int,
    str,
    str,
    _MAYBE,
    _MAYBE,
    float,
    str,
    str,
    str,
    _MAYBE,
    str,
    float,
    str,
    str,
    int,
    str,
    str,
)
_RUN_TYPES = list(map(type, astuple(Run("", "", ""))))
_LEARNED = asdict(Learned())


def _text(value: Any) -> str:  # noqa: ANN401 - of a row
    """Return a text of a row; TypeError for any other value."""
    if isinstance(value, str):
        return value
    raise TypeError("a value is not a text")


def _seen_user(email: Any, fields: Any, applied: Any) -> SeenUser:  # noqa: ANN401 - JSON
    """Return a stored user; TypeError or AttributeError for what is none."""
    return SeenUser(_text(email), texts_of(fields), None if applied is None else texts_of(applied))


class SeenUsers(Mapping[CustomerId, tuple[SeenUser, ...]]):
    """
    The users seen, by customer id: decoded where they are asked for, as most are not.

    Made from the stored texts by id. Compares equal to a dict of the same users.
    """

    __slots__ = ("_texts",)

    def __init__(self, texts: Mapping[CustomerId, str]) -> None:
        self._texts = texts

    def __getitem__(self, key: CustomerId) -> tuple[SeenUser, ...]:
        """Return the users of one customer; KeyError where they were never listed."""
        text = self._texts[key]
        try:
            return tuple(_seen_user(*row) for row in json.loads(text))
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise LedgerFailed("the ledger's users cannot be read: it was altered", "restore a copy of it") from error

    def __iter__(self) -> Iterator[CustomerId]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def __repr__(self) -> str:
        return f"SeenUsers({self._texts!r})"


def _binding_row(binding: Binding) -> Row:
    """Return a binding as a row of BINDING_COLUMNS."""
    return (
        binding.external_id,
        binding.id,
        binding.live_external_id,
        binding.created_at,
        binding.state.value,
        binding.project,
        binding.source,
        binding.protected,
        binding.via.value,
        binding.written_at,
        binding.applied_hash,
        binding.applied_json,
        binding.observed_json,
        binding.trouble_json,
        binding.place,
        binding.reversals_json,
        binding.recent_json,
        binding.integration_id,
    )


def _users_json(users: Iterable[SeenUser]) -> str:
    """Return users as the text that `SeenUsers` reads."""
    return _json([(user.email, user.fields, user.applied) for user in users])


def _row_of_all(write: PutLearned | PutKeys | PutRun) -> tuple[Statement, Row]:
    """Return what writes something that is not about one customer."""
    match write:
        case PutLearned(learned):
            return Statement.PUT_LEARNED, _learned_row(learned)
        case PutKeys(keys):
            return Statement.PUT_KEYS, (" ".join(keys),)
        case PutRun(run):
            return Statement.PUT_RUN, _run_row(run)


def _taken_row(external_id: str, words: str | None) -> tuple[Statement, Row]:
    """Return what writes that an external_id is in use, or forgets it."""
    return (Statement.DROP_TAKEN, (external_id,)) if words is None else (Statement.PUT_TAKEN, (external_id, words))


def _lacked_rows(seen: Pass, external_ids: Iterable[str]) -> Iterator[tuple[Statement, Row]]:
    """Yield what writes that a listing lacked keys; what is too old to count goes."""
    yield Statement.DROP_OLD_LACKED, (seen.at - LACKED_S,)
    yield from ((Statement.PUT_LACKED, (key, seen.at, seen.held)) for key in external_ids)


def _intent_rows(intent: Intent) -> Iterator[tuple[Statement, Row]]:
    """Yield what writes an intent; once a create is about to be sent, an earlier listing says nothing of its key."""
    yield Statement.PUT_INTENT, _intent_row(intent)
    if intent.action is Action.CREATE and intent.status is None:
        yield Statement.DROP_LACKED, (intent.address.external_id,)


def _learned_row(learned: Learned) -> Row:
    """Return what was learned as a row of LEARNED_COLUMNS."""
    return (
        learned.lists_archived,
        learned.gets_archived,
        learned.longest_page,
        learned.empties,
        learned.how,
        learned.listed,
        learned.told,
        learned.page_limit,
        learned.narrows,
        " ".join(map(str, learned.cuts)),
        learned.lag_s,
        learned.answers,
        learned.asked_at,
    )


def _intent_row(intent: Intent) -> Row:
    """Return an intent as a row of INTENT_COLUMNS."""
    return (
        intent.run,
        intent.seq,
        intent.action.value,
        intent.address.external_id,
        intent.address.email,
        intent.id,
        intent.opened_at,
        intent.payload_hash,
        _json(intent.before),
        _json(intent.after),
        None if intent.status is None else intent.status.value,
        intent.message,
        intent.closed_at,
        intent.reason.value if intent.reason is not None else "",
        intent.source.file if intent.source is not None else "",
        intent.source.line if intent.source is not None else 0,
        intent.commit,
        stored_ending(intent.ending),
    )


def _run_row(run: Run) -> Row:
    """Return a run as a row of RUN_COLUMNS."""
    return (
        run.id,
        run.started_at,
        run.command,
        run.outcome,
        run.finished_at,
        run.requests,
        run.changes,
        run.who,
        run.commit,
        run.ci_url,
        run.actor,
        run.key,
        run.plan,
        run.pruned_at,
    )


def _flag(stored: int | None) -> bool | None:
    """Return a stored truth value, None where it is unknown; ValueError for what is none."""
    if stored not in (None, 0, 1):
        raise ValueError("a value is not a truth value")
    return None if stored is None else bool(stored)


# All ASCII: half a surrogate pair, which a server may send, has no UTF-8 and could not be stored.
_json: Callable[[object], str] = json.JSONEncoder(separators=(",", ":"), default=dict).encode
