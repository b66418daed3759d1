from __future__ import annotations

import pytest

from reconciler.settings.values import base_url, interpolated, rate, seconds


@pytest.mark.parametrize(
    ("text", "value"),
    [("a", "a"), ("${A}", "x"), ("$${A}", "${A}"), ("$$", "$"), ("$5", "$5"), ("${A}/${A}-$$", "x/x-$")],
)
def test_a_variable_is_replaced_and_two_dollars_are_one(text: str, value: str) -> None:
    assert interpolated(text, {"A": "x"}) == value


@pytest.mark.parametrize("variables", [{}, {"A": ""}])
def test_a_variable_that_is_unset_or_empty_is_named(variables: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"^the variable A is not set, or is empty; set it$"):
        interpolated("x${A}", variables)


@pytest.mark.parametrize("text", ["${}", "${A", "${1}", "${A:-x}"])
def test_what_looks_like_a_variable_and_is_none_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not begin a variable's name; write \$\{NAME\}"):
        interpolated(text, {"A": "x"})


def test_a_variables_value_is_not_interpolated_again() -> None:
    assert interpolated("${A}", {"A": "${B}$$"}) == "${B}$$"


@pytest.mark.parametrize(("text", "value"), [("10s", 10.0), ("500ms", 0.5), ("1m", 60.0), ("1.5s", 1.5), ("0s", 0.0)])
def test_a_duration_is_read_in_seconds(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["10", "s", "-1s", "1d", "1 s", "", "1e3s"])
def test_what_is_no_duration_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; write a number with ms, s, m or h"):
        seconds(text)


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "x", ""])
def test_what_is_no_rate_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="is not a rate; write requests per second"):
        rate(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("https://api.example", "https://api.example"),
        ("https://api.example:8443/prefix/", "https://api.example:8443/prefix"),
        ("http://localhost:8085/", "http://localhost:8085"),
        ("http://127.1.2.3", "http://127.1.2.3"),
        ("http://[::1]:8085", "http://[::1]:8085"),
    ],
)
def test_a_base_url_is_https_or_of_this_machine(text: str, value: str) -> None:
    assert base_url(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http://api.example", "is not encrypted; write https"),
        ("http://127.0.0.1.api.example", "is not encrypted; write https"),
        ("http://localhost.api.example", "is not encrypted; write https"),
        ("http://10.0.0.1", "is not encrypted; write https"),
        ("https://api.example?x=1", "has a query or a fragment"),
        ("https://api.example/#x", "has a query or a fragment"),
        ("https://api.example?", "has a query or a fragment"),
        ("ftp://api.example", "is not a base URL"),
        ("api.example", "is not a base URL"),
        ("https://", "is not a base URL"),
        ("", "is not a base URL"),
        ("https://a b.example", "is not a base URL"),
        ("https://[::1", "this is not a URL"),
        ("https://api.example:port", "this is not a URL"),
        ("https://user@api.example", "a base URL cannot contain a user or password"),
    ],
)
def test_another_base_url_is_an_error(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        base_url(text)


def test_a_password_in_a_base_url_is_never_shown() -> None:
    with pytest.raises(ValueError, match="a user or password") as caught:
        base_url("https://user:s3cret@api.example/?x")
    assert "s3cret" not in str(caught.value)
