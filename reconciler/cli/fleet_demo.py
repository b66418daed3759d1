"""`demo --fleet`: twenty accounts on an emulator, planned, refused, applied wave by wave, one with a wrong key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from reconciler.cli import app as program
from reconciler.cli import output
from reconciler.cli.emulator import variables
from reconciler.emulator.server import running
from reconciler.emulator.service import LOCAL, ApiKey, Emulator, EmulatorOfMany
from reconciler.errors import Interrupted, ReconcilerError

ACCOUNTS = tuple(f"msp-{number:02}" for number in range(1, 21))
BROKEN = "msp-13"
CANARIES = ("msp-01", "msp-02")
CUSTOMERS = ("acme", "globex", "initech")
EMPTIED = ACCOUNTS[3:9]
PROJECT = """\
version: 1
project: demo
fleet:
  accounts: accounts/*
  environment: demo
  waves:
    - labels: {wave: canary}
    - share: 25%
    - share: 100%
  policy:
    max_accounts_changed: 100%
    max_accounts_archiving: 10%
environments:
  demo:
    client_id_file: keys/{account}/client_id
    client_secret_file: keys/{account}/client_secret
    rate: 0
"""


@dataclass(frozen=True, slots=True)
class FleetAct:
    """One step: what it shows, what someone does to the files before it, and commands with their exit codes."""

    title: str
    edit: Callable[[Path], None]
    commands: Sequence[tuple[str, int]]


def _nothing(_: Path) -> None:
    """Change nothing."""


def _key(folder: Path, account: str, secret: str) -> None:
    """Write the key of an account, as its owner's alone."""
    place = folder / "keys" / account
    place.mkdir(parents=True, exist_ok=True)
    for name, text in (("client_id", account), ("client_secret", secret)):
        path = place / name
        path.touch(mode=0o600)
        path.write_text(text, "utf-8")


def _customers(folder: Path, account: str, keys: Sequence[str], city: str) -> None:
    """Write the customers of an account."""
    place = folder / "accounts" / account
    place.mkdir(parents=True, exist_ok=True)
    rows = [
        f"  {key}: {{name: {key.title()}, email: billing@{key}.example, city: {city}, country: USA}}\n" for key in keys
    ]
    (place / "customers.yaml").write_text(f"customers:\n{''.join(rows)}", "utf-8")


def _begin(folder: Path) -> None:
    """Write the project, its accounts and their keys, one of them wrong."""
    (folder / "reconciler.yaml").write_text(PROJECT, "utf-8")
    for account in ACCOUNTS:
        _customers(folder, account, CUSTOMERS, "Boston")
        _key(folder, account, "wrong" if account == BROKEN else LOCAL.secret)
    for account in CANARIES:
        (folder / "accounts" / account / "account.yaml").write_text("labels: {wave: canary}\n", "utf-8")


def _fix(folder: Path) -> None:
    """Write the right key."""
    _key(folder, BROKEN, LOCAL.secret)


def _empty(folder: Path) -> None:
    """Do what a script does that is wrong: remove a customer from each of six accounts."""
    for account in EMPTIED:
        _customers(folder, account, CUSTOMERS[:-1], "Boston")


def _move(folder: Path) -> None:
    """Undo that, and let every customer move."""
    for account in ACCOUNTS:
        _customers(folder, account, CUSTOMERS, "Denver")


APPLY = "fleet apply --auto-approve"
ACTS = (
    FleetAct(
        f"Twenty accounts have a folder each. The key of {BROKEN} is wrong",
        _begin,
        (("fleet list -l wave=canary", 0), ("fleet plan", 1)),
    ),
    FleetAct("The rollout is refused because of it. The rest can go without it", _nothing, ((APPLY, 3),)),
    FleetAct("First the canaries, then a quarter, then all others", _nothing, ((f"{APPLY} --skip-failed", 1),)),
    FleetAct(f"The key of {BROKEN} is fixed, and its customers are created too", _fix, ((APPLY, 0),)),
    FleetAct(
        "A script removes a customer from six accounts by mistake. No account alone is over its limit, the fleet is",
        _empty,
        ((APPLY, 3),),
    ),
    FleetAct("The script is fixed, and all customers move to Denver", _move, ((APPLY, 0),)),
    FleetAct("Nothing is left", _nothing, (("fleet drift", 0), ("fleet rollout status", 0))),
)


def play() -> None:
    """Play each act on an emulator with an account for each key."""
    emulator = EmulatorOfMany(lambda name: Emulator(rate=0, keys=(ApiKey(name, LOCAL.secret),)))
    with running(emulator) as url, TemporaryDirectory() as folder, variables({"AP_BASE_URL": url}, folder):
        for number, act in enumerate(ACTS, start=1):
            act.edit(Path(folder))
            for one in emulator.accounts.values():
                one.offset_s += 60
            output.report("")
            output.report(f"=== {number}. {act.title}")
            for command, expected in act.commands:
                _run(command, expected)
    output.report("")
    output.report("Every account is as declared, and nothing was done twice.")


def _run(command: str, expected: int) -> None:
    """Run a command, and end the demo where it ends with another exit code than it should."""
    output.report("")
    if not output.quiet():
        output.result(f"$ reconciler {command}")
    code = program.run([*(["--quiet"] if output.quiet() else []), *command.split()])
    if code == Interrupted.exit_code:
        raise click.exceptions.Exit(code)
    if code != expected:
        raise ReconcilerError(f"the demo failed: `{command}` ended with exit code {code}")
