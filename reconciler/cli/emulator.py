"""`emulator` and `demo`: the API on this machine, and the main job on it in one go."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from reconciler.cli import app as program
from reconciler.cli import output
from reconciler.emulator.fault_settings import SETS, Row, amount_rows, fault_rows, read_flags, seconds, switched
from reconciler.emulator.integration import Integration, read_integration
from reconciler.emulator.server import run, running
from reconciler.emulator.service import Emulator, Logged, load
from reconciler.errors import Interrupted, Invalid, Problem, ReconcilerError, Source
from reconciler.escape import visible
from reconciler.input_file import read_file
from reconciler.pipeline.resources import real_clock
from reconciler.report.messages.questions import SWITCHES
from reconciler.resources import shipped
from reconciler.rules import Behaviour
from reconciler.rules.behaviour import CHOICES


@dataclass(frozen=True, slots=True)
class Act:
    """One step of the demo: what it shows, the file that is applied, and what someone does before it."""

    title: str
    file: str
    elsewhere: tuple[dict[str, str], ...] = ()


ACTS = (
    Act(
        "Three customers are declared. One of them is already in the account, created in the dashboard",
        "customers.yaml",
        ({"external_id": "globex", "name": "Globex", "email": "accounts@globex.example", "country": "USA"},),
    ),
    Act(
        "The YAML changes: acme moves, globex is archived, hooli is new. Meanwhile, someone edits initech by hand",
        "demo/2-changed.yaml",
        ({"external_id": "initech", "city": "Ottawa"},),
    ),
    Act("globex is declared again and is restored, not created; hooli is removed from the file", "demo/3-back.yaml"),
)


def play() -> None:
    """Play each act on an emulator."""
    emulator = Emulator()
    with running(emulator) as url, TemporaryDirectory() as folder, variables(_access(url, folder), folder):
        for number, act in enumerate(ACTS, start=1):
            _elsewhere(emulator, act)
            _play(number, act, Path(folder))
    output.report("")
    output.report("That is the whole cycle: declare, plan, apply, and nothing left to plan.")


def _play(number: int, act: Act, folder: Path) -> None:
    """Apply the file of one act, and plan again to see that nothing is left."""
    # One file whose text changes, as in a repository: an entry that leaves it has gone.
    file = folder / "customers.yaml"
    file.write_text(shipped(f"examples/{act.file}").read_text(encoding="utf-8"), encoding="utf-8")
    output.report("")
    output.report(f"=== {number}. {act.title}")
    output.report("")
    for words in (["validate"], ["apply", "--auto-approve"], ["plan", "--detailed-exitcode"]):
        if not output.quiet():
            output.result(f"$ reconciler {' '.join(words)} -f customers.yaml")
        code = program.run([*(["--quiet"] if output.quiet() else []), *words, "-f", str(file)])
        if code == Interrupted.exit_code:
            raise click.exceptions.Exit(code)
        if code:
            raise ReconcilerError(f"the demo failed: `{' '.join(words)}` ended with exit code {code}")


def _elsewhere(emulator: Emulator, act: Act) -> None:
    """Do what someone does in the dashboard before an act."""
    ids = {one.fields.get("external_id"): one.id for one in emulator.account.customers.values()}
    changes = [{**change, "id": ids.get(change["external_id"])} for change in act.elsewhere]
    load(
        emulator.account,
        [{name: text for name, text in one.items() if text} for one in changes],
        real_clock().now() - 3600,
    )


def _access(url: str, folder: str) -> Mapping[str, str]:
    """Return the variables that point at the emulator."""
    return {
        "AP_BASE_URL": url,
        "AP_CLIENT_ID": "local",
        "AP_CLIENT_SECRET": "local",
        "AP_ENVIRONMENT": "demo",
        "RECONCILER_STATE": str(Path(folder) / "ledger.db"),
    }


@contextmanager
def variables(given: Mapping[str, str], folder: str) -> Iterator[None]:
    """Set the variables that point at the emulator, and work in a folder, for the length of a demo."""
    before, here = dict(os.environ), Path.cwd()
    os.environ.update(given)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)
        os.environ.clear()
        os.environ.update(before)


def serve(
    host: str,
    port: int,
    data: Path | None,
    rate_per_s: float,
    payment_methods: Path | None,
    integration: Path | None,
    switches: tuple[str, ...],
    faults: tuple[str, ...],
    seed: int,
    offset_s: float,
    *,
    accounts: bool,
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
        integration=None if integration is None else read_integration_file(integration),
        offset_s=offset_s,
        log=_log if log else None,
        many=accounts,
        # Who takes a free port has no other way to learn which.
        ready=lambda url: (output.note if port else output.say)(
            f"the emulator listens at {url}; {'client id: any, secret' if accounts else 'client id and secret'}: local"
        ),
    )


def behaviour_of(switches: Iterable[str]) -> Behaviour:
    """
    Return the behavior that `NAME=VALUE` of each switch says; ValueError says what is wrong with one.

    >>> behaviour_of(["clears=null", "rewrites=trim,ein"]).clears
    <Clears.NULL: 'null'>
    """
    return switched(Behaviour(), dict(map(_switch, switches)))


_LARGEST_INTEGRATION = 64 * 1024 * 1024


def read_integration_file(path: Path) -> Integration:
    """Return the integration that a JSON file describes; Invalid says what is wrong with it."""
    source = Source(visible(str(path)))
    try:
        values = json.loads(read_file(path, _LARGEST_INTEGRATION))
    except OSError as exc:
        hint = "check the path in --integration"
        raise Invalid([Problem(source, "", f"cannot be read: {exc.strerror or exc}", hint)]) from exc
    except (ValueError, RecursionError) as exc:
        raise Invalid([Problem(source, "", f"this is not JSON: {exc}", _INTEGRATION)]) from exc
    try:
        return read_integration(values)
    except ValueError as exc:
        message, _, hint = str(exc).partition("; ")
        raise Invalid([Problem(source, "", visible(message), visible(hint) or _INTEGRATION)]) from exc


_INTEGRATION = "docs/reference/emulator.md has an example"


def switch_rows() -> Iterator[Row]:
    """
    Yield each switch's name, its default and what it is, with the values where they are few.

    >>> next(row for row in switch_rows() if row[0] == "page_shape")
    ('page_shape', 'flat', 'where in a page its cursors are: next to data, or in pagination (flat, nested)')
    """
    for field in fields(Behaviour):
        yield field.name, _text(field.default), SWITCHES[field.name] + _choices(field.name, field.default)


def _text(default: object) -> str:
    """Return a default as `--set` takes it; nothing for an empty list."""
    match default:
        case frozenset():
            return ",".join(sorted(default))
        case bool():
            return json.dumps(default)
        case _:
            return f"{default}"


def _choices(name: str, default: object) -> str:
    """Return the values that a switch may have, where it has not any number or text."""
    words: tuple[object, ...] = CHOICES.get(name, ())
    if isinstance(default, StrEnum):
        words = tuple(type(default))
    elif name in SETS:
        words = tuple(SETS[name])
    return f" ({', '.join(map(str, words))})" if words else ""


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
