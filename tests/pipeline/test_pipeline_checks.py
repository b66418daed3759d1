"""What `doctor` makes of what it was told: of one contact with the API, and of a ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import httpx
import pytest
from clocks import EPOCH_S, VirtualClock, run

from reconciler.api.client import ApiClient
from reconciler.ledger.base import Meta
from reconciler.ledger.open import Contents, Storage, StorageKind
from reconciler.model.core import Action, Address
from reconciler.model.ledger import Intent, Learned, Records, Run
from reconciler.model.reports import Verdict
from reconciler.pipeline.doctor import Contact, clock_of, contact, credentials, reachability, scopes
from reconciler.pipeline.history import PROBING
from reconciler.pipeline.ledger_checks import learned, state_of
from reconciler.settings import Access, Environment, Secret, Server

API = "https://api.example"
TOKEN = {"access_token": "tok", "token_type": "bearer", "expires_in": 3600}
PAGE = {"data": [], "has_next_page": False, "end_cursor": ""}


def asked(token: httpx.Response, page: httpx.Response | None = None, *, heard: list[str] | None = None) -> Contact:
    """Return the contact with an API that gives these two answers."""

    def answer(request: httpx.Request) -> httpx.Response:
        if heard is not None:
            heard.append(f"{request.method} {request.url.raw_path.decode()}")
        return token if request.url.path == "/oauth/token" or page is None else page

    async def ask() -> Contact:
        clock = VirtualClock(EPOCH_S)
        client = ApiClient(
            base_url=API,
            client_id="id",
            client_secret="secret",
            clock=clock,
            jitter=lambda: 0.5,
            rate_per_s=0,
            transport=httpx.MockTransport(answer),
            patient=False,
        )
        return await contact(client, clock)

    return run(ask())


def granted(scope: str | None = None, headers: Mapping[str, str] | None = None) -> httpx.Response:
    return httpx.Response(200, json=TOKEN if scope is None else {**TOKEN, "scope": scope}, headers=headers)


def page(headers: Mapping[str, str] | None = None) -> httpx.Response:
    return httpx.Response(200, json=PAGE, headers=headers)


def test_two_requests_are_sent_and_none_again() -> None:
    heard: list[str] = []
    made = asked(granted(), httpx.Response(503), heard=heard)
    assert heard == ["POST /oauth/token", "GET /customers?limit=1"]
    assert (made.granted, made.listed, made.requests) == (True, False, 2)


@pytest.mark.parametrize(
    ("scope", "verdict", "words"),
    [
        (None, Verdict.OK, "only a write shows"),
        ("customers:read customers:write", Verdict.OK, "customers:read customers:write"),
        ("customers:read", Verdict.WARNING, "can only read"),
        ("\x1b[2J some words", Verdict.OK, "only a write shows"),
    ],
)
def test_the_scopes_that_a_token_names_are_told(scope: str | None, verdict: Verdict, words: str) -> None:
    found = scopes(asked(granted(scope), page()))
    assert (found.verdict, words in found.said) == (verdict, True)


def test_a_429_is_no_fault_of_the_key() -> None:
    made = asked(granted(), httpx.Response(429, headers={"retry-after": "500"}))
    assert (scopes(made).verdict, reachability(made, API, "another").verdict) == (Verdict.WARNING, Verdict.OK)


def test_a_token_that_cannot_be_had_now_leaves_the_credentials_open() -> None:
    made = asked(httpx.Response(429, headers={"retry-after": "500"}))
    assert (credentials(made, "demo/1").verdict, scopes(made).verdict) == (Verdict.WARNING, Verdict.SKIPPED)


def test_replies_without_a_date_leave_the_clock_open() -> None:
    assert clock_of(asked(granted(), page())).facts == {"dated": False, "ahead_s": None}


def test_a_date_of_the_same_second_agrees() -> None:
    date = {"date": "Thu, 01 Jan 2026 00:00:00 GMT"}
    assert clock_of(asked(granted(headers=date), page(date))).verdict is Verdict.OK


STORAGE = Storage(StorageKind.FILE, format=5, known=5, writable=True, free_bytes=10**10)
CONTENTS = Contents(Meta("demo", API, "0f" * 16, "2026-01-01T00:00:00Z", 7), Records(known=True), ())


@pytest.mark.parametrize(
    ("storage", "verdict", "words"),
    [
        (STORAGE, Verdict.OK, "lineage 0f0f0f0f, serial 7"),
        (replace(STORAGE, writable=False), Verdict.WRONG, "cannot be written"),
        (replace(STORAGE, free_bytes=10**7), Verdict.WARNING, "9 MiB left"),
        (replace(STORAGE, format=4), Verdict.WARNING, "this version writes format 5"),
        (replace(STORAGE, kind=StorageKind.DATABASE, free_bytes=None), Verdict.OK, "in PostgreSQL"),
        (replace(STORAGE, kind=StorageKind.STORE, free_bytes=None), Verdict.OK, "in object storage"),
    ],
)
def test_what_a_ledger_lacks_is_said(storage: Storage, verdict: Verdict, words: str) -> None:
    found = state_of("ledger.db", storage, CONTENTS)
    assert (found.verdict, words in found.said, bool(found.mend)) == (verdict, True, verdict is not Verdict.OK)


def test_what_a_run_left_in_doubt_is_said() -> None:
    intent = Intent("run", 1, Action.CREATE, Address("acme"), None, EPOCH_S)
    found = state_of("ledger.db", STORAGE, replace(CONTENTS, records=Records(intents=(intent,), known=True)))
    assert (found.verdict, found.facts["open_intents"]) == (Verdict.WARNING, 1)


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [("done", Verdict.OK), ("cleaned", Verdict.OK), ("", Verdict.WARNING), ("stopped", Verdict.WARNING)],
)
def test_a_probe_that_did_not_come_to_its_end_is_said(outcome: str, verdict: Verdict) -> None:
    run_of_it = Run("r", "2026-01-01T00:00:00Z", PROBING, outcome)
    found = state_of("ledger.db", STORAGE, replace(CONTENTS, runs=(run_of_it,)))
    assert (found.verdict, found.facts["unfinished_probes"]) == (verdict, int(verdict is Verdict.WARNING))


def environment_of(server: Server) -> Environment:
    return Environment("demo", Access(API, "id", Secret("secret"), "ledger.db"), server=server)


PROBED = Learned(
    lists_archived=True, gets_archived=True, lag_s=36.0, answers='{"gets_archived":"yes","lists_archived":"yes"}'
)


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (Server(), ""),
        (Server(lists_archived=True, gets_archived=True, lag_s=40.0), ""),
        (Server(lists_archived=False), "states lists_archived: false, and a probe found yes"),
        (Server(gets_archived=False), "states gets_archived: false, and a probe found yes"),
        (Server(lag_s=10.0), "states lag: 10s, and by a probe it is 36 s"),
    ],
)
def test_what_the_project_file_states_and_a_probe_found_otherwise_is_a_warning(server: Server, words: str) -> None:
    found = learned(environment_of(server), PROBED)
    assert (found.verdict, words in found.said) == (Verdict.WARNING if words else Verdict.OK, True)
