"""`state`: what the ledger holds, listed, copied, and corrected after what follows from each correction was seen."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import click

from reconciler.cli import consent, output
from reconciler.cli.commands.state import Care
from reconciler.cli.session import settings_of
from reconciler.desired.load import load_desired
from reconciler.errors import Invalid, ReconcilerError, Refused
from reconciler.escape import visible
from reconciler.ledger.base import Copy, Ledger, Meta
from reconciler.ledger.export import read_copy, to_lines
from reconciler.model.core import Address, Desired
from reconciler.model.ledger import Binding, DropBinding, PutBinding, PutUsers, Via, Write
from reconciler.pipeline import resources
from reconciler.pipeline.history import erasure
from reconciler.plan.scope import matcher, protecting, spellings
from reconciler.report.corrections import (
    Follows,
    after_erasing,
    after_forgetting,
    after_moving,
    after_relocating,
    after_unblocking,
    after_unprotecting,
)
from reconciler.report.history import binding_json
from reconciler.report.layout import MOST, count, line, more, page
from reconciler.report.show import CustomerView, bindings_text, customer_json, customer_text
from reconciler.settings import Environment, Options, Settings


def unlock(*, options: Options, force: bool) -> None:
    """End the lock that another run holds, and say who held it."""
    environment = settings_of(options).environment()
    holder = resources.holder_now(environment)
    if holder is None:
        output.report("the lock is not held")
        return
    if not force:
        _agreed(str(holder))
    resources.end_by_hand(environment)
    output.report(f"the lock was ended; it was held: {holder}")


def _agreed(holder: str) -> None:
    """Ask; Refused where there is no consent."""
    if not sys.stdin.isatty():
        raise Refused(
            f"the lock is held: {holder}; there is no terminal to ask, and nothing was changed",
            "make sure that this run is dead, then pass --force",
        )
    question = (
        f"The lock is held: {holder}\nIs that run dead? If not, it will not be able to write any more. End its lock?"
    )
    if not click.confirm(question, default=False, err=True):
        raise Refused("the lock was not changed")


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
            output.note(f"the old ledger was saved in {_kept(settings, environment, now, backup)}")
        elif copy.meta.environment != environment.name and not force:
            raise _other_environment(copy.meta, environment)
        ledger.overwrite(copy)
    output.note(f"pushed: {len(copy.writes)} rows")


def rekey(*, options: Options) -> None:
    """Write all of the ledger again with the first key."""
    environment = settings_of(options).environment()
    if not environment.state_keys().reveal():
        raise ReconcilerError("no key is set", "set RECONCILER_STATE_KEY, as `openssl rand -base64 32` prints one")
    with resources.locked_ledger(environment, doing="state rekey") as ledger:
        copy = ledger.copy()
        ledger.overwrite(copy)
    output.note(f"encrypted again: {len(copy.writes)} rows")


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
            "pass --force to replace this ledger with it",
        )
    if theirs.serial < ours.serial:
        raise Refused(
            f"the copy is older than the ledger (serial {theirs.serial}, here {ours.serial})",
            "pull again, or pass --force to go back to it and forget what was applied since",
        )


def _other_environment(theirs: Meta, environment: Environment) -> Refused:
    """Return that the copy is of another environment's ledger."""
    return Refused(
        f"the copy is of the environment {visible(theirs.environment)!r}, and this is {visible(environment.name)!r}",
        "pass --force if the environment was renamed",
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
        raise ReconcilerError(f"{backup}: it already exists", "name another file for --backup")
    output.write_private(backup, "".join(to_lines(now)))
    return str(backup)


def _slug(name: str) -> str:
    """Return a name that may be a file's."""
    return "".join(char if char.isalnum() or char in "-_" else "_" for char in name)


After = Callable[[Binding, Follows], Iterator[str]]
"""Returns in words what follows from the correction of a row."""


def rm(patterns: tuple[str, ...], *, options: Options, care: Care) -> None:
    """Forget bindings."""
    with _correcting(options, care, "state rm") as correction:
        rows = matching(correction.ledger, patterns)
        if not rows:
            raise ReconcilerError("the ledger has none of them", "`reconciler state list` shows what it has")
        writes = [DropBinding(row.external_id) for row in rows]
        correction.make(rows, writes, "forgotten", after_forgetting)


def move(old: str, new: str, *, options: Options, care: Care) -> None:
    """Bind the customer of one key to another one."""
    key, to = _customer(old), _customer(new)
    with _correcting(options, care, "state move") as correction:
        row = _one(correction.ledger, key)
        other = correction.ledger.binding(to)
        if other is not None:
            raise Refused(
                f"{visible(new)}: this key is already bound, to {visible(other.bound_id)}",
                f"`reconciler state rm {visible(new)}` removes that binding",
            )
        via = Via.MATCHED if row.live_external_id == to else Via.MOVED
        users = correction.ledger.records().users.get(row.bound_id)
        seen = [] if users is None else [PutUsers(row.bound_id, users)]
        writes: list[Write] = [DropBinding(key), PutBinding(replace(row, external_id=to, via=via)), *seen]
        what = f"moved to {visible(str(Address(to)))}"
        correction.make([row], writes, what, lambda row, follows: after_moving(row, to, follows))


def unprotect(key: str, *, options: Options, care: Care) -> None:
    """Lift the protection that the ledger remembers."""
    with _correcting(options, care, "state unprotect") as correction:
        row = _one(correction.ledger, _customer(key))
        if not row.protected:
            output.report(f"{_named(row)}: it was not protected")
            return
        writes = [PutBinding(replace(row, protected=False))]
        correction.make([row], writes, "no longer protected", after_unprotecting)


def unblock(key: str, *, options: Options, care: Care) -> None:
    """Forget that a customer did not keep what was applied."""
    with _correcting(options, care, "state unblock") as correction:
        row = _one(correction.ledger, _customer(key))
        if row.trouble_json is None and row.reversals_json is None:
            output.report(f"{_named(row)}: the ledger has nothing that would block it")
            return
        writes = [PutBinding(replace(row, trouble_json=None, reversals_json=None))]
        correction.make([row], writes, "the next apply tries it again", after_unblocking)


def forget(key: str, *, options: Options, care: Care) -> None:
    """Erase what the ledger holds of a person."""
    with _correcting(options, care, "state forget") as correction:
        row = _one(correction.ledger, _customer(key))
        found = erasure(correction.ledger, row)
        if found.in_doubt:
            raise Refused(
                f"{_named(row)}: run {found.in_doubt[0].id} left one of its changes in doubt; nothing was erased",
                "run an apply to settle it, then erase",
            )
        what = f"erased, and the values of {count(found.changes, 'change')} in the history"
        correction.make([row], found.writes, what, after_erasing)


def relocate(place: str, *, options: Options, care: Care) -> None:
    """Take what was applied from another place for this project's."""
    with _correcting(options, care, "state relocate") as correction:
        environment = correction.environment
        held = correction.ledger.records().bindings.values()
        rows = [row for row in held if row.place == place and row.project == environment.project]
        if not rows:
            known = sorted({row.place for row in held if row.project == environment.project and row.place})
            hint = f"it knows: {', '.join(known)}" if known else "it has no place of this project yet"
            raise ReconcilerError(f"{place}: the ledger has nothing of this project from there", hint)
        here = environment.place.text
        writes = [PutBinding(replace(row, place=here)) for row in rows]
        where = f"recorded as applied from {here}" if here else "recorded as applied from an unknown place"
        correction.make(sorted(rows, key=lambda row: row.external_id), writes, where, after_relocating)


@dataclass(frozen=True, slots=True)
class _Correction:
    """A correction on its way: the ledger, held for writing unless it is a dry run, and what it goes by."""

    ledger: Ledger
    settings: Settings
    environment: Environment
    care: Care

    def make(self, rows: Sequence[Binding], writes: Sequence[Write], what: str, after: After) -> None:
        """Show, ask where there is someone to ask, write, and say what was done."""
        if self.care.dry_run:
            output.result(self._preview(rows, what, after, width=output.width()))
            return
        if consent.asks(auto_approve=self.care.auto_approve):
            output.page(self._preview(rows, what, after, width=output.error_width()))
            consent.yes(f"Change the ledger ({count(len(rows), 'customer')})? [y/N]: ")
        self.ledger.commit(writes)
        for row in rows:
            output.report(f"{_named(row)}: {what}")

    def _preview(self, rows: Sequence[Binding], what: str, after: After, *, width: int) -> str:
        """Return what would become of each row, and what follows as far as the files tell."""
        protected = protecting(self.environment.policy.protect)
        follows = Follows(_declared(self.settings, self.environment), self.environment.prune, protected)
        lines = []
        for row in rows[:MOST]:
            lines.append(line(f"{_named(row)}: would be {what}"))
            lines += [line(visible(words), indent=2) for words in after(row, follows)]
        if rest := more(len(rows), "reconciler state list"):
            lines.append(line(rest))
        return page(lines, width=width, color=False)


@contextmanager
def _correcting(options: Options, care: Care, doing: str) -> Iterator[_Correction]:
    """Yield a correction, under the lock unless it is only shown."""
    settings = settings_of(options)
    environment = settings.environment()
    holding = (
        resources.open_ledger(environment, writable=False)
        if care.dry_run
        else resources.locked_ledger(environment, doing=doing)
    )
    with holding as ledger:
        yield _Correction(ledger, settings, environment, care)


def _declared(settings: Settings, environment: Environment) -> Desired | None:
    """Return what the files declare, None where none are named, or they have errors: a correction may fix those."""
    try:
        return load_desired(
            settings.files(),
            root=settings.root,
            overlays=environment.overlays,
            include=environment.include,
            exclude=environment.exclude,
            pins_allowed=settings.pins_allowed,
            without=settings.overlays,
            within=settings.within,
        ).desired
    except Invalid:
        return None


def matching(ledger: Ledger, patterns: tuple[str, ...]) -> list[Binding]:
    """Return the rows whose key matches a pattern, or is one; all without patterns."""
    keys = {spelled for pattern in patterns for spelled in spellings(pattern)}
    matches = matcher(keys)
    held = ledger.records().bindings
    rows = [row for key, row in sorted(held.items()) if not patterns or key in keys or matches(key)]
    if rows or not patterns:
        output.warn_of_nobody(patterns, lambda: held)
    return rows


def _customer(key: str) -> str:
    """Return the external_id of a customer's address; ReconcilerError for a user's."""
    address = Address.parse(key)
    if address.email is not None:
        raise ReconcilerError(f"{key}: this is a user's address", "write a / in the key as %2F")
    return address.external_id


def _one(ledger: Ledger, external_id: str) -> Binding:
    """Return the row of a key; ReconcilerError where there is none."""
    row = ledger.binding(external_id)
    if row is None:
        key = visible(str(Address(external_id)))
        raise ReconcilerError(f"{key}: the ledger does not have it", "`reconciler state list` shows what it has")
    return row


def _named(row: Binding) -> str:
    """Return the address of a row's customer, and its id."""
    return f"{visible(str(Address(row.external_id)))} ({row.id})"


def listed(patterns: tuple[str, ...], form: str, *, options: Options) -> None:
    """Print the customers that the ledger binds."""
    with resources.open_ledger(settings_of(options).environment(), writable=False) as ledger:
        rows = matching(ledger, patterns)
        if not rows:
            output.warn_of_nobody(patterns, lambda: ledger.records().bindings)
    if form == "json":
        output.json_result({"bindings": [binding_json(row) for row in rows]})
    else:
        output.result(bindings_text(rows, width=output.width(), color=output.color()))


def show(key: str, form: str, *, options: Options, redact: bool) -> None:
    """Print what the ledger holds of one customer."""
    external_id = Address.parse(key).external_id
    with resources.open_ledger(settings_of(options).environment(), writable=False) as ledger:
        row = ledger.binding(external_id)
    if row is None:
        raise ReconcilerError(f"{key}: the ledger does not have it", "`reconciler state list` shows what it has")
    view = CustomerView(external_id, recorded=row)
    if form == "json":
        output.json_result(customer_json(view, redact=redact))
    else:
        output.result(customer_text(view, width=output.width(), color=output.color(), redact=redact))
