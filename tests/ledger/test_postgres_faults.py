"""A ledger whose database cannot be reached, goes away, or is not as it should be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import postgres_server
import psycopg
import pytest
from ledgers import bound, open_postgres
from postgres_server import Cut, Wire, ask, wire

from reconciler.errors import LedgerFailed
from reconciler.escape import visible
from reconciler.ledger import Holder, Ledger, open_ledger
from reconciler.ledger.postgres.connect import open_postgres as open_url
from reconciler.ledger.postgres.session import _parts, refused
from reconciler.model.ledger import PutBinding

ANA = Holder("ana@host 7", "2026-01-01T00:00:00Z", "apply")


@pytest.fixture
def cuttable() -> Iterator[Wire]:
    with wire() as made:
        yield made


def begun(folder: Path, url: str) -> Ledger:
    ledger = open_url(url, environment=f"demo {folder}", base_url="https://api.example")
    return ledger.begin(ANA, account=str(folder))


@pytest.mark.parametrize("cut", Cut)
def test_a_commit_whose_connection_breaks_is_there_once(tmp_path: Path, cuttable: Wire, cut: Cut) -> None:
    with begun(tmp_path, cuttable.url) as run, open_postgres(tmp_path) as other:
        before = other.copy().meta.serial
        cuttable.cut = cut
        run.commit([PutBinding(bound(1))])
        after = other.copy()
        assert (cuttable.cuts, after.meta.serial - before) == (1, 1)
        assert after.writes == (PutBinding(bound(1)),)
        run.commit([PutBinding(bound(2))])
        assert set(other.records().bindings) == {"key-1", "key-2"}


@pytest.mark.parametrize("cut", Cut)
def test_a_commit_that_cannot_be_read_back_stops_the_run(tmp_path: Path, cuttable: Wire, cut: Cut) -> None:
    with begun(tmp_path, cuttable.url) as run:
        cuttable.cut, cuttable.dead = cut, True
        with pytest.raises(LedgerFailed, match=r"postgresql://127.0.0.1:\d+/postgres: it cannot be reached"):
            run.commit([PutBinding(bound(1))])


def test_after_a_lost_commit_a_run_that_was_taken_over_meanwhile_writes_nothing(tmp_path: Path, cuttable: Wire) -> None:
    with begun(tmp_path, cuttable.url) as run:
        cuttable.cut = Cut.BEFORE
        ask("DELETE FROM reconciler.leases WHERE account = %s", str(tmp_path))
        with pytest.raises(LedgerFailed, match="someone ended this run's lock"):
            run.commit([PutBinding(bound(1))])
        assert run.records().bindings == {}


def test_a_connection_that_the_server_has_closed_is_made_again(tmp_path: Path, cuttable: Wire) -> None:
    with begun(tmp_path, cuttable.url) as run:
        for again in (run.records, run.renew, lambda: run.commit([PutBinding(bound(1))])):
            ask(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE application_name = 'reconciler' AND pid <> pg_backend_pid()"
            )
            again()
        assert run.records().bindings == {"key-1": bound(1)}


def test_where_nothing_listens_it_is_told_without_user_and_password() -> None:
    with pytest.raises(LedgerFailed) as told:
        open_ledger("postgresql://ana:hunter2@127.0.0.1:1/state", environment="demo", base_url="https://api.example")
    assert str(told.value) == (
        "postgresql://127.0.0.1:1/state: it cannot be reached: Connection refused; "
        "check that the server is running, and check host, user and password"
    )
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ana:hun%ZZter2@db.example/state",
        "postgresql://ana:hunter2@db.example/state?hunter2=1",
        "postgresql://ana:hun@ter2@db.example/state",
        "postgresql://ana:hun/ter2@db.example/state",
        "postgresql://ana:1/ter2@db.example/state",
        "postgresql://db.example:ter2/state",
    ],
)
def test_a_url_that_cannot_be_read_is_not_shown(url: str) -> None:
    with pytest.raises(LedgerFailed, match="the URL of the ledger cannot be read; write postgresql://") as told:
        open_ledger(url, environment="demo", base_url="https://api.example")
    assert "ter2" not in f"{told.value} {told.value.__cause__}"


def test_a_password_in_the_servers_words_is_masked() -> None:
    told = refused(
        "postgresql://db/x", psycopg.OperationalError("connection failed: FATAL:  no hunter2\x1b"), "hunter2"
    )
    assert told.message == "postgresql://db/x: it cannot be reached: no ***\\x1b"


@pytest.mark.parametrize("password", ["p@ss/w:rd", "p%40\u202e"])
@pytest.mark.parametrize("form", [str, quote, visible])
def test_a_password_is_masked_in_each_form_that_it_may_be_quoted_in(password: str, form: Callable[[str], str]) -> None:
    written = quote(password, safe="") if form is quote else form(password)
    told = refused("postgresql://db/x", psycopg.OperationalError(f"failed: no {written}."), password)
    assert told.message == "postgresql://db/x: it cannot be reached: no ***."


@pytest.mark.parametrize(
    ("url", "mode"),
    [
        ("postgresql://db.example/x", "verify-full"),
        ("postgresql://localhost/x?hostaddr=192.0.2.1", "verify-full"),
        ("postgresql://localhost,db.example/x", "verify-full"),
        ("postgresql://db.example/x?sslmode=require", "require"),
        ("postgresql://127.0.0.1/x", None),
        ("postgresql:///x", None),
        ("postgresql://%2Frun%2Fpostgresql/x", None),
    ],
)
def test_a_server_on_another_machine_must_prove_who_it_is(url: str, mode: str | None) -> None:
    assert _parts(url).get("sslmode") == mode


def test_the_authorities_are_those_of_the_machine_or_those_that_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", __file__)
    assert _parts("postgresql://db.example/x")["sslrootcert"] == __file__
    assert _parts("postgresql://db.example/x?sslrootcert=here")["sslrootcert"] == "here"
    monkeypatch.setenv("PGSSLMODE", "require")
    assert "sslmode" not in _parts("postgresql://db.example/x")


def test_a_certificate_that_is_not_trusted_is_told_with_both_ways_on() -> None:
    told = refused("postgresql://db/x", psycopg.OperationalError("SSL error: certificate verify failed"), "")
    assert "add ?sslrootcert=FILE" in told.hint
    assert "?sslmode=require" in told.hint


def test_a_server_without_tls_is_not_talked_to_unless_the_url_allows_it() -> None:
    told = refused(
        "postgresql://db/x", psycopg.OperationalError("server does not support SSL, but SSL was required"), ""
    )
    assert told.hint == "the server offers no TLS; on a trusted network only, add ?sslmode=disable to the URL"


def test_without_the_driver_it_is_told_what_to_install() -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from reconciler.ledger import open_ledger\n"
        "try: open_ledger('postgresql://db.example/x', environment='demo', base_url='https://api.example')\n"
        "except Exception as error: print(error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout == (
        "a ledger in PostgreSQL needs a driver that is not installed; "
        "pip install 'alternative-payments-reconciler[postgres]'\n"
    )


def test_a_database_that_cannot_hold_every_text_is_refused() -> None:
    ask("DROP DATABASE IF EXISTS latin WITH (FORCE)")
    ask("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    url = postgres_server.server_url().replace("/postgres?", "/latin?")
    with pytest.raises(LedgerFailed, match="the database's encoding is LATIN1, and the ledger needs UTF8"):
        open_ledger(url, environment="demo", base_url="https://api.example")


def test_a_row_that_something_else_has_altered_is_told(tmp_path: Path) -> None:
    with open_postgres(tmp_path) as ledger:
        ledger.commit([PutBinding(bound(1))])
        ask("UPDATE reconciler.bindings SET state = 'odd' WHERE external_id = 'key-1' AND state = 'active'")
        with pytest.raises(LedgerFailed, match="something else has altered the ledger"):
            ledger.records()
