"""The proxy of a host, by HTTPS_PROXY, ALL_PROXY and NO_PROXY, whatever entries that has."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from command_line import Place, environment

from reconciler.api.transport import proxy_for

pytest_plugins = ("command_fixtures",)

PROXY = "http://proxy.example:3128"


def taken(url: str, **variables: str) -> str:
    with environment(variables):
        return proxy_for(httpx.URL(url), warn=True)


@pytest.mark.parametrize(
    "entries",
    [
        "",
        "localhost,fd07:b51a::/64",
        "127.0.0.0/8, 10.0.0.0/8 ,192.168.0.0/16",
        "[::1],::1,fe80::1%eth0",
        "example.org, .org",
        "pi.example",
        "xapi.example",
        "api.example:80",
        "*.api.example.org",
        "api.*.example",
        "http://[broken",
        ":443",
        "/8",
        "a b/c",
    ],
)
def test_an_entry_that_does_not_name_the_host_leaves_it_the_proxy(entries: str) -> None:
    assert taken("https://api.example", HTTPS_PROXY=PROXY, NO_PROXY=entries) == PROXY


@pytest.mark.parametrize(
    ("url", "entries"),
    [
        ("https://api.example", "*"),
        ("https://api.example", "other.example,*"),
        ("https://api.example", "api.example"),
        ("https://api.example", "API.Example."),
        ("https://api.example", "localhost fd07:b51a::/64\tapi.example"),
        ("https://api.example", ".example"),
        ("https://api.example", "example"),
        ("https://api.example", "*.example"),
        ("https://api.example", "a*.example"),
        ("https://api.example", "api.example:443"),
        ("https://api.example:8443", "api.example:8443"),
        ("https://api.example", "https://api.example"),
        ("https://10.1.2.3", "10.0.0.0/8"),
        ("https://10.1.2.3", "10.1.2.9/24"),
        ("https://10.1.2.3", "10.1.2.3:443"),
        ("https://[fd07:b51a::5]", "fd07:b51a::/64"),
        ("https://[fd07:b51a::5]", "[fd07:b51a::5]"),
        ("https://[fd07:b51a::5]", "[fd07:b51a::5]:443"),
    ],
)
def test_an_entry_that_names_the_host_its_domain_or_its_network_spares_it_the_proxy(url: str, entries: str) -> None:
    assert (taken(url, HTTPS_PROXY=PROXY), taken(url, HTTPS_PROXY=PROXY, NO_PROXY=entries)) == (PROXY, "")


def test_variables_in_lower_case_count_too_and_a_proxy_needs_no_scheme() -> None:
    assert taken("https://api.example", https_proxy="proxy.example:3128") == PROXY
    assert taken("https://api.example", all_proxy=PROXY, no_proxy="api.example") == ""


def test_an_entry_that_says_nothing_is_skipped_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert taken("https://api.example", HTTPS_PROXY=PROXY, NO_PROXY="/8,fd07:b51a::/64,api.example") == ""
    assert [record.getMessage() for record in caplog.records] == [
        "NO_PROXY: '/8' has no host, domain, address or network, and is skipped"
    ]


@contextmanager
def listening() -> Iterator[tuple[str, list[bytes]]]:
    """Yield the URL of a proxy that closes every connection after its first line, and these lines."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, connection.makefile("rb") as lines:
                    heard.append(lines.readline())

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", heard
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_command_goes_through_the_proxy_past_a_network_of_addresses(here: Place) -> None:
    here.write("customers.yaml", "customers: {acme: {name: Acme}}\n")
    key = {"AP_CLIENT_ID": "id", "AP_CLIENT_SECRET": "secret", "AP_BASE_URL": "https://api.example"}
    with listening() as (url, heard):
        here.variables |= {**key, "HTTPS_PROXY": url, "NO_PROXY": "localhost,fd07:b51a::/64"}
        planned = here.run("plan", "-f", "customers.yaml", "--max-duration", "1s")
    assert (planned.code, set(heard)) == (1, {b"CONNECT api.example:443 HTTP/1.1\r\n"}), planned.all
    assert "port" not in planned.err
