"""The short form; `make check-contract` asks at length, and in more ways."""

from __future__ import annotations

from api_contract import WAYS, asked

FEW = ("--max-examples", "4", "--generation-deterministic")


def test_schemathesis_finds_nothing_that_the_emulator_does_against_the_contract() -> None:
    switches, options = WAYS["as it is"]
    ran = asked(switches, *options, *FEW)
    assert (ran.code, ran.cases > 300) == (0, True), ran.text


def test_schemathesis_finds_an_answer_that_is_against_the_contract() -> None:
    # That a refusal may have no body is what OpenAPI has no word for.
    ran = asked({"error_body": "empty"}, "--include-operation-id", "get_customer", *FEW)
    assert (ran.code, "Missing Content-Type" in ran.text) == (1, True), ran.text
