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
    click.option("--dry-run", is_flag=True, help="Show what would change and what follows. Change nothing."),
    click.option("--auto-approve", is_flag=True, help="Do not ask at a terminal."),
    shared.files,
    shared.gathered("care", Care, "dry_run", "auto_approve"),
)


@click.group("history", cls=_History, short_help="List past runs and their changes")
def history() -> None:
    """
    List runs, show the changes of a run or of a customer, or remove old values.

    `history` is short for `history list`, and `history RUN` for `history list RUN`.

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
    "--key", type=completion.KeyType(), help="Show the changes of one customer, named by its external_id or id."
)
@shared.redact
@shared.output_format("text", "json")
@shared.settings()
def history_list(**given: Any) -> None:
    """
    List the runs that wrote to the account, newest last. With RUN, an id or its first characters, show its changes.

    With --key, show every change to one customer and its users, oldest first: when, in which run, by whom, why,
    from which line of which commit, and how it ended. Changes under a former key are included. With RUN and --key,
    show what the run did to the customer. This reads only the ledger, not the API.

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
    Remove the values of old runs: old and new field values, messages, and users' emails.

    The runs stay in the list, with their actions and external_ids, but you can no longer undo them. What newer runs
    and the next plan need stays. Nothing is sent to the API.

    \b
    Example:
      reconciler -e production history prune --older-than 400d
    """  # noqa: D301 - click's mark
    from reconciler.cli.history import prune

    prune(**given)


@click.group("state", short_help="Inspect, correct, copy and unlock the ledger")
def state() -> None:
    """
    Inspect, correct or copy the ledger, or end its lock.

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
    List the customers in the ledger, or those whose external_id matches GLOB.

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
    Show what the ledger holds about one customer, without calling the API.

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
    Remove customers from the ledger. They stay in the account, and are found again by their external_ids.

    At a terminal, it shows what the next plan will do and asks. Scripts aren't asked.

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
    Bind a customer to another key, as a `moved` line in the YAML does.

    At a terminal, it shows what the next plan will do and asks. Scripts aren't asked.

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
    End the protection, recorded in the ledger, of a customer whose entry was removed.

    An entry with `protect: true` still protects its customer. At a terminal, it shows what the next plan will do
    and asks. Scripts aren't asked.

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
    Forget that a customer's changes were reversed or not accepted, so that the next apply tries again.

    This resets how often someone else archived or restored the customer after Reconciler did the opposite, and
    which fields changed back or weren't accepted. Stop whatever reverses your changes first. At a terminal, it
    shows what the next plan will do and asks. Scripts aren't asked.

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
    Erase personal data from the ledger: a customer's values and users, including those in every run of the history.

    The key, ids and times stay, so the customer is still managed and isn't created again. You can't undo a patch
    whose values were erased. If the files still declare the customer, the next apply records its values again.
    Saved plans, copies from `state pull` and the account aren't touched.

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
    Confirm that a repository or folder has moved, so that its customers belong to this project.

    The ledger records from which repository and folder each customer was applied, and a plan archives no customer
    that was applied from another place. PLACE is the old place, as the refused plan prints it. At a terminal, it
    shows what the next plan will do and asks. Scripts aren't asked.

    \b
    Example:
      reconciler state relocate github.com/acme/billing
    """  # noqa: D301 - click's mark
    from reconciler.cli.state import relocate

    relocate(**given)


@state.command("pull", short_help="Print the whole ledger as JSON lines")
@shared.out("Write to a file instead of stdout.")
@shared.settings()
def state_pull(**given: Any) -> None:
    """
    Print the whole ledger as JSON lines: one row per line, then a checksum.

    The output contains personal data but no credentials.

    \b
    Example:
      reconciler state pull -o ledger.jsonl
    """  # noqa: D301 - click's mark
    from reconciler.cli.state import pull

    pull(**given)


@state.command("push", short_help="Replace the ledger by a copy that `state pull` wrote")
@click.argument("file", type=FilePath(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Accept a copy that is older, or from another ledger or environment.")
@click.option(
    "--backup",
    type=FilePath(dir_okay=False, path_type=Path),
    help="Where to save the old ledger. Default: beside it, or below .reconciler.",
)
@shared.settings()
def state_push(**given: Any) -> None:
    """
    Replace the ledger with the output of `state pull`, after saving a copy of it.

    Use it to move a ledger from a file to a database, or back. A copy that is older than the ledger, or comes from
    another one, is refused (exit code 3) without --force.

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
    Encrypt the whole ledger with the first key of RECONCILER_STATE_KEY.

    Use it to encrypt an existing ledger, or to change the key; afterwards you no longer need the old one. With the
    word `none` as the first key, it decrypts the ledger. Copies beside the ledger stay as they are.

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
    End the lock that another run holds on a shared ledger, and show who held it.

    That run writes and sends nothing more. If a run dies, its lock ends by itself after 15 seconds. The lock of a
    ledger in a file ends only with its process.

    \b
    Example:
      reconciler -e production state unlock
    """  # noqa: D301 - click's mark
    from reconciler.cli.state import unlock

    unlock(**given)
