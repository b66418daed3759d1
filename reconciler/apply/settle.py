"""Settling by reading whether an archive or a restore was done, as far as the server lets that be seen."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.apply.look import Look
from reconciler.model import CustomerId


@dataclass(frozen=True, slots=True)
class Ways:
    """Whether the server lists archived customers, and answers a get of them; None where that is not known."""

    lists_archived: bool | None = None
    gets_archived: bool | None = None


async def settled(look: Look, customer: CustomerId, created_at: str, ways: Ways, *, active_wanted: bool) -> bool | None:
    """
    Return whether the customer is now active (or archived) as wanted; None where reading cannot tell.

    At most two requests: a get, and the list narrowed to its creation.
    """
    got = await look.get(customer)
    if got is None:
        # Archived customers may be hidden from a get, and active ones never are.
        return not active_wanted
    if ways.gets_archived is False:
        return active_wanted
    if created_at and ways.lists_archived is False:
        listed = await look.seek(customer, created_at)
        return listed is active_wanted
    return None
