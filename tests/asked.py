"""
Each open question asked of the emulator by requests, as somebody would who does not know its switches.

`ANSWERS` has one function for each question: of a behaviour it returns the words of the way that it saw.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from clocks import EPOCH_S
from emulated import Stopped

from reconciler.emulator.calls import Answer, Call
from reconciler.emulator.service import LOCAL, ApiKey, Emulator
from reconciler.rules import Behaviour


class Caller:
    """Sends requests to an emulator of a behaviour; `now` is the time, which passes only when told."""

    def __init__(self, behaviour: Behaviour, *, rate: float = 0.0) -> None:
        self.now = 0.0
        self.served = Emulator(behaviour=behaviour, rate=rate, clock=Stopped(lambda: EPOCH_S + self.now))
        self.asked = 0

    def send(self, method: str, path: str, body: object = None, *, token: str = "", **query: str) -> Answer:
        """Return the answer to one request; `token` is a new one unless given."""
        sent = b"" if body is None else json.dumps(body).encode()
        call = Call(method, path, urlencode(query), f"Bearer {token or self.token()}", sent)
        answer = self.served.answer(call)
        assert isinstance(answer, Answer)
        return answer

    def token(self, key: ApiKey = LOCAL) -> str:
        """Return a new token of a key."""
        pair = base64.b64encode(f"{key.client_id}:{key.secret}".encode()).decode()
        answer = self.served.answer(Call("POST", "/oauth/token", "", f"Basic {pair}", b"grant_type=client_credentials"))
        assert isinstance(answer, Answer)
        return str(json.loads(answer.body)["access_token"])

    def made(self, **fields: str) -> str:
        """Create a customer and return its id."""
        return str(self.read("POST", "/customers", {"name": "N", "email": "n@x.example", **fields})["id"])

    def read(self, method: str, path: str, body: object = None, **query: str) -> Any:  # noqa: ANN401 - JSON
        """Return what a request is answered with, as JSON."""
        return json.loads(self.send(method, path, body, **query).body)

    def status(self, method: str, path: str, body: object = None, **query: str) -> int:
        """Return the status of an answer."""
        return self.send(method, path, body, **query).status

    def archived(self, **fields: str) -> str:
        """Create and archive a customer, and return its id."""
        one = self.made(**fields)
        assert self.status("DELETE", f"/customers/{one}") == 200
        return one

    def listed(self, **query: str) -> list[str]:
        """Return the ids on one page of customers."""
        return [row["id"] for row in self.read("GET", "/customers", **query)["data"]]


def _listed(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    return "yes" if caller.archived() in caller.listed() else "no"


def _get(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    return str(caller.status("GET", f"/customers/{caller.archived()}"))


def _written(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    one = caller.archived()
    patched = caller.status("PATCH", f"/customers/{one}", {"city": "Boston"})
    added = caller.status("POST", f"/customers/{one}/users", {"email": "jane@x.example"})
    return {(200, 201): "yes", (404, 404): "404"}[patched, added]


def _archive_twice(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    return str(caller.status("DELETE", f"/customers/{caller.archived()}"))


def _restore_twice(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    return str(caller.status("POST", f"/customers/{caller.made()}/restore"))


def _restore_reply(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    answer = caller.send("POST", f"/customers/{caller.archived()}/restore")
    assert answer.status == 200
    return "the customer" if answer.body else "nothing"


def _invoices(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    status = caller.status("DELETE", f"/customers/{caller.made(external_id='acme')}")
    return "no" if status == 200 else str(status)


def _unique(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    beside_active = caller.made(external_id="a") and caller.status("POST", "/customers", _named("a"))
    beside_archived = caller.archived(external_id="b") and caller.status("POST", "/customers", _named("b"))
    return {(201, 201): "no", (400, 201): "among active ones"}.get(
        (beside_active, beside_archived), f"among all, {beside_active}"
    )


def _named(external_id: str) -> Mapping[str, str]:
    return {"external_id": external_id, "name": "N", "email": "n@x.example"}


def _external_id(behaviour: Behaviour) -> str:
    kept = Caller(behaviour).read("POST", "/customers", _named(" Acme "))["external_id"]
    return {" Acme ": "yes", "Acme": "without outer blanks", " acme ": "lowered"}[kept]


def _required(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    statuses = [caller.status("POST", "/customers", body) for body in ({}, {"name": "N"}, _named("x"))]
    return ("nothing", "a name", "a name and an e-mail")[statuses.index(201)]


def _users(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    one, other = caller.made(), caller.made()
    statuses = [
        caller.status("POST", f"/customers/{at}/users", {"email": "jane@x.example"}) for at in (one, one, other)
    ]
    return {
        (201, 422, 201): "not of one customer",
        (201, 422, 422): "not in the account",
        (201, 201, 201): "yes",
    }[tuple(statuses)]


def _user_case(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    users = f"/customers/{caller.made()}/users"
    statuses = [caller.status("POST", users, {"email": email}) for email in ("jane@x.example", "Jane@x.example")]
    return {(201, 422): "yes", (201, 201): "no"}[tuple(statuses)]


def _empties(behaviour: Behaviour) -> str:
    text, null = (_emptied(behaviour, sent)[1] for sent in ("", None))
    return {(True, True): "both", (True, False): "the empty text", (False, True): "null"}.get((text, null), "nothing")


def _emptied(behaviour: Behaviour, sent: str | None) -> tuple[int, bool]:
    """Patch a city to `sent`; return the status, and whether the city is empty then."""
    caller = Caller(behaviour)
    one = f"/customers/{caller.made(city='Boston')}"
    return caller.status("PATCH", one, {"city": sent}), not caller.read("GET", one).get("city")


def _not_emptied(behaviour: Behaviour) -> str:
    kept = [status for status, empty in (_emptied(behaviour, sent) for sent in ("", None)) if not empty]
    return {200: "it is ignored", 422: "it is refused"}[kept[0]]


def _unset(behaviour: Behaviour) -> str:
    shown = Caller(behaviour).read("POST", "/customers", _named("x")).get("city", "not at all")
    return {"": "as the empty text", None: "as null"}.get(shown, shown)


_REWRITTEN = {
    "city": (" Boston ", "Boston", "blanks are trimmed"),
    "country": ("USA", "US", "USA becomes US"),
    "ein": ("12-3456789", "123456789", "an EIN loses its hyphen"),
    "state": ("ny", "NY", "a state becomes capitals"),
    "street_address": ("1 Main St", "1 Main Street", "an address is formatted"),
    "email": ("Jo@x.example", "jo@x.example", "an e-mail becomes lower case"),
}


def _rewritten(behaviour: Behaviour) -> str:
    sent = {name: text for name, (text, _, _) in _REWRITTEN.items()}
    held = Caller(behaviour).read("POST", "/customers", {"name": "N", **sent})
    words = [way for name, (_, kept, way) in _REWRITTEN.items() if held[name] == kept]
    assert all(held[name] in pair[:2] for name, pair in _REWRITTEN.items())
    return ", ".join(words) or "no"


def _taken(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    one = caller.made(city="Boston", name="N")
    held = caller.read("PATCH", f"/customers/{one}", {"city": "Paris", "name": "M"})
    return {("Paris", "M"): "yes", ("Boston", "M"): "some are left as they are"}[held["city"], held["name"]]


def _synced(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    one = caller.made(city="Boston")
    customer = caller.served.account.customers[one]
    customer.fields["customer_integration_id"] = "crm-1"  # type: ignore[index] - no request can
    answer = caller.send("PATCH", f"/customers/{one}", {"city": "Paris"})
    if answer.status != 200:
        return str(answer.status)
    return {"Paris": "yes", "Boston": "it is ignored"}[json.loads(answer.body)["city"]]


def _identity(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    one = caller.made(external_id="acme")
    answer = caller.send("PATCH", f"/customers/{one}", {"email": "other@x.example", "external_id": "other"})
    held = caller.read("GET", f"/customers/{one}")
    assert (held["email"], held["external_id"]) == ("n@x.example", "acme")
    return "it ignores them" if answer.status == 200 else str(answer.status)


ACCOUNT_ANSWERS: dict[str, Callable[[Behaviour], str]] = {
    "listed": _listed,
    "get": _get,
    "written": _written,
    "archive twice": _archive_twice,
    "restore twice": _restore_twice,
    "restore reply": _restore_reply,
    "invoices": _invoices,
    "unique": _unique,
    "external_id": _external_id,
    "required": _required,
    "users": _users,
    "user case": _user_case,
    "empties": _empties,
    "not emptied": _not_emptied,
    "unset": _unset,
    "rewritten": _rewritten,
    "taken": _taken,
    "synced": _synced,
    "identity": _identity,
}
