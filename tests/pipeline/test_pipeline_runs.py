"""Runs by their names, and what all of them archived; what an open intent of a duplicate says of a bound customer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from plan_values import NOW_S, account, bound, ledger

from reconciler.apply.recover import recovered
from reconciler.errors import ReconcilerError
from reconciler.ledger.base import Ledger
from reconciler.ledger.open import open_ledger
from reconciler.model.core import Action, Address, CustomerId, Status
from reconciler.model.ledger import BindingState, Intent, PutIntent, PutRun, Run
from reconciler.pipeline.history import archived_by_runs, named_run

ACME = Address("acme")


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Ledger]:
    """Yield an empty ledger."""
    with open_ledger(str(tmp_path / "l.db"), environment="test", base_url="https://api.example") as opened:
        yield opened


def intent(run: str, seq: int, action: Action, customer: str, status: Status | None = Status.DONE) -> Intent:
    """Return a change of a run."""
    return Intent(run, seq, action, ACME, CustomerId(customer), NOW_S - 3600, status=status)


def test_a_run_is_named_by_its_id_or_by_how_that_begins(kept: Ledger) -> None:
    runs = [Run(name, "2026-01-05T00:00:00.000000Z", "apply") for name in ("abcd", "abcd1", "efgh1")]
    kept.commit(map(PutRun, runs))
    assert [named_run(kept, name) for name in ("abcd", "abcd1", "efgh")] == runs


@pytest.mark.parametrize(
    ("name", "words"), [("abcd", ("2 runs begin like this")), ("zzzz", "no such run"), ("e", "too short")]
)
def test_what_names_no_run_or_several_is_an_error(kept: Ledger, name: str, words: str) -> None:
    kept.commit(PutRun(Run(one, "2026-01-05T00:00:00.000000Z", "apply")) for one in ("abcd1", "abcd2", "efgh1"))
    with pytest.raises(ReconcilerError, match=words):
        named_run(kept, name)


def test_the_empty_name_names_no_run(kept: Ledger) -> None:
    kept.commit([PutRun(Run("abcd1", "2026-01-05T00:00:00.000000Z", "apply"))])
    with pytest.raises(ReconcilerError, match="no such run"):
        named_run(kept, "")


def test_what_was_archived_and_not_restored_since_is_archived_by_us(kept: Ledger) -> None:
    kept.commit(PutRun(Run(one, "2026-01-05T00:00:00.000000Z", "duplicates")) for one in ("r1", "r2"))
    changes = [
        intent("r1", 1, Action.ARCHIVE, "cus_1"),
        intent("r1", 2, Action.ARCHIVE, "cus_2"),
        intent("r1", 3, Action.ARCHIVE, "cus_3", Status.FAILED),
        intent("r1", 4, Action.ARCHIVE, "cus_4", None),
        intent("r2", 1, Action.RESTORE, "cus_2"),
    ]
    kept.commit(map(PutIntent, changes))
    assert archived_by_runs(kept) == {"cus_1"}


@pytest.mark.parametrize(("archived", "state"), [("cus_1", BindingState.ARCHIVED), ("cus_2", BindingState.ACTIVE)])
def test_the_unanswered_archive_of_a_duplicate_says_nothing_of_the_customer_that_is_bound(
    archived: str, state: BindingState
) -> None:
    live = account(sought={CustomerId("cus_1"): False})
    records = ledger(bound("acme", "cus_1"), intents=(intent("r", 1, Action.ARCHIVE, archived, None),))
    assert recovered(records, live, "default").bindings["acme"].state is state
