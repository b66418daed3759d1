"""An OpenAPI document beside our contract: what is the same though it is written otherwise, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model.reports import ContractChange, ContractPart
from reconciler.probe.contract import CursorKind, cursor_kind, differences, new_fields


def document(schema: object, **more: object) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    reply = {"content": content}
    operation = {"requestBody": {"content": content}, "responses": {"200": reply, "404": reply}, **more}
    return {"openapi": "3.1.0", "paths": {"/customers/{id}": {"patch": operation}}}


FLAT = {"type": "object", "properties": {"name": {"type": "string"}, "due": {"type": "string", "format": "date"}}}


@pytest.mark.parametrize(
    "other",
    [
        {**document(FLAT), "components": {}},
        document({"allOf": [{"properties": {"name": {"type": "string"}}}, {"properties": FLAT["properties"]}]}),
        document({"properties": {**FLAT["properties"], "name": {"type": ["string", "null"]}}}),
        document({"properties": {**FLAT["properties"], "name": {}}}),
        {**document({"$ref": "#/components/x~1y"}), "components": {"x/y": FLAT}},
    ],
    ids=["the same", "all of", "null", "any type", "by reference"],
)
def test_one_contract_that_is_written_otherwise_is_the_same(other: dict[str, Any]) -> None:
    other["paths"] = {path.replace("{id}", "{customer_id}"): item for path, item in other["paths"].items()}
    assert differences(document(FLAT), other) == ()


def test_each_difference_says_where_it_is_and_what_it_was() -> None:
    theirs = {"properties": {"name": {"type": "integer"}, "tier": {"type": "string"}}, "required": ["tier"]}
    security = [{"oauth": ["customers:write"]}]
    found = {
        (one.change, one.part, one.name): (one.ours, one.theirs)
        for one in differences(document(FLAT), document(theirs, security=security))
    }
    assert found == {
        (ContractChange.REMOVED, ContractPart.REQUEST_FIELD, "due"): ("string date", ""),
        (ContractChange.CHANGED, ContractPart.REQUEST_FIELD, "name"): ("string", "integer"),
        (ContractChange.ADDED, ContractPart.REQUEST_FIELD, "tier"): ("", "string, required"),
        (ContractChange.REMOVED, ContractPart.REPLY_FIELD, "due"): ("string date", ""),
        (ContractChange.CHANGED, ContractPart.REPLY_FIELD, "name"): ("string", "integer"),
        (ContractChange.ADDED, ContractPart.REPLY_FIELD, "tier"): ("", "string"),
        (ContractChange.ADDED, ContractPart.SCOPE, "customers:write"): ("", "customers:write"),
    }


def test_an_operation_that_is_gone_is_one_difference() -> None:
    (one,) = differences(document(FLAT), {"openapi": "3.0.0", "paths": {"/customers/{id}": "?"}})
    assert (one.change, one.part, one.operation) == (
        ContractChange.REMOVED,
        ContractPart.OPERATION,
        "PATCH /customers/{}",
    )


@pytest.mark.parametrize(
    "theirs",
    [None, [], {}, {"paths": []}, {"paths": {"/customers/{id}": {"patch": {"responses": {"200": 7}}}}}],
    ids=str,
)
def test_a_document_of_any_shape_breaks_nothing(theirs: object) -> None:
    assert all(one.change is ContractChange.REMOVED for one in differences(document(FLAT), theirs))


def test_a_reference_that_leads_back_to_itself_ends() -> None:
    node = {"properties": {"parent": {"$ref": "#/components/node"}}}
    loop = {
        **document({"$ref": "#/components/node"}),
        "components": {"node": node, "self": {"$ref": "#/components/self"}},
    }
    assert differences(loop, loop) == ()


@pytest.mark.parametrize(
    ("cursor", "kind"),
    [
        ("", CursorKind.NONE),
        ("gaFpxBACEaXBVABEYbHG+X9LyLnH", CursorKind.KEYSET),
        ("g+Ag49pAAAAAAAAAAAFjdXNfMQ==", CursorKind.OPAQUE),
        ("\u00e9", CursorKind.OPAQUE),
        ("a", CursorKind.OPAQUE),
    ],
)
def test_a_cursor_shows_a_random_id_or_nothing(cursor: str, kind: CursorKind) -> None:
    assert cursor_kind(cursor) is kind


def test_only_what_looks_like_a_name_is_named_as_a_new_field() -> None:
    page = {"data": [{"id": "x", "archived_at": 1, "a b": 2}, 7], "end_cursor": "", "\x1b[0m": 1, "total": 3}
    assert new_fields(page) == ("archived_at", "total")
    assert (new_fields(None), new_fields({"data": None})) == ((), ())
