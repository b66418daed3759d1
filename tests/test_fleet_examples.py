"""The examples of a fleet on several machines, against the public schemas of their formats."""

from __future__ import annotations

import configparser
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner
from command_line import PATIENCE_S

from reconciler.cli.app import cli

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
    """Return every command of ours in the examples, without the program's name."""
    container = _documents(FOLDER / "kubernetes" / "worker.yaml")[0]["spec"]["template"]["spec"]["containers"][0]
    service = configparser.ConfigParser()
    service.read(FOLDER / "systemd" / "reconciler-fleet.service")
    compose = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))
    workflow = yaml.safe_load((FOLDER / "github" / "fleet.yml").read_text("utf-8"))
    lines = [
        service["Service"]["ExecStart"],
        compose["services"]["worker-1"]["entrypoint"][-1],
        (FOLDER / "crontab").read_text("utf-8").splitlines()[-1],
        *(step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step),
    ]
    found = [line.rpartition("reconciler ")[2].split() for line in lines if "reconciler " in line]
    return [*found, container["args"], container["lifecycle"]["preStop"]["exec"]["command"][1:]]


def test_every_command_in_the_examples_has_the_options_that_it_is_given() -> None:
    commands = _commands()
    assert len(commands) >= 6
    group = cli.commands["fleet"]
    assert isinstance(group, click.Group)
    for words in commands:
        if words[-2:] == ["drift", "--due"] and "drift" not in group.commands:
            continue  # it comes with the embedded mode
        ran = CliRunner().invoke(cli, [*words, "--help"])
        assert ran.exit_code == 0, (words, ran.output)


def test_a_container_ends_after_its_jobs_and_can_read_its_secrets() -> None:
    pod = _documents(FOLDER / "kubernetes" / "worker.yaml")[0]["spec"]["template"]["spec"]
    drain = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert int(drain[-1]) < pod["terminationGracePeriodSeconds"]
    assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsUser"]
