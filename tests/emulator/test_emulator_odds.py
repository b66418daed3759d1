from __future__ import annotations

import re
from collections.abc import Sequence

import httpx
import pytest
from emulated import against, emulator

from reconciler.emulator.calls import TOKEN, Call
from reconciler.emulator.fault_settings import read_flags, read_odds
from reconciler.emulator.faults import Amounts, Fault, Odds, On, RandomFaults, Scripted, Strike

READ, WRITE, SIGN_IN = Call("GET", "/customers"), Call("POST", "/customers"), Call("POST", TOKEN)
ONE, USERS = Call("GET", "/customers/a"), Call("GET", "/customers/a/users")
FURTHER = Call("GET", "/customers", "limit=2&after=x")


def drawn(faults: RandomFaults | Scripted, calls: Sequence[Call]) -> list[Fault | None]:
    return [faults.draw(call) for call in calls]


def places(odds: dict[str, object], calls: Sequence[Call]) -> list[int]:
    """Return the places, from 1, of the calls that are befallen."""
    befallen = drawn(RandomFaults(read_odds(odds)), calls)
    return [place for place, fault in enumerate(befallen, 1) if fault is not None]


@pytest.mark.parametrize(("on", "expected"), [("all", [1, 2, 3, 4, 5]), ("reads", [2, 4]), ("writes", [3, 5])], ids=str)
def test_a_fault_befalls_the_requests_it_is_on(on: str, expected: list[int]) -> None:
    calls = [SIGN_IN, READ, WRITE, READ, WRITE]
    assert places({"lost_after": {"chance": 1, "on": on}}, calls) == expected


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({"at": 3}, [3]),
        ({"at": [1, 4]}, [1, 4]),
        ({"at": 2, "on": "writes"}, [4]),
        ({"at": 2, "on": "reads"}, [3]),
        ({"next": 2}, [1, 2]),
        ({"next": 1, "on": "writes"}, [2]),
        ({"next": 5, "on": "reads"}, [1, 3, 5]),
    ],
)
def test_a_fault_befalls_the_next_and_the_nth_of_its_requests(when: dict[str, object], expected: list[int]) -> None:
    assert places({"lost_after": when}, [READ, WRITE, READ, WRITE, READ]) == expected


def test_the_next_faults_come_one_after_the_other_and_no_request_has_two() -> None:
    faults = RandomFaults(read_odds({"next_writes": {"slow": 2, "lost_after": 1}, "next_reads": {"cut_json": 1}}))
    assert drawn(faults, [WRITE, READ, WRITE, WRITE, WRITE, READ]) == [
        Fault.SLOW,
        Fault.CUT_JSON,
        Fault.SLOW,
        Fault.LOST_AFTER,
        None,
        None,
    ]


def test_what_is_due_by_number_comes_before_what_is_due_next_before_chance() -> None:
    odds = {"slow": 1, "next_requests": {"lost_after": 1}, "cut_json": {"at": 1}}
    assert drawn(RandomFaults(read_odds(odds)), [READ] * 3) == [Fault.CUT_JSON, Fault.LOST_AFTER, Fault.SLOW]


def test_a_storm_uses_up_none_of_what_is_due_next() -> None:
    odds = {"next_requests": {"storm_429": 1, "slow": 1}, "storm_length": 3}
    storm = [Fault.STORM_429] * 3
    assert drawn(RandomFaults(read_odds(odds)), [READ] * 5) == [*storm, Fault.SLOW, None]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("page_short", [READ, USERS, FURTHER]),
        ("page_ends_early", [READ, USERS, FURTHER]),
        ("page_repeated", [FURTHER]),
        ("elsewhere_creates", [FURTHER]),
        ("elsewhere_archives", [FURTHER]),
        ("stale_read", [READ, ONE, USERS, FURTHER]),
        ("expired_token", [READ, WRITE, ONE, USERS, FURTHER]),
        ("lost_before", [SIGN_IN, READ, WRITE, ONE, USERS, FURTHER]),
    ],
)
def test_a_fault_befalls_only_what_it_fits(fault: str, expected: list[Call]) -> None:
    calls = [SIGN_IN, READ, WRITE, ONE, USERS, FURTHER]
    assert [calls[place - 1] for place in places({fault: 1}, calls)] == expected
    assert places({fault: {"next": 1}}, calls)[0] == calls.index(expected[0]) + 1


def test_the_same_seed_and_requests_give_the_same_faults() -> None:
    calls = [READ, WRITE] * 50
    odds = {"lost_after": 0.3, "status_503_before": 0.2}
    first, again = (places({**odds, "seed": 1}, calls) for _ in range(2))
    assert first == again
    assert first != places({**odds, "seed": 2}, calls)
    assert 20 < len(first) < 70


def test_what_befalls_the_writes_does_not_depend_on_the_reads_between() -> None:
    odds: dict[str, object] = {
        "lost_after": {"chance": 0.3, "on": "writes"},
        "slow": {"chance": 0.3, "on": "reads"},
        "seed": 4,
    }

    def writes(calls: Sequence[Call]) -> list[Fault | None]:
        befallen = drawn(RandomFaults(read_odds(odds)), calls)
        return [fault for fault, call in zip(befallen, calls, strict=True) if call is WRITE]

    assert writes([WRITE] * 30) == writes([READ, READ, WRITE] * 30)


def test_the_probabilities_of_reads_and_writes_are_separate() -> None:
    odds = read_odds({"lost_after": [{"chance": 1, "on": "writes"}, {"chance": 0, "on": "reads"}]})
    assert drawn(RandomFaults(odds), [READ, WRITE]) == [None, Fault.LOST_AFTER]


def test_whole_runs_repeat_with_their_seed() -> None:
    def statuses(seed: int) -> list[int]:
        found: list[int] = []

        async def steps(client: httpx.AsyncClient) -> None:
            served.faults = RandomFaults(read_odds({"status_500_after": 0.3, "status_503_before": 0.2, "seed": seed}))
            found.extend([(await client.post("/customers", json={})).status_code for _ in range(30)])

        served = emulator()
        against(served, steps)
        return found

    assert statuses(1) == statuses(1)
    assert statuses(1) != statuses(2)
    assert set(statuses(1)) == {201, 500, 503}


def test_a_script_befalls_exact_requests_of_those_it_looks_for() -> None:
    acme = Call("POST", "/customers", body=b'{"external_id": "acme"}')
    faults = Scripted({2: Fault.LOST_AFTER}, of=lambda call: b"acme" in call.body)
    assert drawn(faults, [acme, WRITE, acme, acme]) == [None, None, Fault.LOST_AFTER, None]


def test_a_script_says_what_is_still_to_come() -> None:
    faults = Scripted({2: Fault.SLOW, 5: Fault.STORM_429})
    drawn(faults, [READ, READ, READ])
    assert faults.as_json() == {"scripted": {2: "storm_429"}}


def test_only_where_reads_may_be_stale_is_the_past_kept() -> None:
    stale, other = (RandomFaults(read_odds({name: 0.5, "stale_s": 4})) for name in ("stale_read", "slow"))
    kept_s = [faults.kept_s for faults in (stale, other, Scripted({1: Fault.STALE_READ}), Scripted({}))]
    assert kept_s == [4, 0, 2, 0]


def test_odds_are_read_back_from_what_they_say() -> None:
    odds = Odds(
        (
            Strike(Fault.SLOW, On.READS, 0.25, 2, frozenset({7, 9})),
            Strike(Fault.SLOW, On.WRITES, 0.5),
            Strike(Fault.CUT_JSON, next=1),
        ),
        seed=3,
        amounts=Amounts(jump_s=-60, storm_length=2),
    )
    assert read_odds(RandomFaults(odds).as_json()) == odds


def test_flags_say_when_a_fault_comes() -> None:
    flags = ["slow=0.25", "slow=next:2,reads", "lost_after=at:3,at:5,writes", "jump_s=-1.5", "seed=4"]
    assert read_flags(flags) == Odds(
        (
            Strike(Fault.SLOW, chance=0.25),
            Strike(Fault.SLOW, On.READS, next=2),
            Strike(Fault.LOST_AFTER, On.WRITES, at=frozenset({3, 5})),
        ),
        seed=4,
        amounts=Amounts(jump_s=-1.5),
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lost": 1}, "'lost' is not a fault; the faults are lost_before, "),
        ({"slow": 2}, "slow is a probability, from 0 to 1"),
        ({"slow": "often"}, "slow is a probability, from 0 to 1"),
        ({"slow": True}, "slow is a probability, from 0 to 1"),
        ({"slow": {"on": "writes"}}, "slow is a probability, or an object of on and of chance, next or at"),
        ({"slow": {"often": 1}}, "slow is a probability, or an object of on and of chance, next or at"),
        ({"slow": {"chance": 1, "on": "mondays"}}, "slow: on is one of all, reads, writes"),
        ({"slow": {"chance": 1, "on": []}}, "slow: on is one of all, reads, writes"),
        ({"slow": {"next": -1}}, "slow: next is a whole number, not below 0"),
        ({"slow": {"at": [0]}}, "slow: at is a whole number, not below 1"),
        ({"seed": 1.5}, "seed is a whole number, not below 0"),
        ({"next_writes": {"lost": 1}}, "next_writes gives a number for some of lost_before, "),
        ({"html_status": 7}, "html_status is a status that has a body, from 200 to 599"),
        ({"html_status": 204}, "html_status is a status that has a body, from 200 to 599"),
        ({"storm_length": 0}, "storm_length is a whole number, not below 1"),
        ({"slow_s": -1}, "slow_s is a number of seconds, not below 0"),
        ({"slow_s": float("inf")}, "slow_s is a number of seconds, not below 0"),
        ({"jump_s": float("nan")}, "jump_s is a number of seconds"),
    ],
)
def test_odds_that_cannot_be_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        read_odds(values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("slow", "'slow': write NAME=WHEN, as in lost_after=0.1 or slow=next:2,writes"),
        ("slow=often", "slow: 'often' is none of a probability, next:N, at:N, all, reads, writes"),
        ("slow=", "slow: '' is none of a probability, next:N, at:N, all, reads, writes"),
        ("slow=next:x", "slow: next is a whole number, not below 0"),
        ("slow=writes", "slow is a probability, or an object of on and of chance, next or at"),
    ],
)
def test_flags_that_cannot_be_are_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_flags([text])
