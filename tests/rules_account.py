"""An account for the tests of the rules: what fills it, and what reads a reply."""

from __future__ import annotations

from typing import Any

from reconciler.rules import Account, Behaviour, RuleReply, create, list_customers

NOW = 1_700_000_000.25
PLAIN = Behaviour()
USED = {"code": "bad_request", "message": "This external id is already used"}
UNKNOWN = RuleReply(404, {"code": "not_found", "message": "ID not present in environment"})


def made(account: Account, ways: Behaviour = PLAIN, now: float = NOW, **fields: object) -> str:
    reply = create(account, ways, fields, now)
    assert reply.status == 201, reply
    return str(body(reply)["id"])


def body(reply: RuleReply) -> dict[str, Any]:
    assert isinstance(reply.body, dict)
    return reply.body


def ids(reply: RuleReply) -> list[str]:
    return [row["id"] for row in body(reply)["data"]]


def read_all(account: Account, ways: Behaviour, **query: str) -> list[list[str]]:
    pages = []
    after = ""
    for _ in range(100):
        reply = list_customers(account, ways, {**query, "after": after}, NOW + 10)
        pages.append(ids(reply))
        page = body(reply).get("pagination", body(reply))
        if not page["has_next_page"]:
            return pages
        after = page["end_cursor"]
    raise AssertionError("the list has no end")


def flat(pages: list[list[str]]) -> list[str]:
    return [one for page in pages for one in page]


def numbered(account: Account, count: int, ways: Behaviour = PLAIN, step_s: float = 0.001) -> list[str]:
    return [made(account, ways, NOW + place * step_s, external_id=f"c{place}") for place in range(count)]
