from __future__ import annotations

import re
from dataclasses import replace

from plan_values import NOTHING, WHOLE

from reconciler.model.core import Action, Address, CustomerId, Reason
from reconciler.model.plan import Blocked, Change, Cost, FieldChange, Plan
from reconciler.model.reasons import BlockedReason
from reconciler.report.plan_text import plan_text


def text(plan: Plan, width: int = 80) -> str:
    return plan_text(plan, width=width, color=False)


def patch_of(*fields: FieldChange) -> Plan:
    return replace(NOTHING, changes=(Change(Action.PATCH, Address("a"), CustomerId("c"), Reason.DECLARED, fields),))


def test_a_plan_without_changes_says_that_there_is_nothing_to_do() -> None:
    assert text(replace(NOTHING, cost=Cost(0, 3, 5.0))) == (
        "Environment demo (https://api.example), project default\n"
        "\n"
        "Cost: nothing to send; 3 more for the token and planning.\n"
        "No changes. 40 customers are as declared.\n"
    )


def test_a_plan_without_changes_but_with_something_blocked_is_not_called_done() -> None:
    plan = replace(NOTHING, blocked=(Blocked(Address("a"), BlockedReason.NAME_MISSING),))
    assert text(plan, 120).splitlines()[-1] == ("Plan: no changes; 1 blocked; 40 unchanged.")


def test_a_created_user_stands_below_its_new_customer_wherever_it_is_in_the_plan() -> None:
    user = Change(Action.CREATE_USER, Address("a", "j@a.example"), None, Reason.DECLARED)
    other = Change(Action.CREATE_USER, Address("b", "k@b.example"), CustomerId("cus_b"), Reason.DECLARED)
    create = Change(Action.CREATE, Address("a"), None, Reason.DECLARED)
    assert text(replace(NOTHING, changes=(create, user, other))).split("\n\n")[1:3] == [
        "Create (1)\n  + a  declared\n      + j@a.example",
        "Create users for existing customers (1)\n  + b/k@b.example  cus_b, declared",
    ]


def test_values_that_are_too_long_to_stand_side_by_side_stand_below_each_other() -> None:
    plan = patch_of(FieldChange("name", "x" * 40, "y" * 40), FieldChange("city", "A", "B"))
    assert "      name (config)\n        - " + "x" * 40 + "\n        + " + "y" * 40 + "\n      city (config)\n" in text(
        plan
    )


def test_a_value_with_outer_blanks_is_quoted() -> None:
    assert 'city  " Boston" -> Boston  (config)' in text(patch_of(FieldChange("city", " Boston", "Boston")))


def test_wide_letters_are_aligned_by_their_columns() -> None:
    plan = patch_of(FieldChange("city", "東京", "大阪"), FieldChange("name", "Kyoto", "Nara"))
    assert "city  東京  -> 大阪  (config)\n      name  Kyoto -> Nara  (config)\n" in text(plan)


def test_without_a_rate_the_price_has_no_time() -> None:
    assert "Cost: 4 requests, at no limit.\n" in text(replace(WHOLE, cost=Cost(4, 0, 0.0)))


def test_colour_comes_from_the_parameter_alone_and_changes_no_letter() -> None:
    colored = plan_text(WHOLE, width=80, color=True)
    assert "\x1b" not in text(WHOLE)
    assert "\x1b[32m" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == text(WHOLE)


def test_redacted_it_shows_no_personal_value_and_keeps_external_ids() -> None:
    redacted = plan_text(WHOLE, width=80, color=False, redact=True)
    assert re.findall("Boston|New York|Apt 1|jane|zoe|Jane|Doe|Lost Inc|Main St|Globex", redacted) == []
    assert (
        "Patch (1)\n"
        "  ~ acme  cus_1, declared  customers.yaml:7:3\n"
        "      city         ***     -> ***      (config)\n"
        "      sub_premise  ***     -> (empty)  (drift)\n"
        "      state        (empty) -> NY       (unknown)\n"
        "\n"
        "Create (1)\n"
        "  + globex%2Fwest  declared  customers.yaml:12:3\n"
        "      name            ***\n"
        "      street_address  ***\n"
        "      + ***  customers.yaml:15:3\n"
        "          first_name  ***\n"
        "\n"
        "Create users for existing customers (1)\n"
        "  + initech/***  cus_9, declared  customers.yaml:16:3\n"
        "      last_name  ***\n"
        "      unless the customer already has it, which the restore will show\n"
    ) in redacted
    assert "  acme: city is no longer managed and stays '***'.\n" in redacted
