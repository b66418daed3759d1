"""
What happens to an account between and during our runs, as values: `strategies` draws them, a test does them.

Customers are meant by their number, in the order of creation and round about, so that a step stays possible
when others are shrunk away; where there is none, nothing happens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from api_account import Account, Customer
from api_ways import Fault

from reconciler.model.core import Desired


@dataclass(frozen=True, slots=True)
class Created:
    """Somebody makes a customer; not where the server's `unique` forbids it."""

    external_id: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    users: tuple[str, ...] = ()
    age_s: float = 3600.0
    integration_id: str = ""
    payment_methods: int = 0

    def do(self, account: Account) -> None:
        """Do it."""
        if account.taken(self.external_id):
            return
        fields = {"external_id": self.external_id, **self.fields}
        customer_id = account.add(fields, users=self.users, age_s=self.age_s, integration_id=self.integration_id)
        if self.payment_methods:
            methods = [{"id": f"pm_{number}", "type": "card"} for number in range(self.payment_methods)]
            account.payment_methods[customer_id] = methods


@dataclass(frozen=True, slots=True)
class Edited:
    """Somebody changes fields, external_id and email among them; not where `unique` forbids it."""

    which: int
    fields: Mapping[str, str | None]

    def do(self, account: Account) -> None:
        """Do it."""
        customer = _nth(account, self.which)
        if customer and not account.taken(self.fields.get("external_id") or "", besides=customer.id):
            account.edit(customer.id, **self.fields)


@dataclass(frozen=True, slots=True)
class Archived:
    """Somebody archives a customer."""

    which: int

    def do(self, account: Account) -> None:
        """Do it."""
        if customer := _nth(account, self.which):
            account.archive(customer.id)


@dataclass(frozen=True, slots=True)
class Restored:
    """Somebody restores a customer; not where `unique` forbids it."""

    which: int

    def do(self, account: Account) -> None:
        """Do it."""
        customer = _nth(account, self.which)
        if customer and not account.taken(customer.external_id, besides=customer.id):
            account.restore(customer.id)


@dataclass(frozen=True, slots=True)
class Deleted:
    """A customer is gone for good, as after a reset of the account."""

    which: int

    def do(self, account: Account) -> None:
        """Do it."""
        if customer := _nth(account, self.which):
            account.delete(customer.id)


@dataclass(frozen=True, slots=True)
class AddUser:
    """Somebody adds a user."""

    which: int
    email: str
    first_name: str = ""

    def do(self, account: Account) -> None:
        """Do it."""
        customer = _nth(account, self.which)
        if customer and self.email not in [user.email for user in customer.users]:
            account.add_user(customer.id, self.email, self.first_name)


LiveEdit = Created | Edited | Archived | Restored | Deleted | AddUser


@dataclass(frozen=True, slots=True)
class Declared:
    """The YAML now says this."""

    desired: Desired


@dataclass(frozen=True, slots=True)
class Apply:
    """We plan and apply what is declared; `faults` befall its first writes, in their order."""

    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class SomeoneEdits:
    """Somebody else works on the account."""

    edits: tuple[LiveEdit, ...]


@dataclass(frozen=True, slots=True)
class LedgerLost:
    """The ledger is gone."""


@dataclass(frozen=True, slots=True)
class TimePasses:
    """Nothing happens for a while."""

    seconds: float


Step = Declared | Apply | SomeoneEdits | LedgerLost | TimePasses


def _nth(account: Account, which: int) -> Customer | None:
    """Return the customer of that number, round about; None where there is none."""
    customers = account.customers()
    return customers[which % len(customers)] if customers else None
