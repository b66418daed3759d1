"""A customer that looks like a live one: nothing is sent for it until somebody has decided, whatever was agreed to."""

from __future__ import annotations

import json

import pytest
from command_line import Online

from reconciler.emulator.fault_settings import switched

pytest_plugins = ("command_fixtures",)

FILE = "customers.yaml"
ACME = "{name: A1, email: a@x.example}"
AGREED = ("--auto-approve", "--max-archives", "100%")


def written(shop: Online, text: str) -> None:
    shop.write(FILE, text)


def forgotten(shop: Online) -> None:
    """Lose the ledger."""
    for path in shop.folder.glob("**/*.db*"):
        path.unlink()


def active(shop: Online) -> list[str]:
    return sorted(one.external_id for one in shop.emulator.account.customers.values() if not one.archived)


@pytest.mark.parametrize("kept", ["lowered", "trimmed"])
def test_without_a_ledger_three_applies_make_one_customer(shop: Online, kept: str) -> None:
    shop.emulator.behaviour = switched(shop.emulator.behaviour, {"external_ids": kept, "unique": "none"})
    written(shop, f'customers:\n  "Acme ": {ACME}\n')
    codes = []
    for _ in range(3):
        codes.append(shop.run("apply", "-f", FILE, *AGREED).code)
        forgotten(shop)
    assert (codes, len(active(shop))) == ([0, 3, 3], 1)


def test_the_line_of_the_hint_binds_it_and_the_other_one_creates_it(shop: Online) -> None:
    (there,) = shop.load({"external_id": "acme", "name": "A1"})
    written(shop, f"customers:\n  Acme: {ACME}\n")
    (blocked,) = shop.run("plan", "-f", FILE, "--format", "json").json["blocked"]
    assert (blocked["ids"], f"`id: {there}`" in blocked["hint"]) == ([there], True)
    written(shop, f"customers:\n  Acme: {{id: {there}, name: A1}}\n")
    assert shop.run("apply", "-f", FILE, *AGREED).code == 0
    written(
        shop, f"customers:\n  Acme: {{id: {there}, name: A1}}\n  ACME: {{name: A1, distinct_from: [{there}, Acme]}}\n"
    )
    assert shop.run("apply", "-f", FILE, *AGREED).code == 0
    assert active(shop) == ["ACME", "acme"]


def test_a_renamed_key_changes_nothing_until_the_line_of_the_plan_is_written(shop: Online) -> None:
    written(shop, f"customers:\n  a: {ACME}\n  00123: {{name: N}}\n")
    assert shop.run("apply", "-f", FILE, *AGREED).code == 0
    new = f"customers:\n  a2: {ACME}\n  123: {{name: N}}\n"
    written(shop, new)
    sent = len(shop.writes())
    assert shop.run("apply", "-f", FILE, *AGREED).code == 3
    assert len(shop.writes()) == sent
    plan = shop.run("plan", "-f", FILE, "--format", "json").json
    moves = {tuple(one["moved"].items()) for one in plan["blocked"]}
    assert ([one["address"] for one in plan["blocked"]], plan["changes"]) == (["00123", "123", "a", "a2"], [])
    lines = ", ".join(f"{{from: {dict(move)['from']}, to: {dict(move)['to']}}}" for move in sorted(moves))
    written(shop, f"{new}moved: [{lines}]\n")
    assert shop.run("apply", "-f", FILE, *AGREED).code == 0
    assert active(shop) == ["00123", "a"]
    assert [row["external_id"] for row in json.loads(shop.ledger())["bindings"]] == ["123", "a2"]


@pytest.mark.parametrize("how", ["option", "saved", "file"])
def test_who_insists_gets_a_new_customer_and_the_old_one_archived(shop: Online, how: str) -> None:
    written(shop, f"customers:\n  a: {ACME}\n")
    assert shop.run("apply", "-f", FILE, *AGREED).code == 0
    said = ", distinct_from: [a]" if how == "file" else ""
    written(shop, f"customers:\n  a2: {{name: A1, email: a@x.example{said}}}\n")
    insist = () if how == "file" else ("--allow-recreate", "a2")
    if how == "saved":
        assert shop.run("plan", "-f", FILE, "--out", "a.plan", *AGREED[1:], *insist).code == 0
        assert shop.run("apply", "a.plan", "-f", FILE, *AGREED).code == 0
    else:
        assert shop.run("apply", "-f", FILE, *AGREED, *insist).code == 0
    assert active(shop) == ["a2"]


CHAINS = ("[{from: a, to: b}, {from: b, to: c}]", "[{from: a, to: c}, {from: b, to: c}]")


@pytest.mark.parametrize("known", ["a", "b", "c", ""])
@pytest.mark.parametrize("lines", CHAINS)
def test_moves_lead_from_whatever_key_an_environment_knows(shop: Online, known: str, lines: str) -> None:
    if known:
        written(shop, f"customers:\n  {known}: {ACME}\n")
        assert shop.run("apply", "-f", FILE, *AGREED).code == 0
    written(shop, f"customers:\n  c: {ACME}\nmoved: {lines}\n")
    assert shop.run("apply", "-f", FILE, *AGREED).code == 0
    assert active(shop) == [known or "c"]
    assert shop.run("plan", "-f", FILE, "--detailed-exitcode").code == 0
