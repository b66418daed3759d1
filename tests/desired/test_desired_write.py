from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.desired.load import load_desired
from reconciler.desired.write import Written, write_customers
from reconciler.documents.events import Tree
from reconciler.documents.parse import parse
from reconciler.documents.scalars import scalar
from reconciler.escape import visible
from reconciler.kinds.kind import CUSTOMER, USER

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
AWKWARD = st.sampled_from(
    ["null", "~", "True", "no", " x", "x ", "a: b", "a #b", "#a", "- a", "a:", "\u2028", "\x85", "\ufeffa", "...", "'"]
)
ANY = TEXT | AWKWARD


def fields_of(names: tuple[str, ...]) -> st.SearchStrategy[dict[str, str | None]]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, ANY | st.none()))


CUSTOMERS = st.builds(
    Written,
    key=ANY.filter(bool) | st.just("k" * 2000),
    fields=fields_of(tuple(field.name for field in CUSTOMER.fields)),
    id=st.none() | ANY.filter(bool),
    users=st.dictionaries(ANY.filter(bool), fields_of(tuple(field.name for field in USER.fields)), max_size=2),
    archived=st.booleans(),
    distinct_from=st.lists(ANY.filter(bool), max_size=2).map(tuple),
)


def tree_of(entry: Written) -> Tree:
    """Return what the reader should find of an entry."""
    tree: dict[str, Tree] = {} if entry.id is None else {"id": entry.id}
    tree |= {"distinct_from": list(entry.distinct_from)} if entry.distinct_from else {}
    tree |= entry.fields
    if entry.users:
        tree["users"] = {email: dict(user) for email, user in entry.users.items()}
    return tree | ({"archived": True} if entry.archived else {})


@given(st.lists(CUSTOMERS, max_size=3, unique_by=lambda entry: entry.key))
def test_what_is_written_is_read_back_to_the_same_values(entries: list[Written]) -> None:
    text = write_customers(entries)
    document, problems = parse(text.encode(), "c.yaml", marked="customers")
    assert problems == ()
    assert document is not None
    assert document.tree == {"version": "1", "customers": {entry.key: tree_of(entry) for entry in entries}}
    assert list(document.keys) == [entry.key for entry in entries]


@given(ANY)
def test_a_written_text_is_one_line_without_a_character_that_cannot_be_seen(text: str) -> None:
    written = scalar(text)
    assert visible(written) == written
    assert len(written.splitlines()) == 1


@given(ANY)
def test_another_yaml_reader_reads_the_same_text(text: str) -> None:
    assert yaml.load(f"a: {scalar(text)}", Loader=yaml.CBaseLoader) == {"a": text}  # noqa: S506 - it makes texts alone


@given(st.fixed_dictionaries({"name": TEXT.filter(str.strip), "city": ANY, "postal_code": TEXT}))
def test_a_written_customer_is_loaded_with_the_same_fields(fields: dict[str, str | None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "c.yaml").write_text(write_customers([Written("acme", fields)]), encoding="utf-8", newline="")
        desired = load_desired(["c.yaml"], root=Path(folder)).desired
    assert desired.customers["acme"].fields == fields


def test_the_layout() -> None:
    entries = [
        Written(
            "acme",
            {"name": "Acme & Co", "ein": "12-3456789", "city": None, "postal_code": "02134"},
            users={"j@x.example": {"first_name": "Jane"}, "k@x.example": {}},
        ),
        Written("cus_9f3", {"name": "NO"}, id="cus_9f3", archived=True, distinct_from=("old", "a, b")),
        Written("a: b", {}),
    ]
    assert write_customers(entries) == (
        "# yaml-language-server: $schema=../schema/customers.schema.json\n"
        "version: 1\n"
        "customers:\n"
        "  acme:\n"
        "    name: Acme & Co\n"
        "    ein: 12-3456789\n"
        "    city: null\n"
        "    postal_code: 02134\n"
        "    users:\n"
        "      j@x.example:\n"
        "        first_name: Jane\n"
        "      k@x.example: {}\n"
        "  cus_9f3:\n"
        "    id: cus_9f3\n"
        '    distinct_from: [old, "a, b"]\n'
        '    name: "NO"\n'
        "    archived: true\n"
        '  "a: b": {}\n'
    )


def test_no_customers_are_written_as_a_file_that_can_be_read() -> None:
    assert write_customers([]).endswith("customers: {}\n")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('a\nb\t\\"', '"a\\nb\\t\\\\\\""'),
        ("\x1b[31m", '"\\x1b[31m"'),
        ("\u202eabc", '"\\u202eabc"'),
        ("\U000e0001", '"\\U000e0001"'),
        ("\u2028\x85", '"\\u2028\\x85"'),
        ("", '""'),
        ("Zoë", "Zoë"),
    ],
)
def test_what_cannot_be_seen_is_escaped(text: str, written: str) -> None:
    assert scalar(text) == written
