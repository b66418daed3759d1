"""Metrics: counters go on, what a run found replaces what was found, and nothing of another run is lost."""

from __future__ import annotations

import pytest

from reconciler.report.metrics import DRIFT, METRICS, Measurement, Rows, metrics_text, read_metrics, updated


def run(*, environment: str = "demo", command: str = "plan", succeeded: bool = True, ended_at: float = 100.0) -> Rows:
    """Return the rows of a file after a first run."""
    return updated({}, _measured(environment, command, succeeded=succeeded, ended_at=ended_at))


def _measured(environment: str, command: str, *, succeeded: bool, ended_at: float) -> Measurement:
    measured = Measurement(command, environment, succeeded=succeeded, duration_s=1.5, ended_at=ended_at)
    for status in (200, 429, 0):
        measured.sent(status)
    return measured


def value(rows: Rows, name: str, **labels: str) -> float | None:
    """Return the one value of a metric with these labels, None where there is none."""
    found = [number for (metric, own), number in rows.items() if metric == name and labels.items() <= dict(own).items()]
    assert len(found) <= 1
    return found[0] if found else None


def test_counters_go_on_from_what_the_file_held() -> None:
    rows = updated(run(), _measured("demo", "plan", succeeded=False, ended_at=200.0))
    assert value(rows, "reconciler_requests_total") == 6
    assert value(rows, "reconciler_throttled_requests_total") == 2
    assert value(rows, "reconciler_runs_total", result="success") == 1
    assert value(rows, "reconciler_runs_total", result="failure") == 1


def test_a_run_that_fails_keeps_the_time_of_the_last_success() -> None:
    rows = updated(run(ended_at=100.0), _measured("demo", "plan", succeeded=False, ended_at=200.0))
    assert value(rows, "reconciler_last_success_timestamp_seconds") == 100
    assert value(rows, "reconciler_last_run_timestamp_seconds") == 200


def test_a_first_run_that_fails_has_no_last_success() -> None:
    assert value(run(succeeded=False), "reconciler_last_success_timestamp_seconds") is None


def test_another_environment_or_command_keeps_its_rows() -> None:
    before = run()
    for environment, command in (("demo", "drift"), ("production", "plan")):
        rows = updated(before, _measured(environment, command, succeeded=True, ended_at=200.0))
        assert before.items() <= rows.items()


def test_what_an_earlier_run_found_is_not_kept_by_one_that_found_nothing() -> None:
    found = Measurement("drift", "demo", found=[(DRIFT, "changed", 3)])
    failed = updated(updated({}, found), Measurement("drift", "demo"))
    assert value(updated({}, found), "reconciler_drift_findings", kind="changed") == 3
    assert value(failed, "reconciler_drift_findings") is None


def test_text_is_read_as_it_was_written_and_escapes_names() -> None:
    rows = run(environment='a"b\\c\nd')
    assert read_metrics(metrics_text(rows)) == rows


def test_no_text_has_no_rows() -> None:
    assert read_metrics("") == {}


@pytest.mark.parametrize("text", ["customers:\n  acme: {name: Acme}\n", "up 1\n", "{", "reconciler_runs_total{ 1\n"])
def test_text_that_is_not_ours_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="it "):
        read_metrics(text)


def test_names_are_those_of_prometheus_conventions() -> None:
    for one in METRICS:
        assert one.sample.startswith("reconciler_")
        assert one.sample.endswith("_total") is one.counter
        assert one.sample.endswith("_seconds") is ("run_" in one.name or "success" in one.name)
        assert one.labels[:2] == ("environment", "command")
