from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from clocks import run as in_virtual_time
from command_line import PATIENCE_S

from reconciler.emulator.fault_settings import read_odds
from reconciler.emulator.faults import Amounts, Fault, On, RandomFaults, Scripted
from reconciler.emulator.server import create_app, run, running
from reconciler.emulator.service import Emulator
from reconciler.errors import Invalid, ReconcilerError

FORM = {"grant_type": "client_credentials"}


@contextmanager
def client_of(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, trust_env=False) as client:
        token = client.post("/oauth/token", auth=("local", "local"), data=FORM).json()["access_token"]
        client.headers["authorization"] = f"Bearer {token}"
        yield client


def test_the_emulator_serves_on_a_free_port_of_this_machine() -> None:
    with running(Emulator(rate=0)) as url, client_of(url) as client:
        created = client.post("/customers", json={"external_id": "a/b", "name": "Acme"})
        listed = client.get("/customers", params={"limit": 1, "after": ""})
    assert url.startswith("http://127.0.0.1:")
    assert (created.status_code, listed.json()["data"]) == (201, [created.json()])
    assert (listed.headers.get_list("date") != [], listed.headers.get("server")) == (True, None)


def test_a_lost_answer_closes_the_connection_after_the_change() -> None:
    emulator = Emulator(rate=0, faults=RandomFaults(read_odds({"next_writes": {"lost_after": 1, "lost_before": 1}})))
    with running(emulator) as url, client_of(url) as client:
        for _ in range(2):
            with pytest.raises(httpx.RemoteProtocolError, match="Server disconnected without sending a response"):
                client.post("/customers", json={"name": "Acme"})
        assert len(client.get("/customers").json()["data"]) == 1


def test_it_ends_at_once_with_a_connection_open_and_an_answer_held_back() -> None:
    emulator = Emulator(rate=0, faults=RandomFaults(read_odds({"next_writes": {"slow": 1}, "slow_s": 10 * PATIENCE_S})))
    with running(emulator) as url, client_of(url) as client, socket.create_connection(_address(url)) as waiting:
        waiting.sendall(
            b"POST /customers HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nAuthorization: "
            + client.headers["authorization"].encode()
            + b"\r\n\r\n{}"
        )
        while not emulator.account.customers:
            client.get("/_emulator/state")
        began_s = time.monotonic()
    assert time.monotonic() - began_s < PATIENCE_S


def test_a_truncated_answer_ends_in_the_middle_of_its_json() -> None:
    emulator = Emulator(rate=0, faults=Scripted({1: Fault.TRUNCATED}, of=On.WRITES.takes))
    with running(emulator) as url, client_of(url) as client:
        with pytest.raises(httpx.RemoteProtocolError, match="peer closed connection without sending complete message"):
            client.post("/customers", json={"name": "Acme"})
        assert len(client.get("/customers").json()["data"]) == 1


@pytest.mark.real_time
def test_a_trickled_answer_comes_in_pieces_and_whole() -> None:
    amounts = Amounts(trickle_s=0.1)
    emulator = Emulator(rate=0, faults=Scripted({1: Fault.TRICKLED}, of=On.WRITES.takes, amounts=amounts))
    with running(emulator) as url, client_of(url) as client:
        began_s = time.monotonic()
        with client.stream("POST", "/customers", json={"name": "Acme"}) as answer:
            pieces = list(answer.iter_raw())
        assert (json.loads(b"".join(pieces))["name"], len(pieces) > 1) == ("Acme", True)
        assert time.monotonic() - began_s >= 0.1
        assert client.get("/customers").status_code == 200


@pytest.mark.real_time
def test_a_body_that_dribbles_slower_than_the_timeout_is_a_timeout() -> None:
    amounts = Amounts(trickle_s=60)
    emulator = Emulator(rate=0, faults=Scripted({1: Fault.TRICKLED}, of=On.WRITES.takes, amounts=amounts))
    with running(emulator) as url, client_of(url) as client:
        with pytest.raises(httpx.ReadTimeout):
            client.post("/customers", json={"name": "Acme"}, timeout=0.1)
        assert len(client.get("/customers").json()["data"]) == 1


def test_a_page_in_a_browser_cannot_control_it() -> None:
    with running() as url:
        answer = httpx.post(f"{url}/_emulator/reset", headers={"origin": "https://x.example"}, trust_env=False)
    assert answer.status_code == 403


def test_an_address_that_is_taken_is_an_error_that_says_what_to_do() -> None:
    with running() as url, pytest.raises(ReconcilerError) as raised:
        run(*_address(url))
    assert str(raised.value) == (
        f"{url.removeprefix('http://')}: the emulator cannot listen there: Address already in use; "
        "choose another --port"
    )


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 99_999), ("203.0.113.1", 0), ("name with blanks", 0)])
def test_an_address_that_cannot_be_had_is_named(host: str, port: int) -> None:
    with pytest.raises(ReconcilerError, match=f"^{host}:{port}: the emulator cannot listen there: "):
        run(host, port)


def test_payment_methods_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    path = tmp_path / "methods.json"
    path.write_text('{"acme": 5}')
    with pytest.raises(Invalid) as raised:
        run(port=0, payment_methods=path)
    assert str(raised.value).startswith(f"{path}: cannot be read as payment methods: payment methods are an object")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_cleanly(sent: signal.Signals, tmp_path: Path) -> None:
    methods = tmp_path / "methods.json"
    methods.write_text(json.dumps({"acme": [{"id": "pm_1"}]}))
    code = (
        "import sys; from pathlib import Path; from reconciler.emulator.server import run; "
        "data, methods = map(Path, sys.argv[1:]); "
        "run(port=0, data_file=data, payment_methods=methods, ready=lambda url: print(url, flush=True))"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(tmp_path / "emulator.db"), str(methods)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        with client_of(process.stdout.readline().strip()) as client:
            created = client.post("/customers", json={"external_id": "acme"})
            process.send_signal(sent)
            code_and_errors = process.wait(PATIENCE_S), process.stderr.read() if process.stderr else ""
    assert (created.json()["default_payment_method_id"], code_and_errors) == ("pm_1", (0, ""))


def test_an_asgi_transport_serves_the_same_application() -> None:
    emulator = Emulator(rate=0, faults=RandomFaults(read_odds({"next_writes": {"lost_after": 1}})))

    async def steps() -> None:
        transport = httpx.ASGITransport(create_app(emulator))
        async with httpx.AsyncClient(transport=transport, base_url="http://emulator.example") as client:
            token = (await client.post("/oauth/token", auth=("local", "local"), data=FORM)).json()["access_token"]
            client.headers["authorization"] = f"Bearer {token}"
            with pytest.raises(httpx.ReadError):
                await client.post("/customers", json={})
            assert len((await client.get("/customers?after=")).json()["data"]) == 1
            assert (await client.get("/customers/a%2Fb")).status_code == 404

    in_virtual_time(steps())


def _address(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("http://").partition(":")
    return host, int(port)


@pytest.mark.parametrize(
    ("host", "status"), [("localhost", 200), ("LOCALHOST:1", 200), ("127.0.0.1:80", 200), ("[::1]", 200)]
)
def test_an_emulator_on_this_machine_answers_to_its_names(host: str, status: int) -> None:
    with running(Emulator(rate=0)) as url, client_of(url) as client:
        assert client.get("/customers", headers={"host": host}).status_code == status


@pytest.mark.parametrize("path", ["/customers", "/", "/_emulator/state", "/oauth/token"])
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8085", "127.0.0.1.evil.example", "localhost.evil.example"]
)
def test_an_emulator_on_this_machine_answers_to_no_name_that_leads_to_it(host: str, path: str) -> None:
    emulator = Emulator(rate=0)
    with running(emulator) as url, client_of(url) as client:
        answer = client.get(path, headers={"host": host})
    assert (answer.status_code, answer.json()["code"]) == (421, "misdirected_request")


def test_an_emulator_that_listens_to_a_network_answers_to_any_name() -> None:
    with running(Emulator(rate=0), host="0.0.0.0") as url, client_of(url.replace("0.0.0.0", "127.0.0.1")) as client:  # noqa: S104 - as a container does
        assert client.get("/customers", headers={"host": "emulator:8085"}).status_code == 200
