from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from plan_cases import YAML_FILE, load

from reconciler.errors import Source
from reconciler.model.core import Desired, DesiredCustomer, DesiredUser, Move, Reading, SourceFile

# The example of the specification.
WHOLE = """\
# yaml-language-server: $schema=../schema/customers.schema.json
version: 1
defaults:                     # merged under every customer of this file
  country: USA
customers:
  acme:                       # the external_id is the key
    name: Acme Corp
    legal_name: Acme Corporation Inc.
    ein: 12-3456789
    email: billing@acme.example
    street_address: 123 Main St
    sub_premise: Apt 1
    city: New York
    state: NY
    postal_code: 02134        # stays "02134"
    users:
      jane@acme.example: {first_name: Jane, last_name: Doe, ignore_changes: [last_name]}
  globex:
    name: Globex
    archived: true
  initech:
    id: cus_9f3
    name: Initech
    email: pay@initech.example
    protect: true
    ignore_changes: [country]
    unmanaged: [state]
moved:
  - {from: old-key, to: acme}
forget: [hooli]
"""


def test_the_whole_layout_is_read(tmp_path: Path) -> None:
    loaded = load(tmp_path, WHOLE)
    assert loaded.warnings == ()
    assert loaded.desired == Desired(
        customers={
            "acme": DesiredCustomer(
                "acme",
                {
                    "country": "USA",
                    "name": "Acme Corp",
                    "legal_name": "Acme Corporation Inc.",
                    "ein": "12-3456789",
                    "email": "billing@acme.example",
                    "street_address": "123 Main St",
                    "sub_premise": "Apt 1",
                    "city": "New York",
                    "state": "NY",
                    "postal_code": "02134",
                },
                Source(YAML_FILE, 6, 3),
                users=(
                    DesiredUser(
                        "jane@acme.example",
                        {"first_name": "Jane", "last_name": "Doe"},
                        Source(YAML_FILE, 17, 7),
                        frozenset({"last_name"}),
                    ),
                ),
            ),
            "globex": DesiredCustomer(
                "globex", {"country": "USA", "name": "Globex"}, Source(YAML_FILE, 18, 3), archived=True
            ),
            "initech": DesiredCustomer(
                "initech",
                {"country": "USA", "name": "Initech", "email": "pay@initech.example"},
                Source(YAML_FILE, 21, 3),
                id="cus_9f3",  # type: ignore[arg-type]
                protect=True,
                ignore_changes=frozenset({"country"}),
            ),
        },
        moved=(Move("old-key", "acme", Source(YAML_FILE, 29, 5)),),
        forget={"hooli": Source(YAML_FILE, 30, 10)},
        reading=Reading(files=(SourceFile(YAML_FILE, hashlib.sha256(WHOLE.encode()).hexdigest()),)),
    )


@pytest.mark.parametrize("key", [" acme ", "a/b%", "café", "cafe\u0301", "null", "true", "1", "a: b", "\u202e"])
def test_an_external_id_is_any_text_compared_as_it_is(tmp_path: Path, key: str) -> None:
    escaped = key.replace("\u202e", "\\u202e")
    assert list(load(tmp_path, f'customers:\n  "{escaped}": {{email: a@x.example}}\n').desired.customers) == [key]


def test_standard_input_is_one_more_file(tmp_path: Path) -> None:
    text = b"customers:\n  b: {email: b@x.example}\n"
    desired = load(tmp_path, "customers:\n  a: {email: a@x.example}\n", YAML_FILE, "-", stdin=io.BytesIO(text)).desired
    assert {key: customer.source for key, customer in desired.customers.items()} == {
        "a": Source(YAML_FILE, 2, 3),
        "b": Source("<stdin>", 2, 3),
    }
    assert [file.name for file in desired.reading.files] == [YAML_FILE]


def test_keys_of_other_environments_are_left_out_and_the_patterns_kept(tmp_path: Path) -> None:
    text = "customers:\n" + "".join(
        f"  {key}: {{email: a@x.example}}\n" for key in ("west-1", "west-old", "east-1", "West-2")
    )
    text += "moved: [{from: a, to: west-1}, {from: b, to: east-1}]\nforget: [west-9, east-9]\n"
    desired = load(tmp_path, text, include=["west-*"], exclude=["*-old"]).desired
    assert list(desired.customers) == ["west-1"]
    assert [move.to for move in desired.moved] == ["west-1"]
    assert list(desired.forget) == ["west-9"]
    assert (desired.include, desired.exclude) == (("west-*",), ("*-old",))


def test_customers_behind_an_alias_are_customers_like_others(tmp_path: Path) -> None:
    text = "customers:\n  a: &a {email: a@x.example, users: {j@x.example: {}}}\n  b: *a\n"
    customers = load(tmp_path, text).desired.customers
    assert customers["b"].fields == {"email": "a@x.example"}
    assert customers["b"].users == (DesiredUser("j@x.example", {}, Source(YAML_FILE, 3, 3)),)
