from __future__ import annotations

from reconciler.model.core import Action, Address, CustomerId, EnvironmentRef, Reason, Status
from reconciler.model.plan import Blocked, Change, FieldChange, Note, Outcome, Plan
from reconciler.model.reasons import BlockedReason, Ending, EndReason, NoteKind
from reconciler.report.outcome import outcomes_text
from reconciler.report.plan_text import plan_text

REF = EnvironmentRef("test", "https://api.example.com", "0" * 64)
ALL = "all of them: plan --format json, or saved with --out FILE"


def patch(number: int) -> Change:
    """Return a patch; every tenth has a state too."""
    fields = (FieldChange("city", "Bonn", "Ulm"), *([FieldChange("state", "", "NY")] if number % 10 == 0 else []))
    return Change(Action.PATCH, Address(f"c{number}"), CustomerId(f"cus_{number}"), Reason.DECLARED, fields=fields)


def create(number: int) -> tuple[Change, Change]:
    """Return a create and that of its user."""
    return (
        Change(Action.CREATE, Address(f"c{number}"), None, Reason.DECLARED),
        Change(Action.CREATE_USER, Address(f"c{number}", "a@x.example"), None, Reason.DECLARED),
    )


def lines(plan: Plan) -> list[str]:
    """Return the lines of a plan's text."""
    return plan_text(plan, width=100, color=False).splitlines()


def test_of_a_long_section_the_first_hundred_are_shown_with_what_all_are_and_how_to_see_them() -> None:
    shown = lines(Plan(REF, "default", changes=tuple(map(patch, range(50_000)))))
    assert shown[2:5] == ["Patch (50000)", "  fields: city 50000, state 5000", "  ~ c0  cus_0, declared"]
    assert sum(text.startswith("  ~ ") for text in shown) == 100
    assert shown[-4:-2] == [f"  ... and 49900 more; {ALL}", ""]


def test_of_a_hundred_all_are_shown() -> None:
    shown = lines(Plan(REF, "default", changes=tuple(map(patch, range(100)))))
    assert sum(text.startswith("  ~ ") for text in shown) == 100
    assert not any("more;" in text or "fields:" in text for text in shown)


def test_users_below_new_customers_count_among_what_is_shown() -> None:
    changes = tuple(change for number in range(80) for change in create(number))
    shown = lines(Plan(REF, "default", changes=changes))
    assert shown[2:4] == ["Create (80)", "  reasons: declared 160"]
    assert sum(text.startswith(("  + ", "      + ")) for text in shown) == 100
    assert f"  ... and 60 more; {ALL}" in shown


def test_what_is_blocked_and_noted_is_shortened_too() -> None:
    blocked = tuple(Blocked(Address(f"c{number}"), BlockedReason.NAME_MISSING) for number in range(150))
    notes = tuple(Note(NoteKind.SYNCED, Address(f"note-{number}")) for number in range(150))
    shown = lines(Plan(REF, "default", blocked=blocked, notes=notes))
    assert sum(text.startswith("  ! ") for text in shown) == 100
    assert sum(text.startswith("  note-") for text in shown) == 100
    assert shown.count(f"  ... and 50 more; {ALL}") == 2


def test_a_long_report_shows_the_first_hundred_of_each_end() -> None:
    ends = [Outcome(patch(number), Status.DONE) for number in range(300)]
    ends += [Outcome(patch(number), Status.SKIPPED, Ending(EndReason.RUN_STOPPED)) for number in range(3)]
    shown = outcomes_text(ends, requests=1, seconds=1, width=100, color=False).splitlines()
    assert shown[0] == "Done (300)"
    assert shown[101] == "  ... and 200 more; all of them: apply --format json, or later `reconciler history`"
    assert len(shown) == 103 + 1 + 6 + 1 + 1
