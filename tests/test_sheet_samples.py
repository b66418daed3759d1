"""The built-in maps, on synthetic exports whose true values are known: nothing is merged, and no zero is lost."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import Place

from reconciler.documents.parse import parse
from reconciler.kinds.kind import CUSTOMER_FIELDS
from reconciler.sheets.map import SHIPPED

pytest_plugins = ("command_fixtures",)

ROOT = Path(__file__).parent.parent
SAMPLES = runpy.run_path(str(ROOT / "docs" / "sheet_samples.py"))


def _sample(here: Place, name: str) -> tuple[str, Any]:
    """Write the files of a sample, and return the name of the first and the truth."""
    sample = SAMPLES["sample"](name)
    for file, content in sample.files.items():
        here.write(file, content)
    return next(iter(sample.files)), sample.truth


def _canonical(fields: dict[str, str]) -> dict[str, str]:
    return {name: CUSTOMER_FIELDS[name].canonical(value) for name, value in fields.items()}


def test_each_built_in_map_has_a_sample() -> None:
    assert tuple(SAMPLES["SAMPLES"]) == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_the_samples_are_those_that_the_generator_makes(name: str) -> None:
    folder = ROOT / "examples" / "sheets" / name
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == dict(SAMPLES["sample"](name).files)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_customer_of_a_sample_is_as_it_was_before_the_spreadsheet(here: Place, name: str) -> None:
    file, truth = _sample(here, name)
    ran = here.run("import", "--from", file, "--map", name, "-o", "out.yaml", "--format", "json")
    assert ran.code == 0, ran.err
    document, problems = parse((here.folder / "out.yaml").read_bytes(), "out.yaml")
    assert problems == ()
    assert document is not None
    found = {key: _canonical(entry) for key, entry in document.tree["customers"].items()}
    assert found == {key: _canonical(dict(fields)) for key, fields in truth.items()}
    rows = ran.json["rows"]
    assert (rows["read"], rows["written"]) == (300, len(truth))
    assert here.run("validate", "-f", "out.yaml", "--strict").code == 0


@pytest.mark.parametrize("name", SHIPPED)
def test_every_repair_of_a_sample_is_listed_with_both_values(here: Place, name: str) -> None:
    file, truth = _sample(here, name)
    report = here.run("import", "--from", file, "--map", name, "--dry-run", "--format", "json").json
    zeros = [one for one in report["repaired"] if one["field"] == "postal_code" and one["by"] == "postal_code"]
    codes = [fields["postal_code"] for fields in truth.values() if fields["postal_code"].startswith("0")]
    lost = [one for one in zeros if one["new"].startswith("0")]
    assert 0 < len(lost) <= len(codes)
    assert all(one["old"] != one["new"] for one in report["repaired"])


@pytest.mark.parametrize("name", SHIPPED)
def test_a_sample_imported_twice_changes_nothing(here: Place, name: str) -> None:
    file, truth = _sample(here, name)
    words = ("import", "--from", file, "--map", name, "-o", "out.yaml")
    assert here.run(*words).code == 0
    before = (here.folder / "out.yaml").read_bytes()
    again = here.run(*words, "--format", "json").json
    assert again["customers"]["unchanged"] == len(truth)
    assert (here.folder / "out.yaml").read_bytes() == before


@pytest.mark.parametrize("name", SHIPPED)
def test_auto_knows_the_export_of_each_program(here: Place, name: str) -> None:
    file, _ = _sample(here, name)
    ran = here.run("import", "--from", file, "--map", "auto")
    assert ran.out.startswith(
        f"# The columns of {file} are those of the shipped map {name}: --map {name} does the same."
    )


def test_next_month_s_export_changes_only_the_lines_that_changed(here: Place) -> None:
    seed, export = SAMPLES["SAMPLES"]["halopsa"]
    companies = SAMPLES["companies"](seed)
    words = ("import", "--from", "halopsa.csv", "--map", "halopsa", "-o", "out.yaml")
    here.write("halopsa.csv", export(companies).files["halopsa.csv"])
    assert here.run(*words).code == 0
    before = (here.folder / "out.yaml").read_text("utf-8")
    here.write("out.yaml", before.replace("  halo-1201:\n", "  # asked for paper\n  halo-1201: # by hand\n"))
    before = (here.folder / "out.yaml").read_text("utf-8")
    newer = [replace(one, city="Moved", number=one.number) if one.number in (3, 50) else one for one in companies[1:]]
    here.write("halopsa.csv", export(newer).files["halopsa.csv"])
    report = here.run(*words, "--format", "json").json["customers"]
    assert report["gone"] == ["halo-1200"]
    assert report["changed"] == [{"key": "halo-1203", "fields": ["city"]}, {"key": "halo-1250", "fields": ["city"]}]
    after = (here.folder / "out.yaml").read_text("utf-8").splitlines()
    changed = [(old, new) for old, new in zip(before.splitlines(), after, strict=True) if old != new]
    assert [new for _, new in changed] == ["    city: Moved", "    city: Moved"]
