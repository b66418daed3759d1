"""
A day of two people on one repository: its workflows run from their YAML, with the package installed from a wheel.

What they do, they do by what comments, issues and annotations say.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from billing_repository import FILE, Clone, host_of
from command_line import Online
from github_host import GitHub, lines_of
from workflow_job import ROOT, Index, Runner, as_text, built

pytest_plugins = ("command_fixtures",)

TREES = ("acorn", "birch", "cedar", "date", "elm", "fir", "gum", "hazel")
POLICY = "      max_archives: 5%\n"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return built(tmp_path_factory.mktemp("index"))


def declared(*without: str, **names: str) -> str:
    """Return a file that declares the customers, some with another name."""
    rows = (
        f"  {key}:\n    name: {names.get(key, key.capitalize())}\n    email: office@{key}.example\n"
        for key in TREES
        if key not in without
    )
    return f"customers:\n{''.join(rows)}"


def named(shop: Online, key: str) -> str:
    """Return the name of a customer in the account."""
    return shop.named(key)["name"]


def offered(text: str) -> str:
    """Return the command that a comment or an issue offers."""
    (line,) = lines_of(text, "gh workflow run ")
    return line


def test_two_people_work_a_day_on_one_repository(shop: Online, index: Index) -> None:
    host = host_of(shop, index)
    ana, ben = Clone(host, "ana"), Clone(host, "ben")

    # A starter, pushed as it is to an empty host, and applied once the environment's reviewers approve.
    assert shop.run("init", str(ana.folder)).code == 0
    ana.commit({FILE: declared()})
    ana.git("push", "--quiet", "origin", "main")
    first = host.pushed("0" * 40)
    assert (first.outcomes, host.waited) == ({"plan": "success", "apply": "success"}, 1), first.said
    assert len(shop.account()) == len(TREES)
    # Both jobs have installed the wheel; the later ones would do the same.
    host.runner.have_installed()

    _two_pull_requests_at_once(shop, host, ana, ben)
    _a_refused_merge_is_approved_again(shop, host, ana)
    _an_archive_over_the_limit_is_allowed_by_policy(shop, host, ben)
    _drift_is_accepted(shop, host)
    _drift_is_reverted(shop, host)

    ana.git("pull", "--quiet", "origin", "main")
    changed = ana.git("log", "--no-merges", "--format=%H").split()
    assert [one for one in changed[:-1] if not ana.git("diff", "--name-only", f"{one}~1", one)] == []


def _two_pull_requests_at_once(shop: Online, host: GitHub, ana: Clone, ben: Clone) -> None:
    one, _ = ana.request("acorn", {FILE: declared(acorn="Acorn Oaks")})
    asked = shop.requests()
    two, _ = ben.request("birch", {FILE: declared(birch="Birch Woods")})
    assert shop.requests() - asked <= 3, "it pays for the customer that it changes, and for its token"
    planned = "### Plan: 1 to patch. 1 of 8 customers planned."
    assert [planned in host.comments(number)[0] for number in (one, two)] == [True, True]
    assert [host.merge(number).errors for number in (one, two)] == [[], []]
    assert [host.comments(number)[1].splitlines()[1] for number in (one, two)] == ["### Applied"] * 2
    assert (named(shop, "acorn"), named(shop, "birch")) == ("Acorn Oaks", "Birch Woods")


def _a_refused_merge_is_approved_again(shop: Online, host: GitHub, ana: Clone) -> None:
    names = {"acorn": "Acorn Oaks", "birch": "Birch Woods", "cedar": "Cedar Hill"}
    number, _ = ana.request("cedar", {FILE: declared(**names)})
    shop.later()
    shop.load({"id": shop.id_of("cedar"), "name": "Cedar Dale"})
    (error,) = host.merge(number).errors
    assert (error.rpartition("#")[2], named(shop, "cedar")) == ("comment-6", "Cedar Dale"), error
    again = host.dispatch(offered(host.comments(number)[1]))
    assert (again.errors, named(shop, "cedar")) == ([], "Cedar Hill"), again.said
    assert host.comments(number)[1].splitlines()[1] == "### Applied"


def _an_archive_over_the_limit_is_allowed_by_policy(shop: Online, host: GitHub, ben: Clone) -> None:
    names = {"acorn": "Acorn Oaks", "birch": "Birch Woods", "cedar": "Cedar Hill"}
    files = {FILE: declared("date", "gum", **names)}
    number, run = ben.request("date", files)
    assert run.outcome == "failure"
    found = re.search(r'allow: \{[^}]*reason: "\.\.\."\}', "".join(run.errors))
    assert found is not None, run.errors
    assert found[0] in host.comments(number)[0]
    line = found[0].replace("...", "Two trees were felled")
    project = Path(ben.folder / "reconciler.yaml").read_text("utf-8")
    number, run = ben.request("date", {"reconciler.yaml": project.replace(POLICY, f"{POLICY}      {line}\n")})
    assert run.errors == [], run.said
    shop.later()
    merged = host.merge(number)
    assert (merged.errors, [one[1] for one in shop.account().values()].count(True)) == ([], 2), merged.said


def _drift_is_accepted(shop: Online, host: GitHub) -> None:
    shop.later()
    shop.load({"id": shop.id_of("elm"), "name": "Elm Street"})
    host.night()
    issue = host.store["issues"][-1]
    offer = re.search(r"To accept it, merge #(\d+)\.", issue["body"])
    assert offer is not None, issue["body"]
    number, _ = host.open("reconciler-drift")
    assert number == int(offer[1])
    assert host.merge(number).errors == []
    host.night()
    assert host.store["issues"][-1]["state"] == "closed"
    assert "  elm:\n    name: Elm Street\n" in host.git("show", f"main:{FILE}")


def _drift_is_reverted(shop: Online, host: GitHub) -> None:
    shop.load({"id": shop.id_of("fir"), "name": "Fir Tree"})
    host.night()
    issue = host.store["issues"][-1]
    assert issue["state"] == "open"
    waited = host.waited
    run = host.dispatch(offered(issue["body"]))
    assert (run.errors, named(shop, "fir"), host.waited - waited) == ([], "Fir", 1), run.said
    shop.later()
    host.night()
    assert [one["state"] for one in host.store["issues"]] == ["closed", "closed"]
    assert {one["state"] for one in host.store["pulls"]} == {"closed"}


@pytest.fixture
def runner(shop: Online, index: Index) -> Runner:
    """Return a runner whose pip installs the wheel."""
    shop.write("reconciler.yaml", "version: 1\nfiles: [customers]\nenvironments: {production: {}}\n")
    shop.write(FILE, declared())
    known = {"AP_ENVIRONMENT": "production", "RECONCILER_PACKAGE": index.package}
    runner = Runner(shop.folder / "runner", {**shop.variables, **index.variables, **known, "CI": "true"})
    for name in ("pip", "python3", "reconciler"):
        runner.program(name, f'exec {index.programs}/{name} "$@"')
    return runner


def test_a_job_of_the_pipeline_for_gitlab_installs_the_package(shop: Online, runner: Runner) -> None:
    before = as_text(ROOT / "examples/ci/gitlab/.gitlab-ci.yml")["default"]["before_script"]
    ran = runner.shell("\n".join([*before, "reconciler validate --strict"]), shop.folder, {})
    assert (ran.code, "Valid: 8 customers declared." in ran.out) == (0, True), ran.all


def test_the_action_installs_the_package_that_it_is_part_of_and_runs(shop: Online, runner: Runner) -> None:
    install, run = as_text(ROOT / "action.yml")["runs"]["steps"]
    folder = runner.folder
    given = {"GITHUB_ACTION_PATH": str(ROOT)}
    installed = runner.shell(install["run"], shop.folder, given)
    assert installed.code == 0, installed.err
    given = {"COMMAND": "validate", "ARGUMENTS": "", "ENVIRONMENT": "", "REDACT": "true", "RUNNER_TEMP": str(folder)}
    files = {"GITHUB_OUTPUT": str(folder / "output"), "GITHUB_STEP_SUMMARY": str(folder / "summary.md")}
    ran = runner.shell(run["run"], shop.folder, {**given, **files})
    assert (ran.code, "summary=Valid: 8 customers declared." in (folder / "output").read_text("utf-8")) == (0, True)
