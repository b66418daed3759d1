"""What the reply to a change says: the customer in it, and which fields the server did not take. Pure."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from reconciler.api.request import Reply
from reconciler.errors import Unanswered
from reconciler.kinds.kind import canonical_email
from reconciler.kinds.wire import read_customer, read_user
from reconciler.model import Change, CustomerId, FieldChange, LiveCustomer, LiveUser
from reconciler.text import visible


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
