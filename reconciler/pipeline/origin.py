"""Who runs this, from which commit, in which CI job: for the history of runs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.git import git
from reconciler.ledger.lock import this_process

ACTORS = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILDKITE_BUILD_CREATOR", "CIRCLE_USERNAME", "BUILD_REQUESTEDFOR")
"""Who began the job, as GitHub Actions, GitLab CI, Buildkite, CircleCI and Azure Pipelines name it."""

URLS = ("CI_JOB_URL", "BUILDKITE_BUILD_URL", "CIRCLE_BUILD_URL", "BUILD_URL")
"""Where the job is shown: GitLab CI, Buildkite, CircleCI, Jenkins. GitHub Actions has it in three parts."""

COMMITS = ("GITHUB_SHA", "CI_COMMIT_SHA", "BUILDKITE_COMMIT", "CIRCLE_SHA1", "GIT_COMMIT", "BUILD_SOURCEVERSION")


@dataclass(frozen=True, slots=True)
class Origin:
    """
    Who (`user@host pid`), the git commit of the project's folder, the CI job's URL, whom CI names; "" where not known.

    `commit` ends with `-dirty`, as `git describe` has it, where a file of the folder differs from it.
    """

    who: str = ""
    commit: str = ""
    ci_url: str = ""
    actor: str = ""


NOWHERE = Origin()


def origin_of_run(root: Path, variables: Mapping[str, str] | None = None) -> Origin:
    """Return where this run comes from; `root` is the project's folder."""
    given = os.environ if variables is None else variables
    return Origin(this_process(), _commit(root, given), _ci_url(given), _first(given, ACTORS))


def _first(variables: Mapping[str, str], names: Iterable[str]) -> str:
    """Return the first of `names` that is set, "" where none is."""
    return next((variables[name] for name in names if variables.get(name)), "")


def _ci_url(variables: Mapping[str, str]) -> str:
    """Return the URL of the CI job."""
    if url := _first(variables, URLS):
        return url
    if run := variables.get("GITHUB_RUN_ID"):
        return f"{variables.get('GITHUB_SERVER_URL')}/{variables.get('GITHUB_REPOSITORY')}/actions/runs/{run}"
    return ""


def _commit(root: Path, variables: Mapping[str, str]) -> str:
    """Return the commit that CI names, else that of the folder's checkout, `-dirty` where a file there differs."""
    named = _first(variables, COMMITS)
    lines = _status(root)
    head = next((line.removeprefix(_HEAD) for line in lines if line.startswith(_HEAD)), "")
    commit = named or ("" if head == _NONE_YET else head)
    dirty = any(not line.startswith("#") for line in lines)
    return f"{commit}-dirty" if commit and dirty else commit


_HEAD = "# branch.oid "
_NONE_YET = "(initial)"


def _status(root: Path) -> list[str]:
    """Return what git says of a folder: its commit, and a line a file that differs; nothing where git does not know."""
    # Our own folder changes at every run, and is no source of it. A submodule's config is not asked.
    told = git(
        root,
        *("status", "--porcelain=v2", "--branch", "--ignore-submodules=dirty", "--", ".", ":(exclude).reconciler"),
    )
    return (told or "").splitlines()
