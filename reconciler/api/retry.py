"""What to do after a failure: wait and send again, or give up. Pure: the caller waits, and brings the jitter."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.errors import ApiFailed, Throttled, Unanswered, Unauthorized, Unreachable

SENDINGS = 5
"""How often a request is sent that has no answer, or no connection."""
THROTTLED_SENDINGS = 10
"""How often a request is sent that a 429 answers: it did no harm, and others may share the key."""
LONGEST_WAIT_S = 120.0
"""The longest Retry-After that is waited for; beyond it a person should know."""
_FIRST_WAIT_S = 0.5
_BACKOFF_CAP_S = 30.0


@dataclass(frozen=True, slots=True)
class Wait:
    """Send it again after `wait_s` seconds."""

    wait_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not send it again; `because` is for a person, empty where the failure says all."""

    because: str = ""


def after(
    failure: ApiFailed, *, attempt: int, repeatable: bool, jitter: float = 1.0, retry_after_s: float | None = None
) -> Wait | GiveUp:
    """
    Return what to do after `failure`, the `attempt`-th of its class in a row (from 1).

    `repeatable` says that sending twice does what sending once does: true of GET, PATCH, archive and
    restore; not of a create. `jitter` is between 0 and 1: a wait is between half and all of 0.5 s, 1 s,
    2 s… `retry_after_s` is what the API asks for, None where it asks nothing (FAQ, "What is the API rate
    limit?": space requests out evenly, back off exponentially).

    >>> after(Unanswered("read timeout"), attempt=1, repeatable=False)
    GiveUp(because='it may have happened; read the live state first')
    >>> after(Unanswered("read timeout"), attempt=3, repeatable=True, jitter=0.5)
    Wait(wait_s=1.5)
    """
    match failure:
        case Unauthorized():
            # The token may have been revoked: a new one, and this request once more.
            return Wait(0.0) if attempt == 1 else GiveUp("a new token is refused too; is the key of this environment?")
        case Throttled():
            return _again(attempt, THROTTLED_SENDINGS, jitter, retry_after_s)
        case Unreachable():
            return _again(attempt, SENDINGS, jitter, None)
        case Unanswered() if not repeatable:
            return GiveUp("it may have happened; read the live state first")
        case Unanswered():
            return _again(attempt, SENDINGS, jitter, retry_after_s)
        case _:
            return GiveUp()


def _again(attempt: int, sendings: int, jitter: float, retry_after_s: float | None) -> Wait | GiveUp:
    """Return the wait before the next of `sendings`."""
    if attempt >= sendings:
        return GiveUp(f"tried {sendings} times; try again later")
    if retry_after_s is not None and retry_after_s > LONGEST_WAIT_S:
        return GiveUp(f"the server asks to wait {retry_after_s:.0f} s; run again then")
    backoff_s = min(_BACKOFF_CAP_S, _FIRST_WAIT_S * 2.0 ** (attempt - 1)) * (0.5 + jitter / 2)
    return Wait(retry_after_s or backoff_s)
