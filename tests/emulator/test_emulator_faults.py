from __future__ import annotations

import httpx
import pytest
from emulated import against, emulator

from reconciler.emulator.faults import Fault, Odds, RandomFaults
from reconciler.emulator.service import Emulator


def faulty(**odds: object) -> Emulator:
    return emulator(faults=RandomFaults(Odds.read(odds)))


async def create(client: httpx.AsyncClient) -> int:
    """Return the status of a create, 0 where the connection was closed."""
    try:
        return (await client.post("/customers", json={"name": "Acme"})).status_code
    except httpx.ReadError:
        return 0


@pytest.mark.parametrize(
    ("fault", "status", "happened"),
    [
        (Fault.LOST_BEFORE, 0, 0),
        (Fault.LOST_AFTER, 0, 1),
        (Fault.STATUS_500_AFTER, 500, 1),
        (Fault.STATUS_503_BEFORE, 503, 0),
        (Fault.STORM_429, 429, 0),
        (Fault.HTML_PAGE, 502, 1),
        (Fault.SLOW, 201, 1),
    ],
)
def test_a_fault_hides_what_happened_or_keeps_it_from_happening(fault: Fault, status: int, happened: int) -> None:
    served = faulty(next_writes={fault: 1}, storm_length=1)

    async def steps(client: httpx.AsyncClient) -> None:
        assert (await create(client), len(served.account.customers)) == (status, happened)
        assert (await create(client), len(served.account.customers)) == (201, happened + 1)

    against(served, steps)


def test_faults_of_the_next_writes_do_not_befall_reads_or_the_token() -> None:
    served = faulty(next_writes={"lost_after": 1})

    async def steps(client: httpx.AsyncClient) -> None:
        assert (await client.get("/customers")).status_code == 200
        assert await create(client) == 0

    against(served, steps)


def test_a_storm_is_a_row_of_429s() -> None:
    served = faulty(next_writes={"storm_429": 1}, storm_length=3)

    async def steps(client: httpx.AsyncClient) -> None:
        statuses = [await create(client), (await client.get("/customers")).status_code, await create(client)]
        assert ([*statuses, await create(client)]) == [429, 429, 429, 201]

    against(served, steps)


def test_a_proxys_page_is_html_with_the_status_that_is_set() -> None:
    served = faulty(next_writes={"html_page": 1}, html_status=200)

    async def steps(client: httpx.AsyncClient) -> None:
        answer = await client.post("/customers", json={})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")

    against(served, steps)


def test_a_slow_answer_takes_its_time() -> None:
    served = faulty(next_writes={"slow": 1}, slow_s=4)

    async def steps(client: httpx.AsyncClient) -> None:
        began_s = served.clock.monotonic()
        assert await create(client) == 201
        assert served.clock.monotonic() - began_s == 4

    against(served, steps)


def test_an_answer_slower_than_the_timeout_is_a_timeout_after_the_change() -> None:
    served = faulty(next_writes={"slow": 1}, slow_s=40)

    async def steps(client: httpx.AsyncClient) -> None:
        with pytest.raises(httpx.ReadTimeout):
            await client.post("/customers", json={}, timeout=30)
        assert (len(served.account.customers), served.clock.monotonic()) == (1, 30)

    against(served, steps)


def test_the_same_seed_gives_the_same_faults() -> None:
    def outcomes(seed: int) -> list[int]:
        statuses: list[int] = []

        async def steps(client: httpx.AsyncClient) -> None:
            served.faults = RandomFaults(Odds(lost_after=0.3, status_503_before=0.2, seed=seed))
            statuses.extend([await create(client) for _ in range(30)])

        served = emulator()
        against(served, steps)
        return statuses

    assert outcomes(1) == outcomes(1)
    assert outcomes(1) != outcomes(2)
    assert {0, 201, 503} == set(outcomes(1))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lost": 1}, "'lost' is no fault; there are lost_before, .*"),
        ({"slow": 2}, "slow is a probability, from 0 to 1"),
        ({"slow": "often"}, "slow is a number, not below 0"),
        ({"seed": 1.5}, "seed is a whole number, not below 0"),
        ({"next_writes": {"lost": 1}}, "next_writes gives a number for some of lost_before, .*"),
        ({"html_status": 7}, "html_status is a status, from 200 to 599"),
    ],
)
def test_odds_that_cannot_be_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Odds.read(values)
