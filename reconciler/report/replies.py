"""The API's own replies as JSON, unknown fields and all; and a request that was not sent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from urllib.parse import quote, urlencode

from reconciler.api.exchange import Request
from reconciler.api.transport import HEADERS, JSON_TYPE
from reconciler.errors import NotTheApi
from reconciler.report.redact import MASK, masked

_DELETE = "\x7f"

# What says nothing of a person beside the fields of `kinds`; what is not known is masked.
_KEPT = frozenset(
    {
        "id",
        "customer_integration_id",
        "default_payment_method_id",
        "created_at",
        "start_cursor",
        "end_cursor",
        "type",
    }
)


def reply_text(body: object, *, redact: bool = False) -> str:
    r"""
    Return a reply as JSON in ASCII, so that no text in it reorders or breaks a line; an empty one is `null`.

    Every field is kept, whatever it is called. With `redact` personal values are masked by the name of their
    field, and so is what has a name that is unknown; numbers there too. NotTheApi where it cannot be written.

    >>> print(reply_text({"id": "cus_1", "name": "A\x1b", "tier": 3}, redact=True))
    {
      "id": "cus_1",
      "name": "***",
      "tier": "***"
    }
    """
    try:
        return _text(_masked("", body) if redact else body)
    except RecursionError as error:
        raise NotTheApi("the reply is nested too deeply to be written") from error


def reply_lines(rows: Sequence[object], *, redact: bool = False) -> Iterator[str]:
    """Yield `{"data": […]}` of all rows of a list as JSON, a row a line, piece by piece."""
    yield '{"data": ['
    for index, row in enumerate(rows):
        yield f"{',' if index else ''}\n  {_line(_masked('', row) if redact else row)}"
    yield "\n]}\n" if rows else "]}\n"


def request_json(request: Request, base_url: str, *, redact: bool = False) -> dict[str, object]:
    """Return a request that is not sent as a value for JSON: the token is not asked for, and masked."""
    headers = {"Authorization": f"Bearer {MASK}", **HEADERS}
    if request.body is not None:
        headers["Content-Type"] = JSON_TYPE
    target = request.target()
    if redact and request.query:
        shown = [(name, MASK if name == "company_name" else value) for name, value in request.query]
        target = f"{request.path}?{urlencode(shown, quote_via=quote, safe='*')}"
    return {
        "method": request.method,
        "url": f"{base_url}{target}",
        "headers": headers,
        "body": _masked("", request.body) if redact else request.body,
    }


def _masked(name: str, value: object) -> object:
    """Return what is under `name`, masked; booleans and null say nothing of a person."""
    match value:
        case Mapping():
            return {key: _masked(key, inner) for key, inner in value.items()}
        case list():
            return [_masked(name, inner) for inner in value]
        case bool() | None:
            return value
        case str():
            return value if name in _KEPT else masked(name, value)
        case _:
            return value if name in _KEPT else MASK


def _text(value: object) -> str:
    """Return a value as JSON on lines of its own; on one where it is nested deeper than that can be written."""
    try:
        return json.dumps(value, indent=2, allow_nan=False).replace(_DELETE, "\\u007f")
    except (ValueError, RecursionError):
        return _line(value)


def _line(value: object) -> str:
    """Return a value as JSON on one line; what JSON has no number for is null."""
    try:
        text = json.dumps(value, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value))
    return text.replace(_DELETE, "\\u007f")


def _finite(value: object) -> object:
    """Return a value without numbers that JSON does not have, which Python's reader takes all the same."""
    match value:
        case dict():
            return {key: _finite(inner) for key, inner in value.items()}
        case list():
            return [_finite(inner) for inner in value]
        case float() if not isfinite(value):
            return None
        case _:
            return value
