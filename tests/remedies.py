"""Doing what a blocked item says, as a person would: in the YAML, in the dashboard, with `state rm`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from story import Story

from reconciler.errors import Source
from reconciler.model.core import CustomerId, DesiredCustomer, Move
from reconciler.model.ledger import DropBinding
from reconciler.model.plan import Blocked
from reconciler.model.reasons import BlockedReason

ALIKE = {
    BlockedReason.LIKE_ARCHIVED_KEY,
    BlockedReason.LIKE_CUSTOMER,
    BlockedReason.LIKE_FORMER_KEY,
    BlockedReason.LIKE_SEVERAL,
    BlockedReason.LIKE_NEW_CUSTOMER,
    BlockedReason.LIKE_NEW_KEY,
    BlockedReason.LIKE_NEW_KEY_ARCHIVED,
}
TO_RELEASE = {
    BlockedReason.BINDING_EXTERNAL_ID_CHANGED,
    BlockedReason.BINDING_EXTERNAL_ID_LOST,
    BlockedReason.BOUND_TO_BLOCKED_KEY,
    BlockedReason.BOUND_TO_OTHER_PROJECT,
}
"""A binding of another project, or one that no longer holds."""
TO_FORGET = {
    BlockedReason.OWNED_ONCE_FORGOTTEN,
    BlockedReason.REMOVED_BUT_PROTECTED,
    BlockedReason.REMOVED_BUT_PROTECTED_BY_POLICY,
}


def follow(story: Story, blocked: Iterable[Blocked]) -> None:
    """Do what each item says, one way where it offers several; AssertionError for a reason that this does not know."""
    for one in blocked:
        _follow(story, one)


def _follow(story: Story, blocked: Blocked) -> None:
    """Do what one item says."""
    key, reason = blocked.address.external_id, blocked.reason
    entry = story.desired.customers.get(key)
    if reason in ALIKE:
        _decide(story, blocked)
    elif reason is BlockedReason.CREATE_IN_DOUBT:
        story.settle()
    elif reason in TO_RELEASE:
        rows = [name for name, row in _rows(story).items() if name == key or row in blocked.ids]
        _write(story, [DropBinding(name) for name in rows])
    elif entry is None:
        if reason is BlockedReason.OWNED_BY_SEVERAL:
            chosen = ([one for one in blocked.ids if _active(story, one)] or list(blocked.ids))[0]
            _put(story, DesiredCustomer(key, {"name": "A"}, Source("customers.yaml", 70, 3), id=chosen))
        else:
            assert reason in TO_FORGET, reason
            named = blocked.parts.get("external_id", key)
            forget = {**story.desired.forget, str(named): Source("customers.yaml", 60, 10)}
            story.desired = replace(story.desired, forget=forget)
    else:
        _mend(story, entry, blocked)


def _decide(story: Story, blocked: Blocked) -> None:
    """Say that a customer which may be another one is it, by the line of the hint."""
    key = blocked.address.external_id
    if blocked.moved is not None:
        moved = blocked.moved
        customers = {name: one for name, one in story.desired.customers.items() if name != moved.origin}
        forget = {name: place for name, place in story.desired.forget.items() if name != moved.origin}
        lines = [one for one in story.desired.moved if one.origin != moved.origin]
        lines.append(Move(moved.origin, moved.to, Source("customers.yaml", 80, 3)))
        if moved.to in customers:
            story.desired = replace(story.desired, customers=customers, forget=forget, moved=tuple(lines))
    elif key in story.desired.customers:
        _put(story, replace(story.desired.customers[key], id=blocked.ids[0]))


def _mend(story: Story, entry: DesiredCustomer, blocked: Blocked) -> None:
    """Do what an item says of an entry."""
    match blocked.reason:
        case (
            BlockedReason.FIELD_FIXED
            | BlockedReason.USER_FIXED
            | BlockedReason.VALUE_REFUSED
            | BlockedReason.VALUE_UNSTABLE
        ):
            assert blocked.field is not None
            _put(story, _ignoring(entry, blocked.field, blocked.address.email))
        case BlockedReason.NAME_MISSING | BlockedReason.NAME_MISSING_FOR_RESTORE:
            _put(story, replace(entry, fields={**entry.fields, "name": "A"}))
        case BlockedReason.EXTERNAL_ID_TAKEN:
            _restore(story, entry.external_id)
        case BlockedReason.PROTECTED:
            _put(story, replace(entry, protect=False))
        case BlockedReason.RESTORE_REVERSED:
            _put(story, replace(entry, archived=True))
        case BlockedReason.ARCHIVE_REVERSED | BlockedReason.PROTECTED_BY_POLICY:
            _put(story, replace(entry, archived=False))
        case (
            BlockedReason.KEYS_BOUND_APART
            | BlockedReason.INACTIVE_BESIDE_ACTIVE
            | BlockedReason.MOVED_BESIDE_ANOTHER
            | BlockedReason.EXTERNAL_ID_ON_SEVERAL
        ):
            chosen = ([one for one in blocked.ids if _active(story, one)] or list(blocked.ids))[0]
            _put(story, replace(entry, id=chosen))
            _archive(story, [one for one in blocked.ids if one != chosen])
            if story.world.api.account.find(chosen) is not None:
                story.world.api.account.restore(chosen)
                story.settle()
        case BlockedReason.ID_OF_SEVERAL_KEYS | BlockedReason.EXTERNAL_ID_OF_SEVERAL_KEYS:
            _drop(story, entry.external_id)
        case _:
            assert blocked.reason is BlockedReason.ID_UNKNOWN, blocked.reason
            _put(story, replace(entry, id=None))


def _ignoring(entry: DesiredCustomer, field: str, email: str | None) -> DesiredCustomer:
    """Return an entry that ignores changes of a field, of the customer or of one of its users."""
    if email is None:
        return replace(entry, ignore_changes=entry.ignore_changes | {field})
    users = tuple(
        replace(user, ignore_changes=user.ignore_changes | {field}) if user.email == email else user
        for user in entry.users
    )
    return replace(entry, users=users)


def _put(story: Story, entry: DesiredCustomer) -> None:
    customers = {**story.desired.customers, entry.external_id: entry}
    story.desired = replace(story.desired, customers=customers)


def _drop(story: Story, key: str) -> None:
    """Delete an entry, and the `moved` lines to it, where another entry stays that it was at odds with."""
    customers = {name: one for name, one in story.desired.customers.items() if name != key}
    moved = tuple(move for move in story.desired.moved if move.to != key)
    if len(customers) < len(story.desired.customers):
        story.desired = replace(story.desired, customers=customers, moved=moved)


def _rows(story: Story) -> dict[str, CustomerId | None]:
    """Return what the ledger binds, by key."""
    with story.world.ledger() as ledger:
        return {key: row.id for key, row in ledger.records().bindings.items()}


def _write(story: Story, writes: list[DropBinding]) -> None:
    with story.world.ledger() as ledger:
        ledger.commit(writes)


def _active(story: Story, customer_id: CustomerId) -> bool:
    found = story.world.api.account.find(customer_id)
    return found is not None and not found.archived


def _archive(story: Story, ids: Iterable[CustomerId]) -> None:
    for customer_id in ids:
        if _active(story, customer_id):
            story.world.api.account.archive(customer_id)
    story.settle()


def _restore(story: Story, external_id: str) -> None:
    """Restore the archived customer that holds an external_id."""
    account = story.world.api.account
    for customer in account.customers():
        if customer.external_id == external_id and customer.archived:
            account.restore(customer.id)
            break
    story.settle()
