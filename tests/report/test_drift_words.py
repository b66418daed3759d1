"""What is said of drift: what happened, what can be done; and its values, masked."""

from __future__ import annotations

import pytest
from drift_values import WHY

from reconciler.model.core import Address, Cause, CustomerId, EnvironmentRef
from reconciler.model.plan import Blocked
from reconciler.model.reasons import BlockedReason, FieldValue
from reconciler.model.reports import Drift, DriftFinding, DriftKind, DriftReason, Moved
from reconciler.report.drift import masked_drift
from reconciler.report.messages import placeholders
from reconciler.report.messages.explanations import DRIFT, finding_text
from reconciler.report.messages.plan import blocked_wording

WHERE = EnvironmentRef("demo", "https://api.example", "")


@pytest.mark.parametrize("reason", DriftReason)
def test_every_reason_is_a_sentence_that_shows_each_of_its_parts(reason: DriftReason) -> None:
    wording = DRIFT[reason]
    assert (wording.what[-1], wording.fix[-1:] or ".") == (".", ".")
    assert placeholders(wording) == set(reason.parts)


def test_what_keeps_a_value_from_being_changed_back_is_said_with_what_to_do() -> None:
    moved = Moved("city", "Boston", "Dover", None, Cause.DRIFT)
    blocked = Blocked(Address("acme"), BlockedReason.NAME_MISSING, field="city")
    finding = DriftFinding(DriftKind.CHANGED, Address("acme"), CustomerId("cus_1"), WHY, (moved,), blocked=(blocked,))
    (masked,) = masked_drift(Drift(WHERE, "default", (finding,))).findings
    assert (masked.fields[0].live, masked.blocked) == ("***", (blocked,))
    text = "It is not as Reconciler applied it. Reconciler cannot change it back. Add `name:`."
    assert finding_text(finding) == text


def test_a_blocked_user_is_masked_in_its_address_and_in_its_reason() -> None:
    first, last = FieldValue("last_name", "Roe"), FieldValue("last_name", "Doe")
    parts = {"field": "last_name", "live": first, "declared": last}
    blocked = Blocked(Address("acme", "jane@acme.example"), BlockedReason.USER_FIXED, parts=parts)
    (masked,) = masked_drift(Drift(WHERE, "default", blocked=(blocked,))).blocked
    said = blocked_wording(masked).what
    assert (str(masked.address), said) == (
        "acme/***",
        "The API cannot change a user: last_name is '***', and the file says '***'.",
    )
