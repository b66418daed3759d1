"""`--json-events` and `--format json` of what writes: a stream, a document, and nothing else beside them."""

from __future__ import annotations

import json
import os
import signal
import stat
from typing import Any

from command_line import ONE, PATIENCE_S, THREE, Online, fits

from reconciler.emulator.faults import Fault, Scripted
from reconciler.emulator.service import ApiKey

pytest_plugins = ("command_fixtures",)


def events(text: str) -> list[dict[str, Any]]:
    """Return the events of a stream, each of which fits the schema."""
    rows = [json.loads(line) for line in text.splitlines()]
    assert all(fits(row, "events") for row in rows)
    return rows


def names(text: str) -> list[str]:
    return [row["event"] for row in events(text)]


def test_a_run_tells_its_events_to_a_file_and_prints_as_without_it(shop: Online) -> None:
    shop.write("customers.yaml", THREE)
    ran = shop.run("apply", "-f", "customers.yaml", "--auto-approve", "--json-events", "events.jsonl")
    text = (shop.folder / "events.jsonl").read_text()
    assert (ran.code, "Apply: 4 done" in ran.out) == (0, True)
    told = names(text)
    assert (told[:2], told[-1], sorted(told[2:-1])) == (
        ["plan_made", "run_started"],
        "run_ended",
        ["change_ended"] * 4 + ["change_started"] * 4,
    )


def test_the_file_of_events_is_its_owners_alone(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    shop.run("apply", "-f", "customers.yaml", "--auto-approve", "--json-events", "events.jsonl")
    assert stat.S_IMODE((shop.folder / "events.jsonl").stat().st_mode) == 0o600


def test_events_on_stdout_stand_there_alone(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    ran = shop.run("apply", "-f", "customers.yaml", "--auto-approve", "--json-events", "-")
    assert names(ran.out) == ["plan_made", "run_started", "change_started", "change_ended", "run_ended"]
    assert (ran.code, "Apply: 1 done" in ran.err) == (0, True)


def test_events_and_a_document_cannot_both_be_on_stdout(shop: Online) -> None:
    ran = shop.run("apply", "-f", "c.yaml", "--auto-approve", "--json-events", "-", "--format", "json")
    assert (ran.code, ran.out, "write one of them to a file" in ran.err) == (1, "", True)


def test_a_refused_run_tells_its_plan_and_nothing_more(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    arguments = ("apply", "-f", "customers.yaml", "--auto-approve", "--max-changes", "0", "--json-events", "-")
    ran = shop.run(*arguments)
    (told,) = events(ran.out)
    assert (ran.code, told["event"], told["over_limits"]) == (3, "plan_made", 1)


def test_the_run_of_the_events_is_the_one_of_the_history(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    told = events(shop.run("apply", "-f", "customers.yaml", "--auto-approve", "--json-events", "-").out)
    (run,) = shop.run("history", "--format", "json").json["runs"]
    assert {row["run"] for row in told if "run" in row} == {run["id"]}


def test_redacted_events_name_no_person(shop: Online) -> None:
    shop.write("customers.yaml", THREE)
    ran = shop.run("apply", "-f", "customers.yaml", "--auto-approve", "--redact", "--json-events", "-")
    assert ("jane@" in ran.all, "acme/***" in ran.out) == (False, True)


def test_events_that_cannot_be_written_do_not_stop_the_run(shop: Online) -> None:
    shop.write("customers.yaml", THREE)
    ran = shop.run("apply", "-f", "customers.yaml", "--auto-approve", "--json-events", "/dev/full")
    assert (ran.code, len(shop.writes())) == (0, 4)
    assert ran.err.count("warning: the events cannot be written") == 1


def test_a_file_that_cannot_be_opened_is_an_error_before_anything_is_sent(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    ran = shop.run("apply", "-f", "customers.yaml", "--auto-approve", "--json-events", "no/such/folder")
    assert (ran.code, shop.requests()) == (1, 0)
    assert "no/such/folder: it cannot be written" in ran.err


def test_a_reader_may_be_given_a_descriptor(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe:
        words = ("apply", "-f", "customers.yaml", "--auto-approve", "--json-events", f"/dev/fd/{writing}")
        shop.spawn(*words, pass_fds=(writing,))
        os.close(writing)
        assert names(pipe.read().decode())[-1] == "run_ended"


def test_undo_tells_its_events_and_its_result_too(shop: Online) -> None:
    shop.applied(ONE)
    (run,) = shop.run("history", "--format", "json").json["runs"]
    shop.later()
    ran = shop.run("undo", run["id"], "--auto-approve", "--format", "json", "--json-events", "e.jsonl")
    assert (ran.code, fits(ran.json, "result")) == (0, True)
    assert ran.json["command"] == f"undo {run['id']}"
    assert names((shop.folder / "e.jsonl").read_text())[-1] == "run_ended"


def test_what_does_nothing_has_no_events(shop: Online) -> None:
    assert shop.run("undo", "abcd", "--dry-run", "--json-events", "-").code == 1
    assert shop.run("duplicates", "--json-events", "-").code == 1


def test_events_hold_no_secret_whatever_the_server_says(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    secret = "marked-secret"
    shop.emulator.tokens.keys["marked"] = ApiKey("marked", secret, frozenset({"customers:read"}))
    key = {"AP_CLIENT_ID": "marked", "AP_CLIENT_SECRET": secret}
    ran = shop.run("apply", "-f", "customers.yaml", "--auto-approve", "--json-events", "-", **key)
    del shop.emulator.tokens.keys["marked"]
    told = events(ran.out)
    assert (ran.code, told[-1]["outcome"], told[-1]["failed"]) == (1, "stopped", 1)
    assert "customers:write" in told[-1]["halt"]
    assert [one for one in (secret, "emu_") if one in ran.all] == []


def test_a_429_is_an_event(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    shop.emulator.faults = Scripted({2: Fault.STORM_429})
    told = events(shop.run("apply", "-f", "customers.yaml", "--auto-approve", "--json-events", "-").out)
    assert [row["request"] for row in told if row["event"] == "throttled"] == ["GET /customers?limit=100"]


def test_a_budget_that_is_used_up_is_why_the_run_stopped(shop: Online) -> None:
    shop.write("customers.yaml", THREE)
    arguments = ("apply", "-f", "customers.yaml", "--auto-approve", "--max-requests", "3", "--format", "json")
    ran = shop.run(*arguments, "--json-events", "e.jsonl")
    last = events((shop.folder / "e.jsonl").read_text())[-1]
    assert (ran.code, last["outcome"], last["halt"]) == (2, "stopped", ran.json["halt"])
    assert ran.json["halt"].startswith("Not started: the run's budget is used up (")
    assert fits(ran.json, "result")


def test_ctrl_c_ends_the_stream_with_an_interrupted_run(shop: Online) -> None:
    names_of = "".join(f"  c{number}: {{name: C, email: c{number}@x.example}}\n" for number in range(40))
    shop.write("customers.yaml", f"customers:\n{names_of}")
    words = ("apply", "-f", "customers.yaml", "--auto-approve", "--rate", "20", "--json-events", "-")
    with shop.start(*words) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=PATIENCE_S)
    told = events((b"".join(lines) + rest).decode())
    assert (process.returncode, told[-1]["event"], told[-1]["outcome"]) == (130, "run_ended", "interrupted")
    assert told[-1]["done"] == len(shop.writes())


def test_the_result_as_json_fits_its_schema_and_names_run_and_outcome(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    ran = shop.run("apply", "-f", "customers.yaml", "--auto-approve", "--format", "json")
    (run,) = shop.run("history", "--format", "json").json["runs"]
    assert (ran.code, fits(ran.json, "result")) == (0, True)
    named = (ran.json["run"], ran.json["outcome"], ran.json["started_at"], ran.json["finished_at"])
    assert named == (run["id"], "done", run["started_at"], run["finished_at"])
