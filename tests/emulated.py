"""The emulator, the model and an account for tests: an httpx client to them without a socket, in virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx
from api_contract import Watch
from api_model import ModelApi
from api_ways import Hook, Ways, healthy
from clocks import VirtualClock, run

from reconciler.clock import Clock
from reconciler.emulator.calls import worded
from reconciler.emulator.faults import Faults
from reconciler.emulator.server import EmulatorTransport
from reconciler.emulator.service import LOCAL, ApiKey, Emulator
from reconciler.emulator.store import AccountFile
from reconciler.rules import Account, Behaviour, RuleReply, create, list_customers
from reconciler.rules.account import Refusal, RefusalReason

NOW = 1_700_000_000.25
PLAIN = Behaviour()
USED = Refusal(RefusalReason.EXTERNAL_ID_TAKEN)
UNKNOWN = RuleReply(404, Refusal(RefusalReason.UNKNOWN_ID))


def made(account: Account, ways: Behaviour = PLAIN, now: float = NOW, **fields: object) -> str:
    reply = create(account, ways, fields, now)
    assert reply.status == 201, reply
    return str(body(reply)["id"])


def body(reply: RuleReply) -> dict[str, Any]:
    sent = worded(PLAIN, reply).body
    assert isinstance(sent, dict)
    return sent


def ids(reply: RuleReply) -> list[str]:
    return [row["id"] for row in body(reply)["data"]]


def read_all(account: Account, ways: Behaviour, **query: str) -> list[list[str]]:
    pages = []
    after = ""
    for _ in range(100):
        reply = list_customers(account, ways, {**query, "after": after}, NOW + 10)
        pages.append(ids(reply))
        page = body(reply).get("pagination", body(reply))
        if not page["has_next_page"]:
            return pages
        after = page["end_cursor"]
    raise AssertionError("the list has no end")


def flat(pages: list[list[str]]) -> list[str]:
    return [one for page in pages for one in page]


def numbered(account: Account, count: int, ways: Behaviour = PLAIN, step_s: float = 0.001) -> list[str]:
    return [made(account, ways, NOW + place * step_s, external_id=f"c{place}") for place in range(count)]


NOON = 1_767_614_400.0
URL = "https://api.example"


class Server:
    """A ModelApi, its clock, and a client that has a token."""

    def __init__(self, ways: Ways | None = None, fault: Hook = healthy) -> None:
        self.time = NOON
        self.api = ModelApi(ways or Ways(), lambda: self.time)
        self.account = self.api.account
        self.http = httpx.Client(base_url=URL, transport=httpx.MockTransport(self.api.handler))
        reply = self.http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=("local", "local"))
        self.http.headers["Authorization"] = f"Bearer {reply.json()['access_token']}"
        self.api.seen.clear()
        self.api.fault = fault

    def pages(self, path: str = "/customers", **query: str) -> list[list[str]]:
        """Return the ids of every page of a list, page by page."""
        pages, after = [], ""
        while True:
            page = self.http.get(path, params={"after": after, **query}).json()
            pages.append([row["id"] for row in page["data"]])
            shape = page.get("pagination", page)
            if not shape["has_next_page"]:
                return pages
            after = shape["end_cursor"]


Steps = Callable[[httpx.AsyncClient], Awaitable[None]]


def emulator(
    *,
    behaviour: Behaviour | None = None,
    faults: Faults | None = None,
    rate: float = 0,
    keys: Sequence[ApiKey] = (LOCAL,),
    token_life_s: float = 3600,
    store: AccountFile | None = None,
    clock: Clock | None = None,
) -> Emulator:
    """Return an emulator; `against` holds what it answers to the contract."""
    return Emulator(
        behaviour=behaviour,
        rate=rate,
        keys=keys,
        token_life_s=token_life_s,
        faults=faults,
        clock=clock or VirtualClock(),
        store=store,
        witness=Watch(requests=False),
    )


def against(served: Emulator, steps: Steps) -> None:
    async def begin() -> None:
        async with httpx.AsyncClient(transport=EmulatorTransport(served), base_url="http://emulator.example") as client:
            await sign_in(client)
            await steps(client)

    run(begin())
    assert isinstance(served.witness, Watch)
    assert served.witness.found == []


async def sign_in(client: httpx.AsyncClient, client_id: str = "local") -> None:
    form = {"grant_type": "client_credentials"}
    reply = await client.post("/oauth/token", auth=(client_id, "local"), data=form)
    assert reply.status_code == 200, reply.text
    client.headers["authorization"] = f"Bearer {reply.json()['access_token']}"


class Stopped:
    """A clock that a test moves by hand, where nothing waits."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.monotonic = now

    async def sleep(self, wait_s: float) -> None:
        raise AssertionError(f"nothing waits {wait_s} s here")
