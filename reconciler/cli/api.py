"""`api`: one request to one endpoint, journalled where it changes something; its reply as it came."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import click

from reconciler import endpoints
from reconciler.api.exchange import Request
from reconciler.api.pagination import whole
from reconciler.api.transport import origin
from reconciler.apply import direct_request
from reconciler.apply.direct_request import DirectRequest
from reconciler.apply.execute import ApplyEvent, Settling
from reconciler.cli import output
from reconciler.cli.carry_out import stopped_by_signals
from reconciler.cli.commands.api import How
from reconciler.cli.session import Session, connected, settings_of
from reconciler.endpoints import Filters, PageQuery
from reconciler.errors import Interrupted, ReconcilerError
from reconciler.ledger.base import Ledger
from reconciler.model.core import CustomerId, Status
from reconciler.pipeline import api_change, apply, resources
from reconciler.pipeline.api_change import PreparedRequest, RequestResult
from reconciler.pipeline.resources import origin_of_run
from reconciler.report.messages.failures import outcome_text
from reconciler.report.redact import masked_outcome
from reconciler.report.replies import reply_lines, reply_text, request_json
from reconciler.settings import Environment, Options


def list_customers(filters: Filters, paging: PageQuery, how: How, *, options: Options, every: bool) -> None:
    """Print a page of customers, or all."""
    asked(endpoints.list_customers(_first(paging, every=every), filters), how, options, every=every)


def get_customer(customer: str, how: How, *, options: Options) -> None:
    """Print one customer."""
    asked(endpoints.get_customer(CustomerId(customer)), how, options)


def list_users(customer: str, paging: PageQuery, how: How, *, options: Options, every: bool) -> None:
    """Print a page of a customer's users, or all."""
    asked(endpoints.list_users(CustomerId(customer), _first(paging, every=every)), how, options, every=every)


def list_payment_methods(customer: str, how: How, *, options: Options) -> None:
    """Print a customer's payment methods."""
    asked(endpoints.list_payment_methods(CustomerId(customer)), how, options)


def get_payment_method(customer: str, method: str, how: How, *, options: Options) -> None:
    """Print one payment method."""
    asked(endpoints.get_payment_method(CustomerId(customer), method), how, options)


def asked(request: Request, how: How, options: Options, *, every: bool = False) -> None:
    """Send `request` and print the reply; with `every` that of all pages from it on."""
    settings = settings_of(options)
    environment = settings.environment()
    if how.dry_run:
        shown(environment, request, how)
        return
    with connected(settings, options, environment) as session:
        if every:
            rows = session.run(_all(session, request))
            output.pieces(reply_lines(rows, redact=how.redact))
        else:
            reply = session.run(session.client.send(request))
            output.result(reply_text(reply.body, redact=how.redact))


def shown(environment: Environment, request: Request, how: How) -> None:
    """Print `request` in place of sending it."""
    output.json_result(request_json(request, str(origin(environment.base_url())), redact=how.redact))


def _first(paging: PageQuery, *, every: bool) -> PageQuery:
    """Return the first page that is asked for; UsageError where all pages are, and one before another."""
    if every and paging.before:
        raise click.UsageError("--all reads forward and --before backward: use only one of them")
    return paging


async def _all(session: Session, request: Request) -> list[object]:
    """Return the rows of all pages, each once: one that moved to a later page while they were read is the later one."""
    query = dict(request.query)
    limit, after = int(query.pop("limit", "100")), query.pop("after", "")
    rows: dict[object, object] = {}
    async for page in whole(session.client, request.path, tuple(query.items()), limit=limit, after=after):
        for row in page.rows:
            known = row.get("id") if isinstance(row, dict) else None
            rows[known if isinstance(known, str) and known else ("", len(rows))] = row
    return list(rows.values())


def create_customer(
    values: Mapping[str, str], how: How, *, lock_timeout_s: float, options: Options, unchecked: bool
) -> None:
    _some(values)
    called(direct_request.create_customer(values, unchecked=unchecked), lock_timeout_s, how, options)


def patch_customer(
    customer: str,
    values: Mapping[str, str],
    nulls: tuple[str, ...],
    how: How,
    *,
    lock_timeout_s: float,
    options: Options,
) -> None:
    both = sorted({*values} & {*nulls})
    if both:
        raise click.UsageError(f"{both[0]}: it has both a value and --null")
    sent = {**values, **dict.fromkeys(nulls)}
    _some(sent)
    called(direct_request.patch_customer(CustomerId(customer), sent), lock_timeout_s, how, options)


def archive_customer(customer: str, how: How, *, lock_timeout_s: float, options: Options) -> None:
    called(direct_request.archive_customer(CustomerId(customer)), lock_timeout_s, how, options)


def restore_customer(customer: str, how: How, *, lock_timeout_s: float, options: Options) -> None:
    called(direct_request.restore_customer(CustomerId(customer)), lock_timeout_s, how, options)


def create_user(customer: str, values: Mapping[str, str], how: How, *, lock_timeout_s: float, options: Options) -> None:
    _some(values)
    called(direct_request.create_user(CustomerId(customer), values), lock_timeout_s, how, options)


def called(call: DirectRequest, lock_timeout_s: float, how: How, options: Options) -> None:
    """Make one call, print the reply to it, and end with its exit code."""
    settings = settings_of(options)
    environment = settings.environment()
    if how.dry_run:
        shown(environment, call.request, how)
        return
    with connected(settings, options, environment) as session:
        beginning = resources.begin(environment, session.clock, doing=call.name, timeout_s=lock_timeout_s)
        with session.run(beginning) as ledger:
            _print(_agreed_and_called(session, ledger, call), redact=how.redact)


def _agreed_and_called(session: Session, ledger: Ledger, call: DirectRequest) -> RequestResult:
    """Return what became of a call that the policy allows."""
    terms = session.environment.terms(session.options)
    prepared = session.run(
        resources.with_renewed_lease(ledger, session.clock, api_change.prepare(session.client, ledger, call, terms))
    )
    return session.run(resources.with_renewed_lease(ledger, session.clock, _carried(session, ledger, prepared)))


async def _carried(session: Session, ledger: Ledger, prepared: PreparedRequest) -> RequestResult:
    """Send the call; the first Ctrl-C stops it cleanly."""
    stop = asyncio.Event()
    with stopped_by_signals(stop):
        return await api_change.carry_out(
            session.client,
            ledger,
            prepared,
            session.environment.terms(session.options),
            run=apply.new_run(session.clock, prepared.call.name, origin=origin_of_run(session.settings.root)),
            clock=session.clock,
            stop=stop,
            tell=_waiting,
        )


def _waiting(told: ApplyEvent) -> None:
    """Say that a lost answer is being settled; all else is said by the reply."""
    match told:
        case Settling(_, wait_s):
            output.note(
                f"an answer was lost: waiting {wait_s:.0f} s until its result must be visible, then looking for it"
            )
        case _:
            pass


def _print(called: RequestResult, *, redact: bool) -> None:
    """Print the reply to a call that was done; raise what it ended in otherwise."""
    outcome = masked_outcome(called.outcome) if redact else called.outcome
    if outcome.status is not Status.DONE:
        if called.result.interrupted:
            raise Interrupted(outcome_text(outcome))
        raise ReconcilerError(outcome_text(outcome))
    if said := outcome_text(outcome):
        output.say(said)
    output.result(reply_text(called.body, redact=redact))
    if called.result.interrupted:
        raise Interrupted("interrupted; the change was made")


def _some(values: Mapping[str, str | None]) -> None:
    """Raise UsageError where no field is given."""
    if not values:
        raise click.UsageError("give at least one field, such as --name")
