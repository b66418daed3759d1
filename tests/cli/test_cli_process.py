"""The command as a process: signals, pipes, streams that are closed, terminals that are narrow or know no UTF-8."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Event
from typing import IO

import pytest
from command_line import ONE, PATIENCE_S, THREE, Online, Place, Reply, answers, raw, variables_of, web_server

from reconciler.cli.tools import version

pytest_plugins = ("command_fixtures",)

EMPTY = {"data": [], "has_next_page": False}


class Held:
    """An empty account that holds one kind of request back until it is let go."""

    def __init__(self, method: str) -> None:
        self.method = method
        self.came, self.go = Event(), Event()
        self.variables: dict[str, str] = {}
        self.made = count(1)
        self.reads = 0

    def __call__(self, method: str, target: str) -> Reply:
        self.reads += method == "GET"
        if method == self.method and target.startswith("/customers"):
            self.came.set()
            self.go.wait(PATIENCE_S)
        number = next(self.made) if (method, target) == ("POST", "/customers") else 0
        created = {
            "id": f"cus_{number}",
            "external_id": "acme",
            "name": "Acme",
            "created_at": "2026-01-01T00:00:00Z",
        }
        user = {"id": "usr_1", "email": "jane@acme.example"}
        made = user if target.endswith("/users") else created
        return answers(lambda _: EMPTY if method == "GET" else made)(method, target)


@contextmanager
def held(folder: Path, method: str, *words: str) -> Iterator[tuple[Held, subprocess.Popen[bytes]]]:
    """Yield a run that waits for an answer, and what holds it back."""
    holding = Held(method)
    with web_server(holding) as (url, _):
        holding.variables = {**variables_of(url), "RECONCILER_RATE": "4"}
        place = Place(folder, holding.variables)
        place.write("customers.yaml", THREE)
        files = () if words[0] == "api" else ("-f", "customers.yaml")
        with place.start(*words, *files) as process:
            try:
                assert holding.came.wait(PATIENCE_S)
                yield holding, process
            finally:
                holding.go.set()
                process.kill()


def until(stream: IO[bytes] | None, words: bytes) -> None:
    """Read lines until one holds `words`."""
    assert stream is not None
    assert any(words in line for line in stream)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_a_plan_ends_it_with_130(tmp_path: Path, number: int) -> None:
    with held(tmp_path, "GET", "plan") as (_, process):
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out) == (130, b"")
    assert err.split(b"\n\n")[-1] == b"error: interrupted\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_an_apply_lets_what_is_in_flight_end(tmp_path: Path, number: int) -> None:
    words = ("apply", "--auto-approve", "--format", "json")
    with held(tmp_path, "POST", *words) as (holding, process):
        process.send_signal(number)
        until(process.stderr, b"stopping: ")
        holding.go.set()
        out, err = process.communicate(timeout=PATIENCE_S)
    summary = json.loads(out)["summary"]
    assert (process.returncode, summary["done"], summary["skipped"], err) == (130, 1, 3, b"")


def test_a_signal_during_a_call_lets_it_end_and_says_that_it_was_done(tmp_path: Path) -> None:
    with held(tmp_path, "POST", "api", "customers", "create", "--name", "Acme") as (holding, process):
        process.send_signal(signal.SIGINT)
        until(process.stderr, b"stopping: ")
        holding.go.set()
        out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, json.loads(out)["id"]) == (130, "cus_1")
    assert err == b"error: interrupted; the change was made\n"


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    with held(tmp_path, "POST", "apply", "--auto-approve", "--format", "json") as (_, process):
        process.send_signal(signal.SIGINT)
        until(process.stderr, b"stopping: ")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out) == (130, b"")
    assert err == b"stopped at once; the next run settles the requests that were in flight\n"


def test_a_second_run_on_the_account_is_refused_while_one_writes(tmp_path: Path) -> None:
    with held(tmp_path, "POST", "apply", "--auto-approve") as (holding, process):
        other = Place(tmp_path, holding.variables)
        writing = (
            ["apply", "-f", "customers.yaml", "--auto-approve"],
            ["state", "rm", "acme"],
            ["api", "customers", "create", "--name", "Acme"],
        )
        for words in writing:
            ran = other.run(*words)
            assert (ran.code, ran.out) == (3, "")
            assert ran.err.startswith("error: another run on this ledger holds the lock: apply by ")
        assert other.run("plan", "-f", "customers.yaml").code == 0
        assert other.run("api", "customers", "list").code == 0
        holding.go.set()
        process.communicate(timeout=PATIENCE_S)


def test_a_plan_is_made_under_the_lock_when_it_is_applied(tmp_path: Path) -> None:
    with held(tmp_path, "POST", "apply", "--auto-approve") as (holding, process):
        other, before = Place(tmp_path, holding.variables), holding.reads
        assert other.run("apply", "-f", "customers.yaml", "--auto-approve").code == 3
        # Nothing was read for a plan either: what another run is about to change is no ground for one.
        assert holding.reads == before
        holding.go.set()
        process.communicate(timeout=PATIENCE_S)


def test_ctrl_c_at_the_question_is_an_interruption(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    ours, theirs = os.openpty()
    with shop.start("apply", "-f", "customers.yaml", stdin=theirs) as process:
        assert process.stderr is not None
        said = b""
        while b"Apply this plan?" not in said:
            said += os.read(process.stderr.fileno(), 4096)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE_S)
    os.close(ours)
    os.close(theirs)
    # The question may be there once more: the signal may come before its writer knows that it is written.
    assert (process.returncode, err.splitlines()[-1], shop.writes()) == (130, b"error: interrupted", [])


def test_what_was_in_flight_when_a_run_was_killed_is_not_created_twice(shop: Online) -> None:
    shop.write("customers.yaml", THREE)
    with shop.start("apply", "-f", "customers.yaml", "--auto-approve", variables={"RECONCILER_RATE": "20"}) as process:
        while not shop.account():
            assert process.poll() is None
        process.kill()
        process.wait(PATIENCE_S)
    shop.later()
    ran = shop.run("apply", "-f", "customers.yaml", "--auto-approve")
    keys = sorted(one[0]["external_id"] for one in shop.account().values())
    assert (ran.code, keys) == (0, ["acme", "globex", "initech"])


def unread(place: Place, *words: str) -> tuple[int, str]:
    """Run a command whose standard output has no reader; return its exit code and what it wrote to standard error."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    ran = place.spawn(*words, stdout=write_end)
    os.close(write_end)
    return ran.code, ran.err


def test_output_that_nobody_reads_is_no_error(here: Place) -> None:
    assert unread(here, "schema") == (0, "")


def test_an_apply_whose_report_nobody_reads_is_done_to_its_end(shop: Online) -> None:
    shop.write("customers.yaml", THREE)
    code, _ = unread(shop, "apply", "-f", "customers.yaml", "--auto-approve")
    keys = sorted(one[0]["external_id"] for one in shop.account().values())
    assert (code, keys) == (0, ["acme", "globex", "initech"])


def test_the_exit_code_of_a_plan_that_nobody_reads_is_that_of_the_plan(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    assert unread(shop, "plan", "-f", "customers.yaml", "--detailed-exitcode")[0] == 2


def closed(place: Place, streams: str, *words: str) -> tuple[int, str, str]:
    """Run a command with some streams closed."""
    command = ["/bin/sh", "-c", f'exec "$@" {streams}', "sh", *place.command(*words)]
    done = subprocess.run(
        command, cwd=place.folder, env=place.given(), capture_output=True, check=False, timeout=PATIENCE_S
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_a_closed_standard_input_is_nobody_to_ask(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    code, out, err = closed(shop, "<&-", "apply", "-f", "customers.yaml")
    assert (code, out, err.splitlines()[0], shop.requests()) == (
        3,
        "",
        "error: there is no terminal to ask for consent; nothing was sent",
        0,
    )


def test_a_closed_standard_input_that_is_to_be_read_is_an_error(here: Place) -> None:
    code, out, err = closed(here, "<&-", "validate", "-f", "-")
    assert (code, out + err) == (1, "-: standard input cannot be read here; name a file\n1 error.\n")


def test_closed_outputs_change_nothing_but_what_is_seen(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    assert closed(shop, ">&-", "plan", "-f", "customers.yaml", "--detailed-exitcode")[0] == 2
    assert closed(shop, "2>&-", "apply", "-f", "customers.yaml", "--auto-approve")[0] == 0
    assert shop.named("acme")["city"] == "Boston"


def test_a_shell_completes_the_names_of_commands(here: Place) -> None:
    asked = {"_RECONCILER_COMPLETE": "bash_complete", "COMP_WORDS": "reconciler s", "COMP_CWORD": "1"}
    found = here.spawn(variables=asked).out.split()
    # Which commands there are is another test's matter.
    assert {"plain,show", "plain,state", "plain,schema"} <= set(found)
    assert all(line.startswith("plain,s") for line in found)


def test_the_version_is_said(here: Place) -> None:
    ran = here.spawn("--version")
    assert (ran.code, ran.out, ran.err) == (0, f"reconciler, version {version()}\n", "")


@pytest.mark.parametrize("words", [[], ["plan"], ["apply"], ["import"], ["show"], ["state"], ["state", "rm"], ["init"],
                                   ["validate"], ["schema"], ["emulator"], ["demo"], ["state", "list"]])  # fmt: skip
def test_every_command_has_a_help_with_an_example(here: Place, words: list[str]) -> None:
    ran = here.run(*words, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert "Example:" in ran.out
    assert f"reconciler {' '.join(words)}".strip() in ran.out.partition("Example:")[2]


def test_a_terminal_of_forty_columns_gets_no_longer_line(shop: Online) -> None:
    shop.load(
        {
            "external_id": "acme",
            "name": "Acme",
            "email": "billing@acme.example",
            "city": "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch",
        }
    )
    shop.write("customers.yaml", THREE)
    for words in (["plan"], ["apply", "--auto-approve"], ["show", "acme"]):
        ran = shop.run(*words, "-f", "customers.yaml", COLUMNS="40")
        assert ran.code == 0
        assert max(map(len, ran.out.splitlines())) <= 40
    assert max(map(len, shop.run("state", "list", COLUMNS="40").out.splitlines())) <= 40


@pytest.mark.parametrize("variables", [{"LC_ALL": "C", "PYTHONUTF8": "0"}, {"PYTHONIOENCODING": "ascii"}])
def test_a_terminal_that_says_it_knows_ascii_alone_gets_utf_8(shop: Online, variables: dict[str, str]) -> None:
    shop.write("customers.yaml", "customers:\n  zürich: {name: 東京, email: a@acme.example}\n")
    ran = shop.spawn("plan", "-f", "customers.yaml", variables=variables)
    assert (ran.code, ran.err) == (0, "To apply it: reconciler apply -f customers.yaml\n")
    assert "+ zürich" in ran.out
    assert "name   東京" in ran.out


def test_a_terminal_of_other_letters_gets_escapes_and_an_import_is_utf_8_all_the_same(shop: Online) -> None:
    shop.applied("customers:\n  zürich: {name: 東京, email: a@acme.example}\n")
    latin = {"PYTHONIOENCODING": "latin-1"}
    with shop.start("show", "zürich", variables=latin) as process:
        out, _ = process.communicate(timeout=PATIENCE_S)
    assert "\\u6771\\u4eac" in out.decode("latin-1")
    assert "name: 東京" in shop.spawn("import", variables=latin).out


def terminal(place: Place, *words: str, **variables: str) -> str:
    """Return what a command writes to a terminal."""
    ours, theirs = os.openpty()
    try:
        with place.start(*words, stdout=theirs, variables=variables, loaded=True) as process:
            os.close(theirs)
            content = b""
            try:
                while chunk := os.read(ours, 65536):
                    content += chunk
            except OSError:
                # The other end is closed.
                pass
    finally:
        os.close(ours)
    assert process.returncode == 0
    return content.decode()


def test_a_terminal_gets_colour_unless_it_wants_none(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    assert "\x1b[" in terminal(shop, "plan", "-f", "customers.yaml", TERM="xterm")
    assert not set(raw(terminal(shop, "plan", "-f", "customers.yaml", TERM="xterm", NO_COLOR="1"))) - {"\r"}
    assert not set(raw(terminal(shop, "plan", "-f", "customers.yaml", TERM="dumb"))) - {"\r"}
    assert not set(raw(terminal(shop, "plan", "-f", "customers.yaml", TERM="xterm", CLICOLOR="0"))) - {"\r"}


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "CLICOLOR_FORCE"])
def test_color_is_written_where_no_terminal_is_when_it_is_asked_for(shop: Online, variable: str) -> None:
    shop.write("customers.yaml", ONE)
    assert "\x1b[" not in shop.run("plan", "-f", "customers.yaml").out
    assert "\x1b[" in shop.run("plan", "-f", "customers.yaml", **{variable: "1"}).out
    assert "\x1b[" not in shop.run("plan", "-f", "customers.yaml", CLICOLOR_FORCE="0").out
