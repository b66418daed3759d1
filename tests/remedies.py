"""Doing what a blocked item says, as a person would: in the YAML, in the dashboard, with `state rm`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from story import Story

from reconciler.errors import Source
from reconciler.model.core import CustomerId, DesiredCustomer, Move
from reconciler.model.ledger import DropBinding
from reconciler.model.plan import Blocked


def follow(story: Story, blocked: Iterable[Blocked]) -> None:
    """Do what each item says, one way where it offers several; AssertionError for a hint that this does not know."""
    for one in blocked:
        _follow(story, one)


def _follow(story: Story, blocked: Blocked) -> None:
    """Do what one item says."""
    key, hint = blocked.address.external_id, blocked.hint
    entry = story.desired.customers.get(key)
    if "distinct_from" in hint:
        _decide(story, blocked)
    elif "plan again in a minute" in hint:
        story.settle()
    elif "state rm" in hint:
        # A binding of another project, or one that no longer holds.
        rows = [name for name, row in _rows(story).items() if name == key or row in blocked.ids]
        _write(story, [DropBinding(name) for name in rows])
    elif entry is None:
        assert "forget:" in hint or "declare the one to keep" in hint, hint
        if "forget:" in hint:
            named = story.world.api.account.find(blocked.ids[0]) if "`forget:` too" in hint else None
            name = key if named is None else named.external_id
            forget = {**story.desired.forget, name: Source("customers.yaml", 60, 10)}
            story.desired = replace(story.desired, forget=forget)
        else:
            chosen = ([one for one in blocked.ids if _active(story, one)] or list(blocked.ids))[0]
            _put(story, DesiredCustomer(key, {"name": "A"}, Source("customers.yaml", 70, 3), id=chosen))
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
    hint = blocked.hint
    if f"ignore_changes: [{blocked.field}]" in hint:
        assert blocked.field is not None
        _put(story, _ignoring(entry, blocked.field, blocked.address.email))
    elif "add `name:`" in hint:
        _put(story, replace(entry, fields={**entry.fields, "name": "A"}))
    elif "restore it in the dashboard" in hint:
        _restore(story, entry.external_id)
    elif "protect: false" in hint:
        _put(story, replace(entry, protect=False))
    elif "declare `archived: true`" in hint:
        _put(story, replace(entry, archived=True))
    elif "delete `archived: true`" in hint:
        _put(story, replace(entry, archived=False))
    elif "see in the dashboard that it is active and the other archived" in hint:
        chosen = ([one for one in blocked.ids if _active(story, one)] or list(blocked.ids))[0]
        _put(story, replace(entry, id=chosen))
        _archive(story, [one for one in blocked.ids if one != chosen])
        if story.world.api.account.find(chosen) is not None:
            story.world.api.account.restore(chosen)
            story.settle()
    elif "keep one of the entries" in hint:
        _drop(story, entry.external_id)
    else:
        assert "remove the line" in hint, hint
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
