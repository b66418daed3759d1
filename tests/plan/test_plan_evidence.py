"""Which account a saved plan was made from: what of its customers counts."""

from __future__ import annotations

import pytest
from plan_values import account, bound, ledger, there

from reconciler.errors import Refused
from reconciler.model.core import Action, Address, CustomerId, Live, Reason
from reconciler.model.ledger import BindingState, Records
from reconciler.model.plan import Change
from reconciler.plan.revalidate import Evidence, check_account, evidence_of

ARCHIVE = Change(Action.ARCHIVE, Address("k0"), CustomerId("cus_0"), Reason.ENTRY_GONE)
RESTORE = Change(Action.RESTORE, Address("k0"), CustomerId("cus_0"), Reason.DECLARED)
NOBODY = ledger()


def bound_to(count: int) -> Records:
    return ledger(*(bound(f"k{number}", f"cus_{number}") for number in range(count)))


def live_of(*numbers: int, **others: str) -> Live:
    """Return an account that lists customers by number as the ledger has them, and others by id and external_id."""
    return account(*(there(f"cus_{one}", f"k{one}") for one in numbers), *(there(*one) for one in others.items()))


def same(then: Evidence, now: Live, records: Records = NOBODY, *changes: Change, **created: CustomerId | None) -> bool:
    """Say whether the account of now is taken for that of a saved plan."""
    try:
        check_account(then, changes, now, records, "one ledger", created)
    except Refused:
        return False
    return True


@pytest.mark.parametrize(
    ("count", "then", "now", "proven"),
    [
        (3, 3, 3, True),
        (6, 3, 3, True),
        (7, 3, 7, False),
        (7, 7, 3, False),
        (4, 2, 4, False),
        (2, 2, 1, False),
    ],
)
def test_three_bound_customers_and_half_of_them_prove_the_account_then_and_now(
    count: int, then: int, now: int, proven: bool
) -> None:
    records = bound_to(count)
    kept = evidence_of((), live_of(*range(then), extra="then"), records, "one ledger")
    assert (same(kept, live_of(*range(now), extra="now", more="now"), records)) is proven


def test_the_bound_customers_of_another_ledger_prove_nothing() -> None:
    kept = evidence_of((), live_of(0, 1, 2), bound_to(3), "another ledger")
    assert not same(kept, live_of(0, 1, 2, more="now"), bound_to(3))


def test_where_no_ledger_binds_them_the_same_customers_are_the_same_account() -> None:
    kept = evidence_of((), live_of(0, 1), NOBODY, "")
    assert [same(kept, live_of(*now)) for now in ((0, 1), (1, 0), (0,), (0, 1, 2), ())] == [
        True,
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize("change", [ARCHIVE, RESTORE])
@pytest.mark.parametrize("then", [(0, 1), (1,)])
@pytest.mark.parametrize("now", [(0, 1), (1,)])
def test_whom_the_plan_itself_archives_or_restores_does_not_count(
    change: Change, then: tuple[int, ...], now: tuple[int, ...]
) -> None:
    assert same(evidence_of([change], live_of(*then), NOBODY, ""), live_of(*now), NOBODY, change)


def test_whom_the_plan_itself_created_does_not_count_by_id_or_where_that_was_lost_by_key() -> None:
    kept = evidence_of((), live_of(0), NOBODY, "")
    now = live_of(0, cus_9="k9")
    assert same(kept, now, NOBODY, k9=CustomerId("cus_9"))
    assert same(kept, now, NOBODY, k9=None)
    assert not same(kept, now, NOBODY, k8=None)


def test_an_account_that_was_not_listed_whole_proves_nothing() -> None:
    part = Live(listed=live_of(0).listed, narrowed=True)
    kept = evidence_of((), part, NOBODY, "")
    assert (kept, same(kept, live_of(0))) == (Evidence(), False)


def test_bound_customers_that_are_archived_and_not_listed_do_not_count() -> None:
    archived = (bound(f"k{number}", f"cus_{number}", state=BindingState.ARCHIVED) for number in range(3, 9))
    records = ledger(*(bound(f"k{number}", f"cus_{number}") for number in range(3)), *archived)
    kept = evidence_of((), live_of(0, 1, 2), records, "one ledger")
    assert same(kept, live_of(0, 1, 2, more="now"), records)
