"""
What each kind of run costs: the formula, the plan's own price, and what the emulator counted. All three must be equal.

python bench/kinds.py [--customers N] [--changes M] [--page L] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from validate import generate
from workbench import PAGE, Run, Server, emulator, fill, next_listing, started, table, told

SAVED = "saved.plan"
USERS = 2
"""So many users each created customer has."""


@dataclass(frozen=True, slots=True)
class Kind:
    """
    One kind of run: the command, the formula, and what that comes to besides the 1 and the P.

    `listed`: in how many listings the whole account is. `successors`: each full last page is asked for its successor.
    `fresh`: there is no ledger before it.
    """

    name: str
    words: tuple[str, ...]
    formula: str
    besides: int = 0
    text: str | None = None
    planned: bool = True
    listed: int = 1
    successors: bool = False
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """The file that is applied, the ledger, and how large all is."""

    server: Server
    file: Path
    state: Path
    customers: int
    changes: int
    page: int
    program: Run = started

    def run(self, *words: str) -> Any:  # noqa: ANN401 - JSON, or text
        """Run a command to its end and return what it printed."""
        done = self.program(words, self.server.variables(self.state), self.file.parent)
        if done.code:
            raise RuntimeError(f"{' '.join(words)}: exit code {done.code}")
        return json.loads(done.stdout) if "json" in words else done.stdout


def kinds(account: Account) -> Iterator[Kind]:
    """Yield each kind of run, in an order in which each finds what the one before left."""
    count, several = account.customers, account.changes
    text = account.file.read_text("utf-8")
    apply = ("apply", "--auto-approve", "--max-archives", "100%", "--max-restores", "100%")
    yield Kind("nothing changed", ("plan",), "1 + P")
    yield Kind("drift", ("drift",), "1 + P")
    patched = _edited(text, several, "city", "Dover")
    yield Kind("M patches", apply, "1 + P + M", several, patched)
    archived = _edited(patched, several, "archived", "true")
    # The run that archives for the first time learns what the server makes of that.
    yield Kind("M archives, the first", apply, "1 + P + 2M + 2", 2 * several + 2, archived)
    yield Kind("the next run", apply, "1 + P", 0, archived)
    yield Kind("M restores", apply, "1 + P + M", several, patched)
    created = patched + "".join(_created(number) for number in range(several))
    formula = "1 + P + 1 for each full last page + M + MU"
    yield Kind("M creates, U users each", apply, formula, several * (1 + USERS), created, successors=True)
    yield Kind("a plan after it", ("plan",), "1 + P", 0, created)
    saved = _edited(created, several, "city", "Olympia")
    yield Kind("a saved plan of M patches", ("apply", SAVED, *apply[1:]), "1 + P + M", several, saved)
    # Created in one go: one narrow list shows all of them.
    targets = ("--target", "new-0", "--target", "new-1")
    yield Kind("targets created at W times", ("plan", *targets), "1 + W", 1, saved, listed=0)
    yield Kind("a target by pattern", ("plan", "--target", "new-*"), "1 + P", 0, saved)
    yield Kind("import", ("import",), "1 + P + N", count + several, created, planned=False)
    # A server whose pages are as long as they may be is asked once for longer ones.
    tried = int(account.page == PAGE)
    # Without those who have users: a new ledger would have to see them first.
    more = _edited(patched, several, "city", "Olympia")
    more += "".join(f"  more-{number}: {{name: More {number}}}\n" for number in range(several))
    again = Kind(
        "no ledger: M creates", apply, "1 + 2P + 1 for a longer page + M", several + tried, more, successors=True
    )
    yield replace(again, listed=2, fresh=True)
    last = more + "".join(f"  last-{number}: {{name: Last {number}}}\n" for number in range(several))
    words = ("apply", SAVED, *apply[1:])
    again = Kind(
        "no ledger: a saved plan of M creates",
        words,
        "1 + P + 1 for a longer page + M",
        several + tried,
        last,
        successors=True,
    )
    yield replace(again, fresh=True)


def _edited(text: str, several: int, name: str, value: str) -> str:
    """Return a customers file with a field of the first so many customers set."""
    lines: list[str] = []
    seen = 0
    inside = False
    for line in text.splitlines():
        if line.startswith("  ") and line[2] not in " #" and line.endswith(":"):
            seen += 1
            inside = seen <= several
            lines += [line, f"    {name}: {value}"] if inside else [line]
        elif not (inside and line.strip().startswith(f"{name}:")):
            lines.append(line)
    return "\n".join(lines) + "\n"


def _created(number: int) -> str:
    """Return an entry of a customer who is new."""
    users = ", ".join(f"u{user}@new{number}.example: {{first_name: New}}" for user in range(USERS))
    return f"  new-{number}: {{name: New {number}, email: n@new{number}.example, users: {{{users}}}}}\n"


def row_of(account: Account, kind: Kind) -> dict[str, object]:
    """Run one kind and return what it cost by the formula, by the plan, and by the emulator's count."""
    if kind.text is not None:
        account.file.write_text(kind.text, "utf-8")
    if kind.fresh:
        account = replace(account, state=account.file.with_name(f"{kind.name.replace(' ', '-')}.db"))
    file = ("-f", account.file.name) if kind.words[0] != "import" else ()
    limits = [word for word in kind.words[1:] if word != "--auto-approve"]
    if SAVED in limits:
        limits[:1] = ["--out", SAVED]
    account.server.wait(60)
    if kind.planned and not kind.fresh and account.customers > 10 * account.page:
        account.run("plan", *file)  # from here on, the ranges are those of the account as it is now
    listing = next_listing(account.server, account.state, account.page)
    requests = 1 + kind.besides + kind.listed * (listing.requests + (listing.full if kind.successors else 0))
    planned: int | None = None
    if kind.planned:
        cost: Mapping[str, Any] = account.run("plan", *file, *limits, "--format", "json")["cost"]
        planned = cost["requests"] + cost["overhead"] if kind.words[0] == "apply" else cost["overhead"]
    account.server.wait(60)
    account.server.counted()
    account.run(*kind.words, *file)
    sent = account.server.counted()
    return {
        "kind": kind.name,
        "formula": kind.formula,
        "pages": listing.requests,
        "ranges": len(listing.sizes),
        "by_formula": requests,
        "by_plan": planned,
        "counted": sent.total(),
        "by_kind": dict(sent),
        "equal": sent.total() == requests and planned in (None, requests),
    }


def rows_of(account: Account) -> list[dict[str, object]]:
    """Fill an account, run every kind on it, one after the other, and return what each cost."""
    account.server.post("behaviour", {"page_max": account.page})
    generate(account.file, account.customers)
    fill(account.server, account.file, account.state, run=account.program)
    return [row_of(account, kind) for kind in kinds(account)]


def main() -> int:
    """Run every kind; 1 where formula, price and count are not equal."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--customers", type=int, default=600)
    arguments.add_argument("--changes", type=int, default=20)
    arguments.add_argument(
        "--page", type=int, default=PAGE, help="how many customers the emulator's pages hold at most"
    )
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, emulator() as server:
        file, state = Path(folder, "customers.yaml"), Path(folder, "ledger.db")
        rows = rows_of(Account(server, file, state, given.customers, given.changes, given.page))
    shown = [
        (
            row["kind"],
            row["formula"],
            row["pages"],
            row["ranges"],
            row["by_formula"],
            row["by_plan"] or "-",
            row["counted"],
            row["equal"],
        )
        for row in rows
    ]
    text = f"N = {given.customers}, M = {given.changes}, U = {USERS}, L = {given.page}; P pages, in so many ranges\n\n"
    text += table(("kind of run", "formula", "P", "ranges", "by formula", "by plan", "counted", "equal"), shown)
    result = {"ok": all(row["equal"] for row in rows), "customers": given.customers, "rows": rows}
    return told(result, text, as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
