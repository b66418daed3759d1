"""What stops a plan: short listings, ledgers of another account, limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from plan_values import CREATED_AT, TERMS, account, bound, customer, declared, ledger, sight, there

from reconciler.errors import Incomplete, Refused
from reconciler.model.core import Action, Address, CustomerId, Get, ListAgain, Live, Reason, Seek
from reconciler.model.ledger import BindingState
from reconciler.model.plan import Change, Exceeded, Note
from reconciler.model.policy import Prune, Share
from reconciler.model.reasons import NoteKind, StopReason, stop
from reconciler.plan import safety_checks
from reconciler.plan.scope import scope_of

ROWS = [bound(f"k{number}", f"cus_{number}") for number in range(8)]
SEEKS = tuple(Seek(CustomerId(f"cus_{number}"), CREATED_AT) for number in range(6))


@pytest.mark.parametrize(
    ("lacking", "active", "reads"),
    [
        (3, 10, SEEKS[:3]),  # many of few, and still not more than three
        (4, 400, SEEKS[:4]),  # one in a hundred is not more than that
        (4, 399, (ListAgain(),)),
        (5, 400, (ListAgain(),)),
        (0, 400, ()),
    ],
)
def test_more_than_three_and_more_than_one_in_a_hundred_take_a_second_pass_first(
    lacking: int, active: int, reads: tuple
) -> None:
    assert safety_checks.complete(account(), ROWS[:lacking], active) == reads


def test_after_two_equal_passes_the_lacking_ones_are_sought() -> None:
    assert safety_checks.complete(account(listings=2), ROWS[:5], 10) == SEEKS[:5]


def test_all_lacking_ones_are_sought_before_any_is_got() -> None:
    sought = {CustomerId("cus_0"): False, CustomerId("cus_1"): False}

    assert safety_checks.complete(account(listings=2, sought=sought), ROWS[:3], 10) == (SEEKS[2],)


def test_those_that_the_narrow_lists_lack_are_got_once() -> None:
    sought = {CustomerId(f"cus_{number}"): False for number in range(3)}
    live = account(sought=sought, got={CustomerId("cus_1"): None})

    assert safety_checks.complete(live, ROWS[:3], 10) == (Get(CustomerId("cus_0")), Get(CustomerId("cus_2")))


def test_one_without_a_created_at_cannot_be_sought_and_is_got() -> None:
    assert safety_checks.complete(account(), [bound("a", "cus_1", created_at="")], 10) == (Get(CustomerId("cus_1")),)


def test_a_second_pass_that_is_short_too_is_refused_and_names_one() -> None:
    live = account(listings=2, sought={CustomerId("cus_0"): True, CustomerId("cus_1"): True})

    with pytest.raises(Incomplete) as caught:
        safety_checks.complete(live, ROWS[:2], 10)

    assert caught.value.stop == stop(StopReason.LISTING_SHORT, {"ids": ("cus_0", "cus_1")})


@pytest.mark.parametrize("listings", [2, 3])
def test_while_many_are_lacking_and_two_passes_differ_another_one_is_taken(listings: int) -> None:
    assert safety_checks.complete(account(listings=listings, passes_differ=True), ROWS[:5], 10) == (ListAgain(),)


def test_four_passes_of_which_no_two_in_a_row_agree_are_refused() -> None:
    with pytest.raises(Incomplete) as caught:
        safety_checks.complete(account(listings=4, passes_differ=True), ROWS[:5], 10)

    assert caught.value.stop == stop(StopReason.LISTINGS_DIFFER, {"listings": 4})


def test_a_pass_that_holds_all_that_an_earlier_one_lacked_is_good() -> None:
    assert safety_checks.complete(account(listings=2, passes_differ=True), [], 400) == ()


def test_what_was_archived_was_absent_or_was_just_written_is_not_lacking() -> None:
    rows = [
        bound("archived", "cus_1", state=BindingState.ARCHIVED),
        bound("absent", "cus_2", state=BindingState.ABSENT),
        bound("fresh", "cus_3", written_at=account().read_at - 9.9),
        bound("lacking", "cus_4", written_at=account().read_at - 10),
        bound("listed", "cus_5"),
    ]
    bindings = ledger(*rows).bindings

    found = safety_checks.lacking(sight(account(there("cus_5", "listed"))), bindings, scope_of(declared(), TERMS))

    assert [row.external_id for row in found] == ["lacking"]


# --- whose ledger it is ---------------------------------------------------------------------------------


def live_of(external_ids: Mapping[str, str]) -> Live:
    return account(*(there(one, external_id) for one, external_id in external_ids.items()))


def test_half_of_the_bindings_broken_is_not_yet_another_account() -> None:
    live = live_of({"cus_0": "x", "cus_1": "x", "cus_2": "k2", "cus_3": "k3"})

    assert safety_checks.of_this_account(ledger(*ROWS[:4]), live, TERMS, declared()) == ()


def test_more_than_half_of_the_bindings_broken_is_another_account() -> None:
    live = live_of({"cus_0": "x", "cus_1": "x", "cus_2": "x", "cus_3": "k3"})

    with pytest.raises(Refused) as caught:
        safety_checks.of_this_account(ledger(*ROWS[:4]), live, TERMS, declared())

    assert caught.value.stop == stop(StopReason.LEDGER_MISMATCH, {"broken": 3, "bound": 4})
    assert caught.value.exit_code == 3


def test_a_customer_that_a_get_shows_counts_as_seen() -> None:
    live = account(got={CustomerId("cus_0"): there("cus_0", "x")})

    with pytest.raises(Refused):
        safety_checks.of_this_account(ledger(ROWS[0]), live, TERMS, declared())


def test_a_binding_that_an_id_line_answers_for_does_not_count_as_broken() -> None:
    desired = declared(customer("k0", id=CustomerId("cus_0")))

    assert safety_checks.of_this_account(ledger(ROWS[0]), live_of({"cus_0": "x"}), TERMS, desired) == ()


def test_a_binding_that_a_moved_line_answers_for_does_not_count_as_broken() -> None:
    desired = declared(customer("x"), moved={"k0": "x"})

    assert safety_checks.of_this_account(ledger(ROWS[0]), live_of({"cus_0": "x"}), TERMS, desired) == ()


@pytest.mark.parametrize(
    ("rows", "held", "accepted"),
    [
        (1, 1, True),
        (1, 0, False),
        (2, 2, True),
        (2, 1, False),
        (4, 3, True),
        (4, 2, False),
        (6, 3, True),
        (7, 3, False),
        (8, 4, True),
        (5, 2, False),
    ],
)
def test_a_new_client_id_needs_half_of_the_customers_and_three_or_all(rows: int, held: int, accepted: bool) -> None:
    records = ledger(*ROWS[:rows], account="another")
    live = live_of({f"cus_{number}": f"k{number}" for number in range(held)})

    if not accepted:
        with pytest.raises(Refused) as caught:
            safety_checks.of_this_account(records, live, TERMS, declared())
        assert caught.value.stop == stop(StopReason.LEDGER_ELSEWHERE, {"live": held, "bound": rows})
        return
    note = Note(NoteKind.API_KEY_CHANGED, parts={"live": held, "bound": rows})
    assert safety_checks.of_this_account(records, live, TERMS, declared()) == (note,)


def test_the_same_client_id_and_a_ledger_without_customers_need_no_proof() -> None:
    same = ledger(*ROWS, account=TERMS.environment.account)

    assert safety_checks.of_this_account(same, account(), TERMS, declared()) == ()
    assert safety_checks.of_this_account(ledger(account="another"), account(), TERMS, declared()) == ()


# --- limits ---------------------------------------------------------------------------------------------


def changes(action: Action, number: int, reason: Reason = Reason.DECLARED) -> list[Change]:
    return [Change(action, Address(f"k{one}"), CustomerId(f"cus_{one}"), reason) for one in range(number)]


MANY = ledger(*(bound(f"k{number}", f"cus_{number}") for number in range(39)))


def test_the_default_limit_is_a_tenth_of_the_active_bindings_rounded_down() -> None:
    assert safety_checks.limits(changes(Action.ARCHIVE, 3), MANY, account(), 39, TERMS) == ()
    assert safety_checks.limits(changes(Action.ARCHIVE, 4), MANY, account(), 39, TERMS) == (
        Exceeded("max_archives", 4, 3, "--max-archives 4"),
    )


def test_one_is_always_within_a_percentage_but_not_within_none() -> None:
    none = replace(TERMS, max_archives=Share(0, percent=True))

    assert safety_checks.limits(changes(Action.ARCHIVE, 1), ledger(), account(), 0, TERMS) == ()
    assert safety_checks.limits(changes(Action.ARCHIVE, 1), ledger(), account(), 0, none) == (
        Exceeded("max_archives", 1, 0, "--max-archives 1"),
    )


def test_archived_bindings_are_no_part_of_the_share() -> None:
    rows = [replace(row, state=BindingState.ARCHIVED) for row in MANY.bindings.values()]

    assert [
        one.allowed for one in safety_checks.limits(changes(Action.ARCHIVE, 2), ledger(*rows), account(), 39, TERMS)
    ] == [1]


def test_with_prune_all_the_share_is_of_what_is_listed() -> None:
    live = account(*(there(f"cus_{number}", f"k{number}") for number in range(20)))
    terms = replace(TERMS, prune=Prune.ALL)

    assert safety_checks.limits(changes(Action.ARCHIVE, 3, Reason.OWNED), MANY, live, 0, terms) == (
        Exceeded("max_archives", 3, 2, "--max-archives 3"),
    )


@pytest.mark.parametrize(
    ("reason", "limited"), [(Reason.OURS, False), (Reason.ELSEWHERE, True), (Reason.HIDDEN_OR_GONE, True)]
)
def test_only_restores_of_what_others_archived_are_limited(reason: Reason, limited: bool) -> None:
    found = safety_checks.limits(changes(Action.RESTORE, 4, reason), MANY, account(), 39, TERMS)

    assert found == ((Exceeded("max_restores", 4, 3, "--max-restores 4"),) if limited else ())


def test_all_changes_count_for_max_changes_by_the_larger_of_declared_and_live() -> None:
    terms = replace(TERMS, max_changes=Share(50, percent=True))
    live = account(*(there(f"cus_{number}", f"k{number}") for number in range(4)))
    planned = [*changes(Action.CREATE, 2), *changes(Action.CREATE_USER, 1)]

    assert safety_checks.limits(planned, ledger(), live, 6, terms) == ()
    assert safety_checks.limits(planned, ledger(), live, 5, terms) == (
        Exceeded("max_changes", 3, 2, "--max-changes 3"),
    )
    assert safety_checks.limits(planned, ledger(), live, 0, terms) == (
        Exceeded("max_changes", 3, 2, "--max-changes 3"),
    )
