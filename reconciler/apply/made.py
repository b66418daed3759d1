"""Which live customers a create whose answer was lost may have made: of `api`, and under nearly its key. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from reconciler.api.times import from_rfc3339
from reconciler.kinds.customer import FIELDS
from reconciler.kinds.kind import nearly
from reconciler.model import Action, CustomerId, LiveCustomer
from reconciler.records import Intent

BEFORE_S = 5.0
"""So long before its intent a create is looked for: Date and created_at are rounded, and bounds may be exclusive."""

_LIKE = ("name", "email")


def made(
    intent: Intent, customers: Iterable[LiveCustomer], others: AbstractSet[CustomerId]
) -> tuple[LiveCustomer, ...]:
    """
    Return those of `customers` that the create of `intent`, which binds nothing, may have made.

    They were created since, are none of `others` (of which is known how they came to be), and carry its
    external_id. Where it has none they have none either, and its name and e-mail: of the rest nothing is
    asked, as the server may keep it in another form.
    """
    external_id = intent.after.get("external_id") or ""
    return tuple(
        one
        for one in customers
        if one.external_id == external_id
        and (external_id or (one.id not in others and _alike(intent, one)))
        and _since(one.created_at, intent.opened_at - BEFORE_S)
    )


def nearly_made(intent: Intent, customers: Iterable[LiveCustomer]) -> list[LiveCustomer]:
    """
    Return those of `customers` that carry nearly the key of a create of a plan, and were created since it was sent.

    Whether the server keeps an external_id as it was sent is not documented, and what is sent again is doubled.
    """
    if intent.action is not Action.CREATE or not intent.binds:
        return []
    near, since = nearly(intent.address.external_id), intent.opened_at - BEFORE_S
    return [one for one in customers if nearly(one.external_id) == near and _since(one.created_at, since)]


def several(ids: Iterable[CustomerId]) -> str:
    """Return that more than one customer may be what a create made."""
    return f"its answer was lost, and it may have made any of {', '.join(ids)}; look at them"


def _alike(intent: Intent, live: LiveCustomer) -> bool:
    """Say whether name and e-mail are those that were sent, empty ones too."""
    return all(FIELDS[name].same(live.fields.get(name), intent.after.get(name)) for name in _LIKE)


def _since(created_at: str, moment_s: float) -> bool:
    """Say whether a customer was created after a moment; one whose time cannot be read may have been."""
    created_s = from_rfc3339(created_at)
    return created_s is None or created_s >= moment_s
