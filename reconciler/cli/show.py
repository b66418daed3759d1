"""`show KEY`: one customer as it is declared, live and recorded."""

from __future__ import annotations

import click

from reconciler.cli import complete, output
from reconciler.cli import options as shared
from reconciler.cli.main import Chosen
from reconciler.cli.session import connected, declared, options_of, settings_of
from reconciler.errors import Invalid, ReconcilerError
from reconciler.model import Address, DesiredCustomer
from reconciler.pipeline import looking, opening
from reconciler.report.replies import reply_text
from reconciler.report.show import CustomerView, customer_json, customer_text
from reconciler.settings import Environment, Settings


@click.command("show")
@click.argument("key", type=complete.Key())
@shared.files
@shared.rate
@shared.redact
@shared.output_format("text", "json")
@click.option("--raw", is_flag=True, help="Print the API's own reply to a get of it, with fields that are not known.")
@click.pass_context
def command(
    ctx: click.Context,
    key: str,
    files: tuple[str, ...],
    rate_per_s: float | None,
    form: str,
    *,
    redact: bool,
    raw: bool,
) -> None:
    """
    Show one customer by its external_id: declared, live, recorded, its users and payment methods.

    \b
    Example:
      reconciler show acme
      reconciler show acme --raw
    """  # noqa: D301 - click's mark
    chosen: Chosen = ctx.obj
    options = options_of(chosen, files=files, rate_per_s=rate_per_s)
    settings = settings_of(options)
    environment = settings.environment()
    external_id = Address.parse(key).external_id
    customer = _declared(settings, environment, external_id, redact=redact)
    with (
        connected(settings, options, environment) as session,
        opening.open_ledger(environment, writable=False) as ledger,
    ):
        pin = customer.id if customer is not None else None
        if raw:
            body = session.run(looking.reply(session.client, ledger, external_id, pin))
            output.result(reply_text(body, redact=redact))
            return
        sides = session.run(looking.sides(session.client, ledger, external_id, pin))
    if customer is None and sides.recorded is None and sides.live is None:
        raise ReconcilerError(
            f"{key}: no such customer is declared, live or recorded",
            "check the external_id: it is compared as it is, and a / in it is written %2F",
        )
    view = CustomerView(external_id, customer, sides.live, sides.recorded, sides.users, sides.payment_methods)
    if form == "json":
        output.json_result(customer_json(view, redact=redact))
    else:
        output.result(customer_text(view, width=output.width(), color=output.color(), redact=redact))


def _declared(
    settings: Settings, environment: Environment, external_id: str, *, redact: bool
) -> DesiredCustomer | None:
    """Return the declared customer, None where no files are named, or they do not declare it."""
    try:
        settings.files()
    except Invalid:
        return None
    return declared(settings, environment, redact=redact).desired.customers.get(external_id)
