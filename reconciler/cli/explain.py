"""`explain KEY`: why a customer or a user is planned as it is, rule by rule."""

from __future__ import annotations

import click

from reconciler.cli import complete, output
from reconciler.cli import options as shared
from reconciler.cli.main import Chosen
from reconciler.cli.options import Limits
from reconciler.cli.planned import made
from reconciler.cli.session import connected, declared, options_of, settings_of
from reconciler.errors import ReconcilerError
from reconciler.model import Address
from reconciler.pipeline import opening
from reconciler.pipeline.runs import last_archive
from reconciler.plan.explain import alike, explain
from reconciler.plan.saved import plan_to_json
from reconciler.report.explain import explanation_json, explanation_text
from reconciler.report.redact import masked_plan


@click.command("explain")
@click.argument("key", type=complete.Key())
@shared.files
@shared.limits
@shared.rate
@shared.redact
@shared.output_format("text", "json")
@click.pass_context
def command(
    ctx: click.Context,
    key: str,
    files: tuple[str, ...],
    rate_per_s: float | None,
    form: str,
    *,
    limits: Limits,
    redact: bool,
) -> None:
    """
    Tell why a customer (external_id) or a user (external_id/email) is planned as it is, with the evidence.

    It makes the plan that `plan` would make, needs read access only, and writes nothing.

    \b
    Example:
      reconciler explain acme -f customers.yaml
    """  # noqa: D301 - click's mark
    chosen: Chosen = ctx.obj
    options = options_of(chosen, limits, files=files, rate_per_s=rate_per_s)
    settings = settings_of(options)
    environment = settings.environment()
    desired = declared(settings, environment, redact=redact).desired
    terms = environment.terms(options)
    with (
        connected(settings, options, environment) as session,
        opening.open_ledger(environment, writable=False) as ledger,
    ):
        planned = made(session, ledger, desired, terms)
        address = Address.parse(key)
        row = planned.records.bindings.get(address.external_id)
        archived = None if row is None else last_archive(ledger, row)
        former = row is None and bool(ledger.history(address.external_id))
    told = explain(address, planned.plan, desired, planned.live, planned.records, terms, archived)
    if told is None:
        near = alike(address.external_id, desired, planned.records)
        hint = "check it: an external_id is compared as it is, and a / in it is written %2F"
        if address.external_id not in near and near:
            hint = f"did you mean {' or '.join(str(Address(one)) for one in near)}?"
        if former:
            hint = f"the history has it: `reconciler history --key {Address(address.external_id)}`"
        what = "customer" if address.email is None else "user"
        raise ReconcilerError(f"{key}: no such {what} is declared, live or recorded", hint)
    if form == "json":
        plan = plan_to_json(told.outcome, mask=masked_plan if redact else None)
        output.json_result(explanation_json(told, plan, redact=redact))
    else:
        output.result(explanation_text(told, width=output.width(), color=output.color(), redact=redact))
