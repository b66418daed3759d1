"""The example workflow of GitHub Actions: its jobs, executed against the emulator."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from billing_repository import FILE, KNOWN, Clone, sealed_plan
from command_line import ONE, Online
from github_host import GitHub, lines_of

pytest_plugins = ("command_fixtures", "repository_fixtures")

DOVER = ONE.replace("Boston", "Dover")
OTHER = "customers/globex.yaml"
GLOBEX = "customers:\n  globex: {name: Globex, email: accounts@globex.example}\n"


def offered(comment: str) -> str:
    """Return the command that a comment offers."""
    (line,) = lines_of(comment, "gh workflow run ")
    return line


# --- a pull request ----------------------------------------------------------------------------------


def test_a_pull_requests_plan_is_one_comment_that_is_updated(shop: Online, host: GitHub, ana: Clone) -> None:
    ana.request("first", {FILE: ONE})
    number, run = ana.request("first", {FILE: DOVER})
    (comment,) = host.comments(number)
    assert run.outcomes == {"plan": "success", "apply": "skipped"}, run.said
    head = host.pull(number)["head"]["sha"]
    first, second, *_, last = comment.splitlines()
    assert first == "<!-- reconciler: production -->"
    assert second == (
        f"Commit {head}, environment `production`, [run](https://github.example/acme/billing/actions/runs/{run.id})"
    )
    assert "### Plan: 1 to create." in comment
    assert "no ledger" in comment.split("<details>")[0]
    assert last.startswith("To apply it, merge this pull request.")
    assert shop.writes() == []


def test_a_comment_shows_values_only_where_a_variable_says_so(host: GitHub, ana: Clone) -> None:
    number, _ = ana.request("first", {FILE: ONE})
    masked = "Boston" in host.comments(number)[0]
    host.vars["RECONCILER_SHOW_VALUES"] = "true"
    ana.request("first", {FILE: DOVER})
    assert (masked, "Dover" in host.comments(number)[0]) == (False, True)


def test_a_pull_request_is_planned_as_it_is_once_merged(shop: Online, host: GitHub, ana: Clone) -> None:
    ben = Clone(host, "ben")
    ben.git("fetch", "--quiet", "origin")
    ben.git("checkout", "--quiet", "-B", "other", "origin/main")
    number, _ = ana.request("first", {FILE: ONE})
    host.merge(number)
    # Its head lacks the customer that main has by now.
    ben.commit({OTHER: GLOBEX})
    ben.git("push", "--quiet", "origin", "other")
    number, run = host.open("other")
    assert "### Plan: 1 to create. 1 of 2 customers planned." in host.comments(number)[0], run.said
    assert len(shop.account()) == 1


def test_a_forks_pull_request_has_no_secrets_and_is_validated_alone(shop: Online, host: GitHub, ana: Clone) -> None:
    host.secrets = {}
    number, run = ana.request("first", {FILE: ONE})
    assert (run.outcome, host.comments(number), shop.requests()) == ("success", [], 0), run.said
    assert "::warning title=Not planned::" in run.said


def test_a_push_without_secrets_fails_as_nothing_of_it_is_applied(shop: Online, host: GitHub, ana: Clone) -> None:
    host.secrets = {}
    run = ana.push({FILE: ONE})
    assert (run.outcomes, shop.requests()) == ({"plan": "failure", "apply": "skipped"}, 0)
    assert [one.partition(":")[0] for one in run.errors] == ["Not planned"], run.said


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (ONE.replace("city", "citty"), "citty"),
        (ONE.replace(": {name", ":   {name"), "Layout: Run 'reconciler fmt'"),
    ],
)
def test_a_file_with_a_mistake_fails_with_an_annotation(
    shop: Online, host: GitHub, ana: Clone, text: str, error: str
) -> None:
    number, run = ana.request("first", {FILE: text})
    assert (run.outcome, host.comments(number), shop.requests()) == ("failure", [], 0)
    assert [error in one for one in run.errors] == [True], run.said


def test_a_plan_that_cannot_be_made_fails_with_its_reason_as_an_annotation(host: GitHub, ana: Clone) -> None:
    host.secrets["AP_READ_CLIENT_SECRET"] = "wrong"
    number, run = ana.request("first", {FILE: ONE})
    (error,) = run.errors
    assert (run.outcome, host.comments(number)) == ("failure", [])
    assert error.startswith("There is no plan: error: "), run.said
    assert "client" in error


def test_something_blocked_fails_the_check_with_the_reason(shop: Online, host: GitHub, ana: Clone) -> None:
    shop.load({"external_id": "acme", "name": "Acme", "email": "other@acme.example"})
    number, run = ana.request("first", {FILE: ONE})
    assert run.outcomes == {"plan": "failure", "apply": "skipped"}
    assert run.errors[0].startswith("Blocked%3A acme email: "), run.said
    assert run.errors[-1] == (
        "Not approved: Something is blocked. The plan says how to fix it. "
        f"See https://github.example/pull/{number}#comment-1"
    )
    assert "Blocked (1)" in host.comments(number)[0]


# --- a merge -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["merge", "squash"])
def test_the_plan_that_was_reviewed_is_applied_on_merge(shop: Online, host: GitHub, ana: Clone, how: str) -> None:
    number, _ = ana.request("first", {FILE: ONE})
    asked = shop.requests()
    run = host.merge(number, how)
    assert run.outcomes == {"plan": "success", "apply": "success"}, run.said
    assert (len(shop.writes()), shop.named("acme")["city"], host.waited) == (1, "Boston", 1)
    applied = host.comments(number)[1]
    assert "\n### Applied\n" in applied
    assert "\n    done create acme" in applied
    assert shop.requests() - asked <= 4, "the merge is planned once"


def test_two_pull_requests_from_one_main_are_both_applied(shop: Online, host: GitHub, known: Clone) -> None:
    first, _ = known.request("first", {FILE: ONE})
    second, _ = Clone(host, "ben").request("second", {OTHER: GLOBEX})
    runs = [host.merge(first), host.merge(second)]
    assert [run.outcome for run in runs] == ["success", "success"], runs[1].said
    assert {one[0]["external_id"] for one in shop.account().values()} >= {"acme", "globex"}


def test_two_pull_requests_that_change_one_customer_are_both_applied(shop: Online, host: GitHub, ana: Clone) -> None:
    fields = ("name: Acme", "email: billing@acme.example", "street_address: 1 Main Street", "city: Boston")
    block = "customers:\n  acme:\n" + "".join(f"    {one}\n" for one in fields)
    number, _ = ana.request("first", {FILE: block})
    host.merge(number)
    first, _ = ana.request("name", {FILE: block.replace("name: Acme", "name: Acme Corp")})
    second, _ = Clone(host, "ben").request("city", {FILE: block.replace("Boston", "Dover")})
    runs = [host.merge(first), host.merge(second)]
    assert [run.errors for run in runs] == [[], []], runs[1].said
    assert (shop.named("acme")["name"], shop.named("acme")["city"]) == ("Acme Corp", "Dover")


def test_a_merge_that_changes_nothing_asks_for_no_approval(host: GitHub, ana: Clone) -> None:
    number, _ = ana.request("docs", {"README.md": "# Billing\n"})
    run = host.merge(number)
    assert (run.outcomes, host.waited) == ({"plan": "success", "apply": "skipped"}, 0), run.said
    assert host.comments(number) == []


def test_a_plan_that_became_empty_takes_the_place_of_the_one_that_a_comment_shows(host: GitHub, ana: Clone) -> None:
    number, _ = ana.request("first", {FILE: ONE})
    ana.request("first", {FILE: "customers: {}\n", "README.md": "# Billing\n"})
    (comment,) = host.comments(number)
    assert comment.splitlines()[-1] == "There is nothing to apply."


def test_a_plan_of_a_key_that_can_only_read_is_applied_by_one_that_can_write(
    shop: Online, host: GitHub, ana: Clone
) -> None:
    number, _ = ana.request("first", {FILE: ONE})
    writing, host.protected = host.protected, {"AP_CLIENT_ID": "reader", "AP_CLIENT_SECRET": "reader"}
    failed = host.merge(number)
    assert (failed.outcome, shop.account()) == ("failure", {})
    assert "lacks a scope" in " ".join(host.comments(number)[1].split())
    assert failed.errors[-1].startswith("Not everything was applied: It failed. Run this job again"), failed.errors
    host.protected = writing
    before = host.git("rev-parse", "main^1")
    again = host.run("reconciler.yml", "push", "refs/heads/main", {"before": before}, attempt=2)
    assert (again.outcome, shop.named("acme")["city"]) == ("success", "Boston"), again.said
    assert "\n### Applied\n" in host.comments(number)[1]
    assert len(host.comments(number)) == 2


def test_a_plan_that_was_exchanged_on_its_way_is_not_applied(shop: Online, host: GitHub, ana: Clone) -> None:
    number, _ = ana.request("first", {FILE: ONE})
    host.secrets["RECONCILER_PLAN_KEY"] = base64.b64encode(bytes(31) + b"1").decode()
    kept = sealed_plan(host)
    kept.write_bytes(kept.read_bytes().replace(b"A", b"B", 1))
    assert b"billing@acme.example" not in kept.read_bytes()
    run = host.merge(number)
    assert (run.outcomes["apply"], shop.writes()) == ("failure", []), run.said


def test_what_differs_on_merge_is_shown_with_a_plan_that_one_command_approves(
    shop: Online, host: GitHub, known: Clone
) -> None:
    number, _ = known.request("first", {FILE: ONE, OTHER: GLOBEX})
    shop.load({"external_id": "acme", "name": "Acme", "email": "billing@acme.example", "city": "Boise"})
    merged = host.merge(number)
    assert (merged.outcome, len(shop.writes())) == ("failure", 1), merged.said
    assert merged.errors[-1] == (
        "Not everything was applied: What is left, and how to approve it: "
        f"https://github.example/pull/{number}#comment-2"
    )
    comment = host.comments(number)[1]
    assert "\n### Plan: 1 to patch" in comment
    dispatched = host.dispatch(offered(comment))
    assert dispatched.outcomes == {"plan": "skipped", "apply": "success"}, dispatched.said
    assert (shop.named("acme")["city"], host.waited) == ("Boston", 2)
    # The outcome of the dispatch takes the place of what was left.
    assert "\n### Applied\n" in host.comments(number)[1]
    assert len(host.comments(number)) == 2


def test_a_closed_window_fails_no_check_and_its_merge_can_be_applied_once_it_opens(
    shop: Online, host: GitHub, ana: Clone
) -> None:
    project = (ana.folder / "reconciler.yaml").read_text("utf-8")
    # Closed for two days more, whatever day it is; then open for two, as a day may end meanwhile.
    today = datetime.now(UTC).weekday()
    days = [("mon", "tue", "wed", "thu", "fri", "sat", "sun")[(today + later) % 7] for later in (3, 4)]
    windows = f"{{windows: [{{actions: [create], days: [{', '.join(days)}]}}]}}"
    closed = project.replace("{state: '${RECONCILER_STATE}'}", f"{{state: '${{RECONCILER_STATE}}', policy: {windows}}}")
    number, planned = ana.request("first", {FILE: ONE, "reconciler.yaml": closed})
    assert planned.outcome == "success", planned.said
    merged = host.merge(number)
    assert (merged.outcome, shop.writes()) == ("failure", [])
    comment = host.comments(number)[1]
    assert "it opens at" in comment
    shop.emulator.offset_s += 3 * 86_400
    applied = host.dispatch(offered(comment))
    assert (applied.outcome, len(shop.writes())) == ("success", 1), applied.said


def test_a_merge_in_spite_of_its_check_applies_nothing_and_says_why(shop: Online, host: GitHub, known: Clone) -> None:
    number, checked = known.request("none", {"customers/known.yaml": "customers: {}\n"})
    merged = host.merge(number)
    assert (checked.outcome, merged.outcomes) == ("failure", {"plan": "failure", "apply": "skipped"}), merged.said
    assert (merged.errors[-1].startswith("Not approved: An apply would send nothing"), shop.writes()) == (True, [])
    (comment,) = host.comments(number)
    assert "allow: {max_archives: 3" in comment


def test_a_live_value_is_no_command_and_no_markdown_in_logs_and_comments(
    shop: Online, host: GitHub, known: Clone
) -> None:
    host.vars["RECONCILER_SHOW_VALUES"] = "true"
    shop.later()
    shop.load({"id": shop.id_of("acorn"), "name": "Evil\n::error title=Evil::won\n## Evil `@everyone`\n```\n"})
    number, planned = known.request("acorn", {"customers/known.yaml": KNOWN.replace("Acorn,", "Acorn Oaks,")})
    merged = host.merge(number)
    assert (planned.errors, merged.errors, shop.named("acorn")["name"]) == ([], [], "Acorn Oaks"), merged.said
    plan, applied = host.comments(number)
    assert "Evil" in plan
    assert [line for line in f"{plan}\n{applied}".splitlines() if line.startswith(("## Evil", "::"))] == []
    rows = applied.splitlines()[4:]
    assert [row for row in rows if row and not row.startswith("    ")] == []


def test_a_push_that_brings_more_than_a_pull_request_is_planned_again(host: GitHub, ana: Clone) -> None:
    number, _ = ana.request("first", {FILE: ONE})
    before = host.git("rev-parse", "main")
    ana.push_only({OTHER: GLOBEX})
    host.approves = False
    reviewed = host.merge(number)
    more = host.pushed(before)
    assert ("Plan: " in reviewed.said, "Plan: 2 to create." in more.said, more.outcome) == (False, True, "waiting")


# --- a push, and a dispatch --------------------------------------------------------------------------


def test_a_direct_push_is_applied_once_the_environments_reviewers_approve(
    shop: Online, host: GitHub, ana: Clone
) -> None:
    host.approves = False
    waiting = ana.push({FILE: ONE})
    assert (waiting.outcomes, shop.writes()) == ({"plan": "success", "apply": "waiting"}, []), waiting.said
    host.approves = True
    run = host.dispatch("gh workflow run reconciler.yml")
    assert (run.outcome, shop.named("acme")["city"]) == ("success", "Boston"), run.said


def test_a_direct_push_that_nobody_can_approve_waits_for_a_dispatch(shop: Online, host: GitHub, ana: Clone) -> None:
    host.change("environments", lambda environments: environments.update(production=[]))
    run = ana.push({FILE: ONE})
    assert (run.outcomes, shop.writes()) == ({"plan": "failure", "apply": "skipped"}, []), run.said
    (error,) = run.errors
    assert "has no required reviewers" in error
    line = error.partition("or: ")[2].partition(" See")[0]
    assert (host.dispatch(line).outcome, shop.named("acme")["city"]) == ("success", "Boston")


@pytest.mark.parametrize(
    ("digest", "error"),
    [
        ("c0ffee", "Not a digest: A plan's digest has 64 letters and digits."),
        ("../../7", "Not a digest"),
        ("0" * 64, "No such plan: No plan with the digest 0000"),
    ],
)
def test_a_digest_that_names_no_plan_is_an_error(host: GitHub, ana: Clone, digest: str, error: str) -> None:
    assert ana.name
    run = host.dispatch(f"gh workflow run reconciler.yml --field plan={digest}")
    assert (run.outcome, [one.startswith(error) for one in run.errors]) == ("failure", [True]), run.said


def test_a_plan_that_has_expired_or_came_from_a_fork_is_not_found(shop: Online, host: GitHub, ana: Clone) -> None:
    ana.request("first", {FILE: ONE})
    (kept,) = host.store["artifacts"]
    line = f"gh workflow run reconciler.yml --field plan={kept['name'].removeprefix('reconciler-plan-')}"
    outcomes = []
    for change in ({"expired": True}, {"expired": False, "repository": 2}):
        host.change("artifacts", lambda rows, to=change: rows[0].update(to))
        outcomes += [one.partition(":")[0] for one in host.dispatch(line).errors]
    assert (outcomes, shop.writes()) == (["No such plan"] * 2, [])


def test_a_plan_of_another_environment_is_refused(shop: Online, host: GitHub, ana: Clone) -> None:
    workflow = (ana.folder / ".github/workflows/reconciler.yml").read_text("utf-8")
    project = (ana.folder / "reconciler.yaml").read_text("utf-8")
    number, _ = ana.request(
        "first",
        {
            FILE: ONE,
            ".github/workflows/reconciler.yml": workflow.replace(
                "AP_ENVIRONMENT: production", "AP_ENVIRONMENT: staging"
            ),
            "reconciler.yaml": project.replace("  production:", "  staging: {state: none.db}\n  production:"),
        },
    )
    (kept,) = host.store["artifacts"]
    digest = kept["name"].removeprefix("reconciler-plan-")
    run = host.dispatch(f"gh workflow run reconciler.yml --field plan={digest}")
    assert (run.outcome, shop.writes()) == ("failure", []), run.said
    assert "staging" in host.comments(number)[-1]
