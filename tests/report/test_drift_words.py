"""Drift with personal values masked: in its sentences too, not only in its fields."""

from __future__ import annotations

from reconciler.model.core import Address, Cause, CustomerId, EnvironmentRef
from reconciler.model.plan import Blocked
from reconciler.model.reports import Drift, DriftFinding, DriftKind, Moved
from reconciler.report.drift import masked_drift

WHERE = EnvironmentRef("demo", "https://api.example", "")


def test_a_sentence_of_a_finding_is_masked_where_it_quotes_a_value() -> None:
    moved = Moved("city", "Boston", "Dover", None, Cause.DRIFT)
    finding = DriftFinding(
        DriftKind.CHANGED, Address("acme"), CustomerId("cus_1"), "it is Dover and was Boston", (moved,)
    )
    (masked,) = masked_drift(Drift(WHERE, "default", (finding,))).findings
    assert (masked.text, masked.fields[0].live) == ("it is *** and was ***", "***")


def test_a_blocked_user_is_masked_in_its_address_and_in_its_reason() -> None:
    blocked = Blocked(Address("acme", "jane@acme.example"), "jane@acme.example cannot be renamed", "leave it")
    (masked,) = masked_drift(Drift(WHERE, "default", blocked=(blocked,))).blocked
    assert (str(masked.address), masked.reason) == ("acme/***", "*** cannot be renamed")
