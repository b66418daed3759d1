"""A whole ledger as text and back: every row, between any two kinds of storage, and nothing but what is whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ledgers import OPENERS, bound

from reconciler.errors import Invalid, LedgerTooNew
from reconciler.ledger.base import Copy, Meta
from reconciler.ledger.export import read_copy, to_lines
from reconciler.model.core import Action, Address, CustomerId, Status
from reconciler.model.ledger import (
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
    Recent,
    RecentWrite,
    Records,
    Run,
    SeenUser,
    Trouble,
    trouble_json,
)

ACME = replace(
    bound(1),
    applied_hash=bytes(range(16)),
    applied_json='{"name":"Acme\\u202e","state":null}',
    observed_json='{"name":"ACME"}',
    trouble_json=trouble_json({"name": Trouble(refused=("a", "b"))}),
    recent_json=Recent(1.5, {"name": RecentWrite("ACME", (("Acme", 2.5),))}).as_json(),
)
WRITES = (
    PutKeys(("ab" * 32, "cd" * 32)),
    PutLearned(
        Learned(
            lists_archived=False,
            longest_page=100,
            empties="",
            how="seen",
            page_limit=1000,
            cuts=(5, 60),
            lag_s=36.0,
            answers="{}",
        )
    ),
    PutBinding(ACME),
    PutBinding(replace(bound(2), applied_json="{}", external_id="a\0b\u2028")),
    PutUsers(CustomerId("cus_1"), (SeenUser("jane@x.example", {"first_name": "J"}, {"last_name": None}),)),
    PutUsers(CustomerId("cus_2"), ()),
    PutTaken("globex", "in use"),
    PutIntent(Intent("r", 1, Action.CREATE, Address("acme"), None, 1.5, after={"name": "\ud800"})),
    PutIntent(Intent("r", 2, Action.CREATE_USER, Address("acme", "j@x"), CustomerId("c"), 2.0, status=Status.DONE)),
    PutRun(Run("r", "2026-01-01T00:00:00.000000Z", "apply", outcome="done", requests=3)),
)
COPY = Copy(Meta("demo", "https://api.example", "one", "2026-01-01T00:00:00.000Z", 7), WRITES)


def text(copy: Copy = COPY) -> bytes:
    return "".join(to_lines(copy)).encode()


def resealed(change: Callable[[list[Any]], object]) -> bytes:
    """Return the text with its documents changed and a last line that fits."""
    documents = [json.loads(line) for line in text().splitlines()][:-1]
    change(documents)
    body = b"".join(json.dumps(one).encode() + b"\n" for one in documents)
    end = {"rows": len(documents) - 1, "sha256": hashlib.sha256(body).hexdigest()}
    return body + json.dumps(end).encode() + b"\n"


def test_a_copy_read_back_is_the_same() -> None:
    assert read_copy("l.jsonl", text()) == COPY


def test_a_copy_is_ascii_and_says_whose_it_is_first_and_its_checksum_last() -> None:
    first, *_, last = text().splitlines()
    assert text().isascii()
    assert json.loads(first) == {
        "reconciler_ledger": 2,
        "environment": "demo",
        "base_url": "https://api.example",
        "lineage": "one",
        "created_at": "2026-01-01T00:00:00.000Z",
        "serial": 7,
        "account": f"{'ab' * 32} {'cd' * 32}",
    }
    body = text()[: -len(last) - 1]
    assert json.loads(last) == {"rows": len(WRITES) - 1, "sha256": hashlib.sha256(body).hexdigest()}


@pytest.mark.parametrize("source", OPENERS)
@pytest.mark.parametrize("target", OPENERS)
def test_a_ledger_goes_from_one_kind_of_storage_to_another_and_keeps_its_lineage(
    tmp_path: Path, source: str, target: str
) -> None:
    with OPENERS[source](tmp_path / "a") as ledger:
        ledger.commit(WRITES)
        pulled = ledger.copy()
    with OPENERS[target](tmp_path / "b") as ledger:
        ledger.commit([PutBinding(bound(9)), PutRun(Run("old", "", "apply")), PutTaken("old", "x"), PutKeys(("old",))])
        ledger.overwrite(read_copy("l.jsonl", text(pulled)))
        pushed = ledger.copy()
    assert (pushed.meta.lineage, pushed.meta.serial) == (pulled.meta.lineage, 2)
    assert sorted(map(repr, pushed.writes)) == sorted(map(repr, WRITES))


@pytest.mark.parametrize("opener", OPENERS.values(), ids=OPENERS)
def test_of_the_ledger_that_was_overwritten_nothing_is_left(tmp_path: Path, opener: Callable[[Path], Any]) -> None:
    with opener(tmp_path) as ledger:
        ledger.commit(WRITES)
        ledger.overwrite(Copy(COPY.meta, ()))
        assert (ledger.copy().writes, ledger.records()) == ((), Records())


@pytest.mark.parametrize("opener", OPENERS.values(), ids=OPENERS)
def test_a_copy_does_not_bring_back_what_a_listing_lacked(tmp_path: Path, opener: Callable[[Path], Any]) -> None:
    with opener(tmp_path) as ledger:
        ledger.commit([*WRITES, PutLacked(Pass(1.0, "ab"), ("new",))])
        ledger.overwrite(ledger.copy())
        assert ledger.records().lacked == {}


@pytest.mark.parametrize("opener", OPENERS.values(), ids=OPENERS)
def test_an_older_copy_makes_a_newer_serial(tmp_path: Path, opener: Callable[[Path], Any]) -> None:
    with opener(tmp_path) as ledger:
        for n in range(9):
            ledger.commit([PutTaken("a", str(n))])
        ledger.overwrite(COPY)
        assert ledger.copy().meta.serial == 10


@pytest.mark.parametrize(
    "change",
    [
        lambda whole: whole[:-2],
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole.replace(b"cus_1", b"cus_7", 1),
        lambda whole: whole + whole,
        lambda whole: b"\n".join(whole.split(b"\n")[1:]),
        lambda _: b"",
        lambda _: b"no ledger\n",
        lambda _: b'{"rows": -1, "sha256": ""}\n',
    ],
)
def test_a_copy_that_was_cut_or_changed_is_refused(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(Invalid, match=r"^l.jsonl: it was cut short or changed"):
        read_copy("l.jsonl", change(text()))


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("bindings", "id", None),
        ("bindings", "external_id", 1),
        ("bindings", "state", "odd"),
        ("bindings", "protected", 1),
        ("bindings", "written_at", "1"),
        ("bindings", "written_at", True),
        ("bindings", "applied_hash", "xy"),
        ("bindings", "applied_json", "[]"),
        ("bindings", "applied_json", '{"name": 1}'),
        ("bindings", "observed_json", '{"name": null}'),
        ("bindings", "trouble_json", '{"name": {}}'),
        ("bindings", "recent_json", '{"fields": {}}'),
        ("bindings", "recent_json", '{"moved_at": "1", "fields": {}}'),
        ("bindings", "recent_json", '{"moved_at": 1, "fields": {"name": ["a", [["b", null]]]}}'),
        ("bindings", "recent_json", '{"moved_at": 1, "fields": {"name": [1, [["b", 2]]]}}'),
        ("users", "users_json", '[["a", {"first_name": 1}, null]]'),
        ("users", "users_json", "["),
        ("learned", "longest_page", 1.5),
        ("learned", "cuts", "1 x"),
        ("intents", "seq", 2**63),
        ("intents", "action", "delete"),
        ("intents", "before_json", '{"name": null}'),
        ("runs", "requests", None),
    ],
)
def test_a_row_that_no_ledger_holds_is_refused_with_its_line(table: str, column: str, value: object) -> None:
    lines: list[int] = []

    def change(documents: list[Any]) -> None:
        number = next(n for n, one in enumerate(documents) if one.get("table") == table)
        documents[number]["row"][column] = value
        lines.append(number + 1)

    with pytest.raises(Invalid) as told:
        read_copy("l.jsonl", resealed(change))
    assert str(told.value) == (
        f"l.jsonl:{lines[0]}: this is not a row of a ledger; use the unchanged output of `reconciler state pull`"
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda documents: documents[1].update(table="other"),
        lambda documents: documents[1].update(more=1),
        lambda documents: documents[1]["row"].update(more=1),
        lambda documents: documents[1]["row"].pop("how"),
        lambda documents: documents.__setitem__(1, []),
    ],
)
def test_a_row_of_another_shape_is_refused(change: Callable[[list[Any]], object]) -> None:
    with pytest.raises(Invalid, match=r"^l.jsonl:2: this is not a row of a ledger"):
        read_copy("l.jsonl", resealed(change))


def test_all_rows_that_are_wrong_are_told_at_once() -> None:
    def change(documents: list[Any]) -> None:
        for document in documents[1:4]:
            document["table"] = "other"

    with pytest.raises(Invalid) as told:
        read_copy("l.jsonl", resealed(change))
    assert [problem.source.line for problem in told.value.problems] == [2, 3, 4]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda documents: documents.append(documents[2]), "the key 'key-1' is in it twice"),
        (lambda documents: documents[3]["row"].update(id="cus_1"), "the id 'cus_1' is in it twice"),
        (lambda documents: documents.append(documents[-1]), "the run 'r' is in it twice"),
    ],
)
def test_what_stands_twice_is_refused(change: Callable[[list[Any]], object], message: str) -> None:
    with pytest.raises(Invalid) as told:
        read_copy("l.jsonl", resealed(change))
    assert message in str(told.value)


def test_a_copy_of_the_first_format_is_read_without_what_it_lacks() -> None:
    def aged(documents: list[Any]) -> None:
        documents[0]["reconciler_ledger"] = 1
        for document in documents[1:]:
            for name in ("actor", "key_name", "plan_digest", "pruned_at"):
                document["row"].pop(name, None)

    assert read_copy("l.jsonl", resealed(aged)) == COPY


def test_a_newer_format_is_refused() -> None:
    with pytest.raises(LedgerTooNew, match="has format 3; update reconciler"):
        read_copy("l.jsonl", resealed(lambda documents: documents[0].update(reconciler_ledger=3)))


def test_a_first_line_of_another_shape_is_refused() -> None:
    with pytest.raises(Invalid, match=r"^l.jsonl:1: this is not the first line of a copy"):
        read_copy("l.jsonl", resealed(lambda documents: documents[0].update(serial="7")))
