from __future__ import annotations

import asyncio
from collections.abc import Sequence

import httpx
import pytest
from emulated import against, emulator

from reconciler.emulator.fault_settings import read_odds
from reconciler.emulator.faults import AMOUNTS, MEANINGS, Amounts, Fault, On, RandomFaults, Scripted
from reconciler.emulator.service import Emulator
from reconciler.rules import Behaviour, Order, PageShape, RetryAfter


def faulty(**odds: object) -> Emulator:
    return emulator(faults=RandomFaults(read_odds(odds)))


def scripted(
    *faults: Fault, behaviour: Behaviour | None = None, on: On = On.READS, amounts: Amounts | None = None
) -> Emulator:
    """Return an emulator whose first requests of `on` are befallen by `faults`, in turn."""
    script = Scripted(dict(enumerate(faults, 1)), of=on.takes, amounts=amounts)
    return emulator(faults=script, behaviour=behaviour)


async def create(client: httpx.AsyncClient) -> int:
    """Return the status of a create, 0 where the connection was closed."""
    try:
        return (await client.post("/customers", json={"name": "Acme"})).status_code
    except (httpx.ReadError, httpx.RemoteProtocolError):
        return 0


async def pages(client: httpx.AsyncClient, limit: int = 2, most: int = 9) -> list[list[str]]:
    """Return the names on each page, until a page says that it is the last."""
    read: list[list[str]] = []
    after = ""
    while len(read) < most:
        page = (await client.get("/customers", params={"limit": limit, "after": after})).json()
        read.append([one["name"] for one in page["data"]])
        cursors = page.get("pagination", page)
        if not cursors["has_next_page"]:
            break
        after = cursors["end_cursor"]
    return read


async def fill(client: httpx.AsyncClient, names: Sequence[str]) -> None:
    for name in names:
        await asyncio.sleep(1)
        assert (await client.post("/customers", json={"name": name})).status_code == 201


@pytest.mark.parametrize(
    ("fault", "status", "happened"),
    [
        (Fault.LOST_BEFORE, 0, 0),
        (Fault.LOST_AFTER, 0, 1),
        (Fault.STATUS_408_BEFORE, 408, 0),
        (Fault.STATUS_408_AFTER, 408, 1),
        (Fault.STATUS_500_AFTER, 500, 1),
        (Fault.STATUS_503_BEFORE, 503, 0),
        (Fault.STORM_429, 429, 0),
        (Fault.STORM_429_RETRY_AFTER, 429, 0),
        (Fault.HTML_PAGE, 502, 1),
        (Fault.HTML_PAGE_200, 200, 1),
        (Fault.SLOW, 201, 1),
        (Fault.TRICKLED, 201, 1),
        (Fault.TRUNCATED, 0, 1),
        (Fault.CUT_JSON, 201, 1),
        (Fault.CLOCK_JUMP, 201, 1),
        (Fault.EXPIRED_TOKEN, 401, 0),
    ],
)
def test_a_fault_hides_what_happened_or_keeps_it_from_happening(fault: Fault, status: int, happened: int) -> None:
    served = faulty(next_writes={fault: 1}, storm_length=1)

    async def steps(client: httpx.AsyncClient) -> None:
        assert (await create(client), len(served.account.customers)) == (status, happened)
        if fault is not Fault.EXPIRED_TOKEN:
            assert (await create(client), len(served.account.customers)) == (201, happened + 1)

    against(served, steps)


@pytest.mark.parametrize(
    ("fault", "behaviour", "expected"),
    [
        (Fault.STORM_429, Behaviour(), [None] * 3),
        (Fault.STORM_429_RETRY_AFTER, Behaviour(), ["7"] * 3),
        (
            Fault.STORM_429_RETRY_AFTER,
            Behaviour(retry_after=RetryAfter.DATE),
            ["Thu, 01 Jan 2026 00:00:07 GMT"] * 3,
        ),
    ],
)
def test_a_storm_is_a_row_of_429s_of_its_kind(fault: Fault, behaviour: Behaviour, expected: list[str | None]) -> None:
    served = emulator(
        behaviour=behaviour,
        faults=RandomFaults(read_odds({"next_writes": {fault: 1}, "storm_length": 3, "retry_after_s": 7})),
    )

    async def steps(client: httpx.AsyncClient) -> None:
        methods = ("POST", "GET", "POST", "POST")
        answers = [await client.request(method, "/customers", content=b"{}") for method in methods]
        assert [answer.status_code for answer in answers] == [429, 429, 429, 201]
        assert [answer.headers.get("retry-after") for answer in answers] == [*expected, None]

    against(served, steps)


@pytest.mark.parametrize(("fault", "status"), [(Fault.HTML_PAGE, 504), (Fault.HTML_PAGE_200, 200)])
def test_a_proxys_page_is_html_with_the_status_that_is_set(fault: Fault, status: int) -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        answer = await client.get("/customers")
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")

    against(scripted(fault, amounts=Amounts(html_status=504)), steps)


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


def test_a_trickled_body_comes_in_pieces_over_its_time() -> None:
    served = scripted(Fault.TRICKLED, amounts=Amounts(trickle_s=5))

    async def steps(client: httpx.AsyncClient) -> None:
        async with client.stream("GET", "/customers") as answer:
            pieces = [piece async for piece in answer.aiter_raw()]
        assert b"".join(pieces) == (await client.get("/customers")).content
        assert (len(pieces) <= 20, len(pieces) > 10) == (True, True)
        assert served.clock.monotonic() == pytest.approx(5)

    against(served, steps)


def test_a_body_that_dribbles_slower_than_the_timeout_is_a_timeout() -> None:
    served = scripted(Fault.TRICKLED, on=On.WRITES, amounts=Amounts(trickle_s=1000))

    async def steps(client: httpx.AsyncClient) -> None:
        with pytest.raises(httpx.ReadTimeout):
            await client.post("/customers", json={}, timeout=30)
        assert (len(served.account.customers), served.clock.monotonic()) == (1, 30)

    against(served, steps)


def test_a_truncated_body_ends_before_its_content_length() -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        with pytest.raises(httpx.RemoteProtocolError) as raised:
            await client.get("/customers")
        whole = await client.get("/customers")
        assert str(raised.value) == (
            "peer closed connection without sending complete message body "
            f"(received {len(whole.content) // 2} bytes, expected {len(whole.content)})"
        )

    against(scripted(Fault.TRUNCATED), steps)


def test_a_json_that_is_cut_is_a_whole_answer_that_cannot_be_read() -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        answer = await client.get("/customers")
        assert answer.status_code == 200
        assert answer.headers["content-length"] == str(len(answer.content))
        with pytest.raises(ValueError, match=r"^Expecting|^Unterminated"):
            answer.json()

    against(scripted(Fault.CUT_JSON), steps)


def test_a_token_that_ends_in_the_middle_is_good_no_more() -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        answers = [(await client.get("/customers")).status_code for _ in range(2)]
        assert answers == [401, 401]

    against(scripted(Fault.EXPIRED_TOKEN), steps)


def test_a_stale_read_does_not_see_the_last_writes_and_the_next_read_does() -> None:
    served = scripted(Fault.STALE_READ, Fault.STALE_READ, Fault.STALE_READ, amounts=Amounts(stale_s=2))

    async def steps(client: httpx.AsyncClient) -> None:
        one = (await client.post("/customers", json={"name": "Acme"})).json()["id"]
        await client.post(f"/customers/{one}/users", json={"email": "a@x.example"})
        assert (await client.get("/customers")).json()["data"] == []
        assert (await client.get(f"/customers/{one}")).status_code == 404
        await served.clock.sleep(3)
        await client.patch(f"/customers/{one}", json={"name": "Globex"})
        assert (await client.get(f"/customers/{one}")).json()["name"] == "Acme"
        assert (await client.get(f"/customers/{one}")).json()["name"] == "Globex"

    against(served, steps)


def test_a_stale_read_does_not_see_a_new_user() -> None:
    served = scripted(Fault.STALE_READ)

    async def steps(client: httpx.AsyncClient) -> None:
        one = (await client.post("/customers", json={"name": "Acme"})).json()["id"]
        await served.clock.sleep(3)
        await client.post(f"/customers/{one}/users", json={"email": "a@x.example"})
        seen = [len((await client.get(f"/customers/{one}/users")).json()["data"]) for _ in range(2)]
        assert seen == [0, 1]

    against(served, steps)


@pytest.mark.parametrize(
    ("fault", "shape", "expected"),
    [
        (Fault.PAGE_ENDS_EARLY, PageShape.FLAT, [["a", "b"]]),
        (Fault.PAGE_ENDS_EARLY, PageShape.NESTED, [["a", "b"]]),
        (Fault.PAGE_SHORT, PageShape.FLAT, [["a"], ["c", "d"], ["e"]]),
    ],
)
def test_a_first_page_may_lie(fault: Fault, shape: PageShape, expected: list[list[str]]) -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        await fill(client, "abcde")
        assert await pages(client) == expected

    against(scripted(fault, behaviour=Behaviour(order=Order.OLDEST, page_shape=shape)), steps)


@pytest.mark.parametrize("shape", PageShape)
def test_a_page_that_is_repeated_comes_twice_and_then_the_next(shape: PageShape) -> None:
    script = Scripted({2: Fault.PAGE_REPEATED}, of=On.READS.takes)

    async def steps(client: httpx.AsyncClient) -> None:
        await fill(client, "abcde")
        assert await pages(client) == [["a", "b"], ["c", "d"], ["c", "d"], ["e"]]

    against(emulator(faults=script, behaviour=Behaviour(order=Order.OLDEST, page_shape=shape)), steps)


def test_a_fault_of_pages_leaves_a_refusal_as_it_is() -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        answer = await client.get("/customers", params={"limit": "x"})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")

    against(scripted(Fault.PAGE_SHORT), steps)


def test_somebody_creates_between_two_pages() -> None:
    served = emulator(faults=RandomFaults(read_odds({"elsewhere_creates": 1})), behaviour=Behaviour(order=Order.OLDEST))

    async def steps(client: httpx.AsyncClient) -> None:
        await fill(client, "abc")
        await asyncio.sleep(1)
        assert await pages(client) == [["a", "b"], ["c", "elsewhere-4"]]

    against(served, steps)


def test_somebody_archives_between_two_pages_in_the_same_way_in_every_run() -> None:
    def read() -> list[list[str]]:
        served = emulator(
            faults=RandomFaults(read_odds({"elsewhere_archives": 1})), behaviour=Behaviour(order=Order.OLDEST)
        )
        found: list[list[str]] = []

        async def steps(client: httpx.AsyncClient) -> None:
            await fill(client, "abcdefg")
            found.extend(await pages(client))
            assert sum(customer.archived for customer in served.account.customers.values()) == len(found) - 1

        against(served, steps)
        return found

    assert read() == read()
    assert read() != [["a", "b"], ["c", "d"], ["e", "f"], ["g"]]


def test_nobody_archives_where_nothing_is_active() -> None:
    served = emulator(faults=RandomFaults(read_odds({"elsewhere_archives": 1})))

    async def steps(client: httpx.AsyncClient) -> None:
        await fill(client, "abc")
        cursor = (await client.get("/customers", params={"limit": 1})).json()["end_cursor"]
        for one in list(served.account.customers):
            await client.delete(f"/customers/{one}")
        assert (await client.get("/customers", params={"after": cursor})).json()["data"] == []

    against(served, steps)


@pytest.mark.parametrize(("jump_s", "date"), [(60, "00:01:00"), (-3600, "23:00:00")])
def test_the_clock_jumps_and_stays_there(jump_s: float, date: str) -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        assert (await client.get("/customers")).headers["date"].split()[4] == date
        created = await client.post("/customers", json={})
        assert (created.headers["date"].split()[4], created.json()["created_at"][11:19]) == (date, date)

    against(scripted(Fault.CLOCK_JUMP, amounts=Amounts(jump_s=jump_s)), steps)


def test_a_jump_of_the_clock_makes_no_write_older_or_younger_to_a_read_that_lags() -> None:
    served = scripted(Fault.CLOCK_JUMP, behaviour=Behaviour(lag_s=2), amounts=Amounts(jump_s=-3600))

    async def steps(client: httpx.AsyncClient) -> None:
        one = (await client.post("/customers", json={"name": "Acme"})).json()["id"]
        await client.post(f"/customers/{one}/users", json={"email": "a@x.example"})
        assert (await client.get(f"/customers/{one}")).status_code == 404
        await served.clock.sleep(3)
        assert (await client.get(f"/customers/{one}")).status_code == 200
        assert len((await client.get(f"/customers/{one}/users")).json()["data"]) == 1

    against(served, steps)


def test_every_fault_and_every_amount_has_its_line() -> None:
    assert (set(MEANINGS), set(AMOUNTS)) == (set(Fault), set(Amounts.__dataclass_fields__))
