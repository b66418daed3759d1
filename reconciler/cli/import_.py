"""`import`: live customers and their users as YAML that plans to nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import click

from reconciler.api.client import ApiClient
from reconciler.cli import output
from reconciler.cli.bind import COMMAND as BINDING
from reconciler.cli.bind import bind
from reconciler.cli.placing import Places
from reconciler.cli.session import Session, connected, settings_of, shown_progress
from reconciler.desired.write import Written, adopt
from reconciler.errors import ReconcilerError
from reconciler.ledger.base import Ledger
from reconciler.model.core import Live, LiveCustomer
from reconciler.pipeline import inspect, resources
from reconciler.plan.scope import selecting
from reconciler.report.layout import count, duration
from reconciler.report.plan_words import reading_price
from reconciler.settings import Options

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
) -> None:
    """Write live customers and their users as YAML."""
    if binds and (out is None or anonymise):
        why = (
            "--anonymise writes nobody of this account" if anonymise else "the ledger remembers the file: give -o PATH"
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
        account = _read(session, ledger, patterns, places if binds else None, users=not no_users)
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
        output.say("it is written, and nothing is bound: an apply of it binds them once this is mended")
        raise


def _ledger(session: Session, *, writable: bool) -> AbstractContextManager[Ledger]:
    """Return the ledger, held for writing where it is to be written."""
    if writable:
        return session.run(resources.begin(session.environment, session.clock, doing=BINDING))
    return resources.open_ledger(session.environment, writable=False)


def _read(
    session: Session, ledger: Ledger, patterns: tuple[str, ...], places: Places | None, *, users: bool
) -> inspect.LiveAccount:
    """
    Return what is live and matches, its price said before it is paid.

    Raise ReconcilerError where the next plan would not take it at `places`, before its users are paid for.
    """
    matches = selecting(patterns)
    records = ledger.records()
    rate_per_s = session.environment.rate_per_s
    with shown_progress(session.clock) as progress:

        def listed(customers: Sequence[LiveCustomer]) -> None:
            refused = places and places.check_pins(adopt(customers, {}).entries, session.settings, session.environment)
            if refused:
                raise ReconcilerError(f"nothing is written: {refused}")
            if users:
                progress.note(_price(session.client, len(customers), rate_per_s))

        progress.note(reading_price(records.learned, 0, rate_per_s))
        reading = inspect.account(
            session.client,
            records,
            chosen=lambda one: not patterns or matches(one.external_id),
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
        output.say(f"warning: {count(len(adopted.left_out), 'value')} that no file can hold, left out")
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
