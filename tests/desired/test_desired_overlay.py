from __future__ import annotations

from pathlib import Path

import pytest
from plan_cases import YAML_FILE, load, problems

from reconciler.errors import Source
from reconciler.model.core import DesiredCustomer, DesiredUser

BASE = """\
customers:
  acme:
    name: Acme
    email: a@acme.example
    city: Boston
    users:
      jane@acme.example: {first_name: Jane}
      joe@acme.example: {}
  globex: {name: Globex, email: g@globex.example}
"""


def over(tmp_path: Path, overlay: str, base: str = BASE) -> dict[str, DesiredCustomer]:
    files = {YAML_FILE: base, "demo.yaml": overlay}
    return dict(load(tmp_path, files, overlays=["demo.yaml"], pins_allowed=False).desired.customers)


def wrong(tmp_path: Path, overlay: str, base: str = BASE) -> list[str]:
    return problems(tmp_path, {YAML_FILE: base, "demo.yaml": overlay}, overlays=["demo.yaml"])


def test_defaults_are_merged_under_every_customer_of_their_file(tmp_path: Path) -> None:
    files = {
        "a.yaml": "defaults: {country: USA, city: Boston}\ncustomers:\n  a: {email: a@x.example, city: Salem}\n",
        "b.yaml": "customers:\n  b: {email: b@x.example}\n",
    }
    customers = load(tmp_path, files, "a.yaml", "b.yaml").desired.customers
    assert {key: customer.fields for key, customer in customers.items()} == {
        "a": {"country": "USA", "city": "Salem", "email": "a@x.example"},
        "b": {"email": "b@x.example"},
    }


def test_unmanaged_opts_out_of_what_defaults_would_add(tmp_path: Path) -> None:
    text = "defaults: {country: USA, state: NY}\ncustomers:\n  a: {email: a@x.example, unmanaged: [state]}\n"
    assert load(tmp_path, text).desired.customers["a"].fields == {"country": "USA", "email": "a@x.example"}


def test_protect_of_defaults_holds_unless_the_customer_says_otherwise(tmp_path: Path) -> None:
    text = "defaults: {protect: true}\ncustomers:\n  a: {email: a@x.example}\n"
    text += "  b: {email: b@x.example, protect: false}\n"
    customers = load(tmp_path, text).desired.customers
    assert {key: customer.protect for key, customer in customers.items()} == {"a": True, "b": False}


def test_ignore_changes_of_defaults_are_joined_with_the_customers_own(tmp_path: Path) -> None:
    text = "defaults: {ignore_changes: [country]}\ncustomers:\n  a: {email: a@x.example, ignore_changes: [city]}\n"
    assert load(tmp_path, text).desired.customers["a"].ignore_changes == {"country", "city"}


def test_an_overlay_is_merged_by_key_field_and_user(tmp_path: Path) -> None:
    overlay = """\
customers:
  acme:
    id: cus_1
    city: Salem
    state: MA
    users:
      jane@acme.example: {last_name: Doe}
      new@acme.example: {}
"""
    assert over(tmp_path, overlay)["acme"] == DesiredCustomer(
        external_id="acme",
        fields={"name": "Acme", "email": "a@acme.example", "city": "Salem", "state": "MA"},
        source=Source(YAML_FILE, 2, 3),
        users=(
            DesiredUser("jane@acme.example", {"first_name": "Jane", "last_name": "Doe"}, Source(YAML_FILE, 7, 7)),
            DesiredUser("joe@acme.example", {}, Source(YAML_FILE, 8, 7)),
            DesiredUser("new@acme.example", {}, Source("demo.yaml", 8, 7)),
        ),
        id="cus_1",  # type: ignore[arg-type]
    )


def test_a_customer_that_is_null_in_an_overlay_is_absent_there(tmp_path: Path) -> None:
    assert list(over(tmp_path, "customers: {globex: null}\n")) == ["acme"]


def test_a_user_that_is_null_in_an_overlay_is_absent_there_whatever_its_case(tmp_path: Path) -> None:
    customers = over(tmp_path, "customers: {acme: {users: {Jane@Acme.example: null}}}\n")
    assert [user.email for user in customers["acme"].users] == ["joe@acme.example"]


def test_a_field_that_is_null_in_an_overlay_is_wanted_empty(tmp_path: Path) -> None:
    assert over(tmp_path, "customers: {acme: {city: null}}\n")["acme"].fields["city"] is None


def test_defaults_of_an_overlay_stand_under_what_the_customer_writes(tmp_path: Path) -> None:
    overlay = "defaults: {city: Nowhere, country: USA}\ncustomers: {acme: {}}\n"
    customers = over(tmp_path, overlay)
    assert (customers["acme"].fields["city"], customers["acme"].fields["country"]) == ("Boston", "USA")
    assert "country" not in customers["globex"].fields


@pytest.mark.parametrize(
    ("overlay", "ignored"),
    [
        ("customers: {a: {ignore_changes: []}}\n", {"state"}),
        ("customers: {a: {ignore_changes: [city]}}\n", {"city", "state"}),
        ("defaults: {ignore_changes: []}\ncustomers: {a: {}}\n", {"country"}),
    ],
)
def test_a_list_of_an_overlay_replaces_the_one_below_it(tmp_path: Path, overlay: str, ignored: set[str]) -> None:
    base = "defaults: {ignore_changes: [state]}\ncustomers: {a: {name: A, ignore_changes: [country]}}\n"
    assert over(tmp_path, overlay, base)["a"].ignore_changes == ignored


def test_an_overlay_manages_again_what_the_file_left_unmanaged(tmp_path: Path) -> None:
    base = "defaults: {country: USA}\ncustomers: {a: {name: A, unmanaged: [country]}}\n"
    assert "country" not in over(tmp_path, "customers: {a: {city: Salem}}\n", base)["a"].fields
    assert over(tmp_path, "customers: {a: {unmanaged: []}}\n", base)["a"].fields["country"] == "USA"


def test_a_users_list_of_an_overlay_replaces_the_one_below_it(tmp_path: Path) -> None:
    base = "customers: {a: {name: A, users: {j@x.example: {ignore_changes: [first_name]}}}}\n"
    overlay = "customers: {a: {users: {J@x.example: {ignore_changes: []}}}}\n"
    assert over(tmp_path, overlay, base)["a"].users[0].ignore_changes == frozenset()


def test_a_later_overlay_wins(tmp_path: Path) -> None:
    files = {
        YAML_FILE: BASE,
        "1.yaml": "customers: {acme: {city: One}}\n",
        "2.yaml": "customers: {acme: {city: Two}}\n",
    }
    assert load(tmp_path, files, overlays=["1.yaml", "2.yaml"]).desired.customers["acme"].fields["city"] == "Two"


def test_an_overlay_for_what_does_not_exist_is_an_error_with_a_suggestion(tmp_path: Path) -> None:
    assert wrong(tmp_path, "customers:\n  acne: {city: Salem}\n  zzz: null\n") == [
        "demo.yaml:2:3: customers.acne: an overlay for a customer that no file declares; did you mean 'acme'?",
        (
            "demo.yaml:3:3: customers.zzz: an overlay for a customer that no file declares; "
            "declare it in a customers file, or give it a name here"
        ),
    ]


def test_an_overlay_may_add_a_customer_under_its_own_id_and_no_other_without_a_name(tmp_path: Path) -> None:
    assert over(tmp_path, "customers:\n  cus_9: {id: cus_9, city: Salem}\n")["cus_9"].id == "cus_9"
    assert wrong(tmp_path, "customers:\n  acne: {id: cus_9}\n") == [
        "demo.yaml:2:3: customers.acne: an overlay for a customer that no file declares; did you mean 'acme'?"
    ]


def test_an_overlay_may_add_a_customer_that_has_a_name(tmp_path: Path) -> None:
    customers = over(tmp_path, "customers: {test: {name: Test, email: t@x.example}}\n")
    assert customers["test"].source == Source("demo.yaml", 1, 13)


def test_a_missing_overlay_is_an_error(tmp_path: Path) -> None:
    assert problems(tmp_path, BASE, overlays=["demo.yaml"]) == [
        "demo.yaml: this file does not exist; check the path; it is relative to the project's folder"
    ]


def test_what_is_wrong_in_an_overlay_is_said_of_the_overlay(tmp_path: Path) -> None:
    base = "customers:\n  acme: {email: a@x.example, country: USA, state: NY}\n"
    overlay = "customers:\n  acme:\n    state: XX\n    emial: x\n"
    assert [one.partition(";")[0] for one in wrong(tmp_path, overlay, base)] == [
        "demo.yaml:3:12: customers.acme.state: warning: 'XX' is not a state of the United States",
        "demo.yaml:4:5: customers.acme.emial: unknown key 'emial'",
    ]


def test_moved_and_forget_of_overlays_are_joined_with_those_of_the_files(tmp_path: Path) -> None:
    files = {
        YAML_FILE: BASE + "forget: [x]\nmoved: [{from: a, to: acme}]\n",
        "demo.yaml": "forget: [y]\nmoved: [{from: g, to: globex}]\n",
    }
    desired = load(tmp_path, files, overlays=["demo.yaml"]).desired
    assert (list(desired.forget), [(move.origin, move.to) for move in desired.moved]) == (
        ["x", "y"],
        [("a", "acme"), ("g", "globex")],
    )


def test_a_move_to_a_customer_that_is_absent_in_this_environment_is_left_out(tmp_path: Path) -> None:
    files = {YAML_FILE: BASE + "moved: [{from: g, to: globex}]\n", "demo.yaml": "customers: {globex: null}\n"}
    assert load(tmp_path, files, overlays=["demo.yaml"]).desired.moved == ()


def test_a_customer_that_is_absent_in_this_environment_may_be_forgotten_there(tmp_path: Path) -> None:
    files = {YAML_FILE: BASE, "demo.yaml": "customers: {globex: null}\nforget: [globex]\n"}
    assert list(load(tmp_path, files, overlays=["demo.yaml"]).desired.forget) == ["globex"]


def test_an_overlay_in_a_folder_that_is_read_is_no_customers_file(tmp_path: Path) -> None:
    files = {
        "c/a.yaml": BASE,
        "c/demo.yaml": "customers: {acme: {city: Salem}}\n",
        "c/prod.yaml": "customers: {acme: {}}",
    }
    desired = load(tmp_path, files, "c", overlays=["c/demo.yaml"], without=["c/prod.yaml"]).desired
    assert [file.name for file in desired.reading.files] == ["c/a.yaml", "c/demo.yaml"]
    assert desired.customers["acme"].fields["city"] == "Salem"


def test_what_a_customer_is_distinct_from_is_replaced_by_an_overlay(tmp_path: Path) -> None:
    files = {
        "a.yaml": "customers:\n  acme: {email: a@x.example, distinct_from: [old]}\n",
        "b.yaml": "customers:\n  acme: {distinct_from: [cus_1, old]}\n",
    }
    loaded = load(tmp_path, files, "a.yaml", overlays=["b.yaml"])
    assert loaded.desired.customers["acme"].distinct_from == ("cus_1", "old")
