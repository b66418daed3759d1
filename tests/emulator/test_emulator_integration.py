"""An integration that syncs into the emulated account: what it writes, when, and what it leaves to others."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from clocks import EPOCH_S
from emulated import Stopped
from open_questions import Caller

from reconciler.cli.commands.files import emulator as command
from reconciler.emulator.calls import Answer, Call
from reconciler.emulator.control import control
from reconciler.emulator.integration import Integration, RecordEdit, SyncedRecord, read_integration
from reconciler.emulator.service import Emulator
from reconciler.emulator.store import AccountFile
from reconciler.resources import schema
from reconciler.rules import Behaviour

ACME = SyncedRecord("17", {"name": "Acme", "email": "billing@acme.example", "city": "Boston"}, number="acme")


def connected(*records: SyncedRecord, behaviour: Behaviour | None = None, **given: Any) -> Caller:  # noqa: ANN401
    caller = Caller(behaviour or Behaviour())
    caller.served.connect(Integration(records=records or (ACME,), **given))
    return caller


def only(caller: Caller) -> dict[str, Any]:
    (one,) = caller.read("GET", "/customers")["data"]
    return {name: value for name, value in one.items() if value}


def test_it_creates_whom_it_has_without_an_external_id() -> None:
    one = only(connected())
    assert {name: one.get(name) for name in ("external_id", "customer_integration_id", "name", "city")} == {
        "external_id": None,
        "customer_integration_id": "17",
        "name": "Acme",
        "city": "Boston",
    }


def test_an_edit_there_is_written_here_at_the_first_sync_after_it() -> None:
    salem = RecordEdit(3600.0, ({"id": "17", "city": "Salem"},))
    caller = connected(edits=(salem,), every_s=1800.0)
    assert only(caller)["city"] == "Boston"
    caller.now = 3599.0
    assert only(caller)["city"] == "Boston"
    caller.now = 3700.0
    assert only(caller)["city"] == "Boston"  # synced at 3599 s, and not due again
    caller.now = 5400.0
    assert only(caller)["city"] == "Salem"


def test_only_the_fields_that_it_controls_are_rewritten() -> None:
    edit = RecordEdit(10.0, ({"id": "17", "city": "Salem", "name": "Acme Inc"},))
    caller = connected(edits=(edit,), fields=("name",))
    only(caller)
    caller.now = 10.0
    assert (only(caller)["name"], only(caller)["city"]) == ("Acme Inc", "Boston")


def test_whom_it_deletes_is_archived_and_whom_it_has_again_is_restored() -> None:
    caller = connected(
        edits=(
            RecordEdit(10.0, ({"id": "17", "deleted": True},)),
            RecordEdit(20.0, ({"id": "17", "deleted": False},)),
        )
    )
    seen = []
    for at in (0.0, 10.0, 20.0):
        caller.now = at
        seen.append(len(caller.listed()))
    assert seen == [1, 0, 1]


def test_one_that_does_not_archive_leaves_whom_it_deleted() -> None:
    caller = connected(edits=(RecordEdit(10.0, ({"id": "17", "deleted": True},)),), archives=False)
    caller.listed()
    caller.now = 10.0
    assert len(caller.listed()) == 1


def test_one_that_leaves_the_filter_stays_as_it_is() -> None:
    left = RecordEdit(10.0, ({"id": "17", "syncs": False, "city": "Salem", "deleted": True},))
    caller = connected(edits=(left,))
    only(caller)
    caller.now = 10.0
    assert only(caller)["city"] == "Boston"


def test_what_others_change_stays_unless_a_sync_undoes_it() -> None:
    caller = connected()
    one = only(caller)["id"]
    caller.send("PATCH", f"/customers/{one}", {"city": "Paris"})
    caller.send("DELETE", f"/customers/{one}")
    caller.now = 60.0
    assert (caller.listed(), caller.read("GET", f"/customers/{one}")["city"]) == ([], "Paris")


def test_it_works_between_the_requests_of_one_run() -> None:
    globex = ({"id": "18", "name": "Globex"},)
    caller = connected(edits=(RecordEdit(5.0, globex),))
    assert len(caller.listed()) == 1
    caller.now = 5.0
    assert len(caller.listed()) == 2


def test_after_a_reset_it_syncs_anew_and_nobody_has_an_id_again() -> None:
    caller = connected()
    former = only(caller)["id"]
    control(caller.served, Call("POST", "/_emulator/reset"))
    assert only(caller)["id"] != former


def test_what_it_writes_is_kept_in_the_account_file(tmp_path: Path) -> None:
    for _ in range(2):
        with AccountFile(tmp_path / "account.db") as store:
            served = Emulator(rate=0, store=store, account=store.read(), clock=Stopped(lambda: EPOCH_S))
            served.connect(Integration(records=(ACME,)))
            served.sync()
            assert [one.fields["name"] for one in served.account.customers.values()] == ["Acme"]


def posted(caller: Caller, path: str, body: object) -> tuple[int, dict[str, Any]]:
    answer = control(caller.served, Call("POST", f"/_emulator/{path}", body=json.dumps(body).encode()))
    assert isinstance(answer, Answer)
    return answer.status, json.loads(answer.body)


def test_requests_connect_edit_and_disconnect_one() -> None:
    caller = Caller(Behaviour())
    assert posted(caller, "integration/edit", {"customers": []})[0] == 400
    assert posted(caller, "integration", {"customers": [{"id": "17", "name": "Acme"}]})[1]["connected"] is True
    assert only(caller)["name"] == "Acme"
    assert posted(caller, "integration/edit", {"customers": [{"id": "17", "name": "Acme Inc"}]})[0] == 200
    assert posted(caller, "integration/sync", {})[1]["did"] == {"created": 1, "rewritten": 1}
    assert posted(caller, "integration", {})[1] == {"connected": False}


WRONG = [
    ([], "an integration: this is an object"),
    ({"customer": []}, "customer: there is no such name"),
    ({"product": "sage"}, "product: 'sage' is not one of quickbooks"),
    ({"every_s": -1}, "every_s: this is a number of seconds, not below 0"),
    ({"every_s": True}, "every_s: this is a number of seconds"),
    ({"fields": ["external_id"]}, "fields: a list of fields of customers"),
    ({"archives": "no"}, "archives: this is true or false"),
    ({"customers": {}}, "customers: this is a list"),
    ({"customers": [{"name": "Acme"}]}, "customers[0]: a customer of an integration has an id"),
    ({"customers": [{"id": 17}]}, "customers[0].id: this is a text, in quotes"),
    ({"customers": [{"id": "17", "town": "x"}]}, "customers[0].town: there is no such name"),
    ({"customers": [{"id": "17", "deleted": 1}]}, "customers[0].deleted: this is true or false"),
    ({"edits": [{"at_s": "1d"}]}, "edits[0].at_s: this is a number of seconds"),
    ({"edits": [{"customers": [{"id": ""}]}]}, "edits[0].customers[0]: a customer of an integration has an id"),
]


@pytest.mark.parametrize(("values", "message"), WRONG, ids=lambda value: str(value)[:40])
def test_what_is_no_integration_is_named_with_its_place(values: object, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        read_integration(values)
    assert list(jsonschema.Draft202012Validator(schema("integration")).iter_errors(values))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "this is not JSON"),
        ('{"product": "sage"}', "product: 'sage' is not one of"),
        ('{"customers": [{"name": "Acme"}]}', "customers[0]: a customer of an integration has an id"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_before_it_listens(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "integration.json").write_text(text)
    ended = CliRunner().invoke(command, ["--port", "0", "--integration", str(tmp_path / "integration.json")])
    assert (ended.exit_code != 0, words in str(ended.exception)) == (True, True)


def test_the_example_of_the_reference_is_one_and_fits_its_schema() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/emulator.md").read_text(encoding="utf-8")
    example = json.loads(page.partition("## An integration")[2].partition("```json\n")[2].partition("```")[0])
    assert not list(jsonschema.Draft202012Validator(schema("integration")).iter_errors(example))
    assert [one.id for one in read_integration(example).records] == ["17", "18"]
