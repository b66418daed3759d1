from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.errors import Source
from reconciler.model.core import Action, Address, Cause, CustomerId, EnvironmentRef, Reason, SourceFile
from reconciler.model.ledger import Binding, BindingState, Via
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
from reconciler.model.reasons import BlockedReason, Cited, FieldValue, NoteKind, ReasonCode, UnknownKind
from reconciler.plan.saved_plan import load, save
from reconciler.report.plan_json import plan_to_json

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parents[2] / "schema" / "plan.schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

EMPTY = Plan(EnvironmentRef("demo", "https://api.example", ""), "default")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ids = texts.map(CustomerId)
counts = st.integers(0, 10**6)
addresses = st.builds(Address, texts, st.none() | texts)
sources = st.builds(Source, texts, counts, counts)
changes = st.builds(
    Change,
    action=st.sampled_from(Action),
    address=addresses,
    id=st.none() | ids,
    reason=st.sampled_from(Reason),
    fields=st.lists(st.builds(FieldChange, texts, texts, st.none() | texts, st.sampled_from(Cause)), max_size=2).map(
        tuple
    ),
    source=st.none() | sources,
    otherwise=st.none() | st.just(Action.CREATE),
    unless_listed=st.booleans(),
    payment_methods=st.none() | counts,
)
bindings = st.builds(BindingChange, st.sampled_from(BindingAction), addresses, ids, st.none() | texts)
entries = st.builds(
    Binding,
    external_id=texts,
    id=st.none() | ids,
    live_external_id=texts,
    created_at=texts,
    state=st.sampled_from(BindingState),
    project=texts,
    source=texts,
    protected=st.booleans(),
    via=st.sampled_from(Via),
    written_at=st.floats(0, 4e9),
    applied_hash=st.binary(max_size=16),
    applied_json=texts,
    observed_json=st.none() | texts,
    trouble_json=st.none() | texts,
)
values = st.one_of(texts, counts, addresses, sources, st.builds(FieldValue, texts, texts), st.builds(Cited, texts))
parts = values | st.lists(values, max_size=5).map(tuple)


def coded(kind: type[ReasonCode]) -> st.SearchStrategy[tuple[ReasonCode, dict[str, Any]]]:
    """Return codes with any parts under the names that they carry."""
    return st.sampled_from(kind).flatmap(
        lambda code: st.tuples(st.just(code), st.fixed_dictionaries(dict.fromkeys(code.parts, parts)))
    )


blocked = st.builds(
    lambda code, **rest: Blocked(reason=code[0], parts=code[1], **rest),
    coded(BlockedReason),
    address=addresses,
    field=st.none() | texts,
    source=st.none() | sources,
    ids=st.lists(ids, max_size=2).map(tuple),
)
notes = st.builds(lambda code, whom: Note(code[0], whom, parts=code[1]), coded(NoteKind), st.none() | addresses)


def some(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=2).map(tuple)


plans = st.builds(
    Plan,
    environment=st.builds(EnvironmentRef, texts, texts, texts),
    project=texts,
    changes=some(changes),
    bindings=some(bindings),
    blocked=some(blocked),
    limits=some(st.builds(Exceeded, texts, counts, counts, texts)),
    notes=some(notes),
    unknown=some(st.builds(lambda code: Unknown(*code), coded(UnknownKind))),
    cost=st.builds(Cost, counts, counts, st.floats(0.01, 1000) | st.just(0.0)),
    unchanged=counts,
    out_of_scope=counts,
    fingerprint=st.just("ab" * 32),
    files=some(st.builds(SourceFile, texts, texts)),
    entries=some(entries),
)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(plan=plans)
def test_a_saved_plan_is_loaded_as_it_was_shown_with_the_same_bytes_and_fits_its_schema(plan: Plan) -> None:
    saved = save(plan_to_json(plan), plan, 1.0, "one")
    loaded = load(saved)
    assert loaded.changes == tuple(replace(change, source=None) for change in plan.changes)
    assert (loaded.bindings, loaded.environment) == (plan.bindings, plan.environment)
    assert save(plan_to_json(plan), plan, 1.0, "one") == saved
    VALIDATOR.validate(json.loads(saved))


def test_the_schema_refuses_a_plan_with_an_unknown_key() -> None:
    errors = [error.message for error in VALIDATOR.iter_errors(plan_to_json(EMPTY) | {"more": 1})]
    assert errors == ["Additional properties are not allowed ('more' was unexpected)"]


def test_the_schema_describes_every_property_and_names_every_word() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert [path for path, schema in properties(SCHEMA, "") if not schema.get("description")] == []
    change = SCHEMA["$defs"]["change"]["properties"]
    assert set(change["action"]["enum"]) == set(Action)
    assert set(change["reason"]["enum"]) == set(Reason)
    assert set(SCHEMA["$defs"]["field"]["properties"]["cause"]["enum"]) == set(Cause)
    assert set(SCHEMA["properties"]["bindings"]["items"]["properties"]["action"]["enum"]) == set(BindingAction)


def properties(schema: object, path: str) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    if isinstance(schema, dict):
        for name, property_ in schema.get("properties", {}).items():
            found.append((f"{path}/{name}", property_))
        for name, value in schema.items():
            found.extend(properties(value, f"{path}/{name}"))
    elif isinstance(schema, list):
        for item in schema:
            found.extend(properties(item, path))
    return found
