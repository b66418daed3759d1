"""Each sentence of the safety page has the tests that hold it true, or is one of those that promise nothing."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "explanation" / "safety.md").read_text("utf-8")

HELD: dict[str, tuple[str, ...]] = {
    # A customer is never doubled.
    "Before a create, the whole account is listed": (
        "test_a_page_that_fails_fails_the_list",
        "test_a_cursor_that_repeats_is_incomplete",
        "a-customer-that-the-narrow-list-holds-makes-the-listing-taken-again",
        "a-listing-that-is-short-twice-is-refused",
    ),
    "Two listings in a row must lack the new customer": (
        "a-create-is-not-applied-before-two-listings-of-several-pages-lacked-it",
        "a-create-that-two-equal-listings-lacked-is-sent",
        "test_without_a_ledger_nobody_is_doubled_whom_a_listing_passed_over",
    ),
    "A plan's listing counts as the first": (
        "a-create-that-an-earlier-listing-lacked-too-is-sent",
        "an-earlier-listing-older-than-a-day-proves-nothing",
        "test_a_plan_of_yesterday_proves_nothing",
    ),
    "Without this proof nothing is created": (
        "test_while_every_listing_is_disturbed_nothing_is_created_and_the_plan_says_why",
        "a-create-whose-four-listings-differ-is-blocked",
    ),
    "A create is never repeated blindly.": (
        "test_a_create_whose_answer_is_lost_is_done_once",
        "test_after_any_faults_nothing_is_doubled_and_two_runs_without_faults_end_every_doubt",
    ),
    "If its answer is lost, the change is in doubt": (
        "test_a_server_that_vanishes_after_a_lost_answer_leaves_a_doubt",
    ),
    "Reconciler waits until the write must be visible": (
        "test_a_create_that_was_lost_on_its_way_is_sent_again_once_the_lag_bound_has_passed",
        "test_a_create_whose_answer_is_lost_is_done_once_with_a_ledger",
    ),
    "After a run that died, the next run does the same.": (
        "test_what_was_in_flight_when_a_run_was_killed_is_not_created_twice",
        "a-create-that-was-not-answered-is-not-sent-again",
        "a-create-that-was-not-answered-and-is-not-seen-in-time-is-sent",
    ),
    "If two live customers could be the one that a key means": (
        "two-live-customers-with-the-external-id-are-never-chosen-between",
    ),
    "The key is blocked, with both ids.": ("two-live-customers-with-the-external-id-are-never-chosen-between",),
    "An archived customer is restored under its id": ("a-wanted-customer-that-we-archived-is-restored-not-created",),
    # Nothing is archived because it was not seen.
    "An archive has one of these reasons": (
        "test_a_binding_without_an_entry_is_archived_only_if_all_speaks_for_it",
        "test_what_is_told_of_each_key_is_the_plan_of_that_key",
    ),
    "The entry says `archived: true`.": ("a-customer-declared-archived-is-archived",),
    "This project had the entry, and it was removed": (
        "a-customer-whose-entry-has-gone-is-archived",
        "an-entry-whose-file-is-missing-from-a-folder-that-was-read-has-gone",
        "an-entry-whose-file-was-not-read-has-not-gone",
    ),
    "The environment says `prune: all`": (
        "with-prune-all-what-is-owned-and-not-declared-is-archived",
        "without-prune-all-what-is-owned-is-left-as-it-is",
    ),
    "An entry that is missing from standard input": (
        "standard-input-makes-no-entry-gone",
        "test_what_standard_input_lacks_is_not_archived",
    ),
    "Entries of other projects are never touched": (
        "an-entry-of-another-project-has-not-gone",
        "a-forgotten-key-of-another-project-is-left-to-it",
        "a-key-bound-by-another-project-is-blocked",
        "customers-outside-the-targets-are-neither-archived-nor-lacking",
        "keys-left-out-of-the-environment-are-neither-managed-nor-archived",
    ),
    "Customers with `protect: true`": (
        "a-protected-customer-whose-entry-has-gone-is-not-archived",
        "protection-outlives-the-line-that-declared-it",
        "a-protection-is-not-lifted-by-an-id-line-of-another-customer",
        "a-customer-that-the-policy-protects-is-not-archived",
        "a-customer-that-the-policy-protects-is-not-archived-under-another-key",
        "a-forgotten-customer-is-left-as-it-is",
        "test_whatever_protects_a_declared_customer_is_told_and_keeps_it",
        "test_what_the_policy_protects_is_not_archived",
    ),
    "A plan with more archives than `max_archives`": (
        "test_over_a_limit_nothing_is_sent_and_the_flag_that_allows_it_once_is_said",
        "test_the_default_limit_is_a_tenth_of_the_active_bindings_rounded_down",
        "test_a_limit_is_widened_through_its_last_day_in_utc",
    ),
    "A lost ledger archives nobody.": ("test_nobody_is_archived_by_an_older_plan_where_the_whole_ledger_is_lost",),
    "Without a ledger, no entry counts as removed.": (
        "without-a-ledger-only-what-is-declared-archived-is-archived",
        "test_nobody_is_archived_by_an_older_plan_where_the_whole_ledger_is_lost",
    ),
    # Nothing is restored that somebody archived on purpose.
    "A declared customer that someone else archived is restored": (
        "a-wanted-customer-that-others-archived-is-restored",
    ),
    "Such restores count against `max_restores`": (
        "restores-of-what-others-archived-fall-under-max-restores",
        "restores-of-our-own-archives-fall-under-no-limit",
    ),
    # Nothing is lost when a run dies.
    "The intent is on disk before the request is sent": (
        "test_an_intent_is_durable_before_its_request_leaves",
        "test_the_intent_is_committed_right_before_the_first_sending",
        "test_a_patch_an_archive_and_a_restore_that_are_seen_to_be_done_are_closed_as_done",
    ),
    "If the ledger can't be written, the request isn't sent.": (
        "test_a_commit_that_fails_sends_nothing",
        "test_a_disk_that_is_full_before_the_first_intent_sends_nothing",
    ),
    "The next run finds open intents": (
        "test_a_create_that_stayed_in_doubt_is_found_by_the_next_run",
        "test_a_disk_that_fills_up_in_the_middle_is_settled_by_the_next_run",
    ),
    "The same holds for a single request of `reconciler api`": (
        "test_a_call_that_died_at_any_step_is_ended_by_the_same_one",
        "test_a_create_that_died_is_settled_by_an_apply_too_which_binds_nothing",
    ),
    "Ctrl-C stops new requests": ("test_a_signal_during_an_apply_lets_what_is_in_flight_end",),
    "Pressing it again, at any moment, ends the process at once": (
        "test_a_second_signal_stops_at_once",
        "test_an_apply_that_is_interrupted_at_any_moment_ends_with_130",
    ),
    "Only one run can write at a time on a machine": (
        "test_a_second_run_on_the_account_is_refused_while_one_writes",
        "test_other_accounts_and_other_apis_have_their_own_locks",
    ),
    "The lock ends with its process": ("test_another_process_excludes_this_one_until_it_is_killed",),
    # Nothing is done that the plan does not show.
    "When a plan is applied, it is made under the lock.": ("test_a_plan_is_made_under_the_lock_when_it_is_applied",),
    "A saved plan is an approval: everything is planned again": (
        "test_a_plan_is_stale_where_a_value_is_not_the_one_that_was_shown",
        "test_what_the_files_keep_now_is_not_archived_by_an_older_plan",
        "test_what_the_ledger_has_lost_is_not_archived_by_an_older_plan",
        "test_the_policy_of_now_counts_and_not_that_of_when_a_plan_was_saved",
    ),
    "Whatever else is needed is listed and not done.": (
        "test_what_is_planned_again_is_approved_and_the_rest_is_needed",
        "test_what_is_needed_since_and_not_approved_stands_in_the_document",
    ),
    "So an old or forged plan": (
        "test_a_forged_plan_archives_nobody_that_today_s_files_keep",
        "test_a_forged_plan_gets_past_no_limit",
        "test_what_was_protected_since_is_not_archived_by_an_older_plan",
        "test_what_the_policy_protects_since_is_not_archived_by_an_older_plan",
    ),
    "What the API can't do": (
        "another-e-mail-is-blocked-with-a-way-out",
        "a-pin-whose-external-id-differs-is-noted",
        "a-users-changed-name-is-blocked-with-a-way-out",
    ),
    "If a server keeps its old value": ("a-value-that-the-server-did-not-take-stays-blocked",),
    "It isn't sent again and again.": (
        "a-value-that-the-server-did-not-take-stays-blocked",
        "a-field-that-came-back-twice-is-blocked-with-the-values-seen",
    ),
    "The first line says what can't be known.": (
        "test_a_first_plan_says_in_its_first_line_that_there_is_no_ledger",
        "without-a-ledger-the-plan-says-what-it-cannot-know",
    ),
    # Without consent nothing is sent.
    "`apply` asks, and repeats where and how much.": (
        "test_the_question_says_again_where_and_how_much",
        "test_a_refused_consent_sends_nothing",
    ),
    "So a yes isn't enough for these": (
        "test_a_yes_archives_nobody_and_the_words_do",
        "test_a_restore_and_an_archive_in_one_plan_are_both_named",
        "test_many_creates_want_words_in_production_alone",
        "test_production_is_known_by_its_base_url_too",
    ),
    "In an environment marked `disposable: true`, and for actions": (
        "test_in_a_disposable_environment_a_yes_does",
        "test_what_was_approved_by_name_is_not_asked_for_again",
    ),
    "Without a terminal and without `--auto-approve`": (
        "test_without_a_terminal_and_without_auto_approve_nothing_at_all_is_sent",
        "test_a_closed_standard_input_is_nobody_to_ask",
    ),
    "`require_approval_for` requires explicit approval": (
        "test_an_action_that_wants_approval_is_refused_without_it",
        "test_an_action_that_wants_approval_is_done_with_its_word",
    ),
    "Scripts and single requests need it too": (
        "test_an_archive_that_nobody_approved_is_sent_in_no_way",
        "test_a_script_is_held_to_the_same",
        "test_a_single_request_that_the_policy_is_against_is_sent_by_nobody",
    ),
    # What a project file, a plan, a ledger and an account are trusted with.
    "Nothing in it is run": (
        "test_a_command_in_the_repository_s_config_does_not_run",
        "test_a_folder_that_is_made_like_a_bare_repository_is_not_one",
        "test_a_hook_does_not_run",
        "test_objects_that_are_not_there_are_not_fetched",
        "test_a_program_called_git_in_the_folder_is_not_git",
    ),
    "It names the account, not where secrets go.": ("test_any_other_host_is_refused",),
    "Hosts other than the vendor's and this machine": (
        "test_a_variable_is_refused_with_what_allows_it",
        "test_any_other_host_is_refused",
        "test_a_ledger_s_host_is_allowed_from_outside",
        "test_an_endpoint_of_a_bucket_is_a_host_too",
    ),
    "The customers files that it names must be in": (
        "test_what_a_project_names_outside_of_it_is_not_read",
        "test_what_a_project_names_in_its_repository_is_read",
    ),
    "Others are read only if you name them.": (
        "test_what_the_command_line_names_is_read_wherever_it_is",
        "test_what_a_variable_allows_is_read",
    ),
    "Files that are pipes, devices or far too large aren't read.": (
        "test_an_input_that_is_no_file_of_its_size_is_an_error_and_nothing_is_sent_or_written",
        "test_what_is_named_and_is_no_file_is_never_opened",
        "test_a_file_that_is_too_large_is_an_error_before_it_is_read",
    ),
    "Reconciler's keys are never used in it": (
        "test_a_variable_that_is_allowed_is_used_and_a_key_is_not",
        "test_a_file_of_the_system_is_refused_also_by_a_link",
    ),
    "A password written out": ("test_a_password_that_is_written_out_is_refused_with_what_to_write",),
    "A saved plan is an approval, not a list of commands.": (
        "test_a_saved_plan_never_says_which_files_are_read",
        "test_a_forged_plan_gets_past_no_limit",
        "test_a_row_as_the_saved_plan_has_it_is_not_written_without_the_binding_that_it_needs_now",
    ),
    "It is refused if a field": ("test_a_plan_whose_changes_have_other_types_is_refused",),
    "It is applied only to the account that it was made from": (
        "test_a_plan_is_refused_on_another_account_with_the_same_ledger",
        "test_a_first_plan_is_refused_on_another_account_whoever_is_live_there",
        "test_the_first_plan_of_an_empty_account_is_applied_by_the_key_that_writes",
    ),
    "With a key for saved plans, it is sealed": (
        "test_a_sealed_plan_shows_nothing_of_the_customers_and_is_applied_with_its_key",
        "test_a_sealed_plan_in_which_any_bit_differs_is_refused",
        "test_a_plan_that_is_not_sealed_is_refused_where_a_key_is_given",
        "test_a_sealed_plan_that_is_relabeled_as_one_of_another_environment_is_refused",
    ),
    "Nothing in its file is run": (
        "test_what_runs_when_a_table_is_read_or_written_is_told_as_altered",
        "test_a_database_of_unknown_origin_is_opened_with_the_guards_that_sqlite_has",
        "test_an_object_that_inflates_to_far_more_than_a_ledger_does_is_refused",
    ),
    "Its contents are never printed raw.": ("test_a_column_that_holds_anything_is_never_shown_raw_and_breaks_nothing",),
    "Contents that something else wrote are an error.": (
        "test_a_word_that_this_program_does_not_write_is_told_as_altered",
        "test_a_column_that_holds_anything_is_never_shown_raw_and_breaks_nothing",
    ),
    "While a key encrypts it": ("test_a_plain_row_in_place_of_a_sealed_one_is_refused",),
    "A database on another machine": ("test_a_server_on_another_machine_must_prove_who_it_is",),
    "Its URL is never printed with a password": (
        "test_a_ledger_s_url_that_cannot_be_shown_without_its_password_is_not_shown",
        "test_a_password_is_masked_in_each_form_that_it_may_be_quoted_in",
        "test_a_url_that_cannot_be_read_is_not_shown",
    ),
    "A listing that never gets closer to its end": (
        "test_three_pages_without_anybody_new_are_a_list_without_end",
        "test_a_body_of_more_values_than_any_page_has_is_not_parsed",
        "test_a_compressed_body_is_counted_as_it_inflates",
    ),
    "Redirects are never followed": ("test_a_redirect_is_not_followed",),
    "Text from the account can't control your terminal": (
        "test_no_output_of_a_job_holds_a_command",
        "test_a_command_that_is_written_in_pieces_is_altered_too",
        "test_an_id_that_is_half_a_character_is_refused",
        "test_hostile_texts_of_an_account_are_never_shown_raw",
    ),
    "With `--redact`, only status, code and field names": ("test_a_servers_words_are_masked_and_what_helps_stays",),
    "An emulator on this machine": ("test_an_emulator_on_this_machine_answers_to_no_name_that_leads_to_it",),
    "Shell completion never offers a key": ("test_a_key_that_a_shell_would_expand_or_run_is_not_offered",),
    # Secrets and personal data.
    "A secret written out": ("test_a_secret_in_a_project_file_is_refused_and_not_repeated",),
    "Secrets are named, not written": ("test_a_secret_in_a_project_file_is_refused_and_not_repeated",),
    "No plan, ledger, log or message contains one.": (
        "test_no_command_shows_a_secret_or_a_person_at_debug_level",
        "test_a_whole_run_at_debug_level_shows_no_secret_and_no_value",
        "test_an_answer_that_quotes_what_it_was_sent_shows_no_secret",
    ),
    "Requests go only to the configured host": (
        "test_a_redirect_is_not_followed",
        "test_a_base_url_is_https_or_this_machine",
        "test_a_base_url_with_a_user_is_none",
    ),
    "Only you can read these files.": (
        "test_a_saved_plan_is_its_owners_alone",
        "test_the_file_and_its_journals_are_for_their_owner_alone",
        "test_the_file_its_journal_and_the_folder_made_for_it_are_their_owners_alone",
    ),
    "`--redact` masks personal values in printed output.": (
        "test_no_personal_value_of_a_change_is_in_the_masked_plans_json",
        "test_redacted_it_shows_no_personal_value_and_keeps_external_ids",
    ),
    # What it cannot know.
    "Whether this server lists archived customers": (
        "an-archive-on-a-server-whose-ways-are-not-known-is-noted",
        "an-environment-may-state-that-archived-ones-are-not-listed",
        "a-listing-that-lacks-whom-we-archived-shows-that-archived-ones-are-not-listed",
    ),
    "Until then, Reconciler assumes that a customer it archived": (
        "until-known-a-listed-customer-that-we-archived-is-taken-to-be-archived",
    ),
    "A created user probably gets a message from the vendor; the plan says how many.": (
        "test_a_plan_says_how_many_users_may_get_a_message",
    ),
}
"""How each sentence that promises something begins, and what holds it: tests, and folders of `tests/cases`."""

NO_PROMISES = (
    "Two customers mean two invoices.",
    "The API has no idempotency key",
    "So:",
    "One isn't enough, because a list that is read page by page",
    "It comes with the customers files",
    "This page lists what Reconciler guarantees",
    "Exactly once describes the states",
    "An archive stops someone's payments",
    "A project folder is data",
    "A ledger records which customer belongs to which key.",
    "A live account holds what others write.",
    "The ledger and saved plans hold personal data.",
    "Whether others use the account at the same moment.",
    "It doesn't see what they create between",
    "What the API does with an email address",
)
"""How the others begin: they say why, or what cannot be known."""


def sentences() -> list[str]:
    """Return the sentences of the page, without its code, headings and marks."""
    text = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text).replace("*", "")
    lines = (line.removeprefix("- ").strip() for line in text.splitlines() if line and not line.startswith("#"))
    return [sentence for line in lines for sentence in re.split(r"(?<=[.:])\s+(?=[A-Z`])", line) if sentence]


def test_every_sentence_is_in_one_table_and_every_row_on_the_page() -> None:
    rows = (*HELD, *NO_PROMISES)
    begins = {sentence: [row for row in rows if sentence.startswith(row)] for sentence in sentences()}
    assert {sentence: found for sentence, found in begins.items() if len(found) != 1} == {}
    assert sorted(row for found in begins.values() for row in found) == sorted(rows)


def test_the_tests_that_the_security_page_names_are_there() -> None:
    page = (TESTS.parent / "SECURITY.md").read_text("utf-8")
    named = set(re.findall(r"`((?:tests|bench|requirements|examples|\.ci|\.github)/[^` ]+)`", page))
    assert len(named) > 40
    assert sorted(name for name in named if not (TESTS.parent / name).exists()) == []


def test_every_row_of_who_can_do_what_names_its_tests() -> None:
    page = (TESTS.parent / "SECURITY.md").read_text("utf-8")
    table = page.partition("## Who can do what")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith("| Who |")]
    assert len(rows) == 10
    assert [row.split("|")[1].strip() for row in rows if "`tests/" not in row] == []


@pytest.mark.parametrize("begin", HELD)
def test_a_sentence_s_tests_are_there(begin: str) -> None:
    assert HELD[begin] != ()
    assert [name for name in HELD[begin] if not (TESTS / "cases" / name).is_dir() and name not in _tests()] == []


@cache
def _tests() -> frozenset[str]:
    """Return the names of all tests."""
    sources = "".join(path.read_text("utf-8") for path in sorted(TESTS.rglob("test_*.py")))
    return frozenset(re.findall(r"def (test_\w+)\(", sources))
