"""`import`: live customers as YAML that plans to nothing, or `id:` lines for declared ones that may be live."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import click

from reconciler.api.client import ApiClient
from reconciler.cli import output
from reconciler.cli.session import Session, connected, settings_of, shown_progress
from reconciler.desired.load import load_desired
from reconciler.desired.write import Written, adopt, write_customers
from reconciler.errors import Invalid, ReconcilerError
from reconciler.escape import visible
from reconciler.ledger.base import Ledger
from reconciler.model.core import Desired, Live, LiveCustomer
from reconciler.model.ledger import PutRun, Records
from reconciler.pipeline import apply, inspect, plan, resources
from reconciler.pipeline.resources import origin_of_run
from reconciler.plan.draft import Draft, without_requests
from reconciler.plan.make import make_plan
from reconciler.plan.scope import selecting
from reconciler.report.layout import count, duration
from reconciler.report.plan_text import reading_price
from reconciler.settings import Environment, Options, Settings
from reconciler.settings.project import PROJECT_FILE

# Lower case only: on some file systems `Acme` and `acme` are one name.
_PLAIN = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,78}[a-z0-9_-])?", re.ASCII)
# Windows opens a device under these, whatever follows the first dot.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.ASCII)
_LONGEST_START = 40
_SHOWN = 3


def file_name(key: str) -> str:
    """
    Return the file name for a key: always the same for one key, another for another one, on any file system.

    What is not plain is written as its plain characters and, after a `~` that no plain key has, a hash of the key.

    >>> file_name("acme"), file_name("../Acme")
    ('acme.yaml', 'acme~e7eb7adca53e.yaml')
    """
    if _PLAIN.fullmatch(key) and not _DEVICE.fullmatch(key):
        return f"{key}.yaml"
    start = re.sub(r"[^a-z0-9]+", "-", key.lower(), flags=re.ASCII)[:_LONGEST_START].strip("-")
    return f"{start or 'customer'}~{hashlib.sha256(key.encode()).hexdigest()[:12]}.yaml"


def check_place(folder: Path) -> None:
    """Raise ReconcilerError where no folder of this path can be filled, before anything is asked of the account."""
    if folder.exists() and not folder.is_dir():
        raise ReconcilerError(f"{visible(str(folder))}: it is a file", "choose another path")
    output.check_parent(folder)


def write_folder(folder: Path, names: Mapping[str, str]) -> list[Path]:
    """
    Write texts by their files' names, for their owner alone; none where one cannot be, or is there already.

    Return the files.

    The files are made in a hidden folder, which plans pass over, and get their names when all are whole.
    """
    there = {one.name.lower() for one in folder.iterdir()} if folder.exists() else set()
    if taken := sorted(names.keys() & there):
        more = f" and {len(taken) - _SHOWN} more" if len(taken) > _SHOWN else ""
        raise ReconcilerError(
            f"{visible(str(folder))}: {count(len(taken), 'file')} would be overwritten; nothing was written: "
            f"{', '.join(taken[:_SHOWN])}{more}",
            "choose another folder, or remove them",
        )
    try:
        _write(folder, names)
    except OSError as exc:
        words = f"{visible(str(folder))}: it cannot be written: {exc.strerror}"
        raise ReconcilerError(words, "choose another path") from exc
    return [folder / name for name in names]


def _write(folder: Path, names: Mapping[str, str]) -> None:
    """Write the files beside their place, then move them there; OSError where that cannot be, and none stays."""
    new = not folder.exists()
    stage = Path(tempfile.mkdtemp(dir=folder.parent if new else folder, prefix=".import-"))
    given: list[Path] = []
    try:
        for name, text in names.items():
            descriptor = os.open(stage / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(text.encode())
        if new:
            stage.rename(folder)
            return
        for name in names:
            # Not a rename, which would replace what another put there meanwhile.
            (folder / name).hardlink_to(stage / name)
            given.append(folder / name)
    except BaseException:
        for one in given:
            one.unlink(missing_ok=True)
        raise
    finally:
        shutil.rmtree(stage, ignore_errors=True)


SCHEMA = "schema/customers.schema.json"


@dataclass(frozen=True, slots=True)
class Places:
    """Paths of a new file or a folder: `out`, None for stdout, and `pinned` for entries with an `id` line, if apart."""

    out: str | None
    pinned: str | None

    def check(self) -> None:
        """Raise ReconcilerError where nothing new can be written, before anything is asked of the account."""
        if self.out is not None:
            _check("-o", self.out)
        if self.pinned is not None:
            _check("--pinned", self.pinned)
            if self.out is not None and Path(self.out).resolve() == Path(self.pinned).resolve():
                raise ReconcilerError("-o and --pinned name the same path", "name two")

    def check_apart(self, settings: Settings) -> None:
        """
        Raise ReconcilerError where the project reads what is written: a plan would create it beside its originals.

        That concerns customers who are made up of those of this account.
        """
        try:
            read = settings.files()
        except Invalid:  # the project names no files
            return
        if self.out is not None and _is_read(self.out, read, settings):
            raise ReconcilerError(
                f"{visible(self.out)}: every environment of this project reads it, so a plan for this one would "
                "create the made-up customers beside the originals",
                "write to another path, such as -o demo/, and pass it with -f when you seed",
            )

    def check_pins(self, entries: Sequence[Written], settings: Settings, environment: Environment) -> str:
        """
        Return why a plan would refuse the `id` lines where they are to be written, "" where it takes them.

        In a project of several environments it takes them in an overlay, as an id belongs to one account.
        """
        number = sum(entry.id is not None for entry in entries)
        place = self.out if self.pinned is None else self.pinned
        if not number or settings.pins_allowed or (place is not None and is_overlay(place, settings, environment)):
            return ""
        name = visible(environment.name)
        written = count(number, "customer needs", "customers need")
        return (
            f"{written} an `id:` line, which must be in an overlay if the project has several environments: write "
            f"`overlays: [overlays/{name}.yaml]` under {name} in the project file, and pass "
            f"--pinned overlays/{name}.yaml"
        )

    def write(self, entries: Sequence[Written]) -> list[Path]:
        """Write all entries, and return the files; none for stdout."""
        if self.pinned is None:
            return _write_text(self.out, entries)
        apart = _write_text(self.pinned, [entry for entry in entries if entry.id is not None])
        return [*apart, *_write_text(self.out, [entry for entry in entries if entry.id is None])]


def _check(option: str, path: str) -> None:
    """Raise ReconcilerError where nothing new can be written to a path."""
    if not path:
        raise ReconcilerError(f"{option}: an empty path", "name a new file, or a folder")
    if _is_folder(path):
        check_place(Path(path))
        return
    output.check_new(Path(path))
    output.check_parent(Path(path))


def _is_folder(path: str) -> bool:
    """Say whether a path is written as a folder's, or is one."""
    return path.endswith(("/", os.sep)) or Path(path).is_dir()


def schema_from(folder: Path) -> str:
    """Return the path of the project's schema for editors, from a folder of the project; "" where there is none."""
    here = folder.resolve()
    for above in (here, *here.parents):
        if (above / SCHEMA).is_file():
            return Path(os.path.relpath(above / SCHEMA, here)).as_posix()
        if (above / PROJECT_FILE).exists() or (above / ".git").exists():
            break
    return ""


def _is_read(path: str, read: Sequence[str], settings: Settings) -> bool:
    """Say whether a file at a path would be read for one of the project's paths: a file, a folder, or a glob."""
    full = Path(path).resolve()
    return any(
        full.is_relative_to((settings.root / one).resolve()) or full.match(str(settings.root.resolve() / one))
        for one in read
    )


def is_overlay(path: str, settings: Settings, environment: Environment) -> bool:
    """Say whether a path is, or is in, one that the environment has for an overlay."""
    full = Path(path).resolve()
    return any(full.is_relative_to((settings.root / one).resolve()) for one in environment.overlays)


def _write_text(path: str | None, entries: Sequence[Written]) -> list[Path]:
    """Write entries to stdout, to one file, or to one file each; return the files."""
    if path is not None and _is_folder(path):
        schema = schema_from(Path(path))
        return write_folder(Path(path), {file_name(one.key): write_customers([one], schema=schema) for one in entries})
    schema = "" if path is None else schema_from(Path(path).parent)
    output.document_to(None if path is None else Path(path), write_customers(entries, schema=schema))
    return [] if path is None else [Path(path)]


COMMAND = "import --bind"
_NAMED = 3


def bind(session: Session, ledger: Ledger, paths: Sequence[Path], live: Live) -> None:
    """
    Bind what the files declare and `live` holds, and say what could not be bound.

    `ledger` is held for writing since before the account was read. What it binds already stays as it is: another
    file may be its entry's. So does what is not as declared, as then a plan has something to show.
    """
    desired = _written(session, paths)
    records = ledger.records()
    known = desired.customers.keys() & records.bindings.keys()
    terms = session.environment.terms(session.options)

    def draft(read: Live, settled: Records) -> Draft:
        return make_plan(desired, read, settled, terms)

    making = plan.planned_of(session.client, live, records, draft, terms, say=lambda _: None)
    planned = session.run(resources.with_renewed_lease(ledger, session.clock, making))
    planned = replace(planned, plan=without_requests(planned.plan, desired.customers.keys() - known))
    run = apply.new_run(session.clock, COMMAND, origin=origin_of_run(session.settings.root))
    done = apply.finished_run(run, session.clock, "done", requests=session.client.requests)
    ledger.commit([*apply.bookkeeping(planned, terms), PutRun(done)])
    bound = {row.external_id for row in planned.plan.entries}
    output.note(f"{count(len(bound), 'customer')} bound")
    if known:
        output.note(f"{count(len(known), 'is', 'are')} already bound and not changed")
    if left := sorted(desired.customers.keys() - known - bound):
        more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
        output.say(f"not bound: {', '.join(left[:_NAMED])}{more}; the next plan says why")


def _written(session: Session, paths: Sequence[Path]) -> Desired:
    """
    Return what was just written, as it is written: an overlay may want it otherwise, which the next plan shows.

    The environment's patterns hold, as they say whose customers it has.
    """
    environment = session.environment
    return load_desired(
        [path.absolute() for path in paths],
        root=session.settings.root,
        include=environment.include,
        exclude=environment.exclude,
    ).desired


ANONYMISE_KEY = "RECONCILER_ANONYMISE_KEY"
SHORTEST_SECRET = 16
"""In characters: with a shorter one, whoever has the file can try secrets until a name they know appears."""


def run(
    patterns: tuple[str, ...],
    out: str | None,
    pinned: str | None,
    *,
    options: Options,
    anonymise: bool,
    binds: bool,
    no_users: bool,
    synced: str | None = None,
) -> None:
    """Write live customers and their users as YAML."""
    if binds and (out is None or anonymise):
        why = (
            "--anonymise writes no customer of this account"
            if anonymise
            else "the ledger records the file: pass -o PATH"
        )
        raise click.UsageError(f"--bind: {why}")
    places = Places(out, pinned)
    places.check()
    secret = _secret() if anonymise else ""
    settings = settings_of(options)
    environment = settings.environment()
    if anonymise:
        places.check_apart(settings)
    with (
        connected(settings, options, environment) as session,
        _ledger(session, writable=binds) as ledger,
    ):
        account = _read(session, ledger, patterns, places if binds else None, users=not no_users, synced=synced)
        entries = _entries(account, secret)
        if not binds and (refused := places.check_pins(entries, settings, environment)):
            output.say(f"warning: {refused}")
        paths = places.write(entries)
        output.note(f"{count(len(entries), 'customer')} written; {count(session.client.requests, 'request')}")
        if binds and paths:
            _bind(session, ledger, paths, account.live)


def _bind(session: Session, ledger: Ledger, paths: Sequence[Path], live: Live) -> None:
    """Bind what was written; say that it is written where that cannot be."""
    try:
        bind(session, ledger, paths, live)
    except ReconcilerError:
        output.say(
            "it was written, but nothing was bound: after you fix this, an apply of the file binds the customers"
        )
        raise


def _ledger(session: Session, *, writable: bool) -> AbstractContextManager[Ledger]:
    """Return the ledger, held for writing where it is to be written."""
    if writable:
        return session.run(resources.begin(session.environment, session.clock, doing=COMMAND))
    return resources.open_ledger(session.environment, writable=False)


def _read(
    session: Session,
    ledger: Ledger,
    patterns: tuple[str, ...],
    places: Places | None,
    *,
    users: bool,
    synced: str | None,
) -> inspect.LiveAccount:
    """
    Return what is live and matches, its price said before it is paid.

    Raise ReconcilerError where the next plan would not take it at `places`, before its users are paid for.
    """
    matches = selecting(patterns)

    def chosen(one: LiveCustomer) -> bool:
        wanted = synced is None or one.synced is (synced == "only")
        return wanted and (not patterns or matches(one.external_id))

    records = ledger.records()
    rate_per_s = session.environment.rate_per_s
    with shown_progress(session.clock) as progress:

        def listed(customers: Sequence[LiveCustomer]) -> None:
            refused = places and places.check_pins(adopt(customers, {}).entries, session.settings, session.environment)
            if refused:
                raise ReconcilerError(f"nothing was written: {refused}")
            if users:
                progress.note(_price(session.client, len(customers), rate_per_s))

        progress.note(reading_price(records.learned, 0, rate_per_s))
        reading = inspect.account(
            session.client,
            records,
            chosen=chosen,
            users=users,
            say=progress.planning,
            listed=listed,
        )
        account = session.run(
            resources.with_renewed_lease(ledger, session.clock, reading) if ledger.writable else reading
        )
    output.warn_of_nobody(patterns, lambda: [one.external_id for one in account.live.listed.values()])
    return account


def _entries(account: inspect.LiveAccount, secret: str) -> tuple[Written, ...]:
    """Return the entries, without their people where there is a secret, and say what had to be left out."""
    if account.archived:
        output.say(
            f"warning: {count(account.archived, 'customer is', 'customers are')} left out: archived by Reconciler"
        )
    adopted = adopt(account.customers, account.users, account.live.unaddressed)
    if not secret:
        for words in adopted.left_out:
            output.say(f"warning: {words}")
        return adopted.entries
    # Only here: Faker takes half a second to load.
    from reconciler.synthetic.people import anonymize_customers

    if adopted.left_out:
        # What it was names whom it was of.
        output.say(f"warning: {count(len(adopted.left_out), 'value')} left out, because no file can hold it")
    return tuple(anonymize_customers(adopted.entries, secret))


def _secret() -> str:
    """Return the secret by which values are replaced; ReconcilerError where there is none to speak of."""
    secret = os.environ.get(ANONYMISE_KEY, "")
    if len(secret) < SHORTEST_SECRET:
        raise ReconcilerError(
            f"{ANONYMISE_KEY} is not set, or shorter than {SHORTEST_SECRET} characters",
            "set it to a long random text and keep it: the same secret makes the same replacements",
        )
    return secret


def _price(client: ApiClient, users: int, rate_per_s: float) -> str:
    """Return what is about to be paid."""
    time = f", {duration(users / rate_per_s)}" if rate_per_s else ""
    sent = count(client.requests, "request")
    return f"{sent} sent; the users of {count(users, 'customer')} take {users} more{time}"
