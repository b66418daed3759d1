"""With `--redact` nothing that a server says is printed: status, code and the names of fields are."""

from __future__ import annotations

import json

import pytest
from command_line import Online, Page, Ran, Reply, web_server

pytest_plugins = ("command_fixtures",)

SAID = {
    "code": "invalid",
    "message": 'ein 121234567 belongs to "jane@other.example"',
    "validation_errors": {"ein": "121234567 is taken", "jane@other.example": "unknown"},
}
FILE = "customers:\n  acme: {name: Acme, email: a@acme.example, ein: 12-1234567}\n"


def server(refused: str) -> Page:
    """Return what answers like the API, but refuses a method of customers in words that hold personal data."""

    def page(method: str, target: str) -> Reply:
        if target.startswith("/oauth"):
            return _json(200, {"access_token": "token-of-this-test", "token_type": "bearer", "expires_in": 3600})
        if method == refused:
            return _json(422, SAID)
        return _json(200, {"data": [], "has_next_page": False})

    return page


def _json(status: int, document: object) -> Reply:
    return status, "application/json", json.dumps(document).encode()


def against(shop: Online, refused: str, *words: str) -> Ran:
    """Run a command against such a server."""
    shop.write("customers.yaml", FILE)
    with web_server(server(refused)) as (url, _):
        # A ledger is of one URL.
        return shop.run(*words, AP_BASE_URL=url, RECONCILER_STATE=f"{len(words)}.db")


COMMANDS = [
    ("GET", ("plan", "-f", "customers.yaml")),
    ("GET", ("drift", "-f", "customers.yaml")),
    ("GET", ("api", "customers", "list")),
    ("POST", ("apply", "-f", "customers.yaml", "--auto-approve")),
    ("POST", ("apply", "-f", "customers.yaml", "--auto-approve", "--format", "json")),
    ("POST", ("apply", "-f", "customers.yaml", "--auto-approve", "--json-events", "-")),
    ("POST", ("api", "customers", "create", "--name", "Acme", "--external-id", "acme")),
]


@pytest.mark.parametrize(("refused", "words"), COMMANDS, ids=str)
def test_a_servers_words_are_masked_and_what_helps_stays(shop: Online, refused: str, words: tuple[str, ...]) -> None:
    shown = against(shop, refused, *words)
    assert "121234567" in shown.all
    ran = against(shop, refused, *words, "--redact")
    assert ran.code == shown.code != 0
    assert [part for part in ("121234567", "jane@other", "is taken", "belongs") if part in ran.all] == []
    assert f"{refused} /customers: 422 invalid" in ran.all
    assert "ein: " in ran.all.replace("\\", "")


def test_the_history_masks_them_too(shop: Online) -> None:
    shop.write("customers.yaml", FILE)
    with web_server(server("POST")) as (url, _):
        shop.run("apply", "-f", "customers.yaml", "--auto-approve", AP_BASE_URL=url)
        (run,) = shop.run("history", "--format", "json", AP_BASE_URL=url).json["runs"]
        ran = shop.run("history", run["id"], "--redact", AP_BASE_URL=url)
    assert ("121234567" in ran.all, "422 invalid" in ran.all) == (False, True)
