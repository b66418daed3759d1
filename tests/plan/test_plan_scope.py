"""Which entries have gone, and which may be spoken of at all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plan_values import TERMS, bound, customer, declared

from reconciler.model.core import Desired, Reading, SourceFile
from reconciler.plan.scope import scope_of

READING = Reading((SourceFile("a.yaml", ""),), folders=("customers",), globs=("more/*.yaml", "deep/**/*.yml"))


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("a.yaml", True),
        ("b.yaml", False),
        ("customers/gone.yaml", True),
        ("customers/west/gone.yml", True),
        ("customers/notes.txt", False),
        ("customers/.old/gone.yaml", False),
        ("customers-2/gone.yaml", False),
        ("more/gone.yaml", True),
        ("more/west/gone.yaml", False),
        ("deep/gone.yml", True),
        ("deep/er/gone.yml", True),
        ("", False),
        ("-", False),
        ("<stdin>", False),
    ],
)
def test_an_entry_has_gone_only_from_a_file_that_was_read_or_would_have_been(name: str, read: bool) -> None:
    scope = scope_of(Desired(reading=READING), TERMS)

    assert scope.gone(bound("acme", "cus_1", source=name)) is read


def test_no_glob_takes_standard_input_for_a_file_that_is_missing() -> None:
    scope = scope_of(Desired(reading=Reading(globs=("*", "**/*"))), TERMS)

    assert not scope.gone(bound("acme", "cus_1", source="<stdin>"))


def test_with_the_working_folder_read_files_outside_it_are_not() -> None:
    scope = scope_of(Desired(reading=Reading(folders=(".",))), TERMS)

    assert scope.gone(bound("acme", "cus_1", source="west/gone.yaml"))
    assert not scope.gone(bound("acme", "cus_1", source="../gone.yaml"))


def test_an_entry_that_is_declared_or_of_another_project_has_not_gone() -> None:
    scope = scope_of(declared(customer("acme")), TERMS)

    assert not scope.gone(bound("acme", "cus_1"))
    assert not scope.gone(bound("globex", "cus_2", project="east"))
    assert scope.gone(bound("globex", "cus_2"))


def test_an_entry_that_the_environment_leaves_out_has_not_gone() -> None:
    scope = scope_of(replace(declared(), include=("west-*",), exclude=("*-old",)), TERMS)

    gone = {key: scope.gone(bound(key, "cus_1")) for key in ("west-1", "east-1", "west-old")}

    assert gone == {"west-1": True, "east-1": False, "west-old": False}


def test_bindings_are_left_out_where_their_entry_could_not_be_seen() -> None:
    scope = scope_of(declared(customer("acme")), TERMS)
    rows = [
        bound("acme", "cus_1", source="elsewhere.yaml"),  # declared now: its source is refreshed
        bound("gone", "cus_2"),
        bound("unread", "cus_3", source="elsewhere.yaml"),
        bound("foreign", "cus_4", project="east"),
        bound("owned", "cus_5", source=""),  # never had an entry
    ]

    assert scope.left_out({row.external_id: row for row in rows}) == 2


def test_targets_are_patterns_with_case_and_excludes_win() -> None:
    scope = scope_of(declared(), replace(TERMS, targets=("west-*", "acme"), excludes=("west-9*",)))

    targeted = {key: scope.targeted(key) for key in ("west-1", "West-1", "acme", "acme-2", "west-91", "east")}

    assert targeted == {"west-1": True, "West-1": False, "acme": True, "acme-2": False, "west-91": False, "east": False}
