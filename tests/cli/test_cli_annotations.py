"""`--format github`, `sarif`, `gitlab` and `brief`: what reviewers see at a line of a file, and in a log."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import jsonschema
import pytest
from command_line import EPOCH_S, THREE, Online, Place, Ran, raw

from reconciler.model.reasons import BlockedReason, NoteKind, UnknownKind
from reconciler.rules import archive

pytest_plugins = ("command_fixtures",)

DOCUMENTS = ("github", "sarif", "gitlab")
HOSTILE = "x\r\n::error file=a,line=1::owned\n##[error]y\u2028%0A::warning::z\x1b[2J\u202e[win](https://evil.example)"
PERSONAL = ("Boston", "Dover", "jane@acme.example", "Hurst")
SARIF: dict[str, Any] = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "$schema": {"type": "string", "format": "uri"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {"driver": {"$ref": "#/$defs/driver"}},
                    },
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
    "$defs": {
        "text": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}},
        "level": {"enum": ["none", "note", "warning", "error"]},
        "driver": {
            "type": "object",
            "required": ["name", "semanticVersion", "rules"],
            "properties": {
                "rules": {
                    "type": "array",
                    "uniqueItems": True,
                    "items": {
                        "type": "object",
                        "required": ["id", "shortDescription", "fullDescription", "help", "defaultConfiguration"],
                        "properties": {
                            "id": {"type": "string"},
                            "shortDescription": {"$ref": "#/$defs/text"},
                            "fullDescription": {"$ref": "#/$defs/text"},
                            "help": {"$ref": "#/$defs/text"},
                            "defaultConfiguration": {"properties": {"level": {"$ref": "#/$defs/level"}}},
                        },
                        "additionalProperties": False,
                    },
                }
            },
        },
        "result": {
            "type": "object",
            "required": ["ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints"],
            "properties": {
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "level": {"$ref": "#/$defs/level"},
                "message": {"$ref": "#/$defs/text"},
                "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
                "locations": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["physicalLocation"],
                        "properties": {
                            "physicalLocation": {
                                "type": "object",
                                "required": ["artifactLocation", "region"],
                                "properties": {
                                    "artifactLocation": {
                                        "type": "object",
                                        "required": ["uri"],
                                        "properties": {
                                            "uri": {"type": "string", "pattern": "^[A-Za-z0-9%._~/-]+$"},
                                            "uriBaseId": {"const": "%SRCROOT%"},
                                        },
                                        "additionalProperties": False,
                                    },
                                    "region": {
                                        "type": "object",
                                        "required": ["startLine"],
                                        "properties": {
                                            "startLine": {"type": "integer", "minimum": 1},
                                            "startColumn": {"type": "integer", "minimum": 1},
                                        },
                                        "additionalProperties": False,
                                    },
                                },
                            }
                        },
                    },
                },
            },
            "additionalProperties": False,
        },
    },
}
"""The part of the SARIF 2.1.0 schema that a document of ours uses, and no more than that."""


@dataclass(frozen=True, slots=True)
class Command:
    """A workflow command as GitHub's runner reads it."""

    level: str
    properties: dict[str, str]
    message: str


def commands(text: str) -> list[Command]:
    """Return the commands in a log, read as the runner does: one begins a line, and ends with it."""
    found = []
    for line in re.split(r"\r\n|\r|\n", text):
        if not line.lstrip().startswith("::"):
            assert "##[" not in line
            continue
        head, _, data = line.lstrip()[2:].partition("::")
        level, _, properties = head.partition(" ")
        pairs = (one.split("=", 1) for one in properties.split(",") if one)
        found.append(Command(level, {name: unescaped(value) for name, value in pairs}, unescaped(data)))
    return found


def unescaped(text: str) -> str:
    for code, letter in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, letter)
    return text


def places(ran: Ran) -> list[tuple[str, str, str, str]]:
    """Return level, file, line and title of each command of a log."""
    return [
        (one.level, one.properties.get("file", ""), one.properties.get("line", ""), one.properties["title"])
        for one in commands(ran.out)
    ]


def sarif(ran: Ran) -> list[dict[str, Any]]:
    """Return the results of a SARIF document, having seen that it is one, and that each has its rule."""
    jsonschema.Draft202012Validator(SARIF).validate(ran.json)
    (one,) = ran.json["runs"]
    rules = one["tool"]["driver"]["rules"]
    for result in one["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    return list(one["results"])


def gitlab(ran: Ran) -> list[dict[str, Any]]:
    """Return the issues of a code quality report, having seen that GitLab takes it."""
    for one in ran.json:
        assert set(one) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert one["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert one["location"]["lines"]["begin"] >= 1
    assert len({one["fingerprint"] for one in ran.json}) == len(ran.json)
    return list(ran.json)


@pytest.fixture
def edited(shop: Online) -> Online:
    """Return an account and edited files: two archives, over a limit, a restore, a patch, and two that are blocked."""
    more = "  hooli: {name: Hooli, email: h@hooli.example}\n  stark: {name: Stark, email: s@stark.example}\n"
    shop.variables["AP_ENVIRONMENT"] = "demo"
    shop.write("reconciler.yaml", "files: [customers.yaml]\nenvironments:\n  demo: {}\n")
    shop.write("customers.yaml", THREE + more)
    assert shop.run("apply", "--auto-approve").code == 0
    shop.later()
    archive(shop.emulator.account, shop.emulator.behaviour, shop.id_of("stark"), EPOCH_S)
    without = THREE.replace("  globex: {name: Globex, email: accounts@globex.example}\n", "")
    without = without.replace("Boston", "Dover").replace("Doe", "Hurst")
    gone = more.replace("h@hooli.example", "h@hooli.example, archived: true")
    shop.write("customers.yaml", without + gone + "  new: {email: n@new.example}\n")
    shop.write("reconciler.yaml", "files: [customers.yaml]\nenvironments:\n  demo:\n    policy: {max_archives: 1}\n")
    return shop


def test_github_shows_limits_blocked_archives_and_restores_at_their_lines(edited: Online) -> None:
    ran = edited.run("plan", "--format", "github")
    assert ran.code == 0, ran.err
    assert places(ran) == [
        ("error", "reconciler.yaml", "4", "Over a limit"),
        ("error", "customers.yaml", "7", "Blocked: acme/jane@acme.example last_name"),
        ("error", "customers.yaml", "11", "Blocked: new name"),
        ("warning", "customers.yaml", "10", "Restore: stark"),
        ("warning", "customers.yaml", "", "Archive: globex"),
        ("warning", "customers.yaml", "9", "Archive: hooli"),
    ]
    over, _, blocked, *_ = commands(ran.out)
    assert "2 planned, 1 allowed; to allow it once: --max-archives 2; to allow it in the repository: " in over.message
    assert blocked.message == "It has no name, and a customer cannot be created without one. Add `name:`."
    assert ran.out.splitlines()[-1].startswith("Plan: 1 to patch, 2 to archive, 1 to restore; 2 blocked; ")


def test_sarif_has_a_rule_for_each_code_and_the_same_places(edited: Online) -> None:
    ran = edited.run("plan", "--format", "sarif")
    found = [
        (one["level"], one["ruleId"], physical["artifactLocation"]["uri"], physical["region"]["startLine"])
        for one in sarif(ran)
        for physical in [one["locations"][0]["physicalLocation"]]
    ]
    assert found == [
        ("error", "plan/limit", "reconciler.yaml", 4),
        ("error", "blocked/user_fixed", "customers.yaml", 7),
        ("error", "blocked/name_missing", "customers.yaml", 11),
        ("warning", "plan/restore", "customers.yaml", 10),
        ("warning", "plan/archive", "customers.yaml", 1),
        ("warning", "plan/archive", "customers.yaml", 9),
    ]
    rules = {one["id"]: one for one in ran.json["runs"][0]["tool"]["driver"]["rules"]}
    families = (("blocked", BlockedReason), ("note", NoteKind), ("unknown", UnknownKind))
    codes = {f"{family}/{code}" for family, members in families for code in members}
    assert codes <= set(rules)
    assert rules["blocked/name_missing"]["help"]["text"] == (
        "It has no name, and a customer cannot be created without one. Add `name:`."
    )


def test_gitlab_takes_the_report_and_knows_an_issue_again_where_lines_moved(edited: Online) -> None:
    before = gitlab(edited.run("plan", "--format", "gitlab"))
    assert [(one["severity"], one["check_name"]) for one in before][:2] == [
        ("critical", "plan/limit"),
        ("critical", "blocked/user_fixed"),
    ]
    text = (edited.folder / "customers.yaml").read_text("utf-8")
    edited.write("customers.yaml", f"# one line more\n{text}")
    after = gitlab(edited.run("plan", "--format", "gitlab"))
    assert [one["fingerprint"] for one in after] == [one["fingerprint"] for one in before]
    assert after[1]["location"] == {"path": "customers.yaml", "lines": {"begin": 8}}


def test_brief_has_one_line_a_change_and_then_what_holds_it_up(edited: Online) -> None:
    ran = edited.run("plan", "--format", "brief")
    ids = {key: edited.id_of(key) for key in ("stark", "globex", "hooli")}
    assert (ran.code, ran.out.splitlines()[:4]) == (
        0,
        [
            f"restore stark: {ids['stark']}, archived outside Reconciler (customers.yaml:10:3)",
            "patch acme: city Boston -> Dover (customers.yaml:2:3)",
            f"archive globex: {ids['globex']}, removed from the files, 0 payment methods (customers.yaml)",
            f"archive hooli: {ids['hooli']}, declared, 0 payment methods (customers.yaml:9:3)",
        ],
    )
    assert [one.split(":")[0] for one in ran.out.splitlines()[4:]] == [
        "blocked acme/jane@acme.example last_name",
        "blocked new name",
        "over a limit",
        "to allow it in the repository",
        "Plan",
    ]


@pytest.mark.parametrize("form", [*DOCUMENTS, "brief"])
def test_no_format_shows_a_personal_value_with_redact(edited: Online, form: str) -> None:
    edited.load({"id": edited.id_of("acme"), "city": "Salem"})
    for command in ("plan", "drift"):
        shown = edited.run(command, "--format", form).all
        assert [value for value in (*PERSONAL, "Salem") if value in shown] != []
        masked = edited.run(command, "--format", form, "--redact").all
        assert [value for value in (*PERSONAL, "Salem") if value in masked] == []


def test_drift_is_shown_at_the_line_of_each_customer(edited: Online) -> None:
    ran = edited.run("drift", "--format", "github")
    assert (ran.code, places(ran)[0]) == (2, ("warning", "customers.yaml", "10", "Archived by someone else: stark"))
    assert ran.out.splitlines()[-1].startswith("Drift: 1 archived.")
    (one, *_) = sarif(edited.run("drift", "--format", "sarif"))
    assert (one["ruleId"], one["level"]) == ("drift/archived", "warning")
    assert gitlab(edited.run("drift", "--format", "gitlab"))[0]["check_name"] == "drift/archived"
    brief = edited.run("drift", "--format", "brief").out.splitlines()
    assert brief[0] == "archived stark: Someone archived it, and it is declared active. (customers.yaml:10:3)"


def test_a_live_text_is_never_a_command_a_link_or_a_second_line(shop: Online) -> None:
    assert shop.applied("customers:\n  acme: {name: Acme, email: a@acme.example, city: Boston}\n").code == 0
    shop.later()
    shop.load({"id": shop.id_of("acme"), "name": HOSTILE, "city": HOSTILE})
    ran = shop.run("drift", "-f", "customers.yaml", "--format", "github")
    assert (raw(ran.out), [(one.level, one.properties["line"]) for one in commands(ran.out)]) == (
        [],
        [("warning", "2")],
    )
    said = commands(ran.out)[0].message
    assert ("owned" in said, "%0A::warning" in said, "\n" in said, "##[" in ran.out) == (True, True, False, False)
    for command in ("plan", "drift"):
        brief = shop.run(command, "-f", "customers.yaml", "--format", "brief").out
        assert (raw(brief), len(brief.splitlines()), commands(brief)) == ([], 2, [])
    (one,) = sarif(shop.run("drift", "-f", "customers.yaml", "--format", "sarif"))
    assert re.findall(r"(?<!\\)[\[\]]", one["message"]["text"]) == []


@pytest.mark.parametrize("key", ["a::b, c", "##[error]x", "100%0A::error::x", "::stop-commands::x", "[x](y)"])
def test_a_key_is_the_title_it_is_whatever_it_holds(shop: Online, key: str) -> None:
    shop.write("customers.yaml", f"customers:\n  {json.dumps(key)}: {{email: a@acme.example}}\n")
    ran = shop.run("plan", "-f", "customers.yaml", "--format", "github")
    (one,) = (one for one in commands(ran.out) if one.level == "error")
    title = one.properties["title"].replace("\\u0023", "#")
    assert (title, one.properties["line"]) == (f"Blocked: {key.replace('%', '%25')} name", "2")


def test_of_more_than_github_shows_the_last_one_counts_the_rest(shop: Online) -> None:
    shop.write("customers.yaml", "customers:\n" + "".join(f"  c{one}: {{email: a@x.example}}\n" for one in range(25)))
    ran = shop.run("plan", "-f", "customers.yaml", "--format", "github")
    levels = [one.level for one in commands(ran.out)]
    assert (levels.count("error"), commands(ran.out)[9].properties["title"]) == (10, "16 more errors")
    assert len(gitlab(shop.run("plan", "-f", "customers.yaml", "--format", "gitlab"))) == 26


def test_files_are_named_from_the_root_of_the_repository(here: Place) -> None:
    (here.folder / ".git").mkdir()
    here.write("billing west/reconciler.yaml", "files: [customers/]\nenvironments: {demo: {}}\nodd: 1\n")
    here.write("billing west/customers/a.yaml", "customers:\n  acme: {nam: Acme}\n")
    project = ("-p", "billing west/reconciler.yaml")
    ran = here.run(*project, "validate", "--format", "github")
    assert (ran.code, places(ran)) == (1, [("error", "billing west/reconciler.yaml", "3", "odd")])
    here.write("billing west/reconciler.yaml", "files: [customers/]\nenvironments: {demo: {}}\n")
    ran = here.run(*project, "validate", "--format", "github")
    assert (ran.code, places(ran)) == (1, [("error", "billing west/customers/a.yaml", "2", "customers.acme.nam")])
    (one,) = sarif(here.run(*project, "validate", "--format", "sarif"))
    uri = one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "billing%20west/customers/a.yaml"


def test_validate_shows_each_problem_and_ends_with_what_it_comes_to(here: Place) -> None:
    here.write("customers.yaml", "customers:\n  acme: {name: Acme}\n  b: {name: B, ein: '12'}\n")
    ran = here.run("validate", "-f", "customers.yaml", "--format", "github", "--redact")
    (one,) = (one for one in commands(ran.out) if one.level == "error")
    assert (ran.code, ran.err, one.properties["title"], "'***'" in one.message) == (1, "", "customers.b.ein", True)
    assert ran.out.splitlines()[-1].startswith("1 error")
    here.write("customers.yaml", "customers:\n  acme: {name: Acme, email: a@acme.example}\n")
    ran = here.run("validate", "-f", "customers.yaml", "--format", "github")
    assert (ran.code, ran.out) == (0, "Valid: 1 customer declared.\n")
    assert (
        here.run("validate", "-f", "customers.yaml", "--format", "gitlab").json,
        sarif(here.run("validate", "-f", "customers.yaml", "--format", "sarif")),
    ) == ([], [])


def test_a_file_that_is_not_there_is_named_and_is_no_place(here: Place) -> None:
    ran = here.run("validate", "-f", "gone.yaml", "--format", "github")
    assert (ran.code, places(ran)) == (1, [("error", "", "", "gone.yaml")])
    ran = here.run("-p", "nowhere/project.yaml", "validate", "--format", "gitlab")
    (one,) = gitlab(ran)
    assert (ran.code, one["location"]["path"], one["description"].split(":")[0]) == (
        1,
        "reconciler.yaml",
        "nowhere/project.yaml",
    )


@pytest.mark.parametrize("command", ["plan", "drift"])
def test_files_that_cannot_be_used_are_shown_at_their_lines_before_the_command_fails(
    shop: Online, command: str
) -> None:
    shop.write("customers.yaml", "customers:\n  acme: {nam: Acme}\n")
    ran = shop.run(command, "-f", "customers.yaml", "--format", "github")
    assert (ran.code, places(ran), shop.requests()) == (
        1,
        [("error", "customers.yaml", "2", "customers.acme.nam")],
        0,
    )
    assert ran.err.startswith("customers.yaml:2:10: customers.acme.nam: unknown key")
    assert len(sarif(shop.run(command, "-f", "customers.yaml", "--format", "sarif"))) == 1


def test_what_is_on_standard_input_is_at_no_line(shop: Online) -> None:
    ran = shop.run("plan", "-f", "-", "--format", "github", stdin=b"customers: {acme: {email: a@acme.example}}\n")
    assert [one.properties for one in commands(ran.out)] == [{"title": "Blocked: acme name"}, {"title": "Unknown"}]
    ran = shop.run("plan", "-f", "-", "--format", "gitlab", stdin=b"customers: {acme: {email: a@acme.example}}\n")
    assert gitlab(ran)[0]["location"] == {"path": "reconciler.yaml", "lines": {"begin": 1}}


def test_a_note_is_shown_at_the_line_that_it_is_about(shop: Online) -> None:
    shop.write("customers.yaml", "customers:\n  acme: {archived: true}\n")
    ran = shop.run("plan", "-f", "customers.yaml", "--format", "github")
    assert places(ran) == [("notice", "customers.yaml", "2", "Note: acme"), ("notice", "", "", "Unknown")]
