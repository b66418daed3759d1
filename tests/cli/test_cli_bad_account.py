"""Hosts, credentials and replies that are not what they should be: an error that says what to do, nothing changed."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from command_line import ONE, Online, Place, Reply, answers, variables_of, web_server

from reconciler.emulator.fault_settings import switched

pytest_plugins = ("command_fixtures",)


def plan_against(folder: Path, url: str, **variables: str) -> tuple[int, str, str]:
    """Plan one customer at a URL."""
    place = Place(folder, {**variables_of(url), **variables})
    place.write("customers.yaml", ONE)
    ran = place.run("plan", "-f", "customers.yaml")
    assert not (folder / ".reconciler").exists()
    return ran.code, ran.out, ran.err


def test_all_that_is_missing_to_reach_an_account_is_said_at_once(here: Place) -> None:
    here.write("customers.yaml", ONE)
    ran = here.run("plan", "-f", "customers.yaml")
    assert ran.code == 1
    assert [line.partition(":")[0] for line in ran.err.splitlines()] == [
        "AP_ENVIRONMENT",
        "AP_CLIENT_ID",
        "AP_CLIENT_SECRET",
    ]


def test_missing_credentials_say_where_keys_are_made(here: Place) -> None:
    here.write("customers.yaml", ONE)
    ran = here.run("-e", "production", "apply", "-f", "customers.yaml", "--auto-approve")
    assert (ran.code, ran.err) == (
        1,
        (
            "AP_CLIENT_ID: this variable is not set; set it to the API key's client id; "
            "create one in the Partner Dashboard under Team Preferences, API Keys\n"
            "AP_CLIENT_SECRET: this variable is not set; set it, or AP_CLIENT_SECRET_FILE, to the API key's secret; "
            "create one in the Partner Dashboard under Team Preferences, API Keys\n"
        ),
    )


def test_wrong_credentials_are_an_error_that_names_neither(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    ran = shop.run("plan", "-f", "customers.yaml", AP_CLIENT_SECRET="marked-secret", AP_CLIENT_ID="marked-id")
    assert (ran.code, ran.out, ran.err) == (
        1,
        "",
        (
            "error: POST /oauth/token: 403: the credentials are wrong, or of another environment; "
            "check the client id and the secret (production and demo have separate keys)\n"
        ),
    )


def test_credentials_that_are_no_text_are_an_error(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    ran = shop.run("plan", "-f", "customers.yaml", AP_CLIENT_SECRET="s\udcff", AP_CLIENT_ID="i\udcff")
    assert (ran.code, ran.err) == (
        1,
        (
            "environment: the client id holds U+DCFF at character 2 of 2, which no credential has; "
            "copy it again from the Partner Dashboard\n"
            "environment: the client secret holds U+DCFF at character 2 of 2, which no credential has; "
            "copy it again from the Partner Dashboard\n"
        ),
    )


def test_a_secret_file_that_is_not_there_is_an_error(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    ran = shop.run("plan", "-f", "customers.yaml", AP_CLIENT_SECRET="", AP_CLIENT_SECRET_FILE="none")
    assert ran.code == 1
    assert ran.err.endswith(
        "none: the client secret cannot be read: No such file or directory; check client_secret_file\n"
    )


def test_a_secret_file_is_read_without_its_line_break(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    shop.write("secret", "local\n")
    assert shop.run("plan", "-f", "customers.yaml", AP_CLIENT_SECRET="", AP_CLIENT_SECRET_FILE="secret").code == 0


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "http://api.example",
            "AP_BASE_URL: 'http://api.example' is not encrypted; write https (http is for this machine alone)",
        ),
        ("ftp://x", "AP_BASE_URL: 'ftp://x' is not a base URL; write one such as https://api.example"),
        (
            "https://user:marked-secret@api.example",
            "AP_BASE_URL: a base URL cannot contain a user or password; use client_id and client_secret",
        ),
        ("nonsense", "AP_BASE_URL: 'nonsense' is not a base URL; write one such as https://api.example"),
    ],
)
def test_a_base_url_that_cannot_be_used_is_an_error(tmp_path: Path, url: str, message: str) -> None:
    assert plan_against(tmp_path, url) == (1, "", f"{message}\n")


def test_an_environment_that_is_not_known_is_an_error(here: Place) -> None:
    here.write("customers.yaml", ONE)
    ran = here.run("-e", "prodution", "plan", "-f", "customers.yaml")
    assert (ran.code, ran.err) == (
        1,
        (
            "-e: there is no environment 'prodution'; did you mean 'production'? "
            "To add one, declare it in reconciler.yaml, or set AP_BASE_URL and AP_ENVIRONMENT\n"
        ),
    )


def test_a_host_that_refuses_the_connection_is_an_error(tmp_path: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        at = f"127.0.0.1:{bound.getsockname()[1]}"
        code, out, err = plan_against(tmp_path, f"http://{at}")
    assert (code, out) == (1, "")
    assert err.startswith(f"error: POST /oauth/token: cannot reach {at} (")
    assert err.endswith("check the network, the base URL and HTTPS_PROXY\n  tried 5 times; try again later\n")


def html(status: int) -> Reply:
    return status, "text/html", b"<html><script>alert('marked-body')</script></html>"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (
            200,
            (
                "error: POST /oauth/token: 200, but not JSON; a proxy may have "
                "answered instead of the API; check the base URL\n"
            ),
        ),
        (302, "error: POST /oauth/token: 302, a redirect, which is not followed\n"),
        (404, "error: POST /oauth/token: 404: no such path; check the base URL (it ends without /v1)\n"),
        (405, "error: POST /oauth/token: 405: no such path; check the base URL (it ends without /v1)\n"),
        (
            501,
            (
                "error: POST /oauth/token: 501: the server does not know this method, so it is not the API; "
                "check the base URL\n"
            ),
        ),
    ],
)
def test_a_host_that_is_another_web_server_is_an_error(tmp_path: Path, status: int, message: str) -> None:
    with web_server(lambda *_: html(status)) as (url, heard):
        assert plan_against(tmp_path, url) == (1, "", message)
    assert heard == ["POST /oauth/token"]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"data": [], "next": None}, "the reply is not a page of a list (it lacks has_next_page); check the base URL"),
        ([], "the reply is not a page of a list (it lacks data); check the base URL"),
        ("no", "the reply is not a page of a list (it lacks data); check the base URL"),
        (
            {"data": [], "has_next_page": "yes"},
            "the reply is not a page of a list (it lacks has_next_page); check the base URL",
        ),
        ({"data": {}, "has_next_page": False}, "the reply is not a page of a list (it lacks data); check the base URL"),
        (
            {"data": [7], "has_next_page": False},
            "a customer in the list has no usable id; check the base URL",
        ),
        (
            {"data": [{"name": "x"}], "has_next_page": False},
            "a customer in the list has no usable id; check the base URL",
        ),
        ({"data": [], "has_next_page": True}, "a page says that there is another one, but has no cursor for it"),
        (
            {"data": [{"id": "c1"}], "has_next_page": True, "end_cursor": "for-ever"},
            "a page's cursor is a repeat, so the list has no end",
        ),
    ],
)
def test_a_listing_without_the_shape_of_one_is_an_error(tmp_path: Path, document: object, message: str) -> None:
    with web_server(answers(lambda _: document)) as (url, heard):
        assert plan_against(tmp_path, url) == (1, "", f"error: GET /customers: {message}\n")
    assert len(heard) <= 3


def test_a_proxys_page_in_place_of_a_listing_is_an_error(tmp_path: Path) -> None:
    def page(method: str, target: str) -> Reply:
        return answers(lambda _: None)(method, target) if target == "/oauth/token" else html(200)

    with web_server(page) as (url, _):
        code, out, err = plan_against(tmp_path, url)
    assert (code, out) == (1, "")
    assert err == (
        "error: GET /customers: 200, but not JSON; a proxy may have answered instead of the API; check the base URL\n"
    )


def test_two_live_customers_of_one_external_id_are_not_chosen_between(shop: Online) -> None:
    ids = shop.load({"external_id": "acme", "name": "Acme"}, {"external_id": "acme", "name": "Acme too"})
    shop.write("customers.yaml", ONE)
    before = shop.account()
    ran = shop.run("apply", "-f", "customers.yaml", "--auto-approve")
    assert (ran.code, shop.account(), shop.writes()) == (3, before, [])
    assert all(one in ran.out for one in ids)
    assert "to fix this" in ran.out


def test_five_refusals_in_a_row_stop_the_run_and_say_why(shop: Online) -> None:
    shop.emulator.behaviour = switched(shop.emulator.behaviour, {"required": ["postal_code"]})
    shop.write(
        "customers.yaml", "customers:\n" + "".join(f"  k{n}: {{name: N, email: n@x.example}}\n" for n in range(40))
    )
    ran = shop.run("apply", "-f", "customers.yaml", "--auto-approve", "--format", "json")
    summary = ran.json["summary"]
    assert (ran.code, summary["done"], summary["failed"] + summary["skipped"]) == (1, 0, 40)
    assert ran.err.startswith("The run was stopped: 5 refusals of one kind in a row: POST /customers: 422")
