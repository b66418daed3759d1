"""
The vendor's webhooks as a reason to look: whom they name is read, and compared with files and ledger.

The documentation names the topics, and not what a body looks like. So a body is searched for a topic and for the id of
a customer where such bodies have them. Nothing else of it is used: what a customer is now, only the API says.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from reconciler import live as reading
from reconciler.api.client import ApiClient
from reconciler.api.times import from_rfc3339
from reconciler.errors import Invalid, Problem, ReconcilerError, Source
from reconciler.ledger.base import Ledger
from reconciler.live import PAGE
from reconciler.model.core import CustomerId, Desired, Get, Live, LiveCustomer, Seek
from reconciler.model.ledger import Binding, Learned, Records
from reconciler.model.policy import Terms
from reconciler.model.reports import Heard
from reconciler.pipeline.plan import Planned, Say, planned_of
from reconciler.plan.draft import Draft
from reconciler.plan.make import make_plan
from reconciler.plan.presence import as_recorded
from reconciler.plan.scope import literal, selecting
from reconciler.report.layout import count
from reconciler.report.plan_text import about_requests, reading_requests

ARCHIVED = "customer_archived"
TOPICS = ("customer_created", "customer_updated", ARCHIVED)
"""The topics that are about a customer itself."""

LARGEST = 64 * 1024**2
"""So many bytes of events are read at most."""

_LONGEST = 1024**2
_MOST_PROBLEMS = 20
_DEEPEST = 5
_TOPIC = ("topic", "event", "event_type", "type")
_WITHIN = ("data", "payload", "object", "resource", "customer")
_LONGEST_ID = 200


@dataclass(frozen=True, slots=True)
class WebhookEvents:
    """
    What bodies say: the last topic of each customer, in the order of the first, and how many had another topic.

    A customer's topic is "" where the body has none: each subscription has one topic, so a body need not repeat it.
    """

    bodies: int
    last: Mapping[CustomerId, str]
    others: Mapping[str, int]


def read_events(content: bytes, name: str) -> WebhookEvents:
    """
    Return what the lines of `content`, a JSON object each, say. `name` is the file's.

    Raises Invalid with the number of each line that cannot be read; nothing of what is in it is shown.
    """
    problems: list[Problem] = []
    last: dict[CustomerId, str] = {}
    others: Counter[str] = Counter()
    bodies = 0
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        bodies += 1
        try:
            topic, ids = _body(line)
        except ValueError as error:
            message, _, hint = str(error).partition("; ")
            problems.append(Problem(Source(name, number), "", message, hint))
            continue
        if topic and topic not in TOPICS:
            others[topic] += 1
        last |= dict.fromkeys(ids, topic)
    if problems:
        rest = len(problems) - _MOST_PROBLEMS
        more = [Problem(Source(name), "", f"{count(rest, 'more line')} cannot be read")] if rest > 0 else []
        raise Invalid([*problems[:_MOST_PROBLEMS], *more])
    return WebhookEvents(bodies, last, dict(others))


def _body(line: bytes) -> tuple[str, tuple[CustomerId, ...]]:
    """Return the topic of a body, and the customers that it is about; none where it is about something else."""
    if len(line) > _LONGEST:
        raise ValueError(f"this line is longer than {_LONGEST // 1024**2} MiB; write one webhook body on each line")
    try:
        # No number of a body is read, and a long one would take long.
        body = json.loads(line.decode("utf-8"), parse_int=float)
    except UnicodeDecodeError as exc:
        raise ValueError(f"byte {exc.start + 1} is not UTF-8; write the bodies as they were received") from exc
    except json.JSONDecodeError as exc:
        # Where nothing but white space is left, the parser wanted more.
        cut = exc.pos >= len(exc.doc.rstrip()) or exc.msg.startswith("Unterminated")
        what = "the JSON is cut short" if cut else f"this is not JSON, at character {exc.pos + 1}"
        raise ValueError(f"{what}; write each body whole, on a line of its own") from exc
    except RecursionError as exc:
        raise ValueError("the JSON is nested too deeply; write one webhook body on each line") from exc
    if not isinstance(body, dict):
        raise ValueError("this is not a JSON object; write one webhook body on each line")  # noqa: TRY004 - as the rest
    topic = next((body[name] for name in _TOPIC if isinstance(body.get(name), str)), "")
    if topic and topic not in TOPICS:
        return topic, ()
    ids = tuple(dict.fromkeys(_ids(body, _DEEPEST)))
    if not ids:
        raise ValueError("this body names no customer; it must have a `customer_id`, or an `id` of the customer")
    if any(not one.isprintable() or len(one) > _LONGEST_ID or one != one.strip() for one in ids):
        raise ValueError("the id of the customer is not one; write the bodies as they were received")
    return topic, ids


def _ids(body: Mapping[str, object], depth: int) -> Iterator[CustomerId]:
    """Yield the ids of customers in a body: what is named so first, then what is within, then its own `id`."""
    for name in ("customer_id", "customer"):
        if isinstance(named := body.get(name), str) and named:
            yield CustomerId(named)
            return
    inner = [one for name in _WITHIN for one in _objects(body.get(name))] if depth else []
    for one in inner:
        yield from _ids(one, depth - 1)
    if not inner and isinstance(own := body.get("id"), str) and own:
        yield CustomerId(own)


def _objects(value: object) -> Iterator[dict[str, object]]:
    """Yield the objects that a value is: itself, those of a list, or the one that a text holds as JSON."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value, parse_int=float)
        except (ValueError, RecursionError):
            return
    for one in value if isinstance(value, list) else (value,):
        if isinstance(one, dict):
            yield one


async def check(
    client: ApiClient, ledger: Ledger, desired: Desired, events: WebhookEvents, terms: Terms, *, say: Say, price: Say
) -> tuple[Planned, Terms, Heard]:
    """
    Read the customers that events name, and return the plan of them, the terms that it was made under, and who it was.

    Who is bound is read by a list narrowed to its creation, which shows whether it is active; anyone else by a get.
    That is a request for each. One more is sent for each that is neither listed nor said to be archived. Users and
    payment methods are not read. Raises ReconcilerError where the ledger does not know the API key yet.
    """
    records = ledger.records()
    ledger.disconnect()
    if not records.trusts(terms.environment.account):
        hint = "run `reconciler drift` once without --events, which proves the key by the customers"
        raise ReconcilerError("the ledger does not know this API key yet", hint)
    events = _selected(events, records, terms.excludes)
    before = client.requests
    price(_price(len(events.last), records.learned, terms.rate_per_s))
    say("reading the customers of the events")
    rows = {row.bound_id: row for row in records.bindings.values()}
    sought = {one for one in events.last if one in rows and from_rfc3339(rows[one].created_at) is not None}
    asked = await reading.answer(client, Live(), [Get(one) for one in events.last if one not in sought])
    found = {one: customer for one, customer in asked.got.items() if customer is not None}
    live = await _listed(client, records, events, {one: rows[one] for one in events.last if one in sought}, found)
    live = replace(live, got={**asked.got, **live.got}, requests=client.requests - before)
    keys = {rows[one].external_id for one in events.last if one in rows}
    keys |= {one.external_id for one in found.values()}
    narrowed = replace(terms, targets=tuple(map(literal, sorted(keys))) or ("",), since=None)
    # Webhooks say nothing of users.
    customers = {
        key: replace(one, users=()) if key in keys and one.users else one for key, one in desired.customers.items()
    }
    without_users = replace(desired, customers=customers)

    def draft_of(live: Live, records: Records) -> Draft:
        return make_plan(without_users, live, records, narrowed)

    planned = await planned_of(client, live, records, draft_of, narrowed, say=say)
    planned = replace(planned, live=replace(planned.live, requests=client.requests - before))
    unknown = tuple(one for one, customer in asked.got.items() if customer is None and one not in rows)
    return planned, narrowed, Heard(events.bodies, len(events.last), unknown, events.others)


async def _listed(
    client: ApiClient,
    records: Records,
    events: WebhookEvents,
    rows: Mapping[CustomerId, Binding],
    found: Mapping[CustomerId, LiveCustomer],
) -> Live:
    """Return what narrowed lists show of bound customers, with those that a get found and no event says is archived."""
    # Someone who was created with an external_id of ours is there twice if ours is there too.
    beside = {records.bindings[one.external_id] for one in found.values() if one.external_id in records.bindings}
    wanted = [*rows.values(), *(row for row in beside if row.bound_id not in rows and from_rfc3339(row.created_at))]
    seeks = [Seek(row.bound_id, row.created_at) for row in wanted]
    live = await reading.alone(client, seeks, page_limit=records.learned.page_limit or PAGE) or Live(narrowed=True)
    named = {row.bound_id for row in wanted}
    listed = {one: customer for one, customer in live.listed.items() if one in named}
    new = {one: customer for one, customer in found.items() if events.last[one] != ARCHIVED}
    # What is not listed and said to be archived needs no get to be known as archived.
    got = {
        one: as_recorded(row)
        for one, row in rows.items()
        if one not in listed and events.last[one] == ARCHIVED and live.sought.get(one) is False
    }
    unread = dict.fromkeys(listed, 0)
    return replace(live, listed={**listed, **new}, got=got, payment_methods=unread)


def _selected(events: WebhookEvents, records: Records, excludes: tuple[str, ...]) -> WebhookEvents:
    """Return the events without those of customers whose keys are excluded."""
    excluded = selecting(excludes)
    left_out = {row.bound_id for row in records.bindings.values() if excluded(row.external_id)}
    return replace(events, last={one: topic for one, topic in events.last.items() if one not in left_out})


def _price(customers: int, learned: Learned, rate_per_s: float) -> str:
    """Return what reading customers alone costs, in one line; without a limit nothing worth a line: ""."""
    if not rate_per_s or not customers:
        return ""
    account = reading_requests(learned)
    whole = "" if account is None else f"; the whole account takes {account}"
    return f"reading {count(customers, 'customer')} alone: {about_requests(1 + customers, rate_per_s)}{whole}"
