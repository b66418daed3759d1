from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reconciler.errors import Refused, Source
from reconciler.model.core import Action, Address, Cause, CustomerId, EnvironmentRef, Reason, SourceFile
from reconciler.model.ledger import Binding, BindingState, PutUsers, SeenUser, Via
from reconciler.model.plan import (
    BindingAction,
    BindingChange,
    Blocked,
    Change,
    Cost,
    Exceeded,
    FieldChange,
    Note,
    Plan,
    Unknown,
)
from reconciler.model.reasons import BlockedReason, FieldValue, NoteKind, UnknownKind
from reconciler.plan.saved_plan import SavedPlan, load, row_digest, save, users_digest
from reconciler.report.messages.plan import word
from reconciler.report.plan_json import plan_to_json

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parents[2] / "schema" / "plan.schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

BOSTON = FieldValue("city", "Boston")
READ_AT = 1_767_225_600.0
PLAN = Plan(
    environment=EnvironmentRef("demo", "https://api.example", "ab" * 32),
    fingerprint="cd" * 32,
    files=(SourceFile("customers/a.yaml", "ef" * 32),),
    folders=("customers",),
    targets=("g*",),
    users=(PutUsers(CustomerId("cus_1"), (SeenUser("jane@acme.example", {"first_name": "Jane"}),)),),
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
        Change(Action.ARCHIVE, Address("hooli"), CustomerId("cus_2"), Reason.ENTRY_GONE, payment_methods=2),
    ),
    bindings=(BindingChange(BindingAction.ADOPT, Address("initech"), CustomerId("cus_9f3")),),
    blocked=(Blocked(Address("globex"), BlockedReason.NAME_MISSING, field="name"),),
    limits=(Exceeded("max_archives", 30, 12, "--max-archives 30"),),
    notes=(Note(NoteKind.FIELD_RELEASED, Address("acme"), parts={"field": "city", "value": BOSTON}),),
    unknown=(Unknown(UnknownKind.NO_LEDGER),),
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
    word(refused.value)
    assert "`reconciler plan --out FILE`" in refused.value.hint
    return refused.value.message


def saved() -> str:
    return save(plan_to_json(PLAN), PLAN, READ_AT, "one")


def edited(**keys: object) -> str:
    return json.dumps(json.loads(saved()) | keys)


def forged(document: dict[str, Any]) -> str:
    """Return a plan file that says something else, with the digest of what it says."""
    bare = {key: value for key, value in document.items() if key != "digest"}
    content = json.dumps(bare, sort_keys=True, separators=(",", ":"))
    return json.dumps(bare | {"digest": hashlib.sha256(content.encode()).hexdigest()})


def test_the_public_form_of_a_plan() -> None:
    assert plan_to_json(PLAN) == {
        "format_version": "2",
        "environment": {"name": "demo", "base_url": "https://api.example", "account": "ab" * 32},
        "project": "default",
        "unknown": [
            "There is no ledger yet, so we do not know which customers were archived, nor which this project managed."
        ],
        "unknown_reasons": [
            {
                "text": "There is no ledger yet, so we do not know which customers were archived, "
                "nor which this project managed.",
                "code": "no_ledger",
            }
        ],
        "summary": {
            "restore": 0,
            "patch": 1,
            "create": 0,
            "create_user": 1,
            "archive": 1,
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
            {
                "action": "archive",
                "address": "hooli",
                "external_id": "hooli",
                "id": "cus_2",
                "reason": "entry_gone",
                "fields": [],
                "payment_methods": 2,
            },
        ],
        "bindings": [{"action": "adopt", "address": "initech", "id": "cus_9f3"}],
        "limits": [{"name": "max_archives", "planned": 30, "allowed": 12, "flag": "--max-archives 30"}],
        "approvals": [],
        "blocked": [
            {
                "address": "globex",
                "field": "name",
                "reason": "It has no name, and a customer cannot be created without one.",
                "hint": "Add `name:`.",
                "code": "name_missing",
            }
        ],
        "notes": [
            {
                "text": "city is no longer managed and stays 'Boston'.",
                "address": "acme",
                "code": "field_released",
                "parts": {"field": "city", "value": {"field": "city", "value": "Boston"}},
                "values": [{"field": "city", "value": "Boston"}],
            }
        ],
        "out_of_scope": 0,
        "fingerprint": "cd" * 32,
        "files": [{"name": "customers/a.yaml", "sha256": "ef" * 32}],
        "folders": ["customers"],
        "targets": ["g*"],
    }


def test_a_saved_plan_holds_what_its_reader_was_shown_and_of_the_ledger_only_digests() -> None:
    document = json.loads(saved())
    assert document["saved"] == {"version": 2, "nonce": "one", "read_at": READ_AT}
    assert [list(row) for row in (*document["rows"], *document["users"])] == [
        ["external_id", "digest"],
        ["id", "digest"],
    ]
    VALIDATOR.validate(document)
    assert load(saved()) == SavedPlan(
        environment=PLAN.environment,
        name=document["digest"],
        fingerprint=PLAN.fingerprint,
        read_at=READ_AT,
        changes=tuple(replace(change, source=None) for change in PLAN.changes),
        bindings=PLAN.bindings,
        files=("customers/a.yaml",),
        folders=("customers",),
        targets=("g*",),
        rows={"acme": row_digest(PLAN.entries[0])},
        users={CustomerId("cus_1"): users_digest(PLAN.users[0])},
    )


def test_two_plans_that_were_saved_have_two_names_though_they_are_equal() -> None:
    assert load(saved()).name != load(save(plan_to_json(PLAN), PLAN, READ_AT, "two")).name


def test_when_a_row_was_last_written_makes_no_other_digest() -> None:
    row = PLAN.entries[0]
    assert row_digest(replace(row, written_at=9.0)) == row_digest(row)
    assert row_digest(replace(row, protected=True)) != row_digest(row)


def test_a_saved_plan_is_ascii_with_one_change_a_line() -> None:
    plan = replace(PLAN, project="Zürich \u202e")
    text = save(plan_to_json(plan), plan, READ_AT, "one")
    assert text.isascii()
    assert '"project": "Z\\u00fcrich \\u202e",\n' in text
    assert sum(row.startswith('{"action": "patch"') for row in text.splitlines()) == 1


def test_a_masked_plan_is_marked_and_holds_no_digest() -> None:
    document = plan_to_json(PLAN, redact=True)
    assert document["redacted"] is True
    assert [note["text"] for note in document["notes"]] == ["city is no longer managed and stays '***'."]
    assert "Boston" not in json.dumps(document)
    assert "digest" not in document
    VALIDATOR.validate(document)


def test_an_altered_plan_is_refused() -> None:
    altered = saved().replace('"New York"', '"New Pork"')
    assert refusal(altered) == "The plan was edited after it was saved: its digest does not match."


def test_a_plan_with_an_added_key_is_refused() -> None:
    assert refusal(edited(more=1)) == "The plan was edited after it was saved: its digest does not match."


def test_the_layout_of_a_saved_plan_may_change() -> None:
    document = json.loads(saved())
    assert load(json.dumps(dict(reversed(document.items())), indent=4)) == load(saved())


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_cut_plan_is_refused(share: float) -> None:
    text = saved()
    assert refusal(text[: int(len(text) * share)]) == "The plan is cut off or damaged: it is not complete JSON."


def test_a_newer_plan_is_refused_whatever_else_it_holds() -> None:
    assert refusal('{"format_version": "3"}') == "The plan has format \"3\", and this version reads '1' and '2'."


def test_a_plan_that_was_saved_in_format_1_is_loaded_as_it_was_shown() -> None:
    former = json.loads(saved()) | {"format_version": "1", "unknown": ["as there is no ledger yet"]}
    for row in (*former["blocked"], *former["notes"]):
        del row["code"]
        row.pop("parts", None)
    assert replace(load(forged(former)), name="") == replace(load(saved()), name="")


@pytest.mark.parametrize("text", ["", "customers: {}", "\x00\x01"])
def test_what_is_no_json_is_no_plan(text: str) -> None:
    assert refusal(text) == "This is not a saved plan: it is not JSON."


@pytest.mark.parametrize("text", ["[]", "{}", '{"changes": []}', "null", '"format_version"'])
def test_foreign_json_is_no_plan(text: str) -> None:
    assert refusal(text) == "This is not a saved plan: it has no format_version."


def test_a_printed_plan_is_no_saved_one() -> None:
    printed = json.dumps(plan_to_json(PLAN))
    assert refusal(printed) == "The plan has no digest: it was printed with `--format json`, not saved with `--out`."


def test_a_redacted_plan_is_refused() -> None:
    redacted = json.dumps(plan_to_json(PLAN, redact=True))
    assert refusal(redacted) == "The plan was written with `--redact`, so its values are missing."


def test_a_refused_plan_says_what_to_do_and_exits_with_3() -> None:
    with pytest.raises(Refused) as refused:
        load("")
    word(refused.value)
    assert (refused.value.hint, refused.value.exit_code) == ("Make a new plan: `reconciler plan --out FILE`.", 3)


@pytest.mark.parametrize("saved_by", [None, {"version": 1}, {"version": "2"}, [], 2])
def test_a_plan_that_another_version_saved_is_refused(saved_by: object) -> None:
    document = json.loads(saved())
    del document["saved"]
    text = forged(document if saved_by is None else document | {"saved": saved_by})
    assert refusal(text) == "Another version of Reconciler saved this plan."


HOSTILE: list[object] = [None, True, 1, 1.5, float("inf"), "x", "\ud800", [], [1], [[]], {}, {"a": 1}]


def places(value: object) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each value inside a JSON document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (key,)
        yield from ((key, *rest) for rest in places(inner))


@pytest.mark.parametrize("way", list(places(json.loads(saved()))), ids=str)
def test_a_part_of_another_type_is_refused_or_of_no_matter(way: tuple[Any, ...]) -> None:
    for value in HOSTILE:
        document: Any = json.loads(saved())
        part = document
        for key in way[:-1]:
            part = part[key]
        part[way[-1]] = value
        try:
            loaded = load(forged(document))
        except Refused:
            continue
        texts = (loaded.fingerprint, *loaded.files, *loaded.folders, *loaded.targets, *loaded.rows.values())
        texts += tuple(text for one in loaded.changes for text in (one.address.external_id, one.action, one.reason))
        texts += tuple(text for one in loaded.changes for field in one.fields for text in (field.name, field.before))
        assert all(isinstance(text, str) for text in texts), (way, value)
