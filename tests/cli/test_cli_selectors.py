"""Selectors and patterns that match nobody are errors or warnings wherever they are written; addresses are keys."""

from __future__ import annotations

import pytest
from command_line import Online

pytest_plugins = ("command_fixtures",)

NOBODY = "matches no customer that is declared, managed, or live."
FILE = """\
customers:
  acme: {name: Acme, email: a@x.example, users: {jane@x.example: {}}}
  a/b: {name: Slash, email: b@x.example}
  west-1: {name: West, email: w@x.example}
"""


@pytest.fixture
def applied(shop: Online) -> Online:
    """Return a place whose three customers were applied."""
    assert shop.applied(FILE).code == 0
    return shop


def notes(shop: Online, *words: str) -> list[str]:
    """Return the notes of a plan about patterns."""
    ran = shop.run("plan", *words, "--format", "json")
    assert ran.code == 0, ran.err
    return [one["text"] for one in ran.json["notes"] if NOBODY in one["text"]]


@pytest.mark.parametrize("command", [["plan"], ["apply", "--auto-approve"], ["drift"]])
@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("acme-", "Did you mean 'acme'?"),
        ("ACME", "Did you mean 'acme'?"),
        ("A%2FB", "Did you mean 'a%2Fb'?"),
        ("", "Check the key. `reconciler state list` shows the customers that are managed."),
        ("zzz-*", "Check the key. `reconciler state list` shows the customers that are managed."),
    ],
)
def test_a_target_that_matches_nobody_is_an_error(applied: Online, command: list[str], target: str, hint: str) -> None:
    applied.load({"name": "Without an external_id"})
    before = applied.writes()
    ran = applied.run(*command, "-f", "customers.yaml", "--target", "acme", "--target", target)
    assert (ran.code, ran.out) == (1, "")
    assert f"error: `--target` '{target}' {NOBODY} Nothing was sent.\n  {hint}\n" in ran.err
    assert applied.writes() == before


def test_a_target_is_matched_by_who_is_only_bound_or_only_live_or_had_the_key_before(applied: Online) -> None:
    applied.load({"external_id": "stranger", "name": "Live", "email": "l@x.example"})
    applied.write("customers.yaml", FILE.replace("west-1:", "east-1:") + "moved: [{from: west-1, to: east-1}]\n")
    for target in ("stranger", "west-1", "east-*", "a/b"):
        assert applied.run("plan", "-f", "customers.yaml", "--target", target).code == 0


@pytest.mark.parametrize(
    ("target", "patched"), [("a%2Fb", ["a%2Fb"]), ("acme/jane@x.example", ["acme"]), ("a*", ["a%2Fb", "acme"])]
)
def test_an_address_as_the_plan_prints_it_is_a_target(applied: Online, target: str, patched: list[str]) -> None:
    applied.write("customers.yaml", FILE.replace("{name: ", "{city: Boston, name: "))
    ran = applied.run("plan", "-f", "customers.yaml", "--target", target, "--format", "json")
    assert sorted(one["address"] for one in ran.json["changes"]) == patched
    ran = applied.run("plan", "-f", "customers.yaml", "--exclude", target, "--format", "json")
    assert {one["address"] for one in ran.json["changes"]} == {"acme", "a%2Fb", "west-1"} - set(patched)


def test_a_target_that_the_environment_leaves_out_says_so(applied: Online) -> None:
    applied.write("reconciler.yaml", "files: [customers.yaml]\nenvironments: {default: {exclude: [new-*]}}\n")
    applied.write("customers.yaml", FILE + "  new-1: {name: New, email: n@x.example}\n")
    ran = applied.run("plan", "--target", "new-1")
    assert (ran.code, "The environment's `include` and `exclude` leave it out." in ran.err) == (1, True)


def test_patterns_of_the_project_file_and_excludes_that_match_nobody_are_noted(applied: Online) -> None:
    environment = """\
files: [customers.yaml]
environments:
  default:
    owns: [west-*, east-*]
    exclude: [new-*, old-*]
    policy:
      protect: [acme, ACME, a%2Fb]
"""
    applied.write("reconciler.yaml", environment)
    applied.write("customers.yaml", FILE + "  new-1: {name: New, email: n@x.example}\n")
    assert notes(applied, "--exclude", "west-1", "--exclude", "west-2") == [
        f"`policy.protect` (reconciler.yaml:7:16): 'ACME' {NOBODY} Did you mean 'acme'?",
        f"`policy.protect` (reconciler.yaml:7:16): 'a%2Fb' {NOBODY} Did you mean 'a/b'?",
        f"`owns`: 'east-*' {NOBODY}",
        f"`exclude`: 'old-*' {NOBODY}",
        f"`--exclude`: 'west-2' {NOBODY} Did you mean 'west-1'?",
    ]


def test_an_include_that_matches_nobody_is_noted(applied: Online) -> None:
    applied.write("reconciler.yaml", "files: [customers.yaml]\nenvironments: {default: {include: ['*', x-*]}}\n")
    assert notes(applied) == [f"`include`: 'x-*' {NOBODY}"]


def test_a_rule_of_the_ignore_file_that_hides_the_drift_of_nobody_is_a_warning(applied: Online) -> None:
    rule = "{key: %s, until: 2099-01-01, reason: x}"
    applied.write("drift-ignore.yaml", f"version: 1\nignore: [{rule % 'acme'}, {rule % 'ACME'}, {rule % 'zzz*'}]\n")
    ran = applied.run("drift", "-f", "customers.yaml")
    assert ran.code == 0, ran.all
    assert [line for line in ran.err.splitlines() if line.startswith("warning: ")] == [
        f"warning: drift-ignore.yaml:2:53: 'ACME' {NOBODY} Did you mean 'acme'?",
        f"warning: drift-ignore.yaml:2:96: 'zzz*' {NOBODY}",
    ]


def test_a_glob_of_an_import_or_of_the_ledgers_commands_that_matches_nobody_is_a_warning(applied: Online) -> None:
    said = "warning: 'ACME' matches no customer; did you mean 'acme'?\n"
    for words in (
        ["import", "ACME", "a%2Fb"],
        ["state", "list", "ACME"],
        ["state", "rm", "ACME", "a%2Fb", "--dry-run"],
    ):
        ran = applied.run(*words)
        assert (ran.code, said in ran.err) == (0, True), words
    assert "a/b: {}" not in applied.run("import", "a%2Fb").out
    assert "a/b:\n    name: Slash" in applied.run("import", "a%2Fb").out


@pytest.mark.parametrize("key", ["a%2Fb", "acme"])
def test_every_command_that_takes_a_key_takes_an_address(applied: Online, key: str) -> None:
    for words in (["show"], ["show", "--why"], ["state", "show"], ["state", "list"]):
        ran = applied.run(*words, key, *(["-f", "customers.yaml"] if words[0] == "show" else []))
        assert (ran.code, key.replace("%2F", "/") in ran.out or key in ran.out) == (0, True), ran.all
    for words in (["state", "unprotect", key], ["state", "forget", key], ["state", "move", key, "new"]):
        assert applied.run(*words).code == 0


@pytest.mark.parametrize(
    ("key", "hint"),
    [("acmee", " Did you mean 'acme'?"), ("A%2FB", " Did you mean 'a/b'?"), ("west-*", ""), ("zzz", "")],
)
def test_a_key_to_create_again_that_is_nobodys_is_noted(applied: Online, key: str, hint: str) -> None:
    for narrowed in ((), ("--target", "acme")):
        words = ("--allow-recreate", key, "--allow-recreate", "acme", *narrowed)
        ran = applied.run("plan", "-f", "customers.yaml", *words, "--format", "json")
        found = [one["text"] for one in ran.json["notes"] if "--allow-recreate" in one["text"]]
        assert found == [f"`--allow-recreate`: '{key}' matches no customer that is declared or managed.{hint}"]


@pytest.mark.parametrize("key", ["a/b", "a%2Fb", "c", "c/jane@x.example"])
def test_a_key_to_create_again_is_written_as_it_is_or_as_the_plan_prints_it(applied: Online, key: str) -> None:
    applied.write("customers.yaml", FILE.replace("a/b:", "c:"))
    ran = applied.run("plan", "-f", "customers.yaml", "--allow-recreate", key, "--format", "json")
    assert [one["address"] for one in ran.json["changes"]] == ["c", "a%2Fb"]
    assert [one for one in ran.json["notes"] if "--allow-recreate" in one["text"]] == []
