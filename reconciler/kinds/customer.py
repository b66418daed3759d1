"""The customer: fields, which of them may be patched, canonical form."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from reconciler.kinds.kind import Field, Kind, Personal, canonical_ein, canonical_email

CUSTOMER = Kind(
    name="customer",
    identity="external_id",
    fields=(
        Field("name", personal=Personal.NAME),
        Field("legal_name", personal=Personal.NAME),
        Field("ein", canonical=canonical_ein, personal=Personal.NUMBER),
        # Set at creation; PATCH takes neither email nor external_id (reference page "Customers").
        Field("email", patchable=False, canonical=canonical_email, personal=Personal.EMAIL),
        Field("street_address", personal=Personal.ADDRESS),
        Field("sub_premise", personal=Personal.ADDRESS),
        Field("city", personal=Personal.ADDRESS),
        Field("state"),
        Field("postal_code", personal=Personal.ADDRESS),
        Field("country"),
    ),
)

FIELDS: Mapping[str, Field] = {field.name: field for field in CUSTOMER.fields}


def fingerprint(values: Mapping[str, str | None]) -> bytes:
    """
    Return 16 bytes that are equal for equal values in canonical form; the order does not count.

    >>> fingerprint({"ein": "12-3456789", "city": None}) == fingerprint({"city": "", "ein": "123456789"})
    True
    """
    canonical = [(name, FIELDS[name].canonical(values[name] or "")) for name in sorted(values)]
    return hashlib.blake2b(json.dumps(canonical).encode(), digest_size=16).digest()
