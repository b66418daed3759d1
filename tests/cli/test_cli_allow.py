"""`allow:` of the policy: what a plan over a limit proposes to write, and what it permits for a time once written."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from command_line import EPOCH_S, ONE, Online, Place, Ran, environment, fits, working_folder

from reconciler import Client
from reconciler.errors import Refused

pytest_plugins = ("command_fixtures",)

FOUR = "customers:\n" + "".join(f"  c{one}: {{name: C{one}, email: c{one}@c.example}}\n" for one in range(4))
NOBODY = "customers: {}\n"
PROJECT = """\
files: [customers.yaml]
environments:
  default:
    policy:
      require_approval_for: [archive]
"""
LINE = 'allow: {max_archives: 4, approve: [archive], until: 2026-01-08, reason: "..."}'
PLACE = "add to environments.default.policy (reconciler.yaml:5:7)"
OFFBOARDING = (
    '      allow: {max_archives: 4, approve: [archive], until: 2026-01-08, reason: "Offboarding of the west"}\n'
)
DAY_S = 86_400.0


def clock(shop: Online, days: float) -> None:
    """Set the server's clock to so many days after the first minute of 2026."""
    shop.emulator.set_clock(EPOCH_S + days * DAY_S - shop.emulator.clock.now())


def four_to_archive(shop: Online, *, allow: str = "", days: float = 0.5) -> None:
    """Create four customers, then remove all of them from the file."""
    clock(shop, -1)
    shop.write("reconciler.yaml", PROJECT)
    shop.write("customers.yaml", FOUR)
    assert shop.run("apply", "--auto-approve").code == 0
    clock(shop, days)
    shop.write("reconciler.yaml", PROJECT + allow)
    shop.write("customers.yaml", NOBODY)


def archives(shop: Online) -> int:
    return sum(one.startswith("DELETE") for one in shop.writes())


def test_a_plan_over_a_limit_fails_the_check_and_says_which_line_allows_it(shop: Online) -> None:
    four_to_archive(shop)
    ran = shop.run("plan", "--detailed-exitcode")
    assert ran.code == 3
    assert ran.out.partition("Needs approval (1)\n")[2].startswith(
        "  ! require_approval_for (reconciler.yaml:5:29): archive, 4 planned; to allow it once: --approve archive\n"
        "\n"
        "Over a limit, so nothing is sent (1)\n"
        "  ! max_archives: 4 planned, 1 allowed; to allow it once: --max-archives 4\n"
        f"    to allow it in the repository: {PLACE}:\n"
        f"      {LINE}\n"
    )


@pytest.mark.parametrize(
    "words",
    [
        ("--format", "json"),
        ("--format", "brief"),
        ("--format", "markdown"),
        ("--format", "html"),
        ("--format", "github"),
        ("--format", "sarif"),
        ("--format", "gitlab"),
        ("--redact",),
    ],
)
def test_every_format_fails_the_check_and_has_the_line(shop: Online, words: tuple[str, ...]) -> None:
    four_to_archive(shop)
    ran = shop.run("plan", "--detailed-exitcode", *words)
    bare = ran.out.replace("&#34;", '"').replace('\\"', '"').replace("\\\\[", "[").replace("\\\\]", "]")
    assert (ran.code, LINE in bare) == (3, True)


def test_the_document_has_the_line_its_place_and_what_lacks_approval(shop: Online) -> None:
    four_to_archive(shop)
    plan = shop.run("plan", "--format", "json").json
    assert fits(plan, "plan")
    assert plan["allow"] == {
        "line": LINE,
        "under": "environments.default.policy",
        "at": {"file": "reconciler.yaml", "line": 5, "column": 7},
    }
    assert plan["approvals"] == [
        {
            "name": "require_approval_for",
            "planned": 4,
            "allowed": 0,
            "flag": "--approve archive",
            "source": {"file": "reconciler.yaml", "line": 5, "column": 29},
            "action": "archive",
        }
    ]


def test_an_approval_that_is_missing_fails_the_check_though_no_limit_is_exceeded(shop: Online) -> None:
    four_to_archive(shop)
    words = ("plan", "--detailed-exitcode", "--max-archives", "4")
    assert shop.run(*words).code == 3
    assert shop.run(*words, "--approve", "archive").code == 2


def test_what_is_proposed_passes_the_check_and_the_apply_once_it_has_a_reason(shop: Online) -> None:
    four_to_archive(shop)
    line = shop.run("plan", "--format", "json").json["allow"]["line"]
    shop.write("reconciler.yaml", f"{PROJECT}      {line}\n")
    refused = shop.run("plan", "--detailed-exitcode")
    assert (refused.code, "'...' says nothing; write why this is allowed" in " ".join(refused.err.split())) == (1, True)
    shop.write("reconciler.yaml", f"{PROJECT}      {line}\n".replace("...", "Offboarding of the west"))
    ran = shop.run("plan", "--detailed-exitcode")
    assert ran.code == 2
    text = " ".join(ran.out.split())
    assert (
        "max_archives: 4 planned and 1 allowed, but `allow` (reconciler.yaml:6:14) permits it until 2026-01-08: "
        "'Offboarding of the west'."
    ) in text
    assert "archive: 4 planned, and `allow` (reconciler.yaml:6:14) approves it until 2026-01-08" in text
    applied = shop.run("apply", "--auto-approve")
    assert (applied.code, archives(shop)) == (0, 4)


def test_a_saved_plan_is_judged_by_the_policy_of_the_files_at_hand(shop: Online) -> None:
    four_to_archive(shop, allow=OFFBOARDING)
    assert shop.run("plan", "--out", "a.plan").code == 0
    shop.write("reconciler.yaml", PROJECT)
    refused = shop.run("apply", "a.plan", "--auto-approve")
    assert (refused.code, archives(shop)) == (3, 0)
    assert f"or, in the repository, {PLACE}: {LINE}" in refused.err
    shop.write("reconciler.yaml", PROJECT + OFFBOARDING)
    assert (shop.run("apply", "a.plan", "--auto-approve").code, archives(shop)) == (0, 4)


@pytest.mark.parametrize(("days", "code"), [(7.5, 2), (7.9999, 2), (8.0, 3), (300.0, 3)])
def test_the_last_day_counts_and_the_servers_clock_does(shop: Online, days: float, code: int) -> None:
    four_to_archive(shop, allow=OFFBOARDING, days=days)
    ran = shop.run("plan", "--detailed-exitcode")
    assert ran.code == code
    ended = "`allow` (reconciler.yaml:6:14) ended on 2026-01-08 and allows nothing. Remove it."
    assert (ended in " ".join(ran.out.split())) is (code == 3)


def test_once_it_has_ended_the_next_line_goes_into_a_list(shop: Online) -> None:
    four_to_archive(shop, allow=OFFBOARDING, days=8)
    allow = shop.run("plan", "--format", "json").json["allow"]
    assert allow["line"].startswith("- {max_archives: 4, approve: [archive], until: 2026-01-16, ")
    assert allow["under"] == "environments.default.policy.allow"
    two = "      allow:\n        " + "\n        ".join(
        (f"- {OFFBOARDING.partition(': ')[2].strip()}", allow["line"].replace("...", "Again"))
    )
    shop.write("reconciler.yaml", f"{PROJECT}{two}\n")
    assert shop.run("plan", "--detailed-exitcode").code == 2


@pytest.mark.parametrize(("days", "said"), [(0.5, "permits it until 2026-01-08"), (8, "ended on 2026-01-08")])
def test_reviewers_see_it_at_its_line(shop: Online, days: float, said: str) -> None:
    four_to_archive(shop, allow=OFFBOARDING, days=days)
    ran = shop.run("plan", "--format", "github")
    notices = [one for one in ran.out.splitlines() if one.startswith("::notice file=reconciler.yaml,line=6,col=14,")]
    assert len([one for one in notices if said in one]) == 1


def test_a_day_that_is_far_away_is_noted_and_holds(shop: Online) -> None:
    four_to_archive(shop, allow=OFFBOARDING.replace("2026-01-08", "2027-01-01"))
    ran = shop.run("plan", "--detailed-exitcode")
    assert (ran.code, "holds until 2027-01-01, for 365 more days." in " ".join(ran.out.split())) == (2, True)


def test_an_option_is_not_widened(shop: Online) -> None:
    four_to_archive(shop, allow=OFFBOARDING)
    ran = shop.run("apply", "--auto-approve", "--max-archives", "2")
    assert (ran.code, archives(shop)) == (3, 0)
    assert "max_archives: 4 planned, 2 allowed" in ran.err
    assert "in the repository" not in ran.err


def test_a_window_has_no_line_and_says_when_it_opens(shop: Online) -> None:
    rule = "      windows: [{actions: [archive], days: [sat]}]\n"
    four_to_archive(shop, allow=OFFBOARDING + rule)
    ran = shop.run("plan", "--detailed-exitcode")
    assert (ran.code, "it opens at 2026-01-03T00:00:00Z" in ran.out) == (3, True)
    assert "in the repository" not in ran.out


def test_it_needs_no_policy_and_no_environment_to_be_written_yet(shop: Online) -> None:
    clock(shop, -1)
    shop.write("reconciler.yaml", "files: [customers.yaml]\n")
    shop.write("customers.yaml", FOUR)
    assert shop.run("apply", "--auto-approve").code == 0
    clock(shop, 0.5)
    shop.write("customers.yaml", NOBODY)
    line = shop.run("plan", "--format", "json").json["allow"]["line"]
    shop.write("reconciler.yaml", f"files: [customers.yaml]\n{line}\n".replace("...", "why"))
    assert shop.run("plan", "--detailed-exitcode").code == 2


@pytest.mark.parametrize(
    ("allow", "said"),
    [
        ("yes", "write a mapping such as {max_archives: 30, until: 2026-12-31, reason: why}"),
        ("{}", "it lacks 'until'"),
        ("{max_archives: 30, reason: why}", "it lacks 'until'"),
        ("{max_archives: 30, until: 2026-12-31}", "it lacks 'reason'"),
        (
            "{until: 2026-12-31, reason: why}",
            "it allows nothing; add max_archives, max_restores, max_changes or approve",
        ),
        ("{max_archive: 30, until: 2026-12-31, reason: why}", "did you mean 'max_archives'?"),
        ("{max_archives: 30, untill: 2026-12-31, reason: why}", "did you mean 'until'?"),
        ("{approve: [archives], until: 2026-12-31, reason: why}", "did you mean 'archive'?"),
        ("{approve: [], until: 2026-12-31, reason: why}", "this list is empty"),
        ("{max_archives: many, until: 2026-12-31, reason: why}", "'many' is not a number or a percentage"),
        ("{max_archives: -1, until: 2026-12-31, reason: why}", "'-1' is not a number or a percentage"),
        ("{max_archives: 1.5, until: 2026-12-31, reason: why}", "'1.5' is not a whole number"),
        (f"{{max_archives: {'9' * 40}, until: 2026-12-31, reason: why}}", "this number is too long"),
        ("{max_archives: '${N}', until: 2026-12-31, reason: why}", "write it here, not in a variable"),
        ("{max_archives: [3], until: 2026-12-31, reason: why}", "this is a list"),
        ("{max_archives: 30, until: 2026-02-30, reason: why}", "'2026-02-30' is not a date"),
        ("{max_archives: 30, until: 31.12.2026, reason: why}", "'31.12.2026' is not a date; write it like 2026-12-31"),
        ("{max_archives: 30, until: 2026-12-31T10:00:00Z, reason: why}", "is not a date; write it like 2026-12-31"),
        ("{max_archives: 30, until: 20261231, reason: why}", "'20261231' is not a date; write it like 2026-12-31"),
        ("{max_archives: 30, until: '${DAY}', reason: why}", "'${DAY}' is not a date; write it like 2026-12-31"),
        ("{max_archives: 30, until: 2026-12-31, reason: ''}", "says nothing; write why this is allowed"),
        ("{max_archives: 30, until: 2026-12-31, reason: …}", "'…' says nothing; write why this is allowed"),
        ("[{max_archives: 30, until: 2026-12-31}]", "it lacks 'reason'"),
        ("[why]", "this is the text 'why'"),
    ],
)
def test_what_is_wrong_with_it_is_an_error_with_its_line_offline(here: Place, allow: str, said: str) -> None:
    here.write("customers.yaml", ONE)
    here.write("reconciler.yaml", f"{PROJECT}      allow: {allow}\n")
    ran = here.run("validate")
    assert (ran.code, said in " ".join(ran.all.split())) == (1, True), ran.all
    assert "reconciler.yaml:6:" in ran.all


@pytest.mark.parametrize("reason", ["why", "'7'", "наш западный регион", "撤退", "»Ost« …", "über: alles"])
def test_a_reason_is_in_any_language(here: Place, reason: str) -> None:
    here.write("customers.yaml", ONE)
    quoted = json.dumps(reason, ensure_ascii=False)
    here.write(
        "reconciler.yaml", f"{PROJECT}      allow: {{max_archives: 100%, until: 2026-12-31, reason: {quoted}}}\n"
    )
    assert here.run("validate", "--strict").code == 0


@pytest.mark.parametrize("reason", ["...", "…", " ", "-", "?!", "... …"])
def test_a_reason_of_signs_alone_says_nothing(here: Place, reason: str) -> None:
    here.write("customers.yaml", ONE)
    here.write("reconciler.yaml", f'{PROJECT}      allow: {{max_archives: 3, until: 2026-12-31, reason: "{reason}"}}\n')
    ran = here.run("validate")
    assert (ran.code, "says nothing; write why this is allowed" in ran.all) == (1, True)


@pytest.mark.parametrize("until", ["2026-12-31", '"2026-12-31"', "'2026-12-31'", "2020-01-01"])
def test_validate_checks_the_form_alone_without_a_clock(here: Place, until: str) -> None:
    here.write("customers.yaml", ONE)
    here.write("reconciler.yaml", f"{PROJECT}      allow: {{max_archives: 30, until: {until}, reason: why}}\n")
    assert here.run("validate", "--strict").code == 0


def test_no_overlay_and_no_customers_file_can_hold_it(here: Place) -> None:
    here.write("reconciler.yaml", "files: [customers.yaml]\nenvironments: {default: {overlays: [over.yaml]}}\n")
    here.write("customers.yaml", ONE)
    here.write("over.yaml", "allow: {max_archives: 30, until: 2026-12-31, reason: why}\ncustomers: {}\n")
    ran = here.run("validate")
    assert (ran.code, "unknown key 'allow'" in ran.all) == (1, True)


def test_one_environment_takes_anothers_by_an_alias(shop: Online) -> None:
    four_to_archive(shop)
    shared = (
        "{require_approval_for: [archive], allow: {max_archives: 4, approve: [archive], until: 2026-01-08, reason: x}}"
    )
    shop.write(
        "reconciler.yaml",
        f"files: [customers.yaml]\nenvironments:\n  demo: {{policy: &both {shared}}}\n  default: {{policy: *both}}\n",
    )
    ran = shop.run("-e", "default", "plan", "--detailed-exitcode")
    assert ran.code in (1, 2), ran.all


HOSTILE = r"\e[31m::error::x\n::set-output name=x::y <img src=x onerror=alert(1)> [a](https://x.example) `@all` \u202e"


@pytest.mark.parametrize("form", ["text", "brief", "json", "markdown", "html", "github", "sarif", "gitlab"])
@pytest.mark.parametrize("words", [(), ("--redact",)])
def test_a_hostile_reason_is_shown_and_never_obeyed(shop: Online, form: str, words: tuple[str, ...]) -> None:
    reason = f'reason: "{HOSTILE}"'
    four_to_archive(shop, allow=OFFBOARDING.replace('reason: "Offboarding of the west"', reason))
    ran = shop.run("plan", "--detailed-exitcode", "--format", form, *words)
    assert ran.code == 2, ran.err
    raw = ("\x1b", "\u202e", "\n::set-output", "\n::error::x", *(("<img",) if form == "html" else ()))
    assert [text for text in raw if text in ran.out] == []
    if form == "markdown":
        assert re.search("until `2026-01-08: [^`]*<img[^`]*`", ran.out)
    if form == "json":
        note = next(one for one in ran.json["notes"] if one["code"] == "allowed")
        assert note["parts"]["reason"].startswith("\x1b[31m::error::x\n")
        assert "\x1b" not in json.dumps(note)


def test_limits_and_approvals_are_told_to_events_and_history_as_ever(shop: Online) -> None:
    four_to_archive(shop, allow=OFFBOARDING)
    ran = shop.run("apply", "--auto-approve", "--json-events", "-")
    made = json.loads(ran.out.splitlines()[0])
    assert (ran.code, made["over_limits"], made["archive"]) == (0, 0, 4)


# --- every way to change an account --------------------------------------------------------------------

CALLERS = {
    "apply": ("apply", "--auto-approve", "--max-archives", "4"),
    "undo": ("undo", "RUN", "--auto-approve", "--max-archives", "4"),
    "duplicates": ("duplicates", "--archive", "--auto-approve", "--max-archives", "4"),
    "seed": ("seed", "--reset", "--auto-approve"),
    "api": ("api", "customers", "archive", "ID"),
}


def called(shop: Online, caller: str, *words: str) -> Ran:
    """Archive four customers, or what is double, in one of the ways there are."""
    run = shop.run("history", "--format", "json").json["runs"][-1]["id"]
    named = {"RUN": run, "ID": shop.id_of("c0")}
    return shop.run(*(named.get(word, word) for word in CALLERS[caller]), *words)


def to_be_called(shop: Online, rules: str, caller: str) -> None:
    """Create four customers, and where it matters one that is double; then have the policy want archives approved."""
    four_to_archive(shop)
    if caller == "duplicates":
        shop.load({"external_id": "c1", "name": "C1"})
    policy = PROJECT.replace("    policy:\n", "    disposable: true\n    policy:\n")
    shop.write("reconciler.yaml", policy + rules)


@pytest.mark.parametrize("caller", CALLERS)
def test_an_archive_that_nobody_approved_is_sent_in_no_way(shop: Online, caller: str) -> None:
    to_be_called(shop, "", caller)
    ran = called(shop, caller)
    assert (ran.code, archives(shop)) == (3, 0), ran.all
    assert "the policy (reconciler.yaml:6:29) wants archive approved; nothing was sent" in ran.err
    assert 'allow: {approve: [archive], until: 2026-01-08, reason: "..."}' in ran.err
    assert called(shop, caller, "--approve", "archive").code == 0
    assert archives(shop) > 0


@pytest.mark.parametrize("caller", CALLERS)
def test_an_archive_that_the_policy_allows_is_sent_in_each_way(shop: Online, caller: str) -> None:
    to_be_called(shop, OFFBOARDING, caller)
    ran = called(shop, caller)
    assert (ran.code, archives(shop) > 0) == (0, True), ran.all


@pytest.mark.parametrize("caller", CALLERS)
def test_an_archive_outside_its_window_is_sent_in_no_way(shop: Online, caller: str) -> None:
    to_be_called(shop, OFFBOARDING + "      windows: [{actions: [archive], days: [sun]}]\n", caller)
    ran = called(shop, caller)
    assert (ran.code, archives(shop)) == (3, 0), ran.all
    assert "outside a window: windows (reconciler.yaml:8:" in ran.err


def test_a_script_is_held_to_the_same(shop: Online) -> None:
    to_be_called(shop, "", "script")
    with environment(shop.given()), working_folder(shop.folder):
        with pytest.raises(Refused, match="wants archive approved"):
            asyncio.run(scripted(shop.id_of("c0")))
        assert archives(shop) == 0
        to_be_called(shop, OFFBOARDING, "script")
        asyncio.run(scripted(shop.id_of("c0")))
    assert archives(shop) == 1


async def scripted(customer: str) -> None:
    async with Client.open() as client:
        await client.archive_customer(customer)
