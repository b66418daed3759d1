"""`--metrics FILE`: what a run did, for Prometheus, also where it fails; the run does not depend on the file."""

from __future__ import annotations

import re
import stat

import pytest
from command_line import ONE, THREE, Online, Place
from prometheus_client.parser import text_string_to_metric_families
from test_cli_environments import BOTH, failing, other_server, pair  # noqa: F401 - fixtures

from reconciler.emulator.faults import Fault, Scripted

pytest_plugins = ("command_fixtures",)

PLAN = ("plan", "-f", "customers.yaml", "--metrics", "m.prom")
DRIFT = ("drift", "-f", "customers.yaml", "--metrics", "m.prom")
APPLY = ("apply", "-f", "customers.yaml", "--auto-approve", "--metrics", "m.prom")


def samples(place: Place, name: str, **labels: str) -> dict[str, float]:
    """Return the values of a metric with these labels, by the values of its other labels."""
    text = (place.folder / "m.prom").read_text("utf-8")
    return {
        " ".join(text for key, text in sorted(one.labels.items()) if key not in labels): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
        if one.name == f"reconciler_{name}" and labels.items() <= one.labels.items()
    }


def test_a_plan_writes_its_changes_by_action_its_requests_and_its_success(shop: Online) -> None:
    assert shop.applied(ONE).code == 0
    shop.later()
    shop.write("customers.yaml", THREE.replace("Boston", "Dover"))
    asked = shop.requests()
    assert shop.run(*PLAN).code == 0
    run = {"environment": "default", "command": "plan"}
    made = {"archive": 0, "create": 2, "create_user": 1, "patch": 1, "restore": 0}
    assert samples(shop, "planned_changes", **run) == made
    assert samples(shop, "requests_total", **run) == {"": shop.requests() - asked}
    assert samples(shop, "throttled_requests_total", **run) == {"": 0}
    assert samples(shop, "blocked", **run) == {"": 0}
    assert samples(shop, "runs_total", **run) == {"success": 1, "failure": 0}
    success = samples(shop, "last_success_timestamp_seconds", **run)
    assert success == samples(shop, "last_run_timestamp_seconds", **run)
    assert samples(shop, "last_run_duration_seconds", **run)[""] > 0


def test_a_drift_writes_its_findings_by_kind(shop: Online) -> None:
    assert shop.applied(THREE).code == 0
    shop.later()
    shop.load({"id": shop.id_of("acme"), "city": "Salem"})
    assert shop.run(*DRIFT).code == 2
    found = samples(shop, "drift_findings", command="drift", environment="default")
    assert {kind: number for kind, number in found.items() if number} == {"changed": 1}
    assert samples(shop, "runs_total", result="success") == {"drift default": 1}


def test_an_apply_writes_how_its_changes_ended(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    assert shop.run(*APPLY).code == 0
    run = {"environment": "default", "command": "apply"}
    assert samples(shop, "change_outcomes_total", **run) == {"done": 1, "failed": 0, "skipped": 0, "in_doubt": 0}
    assert samples(shop, "planned_changes", action="create", **run) == {"": 1}
    assert samples(shop, "runs_total", **run) == {"success": 1, "failure": 0}


def test_an_apply_that_is_refused_is_no_success_and_says_what_it_would_have_done(shop: Online) -> None:
    assert shop.applied(THREE).code == 0
    shop.later()
    shop.write("customers.yaml", ONE)
    assert shop.run(*APPLY, "--max-archives", "1").code == 3
    assert samples(shop, "planned_changes", action="archive") == {"apply default": 2}
    assert samples(shop, "exceeded_limits") == {"apply default": 1}
    assert samples(shop, "runs_total", command="apply", environment="default") == {"success": 0, "failure": 1}
    assert samples(shop, "last_success_timestamp_seconds") == {}


def test_an_approval_that_a_plan_lacks_is_counted(shop: Online) -> None:
    shop.write("reconciler.yaml", "environments: {default: {policy: {require_approval_for: [create]}}}\n")
    shop.write("customers.yaml", ONE)
    assert shop.run(*PLAN).code == 0
    assert samples(shop, "missing_approvals") == {"plan default": 1}


def test_a_request_too_many_is_counted(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    for number, words in enumerate((PLAN, DRIFT, APPLY), start=1):
        shop.emulator.faults = Scripted({2: Fault.STORM_429})
        assert shop.run(*words).code == 0
        assert len(samples(shop, "throttled_requests_total")) == number
    assert min(samples(shop, "throttled_requests_total").values()) >= 1


def test_a_run_that_fails_is_counted_and_keeps_the_time_of_the_last_success(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    assert shop.run(*PLAN).code == 0
    success = samples(shop, "last_success_timestamp_seconds")
    assert shop.run(*PLAN, AP_CLIENT_SECRET="wrong").code == 1
    shop.write("customers.yaml", "customers: {acme: {name: 1")
    assert shop.run(*PLAN).code == 1
    assert samples(shop, "last_success_timestamp_seconds") == success
    assert samples(shop, "runs_total", result="failure") == {"plan default": 2}
    # What is planned is unknown now.
    assert samples(shop, "planned_changes") == {}


def test_commands_and_environments_share_a_file(pair: Online) -> None:  # noqa: F811 - a fixture
    for words in (("-e", "west", "plan"), ("-e", "east", "plan"), ("-e", "west", "drift")):
        assert pair.run(*words, "--metrics", "m.prom").code == 0
    assert samples(pair, "runs_total", result="success") == {"plan west": 1, "plan east": 1, "drift west": 1}


def test_several_environments_are_in_one_file_those_that_fail_too(pair: Online) -> None:  # noqa: F811 - a fixture
    failing(pair)
    assert pair.run("plan", "-e", "*", "--metrics", "m.prom").code == 1
    assert samples(pair, "runs_total", result="success", command="plan") == {
        "west": 1,
        "east": 1,
        "unset": 0,
        "wrong": 0,
    }
    assert samples(pair, "planned_changes", action="create", command="plan") == {"west": 0, "east": 1}
    assert pair.run("drift", *BOTH, "--metrics", "m.prom").code == 0
    assert len(samples(pair, "runs_total", result="success")) == 6


def test_no_name_key_or_id_of_a_customer_is_in_the_file(shop: Online) -> None:
    shop.write("customers.yaml", THREE)
    for words in (PLAN, APPLY, DRIFT):
        assert shop.run(*words).code == 0
    text = (shop.folder / "m.prom").read_text("utf-8")
    secret = ["acme", "Acme", "globex", "initech", "jane", "Boston", "cus_", shop.variables["AP_BASE_URL"]]
    assert [one for one in secret if one in text] == []
    labels = {name for row in text.splitlines() if row[0] != "#" for name in re.findall(r'(\w+)="', row)}
    assert labels <= {"environment", "command", "action", "kind", "status", "result"}


def test_whoever_collects_may_read_the_file_and_a_link_to_it_stays_one(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    (shop.folder / "m.prom").symlink_to("real.prom")
    assert shop.run(*PLAN).code == 0
    assert (shop.folder / "m.prom").is_symlink()
    assert stat.S_IMODE((shop.folder / "real.prom").stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("none/m.prom", "none/m.prom: it cannot be written: No such file or directory"),
        ("/dev/full", "/dev/full: a device, not a file"),
        ("customers.yaml", "customers.yaml: it is not Prometheus text"),
        ("others.prom", "others.prom: it has no metric of Reconciler"),
    ],
)
def test_a_file_that_cannot_be_written_is_one_warning_and_loses_nothing(shop: Online, path: str, said: str) -> None:
    shop.write("customers.yaml", ONE)
    shop.write("others.prom", "up 1\n")
    usual = shop.run("plan", "-f", "customers.yaml")
    ran = shop.run("plan", "-f", "customers.yaml", "--metrics", path)
    assert (ran.code, ran.out) == (0, usual.out)
    (warning,) = [row for row in ran.err.splitlines() if "metrics" in row]
    assert warning.startswith(f"warning: the metrics were not written: {said}")
    assert (shop.folder / "customers.yaml").read_text("utf-8") == ONE
    assert (shop.folder / "others.prom").read_text("utf-8") == "up 1\n"


@pytest.mark.parametrize(("path", "said"), [("-", "metrics are written to a file"), (".", "is a directory")])
def test_what_is_no_file_is_refused_before_anything_is_sent(shop: Online, path: str, said: str) -> None:
    shop.write("customers.yaml", ONE)
    ran = shop.run("plan", "-f", "customers.yaml", "--metrics", path)
    assert (ran.code, ran.out, shop.requests(), said in ran.err) == (1, "", 0, True)


def test_on_a_full_disk_the_earlier_file_stays_whole(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    assert shop.run(*PLAN).code == 0
    before = (shop.folder / "m.prom").read_bytes()
    ran = shop.spawn(*PLAN, limits="-f 1")
    assert ran.code == 0
    assert "warning: the metrics were not written: " in ran.err
    assert (shop.folder / "m.prom").read_bytes() == before
    assert [one.name for one in shop.folder.iterdir() if one.name.startswith(".m.prom")] == []


def test_without_the_extra_nothing_is_sent_and_the_error_names_it(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    shop.write("missing/prometheus_client.py", "raise ImportError\n")
    before = shop.requests()
    ran = shop.spawn(*PLAN, variables={"PYTHONPATH": str(shop.folder / "missing")})
    assert (ran.code, ran.out, shop.requests()) == (1, "", before)
    assert ran.err == (
        "error: --metrics needs prometheus_client, which is not installed; nothing was sent\n"
        "  pip install 'alternative-payments-reconciler[metrics]'\n"
    )
