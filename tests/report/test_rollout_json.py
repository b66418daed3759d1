"""A rollout as JSON: what its schema says, with times as texts."""

from __future__ import annotations

from dataclasses import replace

from reconciler.documents.schema import Shape
from reconciler.fleet.gate import judge
from reconciler.model.fleet import (
    AccountState,
    ChangeCounts,
    FleetPolicy,
    ItemState,
    JobKind,
    JobResult,
    Rollout,
    RolloutItem,
    RolloutState,
)
from reconciler.model.policy import Share
from reconciler.report.rollout import rollout_json
from reconciler.resources import schema

ROLLOUT = Rollout("a" * 32, "msp/production", RolloutState.PAUSED, 1_790_000_000.0, chosen=3, waves=2, wave=1)
ITEM = RolloutItem(
    ROLLOUT.id, "acme", 1, ItemState.DONE, "d", planned=ChangeCounts(creates=2), started_at=1_790_000_001.5
)
PLANNED = JobResult(
    "acme", JobKind.PLAN, AccountState.PENDING, 2, 0.0, 0.0, planned=ChangeCounts(archives=2), digest="d"
)


def test_a_rollout_fits_its_schema_and_says_when_as_text() -> None:
    failed = replace(PLANNED, account="hooli", error="Forbidden", message="no", hint="check the key")
    held = replace(PLANNED, account="stark", exceeded=("max_archives: 2 planned, 1 allowed",))
    blocked = replace(PLANNED, account="globex", blocked=1)
    verdict = judge([PLANNED, failed, held, blocked], FleetPolicy(max_archives=Share(1)))
    document = rollout_json(ROLLOUT, [ITEM], verdict)
    assert Shape(schema("rollout")).misfits(document) == ()
    assert document["rollout"]["started_at"].startswith("2026-09-21T14:13:20")
    assert document["accounts"][0]["ended_at"] is None
    assert [row["account"] for row in document["gate"]["unplanned"]] == ["hooli"]
    assert [row["limit"] for row in document["gate"]["exceeded"]][-1] == "max_archives"


def test_a_refused_rollout_fits_the_schema_too() -> None:
    document = rollout_json(None, (), judge([PLANNED], FleetPolicy()))
    assert (Shape(schema("rollout")).misfits(document), document["rollout"]) == ((), None)
