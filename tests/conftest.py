"""
Hypothesis profiles: `--hypothesis-profile=long` looks longer, and elsewhere.

`quick` is for a developer: new examples at each run, found failures kept. `ci` gives the same examples at each
run, so that a change is what makes it fail. `brief` gives fewer of them, for one Python more. What so few examples
do not meet, `long` and `bench/fuzz.py` look for.
"""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

# A loaded machine generates slowly; that is no fault of the test.
_SLOW = [HealthCheck.too_slow]

settings.register_profile("quick", deadline=None, max_examples=25, suppress_health_check=_SLOW)
settings.register_profile(
    "ci", deadline=None, max_examples=25, suppress_health_check=_SLOW, derandomize=True, database=None, print_blob=True
)
settings.register_profile(
    "brief", deadline=None, max_examples=10, suppress_health_check=_SLOW, derandomize=True, database=None
)
settings.register_profile("long", deadline=None, max_examples=5000, suppress_health_check=_SLOW, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "quick")

# Tests interrupt processes; those of a job in the background would ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests wait by the machine's clock."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    waited = [report for report in reports if report.when == "call" and "real_time" in report.keywords]
    if waited:
        seconds = sum(report.duration for report in waited)
        terminalreporter.write_line(f"{len(waited)} tests waited in real time, {seconds:.1f} s in all")
