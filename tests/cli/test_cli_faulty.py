"""A plan that failed its trial: where its report is written, and what is said of it."""

from __future__ import annotations

from pathlib import Path

from command_line import working_folder

from reconciler.cli.tools import written
from reconciler.errors import PlanFaulty

FAILURE = PlanFaulty("this is a bug in reconciler", "leave it out", report='{"faults": []}\n')


def test_the_report_is_written_for_its_owner_alone_and_its_path_is_said(tmp_path: Path) -> None:
    with working_folder(tmp_path):
        said = written(FAILURE)
    (report,) = (tmp_path / ".reconciler").iterdir()
    assert said == f"attach {report.relative_to(tmp_path)}, which holds no personal data"
    assert (report.read_text(), report.stat().st_mode & 0o777) == (FAILURE.report, 0o600)


def test_where_the_report_cannot_be_written_that_is_said(tmp_path: Path) -> None:
    (tmp_path / ".reconciler").write_text("in the way")
    with working_folder(tmp_path):
        said = written(FAILURE)
    assert said.startswith("its report could not be written: ")
