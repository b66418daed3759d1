from __future__ import annotations

import signal
import subprocess
import sys

import httpx
import pytest
from click.testing import CliRunner

from reconciler.cli.commands.files import emulator as command
from reconciler.cli.emulator import switch_rows
from reconciler.emulator.fault_settings import Row, amount_rows, fault_rows
from reconciler.emulator.faults import AMOUNTS, Fault
from reconciler.rules import Behaviour


def listed(*words: str) -> list[str]:
    ended = CliRunner().invoke(command, list(words))
    assert (ended.exit_code, ended.stderr) == (0, "")
    return ended.stdout.splitlines()


def named(lines: list[str], rows: list[Row]) -> list[Row]:
    """Return the rows that a line shows whole."""
    return [
        row
        for row in rows
        if any(line.split()[:1] == [f"{row[0]}={row[1]}" if row[1] else row[0]] and row[2] in line for line in lines)
    ]


def test_every_switch_is_listed_with_its_default_and_what_it_is() -> None:
    rows = list(switch_rows())
    assert [name for name, _, _ in rows] == list(Behaviour().as_json())
    assert named(listed("--switches"), rows) == rows


def test_every_fault_and_amount_is_listed_with_what_it_is() -> None:
    faults, amounts = list(fault_rows()), list(amount_rows())
    assert ([name for name, _, _ in faults], [name for name, _, _ in amounts]) == (list(Fault), list(AMOUNTS))
    assert named(listed("--fault", "help"), [*faults, *amounts]) == [*faults, *amounts]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--fault", "slow=2"), "slow is a probability, from 0 to 1"),
        (("--fault", "slow=0.1,mondays"), "slow: 'mondays' is none of a probability, next:N, at:N, all, reads, writes"),
        (("--set", "unique=some"), "unique must be one of none, active, all"),
        (("--clock-offset", "nan"), "--clock-offset is a number of seconds"),
    ],
)
def test_what_cannot_be_set_is_named_before_it_listens(words: tuple[str, ...], message: str) -> None:
    ended = CliRunner().invoke(command, list(words))
    assert (ended.exit_code, ended.stdout, message in ended.stderr) == (2, "", True)


def test_flags_reach_the_emulator_and_the_log_says_what_befell() -> None:
    words = ["--port", "0", "--log", "--fault", "status_503_before=at:2,reads", "--seed", "5", "--clock-offset", "-9e8"]
    process = subprocess.Popen(
        [sys.executable, "-m", "reconciler", "emulator", *words], stderr=subprocess.PIPE, text=True
    )
    with process, httpx.Client(trust_env=False) as client:
        assert process.stderr is not None
        url = process.stderr.readline().partition(";")[0].split()[-1]
        answers = [client.get(f"{url}/customers") for _ in range(2)]
        set_ = client.get(f"{url}/_emulator/faults").json()
        process.send_signal(signal.SIGTERM)
        log = process.stderr.read().splitlines()
    assert [answer.status_code for answer in answers] == [401, 503]
    assert log == ["GET /customers 401", "GET /customers 503 status_503_before"]
    strike = {"on": "reads", "chance": 0.0, "next": 0, "at": [2]}
    assert (set_["status_503_before"], set_["seed"], process.returncode) == ([strike], 5, 0)
    assert answers[0].headers["date"].split()[3] < "2000"
