"""Customers and payment methods put into an account at once, past every rule and limit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from reconciler.emulator.calls import NotAnObject
from reconciler.rules import Account, StoredCustomer, StoredUser, add_user, put
from reconciler.rules.account import CREATABLE, USER_FIELDS, microseconds

_FIELDS = (*CREATABLE, "customer_integration_id")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def load(account: Account, customers: Iterable[object], now: float) -> list[str]:
    """
    Put customers, each an object of the API's fields, into the account; return their ids, in their order.

    Besides the fields: `created_at`, `archived`, `users`, and `id`: where a customer has it already, only
    what is given changes, as when somebody edits it in the dashboard. ValueError says what is wrong with one.
    """
    return [_load(account, customer, microseconds(now)) for customer in customers]


def read_payment_methods(read: object) -> dict[str, Sequence[Mapping[str, object]]]:
    """Return the payment methods of `{customer id or external_id: [{"id": …}, …]}`; ValueError for another shape."""
    if not isinstance(read, Mapping) or not all(
        isinstance(methods, list) and all(isinstance(one, Mapping) for one in methods) for methods in read.values()
    ):
        raise ValueError("payment methods are an object: customer id or external_id to a list of objects")
    return {str(key): list(methods) for key, methods in read.items()}


def _load(account: Account, one: object, now_us: int) -> str:
    """Put or change one customer."""
    if not isinstance(one, Mapping):
        raise NotAnObject("a customer is an object")
    customer_id = str(one.get("id") or account.next_id("cus_"))
    former = account.customers.get(customer_id, StoredCustomer(customer_id, now_us, {}))
    fields = {**former.fields, **{name: str(one[name] or "") for name in _FIELDS if name in one}}
    customer = StoredCustomer(
        customer_id,
        _moment(one["created_at"]) if one.get("created_at") else former.created_us,
        {name: text for name, text in fields.items() if text},
        bool(one.get("archived", former.archived)),
    )
    put(account, customer)
    for user in one.get("users") or ():
        if not isinstance(user, Mapping):
            raise NotAnObject("a user is an object")
        texts = {name: str(user[name]) for name in USER_FIELDS if user.get(name)}
        add_user(account, customer_id, StoredUser(str(user.get("id") or account.next_id("usr_")), now_us, texts))
    return customer_id


def _moment(text: object) -> int:
    """Return the microseconds since 1970 of a created_at."""
    try:
        return (datetime.fromisoformat(str(text)) - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, TypeError) as exc:
        raise ValueError("created_at is not a moment in RFC 3339") from exc
