"""No secret, token or personal value in any output or file, at any log level."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from api_contract import Watch
from command_line import THREE, Place, Reply, answers, variables_of, web_server

from reconciler.emulator.server import running
from reconciler.emulator.service import ApiKey, Emulator

pytest_plugins = ("command_fixtures",)

SECRET, CLIENT = "marked-secret", "marked-client"
TOKEN = "emu_"  # what every token of the emulator begins with
HIDDEN = (SECRET, CLIENT, base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode(), TOKEN)
FILE = THREE.replace("    city: Boston", "    city: Boston\n    ein: 12-3456789")


def test_a_whole_run_at_debug_level_shows_no_secret_and_no_value(tmp_path: Path) -> None:
    watch = Watch()
    emulator = Emulator(rate=0, keys=[ApiKey(CLIENT, SECRET)], witness=watch)
    with running(emulator) as url:
        place = Place(tmp_path, {**variables_of(url), "AP_CLIENT_ID": CLIENT, "AP_CLIENT_SECRET": SECRET})
        place.write("customers.yaml", FILE)
        said = ""
        for words in (
            ["plan", "--out", "today.plan", "--redact"],
            ["apply", "--auto-approve", "--redact"],
            ["plan", "--format", "json", "--redact"],
            ["show", "acme", "--redact"],
        ):
            ran = place.run("--log-level", "debug", *words, "-f", "customers.yaml")
            assert ran.code == 0
            assert "DEBUG reconciler.api: GET /customers" in ran.err
            said += ran.all
        assert watch.found == []
        assert [one for one in HIDDEN if one in said] == []
        assert [one for one in ("12-3456789", "jane@acme.example", "billing@acme.example") if one in said] == []
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert [one for one in HIDDEN if one.encode() in files] == []


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 422])
def test_an_answer_that_quotes_what_it_was_sent_shows_no_secret(tmp_path: Path, status: int) -> None:
    quoted = f"bad request: Basic {HIDDEN[2]} {SECRET} Bearer tok".encode()
    body = b'{"code": "c", "message": "' + quoted + b'", "validation_errors": {"a": "' + quoted + b'"}}'

    def page(method: str, target: str) -> Reply:
        if target == "/oauth/token" and status not in (403, 422):
            return answers(lambda _: None)(method, target)
        return status, "application/json", body

    with web_server(page) as (url, _):
        place = Place(tmp_path, {**variables_of(url), "AP_CLIENT_ID": CLIENT, "AP_CLIENT_SECRET": SECRET})
        place.write("customers.yaml", FILE)
        ran = place.run("--log-level", "debug", "plan", "-f", "customers.yaml")
    assert (ran.code, [one for one in HIDDEN if one in ran.all]) == (1, [])


def test_a_secret_in_a_project_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.write("reconciler.yaml", f"version: 1\nenvironments: {{demo: {{client_id: x, client_secret: {SECRET}}}}}\n")
    place.write("customers.yaml", FILE)
    for words in (["validate"], ["plan"], ["state", "list"]):
        ran = place.run(*words, *(["-f", "customers.yaml"] if words != ["state", "list"] else []))
        assert (ran.code, SECRET in ran.all) == (1, False)
