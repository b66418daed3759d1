"""The customer's user: it can be listed and created, never changed or deleted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from reconciler.kinds.kind import Field, Kind, Personal, canonical_email

if TYPE_CHECKING:
    from reconciler.model.core import LiveUser

USER = Kind(
    name="user",
    identity="email",
    fields=(
        Field("first_name", patchable=False, personal=Personal.NAME),
        Field("last_name", patchable=False, personal=Personal.NAME),
    ),
)


def by_address(users: Iterable[LiveUser]) -> dict[str, LiveUser]:
    """
    Return users by canonical address, one of each.

    Of several whose addresses differ in case alone it is the first by spelling, whatever the order of the list: no
    two can be declared, and whoever looks again must find the same one.
    """
    found: dict[str, LiveUser] = {}
    for user in users:
        email = canonical_email(user.email)
        other = found.get(email)
        if other is None or (user.email, user.id) < (other.email, other.id):
            found[email] = user
    return found


FIELDS: Mapping[str, Field] = {field.name: field for field in USER.fields}
