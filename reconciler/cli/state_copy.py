"""`state pull` and `state push`: the whole ledger as text, and back."""

from __future__ import annotations

import itertools
from pathlib import Path

from reconciler.cli import output
from reconciler.cli.session import settings_of
from reconciler.errors import ReconcilerError, Refused
from reconciler.escape import visible
from reconciler.ledger.base import Copy, Meta
from reconciler.ledger.export import read_copy, to_lines
from reconciler.pipeline import resources
from reconciler.settings import Environment, Options, Settings


def pull(out: Path | None, *, options: Options) -> None:
    """Print the whole ledger as JSON lines."""
    with resources.open_ledger(settings_of(options).environment(), writable=False) as ledger:
        text = "".join(to_lines(ledger.copy()))
    if out is None:
        output.result(text)
    else:
        output.write_private(out, text)


def push(file: Path, backup: Path | None, *, options: Options, force: bool) -> None:
    """Replace the ledger by what `state pull` wrote."""
    settings = settings_of(options)
    environment = settings.environment()
    copy = read_copy(visible(str(file)), output.read_text(file).encode())
    _same_api(copy.meta, environment)
    with resources.locked_ledger(environment, doing="state push") as ledger:
        now = ledger.copy()
        if now.writes:
            if not force:
                _newer(copy.meta, now.meta, environment)
            output.note(f"the ledger as it was is kept in {_kept(settings, environment, now, backup)}")
        elif copy.meta.environment != environment.name and not force:
            raise _other_environment(copy.meta, environment)
        ledger.overwrite(copy)
    output.note(f"pushed: {len(copy.writes)} rows")


def rekey(*, options: Options) -> None:
    """Write all of the ledger again with the first key."""
    environment = settings_of(options).environment()
    if not environment.state_keys().reveal():
        raise ReconcilerError("no key is given", "set RECONCILER_STATE_KEY, as `openssl rand -base64 32` prints one")
    with resources.locked_ledger(environment, doing="state rekey") as ledger:
        copy = ledger.copy()
        ledger.overwrite(copy)
    output.note(f"written again: {len(copy.writes)} rows")


def _same_api(theirs: Meta, environment: Environment) -> None:
    """Raise Refused where the copy is of another API's ledger: its ids mean nothing here."""
    if theirs.base_url != environment.base_url():
        raise Refused(
            f"the copy is of a ledger for {visible(theirs.base_url)}, and this is {visible(environment.base_url())}",
            "name its environment with -e",
        )


def _newer(theirs: Meta, ours: Meta, environment: Environment) -> None:
    """Raise Refused unless the copy is of this ledger and not older than it."""
    if theirs.environment != environment.name:
        raise _other_environment(theirs, environment)
    if theirs.lineage != ours.lineage:
        raise Refused(
            f"the copy is of another ledger (lineage {visible(theirs.lineage)}, here {visible(ours.lineage)})",
            "give --force to replace this one by it",
        )
    if theirs.serial < ours.serial:
        raise Refused(
            f"the copy is older than the ledger (serial {theirs.serial}, here {ours.serial})",
            "pull again, or give --force to go back to it: what was applied since is then forgotten",
        )


def _other_environment(theirs: Meta, environment: Environment) -> Refused:
    """Return that the copy is of another environment's ledger."""
    return Refused(
        f"the copy is of the environment {visible(theirs.environment)!r}, and this is {visible(environment.name)!r}",
        "give --force where the environment was renamed",
    )


def _kept(settings: Settings, environment: Environment, now: Copy, backup: Path | None) -> str:
    """Keep the ledger as it was, and return where; ReconcilerError where that cannot be."""
    if backup is None:
        beside = resources.copy_of_file(environment)
        if beside is not None:
            return str(beside)
        folder = settings.root / ".reconciler"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        names = (f"{_slug(environment.name)}.before-push{f'.{n}' if n else ''}.jsonl" for n in itertools.count())
        backup = next(path for name in names if not (path := folder / name).exists())
    elif backup.exists():
        raise ReconcilerError(f"{backup}: it is there already", "name another file for --backup")
    output.write_private(backup, "".join(to_lines(now)))
    return str(backup)


def _slug(name: str) -> str:
    """Return a name that may be a file's."""
    return "".join(char if char.isalnum() or char in "-_" else "_" for char in name)
