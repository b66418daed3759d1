"""`show`: one customer as declared, live and recorded, or why it is planned as it is."""

from __future__ import annotations

from reconciler.cli import output
from reconciler.cli.plan import made
from reconciler.cli.session import connected, declared, settings_of
from reconciler.errors import Invalid, ReconcilerError
from reconciler.model.core import Address, DesiredCustomer
from reconciler.pipeline import inspect, resources
from reconciler.pipeline.history import last_move
from reconciler.plan.explain import alike, explain
from reconciler.report.replies import reply_text
from reconciler.report.show import CustomerView, customer_json, customer_text, explanation_json, explanation_text
from reconciler.settings import Environment, Options, Settings


def explain_key(
    key: str,
    form: str,
    *,
    options: Options,
    redact: bool,
) -> None:
    """Print the rules that were asked about `key`, and their evidence."""
    settings = settings_of(options)
    environment = settings.environment()
    desired = declared(settings, environment, redact=redact).desired
    terms = environment.terms(options)
    with (
        connected(settings, options, environment) as session,
        resources.open_ledger(environment, writable=False) as ledger,
    ):
        planned = made(session, ledger, desired, terms)
        address = Address.parse(key)
        row = planned.records.bindings.get(address.external_id)
        last = None if row is None else last_move(ledger, row)
        former = row is None and bool(ledger.history(address.external_id))
    told = explain(address, planned.plan, desired, planned.live, planned.records, terms, last)
    if told is None:
        near = alike(address.external_id, desired, planned.records)
        hint = "check it: external_ids are compared exactly, and a / in one is written %2F"
        if address.external_id not in near and near:
            hint = f"did you mean {' or '.join(str(Address(one)) for one in near)}?"
        if former:
            hint = f"its history is in the ledger: `reconciler history --key {Address(address.external_id)}`"
        what = "customer" if address.email is None else "user"
        raise ReconcilerError(f"{key}: no such {what} is declared, live or recorded", hint)
    if form == "json":
        from reconciler.report.plan_json import plan_to_json

        plan = plan_to_json(told.outcome, redact=redact)
        output.json_result(explanation_json(told, plan, redact=redact))
    else:
        output.result(explanation_text(told, width=output.width(), color=output.color(), redact=redact))


def run(
    key: str,
    form: str,
    *,
    options: Options,
    redact: bool,
    raw: bool,
) -> None:
    """Print one customer as it is declared, live and recorded."""
    settings = settings_of(options)
    environment = settings.environment()
    external_id = Address.parse(key).external_id
    customer = _declared(settings, environment, external_id, redact=redact)
    with (
        connected(settings, options, environment) as session,
        resources.open_ledger(environment, writable=False) as ledger,
    ):
        pin = customer.id if customer is not None else None
        if raw:
            body = session.run(inspect.reply(session.client, ledger, external_id, pin))
            output.result(reply_text(body, redact=redact))
            return
        sides = session.run(inspect.sides(session.client, ledger, external_id, pin))
    if customer is None and sides.recorded is None and sides.live is None:
        raise ReconcilerError(
            f"{key}: no such customer is declared, live or recorded",
            "check the external_id: it is compared exactly, and a / in it is written %2F",
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
