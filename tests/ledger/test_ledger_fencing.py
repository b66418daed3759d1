"""One run writes: who was taken over commits nothing more, whatever the ledger is stored in."""

from __future__ import annotations

from pathlib import Path

import object_server
import postgres_server
import pytest
from ledgers import OPENERS, Open, bound, sqlite_ledger

from reconciler.errors import TakenOver
from reconciler.ledger import Holder, Ledger
from reconciler.model.ledger import PutBinding, PutKeys

ANA = Holder("ana@host 7", "2026-01-01T00:00:00Z", "apply")
BEN = Holder("ben@other 8", "2026-01-01T00:00:20Z", "apply")


@pytest.fixture(params=OPENERS)
def opener(request: pytest.FixtureRequest) -> Open:
    return OPENERS[request.param]


def begun(ledger: Ledger, holder: Holder, folder: Path) -> Ledger:
    """Let a run begin; a lease of an earlier one has expired by then."""
    for leases in (postgres_server, object_server):
        leases.expire(str(folder))
    return ledger.begin(holder, account=str(folder))


def test_a_run_that_has_begun_commits(opener: Open, tmp_path: Path) -> None:
    with opener(tmp_path) as ledger, begun(ledger, ANA, tmp_path) as run:
        run.commit([PutBinding(bound(1))])
        run.commit([PutBinding(bound(2))])
        assert run.records().bindings == {"key-1": bound(1), "key-2": bound(2)}


def test_a_late_writer_commits_nothing_and_is_told_who_has_taken_over_since_when(opener: Open, tmp_path: Path) -> None:
    with opener(tmp_path) as first, opener(tmp_path) as second:
        late = begun(first, ANA, tmp_path)
        late.commit([PutBinding(bound(1))])
        begun(second, BEN, tmp_path).commit([PutBinding(bound(2))])
        with pytest.raises(TakenOver, match=r"another run has taken over at 2026-01-01T00:00:20Z: apply by ben@other"):
            late.commit([PutBinding(bound(3))])
        assert second.records().bindings == {"key-1": bound(1), "key-2": bound(2)}


def test_a_late_writer_overwrites_nothing(opener: Open, tmp_path: Path) -> None:
    with opener(tmp_path) as first, opener(tmp_path) as second:
        late = begun(first, ANA, tmp_path)
        begun(second, BEN, tmp_path).commit([PutBinding(bound(2))])
        with pytest.raises(TakenOver):
            late.overwrite(first.copy())
        assert second.records().bindings == {"key-2": bound(2)}


def test_a_run_that_begins_after_another_has_ended_commits(opener: Open, tmp_path: Path) -> None:
    for n, holder in enumerate((ANA, BEN)):
        with opener(tmp_path) as ledger, ledger.begin(holder, account=str(tmp_path)) as run:
            run.commit([PutBinding(bound(n))])
    with opener(tmp_path) as ledger:
        assert ledger.records().bindings == {"key-0": bound(0), "key-1": bound(1)}


def test_what_was_learned_is_written_without_taking_over(opener: Open, tmp_path: Path) -> None:
    with opener(tmp_path) as first, opener(tmp_path) as second:
        with begun(first, ANA, tmp_path) as run:
            run.commit([PutBinding(bound(1))])
        second.commit([PutKeys(("ab",))])
        assert second.records().keys == ("ab",)


def test_each_commit_and_no_beginning_raises_the_serial(opener: Open, tmp_path: Path) -> None:
    with opener(tmp_path) as ledger:
        run = begun(ledger, ANA, tmp_path)
        serials = [run.copy().meta.serial]
        for n in range(2):
            run.commit([PutBinding(bound(n))])
            serials.append(run.copy().meta.serial)
    assert serials == [0, 1, 2]


def test_what_is_told_of_who_took_over_holds_no_control_characters(tmp_path: Path) -> None:
    with sqlite_ledger(tmp_path / "l.db") as first, sqlite_ledger(tmp_path / "l.db") as second:
        late = first.begin(ANA, account="a")
        second.begin(Holder("\x1b[31mben\u202e", "now", "apply"), account="a")
        with pytest.raises(TakenOver) as told:
            late.commit([])
    assert "\\x1b[31mben\\u202e" in str(told.value)
