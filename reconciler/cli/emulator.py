"""`emulator`: the API on this machine."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from reconciler.cli import options as shared
from reconciler.cli import output
from reconciler.emulator.faults import Odds
from reconciler.emulator.server import run
from reconciler.emulator.service import Logged
from reconciler.rules import Behaviour


@click.command("emulator")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8085, show_default=True, help="The port; 0 takes a free one.")
@click.option("--data", type=click.Path(dir_okay=False, path_type=Path), help="Keep the account in this SQLite file.")
@click.option(
    "--rate", "rate_per_s", type=shared.RateType(), default="5", show_default=True, help="Its limit; 0: none."
)
@click.option("--payment-methods", type=click.Path(dir_okay=False, path_type=Path), help="A JSON file, by customer id.")
@click.option("--set", "switches", multiple=True, metavar="NAME=VALUE", help="A switch of its behaviour; repeatable.")
@click.option(
    "--fault", "faults", multiple=True, metavar="NAME=PROBABILITY", help="A fault, and how often; repeatable."
)
@click.option("--seed", default=0, help="The same seed and requests give the same faults.")
@click.option("--log", is_flag=True, help="Write each request to stderr.")
@click.option("--switches", "list_switches", is_flag=True, help="Print the switches of its behaviour, and end.")
def command(
    host: str,
    port: int,
    data: Path | None,
    rate_per_s: float,
    payment_methods: Path | None,
    switches: tuple[str, ...],
    faults: tuple[str, ...],
    seed: int,
    *,
    log: bool,
    list_switches: bool,
) -> None:
    """
    Run the API on this machine: every endpoint, its rate limit, and its open questions as switches.

    Credentials: client id "local", secret "local". SIGTERM or Ctrl-C ends it.

    \b
    Example:
      reconciler emulator --data account.db
      reconciler emulator --set lists_archived=true --fault lost_after=0.1
    """  # noqa: D301 - click's mark
    if list_switches:
        output.json_result(Behaviour().as_json())
        return
    try:
        behaviour = Behaviour().changed(dict(map(_switch, switches)))
        odds = Odds.read(dict(map(_switch, faults)))
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc
    run(
        host,
        port,
        data_file=data,
        rate=rate_per_s,
        behaviour=behaviour,
        faults=replace(odds, seed=seed) if faults else None,
        payment_methods=payment_methods,
        log=_log if log else None,
        ready=lambda url: output.say(f"the emulator listens at {url}; client id and secret: local"),
    )


def _switch(text: str) -> tuple[str, Any]:
    """Return the name and the value of `NAME=VALUE`: JSON where it is such, else the text itself."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{text!r}: write NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _log(line: Logged) -> None:
    """Write one request to stderr."""
    query = f"?{line.query}" if line.query else ""
    _write((f"{line.method} {line.path}{query} {line.status or 'dropped'}",))


def _write(lines: Iterable[str]) -> None:
    """Write lines to stderr at once."""
    for line in lines:
        output.say(line)
    sys.stderr.flush()
