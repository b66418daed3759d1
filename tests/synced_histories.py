"""
Random histories of an account that an integration fills and edits, while a repository plans and applies it daily.

Each has a server of random ways, and between and within the runs the integration renames, edits, archives, restores and
creates. What must hold of every run is here; `bench/matrix.py --integration N` tells N of them.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from plan_values import declared
from story import TERMS, Ran, Story
from switch_matrix import behaviour_of
from world import SwitchedWorld

from reconciler.emulator.integration import Integration, SyncedRecord
from reconciler.errors import Source
from reconciler.kinds.kind import CUSTOMER_FIELDS
from reconciler.model.core import Action, CustomerId, Desired, DesiredCustomer, Reason, Status
from reconciler.model.ledger import BindingState
from reconciler.model.plan import Blocked, Change
from reconciler.model.policy import Lifecycle, Prune, Share, SyncedRules
from reconciler.rules import Behaviour
from reconciler.rules.questions import QUESTIONS

DAYS = 10
DAY_S = 24 * 3600.0
COMPANIES = 6
MOST = 2
"""So often we archive, restore or patch one customer against the integration before that is blocked."""
LEFT_OUT = {"external_id", "invoices", "taken", "required", "error", "token", "counted", "empties", "not_emptied"}
"""Questions that have nothing to do with who else writes; each keeps its first way."""
_SHM = Path("/dev/shm")  # noqa: S108 - memory, where there is such
_CITIES = ("Boston", "Salem", "Dover", "Albany", "Trenton")
_WORDS = ("Harbor", "Juniper", "Meridian", "Quarry", "Saddle", "Tundra")
_KEY_PLACE = Source("customers.yaml", 4, 5)


@dataclass(slots=True)
class Lived:
    """What became of a history: what is wrong with it, and how often what was done."""

    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


class SyncedWorld(SwitchedWorld):
    """A world in which others act before some of the requests of a run."""

    def __init__(self, folder: Path, behaviour: Behaviour) -> None:
        super().__init__(folder, behaviour)
        self.acts: dict[int, Callable[[], None]] = {}
        self.asked = 0
        self.answers = self._interrupted  # type: ignore[assignment]

    async def _interrupted(self, request: httpx.Request) -> httpx.Response:
        """Answer a request, somebody else having acted before it where that is due."""
        self.asked += 1
        if act := self.acts.pop(self.asked, None):
            act()
        return await self._answered(request)


def history(seed: int) -> Lived:
    """Tell the history of a seed."""
    with TemporaryDirectory(dir=_SHM if _SHM.is_dir() else None) as folder:
        return _History(random.Random(seed), Path(folder)).told()  # noqa: S311 - chance, not a secret


def _behaviour(chance: random.Random) -> Behaviour:
    """Return a server of random ways."""
    asked = (question for question in QUESTIONS if question.key not in LEFT_OUT)
    return behaviour_of({question.key: chance.choice(list(question.ways)) for question in asked})


class _History:
    """One history while it is told."""

    def __init__(self, chance: random.Random, folder: Path) -> None:
        self.chance = chance
        self.lived = Lived()
        fields = frozenset(name for name in ("name", "city") if chance.random() < 0.3)
        self.rules = SyncedRules(chance.choice(list(Lifecycle)), fields)
        observes = self.rules.lifecycle is Lifecycle.OBSERVE
        prune = Prune.MANAGED if observes else chance.choice([Prune.MANAGED, Prune.ALL])
        every = Share(100, percent=True)
        terms = replace(
            TERMS, prune=prune, owns=("company-*",), synced=self.rules, max_archives=every, max_restores=every
        )
        self.world = SyncedWorld(folder, _behaviour(chance))
        self.story = Story(self.world, terms, self._declared())
        self.served = self.world.api.served
        records = tuple(self._record(number) for number in range(COMPANIES) if chance.random() < 0.7)
        self.served.connect(Integration(every_s=chance.choice([0.0, 3600.0]), records=records))
        self.times: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.restored_by_us: set[str] = set()

    @property
    def records(self) -> Mapping[str, SyncedRecord]:
        """Return what the integration has."""
        assert self.served.integration is not None
        return self.served.integration.records

    def _record(self, number: int) -> SyncedRecord:
        """Return a company as the integration has it."""
        key = f"company-{number}"
        fields = {"name": f"{_WORDS[number]} Works LLC", "email": f"billing@{_WORDS[number].lower()}.example"}
        own = key if self.chance.random() < 0.4 else ""
        return SyncedRecord(f"int-{number}", {**fields, "city": self.chance.choice(_CITIES)}, key, own)

    def _declared(self) -> Desired:
        """Return the companies that the repository begins with."""
        return declared(*(self._entry(number) for number in range(COMPANIES) if self.chance.random() < 0.7))

    def _entry(self, number: int) -> DesiredCustomer:
        """Return a company as it is declared."""
        word = _WORDS[number]
        fields = {"name": f"{word} Works LLC", "email": f"billing@{word.lower()}.example"}
        return DesiredCustomer(f"company-{number}", {**fields, "city": self.chance.choice(_CITIES)}, _KEY_PLACE)

    def told(self) -> Lived:
        """Tell it, and return what became of it."""
        for day in range(DAYS):
            self._integration_works()
            self._repository_changes(day)
            self._run(within=True)
            self.world.wait(DAY_S)
        self._unblock()
        self.lived.counts.update({f"integration {name}": times for name, times in self._did().items()})
        return self.lived

    def _did(self) -> Mapping[str, int]:
        """Return what the integration did."""
        assert self.served.integration is not None
        return self.served.integration.did

    def _run(self, *, within: bool = False) -> Ran | None:
        """Plan and apply, the integration at work meanwhile, and hold the run to what must be so."""
        self.world.acts = {}
        if within:
            at = self.world.asked + self.chance.randint(2, 12)
            self.world.acts = {at: self._integration_works}
        # What lists do not show yet, nobody can know of.
        self.world.wait(self.served.behaviour.lag_s + 0.001)
        before = self._companies()
        ran = self.story.run()
        if ran is not None:
            self.lived.counts["runs"] += 1
            # One that the integration archived meanwhile is not live any more.
            still = {one.id for one in ran.after if not one.archived}
            self.lived.wrong += self._wrong(ran, {key for key, ids in before.items() if still & set(ids)})
        return ran

    # --- what others do --------------------------------------------------------------------------

    def _integration_works(self) -> None:
        """Let the integration edit some of its records, or get a new one, and sync at once where it does."""
        assert self.served.integration is not None
        rows: list[Mapping[str, Any]] = []
        for record in self.records.values():
            match self.chance.randrange(8):
                case 0:
                    rows.append({"id": record.id, "city": self.chance.choice(_CITIES)})
                case 1:
                    rows.append({"id": record.id, "deleted": not record.deleted})
                case 2 if self.chance.random() < 0.3:
                    rows.append({"id": record.id, "name": f"{record.fields['name'].split(' ', 1)[0]} Works Group"})
                case _:
                    pass
        # It gets only companies that are not here yet: nothing that is created here syncs back.
        free = [number for number in range(COMPANIES) if f"int-{number}" not in self.records]
        free = [number for number in free if f"company-{number}" not in self._companies()]
        new = tuple(self._record(number) for number in free if self.chance.random() < 0.1)
        self.served.integration.records |= {one.id: one for one in new}
        self.served.integration.edit(tuple(rows))
        self.served.sync()

    def _companies(self) -> Mapping[str, list[str]]:
        """Return the ids of the active customers of each company, by its key."""
        found: dict[str, list[str]] = {}
        numbers = {record.id: record.number for record in self.records.values()}
        for one in self.world.api.customers():
            synced = one.integration_id
            key = numbers.get(synced, synced) if synced else one.external_id
            if not one.archived:
                found.setdefault(key, []).append(one.id)
        return found

    def _repository_changes(self, day: int) -> None:
        """Let the repository change: a city, an archive, an entry that goes or comes."""
        for number in range(COMPANIES):
            key = f"company-{number}"
            entry = self.story.desired.customers.get(key)
            drawn = self.chance.random()
            if day == 0 or drawn > 0.15:
                continue
            if entry is None:
                self._put(self._entry(number))
            elif drawn < 0.05:
                self._put(replace(entry, fields={**entry.fields, "city": self.chance.choice(_CITIES)}))
            elif drawn < 0.1:
                self._put(replace(entry, archived=not entry.archived))
            else:
                customers = {name: one for name, one in self.story.desired.customers.items() if name != key}
                self.story.desired = replace(self.story.desired, customers=customers)
                self._forget(key)

    def _put(self, entry: DesiredCustomer) -> None:
        """Declare a customer anew; what was done to it before does not count against us any more."""
        self.story.desired = replace(
            self.story.desired, customers={**self.story.desired.customers, entry.external_id: entry}
        )
        self._forget(entry.external_id)

    def _forget(self, key: str) -> None:
        """Count anew what we do to a customer."""
        for one in [one for one in self.times if one[0] == key]:
            del self.times[one]

    # --- what must be so -------------------------------------------------------------------------

    def _wrong(self, ran: Ran, seen: set[str]) -> Iterator[str]:
        """Yield what is wrong with a run; `seen` are the companies that were live all the time."""
        self._agreed(ran)
        for one in ran.ended(Status.DONE):
            self.lived.counts[str(one.change.action)] += 1
            what = [row.name for row in one.change.fields] if one.change.action is Action.PATCH else [one.change.action]
            for name in what:
                self.times[one.change.address.external_id, str(name)] += 1
            yield from self._wrong_change(ran, one.change, seen)
        fought = ((key, what, times) for (key, what), times in self.times.items() if what != Action.CREATE)
        yield from (f"{key}: {what} {times} times" for key, what, times in fought if times > MOST)
        yield from (f"{one.address}: blocked without a fix" for one in ran.applied.plan.blocked if not _fix(one))

    def _agreed(self, ran: Ran) -> None:
        """Count anew where someone else has brought a customer to the state that is declared."""
        for key, entry in ran.desired.customers.items():
            row = ran.records.bindings.get(key)
            there = None if row is None else ran.customer(row.id)
            if row is None or there is None or there.archived is not entry.archived:
                continue
            if row.state is (BindingState.ACTIVE if entry.archived else BindingState.ABSENT):
                self.times.pop((key, str(Action.ARCHIVE if entry.archived else Action.RESTORE)), None)

    def _wrong_change(self, ran: Ran, change: Change, seen: set[str]) -> Iterator[str]:
        """Yield what is wrong with a change that was done."""
        key, entry, before = (
            change.address.external_id,
            ran.desired.customers.get(change.address.external_id),
            ran.customer(change.id),
        )
        synced = before is not None and bool(before.integration_id)
        decided = synced and self.rules.lifecycle is Lifecycle.OBSERVE
        wants_active = entry is not None and not entry.archived
        if change.action is Action.CREATE and key in seen:
            yield f"{key} is created beside a live customer of that company"
        if (change.action, wants_active) in ((Action.ARCHIVE, True), (Action.RESTORE, False)):
            yield f"{key}: {change.action}, and it is declared otherwise"
        if decided and (change.action is Action.ARCHIVE or change.reason in (Reason.ELSEWHERE, Reason.HIDDEN_OR_GONE)):
            yield f"{key}: {change.action}, and the integration decides that"
        owned = [row.name for row in change.fields if row.name in self.rules.fields]
        if synced and change.action is Action.PATCH and owned:
            yield f"{key}: {owned} patched, and the integration owns that"

    def _unblock(self) -> None:
        """Do what each block says until nothing of it is left; the integration rests meanwhile."""
        first = self._run()
        blocked = () if first is None else first.applied.plan.blocked
        for _ in range(6):
            if not blocked:
                return
            self.lived.counts["blocks"] += len(blocked)
            met = {(one.address, one.field) for one in blocked}
            for one in blocked:
                self._do(one)
            self.story.settle()
            ran = self._run()
            blocked = () if ran is None else ran.applied.plan.blocked
            again = [one for one in blocked if (one.address, one.field) in met and one.field is not None]
            self.lived.wrong += [f"{one.address} {one.field}: the fix does not work: {_fix(one)}" for one in again]
        self.lived.wrong += [f"{one.address}: blocked still after six fixes: {_fix(one)}" for one in blocked]

    def _do(self, one: Blocked) -> None:
        """Do what a block says."""
        entry = self.story.desired.customers.get(one.address.external_id)
        if entry is not None and one.field == "archived":
            self._put(replace(entry, archived=not entry.archived))
        elif entry is not None and one.field in CUSTOMER_FIELDS:
            self._put(replace(entry, ignore_changes=entry.ignore_changes | {one.field}))
        elif one.ids:
            chosen = self._choose(one.ids)
            number = int(one.address.external_id.rpartition("-")[2])
            self._put(replace(entry or self._entry(number), id=chosen))
            self.world.api.edit(*({"id": some, "archived": some != chosen} for some in one.ids))
        elif entry is not None:
            # An archived customer holds the external_id.
            held = (customer.id for customer in self.world.api.customers() if customer.external_id == entry.external_id)
            self.world.api.edit({"id": next(held), "archived": False})

    def _choose(self, ids: Sequence[CustomerId]) -> CustomerId:
        """Return which of several is the one: whom the integration keeps active, and never whom it archives again."""
        there = {one.id: one for one in self.world.api.customers()}
        with self.world.ledger() as ledger:
            rows = ledger.records().bindings.values()
        # Where archived ones are listed, nothing shows that one which we archived is active again.
        lists = self.served.behaviour.lists_archived
        ours = {row.bound_id for row in rows if lists and row.state is BindingState.ARCHIVED}

        def rank(one: CustomerId) -> tuple[bool, bool, bool]:
            archived = there[one].archived
            return one in ours, archived, bool(there[one].integration_id) is archived

        wanted = sorted(ids, key=rank)
        return wanted[0]


def _fix(one: Blocked) -> str:
    """Return what a block says to do."""
    from reconciler.report.messages.plan import blocked_wording  # noqa: PLC0415 - its words are needed here alone

    return blocked_wording(one).fix
