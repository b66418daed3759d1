"""Every code has its sentences, what to do where the user can act, and an entry in the docs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from reconciler.errors import Refused
from reconciler.model.core import Address, CustomerId
from reconciler.model.plan import Blocked, Note, Unverified
from reconciler.model.reasons import (
    BlockedReason,
    Cited,
    FieldValue,
    LearnedFrom,
    Likeness,
    Moment,
    NoteKind,
    ReasonCode,
    StopReason,
    UnknownKind,
    stop,
)
from reconciler.report.messages import Wording, placeholders, said
from reconciler.report.messages.plan import (
    BLOCKED,
    LEARNED,
    NOTES,
    STOPS,
    UNKNOWN,
    blocked_wording,
    note_text,
    unverified_text,
    word,
)

DOCS = (Path(__file__).parents[2] / "docs" / "reference" / "reasons.md").read_text(encoding="utf-8")
SAID: list[tuple[type[ReasonCode], Mapping[ReasonCode, Wording]]] = [
    (BlockedReason, BLOCKED),
    (NoteKind, NOTES),
    (UnknownKind, UNKNOWN),
    (StopReason, STOPS),
    (LearnedFrom, LEARNED),
]
EACH = [pytest.param(code, wordings[code], id=code) for _, wordings in SAID for code in wordings]
SENTENCES = [one for one in EACH if not isinstance(one.values[0], LearnedFrom)]


@pytest.mark.parametrize(("codes", "wordings"), SAID)
def test_every_code_is_said(codes: type[ReasonCode], wordings: Mapping[ReasonCode, Wording]) -> None:
    assert set(wordings) == set(codes)


@pytest.mark.parametrize(("code", "wording"), EACH)
def test_a_wording_shows_each_part_that_its_code_carries_and_no_other(code: ReasonCode, wording: Wording) -> None:
    # The line of a lookalike names the key itself.
    shown = placeholders(wording) | ({"key"} if ":line}" in wording.fix else set())
    assert shown == set(code.parts)


@pytest.mark.parametrize(("code", "wording"), SENTENCES)
def test_what_is_said_are_whole_sentences(code: ReasonCode, wording: Wording) -> None:
    for text in (wording.what, wording.fix):
        assert not text or (text[0] in "{`" or text[0].isupper()), code
        assert not text or text[-1] in ".?", code


@pytest.mark.parametrize(("codes", "wordings"), [(BlockedReason, BLOCKED), (StopReason, STOPS)])
def test_what_keeps_something_from_being_done_says_what_to_do(
    codes: type[ReasonCode], wordings: Mapping[ReasonCode, Wording]
) -> None:
    assert [code for code in codes if not wordings[code].fix] == []


@pytest.mark.parametrize(("code", "wording"), SENTENCES)
def test_every_code_is_in_the_docs(code: ReasonCode, wording: Wording) -> None:
    assert f"| `{code}` |" in DOCS, wording


def test_a_reason_refuses_parts_that_it_does_not_carry() -> None:
    with pytest.raises(ValueError, match="id_unknown"):
        Blocked(Address("acme"), BlockedReason.ID_UNKNOWN)
    with pytest.raises(ValueError, match="synced"):
        Note(NoteKind.SYNCED, parts={"id": "cus_1"})
    with pytest.raises(ValueError, match="listing_short"):
        stop(StopReason.LISTING_SHORT, {"id": "cus_1"})


@pytest.mark.parametrize(
    ("template", "parts", "text"),
    [
        ("{n:customer} {n:is|are} here", {"n": 1}, "1 customer is here"),
        ("{n:customer} {n:is|are} here", {"n": 0}, "0 customers are here"),
        ("{keys:q}", {"keys": ("a", "b", "c")}, "'a', 'b', and 'c'"),
        ("{keys}", {"keys": ("a", "b", "c", "d", "e")}, "a, b, c, and 2 more"),
        ("[{keys:flow}]", {"keys": ("a", "b, c")}, '[a, "b, c"]'),
        ("{value}", {"value": FieldValue("city", "")}, "empty"),
        ("{value:q}", {"value": "a\u202eb"}, "'a\\u202eb'"),
        ("({answer})", {"answer": Cited('the "id" is taken')}, "(\"the 'id' is taken\")"),
        ("{key:address}", {"key": "west/7"}, "west%2F7"),
        ("x{at:aside}", {"at": ()}, "x"),
        ("x{at:aside}", {"at": ("c.yaml:7",)}, "x (c.yaml:7)"),
        ("{times}", {"times": (Moment(1_767_225_600.0),)}, "2026-01-01 00:00 UTC"),
    ],
)
def test_a_part_is_written_as_its_place_wants_it(template: str, parts: dict, text: str) -> None:
    assert said(template, parts) == text


def test_a_lookalike_is_named_with_what_agrees_and_the_line_to_write() -> None:
    likes = (
        Likeness(CustomerId("cus_1"), signs=("ein", "email"), name=FieldValue("name", "Acme Holding")),
        Likeness(CustomerId("cus_2"), "west/7", near="west/7"),
    )
    one = Blocked(Address("west 7"), BlockedReason.LIKE_SEVERAL, parts={"key": "west 7", "likes": likes})
    wording = blocked_wording(one)
    assert wording.what == (
        "It would be created, but existing customers may be the same one: cus_1 ('Acme Holding') has the same EIN and "
        "email; 'west/7' (cus_2) has almost the same key ('west/7')."
    )
    assert wording.fix == (
        "If it is one of them, write the line of that one under 'west 7': `id: cus_1` or "
        "`moved: [{from: west/7, to: west 7}]`. If it is none of them, write `distinct_from: [cus_1, west/7]` there."
    )


def test_of_a_lookalike_whose_entry_was_not_read_no_line_is_given() -> None:
    likes = (
        Likeness(CustomerId("cus_1"), "a", signs=("email",), read=False),
        Likeness(CustomerId("cus_2"), "b", signs=("name",), active=False),
    )
    assert note_text(Note(NoteKind.LOOKS_LIKE, Address("c"), parts={"key": "c", "likes": likes})) == (
        "It looks like 'a' (cus_1), which has the same email (its entry was not read here); 'b' (cus_2), which "
        "has the same name and is archived. If it is the same customer, write `moved: [{from: b, to: c}]`."
    )


def test_an_exception_of_the_core_gets_its_words_and_any_other_keeps_its_own() -> None:
    coded, plain = Refused(stop(StopReason.PLAN_CUT)), Refused("locked", "wait")
    for error in (coded, plain):
        word(error)
    assert str(coded) == (
        "The plan is cut off or damaged: it is not complete JSON.; Make a new plan: `reconciler plan --out FILE`."
    )
    assert (plain.message, plain.hint) == ("locked", "wait")


def test_who_cannot_be_verified_yet_is_counted_with_the_times_of_the_writes() -> None:
    acme, globex = (Unverified(Address(key), CustomerId(key), at, 1.0) for key, at in (("a", 3.4), ("b", 0.2)))
    assert unverified_text([acme]) == "1 customer was written 3 s ago, so its state cannot be verified yet."
    assert unverified_text([acme, globex]) == (
        "2 customers were written 1 to 3 s ago, so their state cannot be verified yet."
    )
