"""
The emulator's own page at `/`: what the account holds, what was asked, and what shall go wrong.

It is made on the server and holds no script, so that what a customer is called cannot run. Its forms are
answered only where the browser says that this page sent them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from reconciler.emulator.calls import CONTROL, Answer, Call
from reconciler.emulator.control import control
from reconciler.emulator.faults import On
from reconciler.emulator.odds import RandomFaults
from reconciler.emulator.page_values import changed, customers_of, faults_of, line_of, one_of, pace_of, state_of
from reconciler.emulator.reading import read_odds
from reconciler.emulator.service import Emulator
from reconciler.escape import visible

if TYPE_CHECKING:
    import jinja2

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
        "state": state_of(emulator),
        "pace": pace_of(emulator),
        "customers": customers_of(emulator, parameters),
        "one": one_of(emulator, parameters.get("customer", "")),
        "log": [line_of(line) for line in islice(reversed(emulator.requests), LINES)],
        "faults": faults_of(emulator),
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
