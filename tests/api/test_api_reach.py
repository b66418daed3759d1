"""Where a connection failed, by what its error was raised from, and which proxy it went through."""

from __future__ import annotations

import socket
import ssl

import httpx
import pytest
from command_line import environment

from reconciler.api.transport import Stage, proxy_of, stage_of
from reconciler.errors import NotTheApi, Unanswered, Unreachable

API = "https://api.example"


def raised(cause: BaseException) -> Unreachable:
    """Return our error as the client raises it from what httpx raised from `cause`."""
    connecting, failure = httpx.ConnectError("all attempts failed"), Unreachable("cannot reach api.example")
    connecting.__cause__, failure.__cause__ = cause, connecting
    return failure


@pytest.mark.parametrize(
    ("cause", "stage"),
    [
        (socket.gaierror(-2, "Name or service not known"), Stage.NAME),
        (ExceptionGroup("several addresses", [socket.gaierror(-2, "no such name")]), Stage.NAME),
        (ConnectionRefusedError(111, "refused"), Stage.CONNECTION),
        (TimeoutError(), Stage.CONNECTION),
        (ssl.SSLCertVerificationError("self-signed"), Stage.TLS),
        (ssl.SSLError("CERTIFICATE_VERIFY_FAILED"), Stage.TLS),
        (httpx.ProxyError("407"), Stage.PROXY),
    ],
)
def test_the_stage_is_read_off_the_first_cause(cause: BaseException, stage: Stage) -> None:
    assert stage_of(raised(cause)) is stage


def test_what_answered_and_is_not_the_api_failed_at_its_answer() -> None:
    assert [stage_of(one) for one in (NotTheApi("HTML"), Unanswered("503", status=503))] == [Stage.ANSWER] * 2


@pytest.mark.parametrize(
    ("variables", "proxy"),
    [
        ({}, ""),
        ({"HTTPS_PROXY": "http://ana:secret@proxy.example:3128"}, "proxy.example:3128"),
        ({"ALL_PROXY": "proxy.example:3128"}, "proxy.example:3128"),
        ({"HTTP_PROXY": "http://proxy.example:3128"}, ""),
        ({"HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": "api.example"}, ""),
        ({"HTTPS_PROXY": "http://proxy.example:port"}, "an address that is not a URL"),
    ],
)
def test_the_proxy_of_the_environment_is_named_without_its_user(variables: dict[str, str], proxy: str) -> None:
    with environment(variables):
        assert proxy_of(API) == proxy


def test_this_machine_is_reached_without_a_proxy() -> None:
    with environment({"ALL_PROXY": "http://proxy.example:3128"}):
        assert proxy_of("http://127.0.0.1:8085") == ""
