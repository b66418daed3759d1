"""The customer's user: it can be listed and created, never changed or deleted."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.kinds.kind import Field, Kind, Personal

USER = Kind(
    name="user",
    identity="email",
    fields=(
        Field("first_name", patchable=False, personal=Personal.NAME),
        Field("last_name", patchable=False, personal=Personal.NAME),
    ),
)

FIELDS: Mapping[str, Field] = {field.name: field for field in USER.fields}
