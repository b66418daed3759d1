"""Any writes read back as dictionaries would hold them, whatever the ledger is stored in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledgers import OPENERS, Open

from reconciler.errors import Source
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
    Run,
    SeenUser,
    Via,
    Write,
)
from reconciler.model.reasons import Cited, Ending, EndReason, FieldCited

TEXT = st.text(max_size=20) | st.sampled_from(
    ["\0", "a\0b", "'; DROP TABLE bindings; --", "\u202e", "1", "1.0", "\U0001f600"]
)
PART = TEXT | st.integers() | st.builds(Cited, TEXT) | st.builds(FieldCited, TEXT, TEXT)


def _ending(code: EndReason) -> st.SearchStrategy[Ending]:
    """Return endings of a code, with any parts and another one as their cause."""
    parts = st.fixed_dictionaries(dict.fromkeys(code.parts, PART | st.lists(PART, max_size=2).map(tuple)))
    return st.builds(Ending, st.just(code), parts, st.none() | st.just(Ending(EndReason.LOST_DONE)))


VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "str": TEXT,
    "str | None": st.none() | TEXT,
    "CustomerId": TEXT,
    "CustomerId | None": st.none() | TEXT,
    "bool": st.booleans(),
    "bool | None": st.none() | st.booleans(),
    "int": st.integers(-(2**63), 2**63 - 1),
    "tuple[int, ...]": st.lists(st.integers(), max_size=3).map(tuple),
    "float": st.floats(allow_nan=False, allow_infinity=False).map(lambda one: one + 0.0),  # SQLite has no -0.0
    "bytes": st.binary(max_size=32),
    "BindingState": st.sampled_from(BindingState),
    "Via": st.sampled_from(Via),
    "Action": st.sampled_from(Action),
    "Reason | None": st.none() | st.sampled_from(Reason),
    "Ending | None": st.none() | st.sampled_from(EndReason).flatmap(_ending),
    "Source | None": st.none() | st.builds(Source, TEXT.filter(bool), st.integers(0, 2**31)),
    "Status | None": st.none() | st.sampled_from(Status),
    "Address": st.builds(Address, TEXT, st.none() | TEXT),
    "Mapping[str, str]": st.dictionaries(TEXT, TEXT, max_size=3),
    "Mapping[str, str | None]": st.dictionaries(TEXT, st.none() | TEXT, max_size=3),
    "Mapping[str, str | None] | None": st.none() | st.dictionaries(TEXT, st.none() | TEXT, max_size=3),
}


def any_of(noun: type) -> st.SearchStrategy[Any]:
    """Every field by its annotation, so that a field that is added and not stored fails here."""
    return st.builds(noun, **{one.name: VALUES[str(one.type)] for one in fields(noun)})


ANY_BINDING = st.builds(replace, any_of(Binding), id=TEXT)
ANY_WRITES = st.lists(
    ANY_BINDING.map(PutBinding)
    | st.builds(PutUsers, TEXT, st.lists(any_of(SeenUser), max_size=3).map(tuple))
    | st.builds(PutTaken, TEXT, st.none() | TEXT)
    | st.builds(PutLacked, any_of(Pass), st.lists(TEXT, max_size=3).map(tuple))
    | any_of(Learned).map(PutLearned)
    | st.lists(st.sampled_from(("ab" * 32, "cd" * 32)), max_size=2).map(tuple).map(PutKeys)
    | any_of(Intent).map(PutIntent)
    | any_of(Run).map(PutRun)
    | st.builds(DropBinding, TEXT),
    max_size=8,
)


ANY_CUTS = st.sets(st.integers(0, 8))
SLOW: Mapping[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}


@pytest.mark.parametrize("kind", sorted(OPENERS.keys() - {"objects"}))
@settings(max_examples=60, **SLOW)
@given(writes=ANY_WRITES, cuts=ANY_CUTS)
def test_any_writes_in_any_commits_read_back_as_a_dictionary_would_hold_them(
    kind: str, writes: Sequence[Write], cuts: set[int]
) -> None:
    reads_back(OPENERS[kind], writes, cuts)


@settings(max_examples=20, **SLOW)
@given(writes=ANY_WRITES, cuts=ANY_CUTS)
def test_any_writes_into_a_store_read_back_as_a_dictionary_would_hold_them(
    writes: Sequence[Write], cuts: set[int]
) -> None:
    reads_back(OPENERS["objects"], writes, cuts)


def reads_back(opener: Open, writes: Sequence[Write], cuts: set[int]) -> None:
    held = Held()
    kept = [write for write in writes if held.take(write)]
    with TemporaryDirectory() as folder:
        with opener(Path(folder)) as ledger:
            edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(kept)), len(kept)]
            for begin, end in pairwise(edges):
                ledger.commit(kept[begin:end])
        with opener(Path(folder)) as ledger:
            records = ledger.records()
            assert (records.bindings, dict(records.users)) == (held.bindings, held.users)
            assert (records.taken, records.learned, records.keys) == (held.taken, held.learned, held.keys)
            assert records.lacked == held.lacked
            assert set(map(repr, records.intents)) == {repr(one) for one in held.intents.values() if one.status is None}
            assert ledger.runs() == tuple(held.runs.values())
            for run, _ in held.intents:
                assert ledger.intents(run) == tuple(held.intents[key] for key in sorted(held.intents) if key[0] == run)


class Held:
    """What the writes mean, in dictionaries."""

    def __init__(self) -> None:
        self.bindings: dict[str, Binding] = {}
        self.users: dict[CustomerId, tuple[SeenUser, ...]] = {}
        self.taken: dict[str, str] = {}
        self.lacked: dict[str, Pass] = {}
        self.learned = Learned()
        self.keys: tuple[str, ...] = ()
        self.intents: dict[tuple[str, int], Intent] = {}
        self.runs: dict[str, Run] = {}

    def take(self, write: Write) -> bool:
        """Hold a write; say False to one that would bind a customer twice."""
        if isinstance(write, PutBinding | DropBinding):
            return self.bind(write)
        self.put(write)
        return True

    def bind(self, write: PutBinding | DropBinding) -> bool:
        match write:
            case PutBinding(binding):
                others = {other.id for key, other in self.bindings.items() if key != binding.external_id}
                if binding.id in others:
                    return False
                self.bindings[binding.external_id] = binding
            case DropBinding(external_id):
                dropped = self.bindings.pop(external_id, None)
                self.lacked.pop(external_id, None)
                if dropped is not None and dropped.id is not None:
                    self.users.pop(dropped.id, None)
        return True

    def put(self, write: Write) -> None:
        match write:
            case PutUsers(customer, users):
                self.users[customer] = users
            case PutTaken(external_id, words):
                self.taken.pop(external_id, None)
                if words is not None:
                    self.taken[external_id] = words
            case PutLacked(seen, external_ids):
                kept = {key: one for key, one in self.lacked.items() if one.at >= seen.at - LACKED_S}
                self.lacked = {**kept, **dict.fromkeys(external_ids, seen)}
            case PutLearned(learned):
                self.learned = learned
            case PutKeys(keys):
                self.keys = keys
            case PutIntent(intent):
                self.intents[intent.run, intent.seq] = intent
                if intent.action is Action.CREATE and intent.status is None:
                    self.lacked.pop(intent.address.external_id, None)
            case PutRun(run):
                self.runs[run.id] = run
