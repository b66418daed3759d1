"""
What an integration owns of the customers that it syncs. Pure.

It is fields, which are reported and never patched, and whether a customer is active, where the environment observes.
A customer is synced that carries a `customer_integration_id`, or carried one when it was last read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.kinds.kind import CUSTOMER_FIELDS
from reconciler.model.core import Action, Address, DesiredCustomer, LiveCustomer
from reconciler.model.plan import NOTHING, Blocked, Note, Part
from reconciler.model.policy import Lifecycle, SyncedRules
from reconciler.model.reasons import BlockedReason, FieldValue, NoteKind

LIFECYCLE = "archived"
"""What of an entry is blocked where an integration decides whether its customer is active: the key that declares it."""


def owned_fields(live: LiveCustomer, rules: SyncedRules) -> frozenset[str]:
    """Return the fields that the integration owns of a customer."""
    return rules.fields if live.synced else frozenset()


def is_followed(live: LiveCustomer, rules: SyncedRules) -> bool:
    """Say whether the integration decides whether a customer is active."""
    return live.synced and rules.lifecycle is Lifecycle.OBSERVE


def owned_notes(
    customer: DesiredCustomer, live: LiveCustomer, rules: SyncedRules, equal: Mapping[str, Mapping[str, str]]
) -> Part:
    """Return a note for each field that the integration owns and that is not as declared."""
    notes = tuple(_owned_notes(customer, live, rules, equal)) if rules.fields and live.synced else ()
    return Part(notes=notes) if notes else NOTHING


def _owned_notes(
    customer: DesiredCustomer, live: LiveCustomer, rules: SyncedRules, equal: Mapping[str, Mapping[str, str]]
) -> Iterator[Note]:
    """Yield the notes, in the order of the fields."""
    for name, field in CUSTOMER_FIELDS.items():
        if name not in rules.fields or name not in customer.fields or name in customer.ignore_changes:
            continue
        declared, held = customer.fields[name], live.fields.get(name, "")
        if field.same(declared, held, equal.get(name)):
            continue
        values = {"held": FieldValue(name, held), "declared": FieldValue(name, declared or "")}
        yield Note(NoteKind.SYNCED_FIELD, Address(customer.external_id), parts={"field": name, **values})


def moved_note(address: Address, action: Action, live: LiveCustomer) -> Part:
    """Return the note that the integration may undo an archive or a restore of a customer that it syncs."""
    if not live.synced:
        return NOTHING
    kind = NoteKind.SYNCED_ARCHIVE if action is Action.ARCHIVE else NoteKind.SYNCED_RESTORE
    return Part(notes=(Note(kind, address),))


def archived_note(customer: DesiredCustomer) -> Part:
    """Return the note that the integration archived a customer that is declared active, which is followed."""
    return Part(notes=(Note(NoteKind.SYNCED_ARCHIVED, Address(customer.external_id)),))


def kept_active(customer: DesiredCustomer, live: LiveCustomer) -> Part:
    """Return that a customer is not archived, as the integration decides that."""
    address = Address(customer.external_id)
    reason = BlockedReason.SYNCED_ACTIVE
    return Part(blocked=(Blocked(address, reason, field=LIFECYCLE, source=customer.source, ids=(live.id,)),))
