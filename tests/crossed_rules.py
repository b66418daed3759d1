"""What a history of `crossed` must keep to: the rules of `rulebook`, and what each way of the API makes impossible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from crossed import Phase, Told
from rulebook import RULES, complaints

from reconciler.model.core import Status
from reconciler.rules import Behaviour, Clears, ExternalIds, Synced, Unique, UserUnique

_OURS = [rule for rule in RULES if rule.__name__ != "limits_name_what_exceeds_them"]
"""Without the rule of the default limits: the histories' terms have others."""

Stuck = tuple[str, str]
"""An address, and the field that is blocked or the action that fails; "" for a customer that is blocked as a whole."""


def wrong(told: Told) -> Iterator[str]:
    """Yield what is wrong with a history, nothing where all is well."""
    for phase in told.phases:
        broken = complaints(phase.runs, *_OURS)
        if phase.name == "lost" and told.behaviour.external_ids is ExternalIds.LOWERED:
            # Nothing but the ledger knew whose key the server keeps in its own way: the plan asks, and creates.
            broken = [words for words in broken if "'new one' is active 2 times" not in words]
        if told.behaviour.external_ids is ExternalIds.LOWERED:
            # Found by a run after one that died, it is bound under the key; the rule looks for the key itself.
            broken = [words for words in broken if "'New One' is wanted and not there" not in words]
        yield from (f"{phase.name}: {words}" for words in broken)
        known = impossible(told.behaviour, phase.name)
        left_over = [one for one in phase.left_over if (str(one.address), str(one.action)) not in known]
        yield from (f"{phase.name}: {one.action} {one.address} is planned for ever" for one in left_over)
        yield from (f"{phase.name}: {words}" for words in _unexplained(told.behaviour, phase))
    yield from _doubled(told)
    yield from _archived(told)
    yield from _strangers(told)


def stuck(phase: Phase) -> dict[Stuck, str]:
    """Return what the last run of a phase did not reach, with the words that say why."""
    ran = phase.last
    blocked = {(str(row.address), row.field or ""): f"{row.reason}; {row.hint}" for row in ran.applied.plan.blocked}
    return blocked | {
        (str(one.change.address), str(one.change.action)): one.message
        for one in ran.applied.outcomes
        if one.status is not Status.DONE
    }


def _unexplained(ways: Behaviour, phase: Phase) -> Iterator[str]:
    """Yield what is not reached although this server makes it possible, and what is not reached without a word."""
    found, known = stuck(phase), impossible(ways, phase.name)
    yield from (f"{one} is not reached: {words}" for one, words in found.items() if one not in known)
    yield from (f"{one} is not reached, and nothing says why" for one, words in found.items() if not words.strip(" ;"))
    if phase.last.applied.halt:
        yield f"the run stopped: {phase.last.applied.halt}"
    yield from (f"{row.address}: no way out" for row in phase.last.applied.plan.blocked if not row.hint)


def impossible(ways: Behaviour, phase: str) -> set[Stuck]:
    """Return what a server makes impossible, from its switches alone."""
    stuck: set[Stuck] = set()
    if "city" in ways.ignores:
        stuck |= {(key, "city") for key in ("Found", "patched", "back", "synced", "cleared")}
    if ways.clears is Clears.NOTHING:
        stuck |= {("cleared", "city"), ("cleared", "state")}
    if ways.synced is not Synced.TAKE:
        stuck |= {("synced", "city" if ways.synced is Synced.IGNORE else "patch")}
    if ways.unique is Unique.ALL and not ways.lists_archived:
        stuck |= {("old", ""), ("old", "create")}
    if ways.user_unique is UserUnique.ACCOUNT:
        stuck |= {("acme/jane@found.example", "create_user")}
    if ways.invoiced:
        stuck |= {("invoiced", "archive")}
    if phase == "lost":
        # What the server rewrites was recorded when it was written; without a record it is a value that it keeps.
        stuck |= {("acme", "state"), ("acme", "country"), ("acme", "street_address")} if ways.rewrites else set()
        if ways.lists_archived and ways.repeated_archive != 200:
            stuck |= {("invoiced", "archive")}
        if ways.external_ids is ExternalIds.LOWERED:
            stuck |= {("New One", ""), ("New One", "create")}
    return stuck


def _doubled(told: Told) -> Iterator[str]:
    """Yield who was created beside an active customer with the same external_id while lists moved."""
    for ran in told.shifting:
        before, after = (
            Counter(one.external_id for one in customers if not one.archived) for customers in (ran.before, ran.after)
        )
        keys = set(ran.desired.customers)
        if told.behaviour.external_ids is ExternalIds.LOWERED:
            keys.discard("New One")  # what the server keeps is another key
        yield from (
            f"shifting: {key!r} is active {after[key]} times"
            for key in sorted(keys)
            if after[key] > max(1, before[key])
        )


def _archived(told: Told) -> Iterator[str]:
    """Yield who is archived and should not be, and who should be and is not, after the second and the third phase."""
    ways = told.behaviour
    # Where archived ones are listed, mostly nothing tells that somebody archived one that is wanted active.
    free = {"returned"} if ways.lists_archived else set()
    refused = {"invoiced"} if ways.invoiced else set()
    wanted = {"archived", "invoiced"} - refused
    for phase, more in zip(told.phases[1:], ({"gone", "back"}, set(), set()), strict=True):
        active = {one.external_id for one in phase.last.after if not one.archived} - free - {"old"}
        archived = {one.external_id for one in phase.last.after if one.archived} - free - {"old"}
        if archived != wanted | more:
            yield f"{phase.name}: archived are {sorted(archived)}, wanted {sorted(wanted | more)}"
        if both := active & (wanted | more):
            yield f"{phase.name}: active are {sorted(both)}"


def _strangers(told: Told) -> Iterator[str]:
    """Yield that a customer of nobody's declaration was touched."""
    before, after = (
        next(one for one in ran.after if one.external_id == "strange")
        for ran in (told.phases[0].runs[0], told.phases[-1].last)
    )
    if before != after:
        yield f"a stranger was {before} and is {after}"
