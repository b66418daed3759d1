"""A probe that meets trouble, and what the runs after it do with what it learned."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from plan_values import customer, declared
from probes import TERMS, Probed

from reconciler.emulator.fault_settings import switched
from reconciler.model.core import Status
from reconciler.model.reports import ProbeQuestion
from reconciler.pipeline.doctor import ProbeResult as What
from reconciler.rules import Behaviour

EMPTY = {"name": "Acme", "email": "billing@acme.example"}


def world_of(folder: Path, strangers: int = 0, **ways: object) -> Probed:
    return Probed(folder, switched(Behaviour(), ways), strangers=strangers)


def found(what: What, question: ProbeQuestion) -> str:
    return {one.question: one.found for one in what.answers}[question]


def learned(world: Probed):  # noqa: ANN201 - the ledger's
    with world.ledger() as ledger:
        return ledger.records().learned


def interposed(world: Probed, answer: Callable[[httpx.Request], httpx.Response | Exception | None]) -> None:
    """Let `answer` answer, or raise, before the emulator is asked; None leaves a request alone."""
    served = world.answers

    async def answered(request: httpx.Request) -> httpx.Response:
        instead = answer(request)
        if isinstance(instead, Exception):
            raise instead
        return instead or await served(request)

    world.answers = answered


def test_a_customer_that_cannot_be_archived_is_named_and_the_next_probe_archives_it(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    free = world.emulator.behaviour

    def invoiced(text: str, _: asyncio.Event) -> None:
        if text.startswith("archiving"):
            ids = frozenset(one.id for one in world.marked())
            world.emulator.behaviour = replace(free, invoiced=ids, invoiced_status=400)

    world.tell = invoiced
    what = world.probe()
    assert (what.left, what.left) == (what.made, tuple(world.active()))
    assert found(what, ProbeQuestion.LISTS_ARCHIVED) == ""
    world.emulator.behaviour, world.tell = free, lambda _, __: None
    again = world.probe()
    assert (again.cleaned, again.left, world.active()) == (what.made, (), [])


def test_a_probe_that_is_interrupted_sends_nothing_more_and_the_next_one_archives(tmp_path: Path) -> None:
    world = world_of(tmp_path)

    def stopped(text: str, stop: asyncio.Event) -> None:
        if text.startswith("adding"):
            stop.set()

    world.tell = stopped
    what = world.probe()
    sent = len(world.emulator.requests)
    assert (what.interrupted, len(world.active()), what.requests) == (True, 1, sent)
    world.tell = lambda _, __: None
    assert world.probe().cleaned == what.left
    assert world.active() == []


def test_a_create_whose_answer_is_lost_ends_the_probe_and_is_not_sent_again(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    lost = [True]
    served = world.answers

    async def once(request: httpx.Request) -> httpx.Response:
        reply = await served(request)
        if (request.method, request.url.path) == ("POST", "/customers") and lost.pop():
            lost.append(False)
            raise httpx.ReadError("lost", request=request)
        return reply

    world.answers = once
    what = world.probe()
    assert ("it may have happened" in what.stopped, len(world.active())) == (True, 1)
    lost[:] = [False]
    world.answers = served
    again = world.probe()
    assert (len(again.cleaned), world.active(), len(world.marked())) == (1, [], 2)


def test_a_plan_in_between_neither_doubles_nor_archives_what_a_probe_left_in_doubt(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    interposed(
        world,
        lambda request: (
            httpx.ReadError("lost") if request.url.path == "/customers" and request.method == "POST" else None
        ),
    )
    world.probe()
    assert world.apply(declared(customer("acme", fields=EMPTY))).outcomes[0].status is not Status.SKIPPED


def test_a_server_error_is_told_as_the_end_of_the_probe_and_what_was_made_is_archived(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    interposed(world, lambda one: httpx.Response(500) if one.url.path.endswith("/payment-methods") else None)
    what = world.probe()
    assert ("500" in what.stopped, what.left, world.active()) == (True, (), [])
    assert found(what, ProbeQuestion.CLEARS) == "text"
    assert learned(world).empties == '""'


def test_a_create_that_is_refused_in_every_form_makes_nothing(tmp_path: Path) -> None:
    world = world_of(tmp_path, required="sub_premise")
    what = world.probe()
    assert ("422" in what.stopped, what.made, world.marked()) == (True, (), [])


def test_a_write_that_is_seen_late_lengthens_the_lag_bound_of_later_runs(tmp_path: Path) -> None:
    world = world_of(tmp_path, lag_s=12)
    world.probe()
    assert 36 <= learned(world).lag_s <= 40
    started = world.passed_s
    interposed_once(world)
    world.apply(declared(customer("acme", fields=EMPTY)))
    assert world.passed_s - started >= learned(world).lag_s
    assert [one.external_id for one in world.emulator.account.customers.values()].count("acme") == 1


def interposed_once(world: Probed) -> None:
    """Let the answer to the next create be lost, after it was made."""
    served = world.answers
    lost: list[str] = []

    async def answered(request: httpx.Request) -> httpx.Response:
        reply = await served(request)
        if (request.method, request.url.path) == ("POST", "/customers") and not lost:
            lost.append("once")
            raise httpx.ReadError("lost", request=request)
        return reply

    world.answers = answered


def test_a_lag_that_the_environment_states_is_kept(tmp_path: Path) -> None:
    world = world_of(tmp_path, lag_s=12)
    world.probe()
    interposed_once(world)
    started = world.passed_s
    world.apply(declared(customer("acme", fields=EMPTY)), replace(TERMS, lag_s=13.0))
    assert 13 <= world.passed_s - started < 20


def test_longer_pages_that_a_probe_found_make_the_next_listing_shorter(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    before, after = (world_of(folder, strangers=250, page_max=1000) for folder in (tmp_path / "before", tmp_path))
    after.probe()
    pages = [len([one for one in _listed(world) if "limit=" in one]) for world in (before, after)]
    assert pages == [2, 1]


def _listed(world: Probed) -> list[str]:
    """Plan, and return the requests that listed customers."""
    world.emulator.requests.clear()
    world.plan(declared())
    return [f"{one.path}?limit=" for one in world.emulator.requests if one.path == "/customers"]


@pytest.mark.parametrize(("required", "blocked"), [("name,email", ["email"]), ("name", [])])
def test_where_a_create_must_have_an_e_mail_one_without_is_blocked_and_not_sent(
    tmp_path: Path, required: str, blocked: list[str]
) -> None:
    world = world_of(tmp_path, required=required)
    world.probe()
    plan = world.plan(declared(customer("acme", fields={"name": "Acme"})))
    assert [one.field for one in plan.blocked] == blocked
    assert len(plan.changes) == 1 - len(blocked)


def test_a_probe_that_could_not_tell_leaves_what_was_known(tmp_path: Path) -> None:
    world = world_of(tmp_path, clears="null", lists_archived=True)
    world.probe()
    interposed(world, lambda one: httpx.Response(400) if one.method in ("PATCH", "DELETE") else None)
    what = world.probe()
    assert (found(what, ProbeQuestion.LISTS_ARCHIVED), found(what, ProbeQuestion.IGNORES)) == ("", "")
    assert (learned(world).lists_archived, learned(world).empties) == (True, "null")


def test_a_created_at_that_is_no_moment_leaves_open_what_only_a_narrow_list_tells(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    served = world.answers

    async def undated(request: httpx.Request) -> httpx.Response:
        reply = await served(request)
        body = reply.json() if reply.content else None
        if isinstance(body, dict) and "created_at" in body:
            return httpx.Response(reply.status_code, json={**body, "created_at": "yesterday"}, headers=reply.headers)
        return reply

    world.answers = undated
    what = world.probe()
    open_ = {one.question for one in what.answers if "no list can be narrowed" in one.why}
    assert open_ == {ProbeQuestion.LISTS_ARCHIVED, ProbeQuestion.START_INCLUSIVE, ProbeQuestion.END_INCLUSIVE}
    assert (what.stopped, world.active(), learned(world).lists_archived) == ("", [], None)
