"""Each sentence of what the planner decides, as a folder of `tests/cases`: these inputs give this plan."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import plan_cases
import pytest

from reconciler.plan.make import make_plan
from reconciler.plan.revalidate import Earlier, revalidate
from reconciler.plan.saved_plan import load, save
from reconciler.report.plan_json import plan_to_json

FOLDERS = sorted(path.parent for path in plan_cases.CASES.glob("*/desired.yaml"))
WHOLE = [
    folder for folder in FOLDERS if not {"reads", "refused"} & json.loads((folder / "plan.json").read_text()).keys()
]
SCHEMA = jsonschema_rs.validator_for(json.loads((Path(__file__).parents[2] / "schema/plan.schema.json").read_text()))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_plan_of_a_case_is_its_plan_json(folder: Path) -> None:
    assert plan_cases.planned(folder) == json.loads((folder / "plan.json").read_text())


@pytest.mark.parametrize("folder", WHOLE, ids=lambda folder: folder.name)
def test_the_plan_of_a_case_fits_the_public_schema(folder: Path) -> None:
    document = plan_to_json(plan_cases.drafted(folder).plan)

    assert [error.message for error in SCHEMA.iter_errors(document)] == []


@pytest.mark.parametrize("folder", WHOLE, ids=lambda folder: folder.name)
def test_the_plan_of_a_case_that_is_saved_and_held_against_itself_is_that_plan(folder: Path) -> None:
    desired, live, records, terms = plan_cases.inputs(folder)
    plan = make_plan(desired, live, records, terms).plan

    made = revalidate(
        load(save(plan_to_json(plan), plan, live.read_at, "one")), plan, Earlier(), desired, live, records, terms
    )

    assert (made.needed, made.stale, made.plan) == ((), (), plan)


@pytest.mark.parametrize("folder", WHOLE, ids=lambda folder: folder.name)
def test_the_order_in_which_things_are_declared_and_listed_does_not_matter(folder: Path) -> None:
    inputs = plan_cases.inputs(folder)

    assert make_plan(*map(_turned, inputs)).plan.changes == make_plan(*inputs).plan.changes


def _turned(value: Any) -> Any:  # noqa: ANN401 - one of the planner's inputs
    """Return a value whose mappings are in the opposite order."""
    mappings = {
        one.name: dict(reversed(getattr(value, one.name).items()))
        for one in fields(value)
        if isinstance(getattr(value, one.name), dict)
    }
    return replace(value, **mappings)


def test_every_folder_of_the_cases_is_one() -> None:
    assert sorted(path for path in plan_cases.CASES.iterdir() if path.is_dir()) == FOLDERS
