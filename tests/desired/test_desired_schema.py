"""The shipped schemas: every property described, the fields those of the kinds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import jsonschema
import pytest

from reconciler.documents.events import Tree
from reconciler.kinds import CUSTOMER, USER
from reconciler.model.core import Action
from reconciler.model.policy import Prune
from reconciler.resources import schema

NAMES = ("customers", "project")
FIELDS = [field.name for field in CUSTOMER.fields]


def properties(node: Tree, path: str = "") -> Iterator[tuple[str, Mapping[str, Tree]]]:
    """Yield every property of a schema, with its path."""
    if not isinstance(node, dict):
        return
    for name, one in node.get("properties", {}).items():
        yield f"{path}.{name}", one
    for name, one in node.items():
        yield from properties(one, f"{path}/{name}")


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_valid_json_schema_2020_12(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(dict(schema(name)))
    assert schema(name)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("name", NAMES)
def test_every_property_is_described(name: str) -> None:
    found = dict(properties(dict(schema(name))))
    referred = {
        path: schema(name)["$defs"][one["$ref"].rpartition("/")[2]] for path, one in found.items() if "$ref" in one
    }
    assert found
    assert [
        path for path, one in found.items() if not (one.get("description") or referred[path].get("description"))
    ] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_object_takes_an_unknown_key(name: str) -> None:
    def open_objects(node: Tree, path: str) -> Iterator[str]:
        if isinstance(node, dict):
            if "properties" in node and node.get("additionalProperties") is not False:
                yield path
            for key, one in node.items():
                yield from open_objects(one, f"{path}/{key}")

    assert list(open_objects(dict(schema(name)), "")) == []


def test_a_customers_properties_are_the_kinds_fields_and_the_structure() -> None:
    definition = schema("customers")["$defs"]["customer"]
    structure = ["users", "archived", "id", "distinct_from", "protect", "ignore_changes", "unmanaged"]
    assert list(definition["properties"]) == FIELDS + structure
    assert schema("customers")["$defs"]["field"]["enum"] == FIELDS


def test_defaults_have_every_field_of_a_customer() -> None:
    definition = schema("customers")["$defs"]["defaults"]
    assert list(definition["properties"]) == [*FIELDS, "protect", "ignore_changes"]


def test_a_users_properties_are_the_kinds_fields() -> None:
    names = [field.name for field in USER.fields]
    definition = schema("customers")["$defs"]["user"]["properties"]
    assert list(definition) == [*names, "ignore_changes"]
    assert definition["ignore_changes"]["items"]["enum"] == names


def test_the_project_files_closed_words_are_those_of_the_model() -> None:
    definitions = schema("project")["$defs"]
    policy = definitions["policy"]["properties"]
    environment = definitions["environment"]["properties"]
    assert environment["prune"]["enum"] == list(Prune)
    assert environment["equal"]["propertyNames"]["enum"] == FIELDS
    assert policy["required"]["items"]["enum"] == FIELDS
    assert sorted(policy["require_approval_for"]["items"]["enum"]) == sorted(Action)


def test_an_editor_that_reads_numbers_finds_no_fault_with_them() -> None:
    editors = {"version": 1, "customers": {"acme": {"postal_code": 2134, "ein": 123456789, "city": None}}}
    jsonschema.Draft202012Validator(dict(schema("customers"))).validate(editors)
