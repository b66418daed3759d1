"""
What differs: the three-way table, field by field.

Values are made canonical first, so that the rest is a loop. *d* is declared, *a* what we applied, *o*
what the server then held, *l* live:

======== ======== ============== ==================== =======
declared recorded live           then                 cause
======== ======== ============== ==================== =======
absent   any      any            nothing
d        none     l = d          unchanged, recorded
d        none     l ≠ d          patch                unknown
d        a = d    l = o or l = d unchanged
d        a = d    else           patch                drift
d        a ≠ d    l = d          unchanged, recorded
d        a ≠ d    l = o          patch                config
d        a ≠ d    else           patch                both
======== ======== ============== ==================== =======
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.kinds import Field
from reconciler.model.core import Cause
from reconciler.model.ledger import Trouble
from reconciler.model.plan import FieldChange
from reconciler.model.reasons import BlockedReason, FieldValue, Moment, ReasonParts

UNSTABLE_RUNS = 2
"""A field patched to one value in so many runs, and back each time, is not patched again."""

HELD_S = 30 * 86_400.0
"""A value that is ours this long after our last patch has held: someone who changes it later doesn't fight us."""


@dataclass(frozen=True, slots=True)
class Kept:
    """
    A field that the API cannot change, or that the server does not let be changed, and why.

    `live` and `declared` are its values: "" where it is empty, or should be.
    """

    field: str
    reason: BlockedReason
    parts: ReasonParts
    live: FieldValue
    declared: FieldValue


@dataclass(frozen=True, slots=True)
class Diff:
    """
    How one resource differs.

    `changed` is what a patch would carry, `kept` what is blocked. `applied` and `observed` are the
    record as it should be after this, by field: what is unchanged is recorded, what is not declared is
    left out, and what is about to change keeps its record until it does.
    """

    changed: tuple[FieldChange, ...]
    kept: tuple[Kept, ...]
    applied: Mapping[str, str | None]
    observed: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The row of the table that decides a field; `recorded` says of (declared, live) whether each is as recorded."""

    live_as_declared: bool
    recorded: tuple[bool, bool] | None

    @property
    def cause(self) -> Cause | None:
        """Return the cause of a patch, None where nothing is to be patched."""
        if self.live_as_declared:
            return None
        match self.recorded:
            case None:
                return Cause.UNKNOWN
            case (True, True):
                return None
            case (True, False):
                return Cause.DRIFT
            case (False, True):
                return Cause.CONFIG
            case _:
                return Cause.BOTH


def compare(
    field: Field,
    declared: str | None,
    recorded: tuple[str | None, str] | None,
    live: str,
    equal: Mapping[str, str] | None,
) -> Comparison:
    """
    Return how a field compares; `recorded` is (applied, observed), None where the ledger holds none.

    >>> from reconciler.kinds.kind import CUSTOMER_FIELDS
    >>> compare(CUSTOMER_FIELDS["city"], "New York", ("Boston", "Boston"), "Boston", None).cause
    <Cause.CONFIG: 'config'>
    """
    same = None
    if recorded is not None:
        same = field.same(declared, recorded[0], equal), field.same(live, recorded[1], equal)
    return Comparison(field.same(declared, live, equal), same)


def diff(
    fields: Mapping[str, Field],
    declared: Mapping[str, str | None],
    live: Mapping[str, str],
    *,
    applied: Mapping[str, str | None],
    observed: Mapping[str, str],
    trouble: Mapping[str, Trouble],
    equal: Mapping[str, Mapping[str, str]],
) -> Diff:
    """Return how `declared` (without what is ignored) differs from `live`, by field in the order of `fields`."""
    changed: list[FieldChange] = []
    kept: list[Kept] = []
    new_applied: dict[str, str | None] = {}
    new_observed: dict[str, str] = {}
    differing = differing_fields(fields, declared, live, equal)
    for name, field in fields.items():
        if name not in declared:
            continue
        value, now = declared[name], live.get(name, "")
        recorded = (applied[name], observed.get(name, "")) if name in applied else None
        cause = compare(field, value, recorded, now, equal.get(name)).cause if name in differing else None
        if recorded is not None and (cause is not None or field.same(value, recorded[0], equal.get(name))):
            new_applied[name], new_observed[name] = recorded
        elif cause is None:
            new_applied[name], new_observed[name] = value, now
        if cause is None:
            continue
        why_kept = _kept(field, value, now, cause, trouble.get(name))
        if why_kept is None:
            changed.append(FieldChange(name, now, value, cause))
        else:
            kept.append(why_kept)
    return Diff(tuple(changed), tuple(kept), new_applied, new_observed)


def differing_fields(
    fields: Mapping[str, Field],
    declared: Mapping[str, str | None],
    live: Mapping[str, str],
    equal: Mapping[str, Mapping[str, str]],
) -> frozenset[str]:
    """
    Return the names of the declared fields whose canonical values differ.

    Equality first: DeepDiff takes a hundred times as long, and most customers do not differ.
    """
    wanted = {name: _canonical(fields[name], value, equal.get(name)) for name, value in declared.items()}
    there = {name: _canonical(fields[name], live.get(name), equal.get(name)) for name in declared}
    if wanted == there:
        return frozenset()
    from deepdiff import DeepDiff  # noqa: PLC0415 - its import takes longer than planning what did not change

    return frozenset(DeepDiff(there, wanted, view="tree").affected_root_keys)


def _canonical(field: Field, text: str | None, equal: Mapping[str, str] | None) -> str:
    """Return the text that stands for all that `text` is equal to."""
    canonical = field.canonical(text or "")
    return equal.get(canonical, canonical) if equal else canonical


def _kept(field: Field, declared: str | None, live: str, cause: Cause, trouble: Trouble | None) -> Kept | None:
    """Return why a field that differs is not patched, None where it may be."""
    live_value, declared_value = FieldValue(field.name, live), FieldValue(field.name, declared or "")

    def kept(reason: BlockedReason, parts: ReasonParts) -> Kept:
        return Kept(field.name, reason, {"field": field.name, **parts}, live_value, declared_value)

    both: ReasonParts = {"live": live_value, "declared": declared_value}
    if not field.patchable:
        return kept(BlockedReason.FIELD_FIXED, both)
    if trouble is None:
        return None
    if (
        trouble.refused is not None
        and field.same(trouble.refused[0], declared)
        and field.same(trouble.refused[1], live)
    ):
        return kept(BlockedReason.VALUE_REFUSED, both)
    if cause is Cause.DRIFT and trouble.runs >= UNSTABLE_RUNS and field.same(trouble.patched, declared):
        seen = tuple(FieldValue(field.name, value or "") for value in dict.fromkeys((*trouble.seen, live)))
        times = tuple(map(Moment, trouble.at))
        unstable: ReasonParts = {"declared": declared_value, "runs": trouble.runs, "seen": seen, "times": times}
        return kept(BlockedReason.VALUE_UNSTABLE, unstable)
    return None
