"""A probe answers what the emulator's switches say, whatever they are, and what it learned changes the next run."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from allpairspy import AllPairs
from plan_values import customer, declared
from probes import SWITCHES, UNSEEN, Probed, expected, lag_of

from reconciler.emulator.fault_settings import switched
from reconciler.model.core import DesiredCustomer, Status
from reconciler.model.ledger import Learned
from reconciler.model.reports import ProbeQuestion
from reconciler.probe.questions import REQUESTS
from reconciler.rules import Behaviour
from reconciler.rules.questions import QUESTIONS

FULL = {"name": "Acme", "email": "billing@acme.example", "state": "NY", "postal_code": "10001"}
ROWS = [switched(Behaviour(), dict(zip(SWITCHES, row, strict=True))) for row in AllPairs(list(SWITCHES.values()))]
# Where less than the documented default of `limit` is refused, no list can be had.
READABLE = [row for row in ROWS if row.page_max >= 100 or row.larger_limit == "cut"]


def _ids(behaviour: Behaviour) -> str:
    default = Behaviour().as_json()
    return " ".join(f"{name}={value}" for name, value in behaviour.as_json().items() if value != default[name])


@pytest.mark.parametrize("behaviour", ROWS, ids=range(len(ROWS)))
def test_the_answers_are_the_switches_and_nothing_but_archived_customers_is_left(
    tmp_path: Path, behaviour: Behaviour
) -> None:
    world = Probed(tmp_path, behaviour)
    what = world.probe()
    found = {one.question: one.found for one in what.answers if one.question is not ProbeQuestion.LAG}
    assert found == expected(behaviour), _ids(behaviour)
    (lag_s,) = (float(one.found) for one in what.answers if one.question is ProbeQuestion.LAG)
    assert lag_of(behaviour) <= lag_s <= lag_of(behaviour) + 1.0
    assert (what.stopped, what.left, world.active()) == ("", (), [])
    assert sorted(one.id for one in world.marked()) == sorted(what.made)
    assert behaviour.lag_s or what.requests <= REQUESTS
    assert len(what.made) == (1 if behaviour.unique == "all" else 2)


@pytest.mark.parametrize("behaviour", READABLE, ids=range(len(READABLE)))
def test_after_a_probe_a_run_asks_nothing_that_was_answered(tmp_path: Path, behaviour: Behaviour) -> None:
    world = Probed(tmp_path, behaviour, strangers=0)
    world.probe()
    world.wait(60)
    kept, gone = customer("kept", fields=FULL), customer("gone", fields=FULL)
    assert _statuses(world, kept, gone) == [Status.DONE] * 2
    world.wait(60)
    cleared = customer("kept", fields={**FULL, "state": None})
    applied = world.apply(declared(cleared, customer("gone", fields=FULL, archived=True)))
    # A clear is one request where something empties a field, and an archive teaches nothing any more.
    tries = 2 if behaviour.clears == "nothing" else 1
    assert applied.requests == 1 + tries
    world.wait(60)
    assert world.apply(declared(kept)).requests <= 1


def _statuses(world: Probed, *customers: DesiredCustomer) -> list[Status]:
    return [one.status for one in world.apply(declared(*customers)).outcomes]


def test_every_switch_is_set_or_needs_what_no_probe_has() -> None:
    invoices, integration = {"invoiced", "invoiced_status"}, {"sync_undoes", "integration_ids"}
    assert {*invoices, *integration, "email_unique", "users_scope", "methods_scope"} == UNSEEN


def test_every_open_question_is_asked_or_says_why_not() -> None:
    assert [one.key for one in QUESTIONS if bool(one.asked) is bool(one.not_asked)] == []
    assert {asked.question for one in QUESTIONS for asked in one.asked} == set(ProbeQuestion)


def test_what_planning_takes_over_from_an_answer_is_a_field_of_what_is_learned() -> None:
    asked = [one for question in QUESTIONS for one in question.asked]
    taken = {one.learned for one in asked if one.learned}
    assert taken <= {field.name for field in fields(Learned)}
    assert [one.question for one in asked if bool(one.learned) is not bool(one.values)] == []
