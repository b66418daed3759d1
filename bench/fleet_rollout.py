"""What becomes of a rollout on workers when some of them are killed, stopped for a minute, or lose their queue."""

from __future__ import annotations

import json
import random
import signal
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fleet_served import Wanted, Watched, served
from fleet_workers import (
    AGAIN_S,
    EMPTY,
    LONGEST_S,
    STALLED_S,
    OneWorker,
    Place,
    Rows,
    ask,
    placed,
    say,
    seed,
    until,
    working,
)

CUSTOMERS, NEW = 20, 2
STOPPED_S = 60.0
BUSY = 8
"""Jobs in a worker, at least, when it is stopped."""
_FLEET = {"waves": "[{share: 100%}]", "policy": "{max_accounts_changed: 100%}"}


@dataclass(slots=True)
class Seen:
    """What the server saw of a rollout that has ended, and how it ended."""

    watched: Watched
    states: Counter[str]
    code: int | None
    accounts: int

    @property
    def created(self) -> int:
        """Return how many new customers there are, each counted once."""
        return len(self.watched.created)

    @property
    def missing(self) -> int:
        """Return how many new customers there are not."""
        return self.accounts * NEW - self.created

    def good(self) -> bool:
        """Say whether all was done, and nothing twice."""
        done = self.states == {"done": self.accounts} and not self.code
        return done and not (self.missing or self.watched.doubled)

    def text(self) -> str:
        """Return it in a line."""
        states = ", ".join(f"{number} {state}" for state, number in sorted(self.states.items()))
        return (
            f"{states}; {self.created} of {self.accounts * NEW} created, {self.watched.doubled} twice, "
            f"{self.watched.overlaps()} jobs overlapping, exit code {self.code}"
        )


@dataclass(slots=True)
class Running:
    """A rollout that workers carry out, and whoever waits for it."""

    place: Place
    workers: list[OneWorker]
    process: subprocess.Popen[bytes]
    counted: Callable[..., Watched]
    watched: Watched = field(default_factory=Watched)

    def look(self) -> Watched:
        """Return what the server has counted since the rollout began."""
        new = self.counted()
        self.watched.sent += new.sent
        self.watched.created.update(new.created)
        self.watched.throttled.update(new.throttled)
        return self.watched

    def seen(self, names: Sequence[str]) -> Seen:
        """Wait for the end of the rollout, and return what was seen."""
        until(lambda: self.process.poll() is not None, LONGEST_S)
        time.sleep(1)
        watched = self.look()
        ((started,),) = ask(self.place.project.state, "SELECT max(started_at) FROM reconciler.fleet_rollouts")
        # What came before are the plans.
        watched.sent = [one for one in watched.sent if one.at_s > float(str(started))]
        items = json.loads(self.place.project.run("fleet", "rollout", "status", "--format", "json"))["accounts"]
        return Seen(watched, Counter(one["state"] for one in items), self.process.poll(), len(names))


@contextmanager
def rolling(place: Place, counted: Callable[..., Watched], count: int) -> Iterator[Running]:
    """Yield a rollout in which the first customers were just created."""
    project = place.project
    place.lay()
    counted("anew")
    seed(project)
    with working(project, count) as workers:
        process = subprocess.Popen(  # noqa: S603 - our own command
            project.command("fleet", "submit", "apply", "--auto-approve", "--wait", "-q"),
            cwd=project.folder,
            env=project.variables,
            stdout=subprocess.DEVNULL,
        )
        try:
            one = Running(place, workers, process, counted)
            until(lambda: bool(one.look().created) or process.poll() is not None)
            yield one
        finally:
            process.kill()
            process.wait()


@contextmanager
def changed(folder: Path, names: Sequence[str], latency_s: float) -> Iterator[tuple[Place, Callable[..., Watched]]]:
    """Yield accounts whose files each have new customers, on an API that takes an external_id twice."""
    wanted = Wanted(CUSTOMERS, latency_s=latency_s, own="", lax=True)
    with served(wanted) as (url, counted), placed(folder, names, url, CUSTOMERS, **_FLEET) as place:
        for name in names:
            place.project.add(name, CUSTOMERS + NEW)
        yield place, counted


def rollout(folder: Path, accounts: int, rounds: int) -> tuple[Rows, bool]:
    """Kill two of three workers in the middle of a rollout, without starting them again; and empty the queue once."""
    names = [f"a{number:03}" for number in range(accounts)]
    chance = random.Random(0)  # noqa: S311 - moments
    found: list[Seen] = []
    cut: list[int] = []
    again_s: list[float] = []
    with changed(folder, names, 0.3) as (place, counted):
        for _ in range(rounds):
            with rolling(place, counted, 3) as running:
                number, killed_at = 0, 0.0
                for one in running.workers[:2]:
                    time.sleep(chance.uniform(0.2, 4.0))
                    number += one.running()
                    one.kill()
                    killed_at = time.time()
                cut.append(number)
                found.append(running.seen(names))
            spans = found[-1].watched.jobs().values()
            again_s += [one[-1][0] - killed_at for one in spans if len(one) > 1]
            say(f"{number} running when killed: {found[-1].text()}")
        with rolling(place, counted, 3) as running:
            time.sleep(chance.uniform(0.2, 4.0))
            ask(place.project.state, f"{EMPTY} CASCADE")
            at_s = time.time()
            emptied = running.seen(names)
            took_s = time.time() - at_s
        say(f"queue emptied: {emptied.text()}")
    rows = [
        *_rows(found),
        ("overlapping jobs of one account", f"{sum(one.watched.overlaps() for one in found)}", "= 0"),
        ("jobs in the killed workers, a round", f"{statistics.mean(cut):.0f}", ""),
        ("begun again after the kill, s: most", f"{max(again_s, default=0):.0f}", f"<= {STALLED_S + AGAIN_S:g}"),
        ("queue emptied: ended, created twice", f"{emptied.states['done']}, {emptied.watched.doubled}", "all, 0"),
        ("queue emptied: seconds until its end", f"{took_s:.0f}", ""),
    ]
    return rows, all(one.good() and not one.watched.overlaps() for one in (*found, emptied))


def _rows(found: Sequence[Seen]) -> list[tuple[str, str, str]]:
    """Return what rounds showed in all."""
    accounts = sum(one.accounts for one in found)
    return [
        ("accounts applied", f"{sum(one.states['done'] for one in found)} of {accounts}", "all"),
        ("customers created", f"{sum(one.created for one in found)} of {accounts * NEW}", "all"),
        ("created twice", f"{sum(one.watched.doubled for one in found)}", "= 0"),
    ]


def stopped(folder: Path, accounts: int, rounds: int) -> tuple[Rows, bool]:
    """Stop a worker for a minute in mid-apply, as a machine does that is suspended, and let it go on."""
    names = [f"a{number:03}" for number in range(accounts)]
    chance = random.Random(0)  # noqa: S311 - moments
    found: list[Seen] = []
    held = refused = again = reads = late = 0
    with changed(folder, names, 1.0) as (place, counted):
        for _ in range(rounds):
            with rolling(place, counted, 2) as running:
                one = running.workers[0]
                time.sleep(chance.uniform(0.0, 4.0))
                until(lambda one=one: one.running() >= BUSY)  # type: ignore[misc]
                held += one.running()
                one.process.send_signal(signal.SIGSTOP)
                stopped_at = time.time()
                time.sleep(STOPPED_S)
                one.process.send_signal(signal.SIGCONT)
                gone_on_at = time.time()
                found.append(running.seen(names))
                until(lambda one=one: one.running() == 0, 60)  # type: ignore[misc]
                refused += sum("was taken over by another worker" in line for line in one.printed)
                watched = running.look()
            ((number,),) = ask(place.project.state, "SELECT count(*) FROM reconciler.fleet_items WHERE attempts > 1")
            again += int(str(number))
            before = {one.job for one in watched.sent if one.at_s < stopped_at}
            after = [one for one in watched.sent if one.job in before and one.at_s > gone_on_at]
            reads += sum(not one.writes for one in after)
            late += sum(one.writes for one in after)
            say(found[-1].text())
    rows = [
        *_rows(found),
        ("applies in the stopped worker", f"{held}", ""),
        ("of them taken over while it was stopped", f"{again}", "> 0"),
        ("that did not count when it went on", f"{refused}", "> 0"),
        ("reads, writes of its jobs when it went on", f"{reads}, {late}", "any, 0"),
    ]
    return rows, all(one.good() for one in found) and again > 0 and refused > 0 and late == 0
