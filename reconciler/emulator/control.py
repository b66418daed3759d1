"""
The requests below `/_emulator/`: look at the account, set faults and behaviour, begin anew.

They need no token and do not count. A page in a browser cannot send them: a call with `Origin` is refused
at the socket.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from itertools import islice

from reconciler.emulator.calls import CONTROL, Answer, Call, NotAnObject
from reconciler.emulator.load import load, read_payment_methods
from reconciler.emulator.odds import RandomFaults
from reconciler.emulator.reading import read_odds, seconds
from reconciler.emulator.service import Emulator
from reconciler.rules import Account, Behaviour, show, show_user


def control(emulator: Emulator, call: Call) -> Answer:
    """
    Return the answer to a request for the emulator itself; 400 says what is wrong with it.

    ============================  ======================================================================
    `GET  state`                  how many customers, users, requests, faults; `?customers=1`: all customers
    `GET  requests`               every request: time, method, path, query, status, fault; `?since=N` skips N
    `GET|POST behaviour`          the switches; a POST sets some
    `GET|POST faults`             the odds; a POST sets all anew, `{}` none
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
    emulator.behaviour = emulator.behaviour.changed(call.json_object())
    return emulator.behaviour.as_json()


def _get_faults(emulator: Emulator, _: Call) -> object:
    """Return the odds."""
    return emulator.faults.as_json()


def _set_faults(emulator: Emulator, call: Call) -> object:
    """Set the odds anew; return them."""
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


def _set_clock(emulator: Emulator, call: Call) -> object:
    """Set how far the server's clock is ahead."""
    emulator.set_clock(seconds("offset_s", call.json_object().get("offset_s")))
    return {"offset_s": emulator.offset_s}


def _expire(emulator: Emulator, _: Call) -> object:
    """End every token."""
    emulator.tokens.expire()
    return {}


def _reset(emulator: Emulator, _: Call) -> object:
    """Begin anew and return what was there; an id that was given before is then of no customer."""
    former = emulator.account
    reset = {
        "customers": len(former.customers),
        "users": sum(map(len, former.users.values())),
        "requests": sum(emulator.counts.values()),
        "faults": emulator.faults.as_json(),
    }
    emulator.account = Account(seed=former.seed, made=former.made, payment_methods=former.payment_methods)
    emulator.faults = RandomFaults()
    emulator.requests.clear()
    emulator.counts.clear()
    emulator.befallen.clear()
    if emulator.store is not None:
        emulator.store.clear()
    return {"reset": reset, "kept": ["behaviour", "clock", "tokens", "payment_methods"]}


REQUESTS: Mapping[tuple[str, str], Callable[[Emulator, Call], object]] = {
    ("GET", "state"): _get_state,
    ("GET", "requests"): _get_requests,
    ("GET", "behaviour"): _get_behaviour,
    ("POST", "behaviour"): _set_behaviour,
    ("GET", "faults"): _get_faults,
    ("POST", "faults"): _set_faults,
    ("POST", "load"): _load,
    ("POST", "clock"): _set_clock,
    ("POST", "expire"): _expire,
    ("POST", "reset"): _reset,
}


def _json(status: int, value: object) -> Answer:
    """Return a value as an answer."""
    return Answer(status, json.dumps(value).encode("ascii"))
