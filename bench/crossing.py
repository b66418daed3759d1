"""What else befalls the histories of `matrix.py`: deaths before each phase, and drift and import after it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # tests are no package

from story import Story
from switch_matrix import impossible
from test_crash import Dead, Death, Killed, Mortal
from world import SwitchedWorld

from reconciler.crash_points import no_hook
from reconciler.desired.load import load_desired
from reconciler.desired.write import adopt, write_customers
from reconciler.errors import Incomplete, Refused
from reconciler.model.core import Desired
from reconciler.model.ledger import Records
from reconciler.model.plan import Plan
from reconciler.model.reports import Drift, DriftKind
from reconciler.pipeline import inspect
from reconciler.plan.drift import drift_of
from reconciler.plan.scope import Seen
from reconciler.rules import Behaviour

STEPS = 90
"""So many steps a run of these histories takes at most."""


class Crossing(Mortal, SwitchedWorld):
    """A world whose runs may die, and whose drift and import can be read."""

    def drift(self, story: Story) -> Drift:
        """Return what the live side changed since the last run."""
        planned, _ = self._run(self._plan(story.desired, story.terms))
        return drift_of(planned.plan, Seen(story.desired, planned.live, planned.records, planned.learned, story.terms))

    def imported(self, folder: Path) -> Desired:
        """Return what an import of the account declares, read from the file that it writes."""
        account = self._run(self._account())
        entries = adopt(account.customers, account.users).entries
        (folder / "customers.yaml").write_text(write_customers(entries), encoding="utf-8")
        return load_desired(["customers.yaml"], root=folder).desired

    async def _account(self) -> inspect.LiveAccount:
        async with self._client() as client:
            return await inspect.account(client, Records(), chosen=lambda _: True, users=True, say=_unsaid)


@dataclass(slots=True)
class Befalls:
    """What happens around the phases of one history; `wrong` is what it found."""

    behaviour: Behaviour
    number: int
    deaths: int = 0
    wrong: list[str] = field(default_factory=list)

    def before(self, story: Story, phase: str) -> None:
        """Let a run die at a step that is another in each history and phase."""
        world = story.world
        assert isinstance(world, Crossing)
        if phase == "second":
            self._drifted(world, story)
        death = Death(1 + (self.number * 7 + sum(map(ord, phase))) % STEPS)
        world.wait(60)
        world.step = death
        with suppress(Dead, Killed, Incomplete, Refused):
            world.apply(story.desired, story.terms)
        world.step = no_hook
        self.deaths += death.taken >= death.at

    def after(self, story: Story, phase: str) -> None:
        """Hold that nothing drifted, and that an import plans to nothing."""
        world = story.world
        assert isinstance(world, Crossing)
        world.wait(60)
        stuck = {address for address, _ in impossible(self.behaviour, phase)} | {"strange", "old"}
        drifted = [one for one in world.drift(story).findings if str(one.address) not in stuck]
        self.wrong += [f"{phase}: {one.address} is told as {one.kind}, and nobody did it" for one in drifted]
        self.wrong += [f"{phase}: after an import {words}" for words in self._left_by_import(world, story)]

    def _drifted(self, world: Crossing, story: Story) -> None:
        """Hold that drift names whom somebody edited and archived."""
        world.wait(60)
        found = {str(one.address): one.kind for one in world.drift(story).findings}
        if found.get("patched") is not DriftKind.CHANGED:
            self.wrong.append(f"an edit is told as {found.get('patched')}")
        hidden = DriftKind.ARCHIVED if self.behaviour.gets_archived else DriftKind.GONE
        archived = None if self.behaviour.lists_archived else hidden
        if found.get("returned") is not archived:
            self.wrong.append(f"an archive is told as {found.get('returned')}")

    def _left_by_import(self, world: Crossing, story: Story) -> Iterator[str]:
        """Yield what a plan of an import would do, made without a ledger."""
        with TemporaryDirectory() as folder:
            desired = world.imported(Path(folder))
            kept, world._ledgers = world._ledgers, world._ledgers + 1000  # noqa: SLF001 - a ledger for this alone
            plan: Plan = world.plan(desired, story.terms)
            world._ledgers = kept  # noqa: SLF001
        yield from (f"{one.action} {one.address}" for one in plan.changes)
        yield from (f"{row.address} is blocked: {row.reason}" for row in plan.blocked)


def _unsaid(_: str) -> None:
    """Say nothing."""
