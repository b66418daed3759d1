"""`reconciler.Client`: every endpoint as a method, exactly once where it says so, and its page's example."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import Online, answers, environment, web_server, working_folder
from markdown_blocks import blocks

import reconciler
from reconciler import Client
from reconciler.emulator.faults import Fault, On, Scripted
from reconciler.errors import Forbidden, NotFound, Refused, Rejected, Unanswered
from reconciler.kinds import CUSTOMER
from reconciler.rules import Behaviour
from reconciler.scripting import CreateFields, PatchFields

pytest_plugins = ("command_fixtures",)

PAGE = Path(__file__).parent.parent / "docs/how-to/script-it.md"
PROJECT = """\
environments:
  demo:
    base_url: {url}
    client_id: ${{AP_CLIENT_ID}}
    client_secret: ${{AP_CLIENT_SECRET}}
    server: {{lag: 100ms}}
    policy: {{protect: [vip-*], require_approval_for: [archive]}}
"""


def scripted(shop: Online, script: Callable[[Client], Awaitable[Any]], **given: Any) -> Any:  # noqa: ANN401
    """Run a script in the shop's folder, with its variables; without `given` as `Client.open()`."""

    async def run() -> Any:  # noqa: ANN401
        made = given.pop("client", None) or Client.open(**given)
        async with made as client:
            return await script(client)

    with environment(shop.given()), working_folder(shop.folder):
        return asyncio.run(run())


def in_demo(shop: Online) -> None:
    """Write a project with an environment `demo` that has a policy."""
    url = shop.variables.pop("AP_BASE_URL")
    shop.write("reconciler.yaml", PROJECT.format(url=url))


def without_ledger(shop: Online) -> Client:
    return Client.with_key(shop.variables["AP_BASE_URL"], "local", "local", rate_per_s=0)


def commands(shop: Online) -> list[tuple[str, str]]:
    """Return the runs of the history."""
    return [(run["command"], run["outcome"]) for run in shop.run("history", "--format", "json").json["runs"]]


def test_the_example_of_the_page_prints_what_the_page_says(shop: Online) -> None:
    example, printed = (block.body for block in blocks(PAGE.read_text("utf-8")) if block.language in ("python", "text"))
    script = shop.write("example.py", example)
    ran = subprocess.run(
        [sys.executable, script.name],
        cwd=shop.folder,
        env={**shop.given(), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.stdout, ran.stderr) == (printed, "")
    assert [command for command, _ in commands(shop)] == [
        "api customers create",
        "api customers patch",
        "api users create",
        "api customers archive",
    ]


def test_the_fields_that_the_methods_take_are_those_of_the_kind() -> None:
    patchable = [field.name for field in CUSTOMER.fields if field.patchable]
    assert list(PatchFields.__annotations__) == patchable
    assert list(CreateFields.__annotations__) == [CUSTOMER.identity, *(field.name for field in CUSTOMER.fields)]


def test_a_customer_holds_its_fields_and_the_whole_reply(shop: Online) -> None:
    shop.emulator.behaviour = Behaviour(extra_fields=True)
    (customer_id,) = shop.load({"external_id": "acme", "name": "Acme"})
    found = scripted(shop, lambda client: client.get_customer(customer_id))
    assert (found.id, found.external_id, found.fields) == (customer_id, "acme", {"name": "Acme"})
    assert found.raw["balance"] == {"amount": 0, "currency": "USD"}


def test_a_list_is_read_to_its_end(shop: Online) -> None:
    ids = shop.load(*({"name": f"c{number}"} for number in range(5)))

    async def script(client: Client) -> list[str]:
        return [customer.id async for customer in client.list_customers(limit=2)]

    assert sorted(scripted(shop, script)) == sorted(ids)


def test_a_list_that_is_not_read_to_its_end_asks_no_further_page(shop: Online) -> None:
    shop.load(*({"name": f"c{number}"} for number in range(5)))

    async def script(client: Client) -> str:
        async for customer in client.list_customers(limit=2):
            return customer.id
        return ""

    assert scripted(shop, script)
    assert shop.requests() == 2  # a token and a page


def test_a_create_whose_answer_is_lost_is_done_once_with_a_ledger(shop: Online) -> None:
    in_demo(shop)
    shop.emulator.faults = Scripted({1: Fault.LOST_AFTER}, of=On.WRITES.takes)
    made = scripted(shop, lambda client: client.create_customer(external_id="acme", name="Acme"))
    assert (made.id, len(shop.account()), commands(shop)) == (shop.id_of("acme"), 1, [("api customers create", "done")])


def test_a_create_whose_answer_is_lost_is_said_to_be_in_doubt_without_one(shop: Online) -> None:
    shop.emulator.faults = Scripted({1: Fault.LOST_AFTER}, of=On.WRITES.takes)
    with pytest.raises(Unanswered, match="it may have happened"):
        scripted(shop, lambda client: client.create_customer(name="Acme"), client=without_ledger(shop))
    assert (len(shop.account()), commands(shop)) == (1, [])


def test_changes_at_once_wait_for_each_other(shop: Online) -> None:
    async def script(client: Client) -> list[Any]:
        return await asyncio.gather(*(client.create_customer(external_id=f"c{n}", name="A") for n in range(3)))

    assert sorted(one.external_id for one in scripted(shop, script)) == ["c0", "c1", "c2"]


def test_errors_are_of_their_own_kinds(shop: Online) -> None:
    shop.load({"external_id": "acme", "name": "Acme"})
    with pytest.raises(NotFound):
        scripted(shop, lambda client: client.archive_customer("cus_none"))
    with pytest.raises(Rejected, match="already used") as refused:
        scripted(shop, lambda client: client.create_customer(external_id="acme", name="Other", unchecked=True))
    with pytest.raises(Refused, match="already has this external_id"):
        scripted(shop, lambda client: client.create_customer(external_id="acme", name="Other"))
    assert (refused.value.status, refused.value.code) == (400, "bad_request")
    read_only = Client.with_key(shop.variables["AP_BASE_URL"], "read-only", "read-only", rate_per_s=0)
    with pytest.raises(Forbidden, match="customers:write"):
        scripted(shop, lambda client: client.create_customer(name="Acme"), client=read_only)


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (lambda client: client.get_customer(""), "'' is not an id of the API"),
        (lambda client: client.archive_customer(".."), "'..' is not an id of the API"),
        (lambda client: client.patch_customer("cus_1"), "give at least one field"),
        (lambda client: client.patch_customer("cus_1", email="x"), "email: the API does not take this field"),
        (lambda client: client.create_customer(name=None), "name: expected a text, not None"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_sent(
    shop: Online, script: Callable[[Client], Awaitable[object]], error: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=error):
        scripted(shop, script)
    assert shop.requests() == 0


def test_the_policy_of_the_environment_holds(shop: Online) -> None:
    in_demo(shop)
    vip, other = shop.load({"external_id": "vip-1", "name": "V"}, {"external_id": "acme", "name": "A"})
    with pytest.raises(Refused, match="vip-1: it is protected"):
        scripted(shop, lambda client: client.archive_customer(vip), approve=["archive"])
    with pytest.raises(Refused, match=r"the policy \(reconciler.yaml:7:54\) wants archive approved"):
        scripted(shop, lambda client: client.archive_customer(other))
    assert shop.writes() == []
    assert scripted(shop, lambda client: client.archive_customer(other), approve=["archive"]).id == other


def test_an_empty_reply_to_an_archive_is_none(shop: Online) -> None:
    with web_server(answers(lambda _: None)) as (url, _):
        client = Client.with_key(url, "local", "local", rate_per_s=0)
        assert scripted(shop, lambda client: client.archive_customer("cus_1"), client=client) is None


def test_the_package_imports_no_client_until_it_is_asked_for() -> None:
    code = "import sys, reconciler; print([name for name in sys.modules if name.startswith('reconciler')])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "['reconciler']\n"


def test_the_package_has_no_more_than_what_scripts_are_given() -> None:
    with pytest.raises(AttributeError, match="module 'reconciler' has no attribute 'Klient'"):
        reconciler.Klient  # type: ignore[attr-defined]  # noqa: B018
