"""
The requests below `/_emulator/`: account, faults, behavior; and the emulator's own page at `/`.

The page is made on the server and holds no script, so that what a customer is called cannot run. Its forms are
answered only where the browser says that this page sent them.

The requests need no token and do not count. A page in a browser cannot send them: a call with `Origin` is refused
at the socket.
"""

from __future__ import annotations

import ipaddress
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from reconciler.emulator.calls import CONTROL, Answer, Call, NotAnObject
from reconciler.emulator.fault_settings import read_odds, seconds, switched
from reconciler.emulator.faults import MEANINGS, Fault, On, RandomFaults
from reconciler.emulator.integration import read_integration, read_records
from reconciler.emulator.service import Emulator, Logged, load, read_payment_methods
from reconciler.escape import visible
from reconciler.rules import Account, Behaviour, show, show_user

if TYPE_CHECKING:
    import jinja2


ROWS = 50
PACE_S = 30
"""For how many seconds back the page shows how many requests came in each."""


def state_of(emulator: Emulator) -> dict[str, object]:
    """Return the account in numbers."""
    archived = sum(one.archived for one in emulator.account.customers.values())
    return {
        "active": len(emulator.account.customers) - archived,
        "archived": archived,
        "users": sum(map(len, emulator.account.users.values())),
        "payment_methods": sum(map(len, emulator.account.payment_methods.values())),
        "requests": sum(emulator.counts.values()),
        "refused": sum(line.status == 429 for line in emulator.requests),  # noqa: PLR2004 - Too Many Requests
        "date": emulator.date(),
    }


def pace_of(emulator: Emulator) -> list[tuple[int, int]]:
    """Return how many requests came in each of the last seconds, oldest first, as (seconds ago, requests)."""
    now = int(emulator.now())
    counted: Counter[int] = Counter()
    for line in reversed(emulator.requests):
        if line.time < now - PACE_S:
            break
        counted[now - int(line.time)] += 1
    return [(ago, counted[ago]) for ago in range(PACE_S - 1, -1, -1)]


def customers_of(emulator: Emulator, parameters: Mapping[str, str]) -> dict[str, object]:
    """Return one screen of customers, newest first, and where the next and the former begin."""
    sought, held = parameters.get("q", "").casefold(), parameters.get("held", "")
    text = parameters.get("start", "0")
    start = min(int(text), len(emulator.account.customers)) if text.isdecimal() and text.isascii() else 0
    found = [
        one
        for one in reversed(emulator.account.customers.values())
        if (not held or one.archived == (held == "archived"))
        and (not sought or any(sought in text.casefold() for text in (one.id, *one.fields.values())))
    ]
    rows = [
        {
            "id": one.id,
            "external_id": one.external_id,
            "name": one.fields.get("name", ""),
            "city": one.fields.get("city", ""),
            "users": len(emulator.account.users.get(one.id, ())),
            "payment_methods": len(emulator.account.methods_of(one)),
            "archived": one.archived,
        }
        for one in found[start : start + ROWS]
    ]
    return {
        "rows": rows,
        "count": len(found),
        "first": start + 1 if rows else 0,
        "last": start + len(rows),
        "former": max(0, start - ROWS) if start else None,
        "next": start + ROWS if start + ROWS < len(found) else None,
    }


def one_of(emulator: Emulator, identity: str) -> dict[str, object] | None:
    """Return all that one customer holds, None for none."""
    customer = emulator.account.customers.get(identity)
    if customer is None:
        return None
    ways = Behaviour()
    return {
        "id": customer.id,
        "archived": customer.archived,
        "fields": [(name, value) for name, value in show(emulator.account, ways, customer).items() if value],
        "users": [show_user(ways, user) for user in emulator.account.users.get(customer.id, ())],
        "payment_methods": [_words(method) for method in emulator.account.methods_of(customer)],
    }


def _words(method: Mapping[str, object]) -> str:
    """Return a payment method in words; its fields are not documented."""
    return ", ".join(f"{name}: {value}" for name, value in method.items())


def line_of(line: Logged) -> dict[str, object]:
    """Return one request as the log shows it."""
    shown = asdict(line)
    shown["time"] = f"{line.time % 86_400 // 3600:02.0f}:{line.time % 3600 // 60:02.0f}:{line.time % 60:06.3f}"
    shown["status"] = line.status or "dropped"
    shown["bad"] = not line.status or line.status >= 400  # noqa: PLR2004 - HTTP's errors
    return shown


def faults_of(emulator: Emulator) -> Iterator[dict[str, object]]:
    """Yield every fault: what it is, its chance and whom it befalls, how often it came."""
    odds = emulator.faults.as_json()
    for fault in Fault:
        strikes = odds.get(fault)
        first = strikes[0] if isinstance(strikes, list) and strikes else {}
        yield {
            "name": str(fault),
            "meaning": MEANINGS[fault],
            "chance": first.get("chance", 0.0),
            "on": first.get("on", On.ALL),
            "active": bool(first),
            "came": emulator.befallen.get(fault, 0),
        }


def changed(name: str, value: object) -> bool:
    """Say whether a switch is not as it is by default."""
    return Behaviour().as_json()[name] != value


def control(emulator: Emulator, call: Call) -> Answer:
    """
    Return the answer to a request for the emulator itself; 400 says what is wrong with it.

    ============================  ======================================================================
    `GET  state`                  how many customers, users, requests, faults; `?customers=1`: all customers
    `GET  requests`               every request: time, method, path, query, status, fault; `?since=N` skips N
    `GET|POST behaviour`          the switches; a POST sets some
    `GET|POST faults`             the odds; a POST sets all again, `{}` none
    `GET|POST integration`        the integration; a POST connects another one, `{}` disconnects it
    `POST integration/edit`       edits its records: `{"customers": [{"id": …}]}`; the next sync writes them
    `POST integration/sync`       lets it sync now
    `POST load`                   customers past all rules: `{"customers": […], "payment_methods": {…}}`
    `POST clock`                  `{"offset_s": N}`: how far the server's clock is ahead
    `POST expire`                 ends every token
    `POST reset`                  an empty account, no faults, no log; says how many were there, what is kept
    ============================  ======================================================================
    """
    request = REQUESTS.get((call.method, call.path.removeprefix(CONTROL)))
    if request is None:
        return _json(404, {"code": "not_found", "message": "The emulator has no such request"})
    try:
        return _json(200, request(emulator, call))
    except ValueError as exc:
        return _json(400, {"code": "bad_request", "message": str(exc)})


def _get_state(emulator: Emulator, call: Call) -> object:
    """Return what the account holds."""
    customers = emulator.account.customers.values()
    archived = sum(customer.archived for customer in customers)
    state: dict[str, object] = {
        "customers": len(customers),
        "active": len(customers) - archived,
        "archived": archived,
        "users": sum(map(len, emulator.account.users.values())),
        "requests": sum(emulator.counts.values()),
        "requests_by_method": dict(emulator.counts),
        "faults": dict(emulator.befallen),
        "date": emulator.date(),
    }
    if call.parameters.get("customers"):
        # In the account's own words, whatever the behaviour shows.
        ways = Behaviour()
        state["all"] = [
            {
                **show(emulator.account, ways, customer),
                "archived": customer.archived,
                "users": [show_user(ways, user) for user in emulator.account.users.get(customer.id, ())],
            }
            for customer in customers
        ]
    return state


def _get_requests(emulator: Emulator, call: Call) -> object:
    """Return the requests, oldest first."""
    text = call.parameters.get("since", "0")
    if not text.isdecimal():
        raise ValueError("since is a whole number")
    return {"requests": [asdict(line) for line in islice(emulator.requests, int(text), None)]}


def _get_behaviour(emulator: Emulator, _: Call) -> object:
    """Return the switches."""
    return emulator.behaviour.as_json()


def _set_behaviour(emulator: Emulator, call: Call) -> object:
    """Set some switches; return all."""
    emulator.behaviour = switched(emulator.behaviour, call.json_object())
    return emulator.behaviour.as_json()


def _get_faults(emulator: Emulator, _: Call) -> object:
    """Return the odds."""
    return emulator.faults.as_json()


def _set_faults(emulator: Emulator, call: Call) -> object:
    """Set the odds again; return them."""
    emulator.faults = RandomFaults(read_odds(call.json_object()))
    return emulator.faults.as_json()


def _load(emulator: Emulator, call: Call) -> object:
    """Put customers and payment methods into the account; return the customers' ids."""
    body = call.json_object()
    customers = body.get("customers", [])
    if not isinstance(customers, list):
        raise NotAnObject("customers is a list of objects")
    emulator.account.payment_methods |= read_payment_methods(body.get("payment_methods", {}))
    ids = load(emulator.account, customers, emulator.now())
    if emulator.store is not None:
        emulator.store.save(emulator.account, *ids)
    return {"ids": ids}


def _get_integration(emulator: Emulator, _: Call) -> object:
    """Return what the integration has, and what it did; `connected` false where there is none."""
    working = emulator.integration
    if working is None:
        return {"connected": False}
    return {
        "connected": True,
        "every_s": working.integration.every_s,
        "fields": list(working.integration.fields),
        "customers": [
            {"id": one.id, "number": one.number, "deleted": one.deleted, "syncs": one.syncs, **one.fields}
            for one in working.records.values()
        ],
        "did": dict(working.did),
    }


def _set_integration(emulator: Emulator, call: Call) -> object:
    """Connect another integration, or none; return it."""
    values = call.json_object()
    emulator.connect(read_integration(values) if values else None)
    return _get_integration(emulator, call)


def _edit_integration(emulator: Emulator, call: Call) -> object:
    """Edit records of the integration; return it."""
    rows = read_records(call.json_object())
    if emulator.integration is None:
        raise ValueError("no integration is connected; start the emulator with --integration FILE, or post one")
    emulator.integration.edit(rows)
    return _get_integration(emulator, call)


def _sync_integration(emulator: Emulator, call: Call) -> object:
    """Let the integration sync now; return it."""
    emulator.sync()
    return _get_integration(emulator, call)


def _set_clock(emulator: Emulator, call: Call) -> object:
    """Set how far the server's clock is ahead."""
    emulator.set_clock(seconds("offset_s", call.json_object().get("offset_s")))
    return {"offset_s": emulator.offset_s}


def _expire(emulator: Emulator, _: Call) -> object:
    """End every token."""
    emulator.tokens.expire()
    return {}


def _reset(emulator: Emulator, _: Call) -> object:
    """Start over and return what was there; an id that was given before is then of no customer."""
    former = emulator.account
    reset = {
        "customers": len(former.customers),
        "users": sum(map(len, former.users.values())),
        "requests": sum(emulator.counts.values()),
        "faults": emulator.faults.as_json(),
    }
    emulator.account = Account(seed=former.seed, made=former.made, payment_methods=former.payment_methods)
    emulator.faults = RandomFaults()
    emulator.connect(None if emulator.integration is None else emulator.integration.integration)
    emulator.requests.clear()
    emulator.counts.clear()
    emulator.befallen.clear()
    if emulator.store is not None:
        emulator.store.clear()
    return {"reset": reset, "kept": ["behaviour", "clock", "tokens", "payment_methods", "integration"]}


REQUESTS: Mapping[tuple[str, str], Callable[[Emulator, Call], object]] = {
    ("GET", "state"): _get_state,
    ("GET", "requests"): _get_requests,
    ("GET", "behaviour"): _get_behaviour,
    ("POST", "behaviour"): _set_behaviour,
    ("GET", "faults"): _get_faults,
    ("POST", "faults"): _set_faults,
    ("GET", "integration"): _get_integration,
    ("POST", "integration"): _set_integration,
    ("POST", "integration/edit"): _edit_integration,
    ("POST", "integration/sync"): _sync_integration,
    ("POST", "load"): _load,
    ("POST", "clock"): _set_clock,
    ("POST", "expire"): _expire,
    ("POST", "reset"): _reset,
}


def _json(status: int, value: object) -> Answer:
    return Answer(status, json.dumps(value).encode("ascii"))


PAGE = "/"
FORMS = f"{CONTROL}page/"
LINES = 100
_TYPE = "text/html; charset=utf-8"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
_HEADERS = (
    ("content-security-policy", _POLICY),
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("cache-control", "no-store"),
)
_REFRESHES = ("", "2", "10")


@dataclass(frozen=True, slots=True)
class BrowserOrigin:
    """What a browser says of where a form is: the headers `BrowserOrigin` and `Host`."""

    origin: str = ""
    host: str = ""

    @property
    def own(self) -> bool:
        """
        Return whether the form is on a page of this very host.

        The host is a number, or `localhost`: a name may be another site's, that leads here for a moment.
        """
        return self.origin in (f"http://{self.host}", f"https://{self.host}") and _numbered(self.host)


def _numbered(host: str) -> bool:
    """Say whether a host, with or without a port, is an address or `localhost`."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return name == "localhost" or bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def is_page(call: Call) -> bool:
    """Say whether a call is for the page or one of its forms."""
    return call.path == PAGE or call.path.startswith(FORMS)


def page(emulator: Emulator, call: Call, origin: BrowserOrigin) -> Answer:
    """Return the page, or what a form of it does: 303 back to the page; 403 for a form that is elsewhere."""
    if call.path == PAGE:
        return _shown(emulator, call.parameters) if call.method == "GET" else _plain(405, "Only GET")
    form = _FORM.get(call.path.removeprefix(FORMS))
    if form is None or call.method != "POST":
        return _plain(404, "There is nothing here")
    if not origin.own:
        return _plain(403, "Only the emulator's own page may send this")
    try:
        form(emulator, dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True)))
    except ValueError as exc:
        return _plain(400, str(exc))
    return Answer(303, headers=(("location", PAGE), *_HEADERS))


def _set_fault(emulator: Emulator, fields: Mapping[str, str]) -> None:
    """Set one fault's chance, and leave the others as they are; a chance of 0 ends it."""
    name, chance = fields.get("fault", ""), fields.get("chance", "")
    try:
        given = {"chance": float(chance), "on": fields.get("on", On.ALL)}
    except ValueError as exc:
        raise ValueError("a chance is a number from 0 to 1") from exc
    odds = dict(emulator.faults.as_json())
    read_odds({name: given})
    odds.pop(name, None)
    if given["chance"]:
        odds[name] = given
    emulator.faults = RandomFaults(read_odds(odds))


def _no_faults(emulator: Emulator, _: Mapping[str, str]) -> None:
    """End every fault."""
    emulator.faults = RandomFaults()


def _reset_form(emulator: Emulator, fields: Mapping[str, str]) -> None:
    """Start over, where it was meant."""
    if fields.get("sure") != "yes":
        raise ValueError("check the box: this deletes every customer")
    control(emulator, Call("POST", f"{CONTROL}reset"))


_FORM: Mapping[str, Callable[[Emulator, Mapping[str, str]], None]] = {
    "fault": _set_fault,
    "no-faults": _no_faults,
    "reset": _reset_form,
    "sync": lambda emulator, _: emulator.sync(),
}


def _shown(emulator: Emulator, parameters: Mapping[str, str]) -> Answer:
    """Return the page as the parameters want it: `customer`, `q`, `held`, `start`, `refresh`."""
    refresh = parameters.get("refresh", "")
    values = {
        "state": state_of(emulator),
        "pace": pace_of(emulator),
        "customers": customers_of(emulator, parameters),
        "one": one_of(emulator, parameters.get("customer", "")),
        "log": [line_of(line) for line in islice(reversed(emulator.requests), LINES)],
        "faults": faults_of(emulator),
        "integration": emulator.integration,
        "set": [(name, value) for name, value in emulator.behaviour.as_json().items() if changed(name, value)],
        "q": parameters.get("q", ""),
        "held": parameters.get("held", ""),
        "refresh": refresh if refresh in _REFRESHES else "",
        "forms": FORMS,
        "on": list(On),
        "link": lambda **changed: _link(parameters, changed),
    }
    return Answer(200, _template().render(values).encode("utf-8", "replace"), _TYPE, _HEADERS)


def _link(parameters: Mapping[str, str], changed: Mapping[str, object]) -> str:
    """Return the address of this page with some parameters changed; None and "" leave one out."""
    kept = {name: parameters[name] for name in ("q", "held", "start", "customer", "refresh") if parameters.get(name)}
    wanted = {**kept, **changed}
    query = urlencode({name: text for name, text in wanted.items() if text not in (None, "")}, quote_via=quote)
    return f"{PAGE}?{query}" if query else PAGE


def _plain(status: int, text: str) -> Answer:
    """Return a refusal in words."""
    return Answer(status, f"{visible(text)}\n".encode("utf-8", "replace"), "text/plain; charset=utf-8", _HEADERS)


@cache
def _template() -> jinja2.Template:
    """Return the page's template; whatever is put into it is escaped, control and bidi characters too."""
    # Only here: most emulators are never looked at.
    import jinja2  # noqa: PLC0415

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("reconciler.emulator", "pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("account.html")
