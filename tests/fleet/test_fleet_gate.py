"""The gate: plans of many accounts held against the fleet's policy, and their division into waves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.fleet.gate import judge, waves_of
from reconciler.model.fleet import (
    AccountState,
    ChangeCounts,
    FleetAccount,
    FleetPolicy,
    JobKind,
    JobResult,
    Wave,
)
from reconciler.model.policy import Share

OPEN = FleetPolicy(None, None, None)


def plans(*changes: ChangeCounts, customers: int = 10) -> list[JobResult]:
    return [
        JobResult(
            f"a{number:03}", JobKind.PLAN, AccountState.PENDING, 0, 0.0, 1.0, customers=customers, planned=planned
        )
        for number, planned in enumerate(changes)
    ]


def accounts(number: int, **labels: str) -> list[FleetAccount]:
    return [FleetAccount(f"a{one}", "production", f"accounts/a{one}", labels) for one in range(number)]


def test_an_overlay_that_empties_30_of_200_accounts_is_refused_and_the_30_are_named() -> None:
    results = plans(*[ChangeCounts(archives=10)] * 30, *[ChangeCounts()] * 170)
    verdict = judge(results, FleetPolicy())
    (row,) = verdict.exceeded
    assert not verdict.open
    assert (row.limit, row.planned, row.allowed) == ("max_accounts_archiving", 30, 10)
    assert row.accounts == tuple(f"a{number:03}" for number in range(30))
    assert row.flag == "--max-accounts-archiving 30"


def test_a_share_is_of_all_chosen_accounts_rounded_down_and_at_least_one() -> None:
    policy = replace(OPEN, max_accounts_changed=Share.parse("25%"))
    one = ChangeCounts(creates=1)
    assert judge(plans(one, ChangeCounts()), policy).open
    assert judge(plans(one, *[ChangeCounts()] * 6), policy).open
    assert not judge(plans(one, one, *[ChangeCounts()] * 5), policy).open
    assert judge(plans(one, one, *[ChangeCounts()] * 6), policy).open


def test_archives_are_counted_over_all_accounts_as_a_share_of_their_customers() -> None:
    policy = replace(OPEN, max_archives=Share.parse("10%"))
    assert judge(plans(ChangeCounts(archives=1), ChangeCounts(archives=1)), policy).open
    (row,) = judge(plans(ChangeCounts(archives=2), ChangeCounts(archives=1)), policy).exceeded
    assert (row.planned, row.allowed, row.accounts) == (3, 2, ("a000", "a001"))


@pytest.mark.parametrize("wrong", [{"error": "Forbidden", "code": 1}, {"exceeded": ("max_archives: 3 planned",)}])
def test_an_account_that_is_not_ready_closes_the_gate_unless_it_may_be_left_out(wrong: dict[str, object]) -> None:
    first, second = plans(ChangeCounts(creates=1), ChangeCounts(creates=1))
    results = [replace(first, **wrong), second]  # type: ignore[arg-type]
    assert not judge(results, OPEN).open
    verdict = judge(results, OPEN, skip=True)
    assert verdict.open
    assert [one.account for one in verdict.changing] == ["a001"]


def test_waves_take_labels_first_then_a_share_then_whoever_is_left() -> None:
    all_of_them = [*accounts(20), FleetAccount("z", "production", "accounts/z", {"wave": "canary"})]
    waves = (Wave({"wave": "can*"}, soak_s=60.0), Wave(share=Share.parse("10%")), Wave({"wave": "nobody"}))
    steps = waves_of(all_of_them, waves)
    assert [(len(step.accounts), step.soak_s) for step in steps] == [(1, 60.0), (2, 0.0), (18, 0.0)]
    assert sorted(name for step in steps for name in step.accounts) == sorted(one.name for one in all_of_them)


def test_without_waves_all_go_at_once() -> None:
    assert [len(step.accounts) for step in waves_of(accounts(3), ())] == [3]
    assert waves_of([], ()) == ()
