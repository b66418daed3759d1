"""
The commands of `api`: every endpoint, its fields and options.

What a command does is imported when it runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli import completion
from reconciler.cli import options as shared
from reconciler.kinds.kind import CUSTOMER, USER, Field

if TYPE_CHECKING:
    from reconciler.endpoints import Filters, PageQuery


PATCHABLE = tuple(field for field in CUSTOMER.fields if field.patchable)

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class How:
    """How a request is sent and its reply printed; with `dry_run` it is printed itself, and not sent."""

    redact: bool
    dry_run: bool


class ValueType(click.ParamType[str]):
    """A text of a field: what the terminal gave that is no UTF-8 cannot be sent."""

    name = "TEXT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text."""
        text = str(value)
        if text != text.encode("utf-8", "ignore").decode():
            self.fail("this is not UTF-8 text", param, ctx)
        return text


class IdType(ValueType):
    """An id of the API, which is in a path: an empty one would make another request of it, and so would dots."""

    name = "ID"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the id."""
        text = super().convert(value, param, ctx)
        if text.strip(".") == "" or text != text.strip():
            self.fail(f"{text!r} is no id", param, ctx)
        return text


class CustomerIdType(IdType, completion.CustomerType):
    """The API's id of a customer; a shell is offered those that are recorded."""

    name = "ID"


class MomentType(click.ParamType[str]):
    """A time in RFC 3339, as the API takes it."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the time as it was written."""
        from reconciler.api.times import from_rfc3339

        text = str(value)
        if _MOMENT.fullmatch(text) is None or from_rfc3339(text.upper()) is None:
            self.fail(f"{text!r} is no time such as 2026-01-31T00:00:00Z", param, ctx)
        return text


customer_id = click.argument("customer", metavar="CUSTOMER_ID", type=CustomerIdType())
sending = shared.settings(
    click.option("--dry-run", is_flag=True, help="Print the request, with the secret masked. Send nothing."),
    shared.redact,
    shared.rate,
    shared.gathered("how", How, "redact", "dry_run"),
)
"""`--dry-run` and `--redact`, as the parameter `how`, and `--rate`."""
asking = shared.together(shared.lock_timeout, shared.approve)
"""`--lock-timeout` and `--approve`."""


def _paging(limit: int | None, after: str | None, before: str | None) -> PageQuery:
    """Return which page is asked for."""
    from reconciler.endpoints import PageQuery

    return PageQuery(limit, after, before)


def _filters(created_at_start: str | None, created_at_end: str | None, company_name: str | None) -> Filters:
    """Return which customers are asked for."""
    from reconciler.endpoints import Filters

    return Filters(created_at_start, created_at_end, company_name)


paging = shared.together(
    click.option("--limit", type=click.IntRange(min=1), help="Rows per page; the server's default is 100."),
    click.option("--after", type=ValueType(), metavar="CURSOR", help="The page after this end_cursor."),
    click.option("--before", type=ValueType(), metavar="CURSOR", help="The page before this start_cursor."),
    click.option("--all", "every", is_flag=True, help='Read all pages, and print one {"data": […]}.'),
    shared.gathered("paging", _paging, "limit", "after", "before"),
)
"""`--limit`, `--after`, `--before` and `--all`, as the parameters `paging` and `every`."""
filters = shared.together(
    click.option("--created-at-start", type=MomentType(), help="Created at this time or later."),
    click.option("--created-at-end", type=MomentType(), help="Created at this time or earlier."),
    click.option("--company-name", type=ValueType(), help="Filter by the customer's name."),
    shared.gathered("filters", _filters, "created_at_start", "created_at_end", "company_name"),
)
"""The filters of a list of customers, as the parameter `filters`."""


def values(fields: Sequence[Field | str]) -> shared.Part:
    """Return what adds an option for each field, and hands those that were given to the command as `values`."""
    names = [one if isinstance(one, str) else one.name for one in fields]

    def given(*texts: str | None) -> Mapping[str, str]:
        return {name: text for name, text in zip(names, texts, strict=True) if text is not None}

    options = [
        click.option(f"--{name.replace('_', '-')}", name, type=ValueType(), help=_WORDS.get(name, "")) for name in names
    ]
    return shared.together(*options, shared.gathered("values", given, *names))


_WORDS = {
    "external_id": "Your own id for the customer; you can't change it later.",
    "name": "The company's name.",
    "legal_name": "The company's legal name.",
    "ein": "The employer identification number: 12-3456789.",
    "email": "The email address; you can't change it later.",
    "street_address": "Street and number.",
    "sub_premise": "Flat, suite or floor.",
    "city": "The city.",
    "state": "The state or province.",
    "postal_code": "The ZIP or postal code.",
    "country": "The country.",
    "first_name": "The user's first name.",
    "last_name": "The user's last name.",
}


@click.group("api", short_help="Call any API endpoint directly")
def api() -> None:
    """
    Call any API endpoint directly, and print its reply as JSON, including unknown fields.

    The key, the pace and the errors are the same as for every other command. Calls that change the account take the
    lock and are in the history, but manage nothing. --dry-run prints the request.

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
@filters
@paging
@shared.budget
@sending
def list_customers(**given: Any) -> None:
    """
    List customers as the API returns them: a page, or --all.

    \b
    Example:
      reconciler api customers list --limit 10
      reconciler api customers list --all --created-at-start 2026-01-01T00:00:00Z
    """  # noqa: D301 - click's mark
    from reconciler.cli.api import list_customers

    list_customers(**given)


@customers.command("get")
@customer_id
@sending
def get_customer(**given: Any) -> None:
    """
    Print one customer as the API returns it.

    \b
    Example:
      reconciler api customers get cus_9f3
    """  # noqa: D301 - click's mark
    from reconciler.cli.api import get_customer

    get_customer(**given)


@users.command("list")
@customer_id
@paging
@shared.budget
@sending
def list_users(**given: Any) -> None:
    """
    List a customer's users as the API returns them: a page, or --all.

    \b
    Example:
      reconciler api users list cus_9f3 --all
    """  # noqa: D301 - click's mark
    from reconciler.cli.api import list_users

    list_users(**given)


@payment_methods.command("list")
@customer_id
@sending
def list_payment_methods(**given: Any) -> None:
    """
    Print a customer's payment methods as the API returns them.

    \b
    Example:
      reconciler api payment-methods list cus_9f3
    """  # noqa: D301 - click's mark
    from reconciler.cli.api import list_payment_methods

    list_payment_methods(**given)


@payment_methods.command("get")
@customer_id
@click.argument("method", metavar="METHOD_ID", type=IdType())
@sending
def get_payment_method(**given: Any) -> None:
    """
    Print one payment method as the API returns it.

    \b
    Example:
      reconciler api payment-methods get cus_9f3 pm_1
    """  # noqa: D301 - click's mark
    from reconciler.cli.api import get_payment_method

    get_payment_method(**given)


@customers.command("create")
@values((CUSTOMER.identity, *CUSTOMER.fields))
@click.option("--unchecked", is_flag=True, help="Don't check whether the external_id is in use.")
@asking
@sending
def create_customer(**given: Any) -> None:
    """
    Create one customer, and print the API's reply. It isn't managed: no plan will change or archive it.

    With an external_id, the account is listed first, twice if it has several pages. If a customer has that
    external_id, the create is refused. If the answer is lost, Reconciler looks for the customer before it sends
    anything again.

    \b
    Example:
      reconciler api customers create --name "Acme Corp" --email billing@acme.example --external-id acme
    """  # noqa: D301 - click's mark
    from reconciler.cli.api import create_customer

    create_customer(**given)


@customers.command("patch")
@customer_id
@values(PATCHABLE)
@click.option(
    "--null",
    "nulls",
    multiple=True,
    type=click.Choice([field.name for field in PATCHABLE]),
    help="Send null for this field; repeatable.",
)
@asking
@sending
def patch_customer(**given: Any) -> None:
    """
    Patch one customer, and print the API's reply. If it is managed, the next plan shows drift.

    \b
    Example:
      reconciler api customers patch cus_9f3 --city "New York" --sub-premise ""
    """  # noqa: D301 - click's mark
    from reconciler.cli.api import patch_customer

    patch_customer(**given)


@customers.command("archive")
@customer_id
@asking
@sending
def archive_customer(**given: Any) -> None:
    """
    Archive one customer, and print the API's reply. A protected customer is refused.

    \b
    Example:
      reconciler api customers archive cus_9f3
    """  # noqa: D301 - click's mark
    from reconciler.cli.api import archive_customer

    archive_customer(**given)


@customers.command("restore")
@customer_id
@asking
@sending
def restore_customer(**given: Any) -> None:
    """
    Restore one customer, and print the API's reply.

    \b
    Example:
      reconciler api customers restore cus_9f3
    """  # noqa: D301 - click's mark
    from reconciler.cli.api import restore_customer

    restore_customer(**given)


@users.command("create")
@customer_id
@values((USER.identity, *USER.fields))
@asking
@sending
def create_user(**given: Any) -> None:
    """
    Create one user of a customer, and print the API's reply. The vendor probably sends the user an email.

    \b
    Example:
      reconciler api users create cus_9f3 --email jane@acme.example --first-name Jane
    """  # noqa: D301 - click's mark
    from reconciler.cli.api import create_user

    create_user(**given)
