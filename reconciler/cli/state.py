"""`state`: what the ledger holds."""

from __future__ import annotations

from reconciler.cli import output
from reconciler.cli.session import settings_of
from reconciler.cli.state_change import matching
from reconciler.errors import ReconcilerError
from reconciler.model.core import Address
from reconciler.pipeline import resources
from reconciler.report.show import CustomerView, binding_json, bindings_text, customer_json, customer_text
from reconciler.settings import Options


def listed(patterns: tuple[str, ...], form: str, *, options: Options) -> None:
    """Print the customers that the ledger binds."""
    with resources.open_ledger(settings_of(options).environment(), writable=False) as ledger:
        rows = matching(ledger, patterns)
        if not rows:
            output.warn_of_nobody(patterns, lambda: ledger.records().bindings)
    if form == "json":
        output.json_result({"bindings": [binding_json(row) for row in rows]})
    else:
        output.result(bindings_text(rows, width=output.width(), color=output.color()))


def show(key: str, form: str, *, options: Options, redact: bool) -> None:
    """Print what the ledger holds of one customer."""
    external_id = Address.parse(key).external_id
    with resources.open_ledger(settings_of(options).environment(), writable=False) as ledger:
        row = ledger.binding(external_id)
    if row is None:
        raise ReconcilerError(f"{key}: the ledger does not hold it", "`reconciler state list` shows what it holds")
    view = CustomerView(external_id, recorded=row)
    if form == "json":
        output.json_result(customer_json(view, redact=redact))
    else:
        output.result(customer_text(view, width=output.width(), color=output.color(), redact=redact))
