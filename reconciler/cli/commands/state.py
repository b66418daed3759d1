"""
`history` and `state`: what the ledger holds.

What a command does is in the module of its name, which is imported when it runs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from reconciler.cli import completion
from reconciler.cli import options as shared
from reconciler.cli.completion import FilePath


class _History(click.Group):
    """A group whose command `list` need not be named: a run's id, which is hex, is none of its commands."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Return the arguments, with `list` before them where they name no command."""
        named = args and (args[0] in self.commands or args[0] in ("--help", "-h"))
        return super().parse_args(ctx, args if named else ["list", *args])


class _DaysType(click.ParamType[int]):
    """`400d`."""

    name = "DAYS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the days that `value` writes."""
        match = re.fullmatch(r"(\d{1,5})d", str(value), re.ASCII)
        if match is None:
            self.fail(f"{value!r} is no number of days, such as 400d", param, ctx)
        return int(match[1])


@dataclass(frozen=True, slots=True)
class Care:
    """How careful a correction is: only shown, and not asked about."""

    dry_run: bool
    auto_approve: bool


_careful = shared.settings(
    click.option("--dry-run", is_flag=True, help="Say what would change, and what follows; change nothing."),
    click.option("--auto-approve", is_flag=True, help="Do not ask at a terminal."),
    shared.files,
    shared.gathered("care", Care, "dry_run", "auto_approve"),
)


@click.group("history", cls=_History, short_help="List past runs and their changes")
def history() -> None:
    """
    List the runs that wrote to the account, show the changes of one or of a customer, or remove old values.

    `history` alone is `history list`, `history RUN` is `history list RUN`, and so on.

    \b
    Example:
      reconciler history
      reconciler history 3f2a91c0
      reconciler history --key acme
      reconciler history prune --older-than 400d
    """  # noqa: D301 - click's mark


@history.command("list", short_help="List the runs, or the changes of a run or customer")
@click.argument("run", required=False)
@click.option(
    "--key", type=completion.KeyType(), help="The changes of one customer in all runs: its external_id or id."
)
@shared.redact
@shared.output_format("text", "json")
@shared.settings()
def history_list(**given: Any) -> None:
    """
    List the runs that wrote to the account, newest last; with RUN, an id or how it begins, its changes.

    With --key every change of one customer and its users, oldest first: when, in which run, by whom, why, from which
    line of which commit, and how it ended; also what was done under a former key. With RUN and --key, what the run did
    to the customer. It reads the ledger and asks the API nothing.

    \b
    Example:
      reconciler history list
      reconciler history list 3f2a91c0 --format json
      reconciler history list --key acme
      reconciler history list 3f2a91c0 --key acme
    """  # noqa: D301 - click's mark
    from reconciler.cli.history import listed

    listed(**given)


@history.command("prune", short_help="Remove the values of old runs")
@click.option(
    "--older-than", "days", required=True, type=_DaysType(), help="Runs that began at least this long ago: 400d."
)
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@shared.settings()
def history_prune(**given: Any) -> None:
    """
    Remove the values of old runs: what fields held before and after, messages, e-mails of users.

    The runs stay in the list, with their actions and external_ids, but cannot be undone any more. What newer
    runs and the next plan need stays. Nothing is sent to the API.

    \b
    Example:
      reconciler -e production history prune --older-than 400d
    """  # noqa: D301 - click's mark
    from reconciler.cli.history import prune

    prune(**given)


@click.group("state", short_help="Inspect, correct, copy and unlock the ledger")
def state() -> None:
    """
    Inspect what the ledger holds, correct it, copy all of it, or end its lock.

    \b
    Example:
      reconciler state list
      reconciler state rm acme
    """  # noqa: D301 - click's mark


@state.command("list", short_help="List the customers that the ledger binds")
@click.argument("patterns", nargs=-1, metavar="[GLOB]...")
@shared.output_format("text", "json")
@shared.settings()
def state_list(**given: Any) -> None:
    """
    List the customers that the ledger binds, those whose external_id matches a GLOB where one is given.

    \b
    Example:
      reconciler state list "west-*" --format json
    """  # noqa: D301 - click's mark
    from reconciler.cli.state import listed

    listed(**given)


@state.command("show", short_help="Show what the ledger holds of one customer")
@click.argument("key")
@shared.redact
@shared.output_format("text", "json")
@shared.settings()
def state_show(**given: Any) -> None:
    """
    Show what the ledger holds of one customer, without asking the API.

    \b
    Example:
      reconciler state show acme
    """  # noqa: D301 - click's mark
    from reconciler.cli.state import show

    show(**given)


@state.command("rm", short_help="Forget bindings; the customers stay as they are")
@click.argument("patterns", nargs=-1, required=True, metavar="KEY|GLOB...")
@_careful
def state_rm(**given: Any) -> None:
    """
    Forget bindings; the customers stay as they are, and are found again by their external_ids.

    At a terminal it says what the next plan then does, and asks; a script is not asked.

    \b
    Example:
      reconciler state rm acme
      reconciler state rm "old-*" --dry-run
    """  # noqa: D301 - click's mark
    from reconciler.cli.state import rm

    rm(**given)


@state.command("move", short_help="Bind a customer to another key")
@click.argument("old")
@click.argument("new")
@_careful
def state_move(**given: Any) -> None:
    """
    Bind the customer of one key to another one, as a `moved` line in the YAML does.

    At a terminal it says what the next plan then does, and asks; a script is not asked.

    \b
    Example:
      reconciler state move old-key acme
    """  # noqa: D301 - click's mark
    from reconciler.cli.state import move

    move(**given)


@state.command("unprotect", short_help="Lift the protection of a customer with no entry")
@click.argument("key")
@_careful
def state_unprotect(**given: Any) -> None:
    """
    Lift the protection that the ledger remembers of a customer whose entry has gone.

    An entry that says `protect: true` still protects. At a terminal it says what the next plan then does, and
    asks; a script is not asked.

    \b
    Example:
      reconciler state unprotect acme
    """  # noqa: D301 - click's mark
    from reconciler.cli.state import unprotect

    unprotect(**given)


@state.command("unblock", short_help="Retry changes that the account kept undoing")
@click.argument("key")
@_careful
def state_unblock(**given: Any) -> None:
    """
    Forget that a customer did not keep what was applied, so that the next apply tries it once more.

    That is how often it was archived or restored elsewhere after we had done the opposite, and which fields came back
    or were not taken. Use it once what undoes your changes has been stopped. At a terminal it says what the next plan
    then does, and asks; a script is not asked.

    \b
    Example:
      reconciler state unblock acme
    """  # noqa: D301 - click's mark
    from reconciler.cli.state import unblock

    unblock(**given)


@state.command("forget", short_help="Erase a customer's values, and keep it managed")
@click.argument("key")
@_careful
def state_forget(**given: Any) -> None:
    """
    Erase what the ledger holds of a person: a customer's values and its users, here and in every run of the history.

    Its key, ids and times stay: it is still managed, and not created again. A patch whose values were erased cannot
    be undone. While the files declare it, the next apply records the values that they hold; saved plans, copies
    that `state pull` wrote and the account itself are not touched.

    \b
    Example:
      reconciler state forget acme
    """  # noqa: D301 - click's mark
    from reconciler.cli.state import forget

    forget(**given)


@state.command("relocate", short_help="Take over customers applied from another repository")
@click.argument("place")
@_careful
def state_relocate(**given: Any) -> None:
    """
    Take what was applied from another place for this project's, as a repository or a folder that has moved is.

    The ledger remembers from which repository and folder each customer was applied, and a plan archives none that was
    applied from another. PLACE is that place as the refusal of a plan prints it. At a terminal it says what the next
    plan then does, and asks; a script is not asked.

    \b
    Example:
      reconciler state relocate github.com/acme/billing
    """  # noqa: D301 - click's mark
    from reconciler.cli.state import relocate

    relocate(**given)


@state.command("pull", short_help="Print the whole ledger as JSON lines")
@shared.out("Write it to a file, not to stdout.")
@shared.settings()
def state_pull(**given: Any) -> None:
    """
    Print the whole ledger as JSON lines, one row a line, the last one a checksum.

    It holds personal data, and no credentials.

    \b
    Example:
      reconciler state pull -o ledger.jsonl
    """  # noqa: D301 - click's mark
    from reconciler.cli.state import pull

    pull(**given)


@state.command("push", short_help="Replace the ledger by a copy that `state pull` wrote")
@click.argument("file", type=FilePath(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Also a copy that is older, of another ledger, or of another environment.")
@click.option(
    "--backup",
    type=FilePath(dir_okay=False, path_type=Path),
    help="Where the ledger as it was is kept; default: beside it, or below .reconciler.",
)
@shared.settings()
def state_push(**given: Any) -> None:
    """
    Replace the ledger by what `state pull` wrote; the ledger as it was is copied first.

    So a ledger moves from a file to a database, or back. A copy that is older than the ledger, or of
    another one, is refused (exit code 3) unless --force.

    \b
    Example:
      RECONCILER_STATE=postgresql://db.example/state reconciler state push ledger.jsonl
    """  # noqa: D301 - click's mark
    from reconciler.cli.state import push

    push(**given)


@state.command("rekey", short_help="Encrypt the whole ledger with the first key")
@shared.settings()
def state_rekey(**given: Any) -> None:
    """
    Write all of the ledger again, encrypted with the first key of RECONCILER_STATE_KEY.

    So a ledger that was not encrypted is, and an old key is needed no more. With the word `none` as the first key
    it is not encrypted any more. Copies beside the ledger stay as they are.

    \b
    Example:
      RECONCILER_STATE_KEY="$new $old" reconciler state rekey
    """  # noqa: D301 - click's mark
    from reconciler.cli.state import rekey

    rekey(**given)


@state.command("unlock", short_help="End the lock of another run on a shared ledger")
@click.option("--force", is_flag=True, help="Do not ask.")
@shared.settings()
def state_unlock(**given: Any) -> None:
    """
    End the lock that another run holds on a shared ledger, and say who held it.

    That run writes and sends nothing more. A lock whose run has died ends by itself after 15 seconds.
    The lock of a ledger in a file ends with its process, and only so.

    \b
    Example:
      reconciler -e production state unlock
    """  # noqa: D301 - click's mark
    from reconciler.cli.state import unlock

    unlock(**given)
