"""`demo`: the main job on an emulator, in one go."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from reconciler.cli import main as program
from reconciler.cli import output
from reconciler.emulator.server import running
from reconciler.emulator.service import Emulator, load
from reconciler.errors import Interrupted, ReconcilerError
from reconciler.pipeline.resources import real_clock
from reconciler.resources import shipped


@dataclass(frozen=True, slots=True)
class Act:
    """One step of the demo: what it shows, the file that is applied, and what somebody does before it."""

    title: str
    file: str
    elsewhere: tuple[dict[str, str], ...] = ()


ACTS = (
    Act(
        "Three customers are declared; one of them is in the account already, made in the dashboard",
        "customers.yaml",
        ({"external_id": "globex", "name": "Globex", "email": "accounts@globex.example", "country": "USA"},),
    ),
    Act(
        "The YAML changes: acme moves, globex is archived, hooli is new. Meanwhile somebody edits initech by hand",
        "demo/2-changed.yaml",
        ({"external_id": "initech", "city": "Ottawa"},),
    ),
    Act("globex is wanted again and is restored, not created; hooli's entry has gone", "demo/3-back.yaml"),
)


def play() -> None:
    """Play each act on an emulator."""
    emulator = Emulator()
    with running(emulator) as url, TemporaryDirectory() as folder, _variables(url, folder):
        for number, act in enumerate(ACTS, start=1):
            _elsewhere(emulator, act)
            _play(number, act, Path(folder))
    output.report("")
    output.report("That was all of it: declare, plan, apply, and nothing left to plan.")


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
    """Do what somebody does in the dashboard before an act."""
    ids = {one.fields.get("external_id"): one.id for one in emulator.account.customers.values()}
    changes = [{**change, "id": ids.get(change["external_id"])} for change in act.elsewhere]
    load(
        emulator.account,
        [{name: text for name, text in one.items() if text} for one in changes],
        real_clock().now() - 3600,
    )


@contextmanager
def _variables(url: str, folder: str) -> Iterator[None]:
    """Set the variables that point at the emulator, for the length of the demo."""
    given = {
        "AP_BASE_URL": url,
        "AP_CLIENT_ID": "local",
        "AP_CLIENT_SECRET": "local",
        "AP_ENVIRONMENT": "demo",
        "RECONCILER_STATE": str(Path(folder) / "ledger.db"),
    }
    before, here = dict(os.environ), Path.cwd()
    os.environ.update(given)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)
        os.environ.clear()
        os.environ.update(before)
