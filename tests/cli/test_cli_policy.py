"""The policy of the project file at the command line: what it refuses, naming the rule and its line."""

from __future__ import annotations

from command_line import EPOCH_S, ONE, Online, fits

pytest_plugins = ("command_fixtures",)

# 2026-01-01T00:00:00Z was a Thursday.
PROJECT = """\
files: [customers.yaml]
environments:
  default:
    policy:
      max_archives: 0
      required: [email, city]
      require_approval_for: [create]
      protect: [vip-*]
      windows:
        - {actions: [create, patch], days: [mon-fri], from: 09:00, to: 17:00, zone: Europe/Berlin}
"""
OPEN_S = 9 * 3600.0
"""10:00 in Berlin."""


def clock(shop: Online, seconds_after: float) -> None:
    """Set the server's clock to so long after the first minute of 2026."""
    shop.emulator.set_clock(EPOCH_S + seconds_after - shop.emulator.clock.now())


def test_an_apply_outside_its_window_sends_nothing_and_names_rule_changes_and_the_next_opening(shop: Online) -> None:
    shop.write("reconciler.yaml", PROJECT)
    shop.write("customers.yaml", ONE)
    clock(shop, 0)
    ran = shop.run("apply", "--auto-approve", "--approve", "create")
    assert (ran.code, shop.writes()) == (3, [])
    assert ran.err.endswith(
        "outside a window: windows (reconciler.yaml:10:11): create only mon-fri 09:00-17:00 Europe/Berlin, 1 planned "
        "(it concerns acme); nothing was sent\n  it opens at 2026-01-01T08:00:00Z\n"
    )


def test_the_same_apply_within_its_window_is_done(shop: Online) -> None:
    shop.write("reconciler.yaml", PROJECT)
    shop.write("customers.yaml", ONE)
    clock(shop, OPEN_S)
    ran = shop.run("apply", "--auto-approve", "--approve", "create")
    assert (ran.code, shop.writes()) == (0, ["POST /customers"])


def test_a_plan_outside_a_window_shows_the_rule_and_says_so_by_its_exit_code(shop: Online) -> None:
    shop.write("reconciler.yaml", PROJECT)
    shop.write("customers.yaml", ONE)
    clock(shop, 0)
    told = shop.run("plan", "--format", "json", "--detailed-exitcode")
    assert (told.code, fits(told.json, "plan")) == (3, True)
    assert told.json["limits"] == [
        {
            "name": "windows",
            "planned": 1,
            "allowed": 0,
            "flag": "",
            "source": {"file": "reconciler.yaml", "line": 10, "column": 11},
            "action": "create",
            "rule": "mon-fri 09:00-17:00 Europe/Berlin",
            "opens_at": "2026-01-01T08:00:00Z",
        }
    ]


def test_a_plan_that_was_saved_within_a_window_is_refused_outside_it(shop: Online) -> None:
    shop.write("reconciler.yaml", PROJECT)
    shop.write("customers.yaml", ONE)
    clock(shop, OPEN_S)
    assert shop.run("plan", "--out", "a.plan").code == 0
    clock(shop, OPEN_S + 8 * 3600)
    ran = shop.run("apply", "a.plan", "--auto-approve", "--approve", "create")
    assert (ran.code, shop.writes()) == (3, [])
    assert "outside a window" in ran.err


def test_a_plan_that_was_saved_outside_a_window_is_done_within_it(shop: Online) -> None:
    shop.write("reconciler.yaml", PROJECT)
    shop.write("customers.yaml", ONE)
    clock(shop, 0)
    assert shop.run("plan", "--out", "a.plan").code == 0
    clock(shop, OPEN_S)
    ran = shop.run("apply", "a.plan", "--auto-approve", "--approve", "create")
    assert (ran.code, shop.writes()) == (0, ["POST /customers"])


def test_a_flag_that_was_given_when_a_plan_was_saved_outside_a_window_is_asked_for_again(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    shop.write("reconciler.yaml", PROJECT.replace("max_archives: 0", "max_changes: 0"))
    clock(shop, 0)
    assert shop.run("plan", "--out", "a.plan", "--max-changes", "1").code == 0
    clock(shop, OPEN_S)
    ran = shop.run("apply", "a.plan", "--auto-approve", "--approve", "create")
    assert (ran.code, shop.writes()) == (3, [])
    assert "allow it once with --max-changes 1" in ran.err
    ran = shop.run("apply", "a.plan", "--auto-approve", "--approve", "create", "--max-changes", "1")
    assert (ran.code, shop.writes()) == (0, ["POST /customers"])


def test_a_field_that_the_policy_requires_is_missed_with_the_line_of_the_rule(shop: Online) -> None:
    shop.write("reconciler.yaml", PROJECT)
    shop.write("customers.yaml", "customers:\n  acme: {name: Acme, email: a@acme.example}\n")
    ran = shop.run("validate")
    assert (ran.code, "it has no city, which the policy requires (reconciler.yaml:6:17)" in ran.out) == (1, True)


def test_an_approval_that_is_missing_names_the_line_of_the_rule(shop: Online) -> None:
    shop.write("reconciler.yaml", PROJECT)
    shop.write("customers.yaml", ONE)
    clock(shop, OPEN_S)
    ran = shop.run("apply", "--auto-approve")
    assert (ran.code, shop.writes()) == (3, [])
    assert "the policy (reconciler.yaml:7:29) wants create approved" in ran.err


def test_a_limit_of_the_policy_names_its_line_and_one_of_an_option_does_not(shop: Online) -> None:
    shop.write("customers.yaml", ONE + "  vip-1: {name: V}\n")
    assert shop.run("apply", "-f", "customers.yaml", "--auto-approve").code == 0
    shop.write("reconciler.yaml", PROJECT)
    shop.write("customers.yaml", "customers: {}\n")
    shop.later()
    ran = shop.run("apply", "--auto-approve")
    assert (ran.code, "max_archives (reconciler.yaml:5:21): 1 planned, 0 allowed" in ran.err) == (3, True)
    assert "remove it from the patterns of `policy.protect` (reconciler.yaml:8:16)" in " ".join(ran.out.split())
    assert "max_archives: 1 planned, 0 allowed" in shop.run("apply", "--auto-approve", "--max-archives", "0").err
