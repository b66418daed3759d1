"""In how many runs of a bounded length a plan fits. Pure."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, inf

from reconciler.model.core import Action
from reconciler.model.plan import Fit, Plan
from reconciler.model.policy import UNBOUNDED, Allowance

SPACING = 1.005
"""How much further apart requests leave than the rate says; see `api.limit.HAIR`."""


def with_fit(plan: Plan, allowance: Allowance, lag_s: float) -> Plan:
    """
    Return `plan` with its cost saying in how many runs under `allowance` it fits; `plan` itself without a bound.

    Each run pays the overhead again. One that creates keeps a request, and the lag bound `lag_s`, to settle a
    create whose answer is lost.
    """
    if allowance == UNBOUNDED:
        return plan
    cost = plan.cost
    creates = any(change.action in (Action.CREATE, Action.CREATE_USER) for change in plan.changes)
    most = inf if allowance.max_requests is None else allowance.max_requests - creates
    if allowance.max_duration_s is not None and cost.rate_per_s:
        most = min(most, int((allowance.max_duration_s - lag_s * creates) * cost.rate_per_s / SPACING))
    room = most - cost.overhead
    windows = ceil(cost.requests / room) if room > 0 else 0
    fit = Fit(max(windows, int(not cost.requests)), allowance.max_requests, allowance.max_duration_s)
    return replace(plan, cost=replace(cost, fit=fit))
