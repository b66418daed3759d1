"""
The API's rules as pure functions: what each request does to an account, and what it answers.

The emulator serves them and the plan's trial runs a plan against them in memory. The source of every
rule is the API's reference page "Customers" and its guides; what those leave open is a switch of
`Behaviour`. No I/O, no clock, no randomness: the time is an argument, in seconds since 1970.
"""

from __future__ import annotations

from reconciler.rules.account import Account, Customer, User, add_user, put, remove, show, show_user
from reconciler.rules.behaviour import Behaviour
from reconciler.rules.customers import archive, create, get, patch, restore
from reconciler.rules.listing import list_customers, list_users
from reconciler.rules.replies import Reply, refusal
from reconciler.rules.users import create_user, get_payment_method, list_payment_methods
from reconciler.rules.words import (
    Clears,
    ErrorBody,
    ExternalIds,
    LagOn,
    LargerLimit,
    Limiter,
    LimitHeaders,
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

__all__ = [
    "Account",
    "Behaviour",
    "Clears",
    "Customer",
    "ErrorBody",
    "ExternalIds",
    "LagOn",
    "LargerLimit",
    "LimitHeaders",
    "Limiter",
    "Order",
    "PageShape",
    "Paging",
    "PatchIdentity",
    "Precision",
    "Reply",
    "RetryAfter",
    "Rewrite",
    "Synced",
    "Unique",
    "Unset",
    "User",
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
    "refusal",
    "remove",
    "restore",
    "show",
    "show_user",
]
