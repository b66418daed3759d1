"""An emulator in this process, in virtual time: a wait costs nothing, and neither does a socket."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
from workbench import Server

from reconciler.api.client import ApiClient
from reconciler.emulator.calls import Call
from reconciler.emulator.control import control
from reconciler.emulator.server import EmulatorTransport
from reconciler.emulator.service import Emulator
from reconciler.settings import Environment

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # tests are no package

from clocks import EPOCH_S, VirtualLoop

Result = TypeVar("Result")
_URL = "http://127.0.0.1:8085"


class LongLoop(VirtualLoop):
    """A virtual loop for years: after 97 days a nanosecond, which its timers allow for, is less than a float tells."""

    def __init__(self) -> None:
        super().__init__()
        self._clock_resolution = 1e-6


@dataclass(frozen=True, slots=True)
class LoopClock:
    """A `reconciler.clock.Clock` in the time of one loop, which passes only where something waits under it."""

    loop: asyncio.AbstractEventLoop

    def now(self) -> float:
        """Return the time of day, in seconds since 1970."""
        return EPOCH_S + self.loop.time()

    def monotonic(self) -> float:
        """Return the seconds that were waited for so far."""
        return self.loop.time()

    async def sleep(self, wait_s: float) -> None:
        """Wait in virtual time."""
        await asyncio.sleep(wait_s)


@dataclass(frozen=True, slots=True)
class Virtual:
    """One loop for every run, and the emulator that lives in its time."""

    runner: asyncio.Runner
    clock: LoopClock
    served: Emulator

    @property
    def loop(self) -> VirtualLoop:
        """Return the loop in whose time all happens."""
        loop = self.runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        return loop

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run `coroutine` to its end, and return its result."""
        return self.runner.run(coroutine)

    def client(self, environment: Environment) -> ApiClient:
        """Return a client of the emulator, not entered yet; how long it backs off is the same in each run."""
        credentials = environment.credentials()
        return ApiClient(
            base_url=environment.base_url(),
            client_id=credentials.client_id,
            client_secret=credentials.client_secret.reveal(),
            clock=self.clock,
            jitter=random.Random(0).random,  # noqa: S311 - it must repeat
            rate_per_s=environment.rate_per_s,
            transport=EmulatorTransport(self.served),
        )


@contextmanager
def virtual() -> Iterator[tuple[Server, Virtual]]:
    """Yield an emulator without a limit, its account empty, and the time that it lives in."""
    with asyncio.Runner(loop_factory=LongLoop) as runner:
        clock = LoopClock(runner.get_loop())
        served = Emulator(rate=0, clock=clock)

        def told(request: httpx.Request) -> httpx.Response:
            path, _, query = request.url.raw_path.decode("ascii").partition("?")
            answer = control(served, Call(request.method, path, query, body=request.read()))
            return httpx.Response(answer.status, content=answer.body)

        with httpx.Client(base_url=_URL, transport=httpx.MockTransport(told)) as talks:
            yield Server(_URL, talks), Virtual(runner, clock, served)
