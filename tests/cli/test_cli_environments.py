"""Several environments at once: side by side, one report with a section for each, one exit code."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import object_server
import postgres_server
import pytest
from command_line import ONE, PATIENCE_S, Online, Place, Ran, fits, variables_of, web_server

from reconciler.cli.environments import by_account
from reconciler.emulator.server import running
from reconciler.emulator.service import Emulator
from reconciler.settings import Options, read_settings

pytest_plugins = ("command_fixtures",)

TWO = (
    "customers:\n  acme: {name: Acme, email: billing@acme.example}\n  globex: {name: Globex, email: a@globex.example}\n"
)
BOTH = ("-e", "west", "-e", "east")


def project(place: Place, **urls: str) -> None:
    """Write a project file with an environment for each URL, and a key that all have."""
    rows = "".join(
        f'  {name}: {{base_url: "{url}", client_id: local, client_secret: "${{AP_KEY}}"}}\n'
        for name, url in urls.items()
    )
    place.write("reconciler.yaml", f"files: [customers.yaml]\nenvironments:\n{rows}")
    place.variables |= {"AP_KEY": "local", "RECONCILER_RATE": "0"}


@pytest.fixture(scope="module")
def other_server() -> Iterator[tuple[Emulator, str]]:
    """Yield a second emulator, and its URL."""
    emulator = Emulator(rate=0)
    with running(emulator) as url:
        yield emulator, url


@pytest.fixture
def pair(shop: Online, other_server: tuple[Emulator, str]) -> Online:
    """Return a project with two accounts: west, which is the shop's and has one customer as declared, and east."""
    emulator, url = other_server
    fresh = Emulator(rate=0)
    emulator.account, emulator.faults = fresh.account, fresh.faults
    emulator.requests.clear()
    project(shop, west=shop.variables["AP_BASE_URL"], east=url)
    for name in variables_of(""):
        shop.variables.pop(name)
    shop.variables["RECONCILER_RATE"] = "0"
    shop.write("customers.yaml", ONE)
    assert shop.run("-e", "west", "apply", "--auto-approve").code == 0
    shop.later()
    return shop


def headings(ran: Ran) -> list[str]:
    """Return the headings of a report."""
    return [line for line in ran.out.splitlines() if line.startswith("===")]


# --- which environments ------------------------------------------------------------------------------


def test_several_environments_are_one_report_in_the_order_of_the_project_file(pair: Online) -> None:
    ran = pair.run("plan", "-e", "east", "-e", "west")
    assert (ran.code, headings(ran)) == (0, ["=== west ===", "=== east ==="])
    west, east = ran.out.split("=== east ===")
    assert ("No changes." in west, "Plan: 1 to create." in east) == (True, True)


def test_what_to_do_next_names_the_environment(pair: Online) -> None:
    assert "east: To apply it: reconciler -e east apply\n" in pair.run("plan", *BOTH).err


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("plan", "-e", "*st"), ["west", "east"]),
        (("-e", "w*", "plan"), ["west"]),
        (("plan", "-e", "?ast", "-e", "west"), ["west", "east"]),
        (("plan", "-e", "[we]*st", "-e", "east"), ["west", "east"]),
        (("-e", "west", "plan", "-e", "e*"), ["east"]),
    ],
    ids=" ".join,
)
def test_a_pattern_selects_environments(pair: Online, words: tuple[str, ...], names: list[str]) -> None:
    assert headings(pair.run(*words)) == [f"=== {name} ===" for name in names]


def test_one_environment_named_twice_is_one(pair: Online) -> None:
    assert headings(pair.run("plan", "-e", "west", "-e", "west")) == []


def test_what_selects_no_environment_is_an_error_with_the_names_there_are_and_nothing_is_sent(pair: Online) -> None:
    before = pair.requests()
    ran = pair.run("plan", "-e", "prod-*", "-e", "wst", "-e", "west")
    assert (ran.code, ran.out, pair.requests()) == (1, "", before)
    assert ran.err.splitlines() == [
        "-e: no environment matches 'prod-*'; there are: west, east",
        "-e: there is no environment 'wst'; did you mean 'west'?",
    ]


def test_a_pattern_without_a_project_file_is_an_error(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    ran = shop.run("plan", "-f", "customers.yaml", "-e", "*")
    assert (ran.code, ran.out) == (1, "")
    assert "no environment matches '*'; there are: none" in ran.err


def test_a_variable_selects_one_environment_and_is_no_pattern(pair: Online) -> None:
    assert pair.run("plan", AP_ENVIRONMENT="west").code == 0
    for text in ("*st", "west,east"):
        ran = pair.run("plan", AP_ENVIRONMENT=text)
        assert (ran.code, ran.out) == (1, "")
        assert f"there is no environment '{text}'; there are: west, east; -e selects several" in ran.err


@pytest.mark.parametrize(
    "command", [("apply",), ("import",), ("state", "list"), ("show", "acme"), ("undo", "3f2a"), ("fmt",)], ids=" ".join
)
@pytest.mark.parametrize("named", [BOTH, ("-e", "*st")], ids=" ".join)
def test_a_command_for_one_environment_refuses_several(
    pair: Online, command: tuple[str, ...], named: tuple[str, ...]
) -> None:
    for words in ((*command, *named), (*named, *command)):
        ran = pair.run(*words)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.endswith("only validate, plan, drift and doctor take several: select one\n")


# --- one that fails ----------------------------------------------------------------------------------


def failing(place: Place) -> None:
    """Add environments that cannot be planned: one without a secret, one that nothing answers for."""
    text = (place.folder / "reconciler.yaml").read_text("utf-8")
    unset = '  unset: {base_url: "http://127.0.0.1:1", client_id: local, client_secret: "${AP_NONE}"}\n'
    wrong = text.splitlines()[-1].replace("east:", "wrong:").replace("AP_KEY", "AP_WRONG") + "\n"
    place.write("reconciler.yaml", text + unset + wrong)
    place.variables["AP_WRONG"] = "wrong"


def test_an_environment_that_fails_is_named_in_its_section_and_stops_no_other(pair: Online) -> None:
    failing(pair)
    ran = pair.run("plan", "-e", "*")
    assert (ran.code, headings(ran)) == (1, [f"=== {name} ===" for name in ("west", "east", "unset", "wrong")])
    _, east, unset, wrong = ran.out.split("===\n")[1:]
    assert "Plan: 1 to create." in east
    assert "the variable AP_NONE is not set" in unset
    assert wrong.startswith("\nerror: POST /oauth/token: 403")
    assert "error: 2 of 4 environments failed: unset, wrong\n" in ran.err


def test_a_ledger_that_cannot_be_read_is_named_in_its_section(pair: Online) -> None:
    pair.write(".reconciler/west.db", b"no ledger" * 1000)
    ran = pair.run("drift", *BOTH)
    assert (ran.code, headings(ran)) == (1, ["=== west ===", "=== east ==="])
    west, east = ran.out.split("=== east ===")
    assert ("error: " in west, "west.db" in west, "No drift" in east) == (True, True, True)


def states(pair: Online, west: str, east: str) -> None:
    """Let a plan of each end as its word says: done, changes, blocked or failed."""
    text = (pair.folder / "reconciler.yaml").read_text("utf-8")
    if west == "blocked":
        pair.write("over.yaml", "customers: {acme: {archived: true}}\n")
        text = text.replace('"${AP_KEY}"}', '"${AP_KEY}", overlays: [over.yaml], policy: {max_archives: 0}}', 1)
    if east == "failed":
        text = "AP_NONE".join(text.rsplit("AP_KEY", 1))
    pair.write("reconciler.yaml", text)
    if east == "done":
        assert pair.run("apply", "-e", "east", "--auto-approve").code == 0


@pytest.mark.parametrize(
    ("west", "east", "code"),
    [("done", "done", 0), ("done", "changes", 2), ("blocked", "changes", 3), ("blocked", "failed", 1)],
)
def test_the_exit_code_is_that_of_the_worst(pair: Online, west: str, east: str, code: int) -> None:
    states(pair, west, east)
    assert pair.run("plan", *BOTH, "--detailed-exitcode").code == code


# --- formats -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["plan", "drift", "doctor"])
def test_json_is_an_object_by_environment_with_the_document_of_each(pair: Online, command: str) -> None:
    failing(pair)
    document = pair.run(command, "-e", "*", "--format", "json").json
    assert (list(document), fits(document, "environments")) == (["west", "east", "unset", "wrong"], True)
    assert fits(document["west"], command)
    if command == "doctor":
        assert [one["healthy"] for one in document.values()] == [True, True, False, False]
    else:
        assert document["unset"]["error"]["problems"][0]["path"] == "environments.unset.client_secret"
        assert document["wrong"]["error"]["message"].startswith("POST /oauth/token: 403")


def test_json_of_a_validation_is_an_object_by_environment(pair: Online) -> None:
    pair.write("customers.yaml", "customers: {acme: {name: A, email: nobody}}\n")
    ran = pair.run("validate", *BOTH, "--format", "json")
    assert (ran.code, fits(ran.json, "environments")) == (1, True)
    assert {name: one["summary"]["errors"] for name, one in ran.json.items()} == {"west": 1, "east": 1}


def test_markdown_has_a_heading_for_each_environment_and_what_failed_as_code(pair: Online) -> None:
    failing(pair)
    ran = pair.run("drift", "-e", "*", "--format", "markdown")
    assert [line for line in ran.out.splitlines() if line.startswith("## ")] == [
        "## `west`",
        "## `east`",
        "## `unset`",
        "## `wrong`",
    ]
    assert "### Failed\n\n```text\nerror: POST /oauth/token: 403" in ran.out


def test_markdown_of_several_keeps_within_its_bytes(pair: Online) -> None:
    rows = "".join(f"  c{number}: {{name: Customer {number}, email: c{number}@x.example}}\n" for number in range(300))
    pair.write("customers.yaml", f"customers:\n{rows}")
    ran = pair.run("plan", *BOTH, "--format", "markdown", "--max-bytes", "12000")
    assert (ran.code, len(ran.out.encode()) <= 12_000, ran.out.count("**Cut to fit:**")) == (0, True, 2)


def test_of_environments_whose_sections_have_no_room_the_summary_is_kept(shop: Online) -> None:
    rows = "".join(f"  c{number}: {{name: Customer {number}, email: c{number}@x.example}}\n" for number in range(60))
    shop.write("customers.yaml", f"customers:\n{rows}")
    url = shop.variables["AP_BASE_URL"]
    project(shop, **{f"e{number}": url for number in range(4)})
    ran = shop.run("plan", "-e", "e*", "--format", "markdown", "--max-bytes", "8000")
    assert (ran.code, len(ran.out.encode()) <= 8_000) == (0, True)
    assert ran.out.count("### Plan: 60 to create.") == 4


def test_brief_has_a_heading_and_a_line_for_each_change(pair: Online) -> None:
    out = pair.run("plan", *BOTH, "--format", "brief").out
    assert "=== east ===\n\ncreate acme: declared (customers.yaml:2:3)\n" in out


def test_junit_has_a_suite_for_each_environment(pair: Online) -> None:
    failing(pair)
    suites = ET.fromstring(pair.run("drift", "-e", "*", "--format", "junit").out)  # noqa: S314 - it is ours
    assert [(one.get("name"), one.get("errors")) for one in suites] == [
        ("drift of west", "0"),
        ("drift of east", "0"),
        ("drift of unset", "1"),
        ("drift of wrong", "1"),
    ]


def test_an_annotation_names_its_environments_and_what_all_have_is_there_once(pair: Online) -> None:
    failing(pair)
    pair.write("customers.yaml", "customers: {acme: {name: A, email: nobody}}\n")
    (row, last) = pair.run("validate", "-e", "east", "-e", "west", "--format", "github").out.splitlines()
    assert row.startswith("::error file=customers.yaml,line=1,col=36,title=customers.acme.email::west, east: ")
    assert last == "west: 1 error. east: 1 error."


def test_an_environment_that_fails_is_annotated(pair: Online) -> None:
    failing(pair)
    rows = pair.run("plan", "-e", "*", "--format", "sarif").json["runs"][0]["results"]
    assert [(one["ruleId"], one["message"]["text"].partition(": ")[2].partition(":")[0]) for one in rows] == [
        ("unknown/no_ledger", "east"),
        ("files/error", "unset"),
        ("environment/failed", "wrong"),
    ]
    rows = pair.run("drift", "-e", "[uw]*", "--format", "gitlab").json
    assert [one["description"].partition(": ")[2].partition(":")[0] for one in rows] == [
        "unset",
        "wrong",
    ]  # west has no drift


def test_quiet_prints_only_the_environments_that_have_something_to_say(pair: Online) -> None:
    ran = pair.run("plan", *BOTH, "-q")
    assert (headings(ran), ran.err) == (["=== east ==="], "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("plan", "--format", "html"), "--format html holds one environment: select one, or use --format markdown"),
        (
            ("plan", "--out", "x.plan"),
            "--out holds one environment: write {environment} in its path",
        ),
        (
            ("plan", "--report", "json=x.plan", "--report", "json={environment}.json"),
            "--report json holds one environment: write {environment} in its path",
        ),
        (("drift", "--accept"), "--accept edits files that environments share: select one environment"),
        (("drift", "--events", "-"), "--events names customers of one account: select one environment"),
        (("doctor", "--probe"), "--probe changes an account: select one environment"),
        (("doctor", "--openapi", "o.yaml"), "--openapi compares one file: select one environment"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else "",
)
def test_what_holds_one_environment_is_refused_before_anything_is_sent(
    pair: Online, words: tuple[str, ...], said: str
) -> None:
    before = pair.requests()
    ran = pair.run(*words, *BOTH)
    assert (ran.code, ran.out, ran.err.splitlines()[-1]) == (1, "", f"error: {said}")
    assert (pair.requests(), (pair.folder / "x.plan").exists()) == (before, False)


def test_a_plan_is_saved_for_each_environment_and_can_be_applied(pair: Online) -> None:
    pair.write("customers.yaml", TWO)
    assert pair.run("plan", *BOTH, "--out", "{environment}.plan").code == 0
    for name in ("west", "east"):
        assert pair.run("-e", name, "apply", f"{name}.plan", "--auto-approve").code == 0
    assert pair.run("plan", *BOTH, "--detailed-exitcode").code == 0


def test_a_report_is_written_to_a_file_for_each_environment(pair: Online) -> None:
    for name in ("west", "east"):
        (pair.folder / name).mkdir()
    assert pair.run("plan", *BOTH, "--report", "json={environment}/plan.json").code == 0
    for name in ("west", "east"):
        plan = json.loads((pair.folder / name / "plan.json").read_text("utf-8"))
        assert plan["environment"]["name"] == name


def test_a_saved_plan_of_one_environment_is_named_by_it_too(pair: Online) -> None:
    assert pair.run("plan", "-e", "west", "--out", "{environment}.plan").code == 0
    assert (pair.folder / "west.plan").exists()


# --- side by side ------------------------------------------------------------------------------------


def test_standard_input_is_read_once_for_all(pair: Online) -> None:
    ran = pair.run("plan", *BOTH, "-f", "-", "--format", "json", stdin=TWO.encode())
    made = {name: sorted(one["external_id"] for one in plan["changes"]) for name, plan in ran.json.items()}
    assert made == {"west": ["globex"], "east": ["acme", "globex"]}


def test_accounts_are_read_at_the_same_time(here: Place) -> None:
    meeting = threading.Barrier(2, timeout=PATIENCE_S)

    def page(_: str, target: str) -> tuple[int, str, bytes]:
        if target == "/oauth/token":
            meeting.wait()
            return 200, "application/json", b'{"access_token": "t", "token_type": "bearer", "expires_in": 3600}'
        return 200, "application/json", b'{"data": [], "page_info": {"has_next_page": false}}'

    with web_server(page) as (west, _), web_server(page) as (east, _):
        project(here, west=west, east=east)
        here.write("customers.yaml", ONE)
        assert headings(here.run("plan", *BOTH)) == ["=== west ===", "=== east ==="]
    assert not meeting.broken


def test_environments_of_one_key_wait_for_each_other(tmp_path: Path) -> None:
    place = Place(tmp_path)
    urls = {"a": "http://127.0.0.1:1", "b": "http://127.0.0.1:2", "c": "http://127.0.0.1:1"}
    project(place, **urls)
    settings = read_settings(Options(), variables={"AP_KEY": "local"}, cwd=tmp_path)
    assert by_account(settings, ("a", "b", "c")) == [["a", "c"], ["b"]]


@pytest.mark.parametrize("state", ["postgres", "objects"])
def test_accounts_whose_ledgers_share_a_store_are_read_at_the_same_time(pair: Online, state: str) -> None:
    if state == "postgres":
        pair.variables["RECONCILER_STATE"] = postgres_server.database("environments")
    else:
        pair.variables["RECONCILER_STATE"] = object_server.url_of(object_server.bucket())
    pair.write("customers.yaml", TWO)
    # Each writes down what it learned of the server.
    assert pair.run("plan", *BOTH, "--detailed-exitcode").code == 2
    for name in ("west", "east"):
        assert pair.run("-e", name, "apply", "--auto-approve").code == 0
    pair.later()
    assert pair.run("plan", *BOTH, "--detailed-exitcode").code == 0
    assert pair.run("drift", *BOTH).code == 0


def test_each_line_of_the_log_names_its_environment(pair: Online) -> None:
    lines = [line for line in pair.run("plan", *BOTH, "--log-level", "debug").err.splitlines() if "DEBUG" in line]
    assert {line.split()[1] for line in lines} == {"west:", "east:"}


def test_ctrl_c_stops_all_of_them(here: Place) -> None:
    came, go = threading.Barrier(3, timeout=PATIENCE_S), threading.Event()

    def page(*_: str) -> tuple[int, str, bytes]:
        came.wait()
        go.wait(PATIENCE_S)
        return 200, "application/json", b"{}"

    with web_server(page) as (west, _), web_server(page) as (east, _):
        project(here, west=west, east=east)
        here.write("customers.yaml", ONE)
        with here.start("plan", *BOTH) as process:
            came.wait()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE_S)
            go.set()
    assert (process.returncode, out, err.strip()) == (130, b"", b"error: interrupted")
