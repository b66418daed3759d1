"""What a notification says, and when it is another one."""

from __future__ import annotations

from dataclasses import replace

from drift_values import WHY

from reconciler.model.core import Address, Cause, CustomerId, EnvironmentRef
from reconciler.model.reports import Drift, DriftFinding, DriftKind, Moved
from reconciler.report.drift import message_of, state_of

MOVED = Moved("city", "Boston", "Dover", "Boston", Cause.DRIFT)
FINDING = DriftFinding(DriftKind.CHANGED, Address("acme"), CustomerId("cus_1"), WHY, (MOVED,))
DRIFT = Drift(EnvironmentRef("demo", "https://api.example", ""), "default", (FINDING,), managed=1, live=1)


def test_a_message_names_keys_and_no_values() -> None:
    message = message_of(DRIFT)
    assert (message.title, message.body.splitlines()[1:]) == ("Drift in demo", ["- changed: acme"])
    assert [value for value in ("Boston", "Dover") if value in message.body] == []


def test_a_message_names_twenty_and_counts_the_others() -> None:
    many = tuple(replace(FINDING, address=Address(f"c{number}")) for number in range(25))
    lines = message_of(replace(DRIFT, findings=many)).body.splitlines()
    assert (len(lines), lines[-1]) == (22, "- and 5 more")


def test_the_state_is_another_where_a_value_is() -> None:
    salem = replace(FINDING, fields=(replace(MOVED, live="Salem"),))
    assert state_of(DRIFT) != state_of(replace(DRIFT, findings=(salem,)))


def test_no_drift_is_no_state() -> None:
    assert state_of(replace(DRIFT, findings=())) == ""
