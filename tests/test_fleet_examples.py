"""The examples of a fleet on several machines, against the public schemas of their formats."""

from __future__ import annotations

import base64
import configparser
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from billing_repository import Clone
from click.testing import CliRunner
from command_line import PATIENCE_S, Place
from fleets import PROJECT, FleetPlace, customers, fleet_in
from github_host import GitHub
from workflow_job import Runner

from reconciler.cli.app import cli

pytest_plugins = ("command_fixtures",)

FOLDER = Path(__file__).parents[1] / "examples" / "fleet"
KUBERNETES = sorted((FOLDER / "kubernetes").glob("*.yaml"))
CUSTOM = {
    "keda.sh/v1alpha1": {"scaleTargetRef", "minReplicaCount", "maxReplicaCount", "cooldownPeriod", "triggers"},
}
"""What we use of formats that no package has a schema of."""


def _documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text("utf-8")))


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=FOLDER, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


@pytest.mark.parametrize(
    ("schema", "name"), [("vendor.compose-spec", "compose.yaml"), ("vendor.github-workflows", "github/fleet.yml")]
)
def test_a_file_fits_its_formats_public_schema(schema: str, name: str) -> None:
    ran = _run("check_jsonschema", "--builtin-schema", schema, name)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("name", ["worker.yaml", "network.yaml"])
def test_a_manifest_fits_kubernetes(name: str) -> None:
    ran = _run("kubernetes_validate", "--strict", f"kubernetes/{name}")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_other_manifests_have_the_parts_that_their_formats_know() -> None:
    (scaler,) = _documents(FOLDER / "kubernetes" / "scaler.yaml")
    assert scaler["spec"].keys() <= CUSTOM[scaler["apiVersion"]]
    (kustomization,) = _documents(FOLDER / "kubernetes" / "kustomization.yaml")
    assert sorted(kustomization["resources"]) == [one.name for one in KUBERNETES if one.name != "kustomization.yaml"]


def test_what_scales_workers_scales_the_deployment_by_a_metric_that_there_is() -> None:
    from reconciler.report.metrics import FLEET_METRICS  # noqa: PLC0415

    (scaler,) = _documents(FOLDER / "kubernetes" / "scaler.yaml")
    deployment = _documents(FOLDER / "kubernetes" / "worker.yaml")[0]
    assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    query = scaler["spec"]["triggers"][0]["metadata"]["query"]
    assert any(metric.sample in query for metric in FLEET_METRICS)


def _commands() -> list[list[str]]:
    """Return every command of ours in the examples but the workflow, without the program's name."""
    container = _documents(FOLDER / "kubernetes" / "worker.yaml")[0]["spec"]["template"]["spec"]["containers"][0]
    service = configparser.ConfigParser()
    service.read(FOLDER / "systemd" / "reconciler-fleet.service")
    compose = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))
    lines = [
        service["Service"]["ExecStart"],
        compose["services"]["worker-1"]["entrypoint"][-1],
        (FOLDER / "crontab").read_text("utf-8").splitlines()[-1],
    ]
    found = [line.rpartition("reconciler ")[2].split() for line in lines if "reconciler " in line]
    return [*found, container["args"], container["lifecycle"]["preStop"]["exec"]["command"][1:]]


def test_every_command_in_the_examples_has_the_options_that_it_is_given() -> None:
    commands = _commands()
    assert len(commands) == 5
    for words in commands:
        ran = CliRunner().invoke(cli, [*words, "--help"])
        assert ran.exit_code == 0, (words, ran.output)


BEGAN = {"reconciler.yaml": f"{PROJECT}    state: ${{RECONCILER_STATE}}\n"} | {
    name: text
    for account in ("acme", "globex", "initech")
    for name, text in ((f"ids/{account}", account), (f"accounts/{account}/customers.yaml", "customers: {}\n"))
}


def _clone(fleet: FleetPlace) -> Clone:
    """Return a clone of a repository with a fleet of three accounts and the workflow, which has not run."""
    runner = Runner(fleet.folder / "runner", fleet.variables)
    runner.program("pipx", "exit 0")
    host = GitHub(runner)
    key = base64.b64encode(bytes(32)).decode()
    host.secrets = {"RECONCILER_STATE": f"{fleet.folder}/ledgers/", "RECONCILER_PLAN_KEY": key}
    clone = Clone(host, "ana")
    workflow = (FOLDER / "github" / "fleet.yml").read_text("utf-8")
    clone.commit({**BEGAN, ".github/workflows/reconciler.yml": workflow})
    clone.git("push", "--quiet", "origin", "main")
    return clone


def test_a_pull_request_shows_the_fleets_plan_and_its_merge_applies_what_was_approved(here: Place) -> None:
    with fleet_in(here) as fleet:
        ana = _clone(fleet)
        number, run = ana.request("first", {"accounts/acme/customers.yaml": customers("one")})
        assert run.outcomes == {"plan": "success", "apply": "skipped"}, run.said
        number, run = ana.request("first", {"accounts/acme/customers.yaml": customers("one", "two")})
        (comment,) = ana.host.comments(number)
        assert "### Plan: 1 of 1 account would change: 2 to create. 2 accounts have the same files" in comment
        assert "merge this pull request" in comment.splitlines()[-1]
        assert not fleet.api.of("acme").account.customers
        ana.host.approves = False
        assert ana.host.merge(number).outcomes == {"plan": "success", "apply": "waiting"}
        assert not fleet.api.of("acme").account.customers
        ana.host.approves = True
        run = ana.push({"accounts/globex/customers.yaml": customers("three")})
        assert run.outcomes == {"plan": "success", "apply": "success"}, run.said
        assert len(fleet.api.of("globex").account.customers) == 1
        kept = (ana.host.runner.folder / "artifacts").rglob("*.plan")
        assert not any(b"billing@" in path.read_bytes() for path in kept)


def test_an_account_that_cannot_be_planned_fails_the_check_and_no_other_waits_for_it(here: Place) -> None:
    with fleet_in(here) as fleet:
        ana = _clone(fleet)
        files = {"accounts/acme/customers.yaml": customers("one"), "accounts/globex/customers.yaml": "customers: [\n"}
        number, run = ana.request("first", files)
        assert run.outcomes == {"plan": "failure", "apply": "skipped"}
        assert [one.partition(":")[0] for one in run.errors] == ["globex%3A failed", "Not all accounts"], run.said
        assert "Failed (1)" in ana.host.comments(number)[0]
        run = ana.host.merge(number)
        assert run.outcomes == {"plan": "failure", "apply": "success"}, run.said
        assert len(fleet.api.of("acme").account.customers) == 1


def test_the_merge_leaves_the_plans_to_the_workers_where_a_variable_says_so(here: Place) -> None:
    with fleet_in(here) as fleet:
        ana = _clone(fleet)
        ana.host.vars["RECONCILER_WORKERS"] = "true"
        run = ana.push({"accounts/acme/customers.yaml": customers("one")})
        assert run.outcomes == {"plan": "success", "apply": "failure"}, run.said
        # The ledgers of this fleet are files, which workers do not share.
        assert "workers need the ledgers of all accounts in one PostgreSQL database" in run.said
        assert not fleet.api.of("acme").account.customers


def test_a_forks_pull_request_has_no_secrets_and_plans_nothing(here: Place) -> None:
    with fleet_in(here) as fleet:
        ana = _clone(fleet)
        ana.host.secrets = {}
        number, run = ana.request("first", {"accounts/acme/customers.yaml": customers("one")})
        assert (run.outcome, ana.host.comments(number)) == ("success", []), run.said
        assert "::warning title=Not planned::" in run.said


def test_a_container_ends_after_its_jobs_and_can_read_its_secrets() -> None:
    pod = _documents(FOLDER / "kubernetes" / "worker.yaml")[0]["spec"]["template"]["spec"]
    drain = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert int(drain[-1]) < pod["terminationGracePeriodSeconds"]
    assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsUser"]
