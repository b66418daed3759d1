"""What the emulator's page shows, as plain values for its template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict

from reconciler.emulator.faults import MEANINGS, Fault, On
from reconciler.emulator.service import Emulator, Logged
from reconciler.rules import Behaviour, show, show_user

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
