from __future__ import annotations

import json

from command_line import Online

pytest_plugins = ("command_fixtures",)

FILE = """\
customers:
  acme: {name: Acme, email: a@acme.example, city: New York}
  globex: {name: Globex, email: g@globex.example}
"""


def saved(shop: Online) -> None:
    """Save a plan that patches acme, which is live, and creates globex; then remove the file that it was made from."""
    shop.load({"external_id": "acme", "name": "Acme", "email": "a@acme.example", "city": "Boston"})
    shop.write("customers.yaml", FILE)
    assert shop.run("plan", "-f", "customers.yaml", "--out", "today.plan").code == 0
    (shop.folder / "customers.yaml").unlink()


def test_a_plan_alone_needs_none_of_its_files(shop: Online) -> None:
    saved(shop)
    assert shop.run("apply", "today.plan", "--auto-approve").code == 3
    done = shop.run("apply", "today.plan", "--plan-only", "--auto-approve", "--format", "json")
    assert (done.code, done.json["summary"]["done"]) == (0, 2)
    shop.write("customers.yaml", FILE)
    assert json.loads(shop.run("plan", "-f", "customers.yaml", "--format", "json").out)["summary"]["unchanged"] == 2


def test_a_plan_alone_is_refused_where_a_field_is_not_what_it_saw(shop: Online) -> None:
    saved(shop)
    shop.load({"id": shop.id_of("acme"), "city": "Albany"})
    refused = shop.run("apply", "today.plan", "--plan-only", "--auto-approve")
    assert (refused.code, "patch acme: it has another city now; nothing was sent" in refused.err) == (3, True)
    assert [one[0]["city"] for one in shop.account().values()] == ["Albany"]


def test_a_plan_alone_is_refused_where_a_key_was_created_meanwhile(shop: Online) -> None:
    saved(shop)
    shop.load({"external_id": "globex", "name": "Other"})
    refused = shop.run("apply", "today.plan", "--plan-only", "--auto-approve")
    assert (refused.code, "create globex: it was created meanwhile" in refused.err) == (3, True)


def test_a_plan_alone_that_was_half_done_is_done_by_its_second_run(shop: Online) -> None:
    saved(shop)
    usual = shop.emulator.behaviour
    shop.emulator.behaviour = usual.changed({"required": ["city"]})
    half = shop.run("apply", "today.plan", "--plan-only", "--auto-approve", "--format", "json")
    assert (half.code, half.json["summary"]["done"], half.json["summary"]["failed"]) == (1, 1, 1)
    shop.emulator.behaviour = usual
    rest = shop.run("apply", "today.plan", "--plan-only", "--auto-approve", "--format", "json")
    assert (rest.code, [row["address"] for row in rest.json["outcomes"]]) == (0, ["globex"])


def test_plan_only_without_a_plan_is_an_error(shop: Online) -> None:
    wrong = shop.run("apply", "--plan-only", "--auto-approve")
    assert (wrong.code, "--plan-only takes a saved plan" in wrong.err) == (1, True)
