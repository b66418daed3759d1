"""The report of a plan that failed its trial, as a file that can be sent."""

from __future__ import annotations

import hashlib
from pathlib import Path

from reconciler.cli import output
from reconciler.errors import PlanFaulty, ReconcilerError

FOLDER = Path(".reconciler")
"""Where the ledger lies by default, and what `init` keeps out of git."""


def written(failure: PlanFaulty) -> str:
    """Write the report of `failure`, and return what to do with it; where it cannot be written, why."""
    path = FOLDER / f"faulty-plan-{hashlib.sha256(failure.report.encode()).hexdigest()[:12]}.json"
    try:
        FOLDER.mkdir(mode=0o700, exist_ok=True)
        output.write_private(path, failure.report)
    except (OSError, ReconcilerError) as exc:
        return f"its report could not be written: {exc}"
    return f"report it with {path}, which holds no personal data"
