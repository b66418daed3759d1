"""What stops a plan: a listing that is short, a ledger of another account, limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from reconciler.answers import PROBES
from reconciler.errors import Incomplete, Refused
from reconciler.model import (
    Action,
    Change,
    Desired,
    Exceeded,
    Get,
    ListAgain,
    Live,
    LiveCustomer,
    Note,
    Read,
    Reason,
    Seek,
)
from reconciler.plan.presence import Sight
from reconciler.plan.scope import Scope
from reconciler.plan.windows import closed
from reconciler.records import Binding, BindingState, Records
from reconciler.terms import Prune, Terms

LACKING_FEW = 3
LACKING_SHARE = 0.01
"""More than `LACKING_FEW` and more than this share of the active bindings lacking: a second pass comes first."""


def lacking(sight: Sight, bindings: Mapping[str, Binding], scope: Scope) -> list[Binding]:
    """Return the rows held active that the listing lacks; one that we wrote within the lag bound is not lacking."""
    listed = sight.live.listed
    return [
        row
        for row in bindings.values()
        if row.state is BindingState.ACTIVE
        and row.id not in listed
        and not sight.fresh(row)
        and scope.targeted(row.external_id)
    ]


def complete(live: Live, lacked: Sequence[Binding], active: int) -> tuple[Read, ...]:
    """
    Return what must be read before the listing may be called complete, nothing where it may.

    `active` counts the bindings held active. Raises Incomplete where two passes that were taken because
    many were lacking differ, or where a customer that the list narrowed to its creation holds is lacking
    from two passes. A pass taken again because one was found so differs from the short one by its nature.
    """
    if live.passes_differ and True not in live.sought.values():
        raise Incomplete(
            "two listings of the account, taken one after the other, hold different customers; nothing was sent",
            "somebody may be changing many customers now, or the server cuts its lists: plan again later",
        )
    if live.listings == 1 and len(lacked) > LACKING_FEW and len(lacked) > LACKING_SHARE * active:
        return (ListAgain(),)
    found = [row for row in lacked if live.sought.get(row.bound_id)]
    if found and live.listings == 1:
        return (ListAgain(),)
    if found:
        raise Incomplete(
            "the listing lacks what a narrower list holds, also when it is taken again: "
            f"{found[0].bound_id}{f' and {len(found) - 1} more' if len(found) > 1 else ''}; nothing was sent",
            "the server cuts its lists: plan again later, and tell the API's support if it stays so",
        )
    unsought = tuple(
        Seek(row.bound_id, row.created_at) for row in lacked if row.created_at and row.bound_id not in live.sought
    )
    if unsought:
        return unsought
    return tuple(Get(row.bound_id) for row in lacked if row.bound_id not in live.got)


def of_this_account(records: Records, live: Live, terms: Terms, desired: Desired) -> tuple[Note, ...]:
    """
    Return a note where the ledger was last used with another client id, and is this account's all the same.

    Raises Refused where it is not: more than half of the bound customers are seen to carry other
    external_ids than recorded, those apart that `desired` answers for with an `id:` or a moved line; or,
    with a new client id, fewer than half are live as recorded.
    """
    pins = {customer.id for customer in desired.customers.values()}
    names = {name: key for key, former in desired.former_keys().items() for name in (key, *former)}

    def differs(row: Binding, customer: LiveCustomer | None) -> bool:
        if customer is None or customer.external_id == row.live_external_id:
            return False
        moved = row.external_id in names and names[row.external_id] == names.get(customer.external_id)
        return row.id not in pins and not moved

    # What a probe made and archived says nothing of whose ledger it is.
    rows = tuple(row for row in records.bindings.values() if row.project != PROBES)
    seen = [(row, live.listed.get(row.bound_id) or live.got.get(row.bound_id)) for row in rows]
    broken = sum(differs(row, customer) for row, customer in seen)
    if broken * 2 > len(rows):
        raise Refused(
            f"{broken} of {len(rows)} bound customers carry other external_ids than the ledger recorded: "
            "this ledger is not this account's; nothing was sent",
            "check the environment, its credentials and RECONCILER_STATE; for a new account use a new ledger",
        )
    if not records.account or records.account == terms.environment.account or not rows:
        return ()
    held = sum(customer is not None and customer.external_id == row.live_external_id for row, customer in seen)
    if held * 2 < len(rows) or held < min(3, len(rows)):
        raise Refused(
            f"the ledger was used with another client id, and only {held} of its {len(rows)} customers are live here: "
            "it is not this account's; nothing was sent",
            "check the environment, its credentials and RECONCILER_STATE; for a new account use a new ledger",
        )
    return (
        Note(f"the client id is new; {held} of {len(rows)} bound customers are live as recorded, so it is accepted"),
    )


def limits(
    changes: Iterable[Change], records: Records, live: Live, declared: int, terms: Terms
) -> tuple[Exceeded, ...]:
    """
    Return the limits that `changes` exceed, and the windows that are closed to them at the listing's time.

    Archives and restores are a share of the active customers that the ledger binds (with `prune: all`:
    of the live ones); all changes together a share of the larger of declared and live. Of restores only
    those count that undo what others did.
    """
    counted = list(changes)
    archives = sum(change.action is Action.ARCHIVE for change in counted)
    restores = sum(
        change.action is Action.RESTORE and change.reason in (Reason.ELSEWHERE, Reason.HIDDEN_OR_GONE)
        for change in counted
    )
    active = sum(row.state is BindingState.ACTIVE for row in records.bindings.values())
    base = len(live.listed) if terms.prune is Prune.ALL else active
    found = [
        _over("max_archives", archives, terms.max_archives.of(base), terms),
        _over("max_restores", restores, terms.max_restores.of(base), terms),
    ]
    if terms.max_changes is not None:
        found.append(_over("max_changes", len(counted), terms.max_changes.of(max(declared, len(live.listed))), terms))
    return (*(row for row in found if row is not None), *closed(counted, terms.windows, live.read_at))


def _over(
    name: Literal["max_archives", "max_restores", "max_changes"], planned: int, allowed: int, terms: Terms
) -> Exceeded | None:
    """Return that `planned` exceeds `allowed`, with the flag that allows it once."""
    if planned <= allowed:
        return None
    return Exceeded(name, planned, allowed, f"--{name.replace('_', '-')} {planned}", terms.places.get(name))
