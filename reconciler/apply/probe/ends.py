"""What archive, restore and a second create with one external_id do."""

from __future__ import annotations

from reconciler.answers import NO, YES, Question
from reconciler.api.request import Request
from reconciler.apply.probe import read
from reconciler.apply.probe.asking import Asking, Made, Said
from reconciler.apply.probe.values import NAME
from reconciler.kinds.wire import customer_path, restore_path
from reconciler.model import Action

SETTLED_S = 5.0
"""How long after an archive the server is asked about it, at least."""

_OF_ARCHIVED = (
    Question.LISTS_ARCHIVED,
    Question.GETS_ARCHIVED,
    Question.PATCHES_ARCHIVED,
    Question.REPEATED_ARCHIVE,
    Question.REPEATED_RESTORE,
    Question.RESTORE_REPLIES,
)


async def again(asking: Asking) -> None:
    """Create a second customer with the external_id of the first, active one; archive it where that was taken."""
    said = await asking.create({"name": NAME, "email": f"{asking.mark}.again@example.com"})
    if said.refused is not None:
        asking.answer(Question.UNIQUE_STATUS, str(said.status), said.words)
        return
    asking.answer(Question.UNIQUE, "none")
    asking.answer(Question.UNIQUE_STATUS, "", "no create was refused")
    await asking.archive(asking.made[-1])


async def archived(asking: Asking) -> None:
    """Archive the first customer, and answer what an archived one does; it is archived again at the end."""
    one = asking.made[0]
    said = await asking.archive(one)
    if said.refused is not None:
        for question in _OF_ARCHIVED:
            asking.answer(question, "", f"it could not be archived: {said.words}")
        return
    await _seen(asking, one)
    patched = await asking.patch({"name": NAME})
    asking.answer(Question.PATCHES_ARCHIVED, YES if patched.refused is None else NO, patched.words)
    repeated = await asking.archive(one)
    asking.answer(Question.REPEATED_ARCHIVE, str(repeated.status), repeated.words)
    await _taken_by_archived(asking)
    await _restored(asking)


async def _seen(asking: Asking, one: Made) -> None:
    """Answer whether list and get show an archived customer; what shows it at once is asked again a while later."""
    listed, got = await asking.lists(one.live), await asking.read(customer_path(one.live.id))
    if listed or got.refused is None:
        await asking.sending.pause(max(SETTLED_S, 2 * asking.lag_s + 1))
        listed = await asking.lists(one.live) if listed else listed
        got = await asking.read(customer_path(one.live.id)) if got.refused is None else got
    asking.answer(Question.LISTS_ARCHIVED, *read.told(listed))
    asking.answer(Question.GETS_ARCHIVED, YES if got.refused is None else NO, got.words)


async def _taken_by_archived(asking: Asking) -> None:
    """Answer whether an archived customer holds its external_id; archive what that made."""
    if Question.UNIQUE in asking.answers:
        return
    said = await asking.create({"name": NAME, "email": f"{asking.mark}.later@example.com"})
    if said.refused is not None:
        asking.answer(Question.UNIQUE, "all", said.words)
        return
    asking.answer(Question.UNIQUE, "active")
    await asking.archive(asking.made[-1])


async def _restored(asking: Asking) -> None:
    """Restore the first customer, twice, and archive it."""
    one = asking.made[0]
    said = await _restore(asking)
    if said.refused is not None:
        asking.answer(Question.RESTORE_REPLIES, "", said.words)
        asking.answer(Question.REPEATED_RESTORE, "", "it could not be restored")
        return
    one.active = True
    asking.answer(Question.RESTORE_REPLIES, NO if said.body is None else YES)
    repeated = await _restore(asking)
    asking.answer(Question.REPEATED_RESTORE, str(repeated.status), repeated.words)
    await asking.archive(one)


async def _restore(asking: Asking) -> Said:
    """Restore the first customer."""
    one = asking.made[0]
    request = Request("POST", restore_path(one.live.id))
    return await asking.change(Action.RESTORE, request, one.live.id, writes=asking.activated(one))
