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
    """Run one of the shell scripts, by its name and what it is given."""
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


def test_the_script_applies_what_is_left_once_its_plan_is_named(shop: Online, runner: Runner) -> None:
    for globex, initech in (("Globex", "Initech"), ("Glob", "Init")):
        more = "".join(
            f"  {key}: {{name: {name}, email: office@{key}.example}}\n"
            for key, name in (("globex", globex), ("initech", initech))
        )
        shop.write("customers/customers.yaml", f"{ONE}{more}")
        assert script(runner, "plan.sh", shop.folder).code == 0
        if globex == "Globex":
            assert script(runner, "apply.sh", shop.folder).code == 0
    shop.load({"id": shop.id_of("globex"), "name": "Gl"})
    first = script(runner, "apply.sh", shop.folder)
    assert (first.code, shop.named("initech")["name"], shop.named("globex")["name"]) == (2, "Init", "Gl"), first.all
    assert "Read left.md: it shows what is left. To approve that, run 'apply.sh left.plan'." in first.err
    assert "1 to patch" in (shop.folder / "left.md").read_text("utf-8")
    left = script(runner, "apply.sh left.plan", shop.folder)
    assert (left.code, shop.named("globex")["name"]) == (0, "Glob"), left.all


def test_the_script_fails_where_the_plan_has_something_blocked(shop: Online, runner: Runner) -> None:
    shop.load({"external_id": "acme", "name": "Acme", "email": "other@acme.example"})
    ran = script(runner, "plan.sh", shop.folder)
    assert (ran.code, "Blocked (1)" in (shop.folder / "plan.md").read_text("utf-8")) == (3, True)


class GitLab:
    """What GitLab's API holds for one merge request: its notes, and the artifact of its plan."""

    def __init__(self, artifact: Path) -> None:
        self.notes: list[dict[str, Any]] = []
        self.artifact = artifact
        self.merged = True
        self.opened = False
        self.contents: list[bytes] = []

    def page(self, method: str, target: str) -> Reply:
        path = urllib.parse.urlsplit(target).path
        if path.endswith("/notes"):
            if method == "POST":
                self.notes.append({"id": len(self.notes) + 1, "body": self.body()})
            return self.reply(self.notes)
        if "/notes/" in path and method == "PUT":
            self.notes[int(path.rpartition("/")[2]) - 1]["body"] = self.body()
            return self.reply({})
        if path.endswith("/projects/1/merge_requests"):
            return self.reply([{"iid": 8}] if self.opened else [])
        if path.endswith("/merge_requests/8") and self.contents[-1] == b"state_event=close":
            self.opened = False
            return self.reply({})
        if path.endswith("/merge_requests"):
            return self.reply([{"iid": 7, "state": "merged"}] if self.merged else [])
        if "merge-requests%2F7%2Fhead/raw/reconciler.plan" in path and self.artifact.exists():
            return 200, "application/octet-stream", self.artifact.read_bytes()
        return 404, "application/json", b"{}"

    def body(self) -> str:
        return urllib.parse.parse_qs(self.contents[-1].decode())["body"][0]

    @staticmethod
    def reply(document: object) -> Reply:
        return 200, "application/json", json.dumps(document).encode()


Pipeline = Callable[[str], Ran]


def gitlab(runner: Runner, where: Path, url: str) -> Pipeline:
    """Return what runs a job of the pipeline, each in a clone of its own; artifacts of earlier jobs are in `where`."""
    given = {"CI_API_V4_URL": url, "CI_PROJECT_ID": "1", "CI_MERGE_REQUEST_IID": "7", "CI_COMMIT_SHA": "c0ffee"}
    given |= {"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main", "CI_DEFAULT_BRANCH": "main"}
    given |= {"AP_READ_CLIENT_ID": "read-only", "AP_READ_CLIENT_SECRET": "read-only"}
    project = "https://gitlab.example/acme/billing"
    given |= {"CI_PROJECT_URL": project, "GIT_CONFIG_COUNT": "1"}
    given |= {"GIT_CONFIG_KEY_0": f"url.{where / 'remote.git'}.insteadOf"}
    given |= {"GIT_CONFIG_VALUE_0": f"{project.replace('//', '//ci:token@')}.git"}
    given |= {"CI_PIPELINE_URL": "https://gitlab.example/acme/billing/-/pipelines/1", "GITLAB_TOKEN": "token"}

    def job(name: str) -> Ran:
        return runner.shell("\n".join(GITLAB[name]["script"]), where, given)

    return job


@pytest.fixture
def checkout(shop: Online, runner: Runner) -> Path:
    """Return a clone of a repository whose main declares one customer, as a pipeline's job finds it."""
    remote = shop.folder / "remote.git"
    for words in (
        "init --quiet --initial-branch main",
        "add reconciler.yaml customers",
        "-c user.name=Ana -c user.email=ana@example.com commit --quiet --message first",
        f"clone --quiet --bare . {remote}",
        f"-C {remote} config receive.advertisePushOptions true",
        f"remote add origin {remote}",
    ):
        assert runner.shell(f"git {words}", shop.folder, {}).code == 0
    return shop.folder


def test_a_merge_requests_plan_is_one_note_and_is_applied_on_merge(
    shop: Online, runner: Runner, checkout: Path
) -> None:
    host = GitLab(shop.folder / "reconciler.plan")
    with web_server(host.page, host.contents) as (url, _):
        job = gitlab(runner, checkout, url)
        codes = [job("plan").code, job("plan").code]
        applied = job("apply")
        later = job("apply-left")
    assert (codes, applied.code, later.code, len(shop.writes())) == ([0, 0], 0, 0, 1), applied.err
    plan, result = (note["body"] for note in host.notes)
    assert plan.splitlines()[0] == "<!-- reconciler: production -->"
    assert "environment `production`, [pipeline](https://gitlab.example/acme/billing/-/pipelines/1)" in plan
    assert "### Plan: 1 to create." in plan
    assert plan.splitlines()[-1].startswith("To apply it, merge this request.")
    assert "\n### Applied\n" in result
    assert "Nothing was left to apply." in later.out
    assert json.loads((checkout / "quality.json").read_text("utf-8"))


def test_what_is_left_of_a_merge_waits_for_a_manual_job(shop: Online, runner: Runner, checkout: Path) -> None:
    host = GitLab(shop.folder / "reconciler.plan")
    with web_server(host.page, host.contents) as (url, _):
        job = gitlab(runner, checkout, url)
        job("plan")
        shop.load({"external_id": "acme", "name": "Acme", "email": "billing@acme.example", "city": "Boise"})
        applied = job("apply")
        before = shop.writes()
        left = job("apply-left")
    assert (applied.code, before) == (3, []), applied.all
    assert "run the job `apply-left` of [this pipeline]" in host.notes[1]["body"]
    assert (left.code, shop.named("acme")["city"]) == (0, "Boston"), left.all


def test_a_push_without_a_merge_request_waits_for_a_manual_job(shop: Online, runner: Runner, checkout: Path) -> None:
    host = GitLab(shop.folder / "reconciler.plan")
    host.merged = False
    with web_server(host.page, host.contents) as (url, _):
        job = gitlab(runner, checkout, url)
        ran = job("apply")
        before = shop.writes()
        left = job("apply-left")
    assert (ran.code, "No reviewed plan of c0ffee was found." in ran.out, before) == (2, True, []), ran.all
    assert (left.code, shop.named("acme")["city"]) == (0, "Boston"), left.all


def test_a_merge_request_with_something_blocked_fails_after_its_note(
    shop: Online, runner: Runner, checkout: Path
) -> None:
    shop.load({"external_id": "acme", "name": "Acme", "email": "other@acme.example"})
    host = GitLab(shop.folder / "none")
    with web_server(host.page, host.contents) as (url, _):
        ran = gitlab(runner, checkout, url)("plan")
    assert (ran.code, "Blocked (1)" in host.notes[0]["body"]) == (3, True), ran.all


def test_the_nightly_pipeline_reports_drift_and_pushes_the_branch_that_accepts_it(
    shop: Online, runner: Runner, checkout: Path
) -> None:
    host = GitLab(shop.folder / "reconciler.plan")
    script(runner, "plan.sh", shop.folder)
    script(runner, "apply.sh", shop.folder)
    shop.later()
    shop.load({"id": shop.id_of("acme"), "city": "Dover"})
    with web_server(host.page, host.contents) as (url, _):
        job = gitlab(runner, checkout, url)
        drifted = job("drift")
        assert (drifted.code, "<testsuite" in (checkout / "drift.xml").read_text("utf-8")) == (2, True), drifted.all
        pushed = runner.shell("git --git-dir remote.git show reconciler-drift:customers/customers.yaml", checkout, {})
        assert "city: Dover" in pushed.out
        # The next night it is gone, and so is the request.
        runner.shell("git reset --quiet --hard origin/main", checkout, {})
        shop.load({"id": shop.id_of("acme"), "city": "Boston"})
        host.opened = True
        gone = job("drift")
    assert (gone.code, host.opened) == (0, False), gone.all


def test_an_empty_plan_is_worth_no_note(shop: Online, runner: Runner, checkout: Path) -> None:
    host = GitLab(shop.folder / "none")
    script(runner, "plan.sh", shop.folder)
    script(runner, "apply.sh", shop.folder)
    with web_server(host.page, host.contents) as (url, _):
        ran = gitlab(runner, checkout, url)("plan")
    assert (ran.code, host.notes) == (0, []), ran.all


def action(runner: Runner, where: Path, command: str, arguments: str = "") -> tuple[Ran, dict[str, str]]:
    """Run the composite action's second step; return how it ended, and its outputs."""
    told = runner.folder / "output"
    told.write_text("", "utf-8")
    variables = {"COMMAND": command, "ARGUMENTS": arguments, "ENVIRONMENT": "", "RUNNER_TEMP": str(runner.folder)}
    variables |= {
        "GITHUB_OUTPUT": str(told),
        "GITHUB_STEP_SUMMARY": str(runner.folder / "summary.md"),
        "REDACT": "true",
    }
    ran = runner.shell(ACTION["runs"]["steps"][1]["run"], where, variables)
    return ran, dict(line.split("=", 1) for line in told.read_text("utf-8").splitlines())


def test_the_action_tells_changes_by_its_outputs_and_goes_on(shop: Online, runner: Runner) -> None:
    ran, planned = action(runner, shop.folder, "plan")
    report = Path(planned.pop("report"))
    assert (ran.code, "1 to create" in report.read_text("utf-8")) == (0, True), ran.all
    saved = runner.folder / "reconciler.plan"
    assert planned == {
        "exit-code": "2",
        "has-changes": "true",
        "summary": "Plan: 1 to create.",
        "plan-file": str(saved),
    }
    ran, applied = action(runner, shop.folder, "apply", f"{saved} --partial")
    assert (ran.code, applied["has-changes"], applied["summary"][:14]) == (0, "false", "Apply: 1 done;"), ran.all
    shop.later()
    _, drift = action(runner, shop.folder, "drift")
    assert (drift["exit-code"], drift["has-changes"], drift["plan-file"]) == ("0", "false", "")


def test_the_action_saves_a_plan_where_its_arguments_say(shop: Online, runner: Runner) -> None:
    for words, name in (
        ("--out today.plan", "today.plan"),
        ("-o other.plan", "other.plan"),
        ("--out=x.plan", "x.plan"),
    ):
        _, outputs = action(runner, shop.folder, "plan", words)
        assert (outputs["plan-file"], (shop.folder / name).exists()) == (name, True)


def test_every_output_of_the_action_is_one_that_its_step_gives(shop: Online, runner: Runner) -> None:
    _, outputs = action(runner, shop.folder, "validate")
    given = {
        one["value"].removeprefix("${{ steps.run.outputs.").removesuffix(" }}") for one in ACTION["outputs"].values()
    }
    assert given == set(outputs)
    assert {*outputs, "exitcode"} == set(ACTION["outputs"])


def test_the_action_fails_where_the_files_are_wrong(shop: Online, runner: Runner) -> None:
    shop.write("customers/customers.yaml", ONE.replace("city", "citty"))
    ran, outputs = action(runner, shop.folder, "validate")
    assert (ran.code, outputs["exit-code"], "::error file=customers/customers.yaml,line=2" in ran.out) == (1, "1", True)


def test_the_action_knows_its_commands(shop: Online, runner: Runner) -> None:
    ran, outputs = action(runner, shop.folder, "destroy")
    assert (ran.code, outputs) == (1, {})
