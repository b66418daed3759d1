"""
Edits by hand right after a write of ours, on a server of any ways: each counts as soon as a list shows it.

`wrong_at_once` says what was believed that should not have been: an edit that no plan and no drift shows, that a saved
plan or an undo would overwrite, or a list that lags and is taken for an edit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from plan_values import customer, declared
from switch_matrix import UNDER
from world import SwitchedWorld

from reconciler.model.core import Action, Desired
from reconciler.model.plan import Plan
from reconciler.model.reports import Drift, DriftKind
from reconciler.pipeline import plan
from reconciler.plan.drift import drift_of
from reconciler.plan.scope import Seen
from reconciler.plan.undo import make_undo
from reconciler.rules import Behaviour

_SHM = Path("/dev/shm")  # noqa: S108 - memory, where there is such: a commit then costs nothing
MOMENTS_S = (0.0, 1.5, 6.0)
"""So long after our write somebody edits; the lag bound is 10 s."""
SEEN_S = 0.01


class EditedWorld(SwitchedWorld):
    """A world whose drift, and the undo of whose last run, can be planned at any moment."""

    def planned(self, desired: Desired) -> plan.Planned:
        """Return the plan, and what it was made from."""
        return self._run(self._plan(desired, UNDER))[0]

    def drift(self, desired: Desired) -> Drift:
        """Return what the live side changed since the last run."""
        planned = self.planned(desired)
        return drift_of(planned.plan, Seen(desired, planned.live, planned.records, planned.learned, UNDER))

    def undo(self) -> Plan:
        """Return the plan that undoes the last run."""
        return self._run(self._undo()).plan

    async def _undo(self) -> plan.Planned:
        with self.ledger() as ledger:
            intents = ledger.intents(ledger.runs()[-1].id)
            async with self._client() as client:
                return await plan.make_of(
                    client, ledger, lambda live, records: make_undo(intents, live, records, UNDER), UNDER, say=_unsaid
                )


def _one(key: str, name: str):  # noqa: ANN202 - a DesiredCustomer
    return customer(key, fields={"name": name, "email": f"{key}@x.example"})


FIRST = declared(_one("patched", "One"), _one("left", "Left"), _one("shelved", "Shelved"), _one("back", "Back"))
SECOND = declared(_one("patched", "Two"), _one("left", "Left"), _one("made", "Made"), _one("back", "Back"))
THIRD = declared(_one("patched", "Three"), _one("left", "Left"), _one("made", "Made"), _one("back", "Back"))


def wrong_at_once(behaviour: Behaviour, moments_s: Iterable[float] = MOMENTS_S) -> Iterator[str]:
    """Yield what is wrong with a server of these ways, nothing where all is well; somebody edits at each moment."""
    with TemporaryDirectory(dir=_SHM if _SHM.is_dir() else None) as folder:
        written = _written(Path(folder), behaviour)
        yield from _lag_alone(written, behaviour)
        for moment_s in moments_s:
            yield from (f"edited after {moment_s:g} s: {words}" for words in _edited(written, behaviour, moment_s))
            yield from (f"archived after {moment_s:g} s: {words}" for words in _archived(written, behaviour, moment_s))


def _lag_alone(written: EditedWorld, behaviour: Behaviour) -> Iterator[str]:
    """Yield what a list that lags makes of our own writes: nothing may drift, and nothing be sent twice."""
    with TemporaryDirectory(dir=_SHM if _SHM.is_dir() else None) as folder:
        world = written.copied(Path(folder))
        written_s = world.api.now()
        for passed_s in (0.0, 1.0, 2.5, 4.0, 11.0):
            world.wait(passed_s - (world.api.now() - written_s))
            plan, drift = world.planned(SECOND).plan, world.drift(SECOND)
            yield from (f"{one.action} {one.address} is planned, and nobody did anything" for one in plan.changes)
            yield from (f"{one.address} is told as {one.kind}, and nobody did it" for one in drift.findings)
            # Whether archived ones are listed is not known yet: one that is may be listed for that, or restored.
            known = {"shelved"} if behaviour.lists_archived else set()
            doubted = {str(one.address) for one in plan.unverified} - known
            if bool(doubted) is not (passed_s < behaviour.lag_s) or drift.unverified != plan.unverified:
                yield f"{passed_s:g} s later {sorted(doubted)} cannot be verified, by drift {drift.unverified}"
            yield from (f"{key!r} cannot be verified" for key in doubted - {"made", "patched", "shelved"})
        sent = len(world.api.seen)
        world.apply(SECOND, UNDER)
        if any(one.method in ("PATCH", "DELETE") for one in world.api.seen[sent:]):
            yield "an apply sent again what was done"


def _edited(written: EditedWorld, behaviour: Behaviour, moment_s: float) -> Iterator[str]:
    """Yield where an edit by hand of a field that we just wrote is not seen."""
    with TemporaryDirectory(dir=_SHM if _SHM.is_dir() else None) as folder:
        world = written.copied(Path(folder))
        saved = world.planned(THIRD).plan
        world.wait(moment_s)
        for key in ("patched", "made", "left"):
            world.api.edit({"id": world.api.find(key).id, "name": "By hand"})
        world.wait(max(0.0, behaviour.lag_s - moment_s) + SEEN_S)
        patches = {str(one.address): one for one in world.planned(SECOND).plan.changes if one.action is Action.PATCH}
        for key in ("patched", "made", "left"):
            if key not in patches or patches[key].fields[0].before != "By hand":
                yield f"no plan shows the edit of {key!r}: {patches.get(key)}"
        found = {str(one.address): one for one in world.drift(SECOND).findings}
        yield from (f"{key!r} did not drift" for key in patches if found[key].kind is not DriftKind.CHANGED)
        now = {str(one.address): one for one in world.planned(THIRD).plan.changes}
        if [one for one in saved.changes if now[str(one.address)].fields == one.fields]:
            yield "a saved plan is the same as before the edit"
        yield from _undone(world)


def _undone(world: EditedWorld) -> Iterator[str]:
    """Yield where the undo of a run goes on over what somebody did since."""
    undo = world.undo()
    blocked = {str(one.address) for one in undo.blocked}
    sent = {str(one.address) for one in undo.changes}
    yield from (f"an undo goes on over the edit of {key!r}" for key in ("patched", "made") if key not in blocked - sent)


def _archived(written: EditedWorld, behaviour: Behaviour, moment_s: float) -> Iterator[str]:
    """Yield where an archive by hand is not seen; where archived ones are listed, it cannot be."""
    if behaviour.lists_archived:
        return
    with TemporaryDirectory(dir=_SHM if _SHM.is_dir() else None) as folder:
        world = written.copied(Path(folder))
        world.wait(moment_s)
        for key in ("patched", "made"):
            world.api.edit({"id": world.api.find(key).id, "archived": True})
        world.wait(max(0.0, behaviour.lag_s - moment_s) + SEEN_S)
        planned = world.planned(SECOND).plan
        restores = {str(one.address) for one in planned.changes if one.action is Action.RESTORE}
        if "patched" not in restores:
            yield f"no plan restores what was only patched before: {planned.changes}"
        if "made" not in restores and "made" not in {str(one.address) for one in planned.unverified}:
            yield "the plan takes what was created before for verified"
        world.wait(10)
        world.apply(SECOND, UNDER)
        yield from (f"{key!r} is not restored" for key in ("patched", "made") if world.api.find(key).archived)
        if len([one for one in world.api.customers() if one.external_id == "made"]) > 1:
            yield "'made' is doubled"


def _written(folder: Path, behaviour: Behaviour) -> EditedWorld:
    """Return a world in which a run has just created, patched and archived customers."""
    world = EditedWorld(folder, replace(behaviour, ignores=frozenset(), external_ids=Behaviour().external_ids))
    world.apply(FIRST, UNDER)
    world.wait(60)
    world.apply(SECOND, UNDER)
    return world


def _unsaid(_: str) -> None:
    """Say nothing."""
