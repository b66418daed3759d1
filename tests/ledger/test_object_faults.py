"""The network and the store fail at any moment of a commit: it is done once, or not at all, and the run is told."""

from __future__ import annotations

import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import object_server
import pytest
from ledgers import LATER, WHERE, bound
from object_server import Fault, Proxy, proxy

from reconciler.errors import LedgerFailed, LedgerTooNew, Refused
from reconciler.ledger import Holder, Ledger, open_ledger
from reconciler.ledger.base import EmptyLedger
from reconciler.ledger.objects.ledger import ObjectLedger, lease_holder, open_objects
from reconciler.ledger.objects.store import ObjectStore, open_store
from reconciler.model.ledger import DropBinding, PutBinding

ANA = Holder("ana@host 7", "2026-01-01T00:00:00Z", "apply")


@pytest.fixture
def wire() -> Iterator[Proxy]:
    with proxy() as made:
        yield made


@pytest.fixture
def url(wire: Proxy) -> str:
    return object_server.url_of(object_server.bucket(), wire.endpoint)


def begun(url: str, **how: Any) -> Ledger:  # noqa: ANN401
    ledger = open_objects(url, **WHERE, **how)
    try:
        return ledger.begin(ANA, account="account")
    except BaseException:
        ledger.__exit__(None, None, None)
        raise


def bindings(url: str) -> set[str]:
    with open_ledger(url, **WHERE, writable=False) as ledger:
        return set(ledger.records().bindings)


@pytest.mark.parametrize("fault", [Fault.BEFORE, Fault.AFTER, Fault.BUSY])
@pytest.mark.parametrize("what", ["/log/", "/head", "/locks/", "/snapshots/"])
def test_a_put_that_fails_once_is_done_once(wire: Proxy, url: str, fault: Fault, what: str) -> None:
    begun(url).__exit__(None, None, None)
    wire.what, wire.faults = what, [fault]
    with begun(url) as run:
        for number in range(3):
            run.commit([PutBinding(bound(number))])
        serial = run.copy().meta.serial
    assert (wire.faults, serial, bindings(url)) == ([], 3, {"key-0", "key-1", "key-2"})


def test_a_get_that_fails_once_is_asked_again(wire: Proxy, url: str) -> None:
    with begun(url) as run:
        run.commit([PutBinding(bound(1))])
    wire.method, wire.what, wire.faults = "GET", "", [Fault.BEFORE, Fault.BUSY, Fault.AFTER]
    assert bindings(url) == {"key-1"}


def test_a_commit_that_nobody_answered_is_written_or_not_and_what_follows_is_right_either_way(
    wire: Proxy, url: str
) -> None:
    with begun(url, patience_s=1.5) as run:
        run.commit([PutBinding(bound(1))])
        wire.faults = [Fault.AFTER, *[Fault.BEFORE] * 100]
        with pytest.raises(LedgerFailed, match="cannot be reached"):
            run.commit([PutBinding(bound(2))])
        wire.faults = []
        run.commit([PutBinding(bound(3))])
    assert bindings(url) == {"key-1", "key-2", "key-3"}


def test_credentials_that_may_only_read_plan_and_see_who_holds_the_lock(wire: Proxy, url: str) -> None:
    with begun(url) as run:
        run.commit([PutBinding(bound(1))])
        wire.what, wire.faults = "/", [Fault.DENIED] * 9
        assert (bindings(url), lease_holder(url, "account")) == ({"key-1"}, ANA)
        wire.faults = []
    wire.faults = [Fault.DENIED]
    with (
        open_ledger(url, **WHERE) as plan,
        pytest.raises(LedgerFailed, match=r"refuses these credentials \(127.0.0.1:\d+: 403 Forbidden\); allow these"),
    ):
        plan.commit([PutBinding(bound(2))])


def test_a_run_whose_snapshot_could_not_be_written_leaves_all_it_committed_in_the_log(wire: Proxy, url: str) -> None:
    with begun(url, patience_s=1.5) as run:
        run.commit([PutBinding(bound(1))])
        run.commit([PutBinding(bound(2))])
        wire.dead = True
    wire.dead = False
    assert bindings(url) == {"key-1", "key-2"}


@pytest.mark.parametrize("dropped", ["If-None-Match", "If-Match"])
def test_a_store_that_knows_no_conditions_is_refused_and_nothing_is_left_there(
    wire: Proxy, url: str, dropped: str
) -> None:
    wire.unconditional = (dropped, dropped.lower())
    with pytest.raises(LedgerFailed, match="overwrites objects even when it should refuse"):
        open_ledger(url, **WHERE)
    assert open_store(url).keys("") == []


def test_a_bucket_that_is_not_there_is_named_and_no_empty_ledger() -> None:
    url = object_server.url_of("not-there")
    for writable in (True, False):
        with pytest.raises(LedgerFailed, match="s3://not-there/state: there is no such bucket"):
            open_ledger(url, **WHERE, writable=writable)


def test_where_there_is_no_ledger_reading_finds_an_empty_one_and_makes_nothing(url: str) -> None:
    with open_ledger(url, **WHERE, writable=False) as ledger, open_ledger(url, **WHERE, create=False) as other:
        assert (type(ledger), type(other), open_store(url).keys("")) == (EmptyLedger, EmptyLedger, [])


def test_a_ledger_is_opened_for_reading_without_a_put(wire: Proxy, url: str) -> None:
    with begun(url) as run:
        run.commit([PutBinding(bound(1))])
    wire.seen.clear()
    assert bindings(url) == {"key-1"}
    assert set(wire.seen) == {"GET"}


@pytest.mark.parametrize(
    "url",
    [
        "s3://key:secret-word@bucket/x",
        "s3:///x",
        "s3://bucket/x?secret-word=1",
        "s3://bucket/x#secret-word",
        "s3://bucket/x?endpoint=http://elsewhere.example",
        "s3://bucket/x?endpoint=ftp://127.0.0.1",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(LedgerFailed) as told:
        open_ledger(url, **WHERE)
    assert "secret-word" not in str(told.value)


def test_without_the_stores_client_it_is_told_what_to_install() -> None:
    code = (
        "import sys; sys.modules['obstore'] = None\n"
        "from reconciler.ledger import open_ledger\n"
        "try: open_ledger('s3://bucket/x', environment='demo', base_url='https://api.example')\n"
        "except Exception as error: print(error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout == (
        "a ledger in object storage needs a driver that is not installed; "
        "pip install 'alternative-payments-reconciler[objects]'\n"
    )


def test_the_ledger_of_another_environment_is_refused(url: str) -> None:
    with open_ledger(url, **WHERE):
        store = open_store(url)
    _moved(store, to="another-")
    with pytest.raises(Refused, match="this is the ledger of environment 'demo'"):
        open_ledger(url, environment="another", base_url="https://api.example")


def _moved(store: ObjectStore, *, to: str) -> None:
    """Copy a ledger to where that of another environment lies."""
    from reconciler.ledger.objects.ledger import folder_of  # noqa: PLC0415 - here alone

    old, new = folder_of(**WHERE), folder_of("another", "https://api.example")
    assert new.startswith(to)
    for key in store.keys(old):
        got = store.get(key)
        assert got is not None
        assert store.put_new(key.replace(old, new), got.content)


def test_a_ledger_that_something_else_altered_is_no_ledger(url: str) -> None:
    with open_ledger(url, **WHERE):
        store = open_store(url)
    for key in store.keys(""):
        got = store.get(key)
        assert got is not None
        assert store.put_over(key, b"\0", got.version) is not None
    with pytest.raises(LedgerFailed, match="something else has altered it"):
        open_ledger(url, **WHERE)


def test_a_log_in_which_an_object_is_missing_is_no_ledger(url: str) -> None:
    with open_ledger(url, **WHERE) as ledger:
        for number in range(3):
            ledger.commit([PutBinding(bound(number))])
    store = open_store(url)
    store.delete([next(key for key in store.keys("") if key.endswith("log/000000000002"))])
    with pytest.raises(LedgerFailed, match="something else has altered it"):
        open_ledger(url, **WHERE)


# --- formats ---------------------------------------------------------------------------------------------


def test_an_older_format_is_brought_to_todays_by_the_next_run_and_the_older_objects_stay(url: str) -> None:
    with begun(url) as run:
        run.commit([PutBinding(bound(1))])
    store = open_store(url)
    before = [key for key in store.keys("") if "/snapshots/" in key]
    with begun(url, migrations=LATER) as run:
        run.commit([PutBinding(bound(2))])
    assert set(before) <= set(store.keys(""))
    with open_objects(url, **WHERE, migrations=LATER) as ledger:
        assert set(ledger.records().bindings) == {"key-1", "key-2"}


def test_an_older_format_is_read_without_being_changed(url: str) -> None:
    with begun(url) as run:
        run.commit([PutBinding(bound(1))])
    store = open_store(url)
    before = store.keys("")
    with open_objects(url, **WHERE, writable=False, migrations=LATER) as ledger:
        assert set(ledger.records().bindings) == {"key-1"}
    assert store.keys("") == before


def test_a_newer_format_is_refused_as_soon_as_a_run_of_it_has_begun(url: str) -> None:
    with open_ledger(url, **WHERE):
        pass
    with begun(url, migrations=LATER), pytest.raises(LedgerTooNew, match=f"has format {len(LATER)}"):
        open_ledger(url, **WHERE)
    with pytest.raises(LedgerTooNew, match="update reconciler"):
        open_ledger(url, **WHERE)


# --- the log ---------------------------------------------------------------------------------------------


def test_after_a_run_the_log_holds_no_commits_and_what_says_that_a_run_began_stays(url: str) -> None:
    for number in range(2):
        with begun(url) as run:
            for n in count(number * 10):
                run.commit([PutBinding(bound(n))])
                if n % 10 == 5:
                    break
    kinds = [key.rpartition("/")[2] for key in open_store(url).keys("") if "/log/" in key]
    assert kinds == ["000000000001", "000000000008"]


def test_what_a_run_removed_is_in_no_object_any_more(url: str) -> None:
    with begun(url) as run:
        run.commit([PutBinding(replace(bound(1), applied_json='{"name":"Acme Corporation Inc."}'))])
    with begun(url) as run:
        run.commit([DropBinding("key-1")])
    store = open_store(url)
    held = [got.content for got in store.get_all(store.keys("")) if got is not None]
    assert [one for one in held if b"Acme Corp" in (zlib.decompress(one) if one[:1] == b"\x78" else one)] == []


def test_a_long_run_writes_snapshots_on_its_way(url: str) -> None:
    run = begun(url, long_log=10)
    for number in range(21):
        run.commit([PutBinding(bound(number))])
    assert isinstance(run, ObjectLedger)
    run.replica.rest()
    kept = [key for key in open_store(url).keys("") if "/log/" in key]
    assert (len(kept) < 21, len(bindings(url))) == (True, 21)
    run.__exit__(None, None, None)
    assert len(bindings(url)) == 21


def test_the_log_of_runs_that_died_is_taken_into_a_snapshot_by_a_later_one(url: str) -> None:
    run = begun(url, died=lambda *_: True, remote=False)
    for number in range(10):
        run.commit([PutBinding(bound(number))])
    assert isinstance(run, ObjectLedger)
    # Not its end, which would write a snapshot: it died.
    run.replica.close()
    with begun(url, died=lambda *_: True, long_log=10):
        kept = [key for key in open_store(url).keys("") if "/log/" in key]
    assert (len(kept), len(bindings(url))) == (2, 10)
