"""In how many runs of a bounded length a plan fits."""

from __future__ import annotations

import json

from plan_values import TERMS

from reconciler.model.plan import Cost, Fit, Plan
from reconciler.model.policy import Allowance
from reconciler.plan.limits import with_fit
from reconciler.report.plan_json import plan_to_json


def test_a_plan_in_which_nothing_changes_fits_in_one_window_and_says_so_with_a_number() -> None:
    plan = Plan(TERMS.environment, "default", cost=Cost(0, 27, 5.0))
    fitted = with_fit(plan, Allowance(max_requests=5), 10.0)
    assert fitted.cost.fit == Fit(1, 5, None)
    assert '"windows": 1' in json.dumps(plan_to_json(fitted)["cost"])
