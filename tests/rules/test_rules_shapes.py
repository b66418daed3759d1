from __future__ import annotations

import pytest
from emulated import NOW, PLAIN, UNKNOWN, body, made

from reconciler.emulator.calls import worded
from reconciler.emulator.fault_settings import switched
from reconciler.rules import Account, Behaviour, ErrorBody, Precision, Rewrite, RuleReply, Unique, Unset, get
from reconciler.rules.account import FieldFault, Refusal, RefusalReason


@pytest.mark.parametrize(
    ("unset", "shown"), [(Unset.TEXT, {"city": ""}), (Unset.NULL, {"city": None}), (Unset.ABSENT, {})]
)
def test_what_is_unset_is_shown_as_the_behaviour_says(unset: Unset, shown: dict[str, object]) -> None:
    account, ways = Account(), Behaviour(unset=unset)
    reply = body(get(account, ways, made(account, name="Acme"), NOW))
    assert {name: value for name, value in reply.items() if name == "city"} == shown


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (ErrorBody.HTTP_ERROR, {"code": "not_found", "message": "ID not present in environment"}),
        (ErrorBody.OTHER, {"error": {"status": 404, "detail": "ID not present in environment"}}),
        (ErrorBody.EMPTY, None),
    ],
)
def test_a_refusal_has_the_body_that_the_behaviour_says(shape: ErrorBody, expected: object) -> None:
    assert worded(Behaviour(error_body=shape), UNKNOWN) == RuleReply(404, expected)


@pytest.mark.parametrize("reason", RefusalReason)
def test_every_refusal_is_in_words(reason: RefusalReason) -> None:
    message = str(body(RuleReply(400, Refusal(reason, "the part")))["message"])
    assert len(message) > len("the part")
    assert "{" not in message


@pytest.mark.parametrize("fault", FieldFault)
def test_every_fault_of_a_field_is_in_words(fault: FieldFault) -> None:
    reply = body(RuleReply(422, Refusal(RefusalReason.USER_INVALID, fields={"email": fault})))
    assert reply["validation_errors"]["email"].startswith(("must be", "is ", "cannot be"))


@pytest.mark.parametrize(
    ("precision", "expected"),
    [
        (Precision.S, "2023-11-14T22:13:20Z"),
        (Precision.MS, "2023-11-14T22:13:20.250Z"),
        (Precision.US, "2023-11-14T22:13:20.250000Z"),
    ],
)
def test_created_at_is_as_precise_as_the_behaviour_says(precision: Precision, expected: str) -> None:
    account, ways = Account(), Behaviour(precision=precision)
    assert body(get(account, ways, made(account, ways), NOW))["created_at"] == expected


def test_new_fields_appear_where_the_behaviour_says() -> None:
    account = Account()
    one = made(account)
    plain, newer = body(get(account, PLAIN, one, NOW)), body(get(account, Behaviour(extra_fields=True), one, NOW))
    assert set(newer) - set(plain) == {"risk_tier", "tags", "balance"}


def test_a_behaviour_is_read_from_what_it_writes() -> None:
    ways = Behaviour(rewrites=frozenset(Rewrite), ignores=frozenset({"city"}), lag_s=1.5, unique=Unique.NONE)
    assert switched(Behaviour(), ways.as_json()) == ways


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"unique": "some"}, "unique must be one of none, active, all"),
        ({"lists_archived": "maybe"}, "lists_archived must be true or false"),
        ({"page_max": "many"}, "page_max must be a whole number"),
        ({"page_max": 0}, "page_max must be at least 1"),
        ({"lag_s": -1}, "lag_s must be a number"),
        ({"repeated_archive": 409}, "repeated_archive must be one of 200, 400, 404"),
        ({"rewrites": ["spell"]}, "rewrites must be one of trim, country, ein, state, address"),
        ({"ignores": 5}, "ignores must be a list of words"),
    ],
)
def test_a_switch_that_cannot_be_so_is_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        switched(Behaviour(), values)


def test_a_switch_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match=r"^'colour' is not a switch; the switches are lists_archived, "):
        switched(Behaviour(), {"colour": "red"})


def test_the_null_of_json_is_the_word_of_a_switch() -> None:
    assert switched(Behaviour(), {"clears": None, "unset": None}).as_json() == {
        **Behaviour().as_json(),
        "clears": "null",
        "unset": "null",
    }
