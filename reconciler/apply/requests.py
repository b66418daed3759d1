"""A change as the request that makes it, and what the reply says of it. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import assert_never

from reconciler import endpoints
from reconciler.api.exchange import Reply, Request, shown
from reconciler.apply.sender import Halted, Sender, ending_of
from reconciler.errors import ApiFailed, Incomplete, OverBudget, Stop, Stopped, Unanswered
from reconciler.kinds.kind import canonical_email
from reconciler.kinds.wire import read_customer, read_user
from reconciler.model.core import Action, CustomerId, LiveCustomer, LiveUser, Status
from reconciler.model.plan import Change, FieldChange, Outcome
from reconciler.model.reasons import Ending, EndReason, ReasonParts

CLEARS: Mapping[str, str | None] = {'""': "", "null": None}
"""What is sent to empty a field, by the name under which the ledger learns it; which one works is not documented."""


def request_for(change: Change, customer: CustomerId | None, clear: str = '""') -> Request:
    """
    Return the request of `change`.

    `customer` is the id it speaks of, None only for a create; `clear` a key of `CLEARS`.
    """
    if change.action is Action.CREATE or customer is None:
        return creation(change)
    match change.action:
        case Action.PATCH:
            return endpoints.patch_customer(customer, patch_body(change.fields, clear))
        case Action.ARCHIVE:
            return endpoints.archive_customer(customer)
        case Action.RESTORE:
            return endpoints.restore_customer(customer)
        case Action.CREATE_USER:
            return endpoints.create_user(customer, _values(change.fields))
        case _:
            assert_never(change.action)


def creation(change: Change) -> Request:
    """Return the create of the customer that `change` speaks of: a create, or a restore that turns out to be one."""
    return endpoints.create_customer({"external_id": change.address.external_id, **_values(change.fields)})


def patch_body(fields: Iterable[FieldChange], clear: str) -> dict[str, str | None]:
    """Return what a patch carries; what should be empty is sent as `clear` says."""
    return {field.name: field.after or CLEARS[clear] for field in fields}


def _values(fields: Iterable[FieldChange]) -> dict[str, str | None]:
    """Return the fields of a create: those with a value."""
    return {field.name: field.after for field in fields if field.after}


def customer_in(reply: Reply, what: str, expected: CustomerId | None = None) -> LiveCustomer:
    """Return the customer in a reply; raises Unanswered where it holds none, or another one."""
    live = read_customer(reply.body)
    if live is None or (expected is not None and live.id != expected):
        raise _wrong_reply(EndReason.REPLY_LACKS_CUSTOMER, {"request": what}, reply)
    return live


def only_new(live: LiveCustomer, bound: AbstractSet[CustomerId | None], reply: Reply) -> CustomerId:
    """Return the id in the reply to a create; raises Unanswered where it is one of those that are `bound` already."""
    if live.id in bound:
        raise _wrong_reply(EndReason.REPLY_OF_ANOTHER, {"request": "POST /customers", "id": live.id}, reply)
    return live.id


def user_in(reply: Reply, email: str) -> LiveUser:
    """Return the user in a reply to its create; raises Unanswered where it holds none, or another one."""
    live = read_user(reply.body)
    if live is None or canonical_email(live.email) != canonical_email(email):
        raise _wrong_reply(EndReason.REPLY_LACKS_USER, {"request": "POST …/users"}, reply)
    return live


def _wrong_reply(reason: EndReason, parts: ReasonParts, reply: Reply) -> Unanswered:
    """Return that a reply does not hold what it should: it may have been done."""
    return Unanswered(Stop(reason, parts), status=reply.status)


def not_taken(fields: Sequence[FieldChange], cause: Ending | None = None) -> Ending | None:
    """Return that the server did not take some fields, None where it took all."""
    if not fields:
        return None
    return Ending(EndReason.FIELDS_NOT_TAKEN, {"fields": tuple(field.name for field in fields)}, cause)


def renamed(change: Change, live: LiveCustomer) -> Ending | None:
    """Return that the server keeps another external_id than was sent, None where it does not."""
    if live.external_id in ("", change.address.external_id):
        return None
    return Ending(EndReason.OTHER_EXTERNAL_ID, {"external_id": shown(live.external_id)})


async def outcome_of(doing: Awaitable[Outcome], change: Change, sender: Sender) -> Outcome:
    """Return the outcome of `change`, which `doing` does; raises Halted where nothing was sent."""
    try:
        return await doing
    except Unanswered as failure:
        return Outcome(change, Status.IN_DOUBT, ending_of(failure), change.id)
    except (OverBudget, Stopped) as failure:
        sender.spent = sender.spent or isinstance(failure, OverBudget)
        if not failure.lost:
            raise Halted from failure
        return Outcome(change, Status.IN_DOUBT, ending_of(failure), change.id)
    except ApiFailed as failure:
        status = Status.IN_DOUBT if failure.lost else Status.FAILED
        return Outcome(change, status, ending_of(failure), change.id)
    except Incomplete as failure:
        return Outcome(change, Status.FAILED, ending_of(failure), change.id)
