"""What becomes of a change whose request ends in an error."""

from __future__ import annotations

from collections.abc import Awaitable

from reconciler.apply.sending import Halted, Sending
from reconciler.errors import ApiFailed, Incomplete, OverBudget, Stopped, Unanswered
from reconciler.model import Change, Outcome, Status


async def ended(doing: Awaitable[Outcome], change: Change, sending: Sending, *, then: str) -> Outcome:
    """
    Return the outcome of `change`, which `doing` does; raises Halted where nothing was sent.

    `then` says what settles one whose answer was lost.
    """
    try:
        return await doing
    except Unanswered as failure:
        return Outcome(change, Status.IN_DOUBT, f"{failure}; {then}", change.id)
    except (OverBudget, Stopped) as failure:
        sending.spent = sending.spent or isinstance(failure, OverBudget)
        if not failure.lost:
            raise Halted from failure
        return Outcome(change, Status.IN_DOUBT, f"{failure}; {then}", change.id)
    except ApiFailed as failure:
        status = Status.IN_DOUBT if failure.lost else Status.FAILED
        return Outcome(change, status, str(failure), change.id)
    except Incomplete as failure:
        return Outcome(change, Status.FAILED, str(failure), change.id)
