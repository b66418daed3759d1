"""The events of a run as lines of JSON: each kind, and what they must not hold."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from command_line import fits

from reconciler.model.core import Action, Address, CustomerId, EnvironmentRef, Reason, Status
from reconciler.model.ledger import Run
from reconciler.model.plan import Change, Cost, Exceeded, FieldChange, Outcome, Plan
from reconciler.model.reasons import Cited, Ending, EndReason, ending_json
from reconciler.report.progress import (
    ChangeEnded,
    ChangeStarted,
    Event,
    PlanMade,
    RequestThrottled,
    RunEnded,
    RunStarted,
    Waiting,
    event_line,
)

AT = "2026-01-05T08:00:00.000000Z"
CREATE = Change(
    Action.CREATE_USER,
    Address("acme", "jane@acme.example"),
    CustomerId("cus_1"),
    Reason.DECLARED,
    (FieldChange("first_name", "", "Jane"),),
)
PLAN = Plan(
    EnvironmentRef("demo", "https://api.example", "ab"),
    "default",
    changes=(CREATE,),
    limits=(Exceeded("max_changes", 1, 0, "--max-changes 1"),),
    cost=Cost(1, 3, 5.0),
)
RUN = Run("run_1", AT, "apply", "stopped", AT, requests=7, changes=1)
ANSWER = {"request": "POST /customers/cus_1/users", "status": 422, "code": "taken", "about": (), "advice": Cited("")}
TAKEN = Ending(EndReason.REJECTED, {**ANSWER, "words": Cited("Jane is taken, says jane@acme.example")})
FAILED = Outcome(CREATE, Status.FAILED, TAKEN)
MESSAGE = 'POST /customers/cus_1/users: 422 taken: "Jane is taken, says jane@acme.example"'
HOSTILE = Ending(EndReason.OTHER_EXTERNAL_ID, {"external_id": "\r\n\x00"})

EVENTS: tuple[tuple[Event, dict[str, object]], ...] = (
    (
        PlanMade(PLAN, 2),
        {
            "event": "plan_made",
            "format_version": "1",
            "environment": "demo",
            "restore": 0,
            "patch": 0,
            "create": 0,
            "create_user": 1,
            "archive": 0,
            "blocked": 0,
            "over_limits": 1,
            "needed_since": 2,
            "requests": 1,
            "seconds": 0.2,
        },
    ),
    (
        RunStarted(RUN, 1),
        {"event": "run_started", "format_version": "1", "run": "run_1", "command": "apply", "changes": 1},
    ),
    (
        ChangeStarted(CREATE),
        {
            "event": "change_started",
            "action": "create_user",
            "address": "acme/jane@acme.example",
            "external_id": "acme",
            "id": "cus_1",
        },
    ),
    (
        ChangeEnded(FAILED, 1, 2),
        {
            "event": "change_ended",
            "action": "create_user",
            "address": "acme/jane@acme.example",
            "external_id": "acme",
            "id": "cus_1",
            "status": "failed",
            "message": MESSAGE,
            **ending_json(TAKEN),
            "done": 1,
            "total": 2,
        },
    ),
    (Waiting(2, 10.0), {"event": "waiting", "because": "in_doubt", "changes": 2, "seconds": 10.0}),
    (RequestThrottled("POST /customers"), {"event": "throttled", "request": "POST /customers"}),
    (
        RunEnded(RUN, (FAILED, replace(FAILED, status=Status.DONE)), TAKEN),
        {
            "event": "run_ended",
            "run": "run_1",
            "outcome": "stopped",
            "halt": MESSAGE,
            "halted": ending_json(TAKEN),
            "requests": 7,
            "done": 1,
            "failed": 1,
            "skipped": 0,
            "in_doubt": 0,
        },
    ),
)


@pytest.mark.parametrize(("event", "document"), EVENTS, ids=[type(event).__name__ for event, _ in EVENTS])
def test_each_event_is_one_line_that_fits_the_schema(event: Event, document: dict[str, object]) -> None:
    line = event_line(event, at=AT)
    assert (line.count("\n"), json.loads(line)) == (1, {"at": AT, **document})
    assert fits(json.loads(line), "events")


@pytest.mark.parametrize("event", [event for event, _ in EVENTS], ids=[type(event).__name__ for event, _ in EVENTS])
def test_a_redacted_event_names_no_person_and_fits_too(event: Event) -> None:
    line = event_line(event, at=AT, redact=True)
    assert (line.casefold().count("jane"), fits(json.loads(line), "events")) == (0, True)


def test_hostile_text_stays_within_its_line_in_ascii() -> None:
    change = replace(CREATE, address=Address("\x1b[2J\u202e\n\u2028é"))
    line = event_line(
        ChangeEnded(Outcome(change, Status.DONE, HOSTILE), 1, 1),
        at=AT,
    )
    assert line.isascii()
    assert {char for char in line if not char.isprintable()} == {"\n"}
    assert line.count("\n") == 1
