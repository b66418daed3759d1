"""Open questions of lists, replies and pace, asked as in `asked`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from asked import ACCOUNT_ANSWERS, Caller

from reconciler.emulator.service import READ_ONLY
from reconciler.rules import Behaviour


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
    return "it is cut" if status == 200 else str(status)


def _full(behaviour: Behaviour) -> str:
    caller, after, sizes = _full_account(behaviour, 40), "", []
    while not sizes or after:
        page = caller.read("GET", "/customers", limit="5", after=after)
        sizes.append(len(page["data"]))
        after = page["end_cursor"] if page["has_next_page"] else ""
    assert sum(sizes) == 40
    return {(5,): "yes", (3,): "fewer"}.get(tuple(set(sizes[:-1])), "some hold fewer")


def _page_shape(behaviour: Behaviour) -> str:
    page = Caller(behaviour).read("GET", "/customers")
    if "has_next_page" in page:
        return "beside data"
    return "in pagination" if "has_next_page" in page["pagination"] else "nowhere"


def _paging(behaviour: Behaviour) -> str:
    caller = _full_account(behaviour, 4)
    first = caller.read("GET", "/customers", limit="2")
    seen = [row["id"] for row in first["data"]]
    caller.made()
    caller.now += 60.0
    again = caller.listed(limit="2", after=first["end_cursor"])
    return "a cursor counts rows" if set(seen) & set(again) else "a cursor names a row"


def _order(behaviour: Behaviour) -> str:
    caller = _full_account(behaviour, 5)
    created = [one.id for one in caller.served.account.customers.values()]
    caller.status("PATCH", f"/customers/{created[2]}", {"city": "Boston"})
    caller.now += 60.0
    after = caller.listed()
    orders: Sequence[tuple[str, list[str]]] = (
        ("newest first", created[::-1]),
        ("oldest first", created),
        ("by id", sorted(created)),
    )
    words = [name for name, order in orders if after == order]
    if words:
        return words[0]
    return {(created[2], *created[:2:-1], *created[1::-1]): "written last first"}[tuple(after)]


def _bounds(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    one = caller.made()
    at = caller.read("GET", f"/customers/{one}")["created_at"]
    if one in caller.listed(created_at_start="9999-01-01T00:00:00Z"):
        return "they are not heard"
    from_, until = one in caller.listed(created_at_start=at), one in caller.listed(created_at_end=at)
    return {(True, True): "both", (False, True): "not the start", (True, False): "not the end"}[from_, until]


def _precision(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    caller.now = 0.123456
    one = caller.made()
    at = str(caller.read("GET", f"/customers/{one}")["created_at"])
    digits = len(at.rpartition(".")[2]) - 1 if "." in at else 0
    if digits:
        return {3: "milliseconds", 6: "microseconds"}[digits]
    inside = one in caller.listed(created_at_start="2026-01-01T00:00:00.100000Z")
    return "seconds, finer inside" if inside else "seconds"


def _lag(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    one = caller.made()
    got, listed = caller.status("GET", f"/customers/{one}") == 200, one in caller.listed()
    caller.now += 4.0
    assert (caller.status("GET", f"/customers/{one}"), caller.listed()) == (200, [one])
    return {(True, True): "at once", (False, False): "later", (True, False): "in lists later"}[got, listed]


def _methods(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    methods = caller.read("GET", f"/customers/{caller.made()}/payment-methods")
    return "an array" if methods == [] else "an object with data" if methods == {"data": []} else "?"


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
        return "HTML"
    return "HttpError" if {"code", "message"} <= json.loads(answer.body).keys() else "other JSON"


def _scope(behaviour: Behaviour) -> str:
    caller = Caller(behaviour)
    return str(caller.send("POST", "/customers", {}, token=caller.token(READ_ONLY)).status)


def _counted(behaviour: Behaviour) -> str:
    caller = Caller(behaviour, rate=5)
    token = caller.token()
    # Late in a second of the clock: five, then five more a quarter of a second later, in the next one.
    caller.now = 0.875
    assert [caller.send("GET", "/customers", token=token).status for _ in range(5)] == [200] * 5
    caller.now = 1.125
    passed = [caller.send("GET", "/customers", token=token).status for _ in range(5)].count(200)
    return {5: "in each second of the clock", 0: "in any second", 1: "as a bucket"}[passed]


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
    return "none" if not text else "seconds" if text.isdecimal() else "a date" if text.endswith(" GMT") else text


def _headers(behaviour: Behaviour) -> str:
    names = _refused(behaviour).keys() - {"retry-after"}
    return {
        frozenset[str](): "none",
        frozenset({"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"}): "X-RateLimit",
        frozenset({"ratelimit", "ratelimit-policy"}): "RateLimit",
    }[frozenset(names)]


ANSWERS: dict[str, Callable[[Behaviour], str]] = {
    **ACCOUNT_ANSWERS,
    "most": _most,
    "larger": _larger,
    "full": _full,
    "page shape": _page_shape,
    "paging": _paging,
    "order": _order,
    "bounds": _bounds,
    "precision": _precision,
    "lag": _lag,
    "methods": _methods,
    "unknown": _unknown,
    "error": _error,
    "scope": _scope,
    "counted": _counted,
    "token": _token,
    "retry": _retry,
    "headers": _headers,
}
