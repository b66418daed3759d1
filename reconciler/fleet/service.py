"""
What a worker answers over HTTP: whether it is ready, metrics, and webhooks that say that an account has changed.

A webhook's body is not read further than to its end: what a customer is now, only the API says. It is taken only with
the secret that whoever sends it was given.
"""

from __future__ import annotations

import hmac
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Protocol

import uvicorn
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from reconciler.errors import ReconcilerError
from reconciler.escape import visible
from reconciler.model.fleet import JobKind, JobResult
from reconciler.report.fleet_page import FleetStatus
from reconciler.report.metrics import status_metrics

log = logging.getLogger(__name__)

LARGEST_BODY = 1024**2
"""Bytes of a webhook's body that are taken at most."""
LEAST_SECRET = 16
"""Characters."""

_LATENESS_S = (0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Served(Protocol):
    """The worker that answers."""

    draining: bool
    running: set[str]

    def healthy(self) -> bool:
        """Say whether its database answered a moment ago."""

    def status(self) -> FleetStatus:
        """Return what is known of the accounts; ReconcilerError where it cannot be read."""

    def ask(self, account: str) -> bool:
        """Let an account be checked soon, and say whether there is such an account."""


class WorkerMetrics:
    """What this process has done since it began."""

    def __init__(self, environment: str) -> None:
        self.registry = CollectorRegistry()
        self._environment = environment
        own = ("environment",)
        self._jobs = Counter(
            "reconciler_fleet_jobs",
            "Jobs that ended in this worker, by kind and by what they found.",
            (*own, "kind", "outcome"),
            registry=self.registry,
        )
        self._lateness = Histogram(
            "reconciler_fleet_due_lateness_seconds",
            "How long after an account was due its check began.",
            own,
            buckets=_LATENESS_S,
            registry=self.registry,
        )
        self._throttled = Counter(
            "reconciler_fleet_throttled_requests",
            "Requests of this worker that the API answered with 429.",
            own,
            registry=self.registry,
        )
        self._refused = Counter(
            "reconciler_fleet_lease_refused",
            "Jobs of this worker that another run's lease kept from writing.",
            own,
            registry=self.registry,
        )
        for counter in (self._throttled, self._refused):
            counter.labels(environment)

    def ended(self, result: JobResult, late_s: float) -> None:
        """Take a result, and how late its job began."""
        name = self._environment
        self._jobs.labels(name, result.kind.value, result.state.value).inc()
        if result.kind is JobKind.DRIFT:
            self._lateness.labels(name).observe(late_s)
        self._throttled.labels(name).inc(result.throttled)
        self._refused.labels(name).inc(result.error in LEASE_ERRORS)

    def text(self) -> str:
        """Return it as Prometheus text."""
        return generate_latest(self.registry).decode()


LEASE_ERRORS = ("Locked", "TakenOver")
"""Kinds of errors of a job that another run kept from writing."""


def create_app(worker: Served, metrics: WorkerMetrics, secret: str) -> Starlette:
    """Return what answers for a worker; without a secret it takes no webhooks."""

    async def healthz(_: Request) -> Response:
        good = worker.healthy() and not worker.draining
        status = "ok" if good else "draining" if worker.draining else "no answer from the database"
        answer = {"status": status, "running": len(worker.running)}
        return JSONResponse(answer, HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE)

    async def measured(_: Request) -> Response:
        try:
            known = await run_in_threadpool(lambda: status_metrics(worker.status()))
        except ReconcilerError as error:
            log.warning("metrics: %s", error)
            known = ""
        return Response(known + metrics.text(), headers={"content-type": _METRICS_TYPE})

    async def events(request: Request) -> Response:
        if not secret:
            log.warning("a webhook came, and RECONCILER_EVENTS_SECRET is not set: it is not taken")
            return _answer(HTTPStatus.NOT_FOUND)
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        # Both are compared whole, so that the time says nothing about the secret.
        same = hmac.compare_digest(given.strip().encode(), secret.encode())
        if scheme.lower() != "bearer" or not same:
            return _answer(HTTPStatus.UNAUTHORIZED, {"www-authenticate": "Bearer"})
        if not await _read(request):
            return _answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"connection": "close"})
        account = request.path_params["account"]
        try:
            known = await run_in_threadpool(worker.ask, account)
        except (ReconcilerError, TimeoutError) as error:
            log.warning("a webhook of %s is not taken: %s", visible(account), error or "the database does not answer")
            return _answer(HTTPStatus.SERVICE_UNAVAILABLE, {"retry-after": "60"})
        return _answer(HTTPStatus.ACCEPTED if known else HTTPStatus.NOT_FOUND)

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/metrics", measured),
            Route("/events/{account}", events, methods=["POST"]),
        ]
    )


def _answer(status: HTTPStatus, headers: dict[str, str] | None = None) -> Response:
    """Return an answer that says no more than its status."""
    return PlainTextResponse(f"{status.phrase}\n", status, headers)


async def _read(request: Request) -> bool:
    """Read a body to its end and drop it; False where it is too large, which ends reading."""
    if not request.headers.get("content-length", "0").isdigit():
        return False
    if int(request.headers.get("content-length", "0")[:20]) > LARGEST_BODY:
        return False
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST_BODY:
            return False
    return True


@contextmanager
def listening(host: str, port: int, app: Starlette) -> Iterator[str]:
    """
    Yield the address at which an application answers, in a thread of its own; port 0 takes a free one.

    ReconcilerError where nothing can listen there.
    """
    bound = _bound(host, port)
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
        limit_concurrency=100,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="http", daemon=True)
    thread.start()
    try:
        yield f"http://{f'[{host}]' if ':' in host else host}:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        bound.close()


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket that listens."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, protocol)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(address)
            made.listen()
        except OSError:
            made.close()
            raise
    except OSError as exc:
        message = f"{visible(host)}:{port}: nothing can listen there: {exc.strerror or exc}"
        raise ReconcilerError(message, "choose another --listen HOST:PORT") from exc
    return made
