"""What a reply of the API shows of its ways. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from reconciler.kinds.kind import CUSTOMER, CUSTOMER_FIELDS
from reconciler.model.reports import NO, YES

_DOCUMENTED = {
    "id",
    "created_at",
    "customer_integration_id",
    "default_payment_method_id",
    CUSTOMER.identity,
    *(field.name for field in CUSTOMER.fields),
}
_ENOUGH = 4
"""So many rows in one order are no chance."""
_MS_DIGITS = 3
_FRACTION = re.compile(r":\d\d\.(\d+)")

# By the field that shows it: what the server did to the value.
_REWRITES: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "legal_name": ("trim", str.strip),
    "ein": ("ein", lambda text: text.replace("-", "")),
    "state": ("state", str.upper),
    "country": ("country", lambda _: "US"),
}


def listed_answer(listed: bool | None) -> tuple[str, str]:
    """Return what it says that a list around a customer's creation holds it, and why nothing is said."""
    if listed is None:
        return "", "no list can be narrowed to its creation"
    return YES if listed else NO, ""


def page_shape(body: object) -> str:
    """Return where a page keeps its cursor: `nested` in `pagination`, or `flat` beside `data`."""
    return "nested" if isinstance(body, Mapping) and "has_next_page" not in body else "flat"


def order_of(created: Sequence[str]) -> str:
    """
    Return the order of a list by its created_at texts: `newest`, `oldest`, `other`; "" where too few tell.

    >>> order_of(["2026-01-04", "2026-01-03", "2026-01-02", "2026-01-01"]), order_of(["2026-01-01"])
    ('newest', '')
    """
    if len(set(created)) < _ENOUGH:
        return ""
    if all(one >= other for one, other in pairwise(created)):
        return "newest"
    return "oldest" if all(one <= other for one, other in pairwise(created)) else "other"


def precision_of(created_at: str) -> str:
    """
    Return the smallest part of a moment as it is written.

    >>> precision_of("2026-01-01T00:00:00Z"), precision_of("2026-01-01T00:00:00.120Z")
    ('s', 'ms')
    """
    fraction = _FRACTION.search(created_at)
    if fraction is None:
        return "s"
    return "ms" if len(fraction[1]) <= _MS_DIGITS else "us"


def unset_of(body: object, field: str) -> str:
    """Return how a reply shows `field`, which has no value; "" where it has one after all."""
    if not isinstance(body, Mapping):
        return ""
    if field not in body:
        return "absent"
    return {None: "null", "": "text"}.get(body[field], "")


def kept_as(sent: str, held: str) -> str:
    """
    Return what the server made of an external_id.

    >>> kept_as("A ", "A "), kept_as("A ", "A"), kept_as("A ", "a ")
    ('kept', 'trimmed', 'lowered')
    """
    words = {sent: "kept", sent.strip(): "trimmed", sent.lower(): "lowered"}
    return words.get(held, "other")


def extra_fields(body: object) -> tuple[str, ...]:
    """Return the names in a customer's reply that the reference does not have."""
    return tuple(sorted(str(name) for name in body if name not in _DOCUMENTED)) if isinstance(body, Mapping) else ()


def rewrites(sent: Mapping[str, str], held: Mapping[str, str]) -> str:
    """
    Return what the server did to values before it kept them: words joined by commas, `no` for nothing.

    A field that it did not keep at all says nothing.

    >>> rewrites({"country": "USA", "state": "ny"}, {"country": "US", "state": "ny"})
    'country'
    """
    done = {_rewrite(name, text, held[name]) for name, text in sent.items() if held.get(name) and held[name] != text}
    return ",".join(sorted(done)) or NO


def _rewrite(name: str, sent: str, held: str) -> str:
    """Return what was done to one value."""
    if name == "street_address":
        return "address"
    if name in _REWRITES and _REWRITES[name][1](sent) == held:
        return _REWRITES[name][0]
    return f"other {name}"


def ignored(sent: Mapping[str, str], before: Mapping[str, str], held: Mapping[str, str]) -> str:
    """Return the fields that a patch left as they were, joined by commas; `no` for none."""
    names = [name for name, text in sent.items() if not _taken(name, text, before, held)]
    return ",".join(sorted(names)) or NO


def _taken(name: str, text: str, before: Mapping[str, str], held: Mapping[str, str]) -> bool:
    """Say whether a field holds what was sent, or at least something else than before."""
    return CUSTOMER_FIELDS[name].same(held.get(name), text) or held.get(name, "") != before.get(name, "")


def clears(text: str, null: str) -> tuple[str, str]:
    """
    Return what empties a field, and whether what does not is refused, by what became of `""` and of null.

    Each is `emptied`, `kept`, `refused`, or "" for unknown.

    >>> clears("emptied", "refused"), clears("emptied", "emptied"), clears("", "kept")
    (('text', 'yes'), ('both', ''), ('', 'no'))
    """
    words = {(True, True): "both", (True, False): "text", (False, True): "null", (False, False): "nothing"}
    found = words[text == "emptied", null == "emptied"] if text and null else ""
    refused = YES if "refused" in (text, null) else NO if "kept" in (text, null) else ""
    return found, refused
