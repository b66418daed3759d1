from __future__ import annotations

import json
from dataclasses import replace

import pytest
from command_line import THREE, Online, fits

pytest_plugins = ("command_fixtures",)

MANY = "customers:\n" + "".join(f"  c{number}: {{name: C, email: c{number}@x.example}}\n" for number in range(9))


def test_a_run_stops_in_good_order_and_the_next_one_goes_on(shop: Online) -> None:
    shop.write("customers.yaml", MANY)
    first = shop.run("apply", "--auto-approve", "--max-requests", "7", "-f", "customers.yaml")
    assert first.code == 2
    assert "Apply: 4 done, 5 skipped, 5 not started; 6 requests" in first.out
    assert (
        "The run's budget is used up (--max-requests 7): 4 of 9 changes done, "
        "5 not begun; run the same command again to continue"
    ) in first.err
    second = shop.run("apply", "--auto-approve", "--max-requests", "9", "-f", "customers.yaml")
    assert second.code == 0
    assert len(shop.account()) == 9


def test_json_says_what_remains(shop: Online) -> None:
    shop.write("customers.yaml", MANY)
    words = ("apply", "--auto-approve", "--max-requests", "7", "--format", "json", "-f", "customers.yaml")
    report = shop.run(*words).json
    assert report["summary"]["remaining"] == 5
    assert report["outcomes"][-1]["message"] == "Not started: the run's budget is used up (--max-requests 7)."


def test_a_saved_plan_goes_on_where_its_run_stopped(shop: Online) -> None:
    shop.write("customers.yaml", MANY)
    assert shop.run("plan", "--out", "saved.plan", "-f", "customers.yaml").code == 0
    codes = [
        shop.run("apply", "saved.plan", "-f", "customers.yaml", "--auto-approve", "--max-requests", "7").code
        for _ in range(3)
    ]
    assert codes == [2, 2, 0]
    assert len(shop.account()) == 9


def test_what_is_blocked_wins_over_what_the_budget_left_undone(shop: Online) -> None:
    shop.applied("customers:\n  old: {name: O, email: old@x.example}\n")
    shop.later()
    shop.write("customers.yaml", MANY + "  old: {name: O, email: other@x.example}\n")
    assert shop.run("apply", "--auto-approve", "--max-requests", "5", "-f", "customers.yaml").code == 3


def test_a_failure_wins_over_what_the_budget_left_undone(shop: Online) -> None:
    shop.write("customers.yaml", MANY)
    shop.emulator.behaviour = replace(shop.emulator.behaviour, required=frozenset({"ein"}))
    assert shop.run("apply", "--auto-approve", "--max-requests", "5", "-f", "customers.yaml").code == 1


@pytest.mark.parametrize(
    "words", [("apply", "--auto-approve", "-f", "customers.yaml"), ("undo", "{run}", "--auto-approve"), ("duplicates",)]
)
def test_no_command_sends_a_request_under_a_budget_of_none(shop: Online, words: tuple[str, ...]) -> None:
    shop.applied(THREE)
    run = shop.run("history", "--format", "json").json["runs"][-1]["id"]
    before = shop.requests()
    ran = shop.run(*(word.format(run=run) for word in words), "--max-requests", "0")
    assert (ran.code, shop.requests()) == (2, before)
    assert "the budget is used up: --max-requests 0" in ran.err


def test_undo_under_a_budget_says_what_it_left(shop: Online) -> None:
    shop.applied(MANY)
    shop.later()
    run = shop.run("history", "--format", "json").json["runs"][-1]["id"]
    words = ("undo", run, "--auto-approve", "--max-archives", "9", "--max-requests", "13")
    assert shop.run(*words).code == 2
    assert sum(archived for _, archived, _ in shop.account().values()) == 2


def test_a_plan_says_in_how_many_windows_it_fits_and_is_not_bounded_itself(shop: Online) -> None:
    shop.write("customers.yaml", MANY)
    text = shop.run("plan", "--max-requests", "7", "-f", "customers.yaml").out
    assert "2 more for the token and planning. It fits in 3 windows of 7 requests." in " ".join(text.split())
    document = shop.run("plan", "--max-requests", "1", "--format", "json", "-f", "customers.yaml").json
    assert document["cost"]["fits_in"] == {"windows": 0, "max_requests": 1}
    assert fits(document, "plan")


def test_a_plan_counts_the_time_at_the_rate(shop: Online) -> None:
    shop.write("customers.yaml", MANY)
    words = ("plan", "--rate", "100", "--max-duration", "10.05s", "-f", "customers.yaml")
    assert "It fits in 5 windows of 10.1 s." in shop.run(*words).out


def test_a_saved_plan_does_not_hold_how_it_would_fit(shop: Online) -> None:
    shop.write("customers.yaml", MANY)
    shop.run("plan", "--out", "one.plan", "-f", "customers.yaml")
    shop.run("plan", "--out", "two.plan", "--max-requests", "7", "-f", "customers.yaml")
    one, two = (json.loads((shop.folder / name).read_text()) for name in ("one.plan", "two.plan"))
    assert {key: one[key] == two[key] for key in one if one[key] != two.get(key)}.keys() == {"saved", "digest"}


def test_a_budget_that_planning_uses_up_is_not_to_be_tried_again(shop: Online) -> None:
    shop.write("customers.yaml", MANY)
    ran = shop.run("apply", "--auto-approve", "--max-requests", "3", "-f", "customers.yaml")
    assert (ran.code, shop.writes()) == (2, [])
    assert "0 of 9 changes done, 9 not begun; allow more: the requests before the first change use up" in ran.err


def test_planning_that_needs_more_than_the_ledger_knew_says_so(shop: Online) -> None:
    shop.load(*({"name": f"C{number}", "external_id": f"c{number}"} for number in range(130)))
    shop.write("customers.yaml", MANY)
    ran = shop.run("apply", "--auto-approve", "--max-requests", "2", "-f", "customers.yaml")
    assert (ran.code, shop.requests()) == (2, 2)
    assert "planning takes 3 requests or more, plus one per change" in ran.err
