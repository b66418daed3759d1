"""`state pull` and `state push`: the whole ledger as text, and back."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import click

from reconciler.cli import options as shared
from reconciler.cli import output
from reconciler.cli.complete import FilePath
from reconciler.cli.main import Chosen
from reconciler.cli.session import options_of, settings_of
from reconciler.errors import ReconcilerError, Refused
from reconciler.ledger.base import Copy, Meta
from reconciler.ledger.copies import read_copy, to_lines
from reconciler.pipeline import opening, writing
from reconciler.settings import Environment, Settings
from reconciler.text import visible


@click.command("pull")
@shared.out("Write it to a file, not to stdout.")
@click.pass_context
def pull(ctx: click.Context, out: Path | None) -> None:
    """
    Print the whole ledger as JSON lines, one row a line, the last one a checksum.

    It holds personal data, and no credentials.

    \b
    Example:
      reconciler state pull -o ledger.jsonl
    """  # noqa: D301 - click's mark
    chosen: Chosen = ctx.obj
    with opening.open_ledger(settings_of(options_of(chosen)).environment(), writable=False) as ledger:
        text = "".join(to_lines(ledger.copy()))
    if out is None:
        output.result(text)
    else:
        output.write_private(out, text)


@click.command("push")
@click.argument("file", type=FilePath(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Also a copy that is older, of another ledger, or of another environment.")
@click.option(
    "--backup",
    type=FilePath(dir_okay=False, path_type=Path),
    help="Where the ledger as it was is kept; default: beside it, or below .reconciler.",
)
@click.pass_context
def push(ctx: click.Context, file: Path, backup: Path | None, *, force: bool) -> None:
    """
    Replace the ledger by what `state pull` wrote; the ledger as it was is copied first.

    So a ledger moves from a file to a database, or back. A copy that is older than the ledger, or of
    another one, is refused (exit code 3) unless --force.

    \b
    Example:
      RECONCILER_STATE=postgresql://db.example/state reconciler state push ledger.jsonl
    """  # noqa: D301 - click's mark
    chosen: Chosen = ctx.obj
    settings = settings_of(options_of(chosen))
    environment = settings.environment()
    copy = read_copy(visible(str(file)), output.read_text(file).encode())
    _same_api(copy.meta, environment)
    with writing.locked_ledger(environment, doing="state push") as ledger:
        now = ledger.copy()
        if now.writes:
            if not force:
                _newer(copy.meta, now.meta, environment)
            output.say(f"the ledger as it was is kept in {_kept(settings, environment, now, backup)}")
        elif copy.meta.environment != environment.name and not force:
            raise _other_environment(copy.meta, environment)
        ledger.overwrite(copy)
    output.say(f"pushed: {len(copy.writes)} rows")


@click.command("rekey", short_help="Write all of the ledger again with the first key")
@click.pass_context
def rekey(ctx: click.Context) -> None:
    """
    Write all of the ledger again, encrypted with the first key of RECONCILER_STATE_KEY.

    So a ledger that was not encrypted is, and an old key is needed no more. With the word `none` as the first key
    it is not encrypted any more. Copies beside the ledger stay as they are.

    \b
    Example:
      RECONCILER_STATE_KEY="$new $old" reconciler state rekey
    """  # noqa: D301 - click's mark
    chosen: Chosen = ctx.obj
    environment = settings_of(options_of(chosen)).environment()
    if not environment.state_keys().reveal():
        raise ReconcilerError("no key is given", "set RECONCILER_STATE_KEY, as `openssl rand -base64 32` prints one")
    with writing.locked_ledger(environment, doing="state rekey") as ledger:
        copy = ledger.copy()
        ledger.overwrite(copy)
    output.say(f"written again: {len(copy.writes)} rows")


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
        beside = writing.copy_of_file(environment)
        if beside is not None:
            return str(beside)
        folder = settings.root / ".reconciler"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        names = (f"{_slug(environment.name)}.before-push{f'.{n}' if n else ''}.jsonl" for n in count())
        backup = next(path for name in names if not (path := folder / name).exists())
    elif backup.exists():
        raise ReconcilerError(f"{backup}: it is there already", "name another file for --backup")
    output.write_private(backup, "".join(to_lines(now)))
    return str(backup)


def _slug(name: str) -> str:
    """Return a name that may be a file's."""
    return "".join(char if char.isalnum() or char in "-_" else "_" for char in name)
