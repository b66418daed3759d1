"""What follows from a correction of the ledger: what the next plan then does, in words, one line each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from reconciler.model.core import Desired, DesiredCustomer
from reconciler.model.ledger import Binding, BindingState
from reconciler.model.policy import Prune


@dataclass(frozen=True, slots=True)
class Follows:
    """
    What the next plan goes by: what is declared, None where that is unknown, and what may be archived.

    `protected` says whether the policy protects a customer of these external_ids.
    """

    desired: Desired | None
    prune: Prune
    protected: Callable[..., bool]


def after_forgetting(row: Binding, follows: Follows) -> Iterator[str]:
    """Yield what follows where the ledger forgets `row`."""
    if row.protected:
        yield "this also removes its protection"
    way = f"`id: {row.id}`"
    desired = follows.desired
    if desired is None:
        if row.state is not BindingState.ACTIVE:
            yield f"it is not active: declared without {way}, it is created again instead of restored"
        elif row.live_external_id == row.external_id:
            yield "declared, the next plan finds it again by its external_id; otherwise no plan mentions it"
        else:
            yield f"{_carries(row)}: declared without {way}, the next plan creates it a second time"
        return
    one = desired.customers.get(row.external_id)
    if one is None:
        yield "no entry declares it: plans no longer mention it"
    elif one.id == row.id:
        yield f"{_at(one)} with {way}: the next plan binds it again"
    elif row.state is not BindingState.ACTIVE and not one.archived:
        yield f"{_at(one)}, and it is not active: without {way} it is created again instead of restored"
    elif row.live_external_id in (row.external_id, *desired.former_keys().get(row.external_id, ())):
        yield f"{_at(one)}: the next plan finds it again by its external_id"
    else:
        yield f"{_at(one)}, and {_carries(row)}: without {way} the next plan creates it a second time"


def after_moving(row: Binding, to: str, follows: Follows) -> Iterator[str]:
    """Yield what follows where the customer of `row` goes to another key."""
    desired = follows.desired
    if desired is None:
        yield "the next plan uses the entry of the new key; without one, its entry counts as removed"
        return
    one, former = desired.customers.get(to), desired.customers.get(row.external_id)
    if one is not None:
        yield f"{_at(one)}: the next plan uses that entry"
    else:
        yield from _gone(row, follows)
    if former is not None:
        yield (
            f"its former key is {_at(former)}: remove that entry, or a plan "
            "moves the customer back, blocks it or creates it"
        )


def after_unprotecting(row: Binding, follows: Follows) -> Iterator[str]:
    """Yield what follows where `row` is no longer protected."""
    if follows.protected(row.external_id, row.live_external_id):
        yield "`policy.protect` still protects it"
        return
    desired = follows.desired
    if desired is None:
        yield "if its entry was removed, the next plan archives it"
        return
    one = desired.customers.get(row.external_id)
    if one is None:
        yield from _gone(row, follows)
    elif one.protect:
        yield f"{_at(one)} with `protect: true`: the next apply protects it again"
    elif one.archived:
        yield f"{_at(one)} as archived: the next plan archives it"
    else:
        yield f"{_at(one)}: it stays as it is"


def after_unblocking(row: Binding, follows: Follows) -> Iterator[str]:
    """Yield what follows where it is forgotten that the customer of `row` did not keep what was applied."""
    one = None if follows.desired is None else follows.desired.customers.get(row.external_id)
    if one is not None:
        yield f"{_at(one)}: the next plan applies what is declared there"
    yield "if that is reversed, it is blocked again after two runs"


def after_erasing(row: Binding, follows: Follows) -> Iterator[str]:
    """Yield what follows where the values of `row` are erased."""
    one = None if follows.desired is None else follows.desired.customers.get(row.external_id)
    if one is not None:
        yield f"{_at(one)}: the next apply records the values that are there again"
    yield "differences in its fields have an unknown cause in the next plan, because nothing is recorded"


def after_relocating(row: Binding, follows: Follows) -> Iterator[str]:
    """Yield what follows where `row` is taken for one of this place."""
    if follows.desired is not None and row.external_id not in follows.desired.customers:
        yield from _gone(row, follows)


def _gone(row: Binding, follows: Follows) -> Iterator[str]:
    """Yield what a plan does with a customer that no entry declares."""
    if row.state is not BindingState.ACTIVE:
        return
    if follows.prune is Prune.NONE:
        yield "no entry declares it: with `prune: none`, it stays as it is"
    else:
        where = f" that reads {row.source}" if row.source else ""
        yield f"no entry declares it: the next plan{where} archives it"


def _at(one: DesiredCustomer) -> str:
    """Return where a customer is declared."""
    return f"declared at {one.source}"


def _carries(row: Binding) -> str:
    """Return which external_id the live customer was seen to carry."""
    return f"its external_id is {row.live_external_id!r}" if row.live_external_id else "it has no external_id"
