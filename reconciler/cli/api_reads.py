"""`api … list` and `get`: one reply as it came, or all pages of a list in one."""

from __future__ import annotations

import click

from reconciler.api.origin import origin
from reconciler.api.pages import whole
from reconciler.api.request import Request
from reconciler.cli import api_options as given
from reconciler.cli import options as shared
from reconciler.cli import output
from reconciler.cli.api_options import How
from reconciler.cli.main import Chosen
from reconciler.cli.session import Session, connected, options_of, settings_of
from reconciler.endpoints import (
    Filters,
    Paging,
    get_customer,
    get_payment_method,
    list_customers,
    list_payment_methods,
    list_users,
)
from reconciler.model import CustomerId
from reconciler.report.replies import reply_lines, reply_text, request_json
from reconciler.settings import Environment
from reconciler.terms import UNBOUNDED, Allowance


@click.command("list", short_help="List customers: a page, or all")
@given.filters
@given.paging
@shared.budget
@given.sending
@click.pass_context
def customers(
    ctx: click.Context, filters: Filters, paging: Paging, budget: Allowance, how: How, *, every: bool
) -> None:
    """
    Print a page of customers as the API replies; with --all every page, as one list.

    \b
    Example:
      reconciler api customers list --limit 10
      reconciler api customers list --all --created-at-start 2026-01-01T00:00:00Z
    """  # noqa: D301 - click's mark
    asked(ctx, list_customers(_first(paging, every=every), filters), how, budget, every=every)


@click.command("get")
@given.customer_id
@given.sending
@click.pass_context
def customer(ctx: click.Context, customer: str, how: How) -> None:
    """
    Print one customer as the API replies.

    \b
    Example:
      reconciler api customers get cus_9f3
    """  # noqa: D301 - click's mark
    asked(ctx, get_customer(CustomerId(customer)), how)


@click.command("list")
@given.customer_id
@given.paging
@shared.budget
@given.sending
@click.pass_context
def users(ctx: click.Context, customer: str, paging: Paging, budget: Allowance, how: How, *, every: bool) -> None:
    """
    Print a page of a customer's users as the API replies; with --all every page, as one list.

    \b
    Example:
      reconciler api users list cus_9f3 --all
    """  # noqa: D301 - click's mark
    asked(ctx, list_users(CustomerId(customer), _first(paging, every=every)), how, budget, every=every)


@click.command("list")
@given.customer_id
@given.sending
@click.pass_context
def payment_methods(ctx: click.Context, customer: str, how: How) -> None:
    """
    Print a customer's payment methods as the API replies.

    \b
    Example:
      reconciler api payment-methods list cus_9f3
    """  # noqa: D301 - click's mark
    asked(ctx, list_payment_methods(CustomerId(customer)), how)


@click.command("get")
@given.customer_id
@click.argument("method", metavar="METHOD_ID", type=given.IdType())
@given.sending
@click.pass_context
def payment_method(ctx: click.Context, customer: str, method: str, how: How) -> None:
    """
    Print one payment method as the API replies.

    \b
    Example:
      reconciler api payment-methods get cus_9f3 pm_1
    """  # noqa: D301 - click's mark
    asked(ctx, get_payment_method(CustomerId(customer), method), how)


def asked(
    ctx: click.Context, request: Request, how: How, budget: Allowance = UNBOUNDED, *, every: bool = False
) -> None:
    """Send `request` and print the reply; with `every` that of all pages from it on."""
    chosen: Chosen = ctx.obj
    options = options_of(chosen, budget, rate_per_s=how.rate_per_s)
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


def _first(paging: Paging, *, every: bool) -> Paging:
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
