"""A rollout in words and as JSON: what the gate found in the plans, the waves, and what became of each account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from reconciler.escape import visible
from reconciler.model.fleet import (
    ChangeCounts,
    FleetExcess,
    GateVerdict,
    ItemState,
    JobResult,
    Rollout,
    RolloutItem,
    RolloutState,
    total,
)
from reconciler.report.fleet_page import rfc3339
from reconciler.report.layout import Line, aligned, count, line, page

SHORT = 12
"""How many digits of a rollout's id are shown: enough to name it."""

_WORDS = (("creates", "create"), ("patches", "patch"), ("restores", "restore"), ("archives", "archive"))
_PLAN_AGAIN = "`reconciler -e ACCOUNT/{environment} plan` shows the plan of one"


def counted(counts: ChangeCounts, *, none: str = "no changes") -> str:
    """
    Return counts in words, without those that are zero.

    >>> counted(ChangeCounts(creates=2, archives=1)), counted(ChangeCounts())
    ('2 to create, 1 to archive', 'no changes')
    """
    parts = [f"{number} to {word}" for name, word in _WORDS if (number := getattr(counts, name))]
    users = [f"{count(counts.users, 'user')} to create"] if counts.users else []
    return ", ".join((*parts, *users)) or none


# --- the gate ----------------------------------------------------------------------------------------


def gate_text(
    verdict: GateVerdict, waves: Sequence[Sequence[str]], environment: str, *, width: int, color: bool
) -> str:
    """Return what the gate found: the sum, the waves, and all that is against the rollout, each account named."""
    return page(_gate(verdict, waves, environment), width=width, color=color)


def _gate(verdict: GateVerdict, waves: Sequence[Sequence[str]], environment: str) -> Iterator[Line]:
    of = count(verdict.chosen, "account")
    wanted = [one.planned for one in verdict.results if one.planned.changes and not one.error]
    changes = f": {counted(total(wanted))}" if wanted else ""
    yield line(f"Plan: {len(wanted)} of {of} would change{changes}.", "bold")
    planned = {one.account: one.planned for one in verdict.changing}
    rows: list[tuple[str, ...]] = [("WAVE", "ACCOUNTS", "CREATE", "PATCH", "RESTORE", "ARCHIVE", "USERS")]
    for number, names in enumerate(waves, start=1):
        summed = total(planned[name] for name in names)
        numbers = (summed.creates, summed.patches, summed.restores, summed.archives, summed.users)
        rows.append((str(number), str(len(names)), *(str(one or "-") for one in numbers)))
    if waves:
        yield from aligned(rows, width=_NO_WIDTH, indent=2) or ()
    for one in verdict.unplanned:
        yield from _named(one.account, "cannot be planned", _said(one.message, one.hint))
    for one in verdict.held:
        yield from _named(one.account, "its own policy is against the plan", "; ".join(one.exceeded))
    for one in verdict.blocked:
        yield line(f"{visible(one.account)}: {count(one.blocked, 'customer')} blocked, and left as they are", indent=2)
    for row in verdict.exceeded:
        yield line(f"{excess_text(row)}:", "red")
        for name in row.accounts:
            yield line(f"{visible(name)}: {counted(_of(verdict, name))}", indent=2)
    if verdict.exceeded or verdict.held:
        yield line(_PLAN_AGAIN.format(environment=visible(environment)), indent=2)


_NO_WIDTH = 1000


def _of(verdict: GateVerdict, account: str) -> ChangeCounts:
    return next(one.planned for one in verdict.results if one.account == account)


def _named(account: str, what: str, why: str) -> Iterator[Line]:
    yield line(f"{visible(account)}: {what}: {visible(why)}", "red", indent=2, hang=4)


def _said(message: str, hint: str) -> str:
    return f"{message}; {hint}" if hint else message


def excess_text(row: FleetExcess) -> str:
    """Return what a limit of the fleet's allows, and what is planned."""
    what = "archives" if row.limit == "max_archives" else "accounts"
    return f"{row.limit} ({row.share}): {row.planned} of {row.base} {what} planned, {row.allowed} allowed".replace(
        f"of {row.base} archives", "archives"
    )


def refusal(verdict: GateVerdict) -> tuple[str, str]:
    """Return why a rollout may not begin, and what to do."""
    why, ways = [], []
    if verdict.exceeded:
        why.append("; ".join(map(excess_text, verdict.exceeded)))
        flags = " ".join(row.flag for row in verdict.exceeded)
        lines = ", ".join(f"{row.limit}: {row.planned}" for row in verdict.exceeded)
        ways.append(f"read the plans, then allow it once with {flags}, or write {lines} under fleet.policy")
    for found, what in ((verdict.unplanned, "cannot be planned"), (verdict.held, "over a limit of its own")):
        if found and not verdict.skip:
            why.append(f"{_names(found)}: {what}")
    if not verdict.skip and (verdict.unplanned or verdict.held):
        ways.append("fix these accounts, or leave them out with --skip-failed")
    return f"the rollout is refused: {'; '.join(why)}; nothing was sent", "; ".join(ways)


_NAMED = 5


def _names(found: Sequence[JobResult]) -> str:
    """Return the first accounts by name, and how many more there are."""
    names = ", ".join(visible(one.account) for one in found[:_NAMED])
    rest = len(found) - _NAMED
    return f"{names} and {rest} more" if rest > 0 else names


# --- a rollout ---------------------------------------------------------------------------------------

_STYLES = {RolloutState.DONE: "green", RolloutState.STOPPED: "red", RolloutState.ABORTED: "red"}
_ITEM_STYLES = {ItemState.FAILED: "red", ItemState.REFUSED: "red"}


def rollout_text(rollout: Rollout, items: Sequence[RolloutItem], *, width: int, color: bool) -> str:
    """Return where a rollout is: its waves as counts, and each account that is not done with its reason."""
    return page(_rollout(rollout, items), width=width, color=color)


def _rollout(rollout: Rollout, items: Sequence[RolloutItem]) -> Iterator[Line]:
    why = f" ({visible(rollout.why)})" if rollout.why else ""
    head = f"Rollout {rollout.id[:SHORT]}: {rollout.state}{why}. {states_text(items)}."
    yield line(head, _STYLES.get(rollout.state, "bold"))
    for wave in range(1, rollout.waves + 1):
        mine = [one for one in items if one.wave == wave]
        yield line(f"Wave {wave}: {states_text(mine)}", indent=2)
    for one in items:
        if one.state is not ItemState.DONE and one.message:
            yield line(f"{visible(one.account)}: {one.state}: {visible(one.message)}", "red", indent=2, hang=4)


def states_text(items: Iterable[RolloutItem]) -> str:
    """
    Return how many accounts are in each state.

    >>> states_text([RolloutItem("r", "a", 1), RolloutItem("r", "b", 1, ItemState.DONE)])
    '2 accounts: 1 done, 1 waiting'
    """
    found = Counter(one.state for one in items)
    order = (ItemState.DONE, ItemState.FAILED, ItemState.REFUSED, ItemState.APPLYING, ItemState.WAITING)
    parts = [f"{found[state]} {state}" for state in order if found[state]]
    return f"{count(found.total(), 'account')}: {', '.join(parts)}" if parts else "no accounts"


def wave_text(rollout: Rollout) -> str:
    """Return which wave a rollout is at."""
    return f"wave {rollout.wave} of {rollout.waves}"


def item_text(item: RolloutItem) -> str:
    """Return what became of an account, in one line."""
    said = visible(item.message) or f"{count(item.done.changes, 'change')} made"
    return f"{visible(item.account)}: {item.state}: {said}"


def next_step(rollout: Rollout) -> str:
    """Return the command that continues a rollout, "" where it has ended."""
    run = rollout.id[:SHORT]
    match rollout.state:
        case RolloutState.RUNNING:
            return f"To pause it: reconciler fleet rollout pause {run}"
        case RolloutState.PAUSED | RolloutState.STOPPED:
            return (
                f"To continue: reconciler fleet rollout resume {run}; to end it: reconciler fleet rollout abort {run}"
            )
        case _:
            return ""


def rollout_brief(rollout: Rollout, items: Sequence[RolloutItem]) -> str:
    """Return a rollout as a line an account: its state, its name and what was done, after a line of the rollout's."""
    rows = [f"{one.state} {visible(one.account)} {one.done.changes}" for one in items]
    return "\n".join((f"{rollout.state} {rollout.id}", *rows, ""))


# --- JSON --------------------------------------------------------------------------------------------


def rollout_json(
    rollout: Rollout | None, items: Sequence[RolloutItem] = (), verdict: GateVerdict | None = None
) -> dict[str, Any]:
    """
    Return a rollout as a value for JSON, and what the gate found; `schema/rollout.schema.json` describes it.

    The rollout is None where it was refused, or nothing was to be changed.
    """
    document: dict[str, Any] = {"format_version": "1", "rollout": None, "accounts": []}
    if rollout is not None:
        row = asdict(rollout)
        for name in ("driver", "seen_at", "approved", "soaks"):
            del row[name]
        document["rollout"] = row | {"state": rollout.state.value} | _moments(rollout)
        document["accounts"] = [_item_json(one) for one in items]
    if verdict is not None:
        document["gate"] = _gate_json(verdict)
    return document


def _item_json(item: RolloutItem) -> dict[str, Any]:
    row = asdict(item) | {"state": item.state.value} | _moments(item)
    del row["rollout"], row["fingerprint"], row["holder"]
    return row


def _moments(one: Rollout | RolloutItem) -> dict[str, str | None]:
    """Return when one began and ended as RFC 3339 in UTC, None for not yet."""
    return {name: rfc3339(getattr(one, name)) or None for name in ("started_at", "ended_at")}


def _gate_json(verdict: GateVerdict) -> dict[str, Any]:
    return {
        "open": verdict.open,
        "chosen": verdict.chosen,
        "changing": len(verdict.changing),
        "max_failed": verdict.max_failed,
        "planned": asdict(verdict.planned),
        "exceeded": [
            {
                "limit": row.limit,
                "share": str(row.share),
                "planned": row.planned,
                "allowed": row.allowed,
                "accounts": list(row.accounts),
                "flag": row.flag,
            }
            for row in verdict.exceeded
        ],
        "unplanned": [
            {"account": one.account, "error": one.error, "message": one.message, "hint": one.hint}
            for one in verdict.unplanned
        ],
        "held": [{"account": one.account, "exceeded": list(one.exceeded)} for one in verdict.held],
        "blocked": [{"account": one.account, "customers": one.blocked} for one in verdict.blocked],
    }
