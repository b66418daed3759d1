"""`fleet`: the accounts that the project file names, listed and checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import output
from reconciler.cli.session import annotated_problems, check_metrics, read_declared, settings_of
from reconciler.errors import Invalid, LedgerFailed, Problem, Source
from reconciler.escape import MAX_BYTES, visible
from reconciler.model.fleet import AccountState, AccountStatus, FleetAccount
from reconciler.plan.saved_plan import as_pieces, as_text
from reconciler.report.layout import aligned, count, duration, page
from reconciler.settings import Options, Settings
from reconciler.settings.fleet import Fleet

if TYPE_CHECKING:
    from reconciler.report.fleet_page import FleetStatus


def fleet_of(
    options: Options, labels: Sequence[str], accounts: Sequence[str]
) -> tuple[Settings, Fleet, tuple[FleetAccount, ...]]:
    """Return the settings, the fleet and the accounts that are chosen; Invalid with all that is wrong with them."""
    if options.environment is not None:
        raise click.UsageError("fleet works on all accounts: name them as ACCOUNT, without -e")
    settings = settings_of(options)
    fleet = settings.fleet()
    # Its own job says so, where it has one: labels leave out an account whose labels cannot be read.
    for problem in fleet.problems if labels else ():
        output.say(f"warning: {problem}")
    return settings, fleet, fleet.chosen(labels, accounts)


def list_accounts(
    ctx: click.Context, form: str, *, options: Options, labels: Sequence[str], accounts: Sequence[str]
) -> None:
    """Print the accounts that are chosen, with what the fleet's table says of each."""
    settings, fleet, chosen = fleet_of(options, labels, accounts)
    if form == "brief":
        output.pieces(f"{one.name}\n" for one in chosen)
        ctx.exit(0)
    from reconciler.pipeline.resources import real_clock

    known = _known(settings, fleet, chosen)
    if form == "json":
        from reconciler.report.fleet_page import list_json

        output.pieces(as_pieces(list_json(fleet.environment, chosen, known)))
    else:
        output.result(_table(chosen, known, real_clock().now()))
    ctx.exit(0)


def _known(settings: Settings, fleet: Fleet, chosen: Sequence[FleetAccount]) -> Mapping[str, AccountStatus] | None:
    """Return what is known of accounts, None with a warning where the table cannot be read: a list needs only files."""
    from reconciler.fleet.table import open_table

    try:
        with open_table(settings, fleet.environment, create=False) as table:
            known = table.statuses()
    except (LedgerFailed, Invalid) as exc:
        why = exc.problems[0] if isinstance(exc, Invalid) else exc
        output.say(f"warning: the states of the accounts cannot be read: {why}")
        return None
    return {one.account: one for one in _statuses(known, chosen)}


def _table(chosen: Sequence[FleetAccount], known: Mapping[str, AccountStatus] | None, now: float) -> str:
    """Return the accounts as aligned rows."""
    if not chosen:
        return "No account is chosen.\n"
    from reconciler.report.fleet_page import TITLES, ago

    rows = [("ACCOUNT", "STATE", "LAST CHECK", "FOLDER", "LABELS", "EVERY")]
    for one in chosen:
        labels = ",".join(f"{name}={value}" for name, value in sorted(one.labels.items()))
        state, checked = "unknown", "-"
        if known is not None:
            status = known[one.name]
            state, checked = TITLES[status.state][0].lower(), ago(status.checked_at, now)
        every = duration(one.every_s)
        rows.append((visible(one.name), state, checked, visible(one.folder), visible(labels) or "-", every))
    lines = aligned(rows, width=output.width())
    if lines is None:
        return "".join(f"{' '.join(row)}\n" for row in rows[1:])
    return page(lines, width=output.width(), color=output.color())


# --- validate ----------------------------------------------------------------------------------------


def validate(
    ctx: click.Context,
    form: str,
    *,
    options: Options,
    labels: Sequence[str],
    accounts: Sequence[str],
    strict: bool,
    redact: bool,
) -> None:
    """Print what is wrong with the accounts that are chosen, and end with 1 for any error."""
    with annotated_problems(form, options, redact=redact):
        settings, _, chosen = fleet_of(options, labels, accounts)
    from reconciler.cli.files import print_problems

    problems, customers = _checked(settings, chosen, strict=strict)
    valid = f"Valid: {count(len(chosen), 'account')}, {count(customers, 'customer')} declared."
    ctx.exit(print_problems(problems, form, options, valid=valid, redact=redact))


def _checked(settings: Settings, chosen: Iterable[FleetAccount], *, strict: bool) -> tuple[list[Problem], int]:
    """Return the problems of accounts, each once, and how many customers they declare together."""
    problems: dict[Problem, None] = {}
    keys: dict[tuple[str, str], str] = {}
    customers = 0
    for account in chosen:
        found, declared = _of_account(settings.of(account), account, keys, strict=strict)
        problems |= dict.fromkeys(found)
        customers += declared
    problems |= dict.fromkeys(settings.shared_variables(chosen))
    return list(problems), customers


def _of_account(
    settings: Settings, account: FleetAccount, keys: dict[tuple[str, str], str], *, strict: bool
) -> tuple[list[Problem], int]:
    """Return what is wrong with one account, and how many customers it declares; `keys` are those seen by account."""
    try:
        environment = settings.environment()
    except Invalid as exc:
        return list(exc.problems), 0
    problems: list[Problem] = []
    declared = 0
    try:
        loaded = read_declared(settings, environment, settings.files(), None, strict=strict)
    except Invalid as exc:
        problems += exc.problems
    else:
        problems += loaded.warnings
        declared = len(loaded.desired.customers)
    # A command is not run for this: it may ask for a password, or be slow.
    if not environment.runs_a_command:
        try:
            environment.credentials()
            key = (environment.base_url(), environment.client_id())
            if keys.setdefault(key, account.name) != account.name:
                message = f"it has the same client id as the account {keys[key]}"
                hint = "give each account a key of its own: two would manage one account"
                problems.append(Problem(Source(visible(account.folder)), "", message, hint))
        except Invalid as exc:
            # Each account has this of its own, also where a line that all of them share is at fault.
            problems += [replace(one, message=f"account {account.name}: {one.message}") for one in exc.problems]
    return problems, declared


# --- status ------------------------------------------------------------------------------------------


def show_status(
    ctx: click.Context,
    form: str,
    out: Path | None,
    *,
    options: Options,
    labels: Sequence[str],
    accounts: Sequence[str],
    per_account: bool,
    max_bytes: int | None,
) -> None:
    """Print what is known of the accounts that are chosen, from the fleet's table alone."""
    if max_bytes is not None and form != "markdown":
        raise click.UsageError("--max-bytes works only with --format markdown")
    if per_account and form != "prometheus":
        raise click.UsageError("--per-account works only with --format prometheus")
    if form == "prometheus":
        check_metrics()
    settings, fleet, chosen = fleet_of(options, labels, accounts)
    status = status_of(settings, fleet, chosen)
    if form == "text" and out is None:
        from reconciler.report.fleet_page import status_text

        output.result(status_text(status, width=output.width(), color=output.color()))
    elif form == "json" and out is None:
        from reconciler.report.fleet_page import status_json

        output.pieces(as_pieces(status_json(status)))
    else:
        output.document_to(out, _document(status, form, per_account=per_account, max_bytes=max_bytes or MAX_BYTES))
    ctx.exit(0)


def status_of(settings: Settings, fleet: Fleet, chosen: Sequence[FleetAccount]) -> FleetStatus:
    """Return what is known of accounts; of one that no job has met, that it is new."""
    from reconciler.fleet.table import open_table
    from reconciler.pipeline.resources import real_clock
    from reconciler.report.fleet_page import FleetStatus

    with open_table(settings, fleet.environment, create=False) as table:
        known, days = table.statuses(), table.days()
    return FleetStatus(
        fleet.environment,
        settings.project,
        _statuses(known, chosen),
        real_clock().now(),
        {one.name: one.labels for one in chosen},
        days,
    )


def _statuses(known: Mapping[str, AccountStatus], chosen: Iterable[FleetAccount]) -> list[AccountStatus]:
    """Return what is known of each account; its file may say since its last job that it is suspended, or not."""
    statuses = []
    for one in chosen:
        status = known.get(one.name, AccountStatus(one.name, one.environment))
        if one.suspended != (status.state is AccountState.SUSPENDED):
            status = replace(status, state=AccountState.SUSPENDED if one.suspended else AccountState.NEW)
        statuses.append(status)
    return statuses


def _document(status: FleetStatus, form: str, *, per_account: bool, max_bytes: int) -> str:
    """Return a status in a format, as a file holds it."""
    from reconciler.report import fleet_page

    match form:
        case "json":
            return as_text(fleet_page.status_json(status))
        case "markdown":
            return fleet_page.status_markdown(status, max_bytes=max_bytes)
        case "html":
            return fleet_page.status_html(status)
        case "prometheus":
            from reconciler.report.metrics import status_metrics

            return status_metrics(status, per_account=per_account)
        case _:
            return fleet_page.status_text(status, width=output.PIPE_COLUMNS, color=False)
