"""Who may be whom: what is blocked until somebody decides, what is a note, and what is nobody's business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from plan_values import FILE, TERMS, account, bound, customer, declared, ledger, there

from reconciler.errors import Source
from reconciler.model.core import Address, Desired, Live
from reconciler.model.ledger import BindingState, Records
from reconciler.model.plan import Note, Plan, Rename
from reconciler.model.policy import Prune, Share, Terms
from reconciler.model.reasons import BlockedReason, NoteKind
from reconciler.model.reports import RemarkCode
from reconciler.plan.collisions import MOST_NOTED
from reconciler.plan.explain import explain
from reconciler.plan.make import make_plan
from reconciler.plan.saved_plan import as_text, load, save
from reconciler.report.messages.plan import blocked_wording, note_text
from reconciler.report.plan_html import plan_html
from reconciler.report.plan_json import plan_to_json
from reconciler.report.plan_markdown import plan_markdown
from reconciler.report.plan_text import plan_text

ACME = {"name": "Acme", "email": "billing@acme.example"}
NOTHING = ledger()
ALL = replace(TERMS, max_archives=Share(100, percent=True))


def planned(desired: Desired, live: Live, records: Records = NOTHING, terms: Terms = ALL) -> Plan:
    draft = make_plan(desired, live, records, terms)
    assert draft.reads == ()
    return draft.plan


def done(plan: Plan) -> list[str]:
    return [f"{one.action} {one.address}" for one in plan.changes]


def blocked(plan: Plan) -> dict[str, tuple[str, ...]]:
    return {str(one.address): one.ids for one in plan.blocked}


def notes(plan: Plan, key: str) -> list[str]:
    return [note_text(one) for one in plan.notes if one.address == Address(key)]


# --- a create, and a live customer that nobody claims -----------------------------------------------------


@pytest.mark.parametrize(
    ("key", "external_id"),
    [
        ("Acme", "acme"),
        ("acme ", "acme"),
        ("two  words", "two words"),
        ("two\u00a0words", "two words"),
        ("caf\u00e9", "cafe\u0301"),
        ("\ufeffacme", "acme"),
        ("00123", "123"),
        ("123", "123.0"),
        ("100000", "1E+05"),
    ],
)
@pytest.mark.parametrize("disposable", [False, True])
def test_a_key_is_not_created_beside_an_external_id_that_is_nearly_it(
    key: str, external_id: str, disposable: bool
) -> None:
    live = account(there("cus_1", external_id, name="Another"))
    plan = planned(declared(customer(key)), live, terms=replace(ALL, disposable=disposable))
    assert (done(plan), blocked(plan)) == ([], {str(Address(key)): ("cus_1",)})
    assert "`id: cus_1`" in blocked_wording(plan.blocked[0]).fix
    assert "`distinct_from: [cus_1]`" in blocked_wording(plan.blocked[0]).fix


@pytest.mark.parametrize(("key", "external_id"), [("acme", "acme2"), ("12.5", "125"), ("a1", "a01"), ("1", "11")])
def test_a_key_is_created_beside_one_that_is_another(key: str, external_id: str) -> None:
    plan = planned(declared(customer(key)), account(there("cus_1", external_id)))
    assert done(plan) == [f"create {key}"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"email": "a@x.example"}, {"email": "A@x.example"}),
        ({"ein": "12-3456789"}, {"ein": "123456789"}),
        ({"ein": "12-3456789", "email": "b@x.example"}, {"ein": "123456789", "email": "c@x.example"}),
        ({"ein": "12-3456789", "email": "a@x.example"}, {"email": "a@x.example"}),
    ],
    ids=str,
)
@pytest.mark.parametrize("external_id", ["", "psa-77"])
def test_a_unique_email_or_ein_blocks_a_create(
    ours: Mapping[str, str], theirs: Mapping[str, str], external_id: str
) -> None:
    desired = declared(customer("acme", fields={"name": "One", **ours}))
    plan = planned(desired, account(there("cus_1", external_id, **{"name": "Two", **theirs})))
    assert (done(plan), blocked(plan)) == ([], {"acme": ("cus_1",)})


@pytest.mark.parametrize(
    ("ours", "theirs", "also"),
    [
        ({"name": "Acme"}, {"name": "acme"}, ""),
        ({"email": ""}, {"email": ""}, ""),
        ({"ein": "000000000"}, {"ein": "000000000"}, ""),
        ({"email": "a@x.example", "ein": "12-3456789"}, {"email": "a@x.example", "ein": "98-7654321"}, ""),
        ({"email": "a@x.example"}, {"email": "a@x.example"}, "live"),
        ({"email": "a@x.example"}, {"email": "a@x.example"}, "declared"),
    ],
    ids=str,
)
def test_what_is_not_unique_or_is_spoken_against_blocks_nothing(
    ours: Mapping[str, str], theirs: Mapping[str, str], also: str
) -> None:
    others = [customer("other", fields={"name": "Three", **ours})] if also == "declared" else []
    twins = [there("cus_2", "x", **{"name": "Four", **theirs})] if also == "live" else []
    desired = declared(customer("acme", fields={"name": "One", **ours}), *others)
    plan = planned(desired, account(there("cus_1", "", **{"name": "Two", **theirs}), *twins))
    assert "create acme" in done(plan)
    assert plan.blocked == ()


def test_one_billing_email_of_several_sites_tells_them_apart_with_their_names() -> None:
    sites = [{"name": name, "email": "billing@chain.example"} for name in ("North", "South", "East")]
    desired = declared(*(customer(one["name"].lower(), fields=one) for one in sites))
    live = account(*(there(f"cus_{number}", "", **one) for number, one in enumerate(sites[:2])))
    plan = planned(desired, live)
    assert blocked(plan) == {"north": ("cus_0",), "south": ("cus_1",)}
    assert done(plan) == ["create east"]
    assert [text.count("has the same email") for text in notes(plan, "east")] == [2]


def test_in_a_disposable_environment_name_and_email_are_a_note_and_an_ein_still_blocks() -> None:
    one = customer("acme", fields=ACME)
    two = customer("globex", fields={"name": "Globex", "ein": "12-3456789"})
    live = account(there("cus_1", "", **ACME), there("cus_2", "", name="Other", ein="123456789"))
    plan = planned(declared(one, two), live, terms=replace(ALL, disposable=True))
    assert (done(plan), blocked(plan)) == (["create acme"], {"globex": ("cus_2",)})
    assert "`id: cus_1`" in notes(plan, "acme")[0]


@pytest.mark.parametrize("name", ["cus_1", "acme-live"])
def test_distinct_from_settles_it_by_id_or_external_id(name: str) -> None:
    one = customer("acme", fields=ACME, distinct_from=(name,))
    assert done(planned(declared(one), account(there("cus_1", "acme-live", **ACME)))) == ["create acme"]


def test_a_name_in_distinct_from_that_is_nobodys_is_a_note_where_a_customer_would_be_created() -> None:
    one = customer("acme", fields=ACME, distinct_from=("cus_9", "cus_1"))
    plan = planned(declared(one), account(there("cus_1", "", **ACME)))
    assert notes(plan, "acme") == ["`distinct_from` names 'cus_9', which is not an id, a key, or an external_id here."]
    bound_already = planned(declared(one), account(there("cus_1", "acme", **ACME)))
    assert [text for text in notes(bound_already, "acme") if "distinct_from" in text] == []


def test_who_another_key_is_may_share_everything() -> None:
    desired = declared(
        customer("Acme", fields={"name": "Acme"}),
        customer("pinned", id="cus_2", fields={}),
        customer("kept", fields={}),
        customer("acme", fields={}),
    )
    live = account(
        there("cus_1", "acme", name="Acme"), there("cus_2", "ACME", name="Acme"), there("cus_3", "ACme", name="Acme")
    )
    plan = planned(desired, live, ledger(bound("kept", "cus_3", live_external_id="ACme")))
    assert (done(plan), plan.blocked) == (["create Acme"], ())


def test_a_customer_that_a_blocked_key_may_be_is_nobodys_yet() -> None:
    live = account(there("cus_1", "acme"), there("cus_2", "acme"))
    plan = planned(declared(customer("acme"), customer("Acme")), live)
    assert (done(plan), set(blocked(plan))) == ([], {"acme", "Acme"})


def test_a_customer_to_be_restored_or_else_created_is_not_created_beside_its_successor() -> None:
    row = bound("acme", "cus_1", created_at="")
    live = replace(account(there("cus_2", "", **ACME)), got={"cus_1": None})
    plan = planned(declared(customer("acme", fields=ACME)), live, ledger(row))
    assert (done(plan), blocked(plan)) == ([], {"acme": ("cus_2",)})


def test_a_restore_of_what_we_archived_is_noted_and_goes_on() -> None:
    row = bound("acme", "cus_1", state=BindingState.ARCHIVED)
    plan = planned(declared(customer("acme", fields=ACME)), account(there("cus_2", "", **ACME)), ledger(row))
    assert "restore acme" in done(plan)
    assert "`id: cus_2`" in notes(plan, "acme")[0]


# --- a key that is gone, and one that is new ----------------------------------------------------------------

OLD = bound("a", "cus_1")
LIVE = account(there("cus_1", "a", **ACME))
NEW = declared(customer("a2", fields=ACME))
RENAME = Rename("a", "a2")
LINE = "`moved: [{from: a, to: a2}]`"
IF_SO = f"If it is the same customer, write {LINE}."


@pytest.mark.parametrize(
    "desired",
    [
        NEW,
        replace(NEW, forget={"a": Source(FILE, 9, 3)}),
        declared(customer("a", fields={}, archived=True), customer("a2", fields=ACME)),
        declared(customer("a", fields=ACME, archived=True), customer("a2", fields=ACME)),
    ],
    ids=["entry gone", "forgotten", "declared archived", "declared archived with its values"],
)
def test_a_renamed_key_and_the_end_of_the_old_one_are_both_blocked(desired: Desired) -> None:
    plan = planned(desired, LIVE, ledger(OLD))
    assert (done(plan), plan.bindings) == ([], ())
    assert blocked(plan) == {"a": ("cus_1",), "a2": ("cus_1",)}
    assert [one.moved for one in plan.blocked] == [RENAME, RENAME]
    fixes = [blocked_wording(one).fix for one in plan.blocked]
    assert all(LINE in fix and "`distinct_from: [a]`" in fix and "`--allow-recreate a2`" in fix for fix in fixes)
    assert [one["moved"] for one in plan_to_json(plan)["blocked"]] == [{"from": "a", "to": "a2"}] * 2


def test_the_values_that_were_recorded_are_evidence_too() -> None:
    row = replace(OLD, applied_json='{"email": "billing@acme.example"}')
    live = account(there("cus_1", "a", name="Old", email="edited@acme.example"))
    assert blocked(planned(NEW, live, ledger(row))) == {"a": ("cus_1",), "a2": ("cus_1",)}


@pytest.mark.parametrize(
    ("terms", "row"),
    [
        (replace(ALL, prune=Prune.NONE), OLD),
        (replace(ALL, targets=("a2",)), OLD),
        (ALL, replace(OLD, source="<stdin>")),
        (ALL, replace(OLD, source="")),
    ],
    ids=["prune none", "target", "standard input", "its entry was never read"],
)
def test_where_nothing_would_become_of_the_old_key_the_create_alone_is_blocked(terms: Terms, row: object) -> None:
    plan = planned(NEW, LIVE, ledger(row), terms)  # type: ignore[arg-type]
    assert (done(plan), blocked(plan)) == ([], {"a2": ("cus_1",)})
    assert plan.blocked[0].moved == RENAME


def test_a_protected_customer_stays_blocked_for_that() -> None:
    plan = planned(NEW, LIVE, ledger(replace(OLD, protected=True)))
    assert set(blocked(plan)) == {"a", "a2"}
    assert "it is protected" in blocked_wording(plan.blocked[0]).what


def test_what_is_owned_and_not_declared_is_not_archived_while_it_may_be_what_is_created() -> None:
    terms = replace(ALL, prune=Prune.ALL, owns=("*",))
    plan = planned(NEW, LIVE, NOTHING, terms)
    assert (done(plan), plan.entries, blocked(plan)) == ([], (), {"a": ("cus_1",), "a2": ("cus_1",)})


@pytest.mark.parametrize(
    ("desired", "terms"),
    [
        (declared(customer("a2", fields=ACME, distinct_from=("a",))), ALL),
        (declared(customer("a2", fields=ACME, distinct_from=("cus_1",))), ALL),
        (NEW, replace(ALL, recreate=("a2",))),
        (NEW, replace(ALL, recreate=("a",))),
        (NEW, replace(ALL, lookalikes=False)),
    ],
    ids=["by key", "by id", "the new key", "the old key", "nobody is compared"],
)
def test_who_insists_gets_a_create_and_an_archive(desired: Desired, terms: Terms) -> None:
    plan = planned(desired, LIVE, ledger(OLD), terms)
    assert (done(plan), plan.blocked) == (["create a2", "archive a"], ())
    assert plan.recreate == terms.recreate == load(save(plan_to_json(plan), plan, 0.0, "")).recreate


def test_to_insist_on_a_rename_does_not_allow_a_twin_of_a_customer_that_no_key_had() -> None:
    plan = planned(NEW, account(there("cus_1", "A2", **ACME)), terms=replace(ALL, recreate=("a2",)))
    assert (done(plan), set(blocked(plan))) == ([], {"a2"})


def test_the_line_settles_it() -> None:
    plan = planned(declared(customer("a2", fields=ACME), moved={"a": "a2"}), LIVE, ledger(OLD))
    assert ([one.origin for one in plan.bindings], done(plan), plan.blocked) == (["a"], [], ())


def test_of_a_key_whose_customer_is_archived_already_it_is_a_note_how_to_restore_it() -> None:
    row = replace(OLD, state=BindingState.ARCHIVED, applied_json='{"email": "billing@acme.example"}')
    plan = planned(NEW, account(), ledger(row))
    assert done(plan) == ["create a2"]
    assert notes(plan, "a2") == [f"It looks like 'a' (cus_1), which has the same email and is archived. {IF_SO}"]


@pytest.mark.parametrize("row", [replace(OLD, source="east.yaml"), replace(OLD, project="other")])
def test_of_a_key_whose_entry_was_not_read_it_is_a_note(row: object) -> None:
    plan = planned(NEW, LIVE, ledger(row))  # type: ignore[arg-type]
    assert done(plan) == ["create a2"]
    assert notes(plan, "a2") == [
        "It looks like 'a' (cus_1), which has the same email and name (its entry was not read here)."
    ]


def test_two_keys_that_the_ledger_tells_apart_are_two_customers() -> None:
    rows = (OLD, bound("a2", "cus_2", state=BindingState.ARCHIVED))
    plan = planned(NEW, LIVE, ledger(*rows))
    assert {"restore a2", "archive a"} <= set(done(plan))
    assert [one.field for one in plan.blocked] == ["email"]
    assert not any("looks like" in text for text in notes(plan, "a2"))


def test_keys_that_are_no_plain_yaml_are_written_so_that_the_line_can_be_pasted() -> None:
    plan = planned(
        declared(customer("a, b: c")), account(there("cus_1", "A, b: c ")), ledger(bound("A, b: c ", "cus_1"))
    )
    assert '`moved: [{from: "A, b: c ", to: "a, b: c"}]`' in blocked_wording(plan.blocked[0]).fix


def test_explain_says_of_both_keys_why() -> None:
    records = ledger(OLD)
    plan = planned(NEW, LIVE, records)
    for key in ("a", "a2"):
        found = explain(Address(key), plan, NEW, LIVE, records, ALL)
        assert found is not None
        assert [one.moved for one in found.outcome.blocked] == [RENAME]
        assert found.outcome.blocked[0].reason in (BlockedReason.LIKE_FORMER_KEY, BlockedReason.LIKE_NEW_KEY)
    assert RemarkCode.UNDECIDED in [one.code for one in found.identity]


# --- how much is said, and to whom --------------------------------------------------------------------------


def test_of_many_that_are_alike_the_first_are_told_and_the_rest_counted() -> None:
    keys = [f"c-{one:02}" for one in range(MOST_NOTED + 5)]
    desired = declared(*(customer(key, fields={"name": key}) for key in keys))
    plan = planned(desired, account(*(there(f"cus_{key}", "", name=key) for key in keys)))
    *told, last = plan.notes
    assert [note.address for note in told] == [Address(key) for key in keys[:MOST_NOTED]]
    assert last == Note(NoteKind.LOOKALIKES_LEFT, parts={"customers": 5})


def test_many_with_one_value_take_no_time_by_their_square() -> None:
    number = 3000
    desired = declared(*(customer(f"c-{one}", fields={"name": "A"}) for one in range(number)))
    plan = planned(desired, account(*(there(f"cus_{one}", "", name="A") for one in range(number))))
    assert len(done(plan)) == number
    assert "1 more" in notes(plan, "c-0")[0]


def test_names_of_others_are_masked_in_every_form_and_ids_are_not() -> None:
    live = account(there("cus_9", "", name="Acme Holding", ein="123456789"), there("cus_8", "", name="Globex"))
    desired = declared(
        customer("acme", fields={"name": "Acme", "ein": "12-3456789"}), customer("globex", fields={"name": "Globex"})
    )
    plan = planned(desired, live)
    for redact in (False, True):
        forms = (
            plan_text(plan, width=400, color=False, redact=redact),
            plan_markdown(plan, redact=redact),
            plan_html(plan, redact=redact),
            as_text(plan_to_json(plan, redact=redact)),
        )
        assert ["id: cus_9" in form and "id: cus_8" in form for form in forms] == [True] * 4
        assert ["Holding" in form for form in forms] == [not redact] * 4
