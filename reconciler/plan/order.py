"""
The order of a plan: restores, patches, creates with their users, users of others, archives last.

A restore comes before the patch of the same customer, a create before its users; archives come last, so
that a run that stops half way has archived nothing that it should first have replaced.
"""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model.core import Action
from reconciler.model.plan import Change

_RANK = {Action.RESTORE: 0, Action.PATCH: 1, Action.CREATE: 2, Action.CREATE_USER: 2, Action.ARCHIVE: 3}


def ordered(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return `changes` in the order in which they are sent; within a rank by external_id, a create before its users."""
    return tuple(sorted(changes, key=_key))


def _key(change: Change) -> tuple[int, str, bool, str]:
    """Return the sort key of one change."""
    return (
        _RANK[change.action],
        change.address.external_id,
        change.action is Action.CREATE_USER,
        change.address.email or "",
    )
