"""`generate`: customers who do not exist."""

from __future__ import annotations

from pathlib import Path

from reconciler.cli import output
from reconciler.cli.placing import schema_from
from reconciler.desired.write import write_customers
from reconciler.report.layout import count
from reconciler.synthetic.people import generate_customers


def run(customers: int, users: int, seed: int, out: Path | None) -> None:
    """Write customers who do not exist."""
    if out is not None:
        output.check_new(out)
    text = write_customers(
        generate_customers(customers, users, seed), schema="" if out is None else schema_from(out.parent)
    )
    output.document_to(out, text)
    output.note(f"{count(customers, 'customer')} written, {count(customers * users, 'user')}")
