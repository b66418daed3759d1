"""A clear that the server refuses: sent in the other form, then left out, and not sent for ever."""

from __future__ import annotations

import json

import httpx
from clocks import EPOCH_S
from scripted_apply import CarriedOut, Server, carry_out, city, create, entry, live, ok, patch, row

from reconciler.model.core import Cause, Status
from reconciler.model.ledger import PutLearned, Trouble
from reconciler.model.plan import FieldChange

REFUSED = ok({"code": "unprocessable_entity", "message": "no"}, status=422)
STATE = FieldChange("state", "BY", "NY", Cause.CONFIG)

NOT_TAKEN = "The server did not take city"
NEXT = "The next plan says how to go on."


def bodies(done: CarriedOut) -> list[object]:
    return [json.loads(request.content) for request in done.server.requests if request.method == "PATCH"]


def test_a_clear_that_is_refused_is_sent_in_the_other_form_and_what_empties_is_learned() -> None:
    server = Server(REFUSED, ok(live("acme", state="NY")))
    done = carry_out([patch("acme", city("Bonn", None), STATE)], server, rows=[row("acme")])
    assert bodies(done) == [{"city": "", "state": "NY"}, {"city": None, "state": "NY"}]
    assert (done.statuses, done.messages) == ([Status.DONE], [""])
    assert [write.learned.empties for write in done.book.writes() if isinstance(write, PutLearned)] == ["null"]


def test_where_neither_form_is_taken_the_rest_is_sent_and_the_clear_is_remembered_as_not_taken() -> None:
    server = Server(REFUSED, REFUSED, ok(live("acme", city="Bonn", state="NY")))
    done = carry_out([patch("acme", city("Bonn", None), STATE)], server, rows=[row("acme")])
    assert bodies(done) == [{"city": "", "state": "NY"}, {"city": None, "state": "NY"}, {"state": "NY"}]
    assert done.statuses == [Status.FAILED]
    assert done.messages == [f'{NOT_TAKEN}: PATCH /customers/cus_acme: 422 unprocessable_entity: "no". {NEXT}']
    last = done.book.rows()[-1]
    assert last.applied() == {"state": "NY"}
    assert last.trouble() == {
        "state": Trouble(patched="NY", runs=1, at=(EPOCH_S,)),
        "city": Trouble(refused=("", "Bonn")),
    }


def test_a_clear_alone_that_is_refused_in_both_forms_is_remembered_as_not_taken() -> None:
    done = carry_out([patch("acme", city("Bonn", None))], Server(REFUSED), rows=[row("acme")])
    assert bodies(done) == [{"city": ""}, {"city": None}]
    assert done.book.rows()[-1].trouble() == {"city": Trouble(refused=("", "Bonn"))}


def test_a_patch_that_is_refused_for_what_else_it_carries_is_not_remembered() -> None:
    done = carry_out([patch("acme", city("Bonn", None), STATE)], Server(REFUSED), rows=[row("acme")])
    assert bodies(done)[-1] == {"state": "NY"}
    assert done.messages == ['PATCH /customers/cus_acme: 422 unprocessable_entity: "no"']
    assert done.book.rows() == []


def test_a_patch_without_a_clear_that_is_refused_is_sent_once() -> None:
    done = carry_out([patch("acme", STATE)], Server(REFUSED), rows=[row("acme")])
    assert bodies(done) == [{"state": "NY"}]


def test_a_clear_that_is_forbidden_or_not_found_is_sent_once() -> None:
    done = carry_out([patch("acme", city("Bonn", None))], Server(ok({}, status=404)), rows=[row("acme")])
    assert bodies(done) == [{"city": ""}]


def test_a_run_that_ends_between_the_two_forms_has_not_learned_that_neither_is_taken() -> None:
    server = Server(ok(live("acme", city="Bonn")), httpx.ReadError("the connection broke"))
    done = carry_out([patch("acme", city("Bonn", None))], server, rows=[row("acme")])
    assert bodies(done)[:2] == [{"city": ""}, {"city": None}]
    assert done.statuses == [Status.IN_DOUBT]
    assert done.book.rows()[-1].trouble() == {}


def test_a_clear_that_one_form_ignores_and_the_other_refuses_is_remembered_as_not_taken() -> None:
    done = carry_out(
        [patch("acme", city("Bonn", None))], Server(ok(live("acme", city="Bonn")), REFUSED), rows=[row("acme")]
    )
    assert (done.statuses, done.messages) == (
        [Status.FAILED],
        [f"{NOT_TAKEN}. {NEXT}"],
    )
    assert done.book.rows()[-1].trouble() == {"city": Trouble(refused=("", "Bonn"))}


def test_a_refusal_that_the_other_form_mends_does_not_stop_the_run() -> None:
    keys = [f"k{number}" for number in range(8)]

    def answer(request: httpx.Request) -> httpx.Response:
        key = request.url.path.removeprefix("/customers/cus_")
        return ok(live(key)) if json.loads(request.content)["city"] is None else REFUSED

    changes = [patch(key, city("Bonn", None)) for key in keys]
    done = carry_out(changes, Server(answer, slow_s=0.1), rows=[row(key) for key in keys])
    assert (done.statuses, done.halt) == ([Status.DONE] * 8, "")


def test_where_neither_form_is_taken_of_anybody_each_run_remembers_some() -> None:
    keys = [f"k{number}" for number in range(8)]
    changes = [patch(key, city("Bonn", None)) for key in keys]
    done = carry_out(changes, Server(REFUSED, slow_s=0.1), rows=[row(key) for key in keys])
    assert done.halt.startswith("5 refusals of one kind in a row")
    assert len({binding.external_id for binding in done.book.rows()}) >= 5


def test_a_create_whose_reply_has_another_external_id_says_so() -> None:
    server = Server(ok(live("acme", name="Acme") | {"external_id": "ACME"}, status=201))
    done = carry_out([create("acme", name="Acme")], server, rows=[entry("acme", name="Acme")])
    assert done.messages == ["The reply has the external_id 'ACME', which is not the key."]
    assert done.book.rows()[-1].live_external_id == "ACME"
