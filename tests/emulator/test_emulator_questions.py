"""The table of open questions and the emulator's switches are one: each way can be set, and is seen by who asks."""

from __future__ import annotations

from dataclasses import fields
from enum import StrEnum

import pytest
from open_questions import ANSWERS

from reconciler.cli.emulator import behaviour_of
from reconciler.emulator.fault_settings import SETS
from reconciler.model.reports import ProbeQuestion
from reconciler.report.messages.questions import SWITCHES, WORDS, asked_text, not_asked_text, question_text, way_text
from reconciler.rules import Behaviour
from reconciler.rules.behaviour import CHOICES
from reconciler.rules.questions import QUESTIONS, NotAsked

WAYS = [(question.key, way, settings) for question in QUESTIONS for way, settings in question.ways.items()]
SET = {tuple(one.split("=", 1)) for _, _, settings in WAYS for one in settings.split()}


@pytest.mark.parametrize(("key", "way", "settings"), WAYS, ids=str)
def test_the_emulator_answers_each_open_question_each_way(key: str, way: str, settings: str) -> None:
    assert ANSWERS[key](behaviour_of(settings.split())) == way


def test_every_switch_belongs_to_an_open_question() -> None:
    assert {name for name, _ in SET} == {field.name for field in fields(Behaviour)}


def test_every_question_way_and_switch_is_in_words() -> None:
    assert all(question_text(question).endswith("?") for question in QUESTIONS)
    assert all(len({way_text(one, way) for way in one.ways}) == len(one.ways) for one in QUESTIONS)
    assert {name for question in QUESTIONS for name in question.switches} == SWITCHES.keys()
    assert all(words == words.strip() != "" for words in SWITCHES.values())


def test_words_are_only_for_questions_and_ways_that_there_are() -> None:
    assert WORDS.keys() == {question.key for question in QUESTIONS}
    for question in QUESTIONS:
        assert WORDS[question.key].ways.keys() <= question.ways.keys()
        assert WORDS[question.key].switches.keys() == set(question.switches)


def test_every_question_of_a_probe_and_every_reason_to_ask_none_is_in_words() -> None:
    assert all(asked_text(question) for question in ProbeQuestion)
    assert all(not_asked_text(why).endswith(".") for why in NotAsked)


def test_every_value_of_a_switch_that_is_not_its_default_is_a_way() -> None:
    values = {
        (field.name, str(value).lower() if isinstance(value, bool) else str(value))
        for field in fields(Behaviour)
        for value in _values(field.name, field.default)
        if value != field.default
    }
    assert sorted(values - SET) == []


def _values(name: str, default: object) -> tuple[object, ...]:
    """Return the values of a switch that has a few, none of one that takes any number or text."""
    if isinstance(default, bool):
        return (False, True)
    if isinstance(default, StrEnum):
        return tuple(type(default))
    return tuple(SETS[name]) if name in SETS else CHOICES.get(name, ())


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.key)
def test_the_first_way_of_a_question_is_what_the_emulator_does_unless_told(question) -> None:  # noqa: ANN001
    first = next(iter(question.ways.values()))
    assert behaviour_of(first.split()) == Behaviour()
