"""
What a rollout must keep to before it begins, and the waves that it goes in: pure functions of plans and policy.

Every account is planned before anything is sent. The sum of the plans is held against the fleet's policy, and each
plan against the policy of its own account, so that a mistake that reaches many accounts is refused as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from reconciler.model.fleet import FleetAccount, FleetExcess, FleetPolicy, GateVerdict, JobResult, Wave
from reconciler.model.policy import Share


def judge(results: Sequence[JobResult], policy: FleetPolicy, *, skip: bool = False) -> GateVerdict:
    """
    Hold the plans of the chosen accounts against the fleet's policy.

    Every plan counts, those too whose account would be left out: who asks for that does not make a limit wider.
    """
    planned = [one for one in results if not one.error]
    chosen, customers = len(results), sum(one.customers for one in planned)
    rows = (
        _excess("max_accounts_changed", policy.max_accounts_changed, chosen, planned, _changed),
        _excess("max_accounts_archiving", policy.max_accounts_archiving, chosen, planned, _archiving),
        _excess("max_archives", policy.max_archives, customers, planned, _archives),
    )
    ordered = tuple(sorted(results, key=lambda one: one.account))
    return GateVerdict(ordered, tuple(row for row in rows if row is not None), policy.max_failed.of(chosen), skip)


def _changed(result: JobResult) -> int:
    return int(result.planned.changes > 0)


def _archiving(result: JobResult) -> int:
    return int(result.planned.archives > 0)


def _archives(result: JobResult) -> int:
    return result.planned.archives


def _excess(
    limit: str, share: Share | None, base: int, results: Iterable[JobResult], counted: Callable[[JobResult], int]
) -> FleetExcess | None:
    """Return in what a limit is exceeded, None where it is not."""
    if share is None:
        return None
    concerned = [one for one in results if counted(one)]
    number, allowed = sum(map(counted, concerned)), share.of(base)
    if number <= allowed:
        return None
    return FleetExcess(limit, number, allowed, base, share, tuple(sorted(one.account for one in concerned)))


@dataclass(frozen=True, slots=True)
class Step:
    """The accounts of a wave, and how many seconds pass after it."""

    accounts: tuple[str, ...]
    soak_s: float = 0.0


def waves_of(accounts: Sequence[FleetAccount], waves: Sequence[Wave]) -> tuple[Step, ...]:
    """
    Divide the accounts that are to be changed into waves, each account in the first that takes it.

    A wave with labels takes those that have all of them (a value may be a pattern), and one with a share so many of
    all `accounts`, at least one. Who is left goes last. A wave that takes nobody is left out, and so is what follows
    the last.
    """
    left = sorted(accounts, key=lambda one: one.name)
    steps = []
    for wave in waves:
        most = len(accounts) if wave.share is None else wave.share.of(len(accounts))
        taken = [one for one in left if _has(one, wave)][:most]
        left = [one for one in left if one not in taken]
        if taken:
            steps.append(Step(tuple(one.name for one in taken), wave.soak_s))
    if left:
        steps.append(Step(tuple(one.name for one in left)))
    return tuple(steps)


def _has(account: FleetAccount, wave: Wave) -> bool:
    """Say whether an account has all labels of a wave."""
    return all(fnmatchcase(account.labels.get(name, ""), value) for name, value in wave.labels.items())
