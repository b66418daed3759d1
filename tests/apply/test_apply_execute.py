"""The course of a run: what goes before what, what stops it, and what is then still sent."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from scripted_apply import (
    CREATED_AT,
    Answer,
    Book,
    Server,
    archive,
    carry_out,
    city,
    create,
    create_user,
    entry,
    live,
    ok,
    patch,
    restore,
    row,
)

from reconciler.apply.execute import ApplyEvent, Begun
from reconciler.errors import LedgerFailed
from reconciler.model.core import CustomerId, Status
from reconciler.model.ledger import BindingState, PutIntent

DONE, FAILED, SKIPPED, IN_DOUBT = Status.DONE, Status.FAILED, Status.SKIPPED, Status.IN_DOUBT


def refused(status: int, code: str = "bad_request") -> httpx.Response:
    return ok({"code": code, "message": "no"}, status=status)


def created(request: httpx.Request) -> httpx.Response:
    """Answer a create of any customer, whose id is made of its external_id."""
    key = request.read().decode().split('"external_id":')[1].split('"')[1]
    return ok(live(key, name="A"), status=201)


def test_archives_are_sent_when_all_else_has_ended() -> None:
    def server(request: httpx.Request) -> httpx.Response:
        return ok(live(request.url.path.split("/")[2].removeprefix("cus_"), city="Ulm"))

    done = carry_out(
        [archive("old"), restore("back"), patch("acme", city("", "Ulm"))],
        Server(server),
        rows=[row("old"), row("back"), row("acme")],
    )
    assert done.statuses == [DONE, DONE, DONE]
    assert done.server.heard == [
        "POST /customers/cus_back/restore",
        "PATCH /customers/cus_acme",
        "DELETE /customers/cus_old",
    ]


def test_the_users_of_a_customer_that_was_not_created_are_skipped_and_the_rest_goes_on() -> None:
    def server(request: httpx.Request) -> httpx.Response:
        return refused(422) if b"acme" in request.read() else created(request)

    changes = [create("acme", name="A"), create_user("acme", "jane@x.example"), create("globex", name="A")]
    done = carry_out(changes, Server(server), rows=[entry("acme", name="A"), entry("globex", name="A")])
    assert done.statuses == [FAILED, SKIPPED, DONE]
    assert done.messages[1] == "Not sent, because its create failed."
    assert sorted(done.server.heard) == ["POST /customers", "POST /customers"]


def test_a_user_is_created_on_the_customer_that_was_just_created() -> None:
    server = Server(ok(live("acme", "cus_9", name="A"), status=201), ok({"id": "usr_1", "email": "jane@x.example"}))
    changes = [create("acme", name="A"), create_user("acme", "jane@x.example")]
    done = carry_out(changes, server, rows=[entry("acme", name="A")])
    assert done.server.heard == ["POST /customers", "POST /customers/cus_9/users"]
    assert [outcome.id for outcome in done.result.outcomes] == [CustomerId("cus_9")] * 2


def test_outcomes_stand_in_the_order_of_the_plan_and_are_told_as_they_come() -> None:
    told: list[ApplyEvent] = []
    server = Server(lambda request: ok(live(request.url.path.split("cus_")[1].split("/")[0])))
    done = carry_out([archive("a"), restore("b")], server, rows=[row("a"), row("b")], tell=told.append)
    assert [outcome.change.address.external_id for outcome in done.result.outcomes] == ["a", "b"]
    archived, restored = (outcome.change for outcome in done.result.outcomes)
    assert told == [Begun(restored), done.result.outcomes[1], Begun(archived), done.result.outcomes[0]]


def test_a_401_costs_one_new_token() -> None:
    done = carry_out([archive("a")], Server(refused(401), ok(live("a"))), rows=[row("a")])
    assert (done.statuses, done.server.granted) == ([DONE], 2)
    assert [one.headers["Authorization"] for one in done.server.requests if one.method == "DELETE"] == [
        "Bearer token-1",
        "Bearer token-2",
    ]


def test_a_401_to_a_new_token_stops_the_run() -> None:
    done = carry_out([restore("a"), archive("b")], Server(refused(401)), rows=[row("a"), row("b")])
    assert done.statuses == [FAILED, SKIPPED]
    assert "Check that the API key belongs to this environment." in done.halt


def test_a_403_stops_the_run_and_names_the_scope() -> None:
    done = carry_out([patch("a", city("", "Ulm")), archive("b")], Server(refused(403)), rows=[row("a"), row("b")])
    assert done.statuses == [FAILED, SKIPPED]
    assert "customers:write" in done.halt
    assert done.messages[1] == "The run stopped before it was sent."
    assert done.server.heard == ["PATCH /customers/cus_a"]
    assert done.result.outcome == "stopped"


def test_five_refusals_of_one_kind_in_a_row_stop_the_run() -> None:
    keys = [f"k{number}" for number in range(30)]
    done = carry_out([archive(key) for key in keys], Server(refused(422)), rows=map(row, keys))
    assert done.halt.startswith("5 refusals of one kind in a row")
    # Those that were in flight with the fifth end; what had not begun is not sent.
    assert done.statuses.count(SKIPPED) >= 6
    assert done.statuses.count(FAILED) == len(done.server.heard)


def archived(request: httpx.Request) -> httpx.Response:
    return ok({"id": request.url.path.split("/")[2], "created_at": CREATED_AT})


@pytest.mark.parametrize("between", [refused(409), refused(422, "other"), archived], ids=["status", "code", "success"])
def test_refusals_that_are_not_in_a_row_do_not_stop_the_run(between: Answer) -> None:
    keys = [f"k{number}" for number in range(9)]
    server = Server(*[refused(422)] * 4, between, *[refused(422)] * 4)
    done = carry_out([archive(key) for key in keys], server, rows=map(row, keys))
    assert (done.halt, len(server.heard)) == ("", 9)


def test_lost_answers_and_5xx_do_not_count_as_refusals() -> None:
    keys = [f"k{number}" for number in range(6)]
    done = carry_out([archive(key) for key in keys], Server(httpx.Response(503)), rows=map(row, keys))
    assert done.halt == ""
    assert done.statuses == [IN_DOUBT] * 6
    assert len(done.book.open_intents()) == 6


def test_once_the_user_stops_the_run_nothing_new_is_sent_and_what_is_in_flight_ends() -> None:
    stop = asyncio.Event()

    def server(request: httpx.Request) -> httpx.Response:
        stop.set()
        return ok(live(request.url.path.split("cus_")[1].split("/")[0], city="Ulm"))

    changes = [patch("a", city("", "Ulm")), create_user("a", "jane@x.example", "cus_a"), archive("b")]
    done = carry_out(changes, Server(server), rows=[row("a"), row("b")], stop=stop)
    assert done.statuses == [DONE, SKIPPED, SKIPPED]
    assert done.messages[1:] == ["Interrupted before it was sent."] * 2
    assert done.server.heard == ["PATCH /customers/cus_a"]
    assert (done.result.interrupted, done.result.outcome) == (True, "interrupted")
    assert done.book.open_intents() == ()


def test_once_the_user_stops_the_run_nothing_waits_for_its_turn_any_more() -> None:
    stop = asyncio.Event()

    def server(_: httpx.Request) -> httpx.Response:
        stop.set()
        return httpx.Response(429, headers={"Retry-After": "100"})

    keys = [f"c{n}" for n in range(10)]
    done = carry_out([patch(key, city("", "Ulm")) for key in keys], Server(server), rows=map(row, keys), stop=stop)
    assert done.statuses == [SKIPPED] * 10
    assert (done.server.heard, done.book.open_intents()) == ([f"PATCH /customers/cus_{key}" for key in keys], ())
    assert done.took_s < 1


def test_a_change_without_an_answer_stays_in_doubt_where_the_user_stops_the_run_before_it_is_sent_again() -> None:
    stop = asyncio.Event()

    def server(_: httpx.Request) -> httpx.Response:
        stop.set()
        return httpx.Response(503, headers={"Retry-After": "100"})

    done = carry_out([patch("a", city("", "Ulm"))], Server(server), rows=[row("a")], stop=stop)
    assert done.statuses == [IN_DOUBT]
    assert (done.server.heard, len(done.book.open_intents())) == (["PATCH /customers/cus_a"], 1)
    assert done.took_s < 1


def test_an_intent_is_durable_before_its_request_leaves() -> None:
    book = Book()
    seen: list[list[str]] = []

    def server(request: httpx.Request) -> httpx.Response:
        seen.append([str(intent.action) for intent in book.open_intents()])
        return ok(live(request.url.path.split("/")[2].removeprefix("cus_")))

    carry_out([archive("a")], Server(server), rows=[row("a")], book=book)
    assert seen == [["archive"]]


def test_where_the_intent_cannot_be_written_nothing_is_sent() -> None:
    server = Server(ok(live("a")))
    with pytest.raises(LedgerFailed):
        carry_out([restore("a"), archive("b")], server, rows=[row("a"), row("b")], book=Book(fails_from=1))
    assert server.heard == []


def test_where_the_outcome_cannot_be_written_the_intent_stays_open_and_nothing_more_is_sent() -> None:
    server, book = Server(ok(live("a"))), Book(fails_from=2)
    with pytest.raises(LedgerFailed):
        carry_out([restore("a"), archive("b")], server, rows=[row("a"), row("b")], book=book)
    assert server.heard == ["POST /customers/cus_a/restore"]
    assert [intent.address.external_id for intent in book.open_intents()] == ["a"]


def test_where_several_changes_fail_at_once_the_run_ends_with_one_error_and_no_group() -> None:
    keys = [f"c{number}" for number in range(30)]
    with pytest.raises(LedgerFailed):
        carry_out([archive(key) for key in keys], Server(ok({})), rows=[row(key) for key in keys], book=Book(1))
    with pytest.raises(ZeroDivisionError):
        carry_out([archive(key) for key in keys], Server(lambda _: 1 / 0), rows=[row(key) for key in keys])


def test_an_outcome_and_what_it_teaches_are_written_together() -> None:
    done = carry_out([archive("a")], Server(ok(live("a"))), rows=[row("a")])
    _, outcome = done.book.commits
    assert [type(write).__name__ for write in outcome] == ["PutIntent", "PutBinding"]
    assert isinstance(outcome[0], PutIntent)
    assert outcome[0].intent.status is DONE
    assert done.book.rows()[-1].state is BindingState.ARCHIVED
