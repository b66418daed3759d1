"""
What the server is like: whether archived customers are listed, and still answer a get.

Neither is documented and no field tells them apart, so it is learned (or stated by the environment), and only from
what nothing else explains. A customer that we archived and that is listed proves nothing by that: someone may have
restored it. One that no list holds proves that archived ones are not listed; one that is listed and answers no get,
that they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import ceil
from typing import Any, cast

from reconciler.model.core import Action, Live
from reconciler.model.ledger import Binding, BindingState, Learned, Records
from reconciler.model.plan import Change
from reconciler.model.policy import Terms
from reconciler.model.reasons import LearnedFrom
from reconciler.model.reports import ProbeAnswer, ProbeQuestion, kept
from reconciler.plan.presence import Sight
from reconciler.rules import questions

SETTLED_S = 5.0
"""How old an archive of ours must be before the server is asked about it, in seconds."""

LEARNING = 2
"""So many requests it takes to learn both ways: a narrow list and a get."""

LAG_S = 10.0
"""How long a write may stay unseen, unless stated, or a probe saw a longer time."""

_LAG_TIMES = 3
"""So many times what one probe saw is taken for the bound."""

MANY = 10
"""So many customers that we archived, all of them listed: before all were restored by hand, the server has changed."""


def learned_from(records: Records, live: Live, terms: Terms) -> Learned:
    """
    Return what is known of the server after `live`, a complete listing.

    None of the customers that we archived is listed: archived ones are not. Some are: those may have been restored by
    hand, so that nothing is learned from them; but that archived ones are listed is contradicted by the others, and
    that they are not by `MANY`, all of them listed. What is contradicted is unknown again.
    Archives younger than the lag bound say nothing, and neither do narrowed lists.
    """
    learned = records.learned
    if live.narrowed:
        return learned
    settled_at = live.read_at - known_lag(learned, terms)
    settled = [
        row for row in records.bindings.values() if row.state is BindingState.ARCHIVED and row.written_at <= settled_at
    ]
    listed = sum(row.bound_id in live.listed for row in settled)
    lists, gets = learned.lists_archived, learned.gets_archived
    if settled and not listed and lists is not False:
        how = LearnedFrom.NOT_LISTED.written(settled[-1].bound_id)
        return replace(learned, lists_archived=False, gets_archived=None if lists else gets, how=how)
    contradicted = (lists is True and listed < len(settled)) or (lists is False and MANY <= listed == len(settled))
    if not contradicted:
        return learned
    return replace(learned, lists_archived=None, gets_archived=None, how=LearnedFrom.CONTRADICTED.written())


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


def probed(learned: Learned, answers: Iterable[ProbeAnswer], how: str) -> Learned:
    """Return what is known of the server after a probe; what it could not tell stays as it was known."""
    found = {one.question: one.found for one in answers if one.found}
    taken = questions.learned(found)
    lag_s = float(found.get(ProbeQuestion.LAG, "0"))
    return replace(
        learned,
        **cast("dict[str, Any]", taken),
        cuts=() if taken.get("narrows") is False else learned.cuts,
        lag_s=ceil(lag_s * _LAG_TIMES) if lag_s else learned.lag_s,
        answers=kept(learned.answers, answers),
        how=how if {"lists_archived", "gets_archived"} <= taken.keys() else learned.how,
    )


def to_learn_from(records: Records, learned: Learned, terms: Terms, live: Live) -> Binding | None:
    """
    Return the row of a customer that we archived and that is to be asked about, None where nothing is to be learned.

    One that is not listed tells most. One that is was perhaps restored, so that it is asked about once.
    Asking costs two requests: a get and a narrow list.
    """
    if None not in known_ways(learned, terms):
        return None
    settled = [
        row
        for row in records.bindings.values()
        if row.state is BindingState.ARCHIVED and row.created_at and 0 < row.written_at <= live.read_at - SETTLED_S
    ]
    lacking = [] if live.narrowed else [row for row in settled if row.bound_id not in live.listed]
    asked = lacking or [row for row in settled if row.written_at > learned.asked_at]
    return max(asked, key=lambda row: (row.written_at, row.bound_id), default=None)


def archives_to_learn_from(
    changes: Iterable[Change], rows: Mapping[str, Binding], learned: Learned, terms: Terms
) -> tuple[Change, ...]:
    """
    Return the archives of a plan that something is to be learned from as soon as they are done; `rows` are by key.

    One that no list holds at once shows that archived ones are not listed, before anyone can have restored it. One
    that is listed yet proves nothing: a later run asks about it.
    """
    if None not in known_ways(learned, terms):
        return ()
    return tuple(
        change
        for change in changes
        if change.action is Action.ARCHIVE
        and (row := rows.get(change.address.external_id)) is not None
        and row.id == change.id
        and row.created_at
    )


def concluded(learned: Learned, row: Binding, *, listed: bool, got: bool, settled: bool = True) -> Learned:
    """
    Return what is known of the server once a customer that we archived was asked about, and what each answered.

    Not `settled`: it was archived so lately that a list need not show that.
    """
    how = LearnedFrom.ASKED.written(row.bound_id)
    if not listed:
        return replace(learned, lists_archived=False, gets_archived=got, how=how)
    if not settled:
        return learned
    if not got:
        return replace(learned, lists_archived=True, gets_archived=False, how=how)
    return replace(learned, asked_at=max(learned.asked_at, row.written_at))
