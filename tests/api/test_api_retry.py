from __future__ import annotations

import pytest

from reconciler.api.client import GiveUp, Wait, after
from reconciler.errors import (
    ApiFailed,
    Forbidden,
    NotFound,
    NotTheApi,
    Rejected,
    Throttled,
    Unanswered,
    Unauthorized,
    Unreachable,
)

LOST = Unanswered("lost")
BUSY = Throttled("429", status=429)
AWAY = Unreachable("refused")


def test_waits_double_from_half_a_second() -> None:
    assert [after(LOST, attempt=n, repeatable=True) for n in (1, 2, 3, 4)] == [Wait(0.5), Wait(1), Wait(2), Wait(4)]


def test_jitter_takes_up_to_half_of_a_wait() -> None:
    assert after(LOST, attempt=2, repeatable=True, jitter=0.0) == Wait(0.5)


def test_a_lost_answer_is_given_up_after_five_sendings() -> None:
    assert after(LOST, attempt=5, repeatable=True) == GiveUp("tried 5 times; try again later")


@pytest.mark.parametrize("failure", [LOST, Unanswered("500", status=500), Unanswered("408", status=408)])
def test_a_create_that_may_have_happened_is_never_sent_again(failure: ApiFailed) -> None:
    verdict = after(failure, attempt=1, repeatable=False, retry_after_s=1.0)
    assert verdict == GiveUp("it may have happened; read the live state first")


@pytest.mark.parametrize("failure", [BUSY, AWAY])
def test_a_create_that_did_not_happen_is_sent_again(failure: ApiFailed) -> None:
    assert after(failure, attempt=1, repeatable=False) == Wait(0.5)


def test_a_429_waits_what_the_api_asks() -> None:
    assert after(BUSY, attempt=3, repeatable=False, retry_after_s=7.0) == Wait(7.0)


def test_a_retry_after_of_nothing_still_backs_off() -> None:
    assert after(BUSY, attempt=2, repeatable=True, retry_after_s=0.0) == Wait(1.0)


def test_a_retry_after_of_an_hour_is_told_and_not_waited_for() -> None:
    verdict = after(BUSY, attempt=1, repeatable=True, retry_after_s=3600.0)
    assert verdict == GiveUp("the server asks to wait 3600 s; run again then")


def test_a_429_has_more_patience_than_a_lost_answer() -> None:
    assert after(BUSY, attempt=9, repeatable=True) == Wait(30.0)
    assert after(BUSY, attempt=10, repeatable=True) == GiveUp("tried 10 times; try again later")


def test_a_401_has_one_new_token() -> None:
    failure = Unauthorized("401", status=401)
    assert after(failure, attempt=1, repeatable=False) == Wait(0.0)
    assert isinstance(after(failure, attempt=2, repeatable=False), GiveUp)


@pytest.mark.parametrize(
    "failure",
    [Rejected("422", status=422), Forbidden("403", status=403), NotFound("404", status=404), NotTheApi("HTML")],
)
def test_what_the_api_refused_is_not_sent_again(failure: ApiFailed) -> None:
    assert after(failure, attempt=1, repeatable=True) == GiveUp()
