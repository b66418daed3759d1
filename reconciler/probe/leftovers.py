"""What a probe that was killed left behind: found by its journal and its external_id, and archived."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count

from reconciler.apply.settle import BEFORE_S, NothingRead, Observed, TooEarly, settle
from reconciler.live.reads import SingleReads
from reconciler.model.core import Action, CustomerId, LiveCustomer, Status
from reconciler.model.ledger import Intent
from reconciler.probe.session import Made, ProbeSession


def wait_s(intents: Iterable[Intent], now_s: float, lag_s: float) -> float:
    """Return how long to wait until every create whose answer was never heard can be seen; `now_s` is the server's."""
    unread = Observed(NothingRead(), now_s, lag_s)
    settled = [settle(one, unread) for one in intents if _unheard(one)]
    return max((one.left_s for one in settled if isinstance(one, TooEarly)), default=0.0)


async def cleaned(
    session: ProbeSession, intents: Sequence[Intent], reads: SingleReads, keys: Mapping[CustomerId, str]
) -> list[Made]:
    """
    Archive what `intents`, those of an earlier probe with `session`'s key, left active; return what that was.

    `keys` are those of the ledger's rows, by the customers' ids.
    One list of what was created since finds what no answer told of. One that is archived already is archived again
    where that cannot be known: it changes nothing.
    """
    creates = [one for one in intents if one.action is Action.CREATE]
    if not creates:
        return []
    found = {one.id: LiveCustomer(one.id, session.key, "", {}) for one in creates if one.id is not None}
    since_s = min(one.opened_at for one in creates) - BEFORE_S
    found |= {one.id: one for one in await reads.created_since(since_s) if _marked(one, session.key)}
    left = [one for one in found.values() if not _archived(one.id, intents)]
    free = (name for name in _names(session.key) if name not in keys.values())
    session.made = [Made(one, keys.get(one.id) or next(free)) for one in left]
    for one in session.made:
        if (await session.archive(one)).refused is not None:
            # A 400 or 404 to what may have been archived already proves nothing else.
            await session.found_archived(one)
    return session.made


def _names(key: str) -> Iterator[str]:
    """Yield the ledger's keys for what one probe made, the first being `key`."""
    yield key
    yield from (f"{key}-{number}" for number in count(2))


def closed(intents: Iterable[Intent], now_s: float) -> list[Intent]:
    """Return the open ones of `intents`, closed: what they did was found by reading, and archived."""
    message = "a later probe archived what it left"
    return [
        replace(one, status=Status.FAILED, message=message, closed_at=now_s) for one in intents if one.status is None
    ]


def _unheard(intent: Intent) -> bool:
    """Say whether a create may have happened without an answer."""
    return intent.status is None and intent.action is Action.CREATE


def _marked(one: LiveCustomer, key: str) -> bool:
    """Say whether a customer carries a probe's external_id, whatever the server made of it."""
    return one.external_id.strip().casefold() == key.casefold()


def _archived(customer: CustomerId, intents: Sequence[Intent]) -> bool:
    """Say whether the last thing that is known to have been done to a customer is its archive."""
    about = [one for one in intents if one.id == customer and one.action in (Action.ARCHIVE, Action.RESTORE)]
    done = [one.action for one in about if one.status is Status.DONE]
    return all(one.status is not None for one in about) and done[-1:] == [Action.ARCHIVE]
