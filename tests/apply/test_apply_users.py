"""The users of a customer that is restored: looked for before one is created."""

from __future__ import annotations

import httpx
from scripted_apply import Server, carry_out, create_user, live, ok, page, restore, row

from reconciler.model.core import CustomerId, Status
from reconciler.model.ledger import PutUsers, SeenUser

DONE, FAILED = Status.DONE, Status.FAILED
ACME = CustomerId("cus_acme")
NOT_FOUND = ok({"message": "ID not present in environment"}, status=404)


def test_the_users_of_a_restored_customer_are_listed_once_and_only_what_is_lacking_is_created() -> None:
    def server(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return page({"id": "1", "email": "Jane@x.example", "first_name": "J"})
        return ok(live("acme")) if request.url.path.endswith("restore") else ok({"id": "2", "email": "joe@x.example"})

    users = [create_user("acme", f"{name}@x.example", "cus_acme", unless_listed=True) for name in ("jane", "joe")]
    done = carry_out([restore("acme"), *users], Server(server), rows=[row("acme")])
    assert [one.split("?")[0] for one in done.server.heard] == [
        "POST /customers/cus_acme/restore",
        "GET /customers/cus_acme/users",
        "POST /customers/cus_acme/users",
    ]
    assert (done.statuses, done.messages[1]) == ([DONE] * 3, "Nothing to send: it exists already.")


def test_a_user_that_the_ledger_lacks_is_looked_for_on_a_restored_customer() -> None:
    """Somebody else may have made it since the ledger saw the others."""
    server = Server(ok(live("acme")), page({"id": "1", "email": "jane@x.example"}))
    joe = SeenUser("joe@x.example", {}, {})
    changes = [restore("acme"), create_user("acme", "jane@x.example", "cus_acme", unless_listed=True)]
    done = carry_out(changes, server, rows=[row("acme")], users={ACME: (joe,)})
    assert done.statuses == [DONE, DONE]
    assert PutUsers(ACME, (joe, SeenUser("jane@x.example", {}))) in done.book.writes()


def test_users_that_cannot_be_listed_yet_are_not_created() -> None:
    server = Server(ok(live("acme")), NOT_FOUND)
    changes = [restore("acme"), create_user("acme", "jane@x.example", "cus_acme", unless_listed=True)]
    done = carry_out(changes, server, rows=[row("acme")])
    assert (done.statuses, "cannot be listed yet" in done.messages[1]) == ([DONE, FAILED], True)
