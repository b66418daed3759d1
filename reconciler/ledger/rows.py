"""The nouns of `records` as rows of a table, and back; pure, and the same for every SQL database."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, assert_never

from reconciler.errors import LedgerFailed
from reconciler.model import Action, Address, CustomerId, Status
from reconciler.records import (
    Binding,
    BindingState,
    DropBinding,
    Intent,
    Learned,
    PutAccount,
    PutBinding,
    PutIntent,
    PutLearned,
    PutRun,
    PutTaken,
    PutUsers,
    Run,
    SeenUser,
    Via,
    Write,
)

Row = tuple[Any, ...]

BINDING_COLUMNS = (
    "external_id, id, live_external_id, created_at, state, project, source, protected, via, written_at, "
    "applied_hash, applied_json, observed_json, trouble_json"
)
INTENT_COLUMNS = (
    "run, seq, action, external_id, email, id, opened_at, payload_hash, before_json, after_json, status, "
    "message, closed_at"
)
LEARNED_COLUMNS = "lists_archived, gets_archived, longest_page, empties, how"
RUN_COLUMNS = "id, started_at, command, outcome, finished_at, requests, changes, who, git_commit, ci_url"

# A dict is some five times quicker than the call of an enum, and there is one of each in every row.
_STATES = {state.value: state for state in BindingState}
_VIAS = {via.value: via for via in Via}


def _put(table: str, columns: str, key: str) -> str:
    """
    Return the statement that writes a row whether or not its key is there.

    Not INSERT OR REPLACE: that would silently delete the row of another key that has the same id.

    >>> _put("taken", "key, words", "key")
    'INSERT INTO taken (key, words) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET words = excluded.words'
    """
    names, keys = columns.split(", "), key.split(", ")
    marks = ", ".join("?" * len(names))
    changed = ", ".join(f"{name} = excluded.{name}" for name in names if name not in keys)
    return f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT ({key}) DO UPDATE SET {changed}"  # noqa: S608 - all of it is in this file


_PUT_BINDING = _put("bindings", BINDING_COLUMNS, "external_id")
_PUT_USERS = _put("users", "id, users_json", "id")
_PUT_TAKEN = _put("taken", "external_id, words", "external_id")
_PUT_LEARNED = _put("learned", f"only, {LEARNED_COLUMNS}", "only")
_PUT_INTENT = _put("intents", INTENT_COLUMNS, "run, seq")
_PUT_RUN = _put("runs", RUN_COLUMNS, "id")
_PUT_ACCOUNT = "UPDATE meta SET account = ?"
_DROP_TAKEN = "DELETE FROM taken WHERE external_id = ?"
_DROP_USERS = "DELETE FROM users WHERE id = (SELECT id FROM bindings WHERE external_id = ?)"
_DROP_BINDING = "DELETE FROM bindings WHERE external_id = ?"


def statements(writes: Iterable[Write]) -> Iterator[tuple[str, Row]]:
    """Yield (statement, values) for each of `writes`, in their order; equal statements may be sent together."""
    for write in writes:
        match write:
            case PutBinding(binding):
                yield _PUT_BINDING, _binding_row(binding)
            case DropBinding(external_id):
                yield _DROP_USERS, (external_id,)
                yield _DROP_BINDING, (external_id,)
            case PutUsers(customer, users):
                yield _PUT_USERS, (customer, _users_json(users))
            case PutTaken(external_id, words):
                yield (_DROP_TAKEN, (external_id,)) if words is None else (_PUT_TAKEN, (external_id, words))
            case PutLearned(learned):
                yield _PUT_LEARNED, (1, *_learned_row(learned))
            case PutAccount(account):
                yield _PUT_ACCOUNT, (account,)
            case PutIntent(intent):
                yield _PUT_INTENT, _intent_row(intent)
            case PutRun(run):
                yield _PUT_RUN, _run_row(run)
            case _:
                assert_never(write)


def read_binding(row: Row) -> Binding:
    """Return the binding of a row of BINDING_COLUMNS; its JSON stays text. KeyError for a word that is not known."""
    key, customer, live, created_at, state, project, source, protected, via, *rest = row
    return Binding(
        key,
        customer,
        key if live == key else live,  # one string, not two: they are nearly always equal
        created_at,
        _STATES[state],
        sys.intern(project),
        sys.intern(source),
        bool(protected),
        _VIAS[via],
        *rest,
    )


def read_learned(row: Row | None) -> Learned:
    """Return what the row of LEARNED_COLUMNS holds; nothing is known without one."""
    if row is None:
        return Learned()
    lists_archived, gets_archived, longest_page, empties, how = row
    return Learned(_flag(lists_archived), _flag(gets_archived), longest_page, empties, how)


def read_intent(row: Row) -> Intent:
    """Return the intent of a row of INTENT_COLUMNS; ValueError for a word that is not known."""
    run, seq, action, external_id, email, customer, opened_at, payload_hash, before, after, status, *rest = row
    return Intent(
        run,
        seq,
        Action(action),
        Address(external_id, email),
        customer,
        opened_at,
        payload_hash,
        json.loads(before),
        json.loads(after),
        None if status is None else Status(status),
        *rest,
    )


def read_run(row: Row) -> Run:
    """Return the run of a row of RUN_COLUMNS."""
    return Run(*row)


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
            return tuple(SeenUser(email, fields, applied) for email, fields, applied in json.loads(text))
        except (ValueError, TypeError) as error:
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
    )


def _users_json(users: Iterable[SeenUser]) -> str:
    """Return users as the text that `SeenUsers` reads."""
    return _json([(user.email, user.fields, user.applied) for user in users])


def _learned_row(learned: Learned) -> Row:
    """Return what was learned as a row of LEARNED_COLUMNS."""
    return (learned.lists_archived, learned.gets_archived, learned.longest_page, learned.empties, learned.how)


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
    )


def _flag(stored: int | None) -> bool | None:
    """Return a stored truth value, None where it is not known."""
    return None if stored is None else bool(stored)


# All ASCII: half a surrogate pair, which a server may send, has no UTF-8 and could not be stored.
_json: Callable[[object], str] = json.JSONEncoder(separators=(",", ":"), default=dict).encode
