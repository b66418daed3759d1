"""
The whole way from a declared state to an account, in virtual time: our real client, planner, applier and ledger
against the model of the API.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from api_model import ModelApi, Ways
from api_ways import Hook, healthy
from clocks import EPOCH_S, VirtualClock
from clocks import run as in_virtual_time
from contract_watch import hold

from reconciler.api.client import ApiClient
from reconciler.api.limit import Budget
from reconciler.crash_points import Step, no_hook
from reconciler.ledger.base import Ledger
from reconciler.ledger.open import open_ledger
from reconciler.model.core import Desired, EnvironmentRef
from reconciler.model.plan import Outcome, Plan
from reconciler.model.policy import UNBOUNDED, Terms
from reconciler.pipeline import apply, plan

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
    halt: str
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

    `allowance` bounds each run.
    `step` is told of every step of a run (`crash_points`); `answers` may stand between the client and the API.
    What comes to the API, and what it answers, is held to the contract; what `answers` makes of that is not.
    """

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
        self.answers: Callable[[httpx.Request], httpx.Response] = self.api.handler

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
        planned, _ = self._run(self._plan(desired, terms or Terms(REF, rate_per_s=0.0), keep=keep))
        return planned.plan

    def apply(self, desired: Desired, terms: Terms | None = None) -> Applied:
        """Plan and apply."""
        return self._run(self._apply(desired, terms or Terms(REF, rate_per_s=0.0)))

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

                carried = await self.stages.carry_out(
                    client,
                    ledger,
                    planned,
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
