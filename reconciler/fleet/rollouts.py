"""
What is known of rollouts, in the tables of a fleet: each account's place in one, and the plan that is applied to it.

Who drives a rollout writes here before and after each account, and reads here whether to go on, so that another
process can pause it, and continue it after its driver was killed. A saved plan is removed when it was applied.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace

from reconciler.errors import Refused
from reconciler.escape import visible
from reconciler.fleet.table import FleetTable, Row, Store, Write, column
from reconciler.model.fleet import UNFINISHED, ChangeCounts, ItemState, Rollout, RolloutItem, RolloutState

ROLLOUTS_KEPT = 50
"""How many rollouts of a fleet are kept, the latest."""

_LISTS = ("approved", "soaks")
_COUNTS = ("planned", "done")
_ROLLOUT = tuple(one.name for one in fields(Rollout))
_ITEM = tuple(one.name for one in fields(RolloutItem))


def _columns(names: Iterable[str]) -> str:
    return ", ".join(map(column, names))


def _insert(table: str, names: Sequence[str]) -> str:
    """Return what adds a row, unless it is there: it may be carried out twice."""
    marks = ", ".join("?" * len(names))
    return f"INSERT INTO {table} ({_columns(names)}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608 - our own names


_ADD_ROLLOUT = _insert("fleet_rollouts", _ROLLOUT)
_ADD_ITEM = _insert("fleet_items", _ITEM)
_ADD_PLAN = _insert("fleet_plans", ("rollout", "account", "plan"))
_DROP = (
    "DELETE FROM fleet_plans WHERE rollout = ?",
    "DELETE FROM fleet_items WHERE rollout = ?",
    "DELETE FROM fleet_rollouts WHERE id = ?",
)
_READ_ROLLOUTS = f"SELECT {_columns(_ROLLOUT)} FROM fleet_rollouts WHERE"  # noqa: S608 - the same
_READ_ITEMS = f"SELECT {_columns(_ITEM)} FROM fleet_items WHERE rollout = ?"  # noqa: S608 - the same
_CHANGED = tuple(name for name in _ITEM if name not in ("rollout", "account"))
_OF_ITEM = "WHERE rollout = ? AND account = ?"
_PUT_ITEM = f"UPDATE fleet_items SET {', '.join(f'{name} = ?' for name in _CHANGED)} {_OF_ITEM}"  # noqa: S608 - the same
_DROP_PLAN = f"DELETE FROM fleet_plans {_OF_ITEM}"  # noqa: S608 - the same
_DROP_PLANS = "DELETE FROM fleet_plans WHERE rollout = ?"
_BEAT = "UPDATE fleet_rollouts SET seen_at = ? WHERE id = ? AND driver = ?"
_TAKE = "UPDATE fleet_rollouts SET driver = ?, seen_at = ? WHERE id = ? AND driver = ? AND seen_at = ?"
_LEAVE = "UPDATE fleet_rollouts SET driver = '' WHERE id = ? AND driver = ?"
_WAVE = "UPDATE fleet_rollouts SET wave = ? WHERE id = ? AND driver = ?"
_OPEN = "state IN ('waiting', 'applying')"
_CLAIM = (
    "UPDATE fleet_items SET state = 'applying', started_at = ?, attempts = attempts + 1, holder = ?, "  # noqa: S608 - the same
    f"error = '', message = '' {_OF_ITEM} AND holder = ? AND {_OPEN} "
    "AND EXISTS (SELECT 1 FROM fleet_rollouts WHERE id = ? AND state = 'running' AND wave = ?)"
)
_FINISHED = ("state", "done", "ended_at", "error", "message")
_FINISH = (
    f"UPDATE fleet_items SET {', '.join(f'{name} = ?' for name in _FINISHED)} "  # noqa: S608 - our own names
    f"{_OF_ITEM} AND {_OPEN} AND (holder = ? OR ? = 'done')"
)


@dataclass(frozen=True, slots=True)
class Rollouts:
    """The rollouts of a fleet, by its name."""

    store: Store
    fleet: str

    @classmethod
    def of(cls, table: FleetTable) -> Rollouts:
        """Return the rollouts that are in a fleet's tables."""
        return cls(table.store, table.name)

    def begin(self, rollout: Rollout, items: Sequence[RolloutItem], plans: Mapping[str, str]) -> bool:
        """
        Write a rollout with its items and their saved plans; no where another is unfinished, and nothing is written.
        """
        self.store.write(
            [
                (_ADD_ROLLOUT, [_rollout_row(rollout)]),
                (_ADD_ITEM, [_item_row(one) for one in items]),
                (_ADD_PLAN, [(rollout.id, account, plan) for account, plan in plans.items()]),
            ]
        )
        if self.find(rollout.id) is not None:
            return True
        self._drop([rollout.id])
        return False

    def prune(self) -> None:
        """Remove the oldest rollouts; one that is unfinished stays."""
        old = [one.id for one in self.all()[ROLLOUTS_KEPT:] if one.state not in UNFINISHED]
        self._drop(old)

    def _drop(self, ids: Sequence[str]) -> None:
        if ids:
            self.store.write([(statement, [(one,) for one in ids]) for statement in _DROP])

    def all(self) -> tuple[Rollout, ...]:
        """Return all rollouts, the latest first."""
        rows = self.store.rows(f"{_READ_ROLLOUTS} fleet = ? ORDER BY started_at DESC, id", self.fleet)
        return tuple(map(_rollout, rows))

    def find(self, rollout_id: str) -> Rollout | None:
        """Return a rollout by its id, None where there is no such."""
        rows = self.store.rows(f"{_READ_ROLLOUTS} id = ?", rollout_id)
        return _rollout(rows[0]) if rows else None

    def unfinished(self) -> Rollout | None:
        """Return the rollout that has not ended, None where all have."""
        return next((one for one in self.all() if one.state in UNFINISHED), None)

    def named(self, begin: str | None) -> Rollout:
        """Return the rollout whose id begins so, without a text the latest; Refused where that is none or not one."""
        found = self.all()
        if begin is not None:
            found = tuple(one for one in found if one.id.startswith(begin.lower()))
        if not found:
            message = "this fleet has had no rollout" if begin is None else f"there is no rollout {visible(begin)}"
            raise Refused(message, "`reconciler fleet apply` begins one" if begin is None else "give more of its id")
        if begin is not None and len(found) > 1:
            raise Refused(f"{len(found)} rollouts begin with {visible(begin)}", "give more of its id")
        return found[0]

    def items(self, rollout_id: str) -> tuple[RolloutItem, ...]:
        """Return the accounts of a rollout, by wave and name."""
        return tuple(map(_item, self.store.rows(f"{_READ_ITEMS} ORDER BY wave, account", rollout_id)))

    def item(self, rollout_id: str, account: str) -> RolloutItem:
        """Return one account of a rollout, which has it."""
        return _item(self.store.rows(f"{_READ_ITEMS} AND account = ?", rollout_id, account)[0])

    def open_items(self, rollout_id: str, wave: int) -> tuple[RolloutItem, ...]:
        """Return the accounts of a wave that have not ended, by name."""
        query = f"{_READ_ITEMS} AND wave = ? AND {_OPEN} ORDER BY account"
        return tuple(map(_item, self.store.rows(query, rollout_id, wave)))

    def claim(self, item: RolloutItem, holder: str, now: float) -> RolloutItem | None:
        """
        Begin an attempt of an account as it was read, and return it; None where it must not begin.

        That is where another attempt has begun meanwhile, its wave is not the current one, or the rollout does not run.
        """
        self.store.write([(_CLAIM, [(now, holder, item.rollout, item.account, item.holder, item.rollout, item.wave)])])
        found = self.item(item.rollout, item.account)
        # Not by the count of rows: a write whose answer was lost is carried out twice.
        return found if found.holder == holder and found.state is ItemState.APPLYING else None

    def finish(self, item: RolloutItem) -> bool:
        """
        Write how an attempt ended, and say whether the account is so now; the saved plan of one that is done goes.

        An attempt that another one has taken over counts where it has applied the plan, and not where it failed.
        """
        row = (*_row_of(item, _FINISHED), item.rollout, item.account, item.holder, item.state.value)
        writes: list[Write] = [(_FINISH, [row])]
        if item.state is ItemState.DONE:
            writes.append((_DROP_PLAN, [(item.rollout, item.account)]))
        self.store.write(writes)
        return self.item(item.rollout, item.account).state is item.state

    def plan_of(self, rollout_id: str, account: str) -> str:
        """Return the saved plan of an account, as it was written; "" where none is kept."""
        rows = self.store.rows(f"SELECT plan FROM fleet_plans {_OF_ITEM}", rollout_id, account)  # noqa: S608 - the same
        return str(rows[0][0]) if rows else ""

    def put(self, *items: RolloutItem) -> None:
        """Write where accounts are that nobody applies."""
        self.store.write([(_PUT_ITEM, [(*_row_of(one, _CHANGED), one.rollout, one.account) for one in items])])

    def put_wave(self, rollout: Rollout, wave: int) -> Rollout:
        """Write which wave a rollout is at."""
        self.store.write([(_WAVE, [(wave, rollout.id, rollout.driver)])])
        return replace(rollout, wave=wave)

    def set_state(
        self, rollout_id: str, state: RolloutState, *, of: Collection[RolloutState], why: str = "", now: float = 0.0
    ) -> bool:
        """
        Write where a rollout is, if it is in one of the states `of`, and say whether it is there now.

        The saved plans of one that has ended are removed.
        """
        marks = ", ".join("?" * len(of))
        statement = f"UPDATE fleet_rollouts SET state = ?, why = ?, ended_at = ? WHERE id = ? AND state IN ({marks})"  # noqa: S608 - marks alone
        ended = 0.0 if state in UNFINISHED else now
        changed = self.store.write([(statement, [(state.value, why, ended, rollout_id, *(one.value for one in of))])])
        found = self.find(rollout_id)
        if not changed and (found is None or found.state is not state):
            return False
        if state not in UNFINISHED:
            self.store.write([(_DROP_PLANS, [(rollout_id,)])])
        return True

    def take(self, rollout: Rollout, driver: str, now: float) -> Rollout | None:
        """Become the driver of a rollout as it was read; None where another one was seen there meanwhile."""
        taken = self.store.write([(_TAKE, [(driver, now, rollout.id, rollout.driver, rollout.seen_at)])])
        found = self.find(rollout.id)
        if found is None or (not taken and found.driver != driver):
            return None
        return found

    def beat(self, rollout: Rollout, now: float) -> bool:
        """Say in the table that the driver lives, and return whether it is the driver yet."""
        return self.store.write([(_BEAT, [(now, rollout.id, rollout.driver)])]) > 0

    def leave(self, rollout: Rollout) -> None:
        """Be its driver no more, so that another one may go on at once."""
        self.store.write([(_LEAVE, [(rollout.id, rollout.driver)])])


def check_one(rollouts: Rollouts) -> None:
    """Raise Refused where a rollout has not ended: two at once would not know of each other's failures."""
    found = rollouts.unfinished()
    if found is None:
        return
    run = found.id[:12]
    if found.state is RolloutState.RUNNING:
        hint = f"`reconciler fleet rollout status {run}` shows it; `resume` continues it if its process has ended"
    else:
        hint = f"continue it with `reconciler fleet rollout resume {run}`, or end it with `… abort {run}`"
    raise Refused(f"the rollout {run} is {found.state}; nothing was sent", hint)


# --- rows --------------------------------------------------------------------------------------------


def _row_of(one: Rollout | RolloutItem, names: Iterable[str]) -> Row:
    """Return fields as columns: counts, lists and states as text."""
    values = []
    for name in names:
        value = getattr(one, name)
        if isinstance(value, ChangeCounts):
            value = json.dumps(astuple(value))
        elif isinstance(value, tuple):
            value = json.dumps(value)
        elif isinstance(value, RolloutState | ItemState):
            value = value.value
        elif isinstance(value, bool):
            value = int(value)
        values.append(value)
    return tuple(values)


def _rollout_row(one: Rollout) -> Row:
    return _row_of(one, _ROLLOUT)


def _item_row(one: RolloutItem) -> Row:
    return _row_of(one, _ITEM)


def _rollout(row: Row) -> Rollout:
    values = dict(zip(_ROLLOUT, row, strict=True))
    lists = {name: tuple(json.loads(values[name])) for name in _LISTS}
    rest = {"state": RolloutState(values["state"]), "on_workers": bool(values["on_workers"])}
    return Rollout(**(values | lists | rest))


def _item(row: Row) -> RolloutItem:
    values = dict(zip(_ITEM, row, strict=True))
    counts = {name: ChangeCounts(*json.loads(values[name])) for name in _COUNTS}
    return RolloutItem(**(values | counts | {"state": ItemState(values["state"])}))
