"""The model of the API does what the reference says, in each way that the reference leaves open."""

from __future__ import annotations

from dataclasses import replace

import pytest
from api_account import nth_id
from api_ways import Empties, Rewrite, Unique, Unset, UserEmails, Ways
from emulated import Server


def test_a_created_customer_is_answered_with_what_was_stored() -> None:
    server = Server()
    reply = server.http.post("/customers", json={"external_id": "acme", "name": "Acme", "city": ""})
    assert (reply.status_code, reply.json()) == (
        201,
        {"id": nth_id(1), "external_id": "acme", "name": "Acme", "created_at": "2026-01-05T12:00:00.000Z"},
    )


@pytest.mark.parametrize(
    ("digits", "text"),
    [(0, "2026-01-05T12:00:00Z"), (3, "2026-01-05T12:00:00.250Z"), (6, "2026-01-05T12:00:00.250500Z")],
)
def test_created_at_has_the_precision_of_the_server(digits: int, text: str) -> None:
    server = Server(Ways(created_digits=digits))
    server.time += 0.2505
    assert server.http.post("/customers", json={"name": "A"}).json()["created_at"] == text


@pytest.mark.parametrize(
    ("unset", "shown"),
    [(Unset.ABSENT, {}), (Unset.NULL, {"city": None}), (Unset.TEXT, {"city": ""})],
)
def test_an_unset_field_is_shown_in_the_way_of_the_server(unset: Unset, shown: dict[str, object]) -> None:
    server = Server(Ways(unset=unset))
    reply = server.http.post("/customers", json={"name": "A"}).json()
    assert {name: value for name, value in reply.items() if name == "city"} == shown


def test_no_reply_says_that_a_customer_is_archived() -> None:
    server = Server(Ways(lists_archived=True, gets_archived=True))
    one = server.account.create(external_id="acme")
    before = server.http.get(f"/customers/{one}").json()
    archived = server.http.delete(f"/customers/{one}").json()
    assert before == archived == server.http.get(f"/customers/{one}").json()
    assert server.http.get("/customers").json()["data"] == [before]
    assert server.account.active() == []


@pytest.mark.parametrize(("lists", "ids"), [(False, []), (True, [nth_id(1)])])
def test_archived_customers_are_listed_if_the_server_lists_them(lists: bool, ids: list[str]) -> None:
    server = Server(Ways(lists_archived=lists))
    server.account.archive(server.account.create())
    assert server.pages() == [ids]


@pytest.mark.parametrize(("gets", "status"), [(False, 404), (True, 200)])
@pytest.mark.parametrize("below", ["", "/users", "/payment-methods"])
def test_an_archived_customer_answers_a_get_if_the_server_does_so(gets: bool, status: int, below: str) -> None:
    server = Server(Ways(gets_archived=gets))
    one = server.account.create()
    server.account.archive(one)
    assert server.http.get(f"/customers/{one}{below}").status_code == status


def test_archive_and_restore_are_each_others_inverse() -> None:
    server = Server()
    one = server.account.create(external_id="acme", name="Acme")
    before = server.account.customers()
    archive = server.http.delete(f"/customers/{one}")
    between = server.account.customers()
    restore = server.http.post(f"/customers/{one}/restore")
    assert (archive.status_code, restore.status_code) == (200, 200)
    assert (between, server.account.customers()) == ([replace(before[0], archived=True)], before)


@pytest.mark.parametrize("status", [200, 400, 404])
def test_a_repeated_archive_or_restore_has_the_status_of_the_server(status: int) -> None:
    server = Server(Ways(repeated_archive=status, repeated_restore=status))
    one, other = server.account.create(), server.account.create()
    server.account.archive(other)
    statuses = (
        server.http.post(f"/customers/{one}/restore").status_code,
        server.http.delete(f"/customers/{other}").status_code,
    )
    assert statuses == (status, status)


def test_a_restore_may_answer_with_an_empty_body() -> None:
    server = Server(Ways(restore_replies=False))
    one = server.account.create()
    server.account.archive(one)
    reply = server.http.post(f"/customers/{one}/restore")
    assert (reply.status_code, reply.content) == (200, b"")


@pytest.mark.parametrize("status", [200, 400, 500])
def test_open_invoices_may_keep_a_customer_from_being_archived(status: int) -> None:
    server = Server(Ways(archive_with_invoices=status))
    one = server.account.create()
    server.account.open_invoices.add(one)
    assert server.http.delete(f"/customers/{one}").status_code == status
    assert server.account.customer(one).archived == (status == 200)


@pytest.mark.parametrize(
    ("unique", "besides_archived", "besides_active"),
    [(Unique.NONE, 201, 201), (Unique.ACTIVE, 201, 422), (Unique.ALL, 422, 422)],
)
def test_a_second_create_with_one_external_id_is_refused_where_it_is_unique(
    unique: Unique, besides_archived: int, besides_active: int
) -> None:
    server = Server(Ways(unique=unique, unique_status=422))
    server.account.create(external_id="active")
    server.account.archive(server.account.create(external_id="archived"))
    statuses = [
        server.http.post("/customers", json={"external_id": key}).status_code for key in ("archived", "active", "", "")
    ]
    assert statuses == [besides_archived, besides_active, 201, 201]


def test_a_restore_is_refused_where_another_active_customer_has_the_external_id() -> None:
    server = Server(Ways(unique=Unique.ACTIVE))
    one = server.account.create(external_id="acme")
    server.account.archive(one)
    server.account.create(external_id="acme")
    reply = server.http.post(f"/customers/{one}/restore")
    assert (reply.status_code, reply.json()) == (
        400,
        {"code": "bad_request", "message": "This external id is already used"},
    )


def test_a_create_without_what_the_server_requires_is_a_422_that_names_it() -> None:
    server = Server(Ways(required=frozenset({"name", "email"})))
    reply = server.http.post("/customers", json={"name": "A"})
    assert (reply.status_code, reply.json()["validation_errors"]) == (422, {"email": "is required"})


@pytest.mark.parametrize(
    ("empties", "city", "state"),
    [
        (Empties.BOTH, None, None),
        (Empties.TEXT, None, "B"),
        (Empties.NULL, "A", None),
        (Empties.NOTHING, "A", "B"),
    ],
)
def test_a_patch_empties_a_field_in_the_way_of_the_server(
    empties: Empties, city: str | None, state: str | None
) -> None:
    server = Server(Ways(empties=empties))
    one = server.account.create(city="A", state="B")
    reply = server.http.patch(f"/customers/{one}", json={"city": "", "state": None}).json()
    assert (reply.get("city"), reply.get("state")) == (city, state)


def test_a_patch_leaves_alone_what_it_does_not_name_and_what_the_server_ignores() -> None:
    server = Server(Ways(ignores=frozenset({"city"})))
    one = server.account.create(name="A", city="A", country="A")
    server.http.patch(f"/customers/{one}", json={"city": "B", "country": "B"})
    assert server.account.customer(one).fields == {"name": "A", "city": "A", "country": "B"}


@pytest.mark.parametrize(
    ("rewrite", "sent", "held"),
    [
        (Rewrite.TRIM, {"name": " A "}, {"name": "A"}),
        (Rewrite.TRIM, {"name": " "}, {}),
        (Rewrite.COUNTRY, {"country": "USA"}, {"country": "US"}),
        (Rewrite.EIN, {"ein": "12-3456789"}, {"ein": "123456789"}),
        (Rewrite.STATE, {"state": "ny"}, {"state": "NY"}),
        (Rewrite.EMAIL, {"email": "A@x.example"}, {"email": "a@x.example"}),
    ],
)
def test_a_server_may_store_values_in_its_own_way(rewrite: Rewrite, sent: dict[str, str], held: dict[str, str]) -> None:
    server = Server(Ways(rewrites=frozenset({rewrite})))
    server.http.post("/customers", json={"external_id": " Acme ", **sent})
    assert [(one.external_id, one.fields) for one in server.account.customers()] == [(" Acme ", held)]


def test_reads_see_a_write_only_after_the_lag_and_writes_at_once() -> None:
    server = Server(Ways(lag_s=2.0))
    one = server.http.post("/customers", json={"name": "A"}).json()["id"]
    soon = (server.pages(), server.http.get(f"/customers/{one}").status_code)
    patched = server.http.patch(f"/customers/{one}", json={"name": "B"}).json()["name"]
    server.time += 2
    later = (server.pages(), server.http.get(f"/customers/{one}").json()["name"])
    assert (soon, patched, later) == (([[]], 404), "B", ([[one]], "B"))


@pytest.mark.parametrize(
    ("emails", "same", "other_case"),
    [(UserEmails.ANY, 201, 201), (UserEmails.UNIQUE, 422, 201), (UserEmails.UNIQUE_IN_ANY_CASE, 422, 422)],
)
def test_a_second_user_with_one_e_mail_address_is_refused_where_it_is_unique(
    emails: UserEmails, same: int, other_case: int
) -> None:
    server = Server(Ways(user_emails=emails))
    one = server.account.create()
    server.account.add_user(one, "jane@x.example")
    statuses = [
        server.http.post(f"/customers/{one}/users", json={"email": email}).status_code
        for email in ("jane@x.example", "Jane@x.example")
    ]
    assert statuses == [same, other_case]


@pytest.mark.parametrize("nested", [False, True])
def test_payment_methods_are_a_bare_array_or_data(nested: bool) -> None:
    server = Server(Ways(methods_nested=nested))
    one = server.account.create()
    methods = [{"id": "pm_1", "type": "card"}]
    server.account.payment_methods[one] = methods
    listed = server.http.get(f"/customers/{one}/payment-methods").json()
    assert listed == ({"data": methods} if nested else methods)
    assert server.http.get(f"/customers/{one}/payment-methods/pm_1").json() == methods[0]
    assert server.http.get(f"/customers/{one}/payment-methods/pm_2").status_code == 404


def test_a_customer_that_was_deleted_is_nowhere() -> None:
    server = Server(Ways(lists_archived=True, gets_archived=True))
    one = server.account.create()
    server.account.delete(one)
    assert (server.pages(), server.account.customers()) == ([[]], [])
    for reply in (
        server.http.get(f"/customers/{one}"),
        server.http.patch(f"/customers/{one}", json={}),
        server.http.delete(f"/customers/{one}"),
        server.http.post(f"/customers/{one}/restore"),
    ):
        assert reply.status_code == 404


def test_fields_that_no_reference_names_may_be_in_a_reply() -> None:
    server = Server(Ways(extra_fields=True))
    one = server.account.create()
    assert server.http.get(f"/customers/{one}").json()["origin"] == {"kind": "api"}
