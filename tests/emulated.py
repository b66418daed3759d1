"""The emulator for tests: an httpx client to it without a socket, in virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import httpx
from clocks import VirtualClock, run
from contract_watch import Watch

from reconciler.clock import Clock
from reconciler.emulator.faults import Faults
from reconciler.emulator.server import EmulatorTransport
from reconciler.emulator.service import LOCAL, ApiKey, Emulator
from reconciler.emulator.store import AccountFile
from reconciler.rules import Behaviour

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
