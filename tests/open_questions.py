"""Each open question asked of the emulator by requests, by someone who does not know its switches."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from clocks import EPOCH_S
from emulated import Stopped

from reconciler.emulator.calls import Answer, Call
from reconciler.emulator.integration import Integration, SyncedRecord
from reconciler.emulator.service import LOCAL, READ_ONLY, ApiKey, Emulator
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
    return "customer" if answer.body else "nothing"


def _invoices(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    status = caller.status("DELETE", f"/customers/{caller.made(external_id='acme')}")
    return "no" if status == 200 else str(status)


def _unique(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    beside_active = caller.made(external_id="a") and caller.status("POST", "/customers", _named("a"))
    beside_archived = caller.archived(external_id="b") and caller.status("POST", "/customers", _named("b"))
    return {(201, 201): "no", (400, 201): "active"}.get((beside_active, beside_archived), f"all_{beside_active}")


def _named(external_id: str) -> Mapping[str, str]:
    return {"external_id": external_id, "name": "N", "email": "n@x.example"}


def _external_id(behaviour: Behaviour) -> str:
    kept = Caller(behaviour).read("POST", "/customers", _named(" Acme "))["external_id"]
    return {" Acme ": "yes", "Acme": "trimmed", " acme ": "lowered"}[kept]


def _required(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    statuses = [caller.status("POST", "/customers", body) for body in ({}, {"name": "N"}, _named("x"))]
    return ("nothing", "name", "name_email")[statuses.index(201)]


def _users(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    one, other = caller.made(), caller.made()
    statuses = [
        caller.status("POST", f"/customers/{at}/users", {"email": "jane@x.example"}) for at in (one, one, other)
    ]
    return {
        (201, 422, 201): "customer",
        (201, 422, 422): "account",
        (201, 201, 201): "yes",
    }[tuple(statuses)]


def _user_case(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    users = f"/customers/{caller.made()}/users"
    statuses = [caller.status("POST", users, {"email": email}) for email in ("jane@x.example", "Jane@x.example")]
    return {(201, 422): "yes", (201, 201): "no"}[tuple(statuses)]


def _empties(behaviour: Behaviour) -> str:
    text, null = (_emptied(behaviour, sent)[1] for sent in ("", None))
    return {(True, True): "both", (True, False): "text", (False, True): "null"}.get((text, null), "nothing")


def _emptied(behaviour: Behaviour, sent: str | None) -> tuple[int, bool]:
    """Patch a city to `sent`; return the status, and whether the city is empty then."""
    caller = Caller(behaviour)
    one = f"/customers/{caller.made(city='Boston')}"
    return caller.status("PATCH", one, {"city": sent}), not caller.read("GET", one).get("city")


def _not_emptied(behaviour: Behaviour) -> str:
    kept = [status for status, empty in (_emptied(behaviour, sent) for sent in ("", None)) if not empty]
    return {200: "ignored", 422: "refused"}[kept[0]]


def _unset(behaviour: Behaviour) -> str:
    shown = Caller(behaviour).read("POST", "/customers", _named("x")).get("city", "absent")
    return {"": "text", None: "null"}.get(shown, shown)


_REWRITTEN = {
    "city": (" Boston ", "Boston", "trim"),
    "country": ("USA", "US", "country"),
    "ein": ("12-3456789", "123456789", "ein"),
    "state": ("ny", "NY", "state"),
    "street_address": ("1 Main St", "1 Main Street", "address"),
    "email": ("Jo@x.example", "jo@x.example", "email"),
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
    return {("Paris", "M"): "yes", ("Boston", "M"): "some"}[held["city"], held["name"]]


def _synced(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    one = caller.made(city="Boston")
    customer = caller.served.account.customers[one]
    customer.fields["customer_integration_id"] = "crm-1"  # type: ignore[index] - no request can
    answer = caller.send("PATCH", f"/customers/{one}", {"city": "Paris"})
    if answer.status != 200:
        return str(answer.status)
    return {"Paris": "yes", "Boston": "ignored"}[json.loads(answer.body)["city"]]


def _connected(behaviour: Behaviour) -> tuple[Caller, str]:
    """Return a caller, and the id of a customer that an integration has just created."""
    caller = Caller(behaviour)
    record = SyncedRecord("internal-1", {"name": "Acme", "city": "Boston"}, number="1001")
    caller.served.connect(Integration(records=(record,)))
    (one,) = caller.listed()
    return caller, one


def _sync_undoes(behaviour: Behaviour) -> str:
    undone = []
    caller, one = _connected(behaviour)
    caller.send("PATCH", f"/customers/{one}", {"city": "Paris"})
    if caller.read("GET", f"/customers/{one}")["city"] == "Boston":
        undone.append("patch")
    caller.send("DELETE", f"/customers/{one}")
    if one in caller.listed():
        undone.append("archive")
    caller, one = _connected(behaviour)
    assert caller.served.integration is not None
    caller.served.integration.edit(({"id": "internal-1", "deleted": True},))
    assert caller.listed() == []
    caller.send("POST", f"/customers/{one}/restore")
    if caller.listed() == []:
        undone.append("restore")
    return {0: "nothing", 1: undone[0] if undone else "", 3: "all"}[len(undone)]


def _integration_id(behaviour: Behaviour) -> str:
    caller, one = _connected(behaviour)
    held = caller.read("GET", f"/customers/{one}")["customer_integration_id"]
    return {"internal-1": "internal", "1001": "number"}[held]


def _email(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    one = caller.made(email="billing@x.example")
    if caller.status("POST", "/customers", {"name": "N", "email": "Billing@x.example"}) == 201:
        return "no"
    caller.send("DELETE", f"/customers/{one}")
    taken = caller.status("POST", "/customers", {"name": "N", "email": "billing@x.example"}) != 201
    return "all" if taken else "active"


def _identity(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    one = caller.made(external_id="acme")
    answer = caller.send("PATCH", f"/customers/{one}", {"email": "other@x.example", "external_id": "other"})
    held = caller.read("GET", f"/customers/{one}")
    assert (held["email"], held["external_id"]) == ("n@x.example", "acme")
    return "ignored" if answer.status == 200 else str(answer.status)


ACCOUNT_ANSWERS: dict[str, Callable[[Behaviour], str]] = {
    "listed": _listed,
    "get": _get,
    "written": _written,
    "archive_twice": _archive_twice,
    "restore_twice": _restore_twice,
    "restore_reply": _restore_reply,
    "invoices": _invoices,
    "unique": _unique,
    "external_id": _external_id,
    "email": _email,
    "required": _required,
    "users": _users,
    "user_case": _user_case,
    "empties": _empties,
    "not_emptied": _not_emptied,
    "unset": _unset,
    "rewritten": _rewritten,
    "taken": _taken,
    "synced": _synced,
    "sync_undoes": _sync_undoes,
    "integration_id": _integration_id,
    "identity": _identity,
}


def _full_account(behaviour: Behaviour, count: int) -> Caller:
    """Return a caller of an account with `count` customers, each a second after the other."""
    caller = Caller(behaviour)
    for number in range(count):
        caller.made(external_id=f"c{number}")
        caller.now += 1.0
    caller.now += 60.0
    return caller


def _most(behaviour: Behaviour) -> str:
    held = len(_full_account(behaviour, 120).listed(limit="1000"))
    return {120: "1000"}.get(held, str(held))


def _larger(behaviour: Behaviour) -> str:
    status = Caller(behaviour).status("GET", "/customers", limit="101")
    return "cut" if status == 200 else str(status)


def _full(behaviour: Behaviour) -> str:
    caller, after, sizes = _full_account(behaviour, 40), "", []
    while not sizes or after:
        page = caller.read("GET", "/customers", limit="5", after=after)
        sizes.append(len(page["data"]))
        after = page["end_cursor"] if page["has_next_page"] else ""
    assert sum(sizes) == 40
    return {(5,): "yes", (3,): "fewer"}.get(tuple(set(sizes[:-1])), "some")


def _page_shape(behaviour: Behaviour) -> str:
    page = Caller(behaviour).read("GET", "/customers")
    if "has_next_page" in page:
        return "flat"
    return "nested" if "has_next_page" in page["pagination"] else "nowhere"


def _paging(behaviour: Behaviour) -> str:
    caller = _full_account(behaviour, 4)
    first = caller.read("GET", "/customers", limit="2")
    seen = [row["id"] for row in first["data"]]
    for _ in range(8):
        caller.made()
    caller.now += 60.0
    again = caller.listed(limit="2", after=first["end_cursor"])
    return "offset" if set(seen) & set(again) else "position"


def _order(behaviour: Behaviour) -> str:
    caller = _full_account(behaviour, 5)
    created = [one.id for one in caller.served.account.customers.values()]
    caller.status("PATCH", f"/customers/{created[2]}", {"city": "Boston"})
    caller.now += 60.0
    after = caller.listed()
    orders: Sequence[tuple[str, list[str]]] = (
        ("newest", created[::-1]),
        ("oldest", created),
        ("id", sorted(created)),
    )
    words = [name for name, order in orders if after == order]
    if words:
        return words[0]
    return {(created[2], *created[:2:-1], *created[1::-1]): "updated"}[tuple(after)]


def _bounds(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    one = caller.made()
    at = caller.read("GET", f"/customers/{one}")["created_at"]
    if one in caller.listed(created_at_start="9999-01-01T00:00:00Z"):
        return "ignored"
    from_, until = one in caller.listed(created_at_start=at), one in caller.listed(created_at_end=at)
    return {(True, True): "both", (False, True): "not_start", (True, False): "not_end"}[from_, until]


def _precision(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    caller.now = 0.123456
    one = caller.made()
    at = str(caller.read("GET", f"/customers/{one}")["created_at"])
    digits = len(at.rpartition(".")[2]) - 1 if "." in at else 0
    if digits:
        return {3: "ms", 6: "us"}[digits]
    inside = one in caller.listed(created_at_start="2026-01-01T00:00:00.100000Z")
    return "finer" if inside else "s"


def _lag(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    one = caller.made()
    got, listed = caller.status("GET", f"/customers/{one}") == 200, one in caller.listed()
    caller.now += 4.0
    assert (caller.status("GET", f"/customers/{one}"), caller.listed()) == (200, [one])
    return {(True, True): "none", (False, False): "later", (True, False): "lists"}[got, listed]


def _methods(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    methods = caller.read("GET", f"/customers/{caller.made()}/payment-methods")
    return "array" if methods == [] else "object" if methods == {"data": []} else "?"


_KNOWN = {"id", "external_id", "customer_integration_id", "name", "legal_name", "ein", "email", "street_address"} | {
    "sub_premise",
    "city",
    "state",
    "postal_code",
    "country",
    "default_payment_method_id",
    "created_at",
}


def _unknown(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    return "yes" if caller.read("GET", f"/customers/{caller.made()}").keys() - _KNOWN else "no"


def _error(behaviour: Behaviour) -> str:
    answer = Caller(behaviour).send("GET", "/customers/none")
    if not answer.body:
        return "empty"
    if answer.content_type.startswith("text/html"):
        return "html"
    return "http_error" if {"code", "message"} <= json.loads(answer.body).keys() else "other"


def _scope(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    return str(caller.send("POST", "/customers", {}, token=caller.token(READ_ONLY)).status)


def _users_scope(behaviour: Behaviour) -> str:
    return "customers" if _reads(behaviour, "users") else "users"


def _methods_scope(behaviour: Behaviour) -> str:
    return "customers" if _reads(behaviour, "payment-methods") else "payments"


def _reads(behaviour: Behaviour, kind: str) -> bool:
    """Say whether a key that may read customers alone may read what a customer has of a kind."""
    caller = Caller(behaviour)
    one = caller.made()
    return caller.send("GET", f"/customers/{one}/{kind}", token=caller.token(READ_ONLY)).status == 200


def _counted(behaviour: Behaviour) -> str:
    caller = Caller(behaviour, rate=5)
    token = caller.token()
    # Late in a second of the clock: five, then five more a quarter of a second later, in the next one.
    caller.now = 0.875
    assert [caller.send("GET", "/customers", token=token).status for _ in range(5)] == [200] * 5
    caller.now = 1.125
    passed = [caller.send("GET", "/customers", token=token).status for _ in range(5)].count(200)
    return {5: "second", 0: "sliding", 1: "bucket"}[passed]


def _token(behaviour: Behaviour) -> str:
    caller = Caller(behaviour, rate=1)
    return {200: "no", 429: "yes"}[caller.send("GET", "/customers", token=caller.token()).status]


def _refused(behaviour: Behaviour) -> dict[str, str]:
    """Return the headers of a 429."""
    caller = Caller(behaviour, rate=1)
    token = caller.token()
    caller.now += 10.0
    assert caller.send("GET", "/customers", token=token).status == 200
    answer = caller.send("GET", "/customers", token=token)
    assert answer.status == 429
    return dict(answer.headers)


def _retry(behaviour: Behaviour) -> str:
    text = _refused(behaviour).get("retry-after", "")
    return "none" if not text else "seconds" if text.isdecimal() else "date" if text.endswith(" GMT") else text


def _headers(behaviour: Behaviour) -> str:
    names = _refused(behaviour).keys() - {"retry-after"}
    return {
        frozenset[str](): "none",
        frozenset({"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"}): "x_ratelimit",
        frozenset({"ratelimit", "ratelimit-policy"}): "ratelimit",
    }[frozenset(names)]


ANSWERS: dict[str, Callable[[Behaviour], str]] = {
    **ACCOUNT_ANSWERS,
    "most": _most,
    "larger": _larger,
    "full": _full,
    "page_shape": _page_shape,
    "paging": _paging,
    "order": _order,
    "bounds": _bounds,
    "precision": _precision,
    "lag": _lag,
    "methods": _methods,
    "unknown": _unknown,
    "error": _error,
    "scope": _scope,
    "users_scope": _users_scope,
    "methods_scope": _methods_scope,
    "counted": _counted,
    "token": _token,
    "retry": _retry,
    "headers": _headers,
}
