"""The whole of a probe, in its order; whatever happens in between, what it made is archived where that can be done."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from reconciler.apply.probe import ends, lists, users, values
from reconciler.apply.probe.asking import Asking
from reconciler.apply.sending import Halted
from reconciler.errors import ApiFailed

REQUESTS = 34
"""How many requests a probe takes at most, the token among them, where a create is seen at once and nothing fails."""

Tell = Callable[[str], None]


async def run(asking: Asking, tell: Tell) -> str:
    """
    Ask every question, and return why the probe stopped before its end, "" where it did not.

    `tell` hears in a few words what is tried. LedgerFailed where the journal cannot be written: nothing more is sent.
    """
    try:
        await _asked(asking, tell)
    except Halted:
        return asking.sending.halt or "the user stopped it"
    except ApiFailed as failure:
        await _left_archived(asking)
        return str(failure)
    await _left_archived(asking)
    return ""


async def _asked(asking: Asking, tell: Tell) -> None:
    """Ask every question in its order."""
    tell("looking at lists")
    before = await lists.look(asking)
    tell(f"creating the customer {asking.key}")
    await values.create(asking)
    await lists.seen(asking)
    await lists.bounds(asking)
    await lists.cursor(asking, before)
    tell("patching it")
    await values.patches(asking)
    tell("creating it again")
    await ends.again(asking)
    tell("adding users")
    await users.add(asking)
    await users.methods(asking)
    tell("archiving and restoring it")
    await ends.archived(asking)


async def _left_archived(asking: Asking) -> None:
    """Archive what is active yet; what cannot be is for the next probe."""
    for one in asking.made:
        if one.active:
            with suppress(ApiFailed, Halted):
                await asking.archive(one)
