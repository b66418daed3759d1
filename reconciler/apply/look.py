"""Reading in the middle of a run, where only reading can settle what happened."""

from __future__ import annotations

from typing import Protocol

from reconciler.model import CustomerId, LiveCustomer, LiveUser


class Look(Protocol):
    """Reading in the middle of a run, where only reading can settle what happened."""

    async def seek(self, customer: CustomerId, created_at: str) -> bool:
        """Say whether the list narrowed to `created_at` ± 2 s holds the customer."""

    async def get(self, customer: CustomerId) -> LiveCustomer | None:
        """Return the customer, None for a 404."""

    async def created_since(self, since: float) -> tuple[LiveCustomer, ...]:
        """Return the customers that the list narrowed to `created_at_start` holds; `since` in seconds since 1970."""

    async def users(self, customer: CustomerId) -> tuple[LiveUser, ...]:
        """Return the customer's users; raises Incomplete where they cannot be read yet."""
