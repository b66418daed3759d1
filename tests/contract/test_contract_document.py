from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import pytest
from api_contract import CONTRACT, METHODS, OPERATIONS, Node, followed
from openapi_spec_validator import OpenAPIV31SpecValidator

from reconciler.rules import account

RECORDS = {name: node for name, node in CONTRACT["components"]["schemas"].items() if "properties" in node}


def parts(node: object, path: str = "") -> Iterator[tuple[str, Node]]:
    """Yield every object of the contract with its place."""
    if isinstance(node, Mapping):
        yield path, node
        for name, one in node.items():
            yield from parts(one, f"{path}/{name}")
    elif isinstance(node, list):
        for place, one in enumerate(node):
            yield from parts(one, f"{path}/{place}")


def claims() -> Iterator[tuple[str, Node]]:
    """Yield what the contract says of the API: servers, security, operations, parameters, answers, objects, fields."""
    for server in CONTRACT["servers"]:
        yield server["url"], server
    yield from CONTRACT["components"]["securitySchemes"].items()
    for path, item in CONTRACT["paths"].items():
        yield from ((f"{method} {path}", item[method]) for method in METHODS if method in item)
    for operation in OPERATIONS.values():
        yield from ((f"{operation.id}?{name}", one) for name, one in operation.parameters.items())
        for status, one in operation.responses.items():
            yield f"{operation.id} {status}", one
            yield from ((f"{operation.id} {status} {name}", header) for name, header in one.get("headers", {}).items())
    for name, node in RECORDS.items():
        yield name, node
        yield from ((f"{name}.{field}", followed(one)) for field, one in node["properties"].items())


def test_the_contract_is_valid_openapi() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(CONTRACT).iter_errors()] == []
    assert CONTRACT["openapi"].startswith("3.1.")


def test_every_claim_has_its_source_or_says_that_it_has_none() -> None:
    assert len(dict(claims())) > 150
    assert [place for place, node in claims() if "x-source" not in node and "x-undocumented" not in node] == []


def test_every_claim_is_described() -> None:
    assert [place for place, node in claims() if not node.get("description") and not node.get("summary")] == []


def test_a_source_is_one_of_those_that_the_contract_names() -> None:
    named = {node["x-source"] for _, node in parts(CONTRACT) if "x-source" in node}
    assert named <= set(CONTRACT["x-sources"])


def test_every_request_has_the_answers_that_the_guides_name_for_all() -> None:
    asked = [one for one in OPERATIONS.values() if one.security == "bearer"]
    assert [one.id for one in asked if not one.statuses >= {401, 429, 500}] == []


@pytest.mark.parametrize("name", RECORDS)
def test_examples_fit_their_schemas(name: str) -> None:
    for written in RECORDS[name]["properties"].values():
        one = followed(written)
        for example in one.get("examples", ()):
            jsonschema.Draft202012Validator({"type": one.get("type", "string")}).validate(example)


def test_the_fields_are_those_of_the_kinds() -> None:
    shown: dict[str, set[str]] = {name: set(RECORDS[name]["properties"]) for name in RECORDS}
    customer = {*account.CREATABLE, "id", "customer_integration_id", "default_payment_method_id", "created_at"}
    assert shown["Customer"] == customer
    assert shown["CustomerCreate"] == set(account.CREATABLE)
    assert shown["CustomerPatch"] == set(account.PATCHABLE)
    assert shown["UserCreate"] == set(account.USER_FIELDS)
    assert shown["User"] == {*account.USER_FIELDS, "id"}


def test_a_claim_without_a_source_would_be_found() -> None:
    found: dict[str, Any] = dict(claims())
    assert found["list_customers?company_name"]["x-source"] == "reference"
    assert "x-source" not in found["list_customers 400"]
