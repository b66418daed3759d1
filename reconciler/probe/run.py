"""The whole of a probe, in its order; whatever happens in between, what it made is archived where that can be done."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from reconciler.apply.sender import Halted
from reconciler.errors import ApiFailed
from reconciler.probe import questions
from reconciler.probe.session import ProbeSession

REQUESTS = 34
"""How many requests a probe takes at most, the token among them, where a create is seen at once and nothing fails."""

Tell = Callable[[str], None]


async def run(session: ProbeSession, tell: Tell) -> str:
    """
    Ask every question, and return why the probe stopped before its end, "" where it did not.

    `tell` hears in a few words what is tried. LedgerFailed where the journal cannot be written: nothing more is sent.
    """
    try:
        await _asked(session, tell)
    except Halted:
        return session.sender.halt or "the user stopped it"
    except ApiFailed as failure:
        await _left_archived(session)
        return str(failure)
    await _left_archived(session)
    return ""


async def _asked(session: ProbeSession, tell: Tell) -> None:
    """Ask every question in its order."""
    tell("looking at lists")
    before = await questions.look_at_lists(session)
    tell(f"creating the customer {session.key}")
    await questions.create(session)
    await questions.wait_until_seen(session)
    await questions.bounds(session)
    await questions.cursor(session, before)
    tell("patching it")
    await questions.patches(session)
    tell("creating it again")
    await questions.create_again(session)
    tell("adding users")
    await questions.add_users(session)
    await questions.payment_methods(session)
    tell("archiving and restoring it")
    await questions.archive_and_restore(session)


async def _left_archived(session: ProbeSession) -> None:
    """Archive what is active yet; what cannot be is for the next probe."""
    for one in session.made:
        if one.active:
            with suppress(ApiFailed, Halted):
                await session.archive(one)
