"""What a fault does: to an answer, in an answer's place, and to the account that somebody else works in too."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import formatdate
from math import ceil
from typing import assert_never

from reconciler.emulator.calls import Answer, Call, Dropped, answer_of
from reconciler.emulator.faults import Amounts, Fault
from reconciler.rules import Account, Behaviour, LimitHeaders, RetryAfter, RuleReply, archive, create, refusal
from reconciler.rules.account import page_of_html


def before(fault: Fault, ways: Behaviour, amounts: Amounts, now: float) -> Answer | Dropped | None:
    """Return what the caller gets in place of the API's answer, None where the request passes."""
    match fault:
        case Fault.LOST_BEFORE:
            return Dropped()
        case Fault.STATUS_408_BEFORE:
            return answer_of(refusal(ways, 408, "Request timeout"))
        case Fault.STATUS_503_BEFORE:
            return answer_of(refusal(ways, 503, "Unavailable"))
        case Fault.STORM_429:
            return answer_of(refusal(ways, 429, "Too many requests"))
        case Fault.STORM_429_RETRY_AFTER:
            return answer_of(refusal(ways, 429, "Too many requests"), retry_after(ways, amounts.retry_after_s, now))
        case _:
            return None


def after(fault: Fault, call: Call, answer: Answer, ways: Behaviour, amounts: Amounts) -> Answer | Dropped:
    """Return what the caller gets once the request was handled: the answer itself where `fault` lies elsewhere."""
    change = _CHANGES.get(fault)
    if change is not None:
        return change(answer, amounts)
    match fault:
        case Fault.LOST_AFTER:
            return Dropped()
        case Fault.STATUS_408_AFTER:
            return answer_of(refusal(ways, 408, "Request timeout"))
        case Fault.STATUS_500_AFTER:
            return answer_of(refusal(ways, 500, "Internal error"))
        case Fault.PAGE_REPEATED:
            return _page(answer, lambda page: _repeat(page, call.parameters.get("after", "")))
        case _:
            return answer


def elsewhere(account: Account, ways: Behaviour, fault: Fault, now: float, *, time: int) -> str:
    """
    Do what somebody else does, the `time`-th time (from 1); return the id of the customer, "" where it was refused.

    Which customer is archived is the same in every run.
    """
    if fault is Fault.ELSEWHERE_CREATES:
        name = f"elsewhere-{account.made + 1}"
        reply = create(account, ways, {"external_id": name, "name": name, "email": f"{name}@elsewhere.example"}, now)
        return str(reply.body["id"]) if reply.accepted and isinstance(reply.body, dict) else ""
    count = len(account.by_time)
    first = int.from_bytes(hashlib.blake2b(str(time).encode(), digest_size=8).digest())
    places = ((first + step) % count for step in range(count))
    ids = (account.by_time[place][1] for place in places)
    one = next((one for one in ids if not account.customers[one].archived), "")
    return one if one and archive(account, ways, one, now).accepted else ""


def retry_after(ways: Behaviour, wait_s: float, now: float) -> tuple[tuple[str, str], ...]:
    """Return the header that says how long to wait, as seconds unless the behaviour has it as a date."""
    if ways.retry_after is RetryAfter.DATE:
        return (("retry-after", formatdate(ceil(now + wait_s), usegmt=True)),)
    return (("retry-after", str(ceil(wait_s))),)


def limit_headers(ways: Behaviour, per_s: float, wait_s: float) -> tuple[tuple[str, str], ...]:
    """Return what a 429 says of the limit, in the older form or in that of the IETF's draft."""
    match ways.limit_headers:
        case LimitHeaders.NONE:
            return ()
        case LimitHeaders.X_RATELIMIT:
            words = {"limit": f"{per_s:g}", "remaining": "0", "reset": str(ceil(wait_s))}
            return tuple((f"x-ratelimit-{name}", text) for name, text in words.items())
        case LimitHeaders.RATELIMIT:
            return (("ratelimit", f'"key";r=0;t={ceil(wait_s)}'), ("ratelimit-policy", f'"key";q={per_s:g};w=1'))
    assert_never(ways.limit_headers)


def _page(answer: Answer, change: Callable[[dict[str, object]], None]) -> Answer:
    """Return a page with something changed; what is no page stays as it is."""
    try:
        page = json.loads(answer.body)
    except ValueError:
        return answer
    if not isinstance(page, dict) or "data" not in page:
        return answer
    change(page)
    return replace(answer, body=json.dumps(page, separators=(",", ":")).encode("ascii"))


def _end(page: dict[str, object]) -> None:
    """Let a page be the last."""
    _cursors(page)["has_next_page"] = False


def _shorten(page: dict[str, object]) -> None:
    """Take the second half of a page's rows, of a single one all."""
    rows = page["data"]
    page["data"] = rows[: len(rows) // 2] if isinstance(rows, list) else rows


def _repeat(page: dict[str, object], asked: str) -> None:
    """Let the page that follows be this one."""
    _cursors(page).update({"end_cursor": asked, "has_next_page": True})


def _cursors(page: dict[str, object]) -> dict[str, object]:
    """Return where a page of either shape keeps its cursors."""
    inner = page.get("pagination")
    return inner if isinstance(inner, dict) else page


_CHANGES: Mapping[Fault, Callable[[Answer, Amounts], Answer]] = {
    Fault.HTML_PAGE: lambda _, amounts: answer_of(RuleReply(amounts.html_status, page_of_html(amounts.html_status))),
    Fault.HTML_PAGE_200: lambda *_: answer_of(RuleReply(200, page_of_html(200))),
    Fault.SLOW: lambda answer, amounts: replace(answer, delay_s=amounts.slow_s),
    Fault.TRICKLED: lambda answer, amounts: replace(answer, over_s=amounts.trickle_s),
    Fault.TRUNCATED: lambda answer, _: replace(answer, cut=True),
    Fault.CUT_JSON: lambda answer, _: replace(answer, body=answer.body[: len(answer.body) // 2]),
    Fault.PAGE_ENDS_EARLY: lambda answer, _: _page(answer, _end),
    Fault.PAGE_SHORT: lambda answer, _: _page(answer, _shorten),
}
