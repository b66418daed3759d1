"""The files for CI hosts, against the public schemas of their formats."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import PATIENCE_S
from workflow_job import WHEEL, Runner, as_text

ROOT = Path(__file__).parents[1]
FORMATS = {
    "examples/ci/github/reconciler.yml": ["--builtin-schema", "vendor.github-workflows"],
    "examples/ci/github/reconciler-drift.yml": ["--builtin-schema", "vendor.github-workflows"],
    ".github/workflows/release.yml": ["--builtin-schema", "vendor.github-workflows"],
    "action.yml": ["--builtin-schema", "vendor.github-actions"],
    "examples/ci/gitlab/.gitlab-ci.yml": ["--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"],
}


def checked(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_fits_its_formats_public_schema(name: str) -> None:
    ran = checked("check_jsonschema", *FORMATS[name], name)
    assert ran.returncode == 0, ran.stdout


def test_a_file_that_does_not_fit_is_found(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text((ROOT / "action.yml").read_text("utf-8").replace("runs:", "run:"), "utf-8")
    assert checked("check_jsonschema", *FORMATS["action.yml"], str(broken)).returncode == 1


def test_the_hooks_fit_their_format() -> None:
    ran = checked("pre_commit", "validate-manifest", ".pre-commit-hooks.yaml")
    assert ran.returncode == 0, ran.stdout


SECRET = re.compile(r"secrets\.\w+|github\.token")


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each job of the workflows, with the name of its file."""
    for name in FORMATS:
        if "github/" in name:
            yield from ((name, job) for job in as_text(ROOT / name)["jobs"].values())


NAME = "alternative-payments-reconciler"
HASH = "0" * 64
GIT = f"{NAME}[objects,notify] @ git+https://git.example/billing/reconciler@v1.0.0"


def installing_steps() -> list[str]:
    """Return every script of the CI files that installs the package."""
    workflows = [as_text(ROOT / name) for name in FORMATS if "/github/" in name]
    steps = [step for one in workflows for job in one["jobs"].values() for step in job["steps"]]
    scripts = [step["run"] for step in steps if step.get("name") == "Install"]
    return [*scripts, *as_text(ROOT / "examples/ci/gitlab/.gitlab-ci.yml")["default"]["before_script"]]


def test_every_ci_file_installs_the_package_in_the_same_way() -> None:
    steps = installing_steps()
    assert (len(steps), len({step.replace('"$RUNNER_TEMP/package.txt"', "package.txt") for step in steps})) == (4, 1)


def test_no_ci_file_names_a_package_that_is_installed_by_default() -> None:
    texts = {name: (ROOT / name).read_text("utf-8") for name in FORMATS}
    named = [line for text in texts.values() for line in text.splitlines() if "RECONCILER_PACKAGE: " in line]
    assert {line.strip() for line in named} == {"RECONCILER_PACKAGE: ${{ vars.RECONCILER_PACKAGE }} # or written here"}


@pytest.mark.parametrize(
    "package",
    [WHEEL, WHEEL.replace("[objects]", ""), f"{NAME}[objects]==1.0.0 --hash=sha256:{HASH}", GIT],
)
def test_a_package_that_is_pinned_is_installed_by_the_step(package: str, tmp_path: Path) -> None:
    runner = Runner(tmp_path / "runner")
    given = {"RECONCILER_PACKAGE": package, "RUNNER_TEMP": str(tmp_path)}
    ran = runner.shell(installing_steps()[0], tmp_path, given)
    assert (ran.code, ran.all) == (0, "")
    asked = runner.installed.read_text("utf-8").splitlines()
    assert asked == [
        f"install --quiet --no-deps --requirement {tmp_path}/package.txt",
        f"install --quiet --require-hashes --requirement {ROOT}/requirements/locked.txt",
    ]
    assert (tmp_path / "package.txt").read_text("utf-8") == f"{package}\n"


@pytest.mark.parametrize(
    "package",
    [
        "",
        "reconciler",
        NAME,
        f"{NAME}[objects]==1.0.0",
        f"reconciler==1.0.0 --hash=sha256:{HASH}",
        WHEEL.replace(NAME, "reconciler"),
        WHEEL.replace("https", "http"),
        WHEEL.partition("#")[0],
        WHEEL.removesuffix("0"),
        GIT.partition("@v")[0],
        f"{NAME} @ git+ssh://git@git.example/reconciler",
        f"{WHEEL} another",
        f"{WHEEL}\nanother",
        f"another\n{WHEEL}",
    ],
)
def test_a_package_that_is_not_pinned_or_another_projects_is_refused_by_the_step(package: str, tmp_path: Path) -> None:
    runner = Runner(tmp_path / "runner")
    given = {"RECONCILER_PACKAGE": package, "RUNNER_TEMP": str(tmp_path)}
    ran = runner.shell(installing_steps()[0], tmp_path, given)
    assert (ran.code, runner.installed.exists()) == (1, False)
    assert ran.err.startswith(f"RECONCILER_PACKAGE is '{package}', and must be one of these:\n"), ran.all


USES = re.compile(r"[\w.-]+(?:/[\w.-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def test_other_peoples_actions_are_pinned_by_their_commit_with_the_release_in_a_comment() -> None:
    lines = [line for name in FORMATS for line in (ROOT / name).read_text("utf-8").splitlines() if "uses:" in line]
    assert (len(lines), [line for line in lines if not USES.fullmatch(line.partition("uses: ")[2])]) == (13, [])


def test_no_checkout_leaves_its_token_behind() -> None:
    steps = [step for _, job in jobs() for step in job["steps"] if "/checkout@" in step.get("uses", "")]
    assert [step["with"]["persist-credentials"] for step in steps] == ["false"] * 5


def test_a_secret_is_on_the_steps_that_need_it_alone() -> None:
    found = {}
    for name, job in jobs():
        assert SECRET.findall(str(as_text(ROOT / name).get("env", {}))) == []
        # Whether there is a key is no secret.
        assert [text for text in job.get("env", {}).values() if SECRET.search(text) and "!=" not in text] == []
        for step in job["steps"]:
            if secrets := {one for text in step.get("env", {}).values() for one in SECRET.findall(text)}:
                found[step["name"]] = secrets
    store = {"secrets.RECONCILER_STATE", "secrets.AWS_ACCESS_KEY_ID", "secrets.AWS_SECRET_ACCESS_KEY"}
    reads = {"secrets.AP_READ_CLIENT_ID", "secrets.AP_READ_CLIENT_SECRET", *store}
    assert found == {
        "Find the reviewed plan": {"github.token"},
        "Find who can approve": {"github.token"},
        "Plan": reads | {"secrets.RECONCILER_PLAN_KEY"},
        "Comment": {"github.token"},
        "Fetch the plan": {"github.token"},
        "Apply": {"secrets.AP_CLIENT_ID", "secrets.AP_CLIENT_SECRET", "secrets.RECONCILER_PLAN_KEY", *store},
        "Drift": reads,
        "Keep one pull request and one issue": {"github.token"},
        "Fetch what was built": {"github.token"},
        "Publish as a draft": {"github.token"},
    }


def test_the_key_that_writes_is_in_the_protected_environment_alone() -> None:
    writing = [job for _, job in jobs() if "secrets.AP_CLIENT_ID" in str(job)]
    assert [job["environment"] for job in writing] == ["production"]
    assert [job for _, job in jobs() if "environment" in job] == writing


def test_every_script_of_a_workflow_fails_where_a_part_of_a_pipe_does() -> None:
    shells = {name: as_text(ROOT / name)["defaults"]["run"]["shell"] for name in FORMATS if "/github/" in name}
    assert set(shells.values()) == {"bash"}


def test_no_run_that_writes_is_canceled_or_takes_over_from_one_that_waits() -> None:
    (writing,) = [job for _, job in jobs() if "environment" in job]
    assert writing["concurrency"] == {"group": "reconciler-production", "queue": "max"}
