"""
The users of one declared customer: those to create, and what cannot be changed.

A user can be listed and created, never changed or deleted. So one that is declared and not there is
created, one whose names differ is blocked, and one that is not declared is never touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from reconciler.errors import Source
from reconciler.kinds.kind import USER_FIELDS, by_address, canonical_email
from reconciler.model.core import Action, Address, CustomerId, DesiredCustomer, DesiredUser, ListUsers, LiveUser, Reason
from reconciler.model.ledger import PutUsers, SeenUser
from reconciler.model.plan import NOTHING, Blocked, Change, FieldChange, Note, Part
from reconciler.model.reasons import BlockedReason, NoteKind
from reconciler.plan.diff import diff


def new_users(customer: DesiredCustomer, customer_id: CustomerId | None, *, unless_listed: bool = False) -> Part:
    """
    Return a create for each declared user.

    `customer_id` is None for a customer that the plan creates. `unless_listed`: the customer is about to
    be restored, and its users can be listed only then.
    """
    return Part(
        changes=tuple(_create(customer, user, customer_id, unless_listed=unless_listed) for user in customer.users)
    )


def known_users(
    customer: DesiredCustomer,
    customer_id: CustomerId,
    recorded: tuple[SeenUser, ...] | None,
    listed: tuple[LiveUser, ...] | None,
    *,
    read_again: bool,
    listable: bool = True,
    fresh: bool,
    in_doubt: Callable[[Address], bool],
) -> Part:
    """
    Return what the declared users of an existing customer need.

    - `recorded`: the users that the ledger has seen there, None where they were never listed.
    - `listed`: as listed now, None where they were not. Where the ledger lacks a declared one, or `read_again`,
      the part asks for the listing: someone else may have made it.
    - `listable`: the customer is active, and seen. Of one that is about to be restored, or that we created so lately
      that no list shows it yet, the users can be listed only later.
    - `fresh`: our last write to the customer is so young that a listing need not show it yet: a user that we created.
    - `in_doubt`: whether the create of that user was sent, not answered, and may still become visible.
    """
    if not customer.users and not recorded:
        return NOTHING
    seen = merged(recorded, listed, fresh=fresh)
    by_email = {canonical_email(user.email): user for user in seen}
    if listed is None and listable and to_be_listed(customer, recorded, read_again=read_again):
        return Part(reads=(ListUsers(customer_id),))
    before = {canonical_email(user.email): user for user in recorded or ()}
    changes: list[Change] = []
    blocked: list[Blocked] = []
    declared: dict[str, SeenUser] = {}
    for user in customer.users:
        email = canonical_email(user.email)
        found = by_email.get(email)
        if found is not None:
            differs, declared[email] = _compare(customer, user, found, before.get(email, found))
            blocked += differs
        elif in_doubt(address := Address(customer.external_id, user.email)):
            blocked.append(doubtful(address, user.source))
        else:
            changes.append(_create(customer, user, customer_id, unless_listed=not listable))
    notes, after = _after(customer, seen, declared)
    users = () if after == recorded else (PutUsers(customer_id, after),)
    if not (changes or blocked or notes or users):
        return NOTHING
    return Part(changes=tuple(changes), blocked=tuple(blocked), notes=notes, users=users)


def to_be_listed(customer: DesiredCustomer, recorded: tuple[SeenUser, ...] | None, *, read_again: bool) -> bool:
    """Say whether the users of an active customer must be listed, as `known_users` asks for it."""
    if not customer.users or recorded is None:
        return bool(customer.users)
    seen = {canonical_email(user.email) for user in recorded}
    lacking = any(canonical_email(user.email) not in seen for user in customer.users)
    return read_again or lacking


def merged(
    recorded: tuple[SeenUser, ...] | None, listed: tuple[LiveUser, ...] | None, *, fresh: bool
) -> tuple[SeenUser, ...]:
    """Return the users of a customer: as listed, with what the ledger applied; those just written may be unlisted."""
    if listed is None:
        return recorded or ()
    before = {canonical_email(user.email): user for user in recorded or ()}
    seen: dict[str, SeenUser] = {}
    for email, user in by_address(listed).items():
        seen[email] = SeenUser(user.email, user.fields, before[email].applied if email in before else None)
    if fresh:
        seen = {**before, **seen}
    return tuple(seen.values())


def _after(
    customer: DesiredCustomer, seen: Iterable[SeenUser], declared: Mapping[str, SeenUser]
) -> tuple[tuple[Note, ...], tuple[SeenUser, ...]]:
    """Return a note for each user that is no longer declared, and the users as the ledger shall know them."""
    notes: list[Note] = []
    after: list[SeenUser] = []
    for user in seen:
        record = declared.get(canonical_email(user.email))
        if record is None and user.applied is not None:
            notes.append(Note(NoteKind.USER_RELEASED, Address(customer.external_id, user.email)))
        after.append(record or SeenUser(user.email, user.fields))
    return tuple(notes), tuple(after)


def doubtful(address: Address, source: Source) -> Blocked:
    """Return that a create was sent and not answered, so that nothing is sent for it before reading can tell."""
    return Blocked(address, BlockedReason.CREATE_IN_DOUBT, source=source)


def _compare(
    customer: DesiredCustomer, user: DesiredUser, found: SeenUser, before: SeenUser
) -> tuple[list[Blocked], SeenUser]:
    """Return what of an existing user differs, all of it blocked, and its record; `before` is what was recorded."""
    compared = {name: value for name, value in user.fields.items() if name not in user.ignore_changes}
    result = diff(
        USER_FIELDS,
        compared,
        found.fields,
        applied=before.applied or {},
        observed=before.fields if before.applied else {},
        trouble={},
        equal={},
    )
    address = Address(customer.external_id, user.email)
    blocked = [
        Blocked(
            address,
            BlockedReason.USER_FIXED,
            parts={"field": kept.field, "live": kept.live, "declared": kept.declared},
            field=kept.field,
            source=user.source,
        )
        for kept in result.kept
    ]
    seen = before if blocked and before.applied is not None else found
    return blocked, SeenUser(found.email, seen.fields, dict(result.applied))


def _create(
    customer: DesiredCustomer, user: DesiredUser, customer_id: CustomerId | None, *, unless_listed: bool = False
) -> Change:
    fields = [FieldChange("email", "", user.email)]
    fields += [FieldChange(name, "", value) for name in USER_FIELDS if (value := user.fields.get(name))]
    return Change(
        Action.CREATE_USER,
        Address(customer.external_id, user.email),
        customer_id,
        Reason.DECLARED,
        fields=tuple(fields),
        source=user.source,
        unless_listed=unless_listed,
    )
