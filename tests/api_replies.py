"""How the model of the API stores values and writes its replies. Pure; imports nothing of the package."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import formatdate

import httpx
from api_account import Customer, User
from api_routes import CUSTOMER_FIELDS
from api_ways import ErrorBody, Rewrite, Unset, Ways

_TIMESPEC = {0: "seconds", 3: "milliseconds", 6: "microseconds"}

Reply = tuple[int, object]
"""A status and a body: None is an empty one, a text is HTML."""


def stored(name: str, value: str, ways: Ways) -> str:
    """Return what the server makes of the value of a field; an external_id stays as it is."""
    if name == "external_id":
        return value
    if Rewrite.TRIM in ways.rewrites:
        value = value.strip()
    if name == "country" and Rewrite.COUNTRY in ways.rewrites:
        value = {"USA": "US", "United States": "US"}.get(value, value)
    if name == "ein" and Rewrite.EIN in ways.rewrites:
        value = value.replace("-", "")
    if name == "state" and Rewrite.STATE in ways.rewrites:
        value = value.upper()
    if name == "email" and Rewrite.EMAIL in ways.rewrites:
        value = value.lower()
    if name == "street_address" and Rewrite.ADDRESS in ways.rewrites:
        value = " ".join("Street" if word in ("St", "St.") else word for word in value.split())
    return value


def shown(customer: Customer, ways: Ways) -> dict[str, object]:
    """Return a customer as a reply has it. That it is archived is not in it."""
    texts = {
        "external_id": customer.external_id,
        "customer_integration_id": customer.integration_id,
        "default_payment_method_id": "",
        **{name: customer.fields.get(name, "") for name in CUSTOMER_FIELDS},
    }
    seconds, microseconds = divmod(customer.created_us, 1_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)
    created_at = moment.isoformat(timespec=_TIMESPEC[ways.created_digits]).replace("+00:00", "Z")
    return {"id": customer.id, "created_at": created_at, **_with_unset(texts, ways), **_extra(ways)}


def shown_user(user: User, ways: Ways) -> dict[str, object]:
    """Return a user as a reply has it."""
    texts = {"email": user.email, "first_name": user.first_name, "last_name": user.last_name}
    return {"id": user.id, **_with_unset(texts, ways), **_extra(ways)}


def refusal(status: int, message: str, ways: Ways, fields: Mapping[str, str] | None = None) -> Reply:
    """Return a refusal in this server's form."""
    match ways.error_body:
        case ErrorBody.EMPTY:
            return status, None
        case ErrorBody.OTHER:
            return status, {"error": {"text": message, "fields": fields or {}}}
        case ErrorBody.HTTP_ERROR:
            code = "bad_request" if status == 400 else "error"
            return status, {"code": code, "message": message, **({"validation_errors": fields} if fields else {})}


def response(reply: Reply, ways: Ways, now: float) -> httpx.Response:
    """Return the response that carries `reply`."""
    status, body = reply
    headers = {"Date": formatdate(now, usegmt=True)}
    if status == 429 and ways.retry_after:
        headers["Retry-After"] = "1"
    if body is None:
        return httpx.Response(status, headers=headers)
    if isinstance(body, str):
        return httpx.Response(status, headers=headers, html=body)
    return httpx.Response(status, headers=headers, json=body)


def microseconds(text: str | None) -> int | None:
    """Return an RFC 3339 time in microseconds since 1970, None for none; ValueError for another text."""
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return int(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond


def _with_unset(texts: Mapping[str, str], ways: Ways) -> dict[str, object]:
    """Return texts with those that are empty in this server's way."""
    if ways.unset is Unset.ABSENT:
        return {name: text for name, text in texts.items() if text}
    return {name: text or (None if ways.unset is Unset.NULL else "") for name, text in texts.items()}


def _extra(ways: Ways) -> dict[str, object]:
    return {"tags": [], "origin": {"kind": "api"}} if ways.extra_fields else {}
