"""`plan` and `apply`: exit codes, streams, consent, limits, and what is sent."""

from __future__ import annotations

import pytest
from command_line import ONE, THREE, Online, fits

from reconciler.emulator.fault_settings import switched
from reconciler.rules import Behaviour

pytest_plugins = ("command_fixtures",)

ARCHIVED = ONE.replace("city: Boston", "archived: true")


def test_an_apply_does_what_the_plan_said_and_leaves_nothing_to_plan(shop: Online) -> None:
    shop.write("customers.yaml", THREE)
    planned = shop.run("plan", "-f", "customers.yaml", "--detailed-exitcode")
    assert (planned.code, shop.writes()) == (2, [])
    assert planned.out.splitlines()[-1] == ("Plan: 3 to create, 1 user to create.")
    applied = shop.run("apply", "-f", "customers.yaml", "--auto-approve")
    assert (applied.code, len(shop.writes())) == (0, 4)
    again = shop.run("plan", "-f", "customers.yaml", "--detailed-exitcode")
    assert (again.code, again.out.splitlines()[-1]) == (0, "No changes. 3 customers are as declared.")


def test_a_plan_exits_0_though_there_are_changes(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    assert shop.run("plan", "-f", "customers.yaml").code == 0


def test_what_is_blocked_is_3_of_a_detailed_plan_and_of_an_apply_that_does_the_rest(shop: Online) -> None:
    shop.applied(ONE)
    shop.write("customers.yaml", ONE.replace("billing@", "other@").replace("Boston", "Dover"))
    assert shop.run("plan", "-f", "customers.yaml", "--detailed-exitcode").code == 3
    assert shop.run("plan", "-f", "customers.yaml").code == 0
    applied = shop.run("apply", "-f", "customers.yaml", "--auto-approve")
    assert (applied.code, shop.named("acme")["city"]) == (3, "Dover")


def test_a_refused_change_is_1_and_the_rest_is_done(shop: Online) -> None:
    shop.emulator.behaviour = switched(shop.emulator.behaviour, {"required": ["postal_code"]})
    shop.write("customers.yaml", ONE + "  globex: {name: Globex, email: g@globex.example, postal_code: 02134}\n")
    applied = shop.run("apply", "-f", "customers.yaml", "--auto-approve", "--format", "json")
    statuses = {row["address"]: row["status"] for row in applied.json["outcomes"]}
    assert (applied.code, statuses) == (1, {"acme": "failed", "globex": "done"})


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_a_json_plan_or_report_is_one_document_and_nothing_else(shop: Online, command: str) -> None:
    shop.write("customers.yaml", THREE)
    consent = ["--auto-approve"] if command == "apply" else []
    ran = shop.run(command, "-f", "customers.yaml", "--format", "json", *consent)
    summary = ran.json["summary"]
    assert (ran.code, summary.get("create", summary.get("done"))) == (0, 3 if command == "plan" else 4)


def test_a_json_plan_fits_its_schema(shop: Online) -> None:
    shop.load({"external_id": "acme", "name": "Acme", "city": "Dover"})
    shop.write("customers.yaml", THREE)
    assert fits(shop.run("plan", "-f", "customers.yaml", "--format", "json").json, "plan")
    redacted = shop.run("plan", "-f", "customers.yaml", "--format", "json", "--redact")
    assert fits(redacted.json, "plan")
    assert "jane@acme.example" not in redacted.out


def test_problems_and_warnings_go_to_stderr(shop: Online) -> None:
    shop.write("customers.yaml", "customers: {acme: {name: Acme}}\n")
    ran = shop.run("plan", "-f", "customers.yaml", "--format", "json")
    assert ran.json["summary"]["create"] == 1
    assert ran.err == (
        "customers.yaml:1:13: customers.acme: warning: it has no email; "
        "invoices need one, and the API sets it only at creation\n"
    )


def test_strict_takes_a_warning_for_an_error(shop: Online) -> None:
    shop.write("customers.yaml", "customers: {acme: {name: Acme}}\n")
    ran = shop.run("apply", "-f", "customers.yaml", "--auto-approve", "--strict")
    assert (ran.code, ran.out, shop.requests()) == (1, "", 0)


def test_without_a_terminal_and_without_auto_approve_nothing_at_all_is_sent(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    ran = shop.run("apply", "-f", "customers.yaml")
    assert (ran.code, ran.out, shop.requests()) == (3, "", 0)
    assert ran.err == ("error: there is no terminal to ask for consent; nothing was sent\n  give --auto-approve\n")


def test_consent_is_asked_for_the_plan_that_is_shown(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    ran = shop.run("apply", "-f", "customers.yaml", stdin=b"y\n", terminal=True)
    assert (ran.code, len(shop.writes())) == (0, 1)
    assert "+ acme" in ran.out
    assert "Apply this plan?" in ran.err


@pytest.mark.parametrize("answer", [b"n\n", b"\n", b"no thanks\n", b"", b"yess\n"])
def test_a_refused_consent_sends_nothing(shop: Online, answer: bytes) -> None:
    shop.write("customers.yaml", ONE)
    ran = shop.run("apply", "-f", "customers.yaml", stdin=answer, terminal=True)
    assert (ran.code, shop.writes()) == (3, [])
    assert ran.err.endswith("error: not applied, because you did not agree; nothing was sent\n")


def test_consent_to_a_json_report_shows_the_plan_on_stderr(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    ran = shop.run("apply", "-f", "customers.yaml", "--format", "json", stdin=b"y\n", terminal=True)
    assert (ran.code, ran.json["summary"]["done"]) == (0, 1)
    assert "+ acme" in ran.err


def test_an_apply_that_has_nothing_to_send_asks_nobody(shop: Online) -> None:
    shop.applied(ONE)
    ran = shop.run("apply", "-f", "customers.yaml", terminal=True)
    assert (ran.code, ran.err) == (0, "")


def test_over_a_limit_nothing_is_sent_and_the_flag_that_allows_it_once_is_said(shop: Online) -> None:
    shop.applied(THREE)
    before = (shop.account(), shop.ledger())
    shop.write("customers.yaml", "customers: {}\n")
    planned = shop.run("plan", "-f", "customers.yaml", "--detailed-exitcode", "--format", "json")
    assert planned.code == 3
    assert planned.json["limits"] == [{"name": "max_archives", "planned": 3, "allowed": 1, "flag": "--max-archives 3"}]
    refused = shop.run("apply", "-f", "customers.yaml", "--auto-approve")
    assert (refused.code, shop.account(), shop.ledger()) == (3, *before)
    assert refused.err == (
        "error: over a limit: max_archives: 3 planned, 1 allowed; nothing was sent\n"
        "  read the plan, then allow it once with --max-archives 3\n"
    )
    allowed = shop.run("apply", "-f", "customers.yaml", "--auto-approve", "--max-archives", "3")
    assert (allowed.code, [one[1] for one in shop.account().values()]) == (0, [True, True, True])


POLICY = "version: 1\nenvironments: {default: {policy: {require_approval_for: [archive]}}}\n"


def test_an_action_that_wants_approval_is_refused_without_it(shop: Online) -> None:
    shop.applied(ONE)
    shop.write("reconciler.yaml", POLICY)
    shop.write("customers.yaml", ARCHIVED)
    before = shop.account()
    ran = shop.run("apply", "-f", "customers.yaml", "--auto-approve")
    assert (ran.code, shop.account()) == (3, before)
    assert ran.err.startswith(
        "error: the policy (reconciler.yaml:2:57) wants archive approved; nothing was sent\n"
        "  give --approve archive (in a script: approve=['archive']); or, in the repository, add to "
        "environments.default.policy (reconciler.yaml:2:34): allow: {approve: [archive], until: "
    )


@pytest.mark.parametrize(
    ("words", "typed", "code"),
    [(["--auto-approve", "--approve", "archive"], b"", 0), ([], b"archive\ny\n", 0), ([], b"yes\n", 3)],
)
def test_an_action_that_wants_approval_is_done_with_its_word(
    shop: Online, words: list[str], typed: bytes, code: int
) -> None:
    shop.applied(ONE)
    shop.write("reconciler.yaml", POLICY)
    shop.write("customers.yaml", ARCHIVED)
    ran = shop.run("apply", "-f", "customers.yaml", *words, stdin=typed, terminal=bool(typed))
    assert (ran.code, [one[1] for one in shop.account().values()]) == (code, [code == 0])


def test_standard_input_is_a_customers_file(shop: Online) -> None:
    ran = shop.run("apply", "-f", "-", "--auto-approve", stdin=ONE.encode())
    assert (ran.code, shop.named("acme")["city"]) == (0, "Boston")


def test_what_standard_input_lacks_is_not_archived(shop: Online) -> None:
    shop.applied(ONE)
    ran = shop.run("apply", "-f", "-", "--auto-approve", stdin=b"customers: {}\n")
    assert (ran.code, shop.named("acme")["city"]) == (0, "Boston")
    assert "1 managed customer is left out" in ran.out


@pytest.mark.parametrize("path", ["customers", "customers/*.yaml", "customers/**/*.yaml"])
def test_a_folder_and_a_pattern_read_every_file(shop: Online, path: str) -> None:
    shop.write("customers/a.yaml", ONE)
    shop.write("customers/b.yaml", "customers: {globex: {name: Globex, email: g@globex.example}}\n")
    ran = shop.run("apply", "-f", path, "--auto-approve", "--format", "json")
    assert sorted(row["address"] for row in ran.json["outcomes"]) == ["acme", "globex"]


def test_an_entry_whose_file_was_not_read_is_not_archived(shop: Online) -> None:
    shop.write("a.yaml", ONE)
    shop.write("b.yaml", "customers: {globex: {name: Globex, email: g@globex.example}}\n")
    shop.run("apply", "-f", "a.yaml", "-f", "b.yaml", "--auto-approve")
    ran = shop.run("plan", "-f", "b.yaml", "--detailed-exitcode")
    assert (ran.code, "1 managed customer is left out" in ran.out) == (0, True)


def test_a_target_leaves_the_others_alone(shop: Online) -> None:
    shop.write("customers.yaml", THREE)
    ran = shop.run("apply", "-f", "customers.yaml", "--auto-approve", "--target", "g*", "--exclude", "x*")
    assert (ran.code, [one[0]["external_id"] for one in shop.account().values()]) == (0, ["globex"])


@pytest.mark.parametrize(
    "words",
    [
        ["plan", "--max-archives", "lots"],
        ["plan", "--max-archives", "9" * 400],
        ["plan", "--rate", "-1"],
        ["plan", "--rate", "1e-300"],
        ["apply", "--lock-timeout", "nan"],
        ["plan", "--format", "xml"],
        ["apply", "--approve", "everything"],
        ["plan", "--no-such-option"],
        ["no-such-command"],
        ["--log-level", "loud", "plan"],
        ["show"],
        ["state", "nonsense"],
    ],
)
def test_a_misused_command_line_is_1_and_says_so(shop: Online, words: list[str]) -> None:
    ran = shop.run(*words)
    assert (ran.code, ran.out, shop.requests()) == (1, "", 0)
    assert "error: " in ran.err
    assert "--help" in ran.err


@pytest.mark.parametrize("words", [[], ["state"]])
def test_no_command_at_all_shows_the_help_on_stderr(shop: Online, words: list[str]) -> None:
    ran = shop.run(*words)
    assert (ran.code, ran.out, ran.err) == (1, "", shop.run(*words, "--help").out)


def test_a_misused_command_line_is_not_shown_raw(shop: Online) -> None:
    ran = shop.run("plan", "--\x1b[31m\u202e")
    assert (ran.code, "\x1b" in ran.err, "\u202e" in ran.err) == (1, False, False)


def test_a_plan_that_only_adopts_says_what_an_apply_records_and_the_apply_that_it_did(shop: Online) -> None:
    shop.load({"external_id": "acme", "name": "Acme", "email": "billing@acme.example", "city": "Boston"})
    shop.write("customers.yaml", ONE)
    plan = shop.run("plan", "-f", "customers.yaml", "--detailed-exitcode")
    assert plan.code == 0
    assert plan.out.endswith("No changes to the account. 1 customer is as declared. Run apply to record 1 adoption.\n")
    assert shop.run("plan", "-f", "customers.yaml", "--format", "json").json["bindings"] != []
    assert shop.run("apply", "-f", "customers.yaml", "--auto-approve").out.endswith("Recorded 1 adoption.\n")
    assert "No changes. 1 customer is as declared.\n" in shop.run("plan", "-f", "customers.yaml").out


@pytest.mark.parametrize("status", [400, 404, 422])
@pytest.mark.parametrize("entry", ["  acme: {archived: true}\n", ""])
def test_an_archive_that_the_api_refuses_says_what_to_do_and_doing_it_ends_it(
    shop: Online, entry: str, status: int
) -> None:
    rest = "  globex: {name: Globex, email: accounts@globex.example}\n"
    shop.applied("customers:\n  acme: {name: Acme, email: billing@acme.example}\n" + rest)
    shop.later()
    shop.emulator.behaviour = Behaviour(invoiced=frozenset({"acme"}), invoiced_status=status)
    apply = ("apply", "-f", "customers.yaml", "--auto-approve")
    shop.write("customers.yaml", f"customers:\n{entry}{rest}")
    for _ in range(2):
        ran = shop.run(*apply)
        said = " ".join(ran.out.split())
        assert (ran.code, "fix the cause in the dashboard" in said, "under `forget:`" in said) == (1, True, True)

    shop.write("customers.yaml", f"customers:\n{rest}forget: [acme]\n")
    assert (shop.run(*apply).code, shop.run(*apply).code, shop.named("acme")["name"]) == (0, 0, "Acme")

    shop.emulator.behaviour = Behaviour()
    shop.write("customers.yaml", f"customers:\n  acme: {{archived: true}}\n{rest}")
    assert shop.run(*apply).code == 0
    assert shop.account()[shop.id_of("acme")][1]
