"""What removing the values of old runs leaves in a ledger, whatever it is stored in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ledgers import OPENERS, Open, bound, sqlite_ledger

from reconciler.errors import Source
from reconciler.ledger import Ledger
from reconciler.model.core import Action, Address, CustomerId, Reason, Status
from reconciler.model.ledger import Intent, PutBinding, PutIntent, PutRun, Recent, RecentWrite, Run
from reconciler.pipeline.history import archived_by_runs, retention

OLD = Run("old", "2025-01-01T00:00:00.000000Z", "apply", "done", "2025-01-01T00:00:01.000000Z", 3, 2, "ana@host 1")
NEW = Run("new", "2026-01-01T00:00:00.000000Z", "apply", "done", "2026-01-01T00:00:01.000000Z", 3, 1)
ACME = CustomerId("cus_1")
PATCH = Intent(
    "old",
    1,
    Action.PATCH,
    Address("acme"),
    ACME,
    10.0,
    "ab",
    {"city": "Boston"},
    {"city": "Dover"},
    Status.FAILED,
    "Dover is no city",
    11.0,
)
USER = Intent(
    "old",
    2,
    Action.CREATE_USER,
    Address("acme", "jane@acme.example"),
    ACME,
    12.0,
    "cd",
    {},
    {"first_name": "Jane"},
    Status.DONE,
    "",
    13.0,
)
ARCHIVE = Intent(
    "old",
    3,
    Action.ARCHIVE,
    Address("acme"),
    ACME,
    14.0,
    status=Status.DONE,
    closed_at=15.0,
    reason=Reason.ENTRY_GONE,
    source=Source("customers.yaml"),
    commit="5d1c2f0c7b",
)
LATER = replace(PATCH, run="new")
BEFORE, NOW = "2025-06-01T00:00:00.000000Z", "2026-02-01T00:00:00.000000Z"


@pytest.fixture(params=OPENERS)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    opener: Open = OPENERS[request.param]
    with opener(tmp_path) as opened:
        opened.commit([PutBinding(bound(1)), *map(PutRun, (OLD, NEW)), *map(PutIntent, (PATCH, USER, ARCHIVE, LATER))])
        yield opened


def test_the_values_of_an_old_run_go_and_what_it_did_stays(ledger: Ledger) -> None:
    found = retention(ledger, before=BEFORE, now=NOW)
    ledger.commit(found.writes)
    gone = {"before": {}, "after": {}, "message": "", "payload_hash": ""}
    assert (found.runs, found.changes, found.in_doubt) == ((OLD,), 3, ())
    assert ledger.runs() == (replace(OLD, pruned_at=NOW), NEW)
    assert ledger.intents("old") == (
        replace(PATCH, **gone),
        replace(USER, **gone, address=Address("acme", "***")),
        replace(ARCHIVE, **gone),
    )


def test_the_values_from_before_old_writes_go_too_and_those_of_newer_ones_stay(ledger: Ledger) -> None:
    recent = Recent(fields={"city": RecentWrite("Dover", (("Boston", 10.0),))}).as_json()
    old = replace(bound(2), written_at=10.0, recent_json=recent)
    new = replace(bound(3), written_at=1_780_000_000.0, recent_json=recent)
    ledger.commit([PutBinding(old), PutBinding(new)])
    ledger.commit(retention(ledger, before=BEFORE, now=NOW).writes)
    rows = ledger.records().bindings
    assert (rows["key-2"], rows["key-3"]) == (replace(old, recent_json=None), new)


def test_a_newer_run_and_the_records_keep_all_that_they_had(ledger: Ledger) -> None:
    before = ledger.records()
    ledger.commit(retention(ledger, before=BEFORE, now=NOW).writes)
    assert (ledger.records(), ledger.intents("new")) == (before, (LATER,))


def test_what_we_archived_is_still_known(ledger: Ledger) -> None:
    ledger.commit(retention(ledger, before=BEFORE, now=NOW).writes)
    assert archived_by_runs(ledger) == {ACME}


def test_a_run_whose_values_are_gone_is_not_pruned_again(ledger: Ledger) -> None:
    ledger.commit(retention(ledger, before=BEFORE, now=NOW).writes)
    again = retention(ledger, before=BEFORE, now=NOW)
    assert (again.runs, again.writes) == ((), ())


def test_a_run_that_left_something_in_doubt_keeps_its_values(ledger: Ledger) -> None:
    ledger.commit([PutIntent(replace(PATCH, seq=4, status=None))])
    found = retention(ledger, before=BEFORE, now=NOW)
    assert (found.runs, found.in_doubt, found.writes) == ((), (OLD,), ())


def test_nothing_of_what_was_removed_stays_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with sqlite_ledger(path) as ledger:
        ledger.commit([PutRun(OLD), PutIntent(PATCH), PutIntent(USER)])
    assert b"Boston" in path.read_bytes()
    with sqlite_ledger(path) as ledger:
        ledger.commit(retention(ledger, before=BEFORE, now=NOW).writes)
    held = path.read_bytes()
    assert [word for word in (b"Boston", b"Dover", b"Jane", b"jane@acme.example") if word in held] == []
