"""
`api`: every endpoint, thin.

What a command does is in the module of its name, which is imported when it runs.
"""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli import api_options as own
from reconciler.cli import options as shared
from reconciler.kinds.kind import CUSTOMER, USER


@click.group("api", short_help="Ask any endpoint of the API, thin")
def api() -> None:
    """
    Ask any endpoint of the API, and print its reply as JSON, the fields that are not known too.

    The key, the pace and the errors are those of every other command. What changes the account takes the lock,
    stands in the history, and manages nothing. --dry-run prints the request.

    \b
    Example:
      reconciler api customers list --all
      reconciler api customers patch cus_9f3 --city Boston
    """  # noqa: D301 - click's mark


@api.group("customers")
def customers() -> None:
    """
    List, get, create, patch, archive and restore customers.

    \b
    Example:
      reconciler api customers get cus_9f3
    """  # noqa: D301 - click's mark


@api.group("users")
def users() -> None:
    """
    List and create a customer's users.

    \b
    Example:
      reconciler api users list cus_9f3
    """  # noqa: D301 - click's mark


@api.group("payment-methods")
def payment_methods() -> None:
    """
    List and get a customer's payment methods.

    \b
    Example:
      reconciler api payment-methods list cus_9f3
    """  # noqa: D301 - click's mark


@customers.command("list", short_help="List customers: a page, or all")
@own.filters
@own.paging
@shared.budget
@own.sending
def list_customers(**given: Any) -> None:
    """
    Print a page of customers as the API replies; with --all every page, as one list.

    \b
    Example:
      reconciler api customers list --limit 10
      reconciler api customers list --all --created-at-start 2026-01-01T00:00:00Z
    """  # noqa: D301 - click's mark
    from reconciler.cli.api_reads import list_customers

    list_customers(**given)


@customers.command("get")
@own.customer_id
@own.sending
def get_customer(**given: Any) -> None:
    """
    Print one customer as the API replies.

    \b
    Example:
      reconciler api customers get cus_9f3
    """  # noqa: D301 - click's mark
    from reconciler.cli.api_reads import get_customer

    get_customer(**given)


@users.command("list")
@own.customer_id
@own.paging
@shared.budget
@own.sending
def list_users(**given: Any) -> None:
    """
    Print a page of a customer's users as the API replies; with --all every page, as one list.

    \b
    Example:
      reconciler api users list cus_9f3 --all
    """  # noqa: D301 - click's mark
    from reconciler.cli.api_reads import list_users

    list_users(**given)


@payment_methods.command("list")
@own.customer_id
@own.sending
def list_payment_methods(**given: Any) -> None:
    """
    Print a customer's payment methods as the API replies.

    \b
    Example:
      reconciler api payment-methods list cus_9f3
    """  # noqa: D301 - click's mark
    from reconciler.cli.api_reads import list_payment_methods

    list_payment_methods(**given)


@payment_methods.command("get")
@own.customer_id
@click.argument("method", metavar="METHOD_ID", type=own.IdType())
@own.sending
def get_payment_method(**given: Any) -> None:
    """
    Print one payment method as the API replies.

    \b
    Example:
      reconciler api payment-methods get cus_9f3 pm_1
    """  # noqa: D301 - click's mark
    from reconciler.cli.api_reads import get_payment_method

    get_payment_method(**given)


@customers.command("create")
@own.values((CUSTOMER.identity, *CUSTOMER.fields))
@click.option("--unchecked", is_flag=True, help="Send it without a look whether the external_id is in use.")
@own.asking
@own.sending
def create_customer(**given: Any) -> None:
    """
    Create one customer, and print it as the API replies. It is not managed: no plan will change or archive it.

    With an external_id the account is listed first, twice where it takes several pages: the create is refused
    where a customer has that external_id. If the answer is lost, the customer is looked for before anything is
    sent again.

    \b
    Example:
      reconciler api customers create --name "Acme Corp" --email billing@acme.example --external-id acme
    """  # noqa: D301 - click's mark
    from reconciler.cli.api_writes import create_customer

    create_customer(**given)


@customers.command("patch")
@own.customer_id
@own.values(own.PATCHABLE)
@click.option(
    "--null",
    "nulls",
    multiple=True,
    type=click.Choice([field.name for field in own.PATCHABLE]),
    help="Send null for this field; repeatable.",
)
@own.asking
@own.sending
def patch_customer(**given: Any) -> None:
    """
    Patch one customer, and print it as the API replies. Where it is managed, the next plan shows it as drift.

    \b
    Example:
      reconciler api customers patch cus_9f3 --city "New York" --sub-premise ""
    """  # noqa: D301 - click's mark
    from reconciler.cli.api_writes import patch_customer

    patch_customer(**given)


@customers.command("archive")
@own.customer_id
@own.asking
@own.sending
def archive_customer(**given: Any) -> None:
    """
    Archive one customer, and print the API's reply. One that is protected is refused.

    \b
    Example:
      reconciler api customers archive cus_9f3
    """  # noqa: D301 - click's mark
    from reconciler.cli.api_writes import archive_customer

    archive_customer(**given)


@customers.command("restore")
@own.customer_id
@own.asking
@own.sending
def restore_customer(**given: Any) -> None:
    """
    Restore one customer, and print the API's reply.

    \b
    Example:
      reconciler api customers restore cus_9f3
    """  # noqa: D301 - click's mark
    from reconciler.cli.api_writes import restore_customer

    restore_customer(**given)


@users.command("create")
@own.customer_id
@own.values((USER.identity, *USER.fields))
@own.asking
@own.sending
def create_user(**given: Any) -> None:
    """
    Create one user of a customer, and print it as the API replies. The user probably gets an e-mail of the vendor.

    \b
    Example:
      reconciler api users create cus_9f3 --email jane@acme.example --first-name Jane
    """  # noqa: D301 - click's mark
    from reconciler.cli.api_writes import create_user

    create_user(**given)
