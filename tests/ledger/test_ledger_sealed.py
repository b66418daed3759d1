"""An encrypted ledger: nothing personal in its bytes, nothing that opens at another place, keys that change."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest
from ledgers import KEY, bound, open_sqlite

from reconciler.errors import LedgerFailed, Source
from reconciler.ledger import Ledger
from reconciler.ledger.encryption import Cipher, SealedLedger, is_sealed, read_keys
from reconciler.model.core import Action, Address, CustomerId, Reason, Status
from reconciler.model.ledger import Binding, DropBinding, Intent, PutBinding, PutIntent, PutRun, PutUsers, Run, SeenUser

OTHER = base64.b64encode(bytes(32)).decode()
PERSONAL = (
    "Springfield",
    "Shelbyville",
    "jane@acme.example",
    "Jane",
    "12-3456789",
    "the server said no to Springfield",
)


def opened(folder: Path, keys: str) -> Ledger:
    return SealedLedger(open_sqlite(folder), Cipher(read_keys(keys)))


def row(number: int) -> Binding:
    return replace(
        bound(number),
        applied_json='{"city":"Springfield","ein":"12-3456789"}',
        observed_json='{"city":"Springfield"}',
        trouble_json='{"city":{"refused":["Springfield",""]}}',
        applied_hash=bytes(range(16)),
        recent_json='{"moved_at":0.0,"fields":{"city":["Springfield",[["Shelbyville",1.0]]]}}',
    )


INTENT = Intent(
    run="r1",
    seq=1,
    action=Action.CREATE_USER,
    address=Address("key-1", "jane@acme.example"),
    id=CustomerId("cus_1"),
    opened_at=1.0,
    payload_hash="ab" * 32,
    before={},
    after={"first_name": "Jane"},
    status=Status.FAILED,
    message="the server said no to Springfield",
)
USERS = PutUsers(CustomerId("cus_1"), (SeenUser("jane@acme.example", {"first_name": "Jane"}, {"first_name": "Jane"}),))


def fill(ledger: Ledger) -> None:
    ledger.commit([PutBinding(row(1)), USERS, PutRun(Run("r1", "2026-01-01T00:00:00Z", "apply")), PutIntent(INTENT)])


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("ledger.db*")))


def found_in(folder: Path) -> list[str]:
    content = bytes_of(folder)
    return [text for text in PERSONAL if text.encode() in content]


def test_nothing_personal_stands_in_the_file_nor_beside_it(tmp_path: Path) -> None:
    with opened(tmp_path, KEY) as ledger:
        fill(ledger)
        assert found_in(tmp_path) == []
    assert found_in(tmp_path) == []
    with opened(tmp_path, KEY) as ledger:
        held = ledger.records()
        assert (held.bindings["key-1"], held.users[CustomerId("cus_1")]) == (row(1), USERS.users)
        assert ledger.intents("r1") == (INTENT,)


def test_a_row_that_an_older_version_sealed_is_opened(tmp_path: Path) -> None:
    with opened(tmp_path, KEY) as ledger:
        fill(ledger)
        assert isinstance(ledger, SealedLedger)
        place = ledger._of_binding(row(1))  # noqa: SLF001 - only an older version writes so
        texts = [row(1).applied_json, None, None, row(1).applied_hash.hex()]
        ledger.ledger.commit([PutBinding(replace(bound(1), applied_json=ledger.cipher.seal(json.dumps(texts), place)))])
        held = ledger.records().bindings["key-1"]
    assert held == replace(row(1), observed_json=None, trouble_json=None, recent_json=None)


def test_one_that_was_not_encrypted_is_read_once_it_was_written_again(tmp_path: Path) -> None:
    with open_sqlite(tmp_path) as plain:
        fill(plain)
    assert found_in(tmp_path) == list(PERSONAL)
    with opened(tmp_path, KEY) as ledger:
        with pytest.raises(LedgerFailed, match="encrypt the whole ledger with `reconciler state rekey`"):
            ledger.records()
        ledger.overwrite(ledger.copy())
        assert (ledger.records().bindings["key-1"], ledger.intents("r1")) == (row(1), (INTENT,))
    assert found_in(tmp_path) == []


def test_an_old_key_is_needed_until_all_is_written_again_with_the_new_one(tmp_path: Path) -> None:
    with opened(tmp_path, KEY) as ledger:
        fill(ledger)
    with opened(tmp_path, f"{OTHER} {KEY}") as ledger:
        ledger.commit([PutBinding(row(2))])
        assert list(ledger.records().bindings) == ["key-1", "key-2"]
    with opened(tmp_path, OTHER) as ledger, pytest.raises(LedgerFailed, match=r"encrypted with the key [0-9a-f]{8}"):
        ledger.records()
    with opened(tmp_path, f"{OTHER}, {KEY}") as ledger:
        ledger.overwrite(ledger.copy())
    with opened(tmp_path, OTHER) as ledger:
        assert list(ledger.records().bindings) == ["key-1", "key-2"]


def test_the_word_none_ends_the_encryption(tmp_path: Path) -> None:
    with opened(tmp_path, KEY) as ledger:
        fill(ledger)
    with opened(tmp_path, f"none {KEY}") as ledger:
        ledger.overwrite(ledger.copy())
    with open_sqlite(tmp_path) as plain:
        assert plain.records().bindings["key-1"] == row(1)


def test_without_its_key_it_is_not_read_and_not_half_written(tmp_path: Path) -> None:
    with opened(tmp_path, KEY) as ledger:
        fill(ledger)
    with opened(tmp_path, "") as ledger:
        for read in (ledger.records, ledger.copy, lambda: ledger.binding("key-1"), lambda: ledger.intents("r1")):
            with pytest.raises(LedgerFailed, match="is not set"):
                read()


def test_a_value_that_stands_at_another_customer_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path, KEY) as ledger:
        ledger.commit([PutBinding(row(1)), PutBinding(row(2))])
    with open_sqlite(tmp_path) as plain:
        stolen = plain.records().bindings["key-2"]
        assert is_sealed(stolen.applied_json)
        plain.commit([PutBinding(replace(bound(1), applied_json=stolen.applied_json))])
    with opened(tmp_path, KEY) as ledger, pytest.raises(LedgerFailed, match="moved from another customer"):
        ledger.records()


def test_a_plain_row_in_place_of_a_sealed_one_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path, KEY) as ledger:
        fill(ledger)
        ledger.commit([PutBinding(row(2))])
    with open_sqlite(tmp_path) as plain:
        plain.commit([PutBinding(row(1)), USERS, PutIntent(INTENT)])
    with opened(tmp_path, KEY) as ledger:
        for read in (ledger.records, lambda: ledger.binding("key-1"), lambda: ledger.intents("r1")):
            with pytest.raises(LedgerFailed, match="'key-1' is not: it was never encrypted, or something else"):
                read()
        assert ledger.binding("key-2") == row(2)
    with open_sqlite(tmp_path) as plain:
        plain.commit([DropBinding("key-1"), PutBinding(row(3))])
    with opened(tmp_path, f"none {KEY}") as ledger:
        assert list(ledger.records().bindings) == ["key-2", "key-3"]


def test_plain_users_in_place_of_sealed_ones_are_refused(tmp_path: Path) -> None:
    with opened(tmp_path, KEY) as ledger:
        ledger.commit([PutBinding(row(1)), USERS])
    with open_sqlite(tmp_path) as plain:
        plain.commit([USERS])
    with opened(tmp_path, KEY) as ledger, pytest.raises(LedgerFailed, match="'cus_1' is not"):
        ledger.records().users[CustomerId("cus_1")]


def test_one_value_is_sealed_to_another_text_each_time() -> None:
    cipher = Cipher(read_keys(KEY))
    one, other = (cipher.seal("Springfield", "here") for _ in range(2))
    assert one != other
    assert {cipher.open(one, "here"), cipher.open(other, "here")} == {"Springfield"}


@pytest.mark.parametrize("text", ["short", "AAAA", KEY[:-4], f"{KEY}A", "none none", f"{KEY} none"])
def test_what_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(LedgerFailed, match="is not one") as told:
        read_keys(text)
    assert text not in f"{told.value} {told.value.hint}".split()


@pytest.mark.parametrize("text", ["a\udc80b", "", "\0", "é"])
def test_any_text_comes_back(text: str) -> None:
    cipher = Cipher(read_keys(KEY))
    assert cipher.open(cipher.seal(text, "here"), "here") == text


def test_why_and_from_where_a_change_was_planned_is_not_sealed_as_it_is_nothing_personal(tmp_path: Path) -> None:
    change = replace(INTENT, reason=Reason.DECLARED, source=Source("customers.yaml", 7), commit="5d1c2f0c7b")
    with opened(tmp_path, KEY) as ledger:
        ledger.commit([PutIntent(change)])
        assert ledger.history("key-1") == (change,)
    with open_sqlite(tmp_path) as inside:
        (held,) = inside.history("key-1")
    assert (held.reason, held.source, "Jane" in repr(held)) == (change.reason, change.source, False)


@pytest.mark.parametrize("text", ["", "a", "ab", "abc"])
def test_a_sealed_text_in_which_one_bit_differs_does_not_open(text: str) -> None:
    cipher = Cipher(read_keys(KEY))
    sealed = cipher.seal(text, "here")
    for place in range(len(sealed)):
        for bit in range(7):
            altered = sealed[:place] + chr(ord(sealed[place]) ^ 1 << bit) + sealed[place + 1 :]
            with pytest.raises(LedgerFailed):
                cipher.open(altered, "here")
