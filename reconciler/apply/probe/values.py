"""What a create and patches do to values: what must be there, what is kept, rewritten, ignored, emptied."""

from __future__ import annotations

from reconciler.answers import NO, YES, Question
from reconciler.apply.probe import read
from reconciler.apply.probe.asking import Asking, Said
from reconciler.errors import Rejected
from reconciler.kinds.wire import read_customer

NAME = "Reconciler probe"
DOMAIN = "example.com"
# Each value such as the reference shows, and such as a server may rewrite.
CREATED = {
    "name": NAME,
    "legal_name": f" {NAME} ",
    "ein": "12-3456789",
    "street_address": "123 Main St",
    "city": "New York",
    "state": "ny",
    "postal_code": "10001",
    "country": "USA",
}
UNSET = "sub_premise"
PATCHED = {
    "name": f"{NAME} two",
    "legal_name": f"{NAME} two",
    "ein": "98-7654321",
    "street_address": "9 Long Road",
    "sub_premise": "Unit 9",
    "city": "Boston",
    "state": "MA",
    "postal_code": "02134",
    "country": "CA",
}
CLEARED = ("sub_premise", "city", "legal_name", "street_address")


async def create(asking: Asking) -> None:
    """
    Create the probe's customer, and answer what its reply tells: up to three requests.

    First without an e-mail, then with one, then with a name and an e-mail alone. Rejected where none is taken.
    """
    email = f"{asking.mark}@{DOMAIN}"
    said = await asking.create(CREATED)
    sent = CREATED
    if said.refused is None:
        asking.answer(Question.EMAIL_REQUIRED, NO)
    else:
        why = said.words
        said = await asking.create({**CREATED, "email": email})
        if said.refused is None:
            asking.answer(Question.EMAIL_REQUIRED, YES, why)
        else:
            sent, asking.sent = {"name": NAME}, asking.key
            said = await asking.create({"name": NAME, "email": email})
            asking.answer(Question.EMAIL_REQUIRED, "", f"other values were refused: {why}")
    if said.refused is not None:
        raise said.refused
    _told(asking, said, sent)


def _told(asking: Asking, said: Said, sent: dict[str, str]) -> None:
    """Answer what the reply to the create tells."""
    live = asking.made[0].live
    asking.answer(Question.EXTERNAL_IDS, read.kept_as(asking.sent or f"{asking.key} ", live.external_id))
    asking.answer(Question.PRECISION, read.precision_of(live.created_at) if live.created_at else "")
    unset = read.unset_of(said.body, UNSET)
    asking.answer(Question.UNSET, unset, "" if unset else "the field has a value that nobody gave it")
    extra = read.extra_fields(said.body)
    asking.answer(Question.EXTRA_FIELDS, YES if extra else NO, ", ".join(extra))
    found = read.rewrites(sent, live.fields) if sent is CREATED else ""
    asking.answer(Question.REWRITES, found, "" if found else "the values that would tell were refused")


async def patches(asking: Asking) -> None:
    """Answer what a patch takes, ignores and empties: three requests."""
    before = asking.made[0].live
    said = await asking.patch(PATCHED)
    live = read_customer(said.body) or before
    if said.refused is not None:
        asking.answer(Question.IGNORES, "", said.words)
    else:
        asking.answer(Question.IGNORES, read.ignored(PATCHED, before.fields, live.fields))
    untaken = asking.answers[Question.IGNORES].found.split(",")
    fields = [name for name in CLEARED if name not in untaken and live.fields.get(name)]
    emptied = ["", ""]
    for place, (name, value) in enumerate(zip(fields, ("", None), strict=False)):
        emptied[place] = _emptied(name, await asking.patch({name: value}))
    found, refused = read.clears(*emptied)
    asking.answer(Question.CLEARS, found, "" if found else "a patch takes too few fields")
    asking.answer(Question.CLEARS_REFUSED, refused, "" if refused else "all that was tried empties")


def _emptied(name: str, said: Said) -> str:
    """Return what became of a field that was to be emptied; "" where the reply does not tell."""
    if isinstance(said.refused, Rejected):
        return "refused"
    live = read_customer(said.body)
    if live is None:
        return ""
    return "kept" if live.fields.get(name) else "emptied"
