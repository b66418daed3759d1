"""What every ledger does, whatever it is stored in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from ledgers import OPENERS, Open

from reconciler.errors import LedgerFailed, Source
from reconciler.ledger import Ledger
from reconciler.model.core import Action, Address, CustomerId, Reason, Status
from reconciler.model.ledger import (
    LACKED_S,
    Binding,
    BindingState,
    DropBinding,
    Intent,
    Learned,
    Pass,
    PutBinding,
    PutIntent,
    PutKeys,
    PutLacked,
    PutLearned,
    PutRun,
    PutTaken,
    PutUsers,
    Records,
    Run,
    SeenUser,
    Tally,
    Via,
    Write,
)
from reconciler.model.reasons import Ending, EndReason

LEARNED = Learned(
    lists_archived=False,
    longest_page=100,
    empties="",
    how="seen",
    listed=7,
    told="d",
    page_limit=1000,
    narrows=True,
    cuts=(1_700_000_000, 1_750_000_000),
    lag_s=36.0,
    answers="{}",
)

LISTING = Pass(1_767_225_600.5, "ab" * 16)


@pytest.fixture(params=OPENERS)
def opener(request: pytest.FixtureRequest) -> Open:
    return OPENERS[request.param]


@pytest.fixture
def ledger(opener: Open, tmp_path: Path) -> Iterator[Ledger]:
    with opener(tmp_path) as opened:
        yield opened


def bound(external_id: str, customer: str) -> Binding:
    return Binding(
        external_id=external_id,
        id=CustomerId(customer),
        live_external_id=external_id,
        created_at="2026-01-01T00:00:00Z",
        state=BindingState.ACTIVE,
        project="default",
        source="customers.yaml",
        protected=False,
        via=Via.CREATED,
        written_at=1_767_225_600.25,
        applied_hash=bytes(16),
        applied_json='{"name":"Acme"}',
    )


ACME = bound("acme", "cus_1")
GLOBEX = bound("globex", "cus_2")
JANE = SeenUser("jane@acme.example", {"first_name": "Jane"}, {"first_name": "Jane", "last_name": None})
OPEN = Intent(
    "run_1", 1, Action.PATCH, Address("acme"), CustomerId("cus_1"), 10.0, "ab", {"city": ""}, {"city": "Boston"}
)
RUN = Run("run_1", "2026-01-01T00:00:00.000000Z", "apply")


def test_a_new_ledger_knows_nothing(ledger: Ledger) -> None:
    assert ledger.records() == Records(known=False)
    assert ledger.binding("acme") is None
    assert ledger.runs() == ()
    assert ledger.intents("run_1") == ()


def test_what_was_committed_is_read_back_after_opening_again(opener: Open, tmp_path: Path) -> None:
    with opener(tmp_path) as ledger:
        ledger.commit(
            [
                PutBinding(ACME),
                PutUsers(CustomerId("cus_1"), (JANE,)),
                PutTaken("globex", "This external id is already used"),
                PutLacked(LISTING, ("initech", "hooli")),
                PutLearned(LEARNED),
                PutKeys(("ab" * 32, "cd" * 32)),
                PutIntent(OPEN),
                PutRun(RUN),
            ]
        )
    with opener(tmp_path) as ledger:
        assert ledger.records() == Records(
            bindings={"acme": ACME},
            users={CustomerId("cus_1"): (JANE,)},
            taken={"globex": "This external id is already used"},
            lacked={"initech": LISTING, "hooli": LISTING},
            intents=(OPEN,),
            learned=LEARNED,
            known=True,
            keys=("ab" * 32, "cd" * 32),
        )
        assert ledger.binding("acme") == ACME
        assert ledger.runs() == (RUN,)
        assert ledger.intents("run_1") == (OPEN,)


def test_a_row_that_is_written_again_is_as_it_was_written_last(ledger: Ledger) -> None:
    binding = Binding(
        external_id="acme",
        id=CustomerId("cus_9"),
        live_external_id="ACME",
        created_at="2026-02-02T00:00:00Z",
        state=BindingState.ARCHIVED,
        project="east",
        source="east.yaml",
        protected=True,
        via=Via.MATCHED,
        written_at=2.5,
        applied_hash=b"\x01" * 16,
        applied_json='{"name":"B"}',
        observed_json='{"name":"C"}',
        trouble_json='{"name":{}}',
        place="customers.yaml:3",
        reversals_json="[1]",
        recent_json="{}",
        integration_id="int_1",
    )
    intent = Intent(
        run="run_1",
        seq=1,
        action=Action.CREATE,
        address=Address("globex", "jane@globex.example"),
        id=CustomerId("cus_2"),
        opened_at=11.0,
        payload_hash="cd",
        before={"city": "Rome"},
        after={"city": "Bonn"},
        status=Status.DONE,
        message="It was made.",
        closed_at=12.0,
        reason=Reason.DECLARED,
        source=Source("globex.yaml", 4),
        commit="ab" * 20,
        ending=Ending(EndReason.LOST_SEVERAL, {"ids": (CustomerId("cus_2"),)}),
    )
    learned = Learned(
        lists_archived=True,
        gets_archived=True,
        longest_page=50,
        empties="null",
        how="probed",
        listed=9,
        told="e",
        page_limit=500,
        narrows=False,
        cuts=(1_800_000_000,),
        lag_s=12.5,
        answers='{"a":"b"}',
        asked_at=4.5,
    )
    run = Run(
        id="run_1",
        started_at="2026-02-02T00:00:00Z",
        command="undo",
        outcome="done",
        finished_at="2026-02-02T00:00:01Z",
        requests=5,
        changes=4,
        who="ana@ci 7",
        commit="abc",
        ci_url="https://ci.example",
        actor="ana",
        key="production/1f",
        plan="ef",
        pruned_at="2026-03-03T00:00:00Z",
    )
    listing = Pass(LISTING.at + 1.0, "ef" * 16)
    first = [PutBinding(ACME), PutUsers(ACME.id, (JANE,)), PutTaken("globex", "used"), PutLearned(LEARNED)]
    last = [PutBinding(binding), PutUsers(ACME.id, ()), PutTaken("globex", "taken"), PutLearned(learned)]
    ledger.commit([*first, PutLacked(LISTING, ("hooli",)), PutKeys(("ab",)), PutIntent(OPEN), PutRun(RUN)])
    ledger.commit([*last, PutLacked(listing, ("hooli",)), PutKeys(("cd",)), PutIntent(intent), PutRun(run)])

    records = ledger.records()
    assert (records.bindings, records.users) == ({"acme": binding}, {ACME.id: ()})
    assert (records.taken, records.learned, records.keys) == ({"globex": "taken"}, learned, ("cd",))
    assert (records.lacked, records.intents) == ({"hooli": listing}, ())
    assert (ledger.runs(), ledger.intents("run_1")) == ((run,), (intent,))


def test_a_ledger_is_known_once_a_run_has_finished_and_not_while_the_first_one_runs(ledger: Ledger) -> None:
    ledger.commit([PutRun(RUN), PutKeys(("ab",))])
    running = ledger.records().known
    ledger.commit([PutRun(replace(RUN, outcome="done"))])
    assert (running, ledger.records().known) == (False, True)


def test_what_a_listing_lacked_is_forgotten_after_a_day(ledger: Ledger) -> None:
    ledger.commit([PutLacked(LISTING, ("a", "b"))])
    next_day = Pass(LISTING.at + LACKED_S, "cd" * 16)
    ledger.commit([PutLacked(next_day, ("b", "c"))])
    assert ledger.records().lacked == {"a": LISTING, "b": next_day, "c": next_day}
    ledger.commit([PutLacked(replace(next_day, at=next_day.at + 1), ())])
    assert ledger.records().lacked == {"b": next_day, "c": next_day}


def test_what_a_listing_lacked_says_nothing_once_its_create_is_about_to_be_sent_or_who_had_it_is_forgotten(
    ledger: Ledger,
) -> None:
    ledger.commit([PutLacked(LISTING, ("acme", "globex", "initech", "hooli"))])
    opened = replace(OPEN, action=Action.CREATE, address=Address("acme"), id=None, status=None)
    ledger.commit([PutIntent(opened)])
    ledger.commit([PutIntent(replace(opened, seq=opened.seq + 1, action=Action.PATCH, address=Address("hooli")))])
    ledger.commit([PutBinding(GLOBEX), DropBinding("globex")])
    assert ledger.records().lacked.keys() == {"initech", "hooli"}


def test_a_hundred_thousand_keys_that_a_listing_lacked_are_written_and_read(ledger: Ledger) -> None:
    keys = tuple(f"key-{number}" for number in range(100_000))
    ledger.commit([PutLacked(LISTING, keys)])
    lacked = ledger.records().lacked
    assert (len(lacked), {id(one) for one in lacked.values()}) == (100_000, {id(lacked["key-0"])})


def test_a_customer_without_users_is_told_from_one_that_was_never_listed(ledger: Ledger) -> None:
    ledger.commit([PutUsers(CustomerId("cus_1"), ())])
    assert dict(ledger.records().users) == {CustomerId("cus_1"): ()}


def test_dropping_a_binding_drops_the_users_seen_on_its_customer_and_no_others(ledger: Ledger) -> None:
    ledger.commit([PutBinding(ACME), PutBinding(GLOBEX)])
    ledger.commit([PutUsers(CustomerId("cus_1"), (JANE,)), PutUsers(CustomerId("cus_2"), (JANE,))])
    ledger.commit([DropBinding("acme")])
    records = ledger.records()
    assert (records.bindings, dict(records.users)) == ({"globex": GLOBEX}, {CustomerId("cus_2"): (JANE,)})


def test_dropping_what_is_not_bound_changes_nothing(ledger: Ledger) -> None:
    ledger.commit([PutBinding(ACME), DropBinding("globex"), PutTaken("globex", None)])
    assert ledger.records().bindings == {"acme": ACME}


def test_a_second_key_for_a_bound_customer_is_refused_and_the_first_one_stays(ledger: Ledger) -> None:
    ledger.commit([PutBinding(ACME)])
    with pytest.raises(LedgerFailed, match="two keys"):
        ledger.commit([PutBinding(GLOBEX), PutBinding(bound("initech", "cus_1"))])
    assert ledger.records().bindings == {"acme": ACME}


def test_keys_may_swap_their_customers_in_one_commit(ledger: Ledger) -> None:
    swapped = {"acme": bound("acme", "cus_2"), "globex": bound("globex", "cus_1")}
    ledger.commit([PutBinding(ACME), PutBinding(GLOBEX)])
    ledger.commit([DropBinding("acme"), DropBinding("globex"), *map(PutBinding, swapped.values())])
    assert ledger.records().bindings == swapped


def test_writes_take_effect_in_their_order(ledger: Ledger) -> None:
    later = replace(ACME, state=BindingState.ARCHIVED)
    ledger.commit([PutBinding(ACME), DropBinding("acme"), PutBinding(later), PutTaken("a", "x"), PutTaken("a", None)])
    records = ledger.records()
    assert (records.bindings, records.taken) == ({"acme": later}, {})


def test_a_closed_intent_is_history_and_no_longer_open(ledger: Ledger) -> None:
    closed = replace(OPEN, status=Status.DONE, message="patched", closed_at=11.0)
    ledger.commit([PutIntent(OPEN), PutIntent(replace(OPEN, seq=2))])
    ledger.commit([PutIntent(closed)])
    assert ledger.records().intents == (replace(OPEN, seq=2),)
    assert ledger.intents("run_1") == (closed, replace(OPEN, seq=2))


def test_runs_come_in_the_order_in_which_they_began_also_when_the_clock_went_back(ledger: Ledger) -> None:
    early = Run("run_2", "2025-01-01T00:00:00.000000Z", "undo")
    ledger.commit([PutRun(RUN)])
    ledger.commit([PutRun(early)])
    ledger.commit([PutRun(replace(RUN, outcome="done", requests=3))])
    assert ledger.runs() == (replace(RUN, outcome="done", requests=3), early)


def test_a_commit_whose_writes_break_off_leaves_nothing_and_the_ledger_usable(ledger: Ledger) -> None:
    def writes() -> Iterator[Write]:
        yield PutBinding(ACME)
        raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        ledger.commit(writes())
    after_failure = ledger.records().bindings
    ledger.commit([PutBinding(GLOBEX)])
    assert (after_failure, ledger.records().bindings) == ({}, {"globex": GLOBEX})


def test_a_text_that_has_no_utf8_form_is_refused_and_nothing_is_written(ledger: Ledger) -> None:
    with pytest.raises(LedgerFailed, match="surrogate"):
        ledger.commit([PutBinding(ACME), PutBinding(bound("\ud800", "cus_9"))])
    with pytest.raises(LedgerFailed, match="surrogate"):
        ledger.binding("\ud800")
    assert ledger.records().bindings == {}


def test_half_a_character_in_the_values_of_an_intent_is_kept(ledger: Ledger) -> None:
    odd = replace(OPEN, before={"city": "\ud800"})
    ledger.commit([PutIntent(odd)])
    assert ledger.intents("run_1") == (odd,)


def test_keys_that_look_alike_stay_apart(ledger: Ledger) -> None:
    keys = ("a", "A", "a ", "a\0", "a\0b", "\u00e9", "e\u0301", "")
    bindings = {key: bound(key, f"cus_{n}") for n, key in enumerate(keys)}
    ledger.commit(map(PutBinding, bindings.values()))
    assert ledger.records().bindings == bindings
    assert [ledger.binding(key) for key in keys] == list(bindings.values())


def test_a_tally_counts_what_a_run_sent_and_what_was_done(ledger: Ledger) -> None:
    ends = (Status.DONE, Status.DONE, Status.FAILED, None)
    ledger.commit(
        PutIntent(Intent("r1", seq, Action.PATCH, Address(f"k{seq}"), CustomerId(f"c{seq}"), 1.0, status=end))
        for seq, end in enumerate(ends, start=1)
    )
    ledger.commit([PutRun(Run("r2", "2026-01-01T00:00:00.000000Z", "apply"))])
    assert dict(ledger.tallies()) == {"r1": Tally(4, 2)}


def test_the_history_of_a_customer_is_found_by_key_by_former_key_and_by_id(ledger: Ledger) -> None:
    acme = CustomerId("cus_1")
    born = Intent("r1", 1, Action.CREATE, Address("old"), acme, 1.0, reason=Reason.DECLARED, source=Source("a.yaml", 3))
    born = replace(born, commit="5d1c2f0c7b-dirty")
    user = Intent("r1", 2, Action.CREATE_USER, Address("old", "jane@acme.example"), acme, 2.0)
    gone = Intent("r2", 1, Action.ARCHIVE, Address("new"), acme, 3.0, reason=Reason.ENTRY_GONE, source=Source("a.yaml"))
    other = Intent("r2", 2, Action.ARCHIVE, Address("other"), CustomerId("cus_2"), 4.0)
    lost = Intent("r2", 3, Action.CREATE, Address("new"), None, 5.0)
    ledger.commit(map(PutIntent, (gone, other, lost, born, user)))
    assert ledger.history("new") == (born, user, gone, lost)
    assert ledger.history("old") == ledger.history("cus_1") == (born, user, gone)
    assert ledger.history("nobody") == ()


def test_the_history_of_a_bound_customer_is_found_by_its_key_of_today(ledger: Ledger) -> None:
    row = bound("today", "cus_1")
    born = Intent("r1", 1, Action.CREATE, Address("old"), row.id, 1.0)
    ledger.commit([PutBinding(row), PutIntent(born)])
    assert ledger.history("today") == (born,)
