"""The table of open questions and the emulator's switches are one: each way can be set, and is seen by who asks."""

from __future__ import annotations

from dataclasses import fields
from enum import StrEnum

import pytest
from open_questions import ANSWERS

from reconciler.cli.emulator import behaviour_of
from reconciler.rules import Behaviour, Rewrite
from reconciler.rules.behaviour import CHOICES
from reconciler.rules.questions import MEANINGS, QUESTIONS, switched

WAYS = [(question.key, words, settings) for question in QUESTIONS for words, settings in question.ways.items()]
SET = {tuple(one.split("=", 1)) for _, _, settings in WAYS for one in settings.split()}


@pytest.mark.parametrize(("key", "words", "settings"), WAYS, ids=str)
def test_the_emulator_answers_each_open_question_each_way(key: str, words: str, settings: str) -> None:
    assert ANSWERS[key](switched(settings)) == words


@pytest.mark.parametrize("settings", [settings for _, _, settings in WAYS])
def test_each_way_can_be_set_at_the_command_line_as_it_is_written(settings: str) -> None:
    assert behaviour_of(settings.split()) == switched(settings)


def test_every_switch_belongs_to_an_open_question() -> None:
    assert {name for name, _ in SET} == {field.name for field in fields(Behaviour)}


def test_each_question_says_what_its_own_switches_are() -> None:
    for question in QUESTIONS:
        names = {one.split("=", 1)[0] for settings in question.ways.values() for one in settings.split()}
        assert names == question.switches.keys()
    assert len(MEANINGS) == sum(len(question.switches) for question in QUESTIONS)


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
    return tuple(Rewrite) if name == "rewrites" else CHOICES.get(name, ())


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.key)
def test_the_first_way_of_a_question_is_what_the_emulator_does_unless_told(question) -> None:  # noqa: ANN001
    first = next(iter(question.ways.values()))
    assert switched(first) == Behaviour()
