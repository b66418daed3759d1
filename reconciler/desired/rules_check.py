"""
The second check: rules that the schema cannot state, across fields, customers and files.

States and postal codes: what the vendor's dashboard is known to want (its help centre); the API may be looser, so
that what does not fit is a warning. Nothing is judged in another country, or where none is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from reconciler.desired.overlay import STRUCTURE, Entry, Merged
from reconciler.desired.schema_check import PathProblem
from reconciler.documents.nodes import KeyPath
from reconciler.documents.parse import Document
from reconciler.documents.scalars import clipped, did_you_mean, quoted, scalar
from reconciler.errors import Severity, Source
from reconciler.kinds.kind import nearly

_US_STATES = """
AL Alabama, AK Alaska, AZ Arizona, AR Arkansas, CA California, CO Colorado, CT Connecticut, DE Delaware,
DC District of Columbia, FL Florida, GA Georgia, HI Hawaii, ID Idaho, IL Illinois, IN Indiana, IA Iowa, KS Kansas,
KY Kentucky, LA Louisiana, ME Maine, MD Maryland, MA Massachusetts, MI Michigan, MN Minnesota, MS Mississippi,
MO Missouri, MT Montana, NE Nebraska, NV Nevada, NH New Hampshire, NJ New Jersey, NM New Mexico, NY New York,
NC North Carolina, ND North Dakota, OH Ohio, OK Oklahoma, OR Oregon, PA Pennsylvania, RI Rhode Island,
SC South Carolina, SD South Dakota, TN Tennessee, TX Texas, UT Utah, VT Vermont, VA Virginia, WA Washington,
WV West Virginia, WI Wisconsin, WY Wyoming, AS American Samoa, GU Guam, MP Northern Mariana Islands, PR Puerto Rico,
VI Virgin Islands, UM United States Minor Outlying Islands, AA Armed Forces Americas, AE Armed Forces Europe,
AP Armed Forces Pacific
"""
_PROVINCES = """
AB Alberta, BC British Columbia, MB Manitoba, NB New Brunswick, NL Newfoundland and Labrador, NS Nova Scotia,
NT Northwest Territories, NU Nunavut, ON Ontario, PE Prince Edward Island, QC Quebec, SK Saskatchewan, YT Yukon,
QC Québec
"""


def _codes(table: str) -> Mapping[str, str]:
    """Return the codes by code and by full name, without case."""
    rows = (row.strip().partition(" ") for row in table.split(","))
    return {name.casefold(): code for code, _, full in rows for name in (code, full)}


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A country whose addresses can be checked; `codes` of its states are by code and name, without case."""

    country: str
    codes: Mapping[str, str]
    state_hint: str
    postal_code: re.Pattern[str]
    postal_hint: str


_US = Region(
    "the United States",
    _codes(_US_STATES),
    "write a state's two letters, such as NY, or its name",
    re.compile(r"[0-9]{5}(-[0-9]{4})?"),
    "write a ZIP code such as 02134 or 02134-1000",
)
_CANADA = Region(
    "Canada",
    _codes(_PROVINCES),
    "write a province's two letters, such as ON, or its name",
    # Letters that a Canadian code never has, as they look like others: D F I O Q U.
    re.compile(r"[ABCEGHJ-NPRSTVXY][0-9][ABCEGHJ-NPRSTV-Z] ?[0-9][ABCEGHJ-NPRSTV-Z][0-9]", re.IGNORECASE | re.ASCII),
    "write a postal code such as K1A 0B1",
)
_COUNTRIES: Mapping[str, Region] = {
    **dict.fromkeys(("us", "usa", "united states", "united states of america"), _US),
    **dict.fromkeys(("ca", "can", "canada"), _CANADA),
}


@lru_cache(maxsize=1024)
def region_of(country: str) -> Region | None:
    """
    Return the region whose rules `country` is under, None where nothing is judged.

    >>> region_of("Canada").country, region_of("France")
    ('Canada', None)
    """
    return _COUNTRIES.get(country.strip().casefold())


@lru_cache(maxsize=4096)
def state_problem(region: Region, state: str) -> tuple[str, str]:
    """
    Return what is wrong with a state and what to write, ("", "") for nothing.

    >>> state_problem(region_of("US"), "new york"), state_problem(region_of("CAN"), "NY")[0]
    (('', ''), "'NY' is not a province of Canada")
    """
    if state.strip().casefold() in region.codes:
        return "", ""
    kind = "province" if region is _CANADA else "state"
    return f"{quoted(state)} is not a {kind} of {region.country}", region.state_hint


def postal_problem(region: Region, code: str) -> tuple[str, str]:
    """
    Return what is wrong with a postal code and what to write, ("", "") for nothing.

    >>> postal_problem(region_of("US"), "02134"), postal_problem(region_of("US"), "2134")[0]
    (('', ''), "'2134' is not a postal code of the United States")
    """
    if region.postal_code.fullmatch(code.strip()):
        return "", ""
    return f"{quoted(code)} is not a postal code of {region.country}", region.postal_hint


_SUGGESTIONS = 20  # each compares with every key: after a few, the mistake is another one


class MoveLine(NamedTuple):
    """A line of `moved`, and where it is."""

    document: Document
    path: KeyPath
    origin: str
    to: str


def moves_of(documents: Sequence[Document]) -> Iterator[MoveLine]:
    """Yield the `moved` lines of all documents, in their order."""
    for document in documents:
        for index, line in enumerate(document.tree.get("moved", ())):
            if isinstance(line, Mapping):
                yield MoveLine(document, ("moved", index), line["from"], line["to"])


def ends_of(lines: Iterable[MoveLine]) -> dict[str, str]:
    """Return, for each key that `lines` move, the key that they lead to; of a circle, one of its keys."""
    onward = {line.origin: line.to for line in lines}
    ends: dict[str, str] = {}
    for origin, to in onward.items():
        way, key = {origin: ""}, to
        while key in onward and key not in ends and key not in way:
            way[key] = ""
            key = onward[key]
        ends |= dict.fromkeys(way, ends.get(key, key))
    return ends


def forgotten_in(documents: Sequence[Document]) -> Iterator[tuple[Document, KeyPath, str]]:
    """Yield the keys of `forget` of all documents, and where they are."""
    for document in documents:
        for index, key in enumerate(document.tree.get("forget", ())):
            if isinstance(key, str):
                yield document, ("forget", index), key


def check_moves(
    merged: Merged, documents: Sequence[Document], overlays: Sequence[Document], *, complete: bool
) -> Iterator[PathProblem]:
    """Yield what is wrong with the `moved` and `forget` lines of all documents."""
    everything = (*documents, *overlays)
    lines = tuple(moves_of(everything))
    round_trips = tuple(_circles(lines))
    going_round = {line for circle in round_trips for line in circle}
    for circle in round_trips:
        way = " → ".join(clipped(line.origin) for line in (*circle, circle[0]))
        message = f"these moves form a circle: {way}"
        yield PathProblem(circle[0].document, circle[0].path, message, _opened(circle, merged))
    yield from _torn(lines)
    suggested, origins = 0, {line.origin for line in lines}
    for line in lines:
        if line in going_round:
            continue
        if complete and line.to not in origins and line.to not in merged.entries and line.to not in merged.absent:
            near = did_you_mean(line.to, merged.entries) if suggested < _SUGGESTIONS else ""
            suggested += 1
            message = f"{quoted(line.to)} is not declared"
            hint = near or "a customer moves to a key under `customers`"
            yield PathProblem(line.document, (*line.path, "to"), message, hint)
        if line.origin in merged.entries:
            message, also = f"{quoted(line.origin)} is still declared, at {{also}}", _declared(merged, line.origin)
            hint = (
                "if that entry is the moved customer, remove it; if it is a new customer, "
                "remove this line once every environment has been applied with it"
            )
            yield PathProblem(line.document, (*line.path, "from"), message, hint, also=also)
    for document, path, key in forgotten_in(everything):
        if key in merged.entries:
            message = f"{quoted(key)} is declared, at {{also}}"
            hint = "to stop managing it, remove the entry too"
            yield PathProblem(document, path, message, hint, also=_declared(merged, key))


def _torn(lines: Sequence[MoveLine]) -> Iterator[PathProblem]:
    """Yield a finding for each line whose `from` an earlier one moves to another key."""
    first: dict[str, MoveLine] = {}
    for line in lines:
        other = first.setdefault(line.origin, line)
        if other.to != line.to:
            message = (
                f"{quoted(line.origin)} moves to two keys, {quoted(other.to)} at {{also}} and {quoted(line.to)} here"
            )
            hint = f"keep the line to the key that {quoted(line.origin)} has now; the other is a new customer"
            also = (other.document, (*other.path, "from"))
            yield PathProblem(line.document, (*line.path, "from"), message, hint, also=also)


def _opened(circle: Sequence[MoveLine], merged: Merged) -> str:
    """Return which line of a circle may go without harm to an environment that still knows a former key."""
    declared = [line.origin for line in circle if line.origin in merged.entries]
    match declared:
        case []:
            return "declare the key that the customer has now, and remove the line that moves it away from there"
        case [key]:
            return f"{quoted(key)} is declared: remove the line with `from: {clipped(key)}`"
        case _:
            return "moves cannot swap keys: remove these lines, and run `reconciler state move` for each account"


def _circles(lines: Sequence[MoveLine]) -> Iterator[tuple[MoveLine, ...]]:
    """Yield each round trip once, from its first line on."""
    onward = {line.origin: line for line in reversed(lines)}
    seen: set[str] = set()
    for line in lines:
        way: dict[str, Any] = {}
        step = onward.get(line.origin)
        while step is not None and step.origin not in seen:
            seen.add(step.origin)
            way[step.origin] = step
            step = onward.get(step.to)
        if step is not None and step.origin in way:
            steps = list(way.values())
            yield tuple(steps[steps.index(step) :])


def _declared(merged: Merged, key: str) -> tuple[Document, KeyPath]:
    """Return where a key is declared."""
    return merged.entries[key].layers[0], ("customers", key)


def check_rules(
    merged: Merged,
    documents: Sequence[Document],
    overlays: Sequence[Document],
    *,
    required: Collection[str] = (),
    required_at: Source | None = None,
    pins_allowed: bool = True,
    spoiled: Collection[str] = (),
    belongs: Callable[[str], bool] = lambda _: True,
    complete: bool = True,
) -> Iterator[PathProblem]:
    """
    Yield all that is wrong with what `documents` and `overlays` declare together.

    `required` are the fields that `policy.required` names, which is written at `required_at`;
    `spoiled` the keys of customers that lost fields to the schema's check, so that a field they lack is not missed
    twice; of a customer that does not belong to the environment (`belongs`) nothing is asked that may be left out;
    `complete` is False where a file could not be read, so that no key is called unknown.
    """
    yield from merged.findings
    if not pins_allowed:
        yield from _pins(documents)
    pins: dict[str, Entry] = {}
    for entry in chain(merged.entries.values(), merged.repeated):
        key, record, fields = entry.key, entry.record, entry.fields()
        repeated = merged.entries.get(key) is not entry
        if fields is not record and not STRUCTURE.isdisjoint(record):
            yield from _structure(entry, {} if repeated else pins)
        if not repeated and not record.get("archived") and key not in spoiled and belongs(key):
            if not fields.get("email") and "email" not in required:
                yield _warning(entry, "it has no email", "invoices need one, and the API sets it only at creation")
            for name in required:
                if not (fields.get(name) or "").strip():
                    yield _lacking(entry, name, required_at)
        if country := fields.get("country"):
            yield from _address(entry, country, fields)
    yield from _nearly_equal(entry for key, entry in merged.entries.items() if belongs(key))
    yield from check_moves(merged, documents, overlays, complete=complete)


def _pins(documents: Sequence[Document]) -> Iterator[PathProblem]:
    """Yield a finding for each `id` in a file that several environments share."""
    hint = "write it in an overlay of the environment whose customer it is"
    for document in documents:
        for key, record in document.tree.get("customers", {}).items():
            if record and "id" in record:
                message = "an id belongs to one environment, and this file is read for several"
                yield PathProblem(document, ("customers", key, "id"), message, hint)


def _structure(entry: Entry, pins: dict[str, Entry]) -> Iterator[PathProblem]:
    """Yield what is wrong with an entry's keys that are no fields; remember its id in `pins`."""
    record = entry.record
    for name in record.get("unmanaged", ()):
        if name in record:
            document, path = entry.written_in("unmanaged")
            message = f"{quoted(name)} is set in this customer's entry, and is also unmanaged"
            yield PathProblem(document, path, message, "remove one of the two; unmanaged is for fields from defaults")
    if customer_id := record.get("id"):
        other = pins.setdefault(customer_id, entry)
        if other is not entry:
            document, path = entry.written_in("id")
            message = f"the id {quoted(customer_id)} is given to two customers, first at {{also}}"
            hint = "an id belongs to one customer; remove one of the two"
            yield PathProblem(document, path, message, hint, also=other.written_in("id"))
    for name in record.get("distinct_from", ()):
        if name in (entry.key, customer_id):
            document, path = entry.written_in("distinct_from")
            message, hint = f"{quoted(name)} is this customer itself", "name other customers"
            yield PathProblem(document, path, message, hint)
    if users := record.get("users"):
        yield from _users(entry, users)


def _nearly_equal(entries: Iterable[Entry]) -> Iterator[PathProblem]:
    """Yield a warning for each key that is nearly an earlier one, unless one of the two is declared distinct."""
    first: dict[str, Entry] = {}
    for entry in entries:
        other = first.setdefault(nearly(entry.key), entry)
        if other is entry:
            continue
        if entry.key in other.record.get("distinct_from", ()):
            continue
        if other.key not in entry.record.get("distinct_from", ()):
            document = other.layers[0]
            place = document.keys.get(other.key) or document.name
            message = (
                f"it is almost the same as the key {quoted(other.key)} at "
                f"{place}: only case, whitespace, Unicode form or the "
                "way a number is written differ"
            )
            line = f"distinct_from: [{scalar(other.key, flow=True)}]"
            yield _warning(entry, message, f"if they are one customer, remove one; if not, write `{line}`")


def _users(entry: Entry, users: Mapping[str, Any]) -> Iterator[PathProblem]:
    """Yield a finding for each user whose email address another one has, case apart."""
    first: dict[str, str] = {}
    for email in users:
        other = first.setdefault(email.casefold(), email)
        if other is not email:
            document, path = entry.written_in("users", email)
            message = f"the user is declared twice, first at {{also}} as {quoted(other)}"
            also = entry.written_in("users", other)
            yield PathProblem(
                document, path, message, "email addresses are compared without case", at_key=True, also=also
            )


def _address(entry: Entry, country: str, fields: Mapping[str, str | None]) -> Iterator[PathProblem]:
    """Yield a warning for a state or a postal code that the country does not have."""
    region = region_of(country)
    if region is None:
        return
    for name, value, problem in (
        ("state", fields.get("state"), state_problem),
        ("postal_code", fields.get("postal_code"), postal_problem),
    ):
        message, hint = problem(region, value) if value else ("", "")
        if message:
            document, path = entry.written_in(name)
            yield PathProblem(document, path, message, hint, Severity.WARNING)


def _warning(entry: Entry, message: str, hint: str) -> PathProblem:
    """Return a warning about a whole customer."""
    return PathProblem(entry.layers[0], ("customers", entry.key), message, hint, Severity.WARNING, at_key=True)


def _lacking(entry: Entry, name: str, required_at: Source | None) -> PathProblem:
    """Return the error of a customer without a field that the policy requires."""
    rule = f" ({required_at})" if required_at is not None else ""
    message, hint = f"it has no {name}, which the policy requires{rule}", f"write `{name}:`"
    return PathProblem(entry.layers[0], ("customers", entry.key), message, hint, at_key=True)
