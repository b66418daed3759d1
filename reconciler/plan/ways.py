"""
What the server is like: whether archived customers are listed, and still answer a get.

Neither is documented and no field tells them apart, so it is learned (or stated by the environment),
and every complete listing that contradicts it makes it unknown again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import ceil

from reconciler.answers import NO, YES, Answer, Question, kept
from reconciler.model import CustomerId, Live
from reconciler.plan.presence import Sight
from reconciler.records import BindingState, Learned, Records
from reconciler.terms import Terms

SETTLED_S = 5.0
"""How old an archive of ours must be before the server is asked about it, in seconds."""

LEARNING = 2
"""So many requests it takes to learn both ways: a narrow list and a get."""

LAG_S = 10.0
"""How long a write may stay unseen, unless stated, or a probe saw a longer time."""

_EMPTIES = {"text": '""', "both": '""', "null": "null"}
_PAGE_LIMITS = {"taken": 1000, "cut": 100, "refused": 100}
_LAG_TIMES = 3
"""So many times what one probe saw is taken for the bound."""

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
        if binding.state is BindingState.ARCHIVED and binding.written_at <= live.read_at - known_lag(learned, terms)
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


def known_lag(learned: Learned, terms: Terms) -> float:
    """
    Return how long a write may stay unseen, in seconds: what the environment states, else `LAG_S`.

    A probe that saw a longer one lengthens it. It never shortens it: one create that was seen at once promises nothing.
    """
    return max(LAG_S, learned.lag_s) if terms.lag_s is None else terms.lag_s


def sight_of(live: Live, learned: Learned, terms: Terms) -> Sight:
    """Return how an account is seen, by what was read of it and what is known of the server."""
    return Sight(live, known_ways(learned, terms)[0], known_lag(learned, terms))


def probed(learned: Learned, answers: Iterable[Answer], how: str) -> Learned:
    """Return what is known of the server after a probe; what it could not tell stays as it was known."""
    found = {one.question: one.found for one in answers if one.found}
    lists, gets = found.get(Question.LISTS_ARCHIVED), found.get(Question.GETS_ARCHIVED)
    lag_s = float(found.get(Question.LAG, "0"))
    return replace(
        learned,
        lists_archived=learned.lists_archived if lists is None else lists == YES,
        gets_archived=learned.gets_archived if gets is None else gets == YES,
        empties=_EMPTIES.get(found.get(Question.CLEARS, ""), learned.empties),
        page_limit=_PAGE_LIMITS.get(found.get(Question.LARGER_LIMIT, ""), learned.page_limit),
        narrows=learned.narrows if Question.NARROWS not in found else found[Question.NARROWS] == YES,
        cuts=() if found.get(Question.NARROWS) == NO else learned.cuts,
        lag_s=ceil(lag_s * _LAG_TIMES) if lag_s else learned.lag_s,
        answers=kept(learned.answers, answers),
        how=how if lists is not None and gets is not None else learned.how,
    )


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
