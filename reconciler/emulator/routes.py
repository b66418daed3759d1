"""The API's paths: which rule answers which request."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reconciler.emulator.calls import Call, NotAnObject
from reconciler.rules import (
    Account,
    Behaviour,
    RuleReply,
    archive,
    create,
    create_user,
    get,
    get_payment_method,
    list_customers,
    list_payment_methods,
    list_users,
    patch,
    refusal,
    restore,
)

Rule = Callable[[Account, Behaviour, Call, float], RuleReply]

# By the path's shape, in which ids are `*`, and the method. Paths carry no version: `/v1/…` is not here.
RULES: Mapping[str, Mapping[str, Rule]] = {
    "customers": {
        "GET": lambda account, ways, call, now: list_customers(account, ways, call.parameters, now),
        "POST": lambda account, ways, call, now: create(account, ways, call.json_object(), now),
    },
    "customers/*": {
        "GET": lambda account, ways, call, now: get(account, ways, call.segments[1], now),
        "PATCH": lambda account, ways, call, now: patch(account, ways, call.segments[1], call.json_object(), now),
        "DELETE": lambda account, ways, call, now: archive(account, ways, call.segments[1], now),
    },
    "customers/*/restore": {
        "POST": lambda account, ways, call, now: restore(account, ways, call.segments[1], now),
    },
    "customers/*/users": {
        "GET": lambda account, ways, call, now: list_users(account, ways, call.segments[1], call.parameters, now),
        "POST": lambda account, ways, call, now: create_user(account, ways, call.segments[1], call.json_object(), now),
    },
    "customers/*/payment-methods": {
        "GET": lambda account, ways, call, now: list_payment_methods(account, ways, call.segments[1], now),
    },
    "customers/*/payment-methods/*": {
        "GET": lambda account, ways, call, now: get_payment_method(
            account, ways, call.segments[1], call.segments[3], now
        ),
    },
}
_IDS = (1, 3)


def rules_of(call: Call) -> Mapping[str, Rule] | None:
    """Return what a call's path can do, by method; None where it is no path of the API."""
    return RULES.get("/".join("*" if place in _IDS else segment for place, segment in enumerate(call.segments)))


def reply_to(account: Account, ways: Behaviour, rules: Mapping[str, Rule], call: Call, now: float) -> RuleReply:
    """Return what one of a path's rules answers, which has the call's method; 400 for a body that is no JSON object."""
    try:
        return rules[call.method](account, ways, call, now)
    except NotAnObject as exc:
        return refusal(ways, 400, str(exc))
