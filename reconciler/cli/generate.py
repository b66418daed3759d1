"""`generate`: customers who do not exist."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli import options as shared
from reconciler.cli import output
from reconciler.cli.placing import schema_from
from reconciler.desired.write import write_customers
from reconciler.report.words import count


@click.command("generate")
@click.option("--customers", type=click.IntRange(min=0), default=10, show_default=True, help="How many customers.")
@click.option("--users", type=click.IntRange(min=0), default=0, show_default=True, help="How many users each has.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another number makes other customers.")
@shared.out("Write it to a new file.")
def command(customers: int, users: int, seed: int, out: Path | None) -> None:
    """
    Write synthetic customers and users as YAML, to fill an environment that is not production.

    The same seed gives the same customers, and a larger number holds the smaller one. All addresses of people
    are of example domains, since a created user may get an e-mail.

    \b
    Example:
      reconciler generate --customers 300 --users 2 -o customers/synthetic.yaml
    """  # noqa: D301 - click's mark
    # Only here: Faker takes half a second to load.
    from reconciler.synthetic.generate import generated  # noqa: PLC0415

    if out is not None:
        output.check_new(out)
    text = write_customers(generated(customers, users, seed), schema="" if out is None else schema_from(out.parent))
    output.document_to(out, text)
    output.say(f"{count(customers, 'customer')} written, {count(customers * users, 'user')}")
