"""What a worker answers over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from reconciler.errors import LedgerFailed, ReconcilerError
from reconciler.fleet.service import LARGEST_BODY, WorkerMetrics, create_app, listening
from reconciler.model.fleet import AccountState, AccountStatus, JobKind, JobResult
from reconciler.report.fleet_page import FleetStatus

SECRET = "0123456789abcdef"
KEY = {"authorization": f"Bearer {SECRET}"}


class Stub:
    """A worker without a queue."""

    def __init__(self) -> None:
        self.draining, self.running, self.good = False, {"acme"}, True
        self.asked: list[str] = []

    def healthy(self) -> bool:
        return self.good

    def status(self) -> FleetStatus:
        if not self.good:
            raise LedgerFailed("postgresql://db.example/state: it cannot be reached", "")
        rows = [AccountStatus("acme", "production", AccountState.DRIFTED, drifted=3)]
        return FleetStatus("production", "msp", rows, 1000.0, {})

    def ask(self, account: str) -> bool:
        if not self.good:
            raise LedgerFailed("postgresql://db.example/state: it cannot be reached", "")
        self.asked.append(account)
        return account == "acme"


@contextmanager
def served(worker: Stub, metrics: WorkerMetrics, secret: str) -> Iterator[httpx.Client]:
    """Yield a client of a worker."""
    with (
        listening("127.0.0.1", 0, create_app(worker, metrics, secret)) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=60) as client,
    ):
        yield client


@pytest.fixture
def worker() -> Stub:
    return Stub()


@pytest.fixture
def metrics() -> WorkerMetrics:
    return WorkerMetrics("production")


@pytest.fixture
def client(worker: Stub, metrics: WorkerMetrics) -> Iterator[httpx.Client]:
    with served(worker, metrics, SECRET) as made:
        yield made


def test_a_worker_is_ready_while_its_database_answers_and_it_does_not_drain(client: httpx.Client, worker: Stub) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "running": 1})
    worker.good = False
    assert client.get("/healthz").status_code == HTTPStatus.SERVICE_UNAVAILABLE
    worker.good, worker.draining = True, True
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (503, "draining")


def test_metrics_are_those_of_the_table_and_of_this_worker(client: httpx.Client, metrics: WorkerMetrics) -> None:
    result = JobResult("acme", JobKind.DRIFT, AccountState.FAILED, 1, 0.0, 1.0, throttled=2, error="TakenOver")
    metrics.ended(result, 3.0)
    families = {one.name: one for one in text_string_to_metric_families(client.get("/metrics").text)}

    def value(family: str, sample: str, **labels: str) -> float:
        found = [
            one.value for one in families[family].samples if one.name == sample and labels.items() <= one.labels.items()
        ]
        return found[0]

    assert value("reconciler_fleet_accounts", "reconciler_fleet_accounts", state="drifted") == 1
    assert value("reconciler_fleet_jobs", "reconciler_fleet_jobs_total", kind="drift", outcome="failed") == 1
    assert value("reconciler_fleet_throttled_requests", "reconciler_fleet_throttled_requests_total") == 2
    assert value("reconciler_fleet_lease_refused", "reconciler_fleet_lease_refused_total") == 1
    late = "reconciler_fleet_due_lateness_seconds"
    assert [value(late, f"{late}_bucket", le=le) for le in ("2.0", "5.0")] == [0, 1]


def test_metrics_of_the_worker_are_there_without_its_database(client: httpx.Client, worker: Stub) -> None:
    worker.good = False
    answer = client.get("/metrics")
    assert (answer.status_code, "reconciler_fleet_lease_refused_total" in answer.text) == (200, True)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": SECRET}, 401),
        ({"authorization": f"Bearer {SECRET}x"}, 401),
        ({"authorization": f"Basic {SECRET}"}, 401),
        ({"authorization": "Bearer ключ".encode()}, 401),
        (KEY, 202),
    ],
)
def test_a_webhook_is_taken_with_the_secret_alone(
    client: httpx.Client, worker: Stub, headers: dict[str, Any], status: int
) -> None:
    answer = client.post("/events/acme", content=b"{}", headers=headers)
    assert (answer.status_code, worker.asked) == (status, ["acme"] if status == 202 else [])


def test_whoever_has_no_secret_does_not_learn_which_accounts_there_are(client: httpx.Client) -> None:
    assert client.post("/events/nobody").status_code == HTTPStatus.UNAUTHORIZED
    assert client.post("/events/nobody", headers=KEY).status_code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_not_taken(client: httpx.Client, worker: Stub, *, chunked: bool) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(2):
            yield b"x" * LARGEST_BODY

    content = parts() if chunked else b"x" * (LARGEST_BODY + 1)
    answer = client.post("/events/acme", content=content, headers=KEY)
    assert (answer.status_code, worker.asked) == (413, [])


def test_a_webhook_that_cannot_be_kept_is_sent_again_later(client: httpx.Client, worker: Stub) -> None:
    worker.good = False
    answer = client.post("/events/acme", headers=KEY)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")


def test_without_a_secret_no_webhook_is_taken(
    worker: Stub, metrics: WorkerMetrics, caplog: pytest.LogCaptureFixture
) -> None:
    with served(worker, metrics, "") as client:
        answer = client.post("/events/acme", headers={"authorization": "Bearer"})
    assert (answer.status_code, worker.asked) == (404, [])
    assert "RECONCILER_EVENTS_SECRET is not set" in caplog.text


def test_an_address_that_is_taken_is_named(worker: Stub, metrics: WorkerMetrics) -> None:
    app = create_app(worker, metrics, "")
    with listening("127.0.0.1", 0, app) as url:
        port = int(url.rpartition(":")[2])
        with (
            pytest.raises(ReconcilerError, match=f"127.0.0.1:{port}: nothing can listen there") as caught,
            listening("127.0.0.1", port, app),
        ):
            pass
    assert caught.value.hint == "choose another --listen HOST:PORT"
