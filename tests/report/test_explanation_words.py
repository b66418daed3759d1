"""Every code of an explanation is in words that show its parts."""

from __future__ import annotations

import pytest

from reconciler.model.core import Action, Address
from reconciler.model.reports import ArchiveRule, FieldOutcome, RemarkCode, TrialFailure, TrialFault
from reconciler.report.messages import placeholders
from reconciler.report.messages.explanations import OUTCOMES, REMARKS, fault_text


@pytest.mark.parametrize("code", RemarkCode)
def test_every_remark_is_a_sentence_that_shows_each_of_its_parts(code: RemarkCode) -> None:
    wording = REMARKS[code]
    assert (wording.what[-1], wording.fix[-1:] or ".") == (".", ".")
    assert placeholders(wording) == set(code.parts)


def test_every_outcome_of_a_field_is_in_words() -> None:
    assert OUTCOMES.keys() == set(FieldOutcome)


def test_three_rules_archive_and_the_others_keep() -> None:
    assert [rule for rule in ArchiveRule if rule.archives] == ["declared", "entry_gone", "owned"]


@pytest.mark.parametrize("fault", TrialFault)
def test_every_fault_of_a_plan_that_was_tried_is_a_sentence(fault: TrialFault) -> None:
    failure = TrialFailure(Address("acme"), fault, Action.CREATE_USER, ("email",), 404)
    assert fault_text(failure).endswith(".")
    assert "_" not in fault_text(failure).replace("external_id", "")
