"""Whatever the API replies is printed as JSON that a program reads back and no terminal obeys."""

from __future__ import annotations

import json

import pytest
from command_line import raw
from hypothesis import given
from hypothesis import strategies as some

from reconciler.api.exchange import Request
from reconciler.errors import NotTheApi
from reconciler.report.replies import reply_lines, reply_text, request_json

VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(), inner, max_size=4),
    max_leaves=12,
)
FINITE = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(), inner, max_size=4),
    max_leaves=12,
)


@given(FINITE)
def test_a_reply_is_read_back_as_it_came(body: object) -> None:
    text = reply_text(body)
    assert (json.loads(text), raw(text)) == (body, [])


@given(VALUES)
def test_masked_or_not_any_reply_is_json(body: object) -> None:
    for text in (reply_text(body, redact=True), reply_text(body), "".join(reply_lines([body], redact=True))):
        json.loads(text, parse_constant=pytest.fail)


@given(some.text(min_size=3).filter(lambda text: "*" not in text), some.text(min_size=1))
def test_no_text_under_a_name_that_is_not_known_is_shown_where_it_is_masked(value: str, name: str) -> None:
    text = reply_text({f"x{name}": [{"y": value}]}, redact=True)
    assert json.loads(text) == {f"x{name}": [{"y": "***"}]}


def test_a_reply_that_is_nested_too_deeply_is_an_error() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    for redact in (False, True):
        with pytest.raises(NotTheApi, match="nested too deeply"):
            reply_text(deep, redact=redact)


def test_a_list_of_nobody_is_empty() -> None:
    assert json.loads("".join(reply_lines([]))) == {"data": []}


def test_a_request_with_a_body_says_its_type_and_masks_what_is_personal() -> None:
    request = Request("PATCH", "/customers/cus_1", body={"city": "Boston", "country": "USA", "state": None})
    shown = request_json(request, "https://api.example.com", redact=True)
    assert shown["headers"] == request_json(request, "https://api.example.com")["headers"]
    assert (shown["url"], shown["body"]) == (
        "https://api.example.com/customers/cus_1",
        {"city": "***", "country": "USA", "state": None},
    )
    assert isinstance(shown["headers"], dict)
    assert shown["headers"]["Content-Type"] == "application/json"
