"""The example workflow of GitHub Actions for drift: executed against the emulator, with a real remote on this disk."""

from __future__ import annotations

import pytest
from billing_repository import Clone
from command_line import Online
from github_host import GitHub, lines_of

pytest_plugins = ("command_fixtures", "repository_fixtures")

KNOWN_FILE = "customers/known.yaml"


@pytest.fixture
def drifted(shop: Online, known: Clone) -> Clone:
    """Return a clone of a repository where someone else changed a customer's name since the last apply."""
    shop.later()
    shop.load({"id": shop.id_of("acorn"), "name": "Acorn Oaks"})
    return known


def shown(host: GitHub) -> tuple[list[str], list[str]]:
    """Return the states of the issues and of the pull requests."""
    return [one["state"] for one in host.store["issues"]], [one["state"] for one in host.store["pulls"]]


def test_drift_is_one_issue_and_one_pull_request_that_are_kept_up_to_date(
    shop: Online, host: GitHub, drifted: Clone
) -> None:
    assert drifted.name
    seen = []
    for name in ("Acorn Oaks", "Acorn Trees", "Acorn"):
        shop.load({"id": shop.id_of("acorn"), "name": name})
        run = host.night()
        request = host.store["pulls"][0]
        accepted = "" if name == "Acorn" else host.git("show", f"reconciler-drift:{KNOWN_FILE}").splitlines()[1].strip()
        seen.append((run.outcome, *shown(host), accepted))
    first, second = (f"acorn: {{name: {name}, email: office@acorn.example}}" for name in ("Acorn Oaks", "Acorn Trees"))
    assert seen == [
        ("success", ["open"], ["open"], first),
        ("success", ["open"], ["open"], second),
        ("success", ["closed"], ["closed"], ""),
    ], run.said
    assert request["closed_with"] == "There is nothing to accept any more."
    assert shop.writes() == []


def test_merging_the_pull_request_accepts_the_drift(shop: Online, host: GitHub, drifted: Clone) -> None:
    host.night()
    issue, (request,) = host.store["issues"][0], host.store["pulls"]
    assert f"To accept it, merge #{request['number']}." in issue["body"]
    assert "To accept it, merge this pull request" in request["body"]
    number, planned = host.open("reconciler-drift")
    assert (planned.outcome, host.comments(number)) == ("success", []), planned.said
    merged = host.merge(number)
    night = host.night()
    drifted.git("pull", "--quiet", "origin", "main")
    assert "name: Acorn Oaks" in (drifted.folder / KNOWN_FILE).read_text("utf-8")
    assert (merged.outcome, night.outcome, shown(host)) == ("success", "success", (["closed"], ["closed"])), night.said
    assert (host.waited, shop.writes()) == (0, [])


def test_the_command_that_the_issue_names_reverts_the_drift_once_it_is_approved(
    shop: Online, host: GitHub, drifted: Clone
) -> None:
    assert drifted.name
    host.night()
    (line,) = lines_of(host.store["issues"][0]["body"], "gh workflow run ")
    host.approves = False
    waiting = host.dispatch(line).outcome, shop.writes()
    host.approves = True
    run = host.dispatch(line)
    shop.later()
    night = host.night()
    assert (waiting, run.outcome, len(shop.writes())) == (("waiting", []), "success", 1), run.said
    assert (shop.named("acorn")["name"], night.outcome, shown(host)) == ("Acorn", "success", (["closed"], ["closed"]))


def test_a_branch_that_says_it_already_is_left_alone(host: GitHub, drifted: Clone) -> None:
    assert drifted.name
    host.night()
    before = host.git("rev-parse", "reconciler-drift")
    host.night()
    same = host.git("rev-parse", "reconciler-drift")
    drifted.push_only({"README.md": "# Billing\n"})
    host.night()
    assert (same, host.git("rev-parse", "reconciler-drift~1")) == (before, host.git("rev-parse", "main"))


def test_drift_that_no_edit_accepts_is_an_issue_alone(shop: Online, host: GitHub, known: Clone) -> None:
    assert known.name
    shop.later()
    shop.load({"external_id": "acorn", "name": "Acorn", "email": "office@acorn.example"})
    run = host.night()
    assert (run.outcome, shown(host)) == ("success", (["open"], [])), run.said
    assert "Nothing of it can be accepted by an edit of the files." in host.store["issues"][0]["body"]


def test_where_actions_may_open_no_pull_request_the_issue_names_the_branch(host: GitHub, drifted: Clone) -> None:
    assert drifted.name
    store = host.store
    host.keep({**store, "may_create_requests": False})
    run = host.night()
    assert (run.outcome, shown(host)) == ("success", (["open"], [])), run.said
    assert "::warning::Allow GitHub Actions to create pull requests" in run.said
    assert "/compare/reconciler-drift?expand=1" in host.store["issues"][0]["body"]


def test_a_run_that_fails_leaves_the_issue_alone_and_shows_the_reason(host: GitHub, drifted: Clone) -> None:
    assert drifted.name
    host.night()
    before = host.store["issues"], host.store["pulls"]
    host.secrets["AP_READ_CLIENT_SECRET"] = "wrong"
    run = host.night()
    assert (run.outcome, (host.store["issues"], host.store["pulls"])) == ("failure", before)
    assert [one.startswith("Unknown whether there is drift: error: ") for one in run.errors] == [True]
