"""`emulator` and `demo` as processes, and the environment `local`."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from command_line import ONE, PATIENCE_S, Place, variables_of

pytest_plugins = ("command_fixtures",)


@contextmanager
def emulator(place: Place, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Yield a running `emulator` and its URL."""
    with place.start("emulator", "--port", "0", *words) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline().decode()
            yield process, line.partition(" listens at ")[2].partition(";")[0]
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_emulator_in_good_order(here: Place, number: int) -> None:
    with emulator(here) as (process, url):
        assert url.startswith("http://127.0.0.1:")
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out, err) == (0, b"", b"")


def test_an_account_is_kept_in_a_file(here: Place) -> None:
    here.write("customers.yaml", ONE)
    for code in (2, 0):
        with emulator(here, "--data", "account.db", "--rate", "0") as (_, url):
            place = Place(here.folder, {**variables_of(url), "RECONCILER_STATE": f"{code}.db"})
            assert place.run("plan", "-f", "customers.yaml", "--detailed-exitcode").code == code
            assert place.run("apply", "-f", "customers.yaml", "--auto-approve").code == 0


def test_a_port_that_is_taken_is_an_error(here: Place) -> None:
    with emulator(here) as (_, url):
        port = url.rpartition(":")[2]
        ran = here.run("emulator", "--port", port)
    assert (ran.code, ran.err) == (
        1,
        f"error: 127.0.0.1:{port}: the emulator cannot listen there: Address already in use\n  choose another --port\n",
    )


@pytest.mark.parametrize(
    "words",
    [
        ["--port", "99999"],
        ["--port", "much"],
        ["--set", "nonsense=1"],
        ["--set", "lists_archived"],
        ["--fault", "nonsense=1"],
        ["--fault", "lost_after=2"],
        ["--rate", "fast"],
        ["--payment-methods", "none.json"],
        ["--data", "file/account.db"],
    ],
)
def test_an_emulator_that_cannot_be_as_asked_is_an_error(here: Place, words: list[str]) -> None:
    here.write("file", "")
    ran = here.run("emulator", *words)
    assert (ran.code, ran.out, "bug" in ran.err) == (1, "", False)
    assert ran.err


def test_the_demo_shows_the_whole_way_in_one_go_and_leaves_nothing_behind(here: Place) -> None:
    ran = here.spawn("demo")
    assert ran.code == 0
    assert ran.err.splitlines() == [
        "reading the account: its size is still unknown",
        *["reading the account: about 2 requests, 0.4 s at 5 per second"] * 5,
    ]
    assert ran.out.count("$ reconciler apply") == 3
    assert ran.out.endswith("nothing left to plan.\n")
    assert [one.name for one in here.folder.iterdir()] in ([], ["state"])


def test_the_demo_of_many_accounts_ends_with_every_account_as_declared_and_leaves_nothing_behind(here: Place) -> None:
    ran = here.spawn("demo", "--fleet", loaded=True)
    assert ran.code == 0, ran.err
    assert "max_accounts_archiving (10%): 6 of 20 accounts planned, 2 allowed:" in ran.out
    assert "its own policy is against" not in ran.out
    assert ran.out.count("3 to create\n") == 19
    assert ran.out.endswith("Every account is as declared, and nothing was done twice.\n")
    assert [one.name for one in here.folder.iterdir()] in ([], ["state"])
