"""A `World` whose account is behind the emulator, with any of its switches, as `World` has it behind the model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import api_ways
import httpx
from api_account import Customer, User
from api_routes import Seen
from contract_watch import hold_call
from world import Stages, World

from reconciler.emulator.server import EmulatorTransport
from reconciler.emulator.service import Emulator, load
from reconciler.rules import Behaviour


@dataclass(frozen=True, slots=True)
class Passing:
    """The server's clock: it goes on between runs, as the loops of the runs do not."""

    now: Callable[[], float]

    def monotonic(self) -> float:
        """Return the time of day: it never goes back here."""
        return self.now()

    async def sleep(self, wait_s: float) -> None:
        """Wait in virtual time."""
        await asyncio.sleep(wait_s)


@dataclass(slots=True)
class SwitchedApi:
    """What a `Story` wants to see of an API: the account, the time, and the requests that arrived."""

    served: Emulator
    ways: api_ways.Ways
    complaints: list[str] = field(default_factory=list)

    @property
    def account(self) -> SwitchedApi:
        """Return what the API holds: itself."""
        return self

    @property
    def now(self) -> Callable[[], float]:
        """Return the server's clock."""
        return self.served.now

    @property
    def seen(self) -> list[Seen]:
        """Return every request that arrived."""
        return [Seen(one.method, one.path, one.query, one.status, one.time) for one in self.served.requests]

    def customers(self) -> list[Customer]:
        """Return every customer as it is now."""
        account = self.served.account
        return [
            Customer(
                one.id,
                one.external_id,
                one.created_us,
                {name: text for name, text in one.fields.items() if name not in _APART},
                one.archived,
                tuple(
                    User(user.id, user.email, user.fields.get("first_name", ""), user.fields.get("last_name", ""))
                    for user in account.users.get(one.id, ())
                ),
                one.fields.get("customer_integration_id", ""),
            )
            for one in account.customers.values()
        ]

    def listed(self) -> list[tuple[int, float, Customer]]:
        """Return what a list shows once everything is to be seen."""
        shown = [one for one in self.customers() if self.ways.lists_archived or not one.archived]
        return [(number, 0.0, one) for number, one in enumerate(shown)]

    def find(self, external_id: str) -> Customer:
        """Return the first customer with an external_id."""
        return next(one for one in self.customers() if one.external_id == external_id)

    def edit(self, *customers: dict[str, object]) -> list[str]:
        """Let somebody else make or change customers, past every rule: as `POST /_emulator/load`."""
        return load(self.served.account, customers, self.now())


class SwitchedWorld(World):
    """A world with a behaviour of the emulator; `rate_per_s` is the emulator's limit, 0 none."""

    api: SwitchedApi  # type: ignore[assignment]

    def __init__(
        self, folder: Path, behaviour: Behaviour, *, limit_per_s: float = 0.0, stages: Stages | None = None
    ) -> None:
        ways = ways_of(behaviour)
        super().__init__(folder, ways, stages=stages)
        served = Emulator(behaviour=behaviour, rate=limit_per_s, clock=Passing(self._now), witness=hold_call)
        self.api = SwitchedApi(served, ways)
        self._between: list[Callable[[], None]] = []
        self._transport = EmulatorTransport(served)
        self.answers = self._answered  # type: ignore[assignment]

    def between(self, acts: Sequence[Callable[[], None]]) -> None:
        """Let others do `acts`, one before each page but the first of a list of customers."""
        self._between = list(acts)

    async def _answered(self, request: httpx.Request) -> httpx.Response:
        """Answer a request, somebody else having acted before a later page."""
        if self._between and request.url.path == "/customers" and "after" in request.url.params:
            self._between.pop(0)()
        return await self._transport.handle_async_request(request)


_APART = ("external_id", "customer_integration_id")
_REWRITES = {one.value: one for one in api_ways.Rewrite}


def ways_of(behaviour: Behaviour) -> api_ways.Ways:
    """Return the model's words for what the rules of `rulebook` ask of a server."""
    rewrites = [_REWRITES[one.value] for one in behaviour.rewrites]
    lowered: Iterable[api_ways.Rewrite] = (api_ways.Rewrite.EMAIL,) if behaviour.email_lowered else ()
    return api_ways.Ways(
        lists_archived=behaviour.lists_archived,
        gets_archived=behaviour.gets_archived,
        patches_archived=behaviour.patches_archived,
        unique=api_ways.Unique(behaviour.unique.value),
        rewrites=frozenset((*rewrites, *lowered)),
        ignores=behaviour.ignores,
        empties=api_ways.Empties(behaviour.clears.value),
        page_max=behaviour.page_max,
        lag_s=behaviour.lag_s,
    )
