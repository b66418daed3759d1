"""The rules and the tests' model of the API were written apart; where they answer differently, one misread."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import api_ways
import httpx
from api_model import ModelApi
from clocks import EPOCH_S
from emulated import Stopped, emulator
from hypothesis import given
from hypothesis import strategies as st

from reconciler.emulator.calls import Answer, Call
from reconciler.rules import Behaviour, Clears, Order, PageShape, Precision, Rewrite, Unique, Unset, UserUnique

FORM = b"grant_type=client_credentials"
_DIGITS = {Precision.S: 0, Precision.MS: 3, Precision.US: 6}
_EMAILS = {UserUnique.NONE: api_ways.UserEmails.ANY, UserUnique.CUSTOMER: api_ways.UserEmails.UNIQUE_IN_ANY_CASE}
_REWRITES = (Rewrite.TRIM, Rewrite.EIN, Rewrite.STATE)

BEHAVIOURS = st.builds(
    Behaviour,
    lists_archived=st.booleans(),
    gets_archived=st.booleans(),
    patches_archived=st.booleans(),
    restore_replies=st.booleans(),
    unique=st.sampled_from(Unique),
    unique_status=st.sampled_from([400, 422]),
    required=st.sampled_from([frozenset[str](), frozenset({"name"})]),
    ignores=st.sampled_from([frozenset[str](), frozenset({"country"})]),
    clears=st.sampled_from(Clears),
    unset=st.sampled_from(Unset),
    rewrites=st.frozensets(st.sampled_from(_REWRITES)),
    page_max=st.sampled_from([2, 3, 100]),
    page_shape=st.sampled_from(PageShape),
    order=st.sampled_from([Order.NEWEST, Order.OLDEST]),
    narrows=st.booleans(),
    start_inclusive=st.booleans(),
    end_inclusive=st.booleans(),
    precision=st.sampled_from(Precision),
    lag_s=st.sampled_from([0.0, 2.0]),
    repeated_archive=st.sampled_from([200, 400, 404]),
    repeated_restore=st.sampled_from([200, 400, 404]),
    user_unique=st.sampled_from(list(_EMAILS)),
)


def ways_of(behaviour: Behaviour) -> api_ways.Ways:
    return api_ways.Ways(
        lists_archived=behaviour.lists_archived,
        gets_archived=behaviour.gets_archived,
        patches_archived=behaviour.patches_archived,
        restore_replies=behaviour.restore_replies,
        unique=api_ways.Unique(behaviour.unique.value),
        unique_status=behaviour.unique_status,
        required=behaviour.required,
        ignores=behaviour.ignores,
        empties=api_ways.Empties(behaviour.clears.value),
        unset=api_ways.Unset(behaviour.unset.value),
        rewrites=frozenset(api_ways.Rewrite(rewrite.value) for rewrite in behaviour.rewrites),
        page_max=behaviour.page_max,
        page_nested=behaviour.page_shape is PageShape.NESTED,
        order=api_ways.Order(behaviour.order.value),
        narrows=behaviour.narrows,
        start_inclusive=behaviour.start_inclusive,
        end_inclusive=behaviour.end_inclusive,
        created_digits=_DIGITS[behaviour.precision],
        lag_s=behaviour.lag_s,
        repeated_archive=behaviour.repeated_archive,
        repeated_restore=behaviour.repeated_restore,
        user_emails=_EMAILS[behaviour.user_unique],
        methods_nested=True,
    )


TEXTS = st.sampled_from(["A", " A ", "B", "", None])
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "external_id": st.sampled_from(["acme", "Acme", "", None]),
        "name": TEXTS,
        "city": TEXTS,
        "email": st.sampled_from(["a@x.example", "B@x.example"]),
        "ein": st.sampled_from(["12-3456789", "123456789"]),
        "state": st.sampled_from(["ny", "MA"]),
        "country": TEXTS,
        "tier": TEXTS,
    },
)
# Whether a server that trims a customer's fields trims a user's too, the two answer in their own way.
USERS = st.fixed_dictionaries(
    {},
    optional={"email": st.sampled_from(["a@x.example", "A@x.example"]), "first_name": st.sampled_from(["A", "", None])},
)
MOMENTS = st.sampled_from(["2026-01-01T00:00:01Z", "2026-01-01T00:00:02.5Z", "2026-01-01T00:00:03+00:00"])
QUERIES = st.fixed_dictionaries(
    {},
    optional={
        "limit": st.sampled_from(["1", "2", "100"]),
        "created_at_start": MOMENTS,
        "created_at_end": MOMENTS,
        "after": st.just("end"),
        "before": st.just("start"),
    },
).filter(lambda query: not {"after", "before"} <= set(query))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("POST"), st.just("/customers"), BODIES),
        st.tuples(st.just("GET"), st.just("/customers"), QUERIES),
        st.tuples(st.sampled_from(["GET", "DELETE"]), st.sampled_from(["/customers/1", "/customers/2"]), st.just({})),
        st.tuples(st.just("PATCH"), st.sampled_from(["/customers/1", "/customers/2", "/customers/9"]), BODIES),
        st.tuples(st.just("POST"), st.sampled_from(["/customers/1/restore", "/customers/2/restore"]), st.just({})),
        st.tuples(st.just("POST"), st.just("/customers/1/users"), USERS),
        st.tuples(st.just("GET"), st.just("/customers/1/users"), st.just({})),
        st.tuples(st.just("GET"), st.just("/customers/1/payment-methods"), st.just({})),
    ),
    max_size=25,
)


@dataclass
class Side:
    """One server as its caller sees it: the n-th customer is called n, and cursors are of the list's last page."""

    ids: list[str] = field(default_factory=list)
    cursors: dict[str, dict[str, str]] = field(default_factory=dict)

    def call(self, method: str, path: str, sent: dict[str, str | None]) -> tuple[str, str, bytes]:
        """Return the path, query and body of a step in the words of this server."""
        path = re.sub(r"\d", lambda nth: self.ids[int(nth[0]) - 1] if int(nth[0]) <= len(self.ids) else "no", path)
        if method != "GET":
            return path, "", json.dumps(sent).encode()
        cursors = self.cursors.get(path, {"start": "", "end": ""})
        query = {name: cursors.get(value or "", value) or "" for name, value in sent.items()}
        return path, str(httpx.QueryParams(query)), b""

    def read(self, path: str, status: int, content: bytes, *, backward: bool) -> object:
        """Return what an answer says, without what only this server can say."""
        if status >= 300:
            return status
        reply: Any = json.loads(content) if content else None
        if status == 201 and "created_at" in reply:
            self.ids.append(reply["id"])
        if isinstance(reply, dict) and isinstance(reply.get("data"), list):
            page = reply.get("pagination", reply)
            self.cursors[path] = {name: page.get(f"{name}_cursor") or "" for name in ("start", "end")}
            # What follows the page before a cursor may have gone meanwhile, and the two need not look.
            more = None if backward else page.get("has_next_page")
            return status, [self._named(row) for row in reply["data"]], more
        return status, self._named(reply)

    def _named(self, row: object) -> object:
        """Return a customer or user, its id replaced by its place."""
        if not isinstance(row, dict):
            return row
        place = self.ids.index(row["id"]) if row["id"] in self.ids else -1
        return {name: value for name, value in row.items() if name != "default_payment_method_id"} | {"id": place}


@given(BEHAVIOURS, STEPS)
def test_the_rules_answer_as_the_model_of_the_api_does(
    behaviour: Behaviour, steps: list[tuple[str, str, dict[str, str | None]]]
) -> None:
    at_s = EPOCH_S
    served = emulator(behaviour=behaviour, clock=Stopped(lambda: at_s))
    model = ModelApi(ways_of(behaviour), lambda: at_s)
    ours, theirs = Side(), Side()
    token = served.answer(Call("POST", "/oauth/token", "", "Basic bG9jYWw6bG9jYWw=", FORM))
    assert isinstance(token, Answer)
    bearer = f"Bearer {json.loads(token.body)['access_token']}"
    other = model.handler(
        httpx.Request(
            "POST",
            "http://model.example/oauth/token",
            data={"grant_type": "client_credentials"},
            headers={"authorization": "Basic bG9jYWw6bG9jYWw="},
        )
    ).json()["access_token"]
    for method, step, sent in steps:
        at_s += 0.5
        own_path, query, body = ours.call(method, step, sent)
        answer = served.answer(Call(method, own_path, query, bearer, body))
        assert isinstance(answer, Answer)
        path, query, body = theirs.call(method, step, sent)
        url = f"http://model.example{path}" + (f"?{query}" if query else "")
        reply = model.handler(httpx.Request(method, url, content=body, headers={"authorization": f"Bearer {other}"}))
        backward = "before" in sent
        told = ours.read(own_path, answer.status, answer.body, backward=backward)
        assert (step, told) == (step, theirs.read(path, reply.status_code, reply.content, backward=backward))
