"""
Hypothesis profiles: `--hypothesis-profile=long` looks longer, and elsewhere.

`quick` is for a developer: new examples at each run, found failures kept. `ci` gives the same examples at each
run, so that a change is what makes it fail. `brief` gives fewer of them, for one Python more.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# A loaded machine generates slowly; that is no fault of the test.
_SLOW = [HealthCheck.too_slow]

settings.register_profile("quick", deadline=None, max_examples=50, suppress_health_check=_SLOW)
settings.register_profile(
    "ci", deadline=None, max_examples=50, suppress_health_check=_SLOW, derandomize=True, database=None, print_blob=True
)
settings.register_profile(
    "brief", deadline=None, max_examples=10, suppress_health_check=_SLOW, derandomize=True, database=None
)
settings.register_profile("long", deadline=None, max_examples=5000, suppress_health_check=_SLOW, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "quick")
