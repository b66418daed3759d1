"""`api`: every endpoint, thin."""

from __future__ import annotations

import click

from reconciler.cli import api_reads, api_writes


@click.group("api")
def command() -> None:
    """
    Ask any endpoint of the API, and print its reply as JSON, the fields that are not known too.

    The key, the pace and the errors are those of every other command. What changes the account takes the lock,
    stands in the history, and manages nothing. --dry-run prints the request.

    \b
    Example:
      reconciler api customers list --all
      reconciler api customers patch cus_9f3 --city Boston
    """  # noqa: D301 - click's mark


@command.group("customers")
def customers() -> None:
    """
    List, get, create, patch, archive and restore customers.

    \b
    Example:
      reconciler api customers get cus_9f3
    """  # noqa: D301 - click's mark


@command.group("users")
def users() -> None:
    """
    List and create a customer's users.

    \b
    Example:
      reconciler api users list cus_9f3
    """  # noqa: D301 - click's mark


@command.group("payment-methods")
def payment_methods() -> None:
    """
    List and get a customer's payment methods.

    \b
    Example:
      reconciler api payment-methods list cus_9f3
    """  # noqa: D301 - click's mark


customers.add_command(api_reads.customers)
customers.add_command(api_reads.customer)
customers.add_command(api_writes.create)
customers.add_command(api_writes.patch)
customers.add_command(api_writes.archive)
customers.add_command(api_writes.restore)
users.add_command(api_reads.users)
users.add_command(api_writes.create_user)
payment_methods.add_command(api_reads.payment_methods)
payment_methods.add_command(api_reads.payment_method)
