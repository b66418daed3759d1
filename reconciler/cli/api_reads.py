"""`api … list` and `get`: one reply as it came, or all pages of a list in one."""

from __future__ import annotations

import click

from reconciler import endpoints
from reconciler.api.pagination import whole
from reconciler.api.request import Request
from reconciler.api.transport import origin
from reconciler.cli import output
from reconciler.cli.api_options import How
from reconciler.cli.session import Session, connected, settings_of
from reconciler.endpoints import Filters, PageQuery
from reconciler.model.core import CustomerId
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
        raise click.UsageError("--all reads forward, and --before backward: give one of them")
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
