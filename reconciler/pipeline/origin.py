"""Who runs this, from which commit, in which CI job: for the history of runs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.ledger.lock import this_process

GIT_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Origin:
    """Who (`user@host pid`), the git commit of the project's folder, the CI job's URL; "" where not known."""

    who: str = ""
    commit: str = ""
    ci_url: str = ""


NOWHERE = Origin()


def origin_of_run(root: Path, variables: Mapping[str, str] | None = None) -> Origin:
    """Return where this run comes from; `root` is the project's folder."""
    given = os.environ if variables is None else variables
    return Origin(this_process(), _commit(root, given), _ci_url(given))


def _ci_url(variables: Mapping[str, str]) -> str:
    """Return the URL of the CI job, as GitHub Actions and GitLab CI name it."""
    if url := variables.get("CI_JOB_URL"):
        return url
    if run := variables.get("GITHUB_RUN_ID"):
        return f"{variables.get('GITHUB_SERVER_URL')}/{variables.get('GITHUB_REPOSITORY')}/actions/runs/{run}"
    return ""


def _commit(root: Path, variables: Mapping[str, str]) -> str:
    """Return the commit that CI names, else that of the folder's checkout."""
    if named := variables.get("GITHUB_SHA") or variables.get("CI_COMMIT_SHA"):
        return named
    try:
        told = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 - git is found as the user finds it
            cwd=root,
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return told.stdout.strip() if told.returncode == 0 else ""
