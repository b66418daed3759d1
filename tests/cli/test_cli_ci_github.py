"""The example workflows of GitHub Actions: their steps, executed against the emulator."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from command_line import ONE, Online
from workflow_job import WHEEL, Runner

from reconciler.emulator.service import ApiKey

pytest_plugins = ("command_fixtures",)

GITHUB = Path(__file__).parents[2] / "examples" / "ci" / "github"
MARKER = "<!-- reconciler: production -->"
PROJECT = "version: 1\nfiles: [customers]\nenvironments:\n  production: {state: '${RECONCILER_STATE}'}\n"


READS = frozenset({"customers:read", "users:read"})


def without_keys(variables: Mapping[str, str]) -> dict[str, str]:
    """Return variables without an API key: a step has the secrets that it names, and no others."""
    return {name: text for name, text in variables.items() if not name.startswith("AP_CLIENT_")}


class Repository:
    """A git repository whose workflows run on a runner's machine."""

    def __init__(self, shop: Online) -> None:
        self.folder = shop.folder / "repository"
        self.runner = Runner(
            shop.folder / "runner",
            {
                **without_keys(shop.variables),
                "GITHUB_REPOSITORY": "acme/billing",
                "GITHUB_ACTIONS": "true",
                "CI": "true",
            },
        )
        self.secrets = {
            "secrets.AP_READ_CLIENT_ID": "reader",
            "secrets.AP_READ_CLIENT_SECRET": "reader",
            "secrets.AP_READ_CLIENT_ID != ''": "true",
            "secrets.AP_CLIENT_ID": "writer",
            "secrets.AP_CLIENT_SECRET": "writer",
            "secrets.RECONCILER_STATE": str(shop.folder / "ledger.db"),
            "secrets.AWS_ACCESS_KEY_ID": "test",
            "secrets.AWS_SECRET_ACCESS_KEY": "test",
            "vars.RECONCILER_PACKAGE": WHEEL,
            "secrets.RECONCILER_PLAN_KEY": base64.b64encode(bytes(32)).decode(),
            "github.token": "token",
            "github.event.pull_request.number": "7",
            "env.HAS_KEY == 'true'": "true",
        }
        shop.emulator.tokens.keys |= {
            "reader": ApiKey("reader", "reader", READS),
            "writer": ApiKey("writer", "writer", READS | {"customers:write", "users:write"}),
        }
        self.folder.mkdir()
        self.git("init", "--quiet", "--initial-branch", "main")
        self.write("reconciler.yaml", PROJECT)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")

    def git(self, *words: str) -> str:
        who = ["-c", "user.name=ci", "-c", "user.email=ci@acme.example"]
        command = ["git", *who, *words]
        ran = subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True)
        return ran.stdout.strip()

    def commit(self) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "a change")
        return self.git("rev-parse", "HEAD")

    def pull_request(self, text: str, **more: str) -> int:
        """Run the pull request's job on these customers; its plan is kept as that of the head commit."""
        self.write("customers/customers.yaml", text)
        head = self.commit()
        ran = self.runner.job(GITHUB / "reconciler.yml", "plan", self.folder, {**self.secrets, **more})
        for left in ("comment.md", "reconciler.plan"):
            (self.folder / left).unlink(missing_ok=True)
        store = self.runner.store
        store["runs"] = [{"id": 1, "head": head, "status": "failure" if ran.code else "success"}]
        store["merged"] = [[head, head]]
        self.runner.keep(store)
        self.said = ran.all
        return ran.code

    def merged(self) -> int:
        """Run the job of the push."""
        variables = {"GITHUB_SHA": self.git("rev-parse", "HEAD")}
        self.runner.variables |= variables
        ran = self.runner.job(GITHUB / "reconciler.yml", "apply", self.folder, self.secrets)
        self.said = ran.all
        return ran.code

    def night(self) -> int:
        """Run the scheduled job."""
        expressions: Mapping[str, str] = self.secrets
        ran = self.runner.job(GITHUB / "reconciler-drift.yml", "drift", self.folder, expressions)
        self.said = ran.all
        return ran.code

    def comments(self) -> list[str]:
        return [one["body"] for one in self.runner.store["comments"]]

    def issues(self) -> list[str]:
        return [one["state"] for one in self.runner.store["issues"]]


@pytest.fixture
def repository(shop: Online) -> Repository:
    return Repository(shop)


def test_a_pull_requests_plan_is_one_comment_that_is_updated(shop: Online, repository: Repository) -> None:
    codes = [repository.pull_request(ONE), repository.pull_request(ONE.replace("Boston", "Dover"))]
    (comment,) = repository.comments()
    assert codes == [0, 0], repository.said
    assert comment.startswith(MARKER)
    assert "1 to create" in comment
    assert shop.writes() == []


def test_a_first_plan_without_a_ledger_says_so_in_the_comment(repository: Repository) -> None:
    repository.pull_request(ONE)
    assert "no ledger" in repository.comments()[0].split("<details>")[0]


def test_a_forks_pull_request_has_no_secrets_and_is_validated_alone(shop: Online, repository: Repository) -> None:
    code = repository.pull_request(
        ONE, **{"env.HAS_KEY == 'true'": "false", "secrets.AP_READ_CLIENT_ID != ''": "false"}
    )
    assert (code, repository.comments(), shop.requests()) == (0, [], 0), repository.said


def test_a_pull_request_with_a_mistake_fails_and_names_it(repository: Repository) -> None:
    code = repository.pull_request(ONE.replace("city", "citty"))
    assert (code, "customers/customers.yaml:2" in repository.said, repository.comments()) == (1, True, [])


def test_the_plan_that_was_reviewed_is_applied_on_merge(shop: Online, repository: Repository) -> None:
    repository.pull_request(ONE)
    assert repository.merged() == 0, repository.said
    assert (len(shop.writes()), shop.named("acme")["city"]) == (1, "Boston")


def test_a_plan_of_a_key_that_can_only_read_is_applied_by_one_that_can_write(
    shop: Online, repository: Repository
) -> None:
    repository.pull_request(ONE)
    asked = len(shop.emulator.requests)
    repository.secrets |= {"secrets.AP_CLIENT_ID": "reader", "secrets.AP_CLIENT_SECRET": "reader"}
    assert (repository.merged(), shop.account(), asked > 0) == (1, {}, True)
    assert "lacks a scope" in " ".join(repository.said.split())
    repository.secrets |= {"secrets.AP_CLIENT_ID": "writer", "secrets.AP_CLIENT_SECRET": "writer"}
    assert (repository.merged(), shop.named("acme")["city"]) == (0, "Boston"), repository.said


def test_a_plan_that_was_exchanged_on_its_way_is_not_applied(shop: Online, repository: Repository) -> None:
    repository.pull_request(ONE)
    (kept,) = repository.runner.artifacts.rglob("reconciler.plan")
    sealed = kept.read_bytes()
    repository.secrets["secrets.RECONCILER_PLAN_KEY"] = base64.b64encode(bytes(31) + b"1").decode()
    assert (repository.merged(), "which is not set" in repository.said) == (3, True), repository.said
    repository.secrets["secrets.RECONCILER_PLAN_KEY"] = base64.b64encode(bytes(32)).decode()
    kept.write_bytes(sealed.replace(b"A", b"B", 1) if b"A" in sealed else sealed[:-9])
    assert (repository.merged(), shop.writes()) == (3, []), repository.said


def test_a_merge_after_the_account_has_changed_is_refused(shop: Online, repository: Repository) -> None:
    repository.pull_request(ONE)
    shop.load({"external_id": "acme", "name": "Acme"})
    assert (repository.merged(), shop.writes()) == (3, []), repository.said


def test_a_merge_of_other_files_than_were_reviewed_is_refused(shop: Online, repository: Repository) -> None:
    repository.pull_request(ONE)
    repository.write("customers/customers.yaml", ONE.replace("Boston", "Dover"))
    assert (repository.merged(), shop.writes()) == (3, []), repository.said


def test_a_push_without_a_pull_request_applies_nothing(shop: Online, repository: Repository) -> None:
    repository.write("customers/customers.yaml", ONE)
    repository.commit()
    assert (repository.merged(), "came by no pull request" in repository.said, shop.writes()) == (1, True, [])


def test_the_kept_plan_cannot_be_read_without_its_key(repository: Repository) -> None:
    repository.pull_request(ONE)
    (kept,) = repository.runner.artifacts.rglob("reconciler.plan")
    assert b"billing@acme.example" not in kept.read_bytes()


def test_drift_opens_one_issue_updates_it_and_closes_it(shop: Online, repository: Repository) -> None:
    repository.pull_request(ONE)
    repository.merged()
    shop.later()
    seen = [(repository.night(), repository.issues())]
    for city in ("Dover", "Salem", "Boston"):
        shop.load({"id": shop.id_of("acme"), "city": city})
        seen.append((repository.night(), repository.issues()))
    assert seen == [(0, []), (0, ["open"]), (0, ["open"]), (0, ["closed"])], repository.said


def test_a_drift_run_that_fails_leaves_the_issue_alone(shop: Online, repository: Repository) -> None:
    repository.pull_request(ONE)
    repository.merged()
    shop.load({"id": shop.id_of("acme"), "city": "Dover"})
    repository.night()
    before = json.dumps(repository.runner.store["issues"])
    repository.secrets["secrets.AP_READ_CLIENT_SECRET"] = "wrong"
    assert (repository.night(), json.dumps(repository.runner.store["issues"])) == (1, before)
