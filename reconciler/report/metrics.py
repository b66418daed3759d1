"""
What runs did, as Prometheus text for the textfile collector of node_exporter.

Counters go on from what the file held; what a run found out replaces it. Labels hold names of environments, commands
and closed words: no customer's key, name or id. An environment or command that did not run keeps its rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from reconciler.model.core import Action, Status
from reconciler.model.fleet import AccountState
from reconciler.model.plan import Plan
from reconciler.model.reports import Drift, DriftKind
from reconciler.report.progress import Event, PlanMade, RunEnded

if TYPE_CHECKING:
    from reconciler.report.fleet_page import FleetStatus

Labels = tuple[tuple[str, str], ...]
Rows = dict[tuple[str, Labels], float]
"""Values by the name of a metric and its labels."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: its name without the suffix of a counter, what it counts, and its labels."""

    name: str
    about: str
    labels: tuple[str, ...] = ("environment", "command")
    counter: bool = False

    @property
    def sample(self) -> str:
        """Return the name of its samples."""
        return f"{self.name}_total" if self.counter else self.name


RUNS = Metric("reconciler_runs", "Runs, by whether they succeeded.", ("environment", "command", "result"), counter=True)
REQUESTS = Metric("reconciler_requests", "Requests sent to the API, tokens and retries included.", counter=True)
THROTTLED = Metric("reconciler_throttled_requests", "Requests that the API answered with 429.", counter=True)
OUTCOMES = Metric(
    "reconciler_change_outcomes",
    "Changes that apply made or tried to make, by how they ended.",
    ("environment", "command", "status"),
    counter=True,
)
PLANNED = Metric(
    "reconciler_planned_changes", "Changes in the last plan, by action.", ("environment", "command", "action")
)
BLOCKED = Metric("reconciler_blocked", "What is blocked, in the last plan or drift.")
LIMITS = Metric("reconciler_exceeded_limits", "Limits and windows that stop the last plan.")
APPROVALS = Metric("reconciler_missing_approvals", "Actions of the last plan that nothing approves.")
DRIFT = Metric("reconciler_drift_findings", "Findings of the last drift, by kind.", ("environment", "command", "kind"))
DURATION = Metric("reconciler_last_run_duration_seconds", "How long the last run took.")
LAST_RUN = Metric("reconciler_last_run_timestamp_seconds", "When the last run ended.")
LAST_SUCCESS = Metric("reconciler_last_success_timestamp_seconds", "When the last run that succeeded ended.")

METRICS = (
    RUNS,
    REQUESTS,
    THROTTLED,
    OUTCOMES,
    PLANNED,
    BLOCKED,
    LIMITS,
    APPROVALS,
    DRIFT,
    DURATION,
    LAST_RUN,
    LAST_SUCCESS,
)
KEPT = frozenset({*(one.sample for one in METRICS if one.counter), LAST_SUCCESS.sample})
"""Samples that a run which has none of its own leaves as they are."""


@dataclass(slots=True)
class Measurement:
    """What one run of a command does, taken down while it runs."""

    command: str
    environment: str = ""
    succeeded: bool = False
    duration_s: float = 0.0
    ended_at: float = 0.0
    requests: int = 0
    throttled: int = 0
    found: list[tuple[Metric, str, float]] = field(default_factory=list)
    """Metrics with the value of their third label, "" where they have two, and their own."""

    def sent(self, status: int) -> None:
        """Take a request and the status of its answer, 0 without one."""
        self.requests += 1
        self.throttled += status == HTTPStatus.TOO_MANY_REQUESTS

    def event(self, event: Event) -> None:
        """Take what a run that applies tells of itself."""
        match event:
            case PlanMade(plan):
                self.planned(plan)
            case RunEnded(_, outcomes):
                ended = Counter(one.status for one in outcomes)
                self.found += [(OUTCOMES, status.value, ended[status]) for status in Status]

    def planned(self, plan: Plan) -> None:
        """Take a plan."""
        self.found += [(PLANNED, action.value, plan.count(action)) for action in Action]
        counted = ((BLOCKED, plan.blocked), (LIMITS, plan.limits), (APPROVALS, plan.approvals))
        self.found += [(metric, "", len(rows)) for metric, rows in counted]

    def drifted(self, drift: Drift) -> None:
        """Take a drift."""
        kinds = Counter(one.kind for one in drift.findings)
        self.found += [(DRIFT, kind.value, kinds[kind]) for kind in DriftKind]
        self.found.append((BLOCKED, "", len(drift.blocked)))


def updated(before: Mapping[tuple[str, Labels], float], run: Measurement) -> Rows:
    """Return the rows of a file after a run."""
    own = (("command", run.command), ("environment", run.environment))
    rows = {key: value for key, value in before.items() if key[0] in KEPT or not set(own) <= set(key[1])}
    results = [(RUNS, result, float(good is run.succeeded)) for result, good in (("success", True), ("failure", False))]
    counted = [(REQUESTS, "", run.requests), (THROTTLED, "", run.throttled), *results]
    times = [(DURATION, "", run.duration_s), (LAST_RUN, "", run.ended_at)]
    times += [(LAST_SUCCESS, "", run.ended_at)] if run.succeeded else []
    for metric, word, value in (*counted, *run.found, *times):
        labels = tuple(sorted((*own, *((name, word) for name in metric.labels[2:]))))
        key = (metric.sample, labels)
        rows[key] = (rows.get(key, 0.0) if metric.counter else 0.0) + value
    return rows


def read_metrics(text: str) -> Rows:
    """Return the rows of a file that `metrics_text` wrote; ValueError for any other text that is not empty."""
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415 - an extra, and slow to load

    known = {one.sample for one in METRICS}
    try:
        samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    except Exception as error:
        # It raises whatever its indexes and conversions come upon.
        raise ValueError("it is not Prometheus text") from error
    if text.strip() and not any(one.name in known for one in samples):
        raise ValueError("it has no metric of Reconciler")
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for one in samples if one.name in known}


def metrics_text(rows: Mapping[tuple[str, Labels], float]) -> str:
    """Return rows as Prometheus text."""
    families = []
    for metric in METRICS:
        own = sorted((labels, value) for (name, labels), value in rows.items() if name == metric.sample)
        values = [([dict(labels).get(name, "") for name in metric.labels], value) for labels, value in own]
        families.append((metric, values))
    return exposition(families)


def exposition(families: Iterable[tuple[Metric, Iterable[tuple[Sequence[str], float]]]]) -> str:
    """Return metrics with their values, each by the values of its labels, as Prometheus text; none without a value."""
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - the same
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415
    from prometheus_client.registry import Collector  # noqa: PLC0415

    class Rendered(Collector):
        """The families, for the library."""

        def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
            for metric, values in families:
                kind = CounterMetricFamily if metric.counter else GaugeMetricFamily
                family = kind(metric.name, metric.about, labels=metric.labels)
                for labels, value in values:
                    family.add_metric(labels, value)
                if family.samples:
                    yield family

    # It asks what it would be given once, to know the names.
    families = [(metric, tuple(values)) for metric, values in families]
    registry = CollectorRegistry()
    registry.register(Rendered())
    return generate_latest(registry).decode()


# --- a fleet -----------------------------------------------------------------------------------------

_BY = ("environment",)
ACCOUNTS = Metric("reconciler_fleet_accounts", "Accounts, by what their last check found.", ("environment", "state"))
CUSTOMERS = Metric("reconciler_fleet_customers", "Customers in all accounts.", _BY)
DRIFTED_CUSTOMERS = Metric("reconciler_fleet_drifted_customers", "Customers that drifted, in all accounts.", _BY)
PENDING_CUSTOMERS = Metric(
    "reconciler_fleet_pending_customers", "Customers with edits not applied, in all accounts.", _BY
)
BLOCKED_CUSTOMERS = Metric(
    "reconciler_fleet_blocked_customers", "Customers whose changes are blocked, in all accounts.", _BY
)
OLDEST_CHECK = Metric("reconciler_fleet_oldest_check_seconds", "Age of the oldest last check of an account.", _BY)
OLDEST_DUE = Metric("reconciler_fleet_oldest_due_seconds", "How long an account has waited for a check at most.", _BY)
OVERDUE = Metric("reconciler_fleet_due_accounts", "Accounts whose check is due.", _BY)
UNCHECKED = Metric("reconciler_fleet_unchecked_accounts", "Accounts that were never checked.", _BY)
ACCOUNT = Metric(
    "reconciler_fleet_account_state", "1 for the state that an account is in.", ("environment", "account", "state")
)
FLEET_METRICS = (
    ACCOUNTS,
    CUSTOMERS,
    DRIFTED_CUSTOMERS,
    PENDING_CUSTOMERS,
    BLOCKED_CUSTOMERS,
    OLDEST_CHECK,
    OLDEST_DUE,
    OVERDUE,
    UNCHECKED,
    ACCOUNT,
)


def status_metrics(status: FleetStatus, *, per_account: bool = False) -> str:
    """Return a status as Prometheus text; an account's name is a label only where that is asked for."""
    return exposition(_families(status, per_account=per_account))


def _families(
    status: FleetStatus, *, per_account: bool
) -> Iterator[tuple[Metric, Sequence[tuple[Sequence[str], float]]]]:
    """Yield each metric with its values by labels."""
    from reconciler.report.fleet_page import TITLES  # noqa: PLC0415 - a plan of one account measures without it

    rows, name = status.accounts, status.environment
    active = [one for one in rows if one.state is not AccountState.SUSPENDED]
    found = Counter(one.state for one in rows)
    yield ACCOUNTS, [((name, state.value), found[state]) for state in TITLES]
    for metric, numbers in (
        (CUSTOMERS, [one.customers for one in rows]),
        (DRIFTED_CUSTOMERS, [one.drifted for one in rows]),
        (PENDING_CUSTOMERS, [one.pending for one in rows]),
        (BLOCKED_CUSTOMERS, [one.blocked for one in rows]),
    ):
        yield metric, [((name,), sum(numbers))]
    checked = [one.checked_at for one in active if one.checked_at]
    yield OLDEST_CHECK, [((name,), max((status.now - at for at in checked), default=0.0))]
    due = [one.next_due for one in active if one.next_due <= status.now]
    # One that was never checked has been due since nobody knows when.
    yield OLDEST_DUE, [((name,), max((status.now - at for at in due if at), default=0.0))]
    yield OVERDUE, [((name,), len(due))]
    yield UNCHECKED, [((name,), sum(not one.checked_at for one in active))]
    if per_account:
        yield ACCOUNT, [((name, one.account, one.state.value), 1.0) for one in rows]
