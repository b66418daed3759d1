"""The whole way from declared customers to an account, in virtual time: behind the model, or behind the emulator."""

from __future__ import annotations

import asyncio
import copy
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import api_ways
import httpx
from api_account import Customer, Seen, User
from api_contract import hold, hold_call
from api_model import ModelApi
from api_ways import Hook, Ways, healthy
from clocks import EPOCH_S, Dead, Death, Killed, VirtualClock
from clocks import run as in_virtual_time

from reconciler.api.client import ApiClient
from reconciler.api.limit import Budget
from reconciler.apply.direct_request import DirectRequest
from reconciler.crash_points import Step, no_hook
from reconciler.emulator.server import EmulatorTransport
from reconciler.emulator.service import Emulator, load
from reconciler.errors import ReconcilerError
from reconciler.ledger.base import Ledger
from reconciler.ledger.open import open_ledger
from reconciler.model.core import Desired, EnvironmentRef
from reconciler.model.plan import Outcome, Plan
from reconciler.model.policy import UNBOUNDED, Terms
from reconciler.model.reasons import Ending
from reconciler.pipeline import api_change, apply, plan
from reconciler.pipeline.api_change import RequestResult
from reconciler.rules import Behaviour

BASE_URL = "http://127.0.0.1:8085"
REF = EnvironmentRef("test", BASE_URL, "0" * 64)


@dataclass(frozen=True, slots=True)
class Applied:
    """
    What an apply planned, what became of it, and how many requests planning and applying took.

    `waited`: it waited for what could not be verified yet, and read the account twice.
    `estimates` are, at each outcome, the time and how long the run was said to take yet; it ended at `ended_s`.
    """

    plan: Plan
    outcomes: tuple[Outcome, ...]
    planning: int
    requests: int
    halt: Ending | None
    spent: bool = False
    estimates: tuple[tuple[float, float | None], ...] = ()
    ended_s: float = 0.0
    waited: bool = False


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages of a run, so that a variant of them can be tried: `planning.make`, `applying.carry_out`, `new_run`."""

    make: Callable[..., Any] = plan.make
    carry_out: Callable[..., Any] = apply.carry_out
    new_run: Callable[..., Any] = apply.new_run


class World:
    """
    An account behind a model of the API, a ledger in `folder`, and time that passes only when waited for.

    `allowance` bounds each run. `agrees`: someone allows whatever exceeds a limit, as with a flag.
    `step` is told of every step of a run (`crash_points`); `answers` may stand between the client and the API.
    What comes to the API, and what it answers, is held to the contract; what `answers` makes of that is not.
    """

    terms = Terms(REF, rate_per_s=0.0)
    """Of a run that is given no others."""

    def __init__(
        self,
        folder: Path,
        ways: Ways | None = None,
        *,
        fault: Hook = healthy,
        rate_per_s: float = 0.0,
        stages: Stages | None = None,
    ) -> None:
        self.passed_s = 0.0
        self.api = ModelApi(ways or Ways(), self._now, fault=fault, witness=hold)
        self.rate_per_s = rate_per_s
        self.stages = stages or Stages()
        self._folder = folder
        self._ledgers = 0
        self._ended_s = 0.0
        self.step: Step = no_hook
        self.allowance = UNBOUNDED
        self.agrees = True
        self.answers: Callable[[httpx.Request], httpx.Response] = self.api.handler

    def copied(self, folder: Path) -> Self:
        """Return a world of its own, as this one stands now, with its ledger in `folder`."""
        shutil.copytree(self._folder, folder, dirs_exist_ok=True)
        world = copy.deepcopy(self)
        world._folder = folder  # noqa: SLF001 - its own class
        return world

    def died(self, folder: Path) -> Self:
        """Return the world that a process leaves that dies now, in the middle of its run: the account and the disk."""
        step, self.step = self.step, no_hook
        world = self.copied(folder)
        self.step = step
        world.passed_s = self._now() - EPOCH_S
        return world

    def _now(self) -> float:
        """Return the server's clock: what has passed before this run, and the running loop's time."""
        try:
            running = asyncio.get_running_loop().time()
        except RuntimeError:
            running = 0.0
        return EPOCH_S + self.passed_s + running

    def wait(self, seconds: float) -> None:
        """Let time pass between runs."""
        self.passed_s += seconds

    def lose_ledger(self) -> None:
        """Go on with no ledger."""
        self._ledgers += 1

    def ledger(self) -> Ledger:
        """Return the ledger, open for writing."""
        path = self._folder / f"ledger-{self._ledgers}.db"
        return open_ledger(str(path), environment=REF.name, base_url=BASE_URL, step=self.step)

    def plan(self, desired: Desired, terms: Terms | None = None, *, keep: bool = False) -> Plan:
        """Return the plan for `desired`; with `keep` the ledger learns what it can."""
        planned, _ = self._run(self._plan(desired, terms or self.terms, keep=keep))
        return planned.plan

    def apply(self, desired: Desired, terms: Terms | None = None) -> Applied:
        """Plan and apply."""
        return self._run(self._apply(desired, terms or self.terms))

    def _run(self, coroutine):  # noqa: ANN001, ANN202 - the coroutine's own type
        async def timed():  # noqa: ANN202
            try:
                return await coroutine
            finally:
                self._ended_s = asyncio.get_running_loop().time()

        try:
            return in_virtual_time(timed())
        finally:
            self.passed_s += self._ended_s

    def _client(self) -> ApiClient:
        clock = VirtualClock(EPOCH_S + self.passed_s)
        return ApiClient(
            base_url=BASE_URL,
            client_id="local",
            client_secret="local",
            clock=clock,
            jitter=lambda: 0.5,
            rate_per_s=self.rate_per_s,
            transport=httpx.MockTransport(self.answers),
            step=self.step,
            budget=Budget(clock, self.allowance),
        )

    async def _plan(self, desired: Desired, terms: Terms, *, keep: bool = False) -> tuple[plan.Planned, int]:
        with self.ledger() as ledger:
            async with self._client() as client:
                planned = await self.stages.make(client, ledger, desired, terms, say=_silent)
                if keep:
                    plan.keep_learned(ledger, planned)
                return planned, client.requests

    async def _apply(self, desired: Desired, terms: Terms) -> Applied:
        clock = VirtualClock(EPOCH_S + self.passed_s)
        with self.ledger() as ledger:
            async with self._client() as client:
                said: list[str] = []
                planned = await self.stages.make(
                    client, ledger, desired, terms, say=_silent, price=said.append, patience=clock, lacked={}
                )
                planned_in = client.requests
                ended: list[tuple[float, float | None]] = []

                def told(one: object) -> None:
                    if isinstance(one, Outcome):
                        ended.append((clock.monotonic(), apply.time_left(client, planned, len(ended) + 1)))

                agreed = replace(planned, plan=replace(planned.plan, limits=())) if self.agrees else planned
                carried = await self.stages.carry_out(
                    client,
                    ledger,
                    agreed,
                    terms,
                    run=self.stages.new_run(clock, "apply"),
                    clock=clock,
                    stop=asyncio.Event(),
                    tell=told,
                )
        return Applied(
            planned.plan,
            carried.result.outcomes,
            planned_in,
            client.requests - planned_in,
            carried.result.halt,
            carried.result.spent,
            tuple(ended),
            clock.monotonic(),
            any(text.startswith("waiting") for text in said),
        )


def _silent(_: str) -> None:
    """Say nothing."""


def _ignored(_: Outcome) -> None:
    """Hear nothing."""


def done(outcomes: Sequence[Outcome]) -> bool:
    """Say whether every change was done."""
    return all(one.status == "done" for one in outcomes)


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


class CallingWorld(World):
    """A world in which single requests are made too."""

    def call(self, call: DirectRequest, terms: Terms | None = None) -> RequestResult:
        """Make a call, as the command does under its lock; raises what it raises."""
        return self._run(self._call(call, terms or self.terms))

    def dies(self, call: DirectRequest, at: int) -> bool:
        """Make a call whose process dies at its `at`-th step; say whether it came so far."""
        self.step = death = Death(at)
        try:
            self.call(call)
        except (Killed, Dead, ReconcilerError):
            pass
        finally:
            self.step = no_hook
        return death.taken >= at

    async def _call(self, call: DirectRequest, terms: Terms) -> RequestResult:
        clock = VirtualClock(EPOCH_S + self.passed_s)
        try:
            with self.ledger() as ledger:
                async with self._client() as client:
                    prepared = await api_change.prepare(client, ledger, call, terms)
                    return await api_change.carry_out(
                        client,
                        ledger,
                        prepared,
                        terms,
                        run=apply.new_run(clock, call.name),
                        clock=clock,
                        stop=asyncio.Event(),
                        tell=lambda _: None,
                    )
        except Killed:
            raise Dead from None
