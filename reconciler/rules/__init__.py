"""
The API's rules as pure functions: what each request does to an account, and what it answers.

The emulator serves them and the plan's trial runs a plan against them in memory. The source of every
rule is the API's reference page "Customers" and its guides; what those leave open is a switch of
`Behaviour`. No I/O, no clock, no randomness: the time is an argument, in seconds since 1970.
"""

from __future__ import annotations

from reconciler.rules.account import (
    Account,
    RuleReply,
    StoredCustomer,
    StoredUser,
    add_user,
    put,
    remove,
    show,
    show_user,
)
from reconciler.rules.behaviour import (
    Behaviour,
    Clears,
    ErrorBody,
    ExternalIds,
    LagOn,
    LargerLimit,
    LimitHeaders,
    LimitKind,
    Order,
    PageShape,
    Paging,
    PatchIdentity,
    Precision,
    RetryAfter,
    Rewrite,
    Synced,
    Unique,
    Unset,
    UserUnique,
)
from reconciler.rules.customers import (
    archive,
    create,
    create_user,
    get,
    get_payment_method,
    list_payment_methods,
    patch,
    restore,
)
from reconciler.rules.listing import list_customers, list_users

__all__ = [
    "Account",
    "Behaviour",
    "Clears",
    "ErrorBody",
    "ExternalIds",
    "LagOn",
    "LargerLimit",
    "LimitHeaders",
    "LimitKind",
    "Order",
    "PageShape",
    "Paging",
    "PatchIdentity",
    "Precision",
    "RetryAfter",
    "Rewrite",
    "RuleReply",
    "StoredCustomer",
    "StoredUser",
    "Synced",
    "Unique",
    "Unset",
    "UserUnique",
    "add_user",
    "archive",
    "create",
    "create_user",
    "get",
    "get_payment_method",
    "list_customers",
    "list_payment_methods",
    "list_users",
    "patch",
    "put",
    "remove",
    "restore",
    "show",
    "show_user",
]
