"""A probe's questions, one function each, and the whole probe in its order; what it made is archived in the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from reconciler import endpoints
from reconciler.api.pagination import Page, read_page
from reconciler.api.times import rfc3339
from reconciler.apply.sender import Halted
from reconciler.endpoints import Filters, PageQuery
from reconciler.errors import ApiFailed, Rejected
from reconciler.kinds.wire import (
    CUSTOMERS,
    read_customer,
    read_user,
)
from reconciler.model.core import Action
from reconciler.model.reports import NO, YES, ProbeQuestion
from reconciler.probe import read
from reconciler.probe.session import Made, ProbeSession, Said
from reconciler.report.messages.failures import ending_text

LARGER = 1000
_USUAL = 100
SEEN_WITHIN_S = 60.0
"""So long a create is waited for."""
_ASK_EVERY_S = 0.5
_DAY_S = 86_400.0
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
SETTLED_S = 5.0
"""How long after an archive the server is asked about it, at least."""

_OF_ARCHIVED = (
    ProbeQuestion.LISTS_ARCHIVED,
    ProbeQuestion.GETS_ARCHIVED,
    ProbeQuestion.PATCHES_ARCHIVED,
    ProbeQuestion.REPEATED_ARCHIVE,
    ProbeQuestion.REPEATED_RESTORE,
    ProbeQuestion.RESTORE_REPLIES,
)


@dataclass(frozen=True, slots=True)
class Before:
    """The list before anything was made: ids of its first two customers, and the cursor after the first."""

    first: str = ""
    second: str = ""
    cursor: str = ""
    more: bool = False


async def look_at_lists(session: ProbeSession) -> Before:
    """Return how the list begins, having answered what a list tells by itself: five requests at most."""
    said = await session.read(endpoints.list_customers(PageQuery(limit=1)))
    if said.refused is not None:
        raise said.refused
    session.answer(ProbeQuestion.PAGE_SHAPE, read.page_shape(said.body))
    first = read_page(said.body, f"GET {CUSTOMERS}", said.at_s)
    await _narrowed(session, anybody=bool(first.rows))
    many = await _larger(session)
    rows = [one for one in map(read_customer, many.rows) if one is not None]
    order = read.order_of([one.created_at for one in rows])
    session.answer(ProbeQuestion.ORDER, order, "" if order else "the account has too few customers to find out")
    ids = [one.id for one in rows]
    alone = read_customer(first.rows[0]) if first.rows else None
    if alone is None or len(ids) < 2 or ids[0] != alone.id:  # noqa: PLR2004 - the first and the one after it
        return Before()
    return Before(ids[0], ids[1], first.end_cursor, first.has_next)


async def _narrowed(session: ProbeSession, *, anybody: bool) -> None:
    """Answer whether a list of what will be created from tomorrow on is empty, as it must be; `anybody` is there."""
    start = rfc3339(session.sender.client.server_now() + _DAY_S)
    rows = (await session.page(endpoints.list_customers(PageQuery(limit=1), Filters(created_at_start=start)))).rows
    session.narrows = False if rows else True if anybody else None
    found = {None: "", True: YES, False: NO}[session.narrows]
    session.answer(ProbeQuestion.NARROWS, found, "" if found else "the account has no customers to find out with")


async def _larger(session: ProbeSession) -> Page:
    """Return the first page of a list with a larger limit, or with the usual one where that is refused."""
    said = await session.read(endpoints.list_customers(PageQuery(limit=LARGER)))
    if said.refused is not None:
        session.answer(ProbeQuestion.LARGER_LIMIT, "refused", said.words)
        session.answer(ProbeQuestion.LONGEST_PAGE, "", "a larger limit is refused")
        usual = await session.read(endpoints.list_customers(PageQuery(limit=_USUAL)))
        return (
            await session.page(endpoints.list_customers())
            if usual.refused is not None
            else read_page(usual.body, f"GET {CUSTOMERS}")
        )
    page = read_page(said.body, f"GET {CUSTOMERS}", said.at_s)
    length = len(page.rows)
    small = f"the account has no more than {length} customers"
    found = "taken" if length > _USUAL else "cut" if page.has_next else ""
    session.answer(ProbeQuestion.LARGER_LIMIT, found, "" if found else f"not refused; {small}")
    session.answer(ProbeQuestion.LONGEST_PAGE, str(length) if page.has_next else "", "" if page.has_next else small)
    return page


async def wait_until_seen(session: ProbeSession) -> None:
    """Wait until get and list show the first customer, and answer how long that took."""
    customer = session.made[0].live
    began_s = session.clock.monotonic()
    got_s = listed_s = None
    while listed_s is None and (passed_s := session.clock.monotonic() - began_s) <= SEEN_WITHIN_S:
        if got_s is None and (await session.read(endpoints.get_customer(customer.id))).refused is None:
            got_s = passed_s
        if got_s is not None and await session.lists(customer) is not False:
            listed_s = passed_s
        else:
            await session.sender.pause(_ASK_EVERY_S)
    session.lag_s = SEEN_WITHIN_S if listed_s is None else listed_s
    if listed_s is None:
        what = "get" if got_s is None else "list"
        session.answer(ProbeQuestion.LAG, "", f"within {SEEN_WITHIN_S:g} s no {what} showed it")
    else:
        session.answer(ProbeQuestion.LAG, f"{listed_s:.1f}")
    late = (
        {True: "reads", False: "lists"}[got_s is None or got_s >= _ASK_EVERY_S] if session.lag_s >= _ASK_EVERY_S else ""
    )
    session.answer(ProbeQuestion.LAG_ON, late, "" if late else "none lagged")


async def bounds(session: ProbeSession) -> None:
    """Answer whether the bounds of a list hold the moment itself: two requests."""
    customer = session.made[0].live
    for question in (ProbeQuestion.START_INCLUSIVE, ProbeQuestion.END_INCLUSIVE):
        moment = customer.created_at
        starts = question is ProbeQuestion.START_INCLUSIVE
        held = await (session.lists(customer, start=moment) if starts else session.lists(customer, end=moment))
        session.answer(question, *read.listed_answer(held))


async def cursor(session: ProbeSession, before: Before) -> None:
    """Answer what a cursor from before the create leads to after it: one request."""
    if session.answers[ProbeQuestion.ORDER].found != "newest" or not before.more:
        session.answer(ProbeQuestion.PAGING, "", "one request can show it only in a list that starts with the newest")
        return
    page = await session.page(endpoints.list_customers(PageQuery(limit=1, after=before.cursor)))
    row = read_customer(page.rows[0]) if page.rows else None
    found = {before.first: "offset", before.second: "position"}.get(row.id if row is not None else "", "")
    session.answer(ProbeQuestion.PAGING, found, "" if found else "others wrote in the meantime")


async def create(session: ProbeSession) -> None:
    """
    Create the probe's customer, and answer what its reply tells: up to three requests.

    First without an email, then with one, then with a name and an email alone. Rejected where none is taken.
    """
    email = f"{session.mark}@{DOMAIN}"
    said = await session.create(CREATED)
    sent = CREATED
    if said.refused is None:
        session.answer(ProbeQuestion.EMAIL_REQUIRED, NO)
    else:
        why = said.words
        said = await session.create({**CREATED, "email": email})
        if said.refused is None:
            session.answer(ProbeQuestion.EMAIL_REQUIRED, YES, why)
        else:
            sent, session.sent = {"name": NAME}, session.key
            said = await session.create({"name": NAME, "email": email})
            session.answer(ProbeQuestion.EMAIL_REQUIRED, "", f"other values were refused: {why}")
    if said.refused is not None:
        raise said.refused
    _kept(session, said, sent)


def _kept(session: ProbeSession, said: Said, sent: dict[str, str]) -> None:
    """Answer what the reply to the create tells."""
    live = session.made[0].live
    session.answer(ProbeQuestion.EXTERNAL_IDS, read.kept_as(session.sent or f"{session.key} ", live.external_id))
    session.answer(ProbeQuestion.PRECISION, read.precision_of(live.created_at) if live.created_at else "")
    unset = read.unset_of(said.body, UNSET)
    session.answer(ProbeQuestion.UNSET, unset, "" if unset else "the field has a value that was never set")
    extra = read.extra_fields(said.body)
    session.answer(ProbeQuestion.EXTRA_FIELDS, YES if extra else NO, ", ".join(extra))
    found = read.rewrites(sent, live.fields) if sent is CREATED else ""
    session.answer(ProbeQuestion.REWRITES, found, "" if found else "the values that would show it were refused")


async def patches(session: ProbeSession) -> None:
    """Answer what a patch takes, ignores and empties: three requests."""
    before = session.made[0].live
    said = await session.patch(PATCHED)
    live = read_customer(said.body) or before
    if said.refused is not None:
        session.answer(ProbeQuestion.IGNORES, "", said.words)
    else:
        session.answer(ProbeQuestion.IGNORES, read.ignored(PATCHED, before.fields, live.fields))
    untaken = session.answers[ProbeQuestion.IGNORES].found.split(",")
    fields = [name for name in CLEARED if name not in untaken and live.fields.get(name)]
    emptied = ["", ""]
    for place, (name, value) in enumerate(zip(fields, ("", None), strict=False)):
        emptied[place] = _emptied(name, await session.patch({name: value}))
    found, refused = read.clears(*emptied)
    session.answer(ProbeQuestion.CLEARS, found, "" if found else "a patch accepts too few fields")
    session.answer(ProbeQuestion.CLEARS_REFUSED, refused, "" if refused else "every value that was tried clears it")


def _emptied(name: str, said: Said) -> str:
    """Return what became of a field that was to be emptied; "" where the reply does not tell."""
    if isinstance(said.refused, Rejected):
        return "refused"
    live = read_customer(said.body)
    if live is None:
        return ""
    return "kept" if live.fields.get(name) else "emptied"


async def create_again(session: ProbeSession) -> None:
    """Create a second customer with the external_id of the first, active one; archive it where that was taken."""
    said = await session.create({"name": NAME, "email": f"{session.mark}.again@example.com"})
    if said.refused is not None:
        session.answer(ProbeQuestion.UNIQUE_STATUS, str(said.status), said.words)
        return
    session.answer(ProbeQuestion.UNIQUE, "none")
    session.answer(ProbeQuestion.UNIQUE_STATUS, "", "no create was refused")
    await session.archive(session.made[-1])


async def archive_and_restore(session: ProbeSession) -> None:
    """Archive the first customer, and answer what an archived one does; it is archived again at the end."""
    one = session.made[0]
    said = await session.archive(one)
    if said.refused is not None:
        for question in _OF_ARCHIVED:
            session.answer(question, "", f"it could not be archived: {said.words}")
        return
    await _shown_archived(session, one)
    patched = await session.patch({"name": NAME})
    session.answer(ProbeQuestion.PATCHES_ARCHIVED, YES if patched.refused is None else NO, patched.words)
    repeated = await session.archive(one)
    session.answer(ProbeQuestion.REPEATED_ARCHIVE, str(repeated.status), repeated.words)
    await _taken_by_archived(session)
    await _restored(session)


async def _shown_archived(session: ProbeSession, one: Made) -> None:
    """Answer whether list and get show an archived customer; what shows it at once is asked again a while later."""
    listed, got = await session.lists(one.live), await session.read(endpoints.get_customer(one.live.id))
    if listed or got.refused is None:
        await session.sender.pause(max(SETTLED_S, 2 * session.lag_s + 1))
        listed = await session.lists(one.live) if listed else listed
        got = await session.read(endpoints.get_customer(one.live.id)) if got.refused is None else got
    session.answer(ProbeQuestion.LISTS_ARCHIVED, *read.listed_answer(listed))
    session.answer(ProbeQuestion.GETS_ARCHIVED, YES if got.refused is None else NO, got.words)


async def _taken_by_archived(session: ProbeSession) -> None:
    """Answer whether an archived customer holds its external_id; archive what that made."""
    if ProbeQuestion.UNIQUE in session.answers:
        return
    said = await session.create({"name": NAME, "email": f"{session.mark}.later@example.com"})
    if said.refused is not None:
        session.answer(ProbeQuestion.UNIQUE, "all", said.words)
        return
    session.answer(ProbeQuestion.UNIQUE, "active")
    await session.archive(session.made[-1])


async def _restored(session: ProbeSession) -> None:
    """Restore the first customer, twice, and archive it."""
    one = session.made[0]
    said = await _restore(session)
    if said.refused is not None:
        session.answer(ProbeQuestion.RESTORE_REPLIES, "", said.words)
        session.answer(ProbeQuestion.REPEATED_RESTORE, "", "it could not be restored")
        return
    one.active = True
    session.answer(ProbeQuestion.RESTORE_REPLIES, NO if said.body is None else YES)
    repeated = await _restore(session)
    session.answer(ProbeQuestion.REPEATED_RESTORE, str(repeated.status), repeated.words)
    await session.archive(one)


async def _restore(session: ProbeSession) -> Said:
    """Restore the first customer."""
    one = session.made[0]
    request = endpoints.restore_customer(one.live.id)
    return await session.change(Action.RESTORE, request, one.live.id, writes=session.activated(one))


async def add_users(session: ProbeSession) -> None:
    """Add a user, again, and in lower case; answer what that tells: three requests at most."""
    email = f"User.{session.mark}@{DOMAIN}"
    said = await _create_user(session, email)
    if said.refused is not None:
        for question in (ProbeQuestion.EMAIL_LOWERED, ProbeQuestion.USER_UNIQUE, ProbeQuestion.USER_CASE):
            session.answer(question, "", f"no user could be added: {said.words}")
        return
    user = read_user(said.body)
    kept = "" if user is None else user.email
    session.answer(ProbeQuestion.EMAIL_LOWERED, {email: NO, email.lower(): YES}.get(kept, ""))
    again = await _create_user(session, email)
    session.answer(ProbeQuestion.USER_UNIQUE, "none" if again.refused is None else "refused", again.words)
    if again.refused is None:
        session.answer(ProbeQuestion.USER_CASE, "", "a second user with the same email is accepted anyway")
        return
    lower = await _create_user(session, email.lower())
    session.answer(ProbeQuestion.USER_CASE, "counts" if lower.refused is None else "ignored", lower.words)


async def _create_user(session: ProbeSession, email: str) -> Said:
    """Add a user to the probe's customer."""
    customer = session.made[0].live.id
    body = {"email": email, "first_name": "Reconciler", "last_name": "Probe"}
    request = endpoints.create_user(customer, body)
    return await session.change(Action.CREATE_USER, request, customer, values=body, email=email)


async def payment_methods(session: ProbeSession) -> None:
    """Answer what a list of payment methods looks like: one request."""
    said = await session.read(endpoints.list_payment_methods(session.made[0].live.id))
    found = YES if isinstance(said.body, list) else NO if isinstance(said.body, dict) else ""
    session.answer(ProbeQuestion.METHODS_BARE, found, said.words)


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
        return ending_text(session.sender.halt) or "the user stopped it"
    except ApiFailed as failure:
        await _left_archived(session)
        return str(failure)
    await _left_archived(session)
    return ""


async def _asked(session: ProbeSession, tell: Tell) -> None:
    """Ask every question in its order."""
    tell("looking at lists")
    before = await look_at_lists(session)
    tell(f"creating the customer {session.key}")
    await create(session)
    await wait_until_seen(session)
    await bounds(session)
    await cursor(session, before)
    tell("patching it")
    await patches(session)
    tell("creating it again")
    await create_again(session)
    tell("adding users")
    await add_users(session)
    await payment_methods(session)
    tell("archiving and restoring it")
    await archive_and_restore(session)


async def _left_archived(session: ProbeSession) -> None:
    """Archive what is active yet; what cannot be is for the next probe."""
    for one in session.made:
        if one.active:
            with suppress(ApiFailed, Halted):
                await session.archive(one)
