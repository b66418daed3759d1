"""
What the server is like: whether archived customers are listed, and still answer a get.

Neither is documented and no field tells them apart, so it is learned (or stated by the environment),
and every complete listing that contradicts it makes it unknown again.
"""

from __future__ import annotations

from dataclasses import replace

from reconciler.model import CustomerId, Live
from reconciler.records import BindingState, Learned, Records
from reconciler.terms import Terms

SETTLED_S = 5.0
"""How old an archive of ours must be before the server is asked about it, in seconds."""

LEARNING = 2
"""So many requests it takes to learn both ways: a narrow list and a get."""

FEW = 2
"""So many archived customers must all be listed before we doubt: one may have been restored by hand."""


def overruled(records: Records, live: Live, terms: Terms) -> Learned:
    """
    Return what is known of the server after `live`: as the ledger holds it, or unknown where it is contradicted.

    Known to list archived customers: contradicted by one that we archived and that is not listed.
    Known not to: contradicted where all that we archived are listed, and there are at least `FEW`.
    Archives younger than the lag bound say nothing, and neither do narrowed lists.
    """
    learned = records.learned
    if learned.lists_archived is None or live.narrowed:
        return learned
    settled = [
        binding.id in live.listed
        for binding in records.bindings.values()
        if binding.state is BindingState.ARCHIVED and binding.written_at <= live.read_at - terms.lag_s
    ]
    contradicted = False in settled if learned.lists_archived else len(settled) >= FEW and all(settled)
    if not contradicted:
        return learned
    return replace(learned, lists_archived=None, gets_archived=None, how="a later listing contradicted it")


def known_ways(learned: Learned, terms: Terms) -> tuple[bool | None, bool | None]:
    """Return (lists_archived, gets_archived): what the environment states, else what was learned."""
    lists = learned.lists_archived if terms.lists_archived is None else terms.lists_archived
    gets = learned.gets_archived if terms.gets_archived is None else terms.gets_archived
    return lists, gets


def to_learn_from(records: Records, learned: Learned, terms: Terms, now: float) -> tuple[CustomerId, str] | None:
    """
    Return the (id, created_at) of an archived customer to ask about, None where nothing is to be learned.

    `now` is the server's clock, seconds since 1970. Asking costs two requests: a narrow list and a get.
    """
    if None not in known_ways(learned, terms):
        return None
    ours = (
        (binding.written_at, binding.bound_id, binding.created_at)
        for binding in records.bindings.values()
        if binding.state is BindingState.ARCHIVED and binding.created_at
    )
    settled = [row for row in ours if row[0] and row[0] <= now - SETTLED_S]
    if not settled:
        return None
    _, customer, created_at = max(settled)
    return customer, created_at
