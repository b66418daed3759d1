from __future__ import annotations

import ssl
from collections.abc import Iterator

import httpx
import pytest

from reconciler.api import exchange
from reconciler.api.exchange import Request
from reconciler.errors import (
    ApiFailed,
    Forbidden,
    NotFound,
    NotTheApi,
    Rejected,
    Throttled,
    Unanswered,
    Unauthorized,
    Unreachable,
)

READ = Request("GET", "/customers")
CREATE = Request("POST", "/customers", body={"name": "Acme"}, repeatable=False)
HTML = b"<!doctype html><title>Blocked</title>"


def _concrete(kind: type[httpx.TransportError]) -> Iterator[type[httpx.TransportError]]:
    """Yield every class below `kind`, and itself."""
    yield kind
    for below in kind.__subclasses__():
        yield from _concrete(below)


def _failure(request: Request, status: int, body: bytes = b"", location: str = "") -> ApiFailed:
    """Return what a reply is settled as."""
    with pytest.raises(ApiFailed) as caught:
        exchange.json_or_raise(request, status, body, location=location, secrets=("s3cret",))
    return caught.value


@pytest.mark.parametrize("kind", sorted(set(_concrete(httpx.TransportError)), key=lambda kind: kind.__name__))
def test_every_transport_error_is_classified(kind: type[httpx.TransportError]) -> None:
    did_not_happen = {
        "ConnectError",
        "ConnectTimeout",
        "PoolTimeout",
        "UnsupportedProtocol",
        "ProxyError",
    }
    may_have_happened = {
        "TransportError",
        "TimeoutException",
        "ReadTimeout",
        "WriteTimeout",
        "NetworkError",
        "ReadError",
        "WriteError",
        "CloseError",
        "ProtocolError",
        "LocalProtocolError",
        "RemoteProtocolError",
    }
    assert kind.__name__ in did_not_happen | may_have_happened
    expected = Unreachable if kind.__name__ in did_not_happen else Unanswered
    assert type(exchange.of_transport(kind("why"), READ, "api.example.com")) is expected


def test_a_certificate_that_is_not_trusted_is_not_the_api_and_names_the_mend() -> None:
    error = httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] unknown authority")
    failure = exchange.of_transport(error, READ, "api.example.com")
    assert type(failure) is NotTheApi
    assert "SSL_CERT_FILE" in str(failure)


def test_a_certificate_error_is_known_by_its_cause_too() -> None:
    error = httpx.ConnectError("no connection")
    error.__cause__ = ssl.SSLCertVerificationError("self-signed")
    assert type(exchange.of_transport(error, READ, "api.example.com")) is NotTheApi


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, NotTheApi),
        (304, NotTheApi),
        (400, Rejected),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (408, Unanswered),
        (409, Rejected),
        (422, Rejected),
        (429, Throttled),
        (500, Unanswered),
        (502, Unanswered),
        (503, Unanswered),
        (599, Unanswered),
    ],
)
def test_each_status_has_its_error(status: int, kind: type[ApiFailed]) -> None:
    assert type(_failure(CREATE, status)) is kind


def test_the_error_body_is_told_and_kept() -> None:
    body = b'{"code":"bad_request","message":"This external id is already used","validation_errors":{"ein":"is bad"}}'
    failure = _failure(CREATE, 400, body)
    assert isinstance(failure, Rejected)
    assert str(failure) == 'POST /customers: 400 bad_request: "This external id is already used": ein: "is bad"'
    assert (failure.status, failure.code, failure.detail, failure.fields) == (
        400,
        "bad_request",
        "This external id is already used",
        (("ein", "is bad"),),
    )


@pytest.mark.parametrize("body", [b"", HTML, b"[]", b'{"error":"other"}', b"null", b"[" * 100_000, b"\xff"])
def test_an_error_body_of_another_kind_leaves_the_status(body: bytes) -> None:
    assert str(_failure(CREATE, 422, body)) == "POST /customers: 422"


def test_a_servers_text_is_shown_without_its_escapes_and_cut() -> None:
    text = str(_failure(CREATE, 422, b'{"message": "\\u001b[31m\\u202e' + b"x" * 5000 + b'"}'))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert len(text) <= len('POST /customers: 422: ""') + exchange.SHOWN_CHARS


def test_what_is_no_name_is_cited_as_the_servers_words_and_many_fields_are_counted() -> None:
    fields = ",".join(f'"jane@x.example {number}":"no"' for number in range(50))
    text = str(_failure(CREATE, 422, f'{{"code":"12 3","validation_errors":{{{fields}}}}}'.encode()))
    assert text.startswith('POST /customers: 422 "12 3": "jane@x.example 0": "no": "jane')
    assert text.endswith("and 45 more fields")


def test_a_secret_that_the_server_quotes_is_struck_out() -> None:
    failure = _failure(CREATE, 400, b'{"message":"bad token s3cret"}')
    assert isinstance(failure, Rejected)
    assert (str(failure), failure.detail) == ('POST /customers: 400: "bad token ***"', "bad token ***")


def test_a_missing_scope_is_named() -> None:
    assert "customers:read" in str(_failure(READ, 403))
    assert "customers:write" in str(_failure(CREATE, 403))


def test_a_redirect_names_the_host_it_points_to() -> None:
    failure = _failure(READ, 302, location="https://evil.example/steal?token=1")
    assert str(failure) == "GET /customers: 302, a redirect to evil.example, which is not followed"


@pytest.mark.parametrize("body", [HTML, b"[" * 100_000, b"\xff\xfe", b"{"])
def test_a_page_instead_of_json_is_not_the_api_for_a_read_and_a_doubt_for_a_write(body: bytes) -> None:
    assert type(_failure(READ, 200, body)) is NotTheApi
    assert type(_failure(CREATE, 200, body)) is Unanswered


def test_an_empty_body_of_a_2xx_is_none() -> None:
    assert exchange.json_or_raise(CREATE, 204, b"") is None
