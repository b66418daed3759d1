"""What stops a plan: short listings, ledgers of another account, limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pytest
from plan_values import CREATED_AT, TERMS, account, bound, customer, declared, ledger, sight, there

from reconciler.errors import Incomplete, Refused, Source
from reconciler.model.core import Action, Address, CustomerId, Get, ListAgain, Live, Reason, Seek
from reconciler.model.ledger import BindingState, Records
from reconciler.model.plan import AllowLine, Change, Exceeded, Note, Plan
from reconciler.model.policy import Prune, Share, Terms, Waiver
from reconciler.model.reasons import NoteKind, StopReason, stop
from reconciler.plan import safety_checks
from reconciler.plan.limits import day_of, ended, judge, unapproved
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
    records = ledger(*ROWS[:rows], keys=("another",))
    live = live_of({f"cus_{number}": f"k{number}" for number in range(held)})

    if not accepted:
        with pytest.raises(Refused) as caught:
            safety_checks.of_this_account(records, live, TERMS, declared())
        assert caught.value.stop == stop(StopReason.LEDGER_ELSEWHERE, {"live": held, "bound": rows})
        return
    note = Note(NoteKind.API_KEY_CHANGED, parts={"live": held, "bound": rows})
    assert safety_checks.of_this_account(records, live, TERMS, declared()) == (note,)


def test_the_same_client_id_and_a_ledger_without_customers_need_no_proof() -> None:
    same = ledger(*ROWS, keys=(TERMS.environment.account,))

    assert safety_checks.of_this_account(same, account(), TERMS, declared()) == ()
    assert safety_checks.of_this_account(ledger(keys=("another",)), account(), TERMS, declared()) == ()


@pytest.mark.parametrize(
    ("records", "live", "keys"),
    [
        (ledger(), account(), ("key",)),
        (ledger(keys=("other", "key")), account(), ("key", "other")),
        # Nobody is bound, or too few are there: nothing proves that both keys are of one account.
        (ledger(keys=("other",)), account(), ("key",)),
        (ledger(*ROWS[:4], keys=("other",)), live_of({"cus_0": "k0", "cus_1": "k1"}), ("key",)),
        (ledger(*ROWS[:4], keys=("other",)), live_of({f"cus_{n}": f"k{n}" for n in range(3)}), ("key", "other")),
    ],
)
def test_a_key_that_writes_keeps_the_others_only_where_it_is_proven(
    records: Records, live: Live, keys: tuple[str, ...]
) -> None:
    assert safety_checks.keys_with("key", records, live) == keys
    assert safety_checks.proves("key", records, live) == (keys == ("key", "other") and "key" not in records.keys)


# --- limits ---------------------------------------------------------------------------------------------


def changes(action: Action, number: int, reason: Reason = Reason.DECLARED) -> list[Change]:
    return [Change(action, Address(f"k{one}"), CustomerId(f"cus_{one}"), reason) for one in range(number)]


def limits(changes: list[Change], records: Records, live: Live, declared: int, terms: Terms) -> tuple[Exceeded, ...]:
    return judge(changes, records, live, declared, terms).limits


MANY = ledger(*(bound(f"k{number}", f"cus_{number}") for number in range(39)))


def test_the_default_limit_is_a_tenth_of_the_active_bindings_rounded_down() -> None:
    assert limits(changes(Action.ARCHIVE, 3), MANY, account(), 39, TERMS) == ()
    assert limits(changes(Action.ARCHIVE, 4), MANY, account(), 39, TERMS) == (
        Exceeded("max_archives", 4, 3, "--max-archives 4"),
    )


def test_one_is_always_within_a_percentage_but_not_within_none() -> None:
    none = replace(TERMS, max_archives=Share(0, percent=True))

    assert limits(changes(Action.ARCHIVE, 1), ledger(), account(), 0, TERMS) == ()
    assert limits(changes(Action.ARCHIVE, 1), ledger(), account(), 0, none) == (
        Exceeded("max_archives", 1, 0, "--max-archives 1"),
    )


def test_archived_bindings_are_no_part_of_the_share() -> None:
    rows = [replace(row, state=BindingState.ARCHIVED) for row in MANY.bindings.values()]

    assert [one.allowed for one in limits(changes(Action.ARCHIVE, 2), ledger(*rows), account(), 39, TERMS)] == [1]


def test_with_prune_all_the_share_is_of_what_is_listed() -> None:
    live = account(*(there(f"cus_{number}", f"k{number}") for number in range(20)))
    terms = replace(TERMS, prune=Prune.ALL)

    assert limits(changes(Action.ARCHIVE, 3, Reason.OWNED), MANY, live, 0, terms) == (
        Exceeded("max_archives", 3, 2, "--max-archives 3"),
    )


@pytest.mark.parametrize(
    ("reason", "limited"), [(Reason.OURS, False), (Reason.ELSEWHERE, True), (Reason.HIDDEN_OR_GONE, True)]
)
def test_only_restores_of_what_others_archived_are_limited(reason: Reason, limited: bool) -> None:
    found = limits(changes(Action.RESTORE, 4, reason), MANY, account(), 39, TERMS)

    assert found == ((Exceeded("max_restores", 4, 3, "--max-restores 4"),) if limited else ())


def test_all_changes_count_for_max_changes_by_the_larger_of_declared_and_live() -> None:
    terms = replace(TERMS, max_changes=Share(50, percent=True))
    live = account(*(there(f"cus_{number}", f"k{number}") for number in range(4)))
    planned = [*changes(Action.CREATE, 2), *changes(Action.CREATE_USER, 1)]

    assert limits(planned, ledger(), live, 6, terms) == ()
    assert limits(planned, ledger(), live, 5, terms) == (Exceeded("max_changes", 3, 2, "--max-changes 3"),)
    assert limits(planned, ledger(), live, 0, terms) == (Exceeded("max_changes", 3, 2, "--max-changes 3"),)


# --- what is allowed for a time -------------------------------------------------------------------------

AT = Source("reconciler.yaml", 7, 14)
READ_AT = 1_767_225_600.0
"""2026-01-01T00:00:00Z."""
TODAY = date(2026, 1, 1)


def waiver(until: date, *, approve: frozenset[Action] = frozenset(), **shares: str) -> Waiver:
    return Waiver(until, "Offboarding", {name: Share.parse(text) for name, text in shares.items()}, approve, AT)


def at(seconds: float) -> Live:
    return replace(account(), read_at=READ_AT + seconds)


@pytest.mark.parametrize(
    ("seconds", "allowed"), [(0.0, 10), (86_399.0, 10), (86_400.0, 3), (-86_400.0, 10), (30 * 86_400.0, 3)]
)
def test_a_limit_is_widened_through_its_last_day_in_utc(seconds: float, allowed: int) -> None:
    terms = replace(TERMS, allow=(waiver(TODAY, max_archives="10"),))
    found = judge(changes(Action.ARCHIVE, 11), MANY, at(seconds), 39, terms)
    assert [row.allowed for row in found.limits] == [allowed]


def test_what_is_allowed_is_noted_with_its_line_its_last_day_and_its_reason() -> None:
    terms = replace(TERMS, allow=(waiver(TODAY, max_archives="10"),))
    said = {"at": (AT,), "until": "2026-01-01", "reason": "Offboarding"}
    found = judge(changes(Action.ARCHIVE, 4), MANY, at(0), 39, terms)
    assert (found.limits, found.allow) == ((), None)
    assert found.notes == (Note(NoteKind.ALLOWED, parts={"rule": "max_archives", "planned": 4, "limit": 3, **said}),)
    assert judge(changes(Action.ARCHIVE, 3), MANY, at(0), 39, terms).notes == ()


def test_of_several_the_one_that_allows_most_counts_and_a_smaller_one_than_the_limit_does_not_narrow_it() -> None:
    terms = replace(TERMS, allow=(waiver(TODAY, max_archives="5"), waiver(TODAY, max_archives="30%")))
    assert judge(changes(Action.ARCHIVE, 11), MANY, at(0), 39, terms).limits == ()
    assert [row.allowed for row in judge(changes(Action.ARCHIVE, 12), MANY, at(0), 39, terms).limits] == [11]
    narrow = replace(TERMS, allow=(waiver(TODAY, max_archives="0"),))
    assert judge(changes(Action.ARCHIVE, 3), MANY, at(0), 39, narrow).limits == ()


def test_a_limit_that_an_option_sets_is_not_widened_and_no_line_is_proposed_for_it() -> None:
    allow = (waiver(TODAY, max_archives="30"),)
    terms = replace(TERMS, allow=allow, by_option=frozenset({"max_archives"}), policy_at=AT)
    found = judge(changes(Action.ARCHIVE, 4), MANY, at(0), 39, terms)
    assert ([row.allowed for row in found.limits], found.allow) == ([3], None)


@pytest.mark.parametrize(
    ("until", "kind"),
    [
        (date(2025, 12, 31), NoteKind.ALLOW_ENDED),
        (date(2026, 1, 1), None),
        (date(2026, 4, 1), None),
        (date(2026, 4, 2), NoteKind.ALLOWED_LONG),
        (date(9999, 12, 31), NoteKind.ALLOWED_LONG),
    ],
)
def test_what_has_ended_and_what_ends_far_away_are_noted(until: date, kind: NoteKind | None) -> None:
    terms = replace(TERMS, allow=(waiver(until, max_archives="10"),))
    notes = judge([], MANY, at(0), 39, terms).notes
    assert [note.kind for note in notes] == ([] if kind is None else [kind])


def test_an_action_that_the_policy_wants_approved_lacks_its_approval_until_something_gives_it() -> None:
    terms = replace(TERMS, approval=(Action.ARCHIVE, Action.CREATE), places={"require_approval_for": AT})
    planned = changes(Action.ARCHIVE, 2)
    missing = Exceeded("require_approval_for", 2, 0, "--approve archive", AT, Action.ARCHIVE)
    assert judge(planned, MANY, at(0), 39, terms).approvals == (missing,)
    by_option = replace(terms, approved=frozenset({Action.ARCHIVE}))
    assert judge(planned, MANY, at(0), 39, by_option).approvals == ()
    for_a_time = replace(terms, allow=(waiver(TODAY, approve=frozenset({Action.ARCHIVE})),))
    found = judge(planned, MANY, at(0), 39, for_a_time)
    assert (found.approvals, [note.kind for note in found.notes]) == ((), [NoteKind.ALLOWED_ACTION])
    assert judge(planned, MANY, at(86_400), 39, for_a_time).approvals == (missing,)
    assert unapproved(planned, for_a_time, day_of(READ_AT + 86_400)) == (missing,)


def test_of_several_that_approve_an_action_the_last_to_end_is_noted_once() -> None:
    archive = frozenset({Action.ARCHIVE})
    allow = (waiver(TODAY, approve=archive), waiver(date(2026, 1, 5), approve=archive))
    terms = replace(TERMS, approval=(Action.ARCHIVE, Action.ARCHIVE), allow=allow)
    (note,) = judge(changes(Action.ARCHIVE, 1), MANY, at(0), 39, terms).notes
    assert note.parts["until"] == "2026-01-05"


@pytest.mark.parametrize(
    ("lacks", "places", "line", "under"),
    [
        ((), {}, "allow: {BODY}", "environments.demo.policy"),
        ((), {"allow": AT}, "- {BODY}", "environments.demo.policy.allow"),
        (("policy",), {}, "policy: {allow: {BODY}}", "environments.demo"),
        (("environments", "demo", "policy"), {}, "environments: {demo: {policy: {allow: {BODY}}}}", ""),
    ],
)
def test_the_line_that_is_proposed_holds_all_that_is_needed_for_a_week(
    lacks: tuple[str, ...], places: dict[str, Source], line: str, under: str
) -> None:
    terms = replace(
        TERMS,
        environment=replace(TERMS.environment, name="demo"),
        max_changes=Share(1),
        approval=(Action.ARCHIVE,),
        policy_at=AT,
        policy_lacks=lacks,
        places=places,
    )
    body = 'max_archives: 4, max_changes: 4, approve: [archive], until: 2026-01-08, reason: "..."'
    found = judge(changes(Action.ARCHIVE, 4), MANY, at(0), 39, terms).allow
    assert found == AllowLine(line.replace("BODY", body), under, AT)


def test_no_line_is_proposed_without_a_project_file() -> None:
    assert judge(changes(Action.ARCHIVE, 4), MANY, at(0), 39, TERMS).allow is None


def test_a_plan_that_was_allowed_is_not_any_more_on_the_day_after() -> None:
    terms = replace(TERMS, allow=(waiver(TODAY, max_archives="10"),))
    plan = judge(changes(Action.ARCHIVE, 4), MANY, at(0), 39, terms).of(Plan(TERMS.environment, "default"))
    assert (ended(plan, TODAY), len(ended(plan, date(2026, 1, 2)))) == ((), 1)


def test_a_plan_that_is_judged_again_keeps_no_note_of_the_first_time() -> None:
    terms = replace(TERMS, allow=(waiver(TODAY, max_archives="10"),))
    other = Note(NoteKind.ONLY_TARGETS_READ)
    first = judge(changes(Action.ARCHIVE, 4), MANY, at(0), 39, terms).of(
        Plan(TERMS.environment, "default", notes=(other,))
    )
    assert len(first.notes) == 2
    assert judge(changes(Action.ARCHIVE, 1), MANY, at(0), 39, terms).of(first).notes == (other,)
