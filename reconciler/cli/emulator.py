"""`emulator`: the API on this machine."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from reconciler.cli import output
from reconciler.emulator.fault_settings import Row, amount_rows, fault_rows, read_flags, seconds, switch_rows
from reconciler.emulator.server import run
from reconciler.emulator.service import Logged
from reconciler.rules import Behaviour


def serve(
    host: str,
    port: int,
    data: Path | None,
    rate_per_s: float,
    payment_methods: Path | None,
    switches: tuple[str, ...],
    faults: tuple[str, ...],
    seed: int,
    offset_s: float,
    *,
    log: bool,
    list_switches: bool,
) -> None:
    """Serve until a signal ends it."""
    if list_switches:
        output.result("\n".join(_lines(switch_rows())))
        return
    if "help" in faults:
        output.result("\n".join(_fault_lines()))
        return
    try:
        behaviour = behaviour_of(switches)
        odds = read_flags(faults)
        seconds("--clock-offset", offset_s)
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc
    run(
        host,
        port,
        data_file=data,
        rate=rate_per_s,
        behaviour=behaviour,
        faults=replace(odds, seed=odds.seed or seed),
        payment_methods=payment_methods,
        offset_s=offset_s,
        log=_log if log else None,
        # Who takes a free port has no other way to learn which.
        ready=lambda url: (output.note if port else output.say)(
            f"the emulator listens at {url}; client id and secret: local"
        ),
    )


def behaviour_of(switches: Iterable[str]) -> Behaviour:
    """
    Return the behaviour that `NAME=VALUE` of each switch says; ValueError says what is wrong with one.

    >>> behaviour_of(["clears=null", "rewrites=trim,ein"]).clears
    <Clears.NULL: 'null'>
    """
    return Behaviour().changed(dict(map(_switch, switches)))


def _fault_lines() -> Iterator[str]:
    """Yield what `--fault` takes."""
    yield "--fault NAME=WHEN, with WHEN of these, joined by commas:"
    yield ""
    yield "  0.1              a probability, from 0 to 1"
    yield "  next:2           the next two requests that it fits"
    yield "  at:5             the fifth request; repeatable"
    yield "  reads, writes    of reads or of writes only"
    yield ""
    yield from _lines(fault_rows())
    yield ""
    yield "--fault NAME=NUMBER, for how much of it:"
    yield ""
    yield from _lines(amount_rows())


def _lines(rows: Iterable[Row]) -> Iterator[str]:
    """Yield rows as aligned lines."""
    named = [(f"{name}={default}" if default else name, meaning) for name, default, meaning in rows]
    width = max(len(name) for name, _ in named)
    for name, meaning in named:
        yield f"  {name:{width}}  {meaning}"


def _switch(text: str) -> tuple[str, Any]:
    """Return the name and the value of `NAME=VALUE`: a JSON list where it is one, else the text itself."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{text!r}: write NAME=VALUE")
    try:
        words = json.loads(value)
    except ValueError:
        return name, value
    # A word such as null is a value of some switches.
    return name, words if isinstance(words, list) else value


def _log(line: Logged) -> None:
    """Write one request to stderr."""
    query = f"?{line.query}" if line.query else ""
    befallen = f" {line.fault}" if line.fault else ""
    _write((f"{line.method} {line.path}{query} {line.status or 'dropped'}{befallen}",))


def _write(lines: Iterable[str]) -> None:
    """Write lines to stderr at once."""
    for line in lines:
        output.say(line)
    sys.stderr.flush()
