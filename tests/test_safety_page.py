"""Each sentence of the safety page on what is trusted has the tests that hold it true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "explanation" / "safety.md").read_text("utf-8")

HELD: dict[str, tuple[str, ...]] = {
    "Nothing in it runs": (
        "test_a_command_in_the_repository_s_config_does_not_run",
        "test_a_folder_that_is_made_like_a_bare_repository_is_not_one",
        "test_a_hook_does_not_run",
        "test_objects_that_are_not_there_are_not_fetched",
        "test_a_program_called_git_in_the_folder_is_not_git",
    ),
    "It names which account is meant": (
        "test_a_variable_is_refused_with_what_allows_it",
        "test_any_other_host_is_refused",
        "test_a_ledger_s_host_is_allowed_from_outside",
        "test_an_endpoint_of_a_bucket_is_a_host_too",
    ),
    "The customers files that it names are its own": (
        "test_what_a_project_names_outside_of_it_is_not_read",
        "test_what_a_project_names_in_its_repository_is_read",
        "test_what_the_command_line_names_is_read_wherever_it_is",
        "test_what_a_variable_allows_is_read",
    ),
    "Keys of this program are never used in it": (
        "test_a_variable_that_is_allowed_is_used_and_a_key_is_not",
        "test_a_file_of_the_system_is_refused_also_by_a_link",
    ),
    "A password that is written out": ("test_a_password_that_is_written_out_is_refused_with_what_to_write",),
    "It is refused where a field of it": ("test_a_plan_whose_changes_have_other_types_is_refused",),
    "It is applied to the account that it was made from": (
        "test_a_plan_is_refused_on_another_account_with_the_same_ledger",
        "test_a_first_plan_is_refused_on_another_account_whoever_is_live_there",
        "test_the_first_plan_of_an_empty_account_is_applied_by_the_key_that_writes",
    ),
    "With a key for saved plans it is sealed": (
        "test_a_sealed_plan_shows_nothing_of_the_customers_and_is_applied_with_its_key",
        "test_a_sealed_plan_in_which_any_bit_differs_is_refused",
        "test_a_plan_that_is_not_sealed_is_refused_where_a_key_is_given",
        "test_a_sealed_plan_that_is_relabeled_as_one_of_another_environment_is_refused",
    ),
    "Nothing in its file runs": (
        "test_what_runs_when_a_table_is_read_or_written_is_told_as_altered",
        "test_a_database_of_unknown_origin_is_opened_with_the_guards_that_sqlite_has",
        "test_an_object_that_inflates_to_far_more_than_a_ledger_does_is_refused",
    ),
    "While a key encrypts it": ("test_a_plain_row_in_place_of_a_sealed_one_is_refused",),
    "A database on another machine": ("test_a_server_on_another_machine_must_prove_who_it_is",),
    "Its URL is never shown with a password": (
        "test_a_ledger_s_url_that_cannot_be_shown_without_its_password_is_not_shown",
        "test_a_password_is_masked_in_each_form_that_it_may_be_quoted_in",
        "test_a_url_that_cannot_be_read_is_not_shown",
    ),
    "A listing that never comes nearer to its end": (
        "test_three_pages_without_anybody_new_are_a_list_without_end",
        "test_a_body_of_more_values_than_any_page_has_is_not_parsed",
        "test_a_compressed_body_is_counted_as_it_inflates",
    ),
    "Redirects are never followed": ("test_a_redirect_is_not_followed",),
    "Its texts cannot draw on your terminal": (
        "test_no_output_of_a_job_holds_a_command",
        "test_a_command_that_is_written_in_pieces_is_altered_too",
        "test_an_id_that_is_half_a_character_is_refused",
    ),
    "With `--redact` nothing that the server says": ("test_a_servers_words_are_masked_and_what_helps_stays",),
    "An emulator on this machine": ("test_an_emulator_on_this_machine_answers_to_no_name_that_leads_to_it",),
    "A shell is offered no key": ("test_a_key_that_a_shell_would_expand_or_run_is_not_offered",),
}
"""How each sentence begins, and the tests that hold it."""


def sentences() -> list[str]:
    """Return the sentences of the section, each an item of a list."""
    section = PAGE.partition("## What a project file, a plan, a ledger and an account are trusted with")[2]
    return re.findall(r"^- (.*)$", section.partition("\n## ")[0], re.MULTILINE)


def test_every_sentence_is_in_the_table_and_every_row_on_the_page() -> None:
    begins = [[begin for begin in HELD if sentence.startswith(begin)] for sentence in sentences()]
    assert [len(found) for found in begins] == [1] * len(HELD)


@pytest.mark.parametrize("begin", HELD)
def test_a_sentence_s_tests_are_there(begin: str) -> None:
    sources = "".join(path.read_text("utf-8") for path in TESTS.rglob("test_*.py"))
    assert [name for name in HELD[begin] if f"def {name}(" not in sources] == []
