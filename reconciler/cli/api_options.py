"""What the commands of `api` are given alike: ids, values, times, and how to send and print."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from reconciler.api.times import from_rfc3339
from reconciler.cli import complete
from reconciler.cli import options as shared
from reconciler.endpoints import Filters, Paging
from reconciler.kinds import Field

Command = TypeVar("Command", bound=Callable[..., Any])

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class How:
    """How a request is sent and its reply printed; with `dry_run` it is printed itself, and not sent."""

    rate_per_s: float | None
    redact: bool
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Asking:
    """What a call that changes the account is given: which actions are approved, how long a lock is waited for."""

    approved: tuple[str, ...]
    lock_timeout_s: float


class ValueType(click.ParamType[str]):
    """A text of a field: what the terminal gave that is no UTF-8 cannot be sent."""

    name = "TEXT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401
        """Return the text."""
        text = str(value)
        if text != text.encode("utf-8", "ignore").decode():
            self.fail("this is not UTF-8 text", param, ctx)
        return text


class IdType(ValueType):
    """An id of the API, which stands in a path: an empty one would make another request of it, and so would dots."""

    name = "ID"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401
        """Return the id."""
        text = super().convert(value, param, ctx)
        if text.strip(".") == "" or text != text.strip():
            self.fail(f"{text!r} is no id", param, ctx)
        return text


class CustomerIdType(IdType, complete.Customer):
    """The API's id of a customer; a shell is offered those that are recorded."""

    name = "ID"


class MomentType(click.ParamType[str]):
    """A time in RFC 3339, as the API takes it."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401
        """Return the time as it was written."""
        text = str(value)
        if _MOMENT.fullmatch(text) is None or from_rfc3339(text.upper()) is None:
            self.fail(f"{text!r} is no time such as 2026-01-31T00:00:00Z", param, ctx)
        return text


customer_id = click.argument("customer", metavar="CUSTOMER_ID", type=CustomerIdType())


def sending(command: Command) -> Command:
    """Add `--dry-run`, `--redact` and `--rate`, as the parameter `how`."""
    command = shared.gathered("how", How, "rate_per_s", "redact", "dry_run")(command)
    command = shared.redact(shared.rate(command))
    return click.option("--dry-run", is_flag=True, help="Print the request, its secret masked, and send nothing.")(
        command
    )


def asking(command: Command) -> Command:
    """Add `--approve` and `--lock-timeout`, as the parameter `ask`."""
    command = shared.gathered("ask", Asking, "approved", "lock_timeout")(command)
    return shared.lock_timeout(shared.approve(command))


def paging(command: Command) -> Command:
    """Add `--limit`, `--after`, `--before` and `--all`, as the parameters `paging` and `every`."""
    command = shared.gathered("paging", Paging, "limit", "after", "before")(command)
    command = click.option("--all", "every", is_flag=True, help='Read all pages; print one {"data": […]}.')(command)
    command = click.option("--before", type=ValueType(), metavar="CURSOR", help="The page before this start_cursor.")(
        command
    )
    command = click.option("--after", type=ValueType(), metavar="CURSOR", help="The page after this end_cursor.")(
        command
    )
    return click.option("--limit", type=click.IntRange(min=1), help="Rows in a page; the server's default is 100.")(
        command
    )


def filters(command: Command) -> Command:
    """Add the filters of a list of customers, as the parameter `filters`."""
    command = shared.gathered("filters", Filters, "created_at_start", "created_at_end", "company_name")(command)
    command = click.option("--company-name", type=ValueType(), help="Filter by the customer's name.")(command)
    command = click.option("--created-at-end", type=MomentType(), help="Created until then.")(command)
    return click.option("--created-at-start", type=MomentType(), help="Created from then on.")(command)


def values(fields: Sequence[Field | str]) -> Callable[[Command], Command]:
    """Return what adds an option for each field, and hands those that were given to the command as `values`."""
    names = [one if isinstance(one, str) else one.name for one in fields]

    def given(*texts: str | None) -> Mapping[str, str]:
        return {name: text for name, text in zip(names, texts, strict=True) if text is not None}

    def adding(command: Command) -> Command:
        command = shared.gathered("values", given, *names)(command)
        for name in reversed(names):
            command = click.option(f"--{name.replace('_', '-')}", name, type=ValueType(), help=_WORDS.get(name, ""))(
                command
            )
        return command

    return adding


_WORDS = {
    "external_id": "Your own id of the customer; it cannot be changed later.",
    "name": "The company's name.",
    "legal_name": "The company's legal name.",
    "ein": "The employer identification number: 12-3456789.",
    "email": "The e-mail address; it cannot be changed later.",
    "street_address": "Street and number.",
    "sub_premise": "Flat, suite or floor.",
    "city": "The city.",
    "state": "The state or province.",
    "postal_code": "The ZIP or postal code.",
    "country": "The country.",
    "first_name": "The user's first name.",
    "last_name": "The user's last name.",
}
