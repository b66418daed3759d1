"""The files for CI hosts, against the public schemas of their formats."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORMATS = {
    "examples/ci/github/reconciler.yml": ["--builtin-schema", "vendor.github-workflows"],
    "examples/ci/github/reconciler-drift.yml": ["--builtin-schema", "vendor.github-workflows"],
    "action.yml": ["--builtin-schema", "vendor.github-actions"],
    "examples/ci/gitlab/.gitlab-ci.yml": ["--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"],
}


def checked(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_fits_its_formats_public_schema(name: str) -> None:
    ran = checked("check_jsonschema", *FORMATS[name], name)
    assert ran.returncode == 0, ran.stdout


def test_a_file_that_does_not_fit_is_found(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text((ROOT / "action.yml").read_text("utf-8").replace("runs:", "run:"), "utf-8")
    assert checked("check_jsonschema", *FORMATS["action.yml"], str(broken)).returncode == 1


def test_the_hooks_fit_their_format() -> None:
    ran = checked("pre_commit", "validate-manifest", ".pre-commit-hooks.yaml")
    assert ran.returncode == 0, ran.stdout
