"""`state pull`, `push`, `move`, `unprotect`, `unlock`: the ledger corrected, copied, and unlocked."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import postgres_server
import pytest
from command_line import ONE, THREE, Online

from reconciler.ledger import Holder
from reconciler.ledger.lock import account_key
from reconciler.ledger.postgres.connect import open_postgres

pytest_plugins = ("command_fixtures",)

ANA = Holder("ana@host 7", "2026-01-01T00:00:00Z", "apply")


@pytest.fixture
def fresh() -> str:
    """Return the URL of an empty database."""
    return postgres_server.database("commands")


@pytest.fixture(params=["file", "postgres"])
def kept(request: pytest.FixtureRequest, shop: Online) -> Online:
    """A place whose ledger, of either kind, holds one customer."""
    if request.param == "postgres":
        shop.variables["RECONCILER_STATE"] = request.getfixturevalue("fresh")
    assert shop.applied(ONE).code == 0
    return shop


@contextmanager
def another_run(shop: Online) -> Iterator[None]:
    """Hold the lease of the place's account."""
    base_url = shop.variables["AP_BASE_URL"]
    account = account_key(base_url, shop.variables["AP_CLIENT_ID"])
    with (
        open_postgres(shop.variables["RECONCILER_STATE"], environment="another", base_url=base_url) as ledger,
        ledger.begin(ANA, account=account),
    ):
        yield


def bound(shop: Online) -> dict[str, str]:
    """Return what the ledger binds: key to id."""
    return {row["external_id"]: row["id"] for row in json.loads(shop.ledger())["bindings"]}


def test_what_is_pulled_can_be_pushed_back_and_the_ledger_as_it_was_is_kept(kept: Online) -> None:
    pulled = kept.run("state", "pull").out
    kept.run("state", "rm", "acme")
    kept.write("ledger.jsonl", pulled)
    older = kept.run("state", "push", "ledger.jsonl")
    assert (older.code, bound(kept)) == (3, {})
    assert "the copy is older than the ledger" in older.err
    pushed = kept.run("state", "push", "ledger.jsonl", "--force")
    assert (pushed.code, pushed.out, list(bound(kept))) == (0, "", ["acme"])
    first = pushed.err.splitlines()[0]
    assert first.startswith("the old ledger was saved in ")
    assert stat.S_IMODE(Path(first.removeprefix("the old ledger was saved in ")).stat().st_mode) == 0o600


def test_a_copy_that_is_as_new_as_the_ledger_is_taken(kept: Online) -> None:
    kept.run("state", "pull", "-o", "ledger.jsonl")
    assert kept.run("state", "push", "ledger.jsonl").code == 0


def test_a_copy_of_another_ledger_is_refused_unless_forced(kept: Online) -> None:
    pulled = kept.run("state", "pull").out
    lineage = json.loads(pulled.splitlines()[0])["lineage"]
    other = kept.run("state", "pull", RECONCILER_STATE="other.db")
    assert (other.code, other.out) == (1, "")
    kept.run("apply", "-f", "customers.yaml", "--auto-approve", RECONCILER_STATE="other.db")
    kept.run("state", "pull", "-o", "other.jsonl", RECONCILER_STATE="other.db")
    ran = kept.run("state", "push", "other.jsonl")
    assert (ran.code, ran.out) == (3, "")
    assert "the copy is of another ledger (lineage " in ran.err
    assert kept.run("state", "push", "other.jsonl", "--force").code == 0
    assert json.loads(kept.run("state", "pull").out.splitlines()[0])["lineage"] != lineage


def test_a_copy_that_was_changed_is_refused_and_the_ledger_stays(kept: Online) -> None:
    kept.write("ledger.jsonl", kept.run("state", "pull").out.replace("acme", "evil"))
    before = kept.run("state", "pull").out
    ran = kept.run("state", "push", "ledger.jsonl", "--force")
    assert (ran.code, ran.err.count("\n"), kept.run("state", "pull").out) == (1, 1, before)
    assert ran.err.startswith("ledger.jsonl: it was cut short or changed")


def test_a_copy_for_another_api_is_refused_even_if_forced(kept: Online) -> None:
    kept.run("state", "pull", "-o", "ledger.jsonl")
    ran = kept.run(
        "state", "push", "ledger.jsonl", "--force", AP_BASE_URL="https://api.example", RECONCILER_STATE="n.db"
    )
    assert (ran.code, (kept.folder / "n.db").exists()) == (3, False)
    assert "this is https://api.example" in ran.err


def test_a_copy_of_another_environment_is_refused_unless_forced(kept: Online) -> None:
    kept.run("state", "pull", "-o", "ledger.jsonl")
    other = {"AP_ENVIRONMENT": "demo", "RECONCILER_STATE": "renamed.db"}
    refused = kept.run("state", "push", "ledger.jsonl", **other)
    forced = kept.run("state", "push", "ledger.jsonl", "--force", **other)
    assert (refused.code, forced.code) == (3, 0)
    assert "pass --force if the environment was renamed" in refused.err


def test_a_ledger_moves_from_a_file_to_a_database_and_plans_to_nothing(shop: Online, fresh: str) -> None:
    shop.applied(THREE)
    shop.run("state", "pull", "-o", "ledger.jsonl")
    shop.variables["RECONCILER_STATE"] = fresh
    assert shop.run("state", "push", "ledger.jsonl").code == 0
    shop.later()
    requests = shop.requests()
    ran = shop.run("plan", "-f", "customers.yaml", "--detailed-exitcode")
    assert (ran.code, shop.requests() - requests) == (0, 2)


def test_a_backup_goes_where_the_user_says_and_over_nothing(shop: Online, fresh: str) -> None:
    shop.variables["RECONCILER_STATE"] = fresh
    shop.applied(ONE)
    shop.run("state", "pull", "-o", "ledger.jsonl")
    first = shop.run("state", "push", "ledger.jsonl", "--backup", "mine.jsonl")
    pulled = (shop.folder / "ledger.jsonl").read_text()
    assert (first.code, (shop.folder / "mine.jsonl").read_text()) == (0, pulled)
    second = shop.run("state", "push", "ledger.jsonl", "--force", "--backup", "mine.jsonl")
    assert (second.code, (shop.folder / "mine.jsonl").read_text()) == (1, pulled)
    assert "mine.jsonl: it already exists" in second.err


@pytest.mark.parametrize("words", [("move", "acme", "new/key"), ("move", "a/b", "new"), ("unprotect", "acme/j@x")])
def test_a_users_address_is_no_key(kept: Online, words: tuple[str, ...]) -> None:
    before = bound(kept)
    ran = kept.run("state", *words)
    assert (ran.code, ran.out, bound(kept)) == (1, "", before)
    assert "this is a user's address\n  write a / in the key as %2F" in ran.err


def test_a_customer_moves_to_another_key_with_its_users(kept: Online) -> None:
    kept.applied(THREE)
    others, customer = bound(kept), bound(kept)["acme"]
    del others["acme"]
    ran = kept.run("state", "move", "acme", "new%2Fkey")
    assert (ran.code, ran.out) == (0, f"acme ({customer}): moved to new%2Fkey\n")
    assert bound(kept) == {**others, "new/key": customer}
    pulled = [json.loads(line) for line in kept.run("state", "pull").out.splitlines()]
    seen = [
        line["row"]["users_json"] for line in pulled if line.get("table") == "users" and line["row"]["id"] == customer
    ]
    assert ["jane@acme.example" in text for text in seen] == [True]


def test_a_customer_moved_there_and_back_plans_to_nothing(kept: Online) -> None:
    kept.run("state", "move", "acme", "other")
    kept.run("state", "move", "other", "acme")
    kept.later()
    ran = kept.run("plan", "-f", "customers.yaml", "--format", "json")
    assert (ran.json["changes"], ran.json["bindings"], ran.json["notes"]) == ([], [], [])


def test_a_customer_does_not_move_to_a_key_that_is_bound(kept: Online) -> None:
    kept.applied(THREE)
    before = bound(kept)
    ran = kept.run("state", "move", "acme", "globex")
    assert (ran.code, bound(kept)) == (3, before)
    assert "globex: this key is already bound" in ran.err


@pytest.mark.parametrize("words", [("move", "nobody", "x"), ("unprotect", "nobody")])
def test_a_key_that_is_not_bound_is_an_error(kept: Online, words: tuple[str, ...]) -> None:
    ran = kept.run("state", *words)
    assert (ran.code, ran.out) == (1, "")
    assert "nobody: the ledger does not have it" in ran.err


def test_a_protection_that_outlived_its_entry_is_lifted(kept: Online) -> None:
    kept.applied("customers:\n  acme: {name: Acme, email: billing@acme.example, protect: true}\n")
    kept.later()
    kept.write("customers.yaml", "customers: {}\n")
    words = ("plan", "-f", "customers.yaml", "--format", "json", "--max-archives", "1")
    protected = kept.run(*words).json["summary"]["archive"]
    ran = kept.run("state", "unprotect", "acme")
    assert (ran.code, protected, kept.run(*words).json["summary"]["archive"]) == (0, 0, 1)


# --- the lock --------------------------------------------------------------------------------------------


def test_nobody_holds_the_lock_of_a_ledger_at_rest(kept: Online) -> None:
    ran = kept.run("state", "unlock")
    assert (ran.code, ran.out) == (0, "the lock is not held\n")


def test_while_another_run_holds_the_lease_nothing_is_sent(shop: Online, fresh: str) -> None:
    shop.variables["RECONCILER_STATE"] = fresh
    with another_run(shop):
        ran = shop.applied(ONE)
        assert (ran.code, shop.account()) == (3, {})
        assert "another run on this account holds the lock: apply by ana@host 7 since 2026-01-01T00:00:00Z" in ran.err
        assert shop.run("plan", "-f", "customers.yaml").code == 0


def test_an_import_binds_in_either_kind_of_ledger(kept: Online) -> None:
    kept.load({"external_id": "globex", "name": "Globex", "users": [{"email": "jane@globex.example"}]})
    assert kept.run("import", "globex", "-o", "globex.yaml", "--bind").code == 0
    assert sorted(bound(kept)) == ["acme", "globex"]
    plan = kept.run("plan", "-f", "customers.yaml", "-f", "globex.yaml", "--format", "json").json
    assert (plan["changes"], plan["bindings"]) == ([], [])


def test_while_another_run_holds_the_lease_an_import_reads_and_binds_nothing(shop: Online, fresh: str) -> None:
    shop.variables["RECONCILER_STATE"] = fresh
    with another_run(shop):
        ran = shop.run("import", "-o", "all.yaml", "--bind")
        assert (ran.code, shop.requests(), (shop.folder / "all.yaml").exists()) == (3, 0, False)
        assert shop.run("import", "-o", "all.yaml").code == 0


def test_unlock_asks_first_and_without_a_terminal_wants_force(shop: Online, fresh: str) -> None:
    shop.variables["RECONCILER_STATE"] = fresh
    with another_run(shop):
        alone = shop.run("state", "unlock")
        no = shop.run("state", "unlock", terminal=True, stdin=b"n\n")
        held = shop.applied(ONE).code
        yes = shop.run("state", "unlock", terminal=True, stdin=b"y\n")
        assert (alone.code, no.code, held, yes.code) == (3, 3, 3, 0)
        assert "apply by ana@host 7" in alone.err
        assert yes.out == "the lock was ended; it was held: apply by ana@host 7 since 2026-01-01T00:00:00Z\n"
        assert shop.applied(ONE).code == 0


def test_unlock_by_force_does_not_ask(shop: Online, fresh: str) -> None:
    shop.variables["RECONCILER_STATE"] = fresh
    with another_run(shop):
        assert shop.run("state", "unlock", "--force").code == 0
        assert shop.run("state", "unlock").out == "the lock is not held\n"


@pytest.mark.parametrize("words", [("list",), ("pull",), ("unlock",), ("rm", "acme")])
def test_a_database_that_does_not_answer_is_an_error_without_its_password(shop: Online, words: tuple[str, ...]) -> None:
    ran = shop.run("state", *words, RECONCILER_STATE="postgresql://ana:marked-secret@127.0.0.1:1/state")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: postgresql://127.0.0.1:1/state: it cannot be reached: Connection refused\n")
    assert "marked-secret" not in ran.err
