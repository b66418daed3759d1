"""A create that may be live already is offered the `id:` line, in every form of a plan, and bound by nobody."""

from __future__ import annotations

from plan_parts import TERMS, account, bound, customer, declared, ledger, there

from reconciler.model import Address, Note
from reconciler.plan.likeness import MOST_OFFERED
from reconciler.plan.make import make_plan
from reconciler.plan.near import MOST_NOTED
from reconciler.plan.saved import as_text, plan_to_json
from reconciler.report.plan_html import plan_html
from reconciler.report.plan_markdown import plan_markdown
from reconciler.report.plan_text import plan_text
from reconciler.report.redact import masked_plan

ALIKE = make_plan(
    declared(customer("acme", fields={"name": "Acme", "ein": "12-3456789"})),
    account(there("cus_9", "", name="Acme Holding", ein="123456789")),
    ledger(),
    TERMS,
).plan


def test_the_note_stands_in_every_form_and_a_masked_one_names_nobody() -> None:
    said = "which has the same EIN and no external_id: then write id: cus_9"
    for redact in (False, True):
        forms = (
            plan_text(ALIKE, width=400, color=False, redact=redact),
            plan_markdown(ALIKE, redact=redact),
            plan_html(ALIKE, redact=redact),
            as_text(plan_to_json(ALIKE, mask=masked_plan if redact else None)),
        )
        assert [said in form.replace("`", "") for form in forms] == [True] * 4
        assert ["Holding" in form for form in forms] == [not redact] * 4


def test_of_many_that_are_alike_the_first_are_told_and_the_rest_counted() -> None:
    number = MOST_OFFERED + 5
    keys = [f"c-{one:02}" for one in range(number)]
    draft = make_plan(
        declared(*(customer(key, fields={"name": key}) for key in keys)),
        account(*(there(f"cus_{key}", "", name=key) for key in keys)),
        ledger(),
        TERMS,
    )
    *told, last = draft.plan.notes
    assert [note.address for note in told] == [Address(key) for key in keys[:MOST_OFFERED]]
    assert last == Note("5 more creates are like live customers without an external_id: `reconciler match` lists them")


def test_who_is_bound_or_is_not_created_is_not_spoken_of() -> None:
    draft = make_plan(
        declared(customer("acme"), customer("globex"), customer("initech", fields={"name": "Initech"}, archived=True)),
        account(there("cus_1", "acme"), there("cus_2", "", name="acme"), there("cus_3", "", name="Initech")),
        ledger(bound("globex", "cus_2", live_external_id="")),
        TERMS,
    )
    assert [note.text for note in draft.plan.notes if "the same" in note.text] == []


def test_of_many_keys_that_are_nearly_there_the_first_are_told_and_the_rest_counted() -> None:
    keys = [f"C-{one:02}" for one in range(MOST_NOTED + 5)]
    draft = make_plan(
        declared(*(customer(key, fields={"name": f"Name of {key}"}) for key in keys)),
        account(*(there(f"cus_{key}", key.lower()) for key in keys)),
        ledger(),
        TERMS,
    )
    *told, last = draft.plan.notes
    assert [note.address for note in told] == [Address(key) for key in keys[:MOST_NOTED]]
    assert last == Note("the same holds for 5 more that are created")


def test_a_customer_that_is_another_entry_is_not_nearly_a_key() -> None:
    draft = make_plan(
        declared(customer("Acme"), customer("acme"), customer("Globex")),
        account(there("cus_1", "acme"), there("cus_2", "globex")),
        ledger(bound("other", "cus_2", live_external_id="globex")),
        TERMS,
    )
    assert [note.text for note in draft.plan.notes if "differs in case" in note.text] == []
