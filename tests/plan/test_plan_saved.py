from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reconciler.errors import Refused, Source
from reconciler.model import (
    Action,
    Address,
    BindingAction,
    BindingChange,
    Blocked,
    Cause,
    Change,
    Cost,
    CustomerId,
    EnvironmentRef,
    Exceeded,
    FieldChange,
    Note,
    Reason,
)
from reconciler.plan.saved import load, plan_to_json, save
from reconciler.plans import Plan
from reconciler.records import Binding, BindingState, Via

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parents[2] / "schema" / "plan.schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

PLAN = Plan(
    environment=EnvironmentRef("demo", "https://api.example", "ab" * 32),
    project="default",
    changes=(
        Change(
            Action.PATCH,
            Address("acme"),
            CustomerId("cus_1"),
            Reason.DECLARED,
            (FieldChange("city", "Boston", "New York"), FieldChange("state", "MA", None, Cause.DRIFT)),
            Source("customers.yaml", 7),
        ),
        Change(Action.CREATE_USER, Address("acme", "jane@acme.example"), CustomerId("cus_1"), Reason.DECLARED),
    ),
    bindings=(BindingChange(BindingAction.ADOPT, Address("initech"), CustomerId("cus_9f3")),),
    blocked=(Blocked(Address("globex"), "the API cannot change an e-mail", "use the dashboard", "email"),),
    limits=(Exceeded("max_archives", 30, 12, "--max-archives 30"),),
    notes=(Note("stays Boston", Address("acme"), (("city", "Boston"),)),),
    cost=Cost(4, 3, 5.0),
    unchanged=40,
    entries=(
        Binding(
            "acme",
            CustomerId("cus_1"),
            "acme",
            "2026-01-02T03:04:05Z",
            BindingState.ACTIVE,
            "default",
            "customers.yaml",
            protected=False,
            via=Via.CREATED,
            applied_json='{"city":"Boston"}',
        ),
    ),
)


def refusal(text: str) -> str:
    with pytest.raises(Refused) as refused:
        load(text)
    return refused.value.message


def edited(**keys: object) -> str:
    return json.dumps(json.loads(save(PLAN)) | keys)


def test_the_public_form_of_a_plan() -> None:
    assert plan_to_json(PLAN) == {
        "format_version": "1",
        "environment": {"name": "demo", "base_url": "https://api.example", "account": "ab" * 32},
        "project": "default",
        "unknown": [],
        "summary": {
            "restore": 0,
            "patch": 1,
            "create": 0,
            "create_user": 1,
            "archive": 0,
            "blocked": 1,
            "unchanged": 40,
        },
        "cost": {"requests": 4, "seconds": 0.8, "rate_per_second": 5, "overhead": 3},
        "changes": [
            {
                "action": "patch",
                "address": "acme",
                "external_id": "acme",
                "id": "cus_1",
                "reason": "declared",
                "fields": [
                    {"name": "city", "before": "Boston", "after": "New York", "cause": "config"},
                    {"name": "state", "before": "MA", "after": None, "cause": "drift"},
                ],
                "source": {"file": "customers.yaml", "line": 7},
            },
            {
                "action": "create_user",
                "address": "acme/jane@acme.example",
                "external_id": "acme",
                "id": "cus_1",
                "reason": "declared",
                "fields": [],
            },
        ],
        "bindings": [{"action": "adopt", "address": "initech", "id": "cus_9f3"}],
        "limits": [{"name": "max_archives", "planned": 30, "allowed": 12, "flag": "--max-archives 30"}],
        "blocked": [
            {
                "address": "globex",
                "field": "email",
                "reason": "the API cannot change an e-mail",
                "hint": "use the dashboard",
            }
        ],
        "notes": [{"text": "stays Boston", "address": "acme", "values": [{"field": "city", "value": "Boston"}]}],
        "out_of_scope": 0,
        "fingerprint": "",
        "files": [],
        "users": [],
        "entries": [
            {
                "external_id": "acme",
                "id": "cus_1",
                "live_external_id": "acme",
                "created_at": "2026-01-02T03:04:05Z",
                "state": "active",
                "project": "default",
                "source": "customers.yaml",
                "protected": False,
                "via": "created",
                "written_at": 0.0,
                "applied_hash": "",
                "applied": '{"city":"Boston"}',
            }
        ],
    }


def test_a_saved_plan_is_ascii_with_one_change_a_line() -> None:
    saved = save(replace(PLAN, project="Zürich \u202e"))
    assert saved.isascii()
    assert '"project": "Z\\u00fcrich \\u202e",\n' in saved
    assert sum(row.startswith('{"action": "patch"') for row in saved.splitlines()) == 1


def test_a_masked_plan_is_marked_and_holds_no_entries_and_no_digest() -> None:
    document = plan_to_json(PLAN, mask=lambda plan: replace(plan, notes=(Note("***"),)))
    assert document["redacted"] is True
    assert document["notes"] == [{"text": "***"}]
    assert {"entries", "digest"} & set(document) == set()
    VALIDATOR.validate(document)


def test_an_altered_plan_is_refused() -> None:
    altered = save(PLAN).replace('"New York"', '"New Pork"')
    assert refusal(altered) == "the plan was altered after it was saved: its digest differs"


def test_a_plan_with_an_added_key_is_refused() -> None:
    assert refusal(edited(more=1)) == "the plan was altered after it was saved: its digest differs"


def test_the_layout_of_a_saved_plan_may_change() -> None:
    document = json.loads(save(PLAN))
    assert load(json.dumps(dict(reversed(document.items())), indent=4)) == PLAN


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_cut_plan_is_refused(share: float) -> None:
    saved = save(PLAN)
    assert refusal(saved[: int(len(saved) * share)]) == "the plan is cut or damaged: it is not whole JSON"


def test_a_newer_plan_is_refused_whatever_else_it_holds() -> None:
    assert refusal('{"format_version": "2"}') == 'the plan is of format "2", and this version reads format 1'


@pytest.mark.parametrize("text", ["", "customers: {}", "\x00\x01"])
def test_what_is_no_json_is_no_plan(text: str) -> None:
    assert refusal(text) == "this is not a saved plan: it is not JSON"


@pytest.mark.parametrize("text", ["[]", "{}", '{"changes": []}', "null", '"format_version"'])
def test_foreign_json_is_no_plan(text: str) -> None:
    assert refusal(text) == "this is not a saved plan: it has no format_version"


def test_a_printed_plan_is_no_saved_one() -> None:
    printed = json.dumps(plan_to_json(PLAN))
    assert refusal(printed) == "the plan has no digest: it was printed with --format json, not saved"


def test_a_redacted_plan_is_refused() -> None:
    redacted = json.dumps(plan_to_json(PLAN, mask=lambda plan: plan))
    assert refusal(redacted) == "the plan was written with --redact: its values are not in it"


def test_a_refused_plan_says_what_to_do_and_exits_with_3() -> None:
    with pytest.raises(Refused) as refused:
        load("")
    assert (refused.value.hint, refused.value.exit_code) == ("make a new plan with 'plan --out FILE'", 3)
