"""What each change sends, what it makes of the answer, and what the ledger then knows."""

from __future__ import annotations

import json
from collections.abc import Sequence

import httpx
import pytest
from clocks import EPOCH_S
from scripted_apply import (
    CREATED_AT,
    Answer,
    CarriedOut,
    Server,
    archive,
    carry_out,
    city,
    create,
    entry,
    live,
    ok,
    page,
    patch,
    restore,
    row,
)

from reconciler.apply.settle import Ways
from reconciler.model.core import Action, Address, Cause, CustomerId, Status
from reconciler.model.ledger import BindingState, DropBinding, Learned, PutLearned, PutTaken, PutUsers, Trouble

DONE, FAILED, SKIPPED, IN_DOUBT = Status.DONE, Status.FAILED, Status.SKIPPED, Status.IN_DOUBT
LOST = httpx.ReadError("the connection broke")
NOT_FOUND = ok({"message": "ID not present in environment"}, status=404)
OPEN_INVOICES = ok({"message": "The customer has open invoices"}, status=400)
ARCHIVED_ALREADY = ok({"message": "The customer is archived already"}, status=400)
ACME = CustomerId("cus_acme")

NEXT = "The next plan says how to go on."
ALREADY = "It counts as archived already, by what the API answered"


def bodies(done: CarriedOut, method: str = "PATCH") -> list[object]:
    return [json.loads(request.content) for request in done.server.requests if request.method == method]


# --- patches ---------------------------------------------------------------------------------------------


def test_a_patch_records_what_was_sent_and_what_the_server_then_held() -> None:
    done = carry_out(
        [patch("acme", city("Bonn", "Ulm"))],
        Server(ok(live("acme", city="ULM, Germany"))),
        rows=[row("acme", applied={"city": "Bonn"})],
    )
    binding = done.book.rows()[-1]
    assert (binding.applied(), binding.observed()) == ({"city": "Ulm"}, {"city": "ULM, Germany"})


def test_a_value_that_the_server_keeps_is_not_taken_the_change_failed_and_it_is_remembered() -> None:
    done = carry_out([patch("acme", city("Bonn", "Ulm"))], Server(ok(live("acme", city="Bonn"))), rows=[row("acme")])
    assert (done.statuses, done.messages) == (
        [FAILED],
        [f"The server did not take city. {NEXT}"],
    )
    assert done.book.rows()[-1].trouble() == {"city": Trouble(refused=("Ulm", "Bonn"))}
    assert done.book.rows()[-1].applied() == {}


def test_a_clear_is_sent_as_an_empty_text_and_then_once_more_as_null_and_what_empties_is_learned() -> None:
    server = Server(ok(live("acme", city="Bonn")), ok(live("acme")))
    done = carry_out([patch("acme", city("Bonn", None))], server, rows=[row("acme")])
    assert bodies(done) == [{"city": ""}, {"city": None}]
    assert done.statuses == [DONE]
    assert [write.learned.empties for write in done.book.writes() if isinstance(write, PutLearned)] == ["null"]
    assert done.book.rows()[-1].trouble() == {"city": Trouble(patched="", runs=1, at=(EPOCH_S,))}


def test_what_is_known_to_empty_is_sent_first() -> None:
    done = carry_out(
        [patch("acme", city("Bonn", None))],
        Server(ok(live("acme"))),
        rows=[row("acme")],
        learned=Learned(empties="null"),
    )
    assert (bodies(done), done.statuses) == ([{"city": None}], [DONE])


def test_a_clear_that_neither_form_brings_about_is_not_taken() -> None:
    done = carry_out([patch("acme", city("Bonn", None))], Server(ok(live("acme", city="Bonn"))), rows=[row("acme")])
    assert (len(bodies(done)), done.statuses) == (2, [FAILED])
    assert done.book.rows()[-1].trouble() == {"city": Trouble(refused=("", "Bonn"))}


def test_a_field_that_came_back_is_counted_with_what_it_came_back_to() -> None:
    first = carry_out([patch("acme", city("Bonn", "Ulm"))], Server(ok(live("acme", city="Ulm"))), rows=[row("acme")])
    second = carry_out(
        [patch("acme", city("Jena", "Ulm", Cause.DRIFT))],
        Server(ok(live("acme", city="Ulm"))),
        rows=[first.book.rows()[-1]],
    )
    assert second.book.rows()[-1].trouble() == {
        "city": Trouble(patched="Ulm", runs=2, seen=("Jena",), at=(EPOCH_S, EPOCH_S))
    }


def test_a_patch_whose_answer_was_lost_is_sent_again() -> None:
    done = carry_out([patch("acme", city("", "Ulm"))], Server(LOST, ok(live("acme", city="Ulm"))), rows=[row("acme")])
    assert (len(bodies(done)), done.statuses) == (2, [DONE])


def test_a_value_that_may_be_from_before_is_not_recorded_where_the_customer_was_not_read() -> None:
    """The next plan sees what it was, and then whether the server takes another."""
    done = carry_out(
        [patch("acme", city("", "Ulm", Cause.UNKNOWN))],
        Server(ok(live("acme", city="Bonn"))),
        rows=[row("acme")],
        unread=frozenset({ACME}),
    )
    assert (done.statuses, done.book.rows()[-1].applied()) == ([DONE], {})


def test_a_reply_about_another_customer_leaves_the_patch_in_doubt() -> None:
    done = carry_out([patch("acme", city("", "Ulm"))], Server(ok(live("globex"))), rows=[row("acme")])
    assert (done.statuses, len(done.book.open_intents())) == ([IN_DOUBT], 1)


# --- archives and restores -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answers", [(OPEN_INVOICES,), (NOT_FOUND, ok(live("acme")))], ids=["400", "404, and a get finds it"]
)
def test_a_refused_archive_that_was_sent_once_failed(answers: Sequence[Answer]) -> None:
    done = carry_out([archive("acme")], Server(*answers), rows=[row("acme")])
    assert (done.statuses, len(done.server.heard), done.book.rows()) == ([FAILED], len(answers), [])


@pytest.mark.parametrize(
    "answers",
    [(ARCHIVED_ALREADY,), (NOT_FOUND, NOT_FOUND)],
    ids=["the words say so", "404, and a get does not find it"],
)
def test_a_customer_that_is_archived_already_counts_as_archived_with_a_note(answers: Sequence[Answer]) -> None:
    done = carry_out([archive("acme")], Server(*answers), rows=[row("acme")])
    assert (done.statuses, len(done.server.heard)) == ([DONE], len(answers))
    assert done.messages[0].startswith(f"{ALREADY}: DELETE /customers/cus_acme: 4")
    assert [one.state for one in done.book.rows()] == [BindingState.ARCHIVED]


def test_more_customers_that_are_archived_already_than_refusals_stop_a_run_do_not_stop_it() -> None:
    keys = [f"k{number}" for number in range(30)]
    done = carry_out([archive(key) for key in keys], Server(NOT_FOUND), rows=map(row, keys))
    assert (done.halt, done.statuses) == ("", [DONE] * 30)


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize(
    ("got", "ways", "settled", "message"),
    [
        (NOT_FOUND, Ways(), DONE, ""),
        (ok(live("acme")), Ways(gets_archived=False), FAILED, None),
        (ok(live("acme")), Ways(), DONE, "This server does not show whether it was done. It counts as done."),
    ],
    ids=["a get lacks it", "a get would lack it", "nobody can tell"],
)
def test_the_refusal_of_a_repeated_archive_is_settled_by_reading(
    status: int, got: httpx.Response, ways: Ways, settled: Status, message: str | None
) -> None:
    server = Server(LOST, ok({"message": "no"}, status=status), got)
    done = carry_out([archive("acme")], server, rows=[row("acme")], ways=ways)
    assert done.statuses == [settled]
    assert message is None or done.messages == [message]
    assert done.book.open_intents() == ()


def test_a_repetition_across_runs_is_settled_by_reading_too() -> None:
    done = carry_out(
        [archive("acme")], Server(NOT_FOUND, NOT_FOUND), rows=[row("acme")], reopened=frozenset({Address("acme")})
    )
    assert (done.statuses, done.book.rows()[-1].state) == ([DONE], BindingState.ARCHIVED)


@pytest.mark.parametrize(("listed", "settled"), [([live("acme")], DONE), ([], FAILED)])
def test_where_archived_customers_are_not_listed_a_narrow_list_settles_a_repeated_restore(
    listed: list[object], settled: Status
) -> None:
    server = Server(LOST, ok({"message": "not archived"}, status=400), ok(live("acme")), page(*listed))
    done = carry_out([restore("acme")], server, rows=[row("acme")], ways=Ways(lists_archived=False, gets_archived=True))
    assert done.statuses == [settled]
    assert [one.split("?")[0] for one in done.server.heard] == [
        *["POST /customers/cus_acme/restore"] * 2,
        "GET /customers/cus_acme",
        "GET /customers",
    ]


def test_a_restore_that_finds_nobody_is_a_create_where_the_plan_says_so() -> None:
    change = restore("acme", otherwise=Action.CREATE, name="Acme")
    server = Server(NOT_FOUND, ok(live("acme", "cus_new", name="Acme"), status=201))
    done = carry_out([change], server, rows=[row("acme", applied={"name": "Acme"})])
    assert done.server.heard == ["POST /customers/cus_acme/restore", "POST /customers"]
    assert json.loads(done.server.requests[-1].content) == {"external_id": "acme", "name": "Acme"}
    assert (done.statuses, done.result.outcomes[0].change) == ([DONE], change)
    assert done.book.rows()[-1].id == "cus_new"
    assert DropBinding("acme") in done.book.writes()


@pytest.mark.parametrize("reopened", [frozenset(), frozenset({Address("acme")})], ids=["this run", "an earlier run"])
def test_a_restore_that_was_sent_before_is_never_a_create(reopened: frozenset[Address]) -> None:
    lost: list[Answer] = [] if reopened else [LOST]
    change = restore("acme", otherwise=Action.CREATE, name="Acme")
    done = carry_out([change], Server(*lost, NOT_FOUND), rows=[row("acme")], reopened=reopened)
    assert "POST /customers" not in done.server.heard
    assert (done.statuses, done.book.rows()[-1].state) == ([FAILED], BindingState.ABSENT)


def test_a_restore_without_an_otherwise_that_finds_nobody_failed_and_is_looked_for_by_the_next_plan() -> None:
    done = carry_out([restore("acme")], Server(NOT_FOUND), rows=[row("acme", state=BindingState.ARCHIVED)])
    assert (done.statuses, done.book.rows()[-1].state) == ([FAILED], BindingState.ABSENT)


# --- creates ---------------------------------------------------------------------------------------------


def test_a_create_is_bound_with_what_the_server_made_of_it() -> None:
    server = Server(ok(live("acme", name="Acme", country="US"), status=201))
    done = carry_out(
        [create("acme", name="Acme", country="USA")], server, rows=[entry("acme", name="Acme", country="USA")]
    )
    binding = done.book.rows()[-1]
    assert (binding.id, binding.created_at) == (ACME, CREATED_AT)
    assert (binding.applied(), binding.observed()) == (
        {"name": "Acme", "country": "USA"},
        {"name": "Acme", "country": "US"},
    )
    assert PutUsers(ACME, ()) in done.book.writes()


@pytest.mark.parametrize("status", [400, 422])
def test_that_an_external_id_is_taken_is_remembered(status: int) -> None:
    body = {"code": "bad_request", "message": "This external id is already used"}
    done = carry_out([create("acme", name="A")], Server(ok(body, status=status)), rows=[entry("acme", name="A")])
    assert done.statuses == [FAILED]
    assert PutTaken("acme", "This external id is already used") in done.book.writes()


def test_another_refusal_of_a_create_says_nothing_of_its_external_id() -> None:
    body = {"message": "validation failed", "validation_errors": {"email": "is required"}}
    done = carry_out([create("acme", name="A")], Server(ok(body, status=422)), rows=[entry("acme", name="A")])
    assert [write for write in done.book.writes() if isinstance(write, PutTaken)] == []


def test_a_create_without_an_answer_is_looked_for_once_the_lag_bound_has_passed_and_bound() -> None:
    server = Server(LOST, page(live("acme", name="A")))
    done = carry_out([create("acme", name="A")], server, rows=[entry("acme", name="A")])
    assert [one.split("?")[0] for one in done.server.heard] == ["POST /customers", "GET /customers"]
    assert (done.statuses, done.book.rows()[-1].id, done.took_s >= 10.0) == ([DONE], ACME, True)


def test_a_create_that_two_customers_may_be_is_bound_to_neither() -> None:
    server = Server(LOST, page(live("acme", "cus_1"), live("acme", "cus_2")))
    done = carry_out([create("acme", name="A")], server, rows=[entry("acme", name="A")])
    assert (done.statuses, done.book.rows(), server.heard.count("POST /customers")) == ([IN_DOUBT], [], 1)
    assert "cus_1 and cus_2" in done.messages[0]


def test_a_create_that_may_be_a_customer_of_another_key_is_bound_to_none_and_not_sent_again() -> None:
    server = Server(LOST, page(live("acme", "cus_other")))
    rows = [entry("acme", name="A"), row("other", "cus_other")]
    done = carry_out([create("acme", name="A")], server, rows=rows)
    assert (done.statuses, done.book.rows(), server.heard.count("POST /customers")) == ([IN_DOUBT], [], 1)
    assert "cus_other, which is bound to another key" in done.messages[0]
