"""
The emulator's own page at `/`: what the account holds, what was asked, and what shall go wrong.

It is made on the server and holds no script, so that what a customer is called cannot run. Its forms are
answered only where the browser says that this page sent them.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from itertools import islice
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import jinja2

from reconciler.emulator.calls import CONTROL, Answer, Call
from reconciler.emulator.control import control
from reconciler.emulator.faults import MEANINGS, Fault, On
from reconciler.emulator.odds import RandomFaults
from reconciler.emulator.reading import read_odds
from reconciler.emulator.service import Emulator, Logged
from reconciler.rules import Behaviour, show, show_user
from reconciler.text import visible

PAGE = "/"
FORMS = f"{CONTROL}page/"
ROWS = 50
LINES = 100
PACE_S = 30
"""For how many seconds back the page shows how many requests came in each."""
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
class Origin:
    """What a browser says of where a form stands: the headers `Origin` and `Host`."""

    origin: str = ""
    host: str = ""

    @property
    def own(self) -> bool:
        """
        Return whether the form stands on a page of this very host.

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


def page(emulator: Emulator, call: Call, origin: Origin) -> Answer:
    """Return the page, or what a form of it does: 303 back to the page; 403 for a form that stands elsewhere."""
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


def _reset(emulator: Emulator, fields: Mapping[str, str]) -> None:
    """Begin anew, where it was meant."""
    if fields.get("sure") != "yes":
        raise ValueError("tick the box: every customer would be gone")
    control(emulator, Call("POST", f"{CONTROL}reset"))


_FORM: Mapping[str, Callable[[Emulator, Mapping[str, str]], None]] = {
    "fault": _set_fault,
    "no-faults": _no_faults,
    "reset": _reset,
}


def _shown(emulator: Emulator, parameters: Mapping[str, str]) -> Answer:
    """Return the page as the parameters want it: `customer`, `q`, `held`, `start`, `refresh`."""
    refresh = parameters.get("refresh", "")
    values = {
        "state": _state(emulator),
        "pace": _pace(emulator),
        "customers": _customers(emulator, parameters),
        "one": _one(emulator, parameters.get("customer", "")),
        "log": [_line(line) for line in islice(reversed(emulator.requests), LINES)],
        "faults": _faults(emulator),
        "set": [(name, value) for name, value in emulator.behaviour.as_json().items() if _changed(name, value)],
        "q": parameters.get("q", ""),
        "held": parameters.get("held", ""),
        "refresh": refresh if refresh in _REFRESHES else "",
        "forms": FORMS,
        "on": list(On),
        "link": lambda **changed: _link(parameters, changed),
    }
    return Answer(200, _template().render(values).encode("utf-8", "replace"), _TYPE, _HEADERS)


def _state(emulator: Emulator) -> dict[str, object]:
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


def _pace(emulator: Emulator) -> list[tuple[int, int]]:
    """Return how many requests came in each of the last seconds, oldest first, as (seconds ago, requests)."""
    now = int(emulator.now())
    counted: Counter[int] = Counter()
    for line in reversed(emulator.requests):
        if line.time < now - PACE_S:
            break
        counted[now - int(line.time)] += 1
    return [(ago, counted[ago]) for ago in range(PACE_S - 1, -1, -1)]


def _customers(emulator: Emulator, parameters: Mapping[str, str]) -> dict[str, object]:
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


def _one(emulator: Emulator, identity: str) -> dict[str, object] | None:
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


def _line(line: Logged) -> dict[str, object]:
    """Return one request as the log shows it."""
    shown = asdict(line)
    shown["time"] = f"{line.time % 86_400 // 3600:02.0f}:{line.time % 3600 // 60:02.0f}:{line.time % 60:06.3f}"
    shown["status"] = line.status or "dropped"
    shown["bad"] = not line.status or line.status >= 400  # noqa: PLR2004 - HTTP's errors
    return shown


def _faults(emulator: Emulator) -> Iterator[dict[str, object]]:
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


def _changed(name: str, value: object) -> bool:
    """Say whether a switch is not as it is by default."""
    return Behaviour().as_json()[name] != value


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
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("reconciler.emulator", "pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("account.html")
