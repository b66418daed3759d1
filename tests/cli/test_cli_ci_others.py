"""The example pipelines of GitLab and of plain shell, and the composite action: executed against the emulator."""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import ONE, Online, Ran, Reply, web_server
from workflow_job import Runner, as_text

pytest_plugins = ("command_fixtures",)

ROOT = Path(__file__).parents[2]
KEY = base64.b64encode(bytes(32)).decode()
MARKER = "<!-- reconciler: production -->"
GITLAB = as_text(ROOT / "examples/ci/gitlab/.gitlab-ci.yml")
ACTION = as_text(ROOT / "action.yml")
PROJECT = "version: 1\nfiles: [customers]\nenvironments: {production: {}}\n"


@pytest.fixture
def runner(shop: Online) -> Runner:
    shop.write("reconciler.yaml", PROJECT)
    shop.write("customers/customers.yaml", ONE)
    known = {
        "AP_ENVIRONMENT": "production",
        "RECONCILER_STATE": str(shop.folder / "ledger.db"),
        "RECONCILER_PLAN_KEY": KEY,
    }
    return Runner(shop.folder / "runner", {**shop.variables, **known, "CI": "true"})


def script(runner: Runner, name: str, where: Path) -> Ran:
    """Run one of the shell scripts."""
    return runner.shell(f"exec {ROOT / 'examples/ci/shell' / name}", where, {}, program="sh")


def test_the_scripts_plan_apply_that_plan_and_see_drift(shop: Online, runner: Runner) -> None:
    planned = script(runner, "plan.sh", shop.folder)
    applied = script(runner, "apply.sh", shop.folder)
    shop.later()
    quiet = script(runner, "drift.sh", shop.folder)
    shop.load({"id": shop.id_of("acme"), "city": "Dover"})
    drifted = script(runner, "drift.sh", shop.folder)
    assert [ran.code for ran in (planned, applied, quiet, drifted)] == [0, 0, 0, 2], planned.err + applied.err
    assert (len(shop.writes()), b"Boston" in (shop.folder / "reconciler.plan").read_bytes()) == (1, False)


@pytest.mark.parametrize("name", ["plan.sh", "apply.sh"])
def test_the_scripts_keep_no_plan_that_is_not_sealed(shop: Online, runner: Runner, name: str) -> None:
    runner.variables.pop("RECONCILER_PLAN_KEY")
    ran = script(runner, name, shop.folder)
    assert (ran.code > 0, "RECONCILER_PLAN_KEY" in ran.err, shop.requests()) == (True, True, 0), ran.err
    assert not (shop.folder / "reconciler.plan").exists()


def test_the_script_refuses_a_plan_that_is_no_longer_true(shop: Online, runner: Runner) -> None:
    script(runner, "plan.sh", shop.folder)
    shop.load({"external_id": "acme", "name": "Acme"})
    assert (script(runner, "apply.sh", shop.folder).code, shop.writes()) == (3, [])


class GitLab:
    """What GitLab's API holds for one merge request: its notes, and the artifact of its plan."""

    def __init__(self, artifact: Path) -> None:
        self.notes: list[dict[str, Any]] = []
        self.artifact = artifact
        self.merged = True

    def page(self, method: str, target: str) -> Reply:
        path = urllib.parse.urlsplit(target).path
        if path.endswith("/notes"):
            if method == "POST":
                self.notes.append({"id": 1, "body": MARKER})
            return self.reply(self.notes)
        if path.endswith("/notes/1") and method == "PUT":
            return self.reply(self.notes)
        if path.endswith("/merge_requests"):
            return self.reply([{"iid": 7, "state": "merged"}] if self.merged else [])
        if "merge-requests%2F7%2Fhead/raw/reconciler.plan" in path:
            return 200, "application/octet-stream", self.artifact.read_bytes()
        return 404, "application/json", b"{}"

    @staticmethod
    def reply(document: object) -> Reply:
        return 200, "application/json", json.dumps(document).encode()


Pipeline = Callable[[str], Ran]


def gitlab(runner: Runner, where: Path, url: str) -> Pipeline:
    """Return what runs a job of the pipeline."""
    given = {"CI_API_V4_URL": url, "CI_PROJECT_ID": "1", "CI_MERGE_REQUEST_IID": "7", "CI_COMMIT_SHA": "c0ffee"}
    given |= {"AP_READ_CLIENT_ID": "read-only", "AP_READ_CLIENT_SECRET": "read-only"}

    def job(name: str) -> Ran:
        lines = "\n".join(GITLAB[name]["script"])
        return runner.shell(lines, where, {**given, "GITLAB_TOKEN": "token"})

    return job


def test_a_merge_requests_plan_is_one_note_and_is_applied_on_merge(shop: Online, runner: Runner) -> None:
    host = GitLab(shop.folder / "reconciler.plan")
    with web_server(host.page) as (url, heard):
        job = gitlab(runner, shop.folder, url)
        codes = [job("plan").code, job("plan").code]
        applied = job("apply")
    assert (codes, applied.code, len(shop.writes())) == ([0, 0], 0, 1), applied.err
    assert [line.split()[0] for line in heard if "/notes" in line] == ["GET", "POST", "GET", "PUT"]


def test_a_push_without_a_merge_request_applies_nothing(shop: Online, runner: Runner) -> None:
    host = GitLab(shop.folder / "reconciler.plan")
    host.merged = False
    with web_server(host.page) as (url, _):
        ran = gitlab(runner, shop.folder, url)("apply")
    assert (ran.code, "came by no merge request" in ran.out, shop.requests()) == (1, True, 0)


def test_the_nightly_pipeline_reports_drift_as_junit(shop: Online, runner: Runner) -> None:
    job = gitlab(runner, shop.folder, "http://127.0.0.1:9")
    script(runner, "plan.sh", shop.folder)
    script(runner, "apply.sh", shop.folder)
    shop.later()
    shop.load({"id": shop.id_of("acme"), "city": "Dover"})
    assert (job("drift").code, "<testsuite" in (shop.folder / "drift.xml").read_text("utf-8")) == (2, True)


def action(runner: Runner, where: Path, command: str, arguments: str = "") -> tuple[int, dict[str, str]]:
    """Run the composite action's second step; return its exit code and its outputs."""
    told = runner.folder / "output"
    told.write_text("", "utf-8")
    variables = {"COMMAND": command, "ARGUMENTS": arguments, "ENVIRONMENT": "", "RUNNER_TEMP": str(runner.folder)}
    variables |= {"GITHUB_OUTPUT": str(told), "GITHUB_STEP_SUMMARY": str(runner.folder / "summary.md")}
    ran = runner.shell(ACTION["runs"]["steps"][1]["run"], where, variables)
    return ran.code, dict(line.split("=", 1) for line in told.read_text("utf-8").splitlines())


def test_the_action_tells_changes_by_its_output_and_goes_on(shop: Online, runner: Runner) -> None:
    code, outputs = action(runner, shop.folder, "plan", "--out today.plan")
    assert (code, outputs["exitcode"]) == (0, "2")
    assert "1 to create" in Path(outputs["report"]).read_text("utf-8")
    assert action(runner, shop.folder, "apply", "today.plan")[0] == 0
    assert action(runner, shop.folder, "drift")[1]["exitcode"] == "0"


def test_the_action_fails_where_the_files_are_wrong(shop: Online, runner: Runner) -> None:
    shop.write("customers/customers.yaml", ONE.replace("city", "citty"))
    assert action(runner, shop.folder, "validate")[0] == 1


def test_the_action_knows_its_commands(shop: Online, runner: Runner) -> None:
    assert action(runner, shop.folder, "destroy") == (1, {})
