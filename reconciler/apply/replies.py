"""What comes back to a change: a reply with the customer in it, or an error, and what becomes of the change."""

from __future__ import annotations

from collections.abc import Awaitable
from collections.abc import Set as AbstractSet

from reconciler.api.request import Reply
from reconciler.apply.sender import Halted, Sender
from reconciler.errors import ApiFailed, Incomplete, OverBudget, Stopped, Unanswered
from reconciler.escape import visible
from reconciler.kinds.kind import canonical_email
from reconciler.kinds.wire import read_customer, read_user
from reconciler.model.core import CustomerId, LiveCustomer, LiveUser, Status
from reconciler.model.plan import Change, FieldChange, Outcome


def customer_in(reply: Reply, what: str, expected: CustomerId | None = None) -> LiveCustomer:
    """Return the customer in a reply; raises Unanswered where it holds none, or another one."""
    live = read_customer(reply.body)
    if live is None or (expected is not None and live.id != expected):
        raise Unanswered(f"{what}: the reply holds no such customer", status=reply.status)
    return live


def only_new(live: LiveCustomer, bound: AbstractSet[CustomerId | None]) -> CustomerId:
    """Return the id in the reply to a create; raises Unanswered where it is one of those that are `bound` already."""
    if live.id in bound:
        raise Unanswered(f"POST /customers: the reply holds {visible(live.id)}, which is another customer")
    return live.id


def user_in(reply: Reply, email: str) -> LiveUser:
    """Return the user in a reply to its create; raises Unanswered where it holds none, or another one."""
    live = read_user(reply.body)
    if live is None or canonical_email(live.email) != canonical_email(email):
        raise Unanswered("POST …/users: the reply holds no such user", status=reply.status)
    return live


def words_of(fields: tuple[FieldChange, ...]) -> str:
    """Return that the server did not take some fields, "" where it took all."""
    return f"the server did not take {', '.join(field.name for field in fields)}" if fields else ""


def renamed(change: Change, live: LiveCustomer) -> str:
    """Return that the server keeps another external_id than was sent, "" where it does not."""
    if live.external_id in ("", change.address.external_id):
        return ""
    return f"the reply has the external_id {visible(live.external_id)!r}, which is not the key"


async def outcome_of(doing: Awaitable[Outcome], change: Change, sender: Sender, *, then: str) -> Outcome:
    """
    Return the outcome of `change`, which `doing` does; raises Halted where nothing was sent.

    `then` says what settles one whose answer was lost.
    """
    try:
        return await doing
    except Unanswered as failure:
        return Outcome(change, Status.IN_DOUBT, f"{failure}; {then}", change.id)
    except (OverBudget, Stopped) as failure:
        sender.spent = sender.spent or isinstance(failure, OverBudget)
        if not failure.lost:
            raise Halted from failure
        return Outcome(change, Status.IN_DOUBT, f"{failure}; {then}", change.id)
    except ApiFailed as failure:
        status = Status.IN_DOUBT if failure.lost else Status.FAILED
        return Outcome(change, status, str(failure), change.id)
    except Incomplete as failure:
        return Outcome(change, Status.FAILED, str(failure), change.id)
