"""One probe's requests, journalled like every change, and the answers they gave; and what a killed probe left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from reconciler import endpoints
from reconciler.api.exchange import Reply, Request
from reconciler.api.pagination import Page, read_page
from reconciler.api.times import from_rfc3339, rfc3339
from reconciler.apply.sender import Halted, Sender
from reconciler.apply.settle import BEFORE_S, NothingRead, Observed, TooEarly, settle
from reconciler.clock import Clock
from reconciler.endpoints import Filters, PageQuery
from reconciler.errors import Forbidden, Rejected, Throttled, Unanswered, Unauthorized
from reconciler.kinds.kind import fingerprint
from reconciler.kinds.wire import CUSTOMERS, read_customer
from reconciler.live.reads import SingleReads
from reconciler.model.core import Action, Address, CustomerId, LiveCustomer, Reason, Status
from reconciler.model.ledger import Binding, BindingState, Intent, PutBinding, Via, Write
from reconciler.model.plan import Change, FieldChange
from reconciler.model.reports import PROBES, ProbeAnswer, ProbeQuestion

AROUND_S = 2.0
"""How far around its created_at the probe's customer is looked for: as planning seeks one."""

FEW = 50
"""The `limit` of a list that is narrowed to a few seconds; no server is known to refuse it."""

Writes = Callable[[Reply], tuple[Write, ...]]


@dataclass(frozen=True, slots=True)
class Said:
    """
    What a request was answered: `refused` is None for a 2xx, whose JSON is `body`.

    `at_s` is the server's clock, seconds since 1970.
    """

    status: int
    body: object = None
    refused: Rejected | None = None
    at_s: float = 0.0

    @property
    def words(self) -> str:
        """Return a refusal in words, "" for a 2xx."""
        return "" if self.refused is None else str(self.refused)


@dataclass(slots=True)
class Made:
    """A customer that the probe made: the ledger's key of its row, and whether it is active now."""

    live: LiveCustomer
    key: str
    active: bool = True


@dataclass(slots=True)
class ProbeSession:
    """
    One probe under way. `key` is what the ledger calls what it makes, `mark` what makes its emails its own.

    `sent` is the external_id that is sent: the key, and a blank that a server may trim.

    `narrows`: whether the server narrows a list by created_at; None for unknown.

    `made` are its customers, the first being the one that is tried. `lag_s` is how long its create stayed unseen.
    """

    sender: Sender
    clock: Clock
    key: str
    mark: str
    sent: str = ""
    answers: dict[ProbeQuestion, ProbeAnswer] = field(default_factory=dict)
    made: list[Made] = field(default_factory=list)
    lag_s: float = 0.0
    narrows: bool | None = None

    def answer(self, question: ProbeQuestion, found: str, why: str = "") -> None:
        """Keep what was found of a question."""
        self.answers[question] = ProbeAnswer(question, found, why)

    async def read(self, request: Request) -> Said:
        """Return what a read is answered, a 4xx too."""
        if self.sender.stopped:
            raise Halted
        try:
            reply = await self.sender.client.send(request)
        except (Forbidden, Unauthorized, Throttled):
            raise
        except Rejected as refused:
            return self._refused(refused)
        return Said(reply.status, reply.body, at_s=reply.server_time_s)

    async def page(self, request: Request) -> Page:
        """Return a page of a list; raises what refuses it."""
        said = await self.read(request)
        if said.refused is not None:
            raise said.refused
        return read_page(said.body, request.name, said.at_s)

    async def lists(self, customer: LiveCustomer, start: str = "", end: str = "") -> bool | None:
        """
        Say whether the list from `start` to `end`, by default a little around its creation, holds the customer.

        None where its created_at is no moment, or lists are not narrowed: it cannot be looked for.
        """
        at_s = from_rfc3339(customer.created_at)
        if at_s is None or self.narrows is False:
            return None
        bounds = Filters(start or rfc3339(at_s - AROUND_S), end or rfc3339(at_s + AROUND_S))
        rows = map(read_customer, (await self.page(endpoints.list_customers(PageQuery(limit=FEW), bounds))).rows)
        return any(one is not None and one.id == customer.id for one in rows)

    async def change(
        self,
        action: Action,
        request: Request,
        customer: CustomerId | None = None,
        *,
        values: Mapping[str, str | None] = {},
        email: str | None = None,
        writes: Writes = lambda _: (),
    ) -> Said:
        """
        Send one change, its intent durable before it and its outcome after it with what `writes` makes of the reply.

        A 4xx is an answer; raises Halted where the user stopped the run, and what else the client raises.
        """
        fields = tuple(FieldChange(name, "", value) for name, value in values.items())
        change = Change(action, Address(self.key, email), customer, Reason.DIRECT, fields)
        try:
            reply, intent = await self.sender.send(request, change, customer)
        except (Forbidden, Unauthorized, Throttled):
            raise
        except Rejected as refused:
            return self._refused(refused)
        written = writes(reply)
        if action is Action.CREATE:
            intent = replace(intent, id=self.made[-1].live.id)
        await self.sender.close(intent, Status.DONE, *written)
        return Said(reply.status, reply.body, at_s=reply.server_time_s)

    async def create(self, values: Mapping[str, str]) -> Said:
        """Create a customer with the probe's external_id, and bind it; raises Unanswered where the reply holds none."""
        key = f"{self.key}-{len(self.made) + 1}" if self.made else self.key
        body = {"external_id": self.sent or f"{self.key} ", **values}

        def bound(reply: Reply) -> tuple[Write, ...]:
            live = read_customer(reply.body)
            if live is None:
                raise Unanswered(f"POST {CUSTOMERS}: the reply has no customer; the create may have happened")
            self.made.append(Made(live, key))
            return (PutBinding(_row(self.made[-1], reply.server_time_s)),)

        request = endpoints.create_customer(body)
        return await self.change(Action.CREATE, request, values=values, writes=bound)

    async def patch(self, values: Mapping[str, str | None]) -> Said:
        """Patch the probe's first customer."""
        customer = self.made[0].live.id
        return await self.change(Action.PATCH, endpoints.patch_customer(customer, values), customer, values=values)

    async def archive(self, one: Made) -> Said:
        """Archive a customer of the probe's."""
        said = await self.change(
            Action.ARCHIVE,
            endpoints.archive_customer(one.live.id),
            one.live.id,
            writes=lambda reply: (PutBinding(_row(one, reply.server_time_s, BindingState.ARCHIVED)),),
        )
        if said.refused is None:
            one.active = False
        return said

    async def found_archived(self, one: Made) -> None:
        """Write that a customer is archived, though no answer says who did it."""
        row = _row(one, self.sender.client.server_now(), BindingState.ARCHIVED)
        await self.sender.journal.write(PutBinding(row))
        one.active = False

    def activated(self, one: Made) -> Writes:
        """Return what writes that a customer of the probe's is active again."""
        return lambda reply: (PutBinding(_row(one, reply.server_time_s)),)

    def _refused(self, refused: Rejected) -> Said:
        """Return a refusal as what was said; the first one shows what a refusal's body is."""
        if ProbeQuestion.ERROR_BODY not in self.answers:
            self.answer(ProbeQuestion.ERROR_BODY, refused.shape)
        return Said(refused.status, refused=refused)


def _row(one: Made, at_s: float, state: BindingState = BindingState.ACTIVE) -> Binding:
    """Return the ledger's row of a customer that a probe made: of no project of the user's."""
    return Binding(
        external_id=one.key,
        id=one.live.id,
        live_external_id=one.live.external_id,
        created_at=one.live.created_at,
        state=state,
        project=PROBES,
        source="",
        protected=False,
        via=Via.CREATED,
        written_at=at_s,
        applied_hash=fingerprint({}),
    )


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
    One list of what was created since finds what no answer reported. One that is archived already is archived again
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
    message = "a later probe archived its customers"
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
