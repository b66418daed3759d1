"""`history`: what each run did; `history prune` removes the values of old runs."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any

import click

from reconciler.cli import output
from reconciler.cli.session import settings_of
from reconciler.errors import ReconcilerError, Refused
from reconciler.escape import visible
from reconciler.kinds.kind import canonical_email
from reconciler.ledger.base import Ledger
from reconciler.model.core import Address
from reconciler.model.ledger import Intent, Run
from reconciler.pipeline import resources
from reconciler.pipeline.history import Retention, named_run, retention
from reconciler.pipeline.resources import real_clock
from reconciler.report.history import SHORT, Life, changes_json, life_text, run_text, runs_json, runs_text
from reconciler.report.layout import count
from reconciler.settings import Options


def listed(run: str | None, key: str | None, form: str, *, options: Options, redact: bool) -> None:
    """Print the runs, the changes of one, those of a customer, or those of a customer in one run."""
    environment = settings_of(options).environment()
    how: dict[str, Any] = {"width": output.width(), "color": output.color()}
    life: Life | None = None
    with resources.open_ledger(environment, writable=False) as ledger:
        tallies, runs = ledger.tallies(), ledger.runs()
        named = None if run is None else named_run(ledger, run)
        if key is not None:
            life, intents = _life(ledger, key)
            names = {one.run for one in intents}
            runs = tuple(one for one in runs if one.id in names)
            if named is not None:
                intents = tuple(one for one in intents if one.run == named.id)
                _touched(key, named, runs, intents)
        elif named is not None:
            intents = ledger.intents(named.id)
        else:
            intents = ()
        runs = runs if named is None else (named,)
    if form == "json":
        about_changes = run is not None or key is not None
        document = runs_json(runs, tallies)
        if about_changes:
            document = changes_json(runs, tallies, intents, life, redact=redact)
        output.json_result(document)
    elif life is not None:
        output.result(life_text(life, runs, intents, redact=redact, **how))
    elif named is not None:
        output.result(run_text(named, tallies, intents, redact=redact, **how))
    else:
        output.result(runs_text(runs, tallies, **how))


def _life(ledger: Ledger, key: str) -> tuple[Life, tuple[Intent, ...]]:
    """Return a customer, or a user, and every change of it; ReconcilerError where the ledger has never had it."""
    address = Address.parse(key)
    name = address.external_id
    intents, bindings = ledger.history(name), ledger.records().bindings
    ids = {one.id for one in intents if one.id is not None}
    bound = bindings.get(name) or next((row for row in bindings.values() if row.id in {name, *ids}), None)
    keys = tuple(dict.fromkeys(one.address.external_id for one in reversed(intents) if one.address.external_id))
    if bound is not None:
        keys = tuple(dict.fromkeys((bound.external_id, *keys)))
    if address.email is not None:
        email = canonical_email(address.email)
        intents = tuple(one for one in intents if canonical_email(one.address.email or "") == email)
    if not intents and (bound is None or address.email is not None):
        raise ReconcilerError(f"{key}: the ledger has no changes for it", _near(ledger, address))
    return Life(key, bound, keys), intents


def _near(ledger: Ledger, address: Address) -> str:
    """Return what may be meant by an address that the ledger has never had."""
    changed = {one.address for run in ledger.runs() for one in ledger.intents(run.id)}
    known = {str(Address(key)) for key in ledger.records().bindings}
    known |= {str(one) if address.email is not None else str(Address(one.external_id)) for one in changed}
    near = get_close_matches(str(address), sorted(known - {"", str(address)}), n=3)
    return f"did you mean {' or '.join(near)}?" if near else "`reconciler state list` lists the customers of the ledger"


def _touched(key: str, run: Run, runs: tuple[Run, ...], intents: tuple[Intent, ...]) -> None:
    """Raise ReconcilerError where a run did not change what `key` names; `runs` are those that did."""
    if intents:
        return
    others = ", ".join(one.id[:SHORT] for one in runs[-_NAMED:])
    more = "the latest runs that did" if len(runs) > _NAMED else "runs that did"
    hint = f"{more}: {others}; `reconciler history --key {key}` lists its changes" if runs else "no run changed it"
    raise ReconcilerError(f"{key}: run {run.id[:SHORT]} did not change it", hint)


_NAMED = 5
"""So many runs are named in a hint, the latest ones."""


def prune(days: int, *, options: Options, auto_approve: bool) -> None:
    """Remove the values of runs that began more than `days` days ago."""
    from reconciler.pipeline.apply import rfc3339_us

    environment = settings_of(options).environment()
    now = datetime.fromtimestamp(real_clock().now(), UTC)
    before = now - timedelta(days=days)
    with resources.locked_ledger(environment, doing="history prune") as ledger:
        found = retention(ledger, before=rfc3339_us(before), now=rfc3339_us(now))
        for run in found.in_doubt:
            output.say(f"run {run.id} stays as it is: the next run that writes settles its changes in doubt")
        if not found.runs:
            output.report(f"Nothing to remove: no run with values started before {before:%Y-%m-%d}.")
            return
        if not auto_approve:
            _agreed(found, f"{before:%Y-%m-%d}")
        ledger.commit(found.writes)
    for run in found.runs:
        output.report(visible(f"{run.id}  {run.started_at}  {run.command}"))
    output.report(f"Removed the values of {_told(found)}.")


def _agreed(found: Retention, before: str) -> None:
    """Ask; Refused where there is no consent."""
    if not output.is_terminal(sys.stdin):
        raise Refused("there is no terminal to ask for consent; nothing was removed", "give --auto-approve")
    question = f"Remove the values of {_told(found)}, begun before {before}? You will not be able to undo them."
    if not click.confirm(question, default=False, err=True):
        raise Refused("nothing was removed")


def _told(found: Retention) -> str:
    """Return in words what is removed."""
    return f"{count(len(found.runs), 'run')} ({count(found.changes, 'change')})"
