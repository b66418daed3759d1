"""`drift --accept`: what the live side changed is written into the files, and nothing else of them changes."""

from __future__ import annotations

import difflib

import pytest
from command_line import EPOCH_S, Online, Ran

from reconciler.rules import archive

pytest_plugins = ("command_fixtures",)

BLOCK = """\
# customers of the west
version: 1
customers:
  acme:
    name: Acme   # the first one
    email: billing@acme.example
    city: Boston
  globex: {name: Globex, email: accounts@globex.example}
"""
FLOW = """\
customers: {acme: {name: Acme, email: billing@acme.example, city: Boston}, globex: {name: Globex}} # all
"""
QUOTED = """\
customers:
  "acme":
    'name': "Acme"
    email: billing@acme.example
    city: 'Boston' # HQ

  globex:
    name: Globex
"""
ANCHORED = """\
customers:
  acme: {name: Acme, email: billing@acme.example, city: &hq Boston}
  globex: {name: Globex}
"""
SHARED = """\
customers:
  acme: {name: Acme, city: &hq Boston}
  globex: {name: Globex, city: *hq}
"""
CRLF = BLOCK.replace("\n", "\r\n")


def accept(shop: Online, *words: str) -> Ran:
    return shop.run("drift", "-f", "customers.yaml", "--accept", *words)


def drifted(shop: Online, text: str, **fields: str) -> None:
    """Apply a file; then let somebody change fields of acme."""
    assert shop.applied(text).code == 0
    shop.later()
    shop.load({"id": shop.id_of("acme"), **fields})


def changed(shop: Online, before: str) -> list[str]:
    """Return the lines that the file has lost and won."""
    after = (shop.folder / "customers.yaml").read_bytes().decode()
    lines = difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True))
    return [line for line in lines if line[0] in "+-"]


def settled(shop: Online) -> bool:
    """Say that neither drift nor a plan finds anything, and that nothing was sent."""
    seen = shop.run("drift", "-f", "customers.yaml"), shop.run("plan", "-f", "customers.yaml", "--detailed-exitcode")
    return [ran.code for ran in seen] == [0, 0]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (BLOCK, ["-     city: Boston\n", "+     city: Dover\n"]),
        (FLOW, ["- " + FLOW, "+ " + FLOW.replace("Boston", "Dover")]),
        (QUOTED, ["-     city: 'Boston' # HQ\n", "+     city: 'Dover' # HQ\n"]),
        (
            ANCHORED,
            [
                "-   acme: {name: Acme, email: billing@acme.example, city: &hq Boston}\n",
                "+   acme: {name: Acme, email: billing@acme.example, city: &hq Dover}\n",
            ],
        ),
        (CRLF, ["-     city: Boston\r\n", "+     city: Dover\r\n"]),
    ],
    ids=["block", "flow", "quoted", "anchored", "crlf"],
)
def test_only_the_line_of_the_accepted_value_changes(shop: Online, text: str, lines: list[str]) -> None:
    drifted(shop, text, city="Dover")
    writes = len(shop.writes())
    ran = accept(shop)
    assert (ran.code, changed(shop, text)) == (0, lines), ran.all
    assert (settled(shop), len(shop.writes())) == (True, writes)


def test_what_is_accepted_is_recorded_by_the_next_apply_and_not_before(shop: Online) -> None:
    drifted(shop, BLOCK, city="Dover")
    before = shop.ledger(), shop.run("history").out
    accept(shop)
    assert (shop.ledger(), shop.run("history").out, settled(shop)) == (*before, True)
    assert shop.run("apply", "-f", "customers.yaml", "--auto-approve").code == 0
    shop.load({"id": shop.id_of("acme"), "city": "Salem"})
    (finding,) = shop.run("drift", "-f", "customers.yaml", "--format", "json").json["findings"]
    assert [(one["applied"], one["live"], one["cause"]) for one in finding["fields"]] == [("Dover", "Salem", "drift")]


@pytest.mark.parametrize("what", ["city", "archived"])
def test_what_is_accepted_and_discarded_is_drift_again(shop: Online, what: str) -> None:
    drifted(shop, BLOCK, **({"city": "Dover"} if what == "city" else {}))
    if what == "archived":
        archive(shop.emulator.account, shop.emulator.behaviour, shop.id_of("acme"), EPOCH_S)
    before = shop.run("drift", "-f", "customers.yaml", "--format", "json").json["findings"]
    assert (accept(shop).code, settled(shop)) == (0, True)
    shop.write("customers.yaml", BLOCK)
    again = shop.run("drift", "-f", "customers.yaml", "--format", "json")
    assert (again.code, again.json["findings"], len(before)) == (2, before, 1)


def test_a_field_that_was_emptied_is_wanted_empty(shop: Online) -> None:
    drifted(shop, BLOCK, city="")
    accept(shop)
    assert changed(shop, BLOCK) == ["-     city: Boston\n", "+     city: null\n"]
    assert settled(shop)


def test_a_name_that_was_emptied_is_left_as_a_customer_needs_one(shop: Online) -> None:
    drifted(shop, BLOCK, name="")
    ran = accept(shop)
    assert (ran.code, changed(shop, BLOCK)) == (2, [])
    assert "not taken over: acme name: a customer cannot be declared without a name" in ran.out


def test_a_customer_that_somebody_archived_is_declared_archived(shop: Online) -> None:
    drifted(shop, BLOCK)
    archive(shop.emulator.account, shop.emulator.behaviour, shop.id_of("acme"), EPOCH_S)
    assert accept(shop).code == 0
    assert changed(shop, BLOCK) == ["+     archived: true\n"]
    assert settled(shop)


def test_what_an_alias_shares_is_left_and_shown_as_a_patch(shop: Online) -> None:
    drifted(shop, SHARED, city="Dover")
    ran = accept(shop)
    assert (ran.code, changed(shop, SHARED)) == (2, [])
    assert "not taken over: acme city: customers.yaml: " in ran.out
    assert "-    city: Boston\n+    city: Dover\n" in ran.out


def test_a_masked_run_prints_no_patch(shop: Online) -> None:
    drifted(shop, SHARED, city="Dover")
    ran = accept(shop, "--redact")
    assert (ran.code, "not taken over: acme city" in ran.out, "Dover" in ran.all) == (2, True, False)


def test_an_edit_that_is_not_applied_stays_an_edit(shop: Online) -> None:
    drifted(shop, BLOCK, city="Dover")
    edited = BLOCK.replace("name: Acme ", "name: Acme Corp ")
    shop.write("customers.yaml", edited)
    accept(shop)
    assert changed(shop, edited) == ["-     city: Boston\n", "+     city: Dover\n"]
    plan = shop.run("plan", "-f", "customers.yaml", "--format", "json").json
    assert [[field["name"] for field in one["fields"]] for one in plan["changes"]] == [["name"]]


def test_a_value_of_an_overlay_is_edited_there(shop: Online) -> None:
    project = "version: 1\nfiles: [customers]\nenvironments: {default: {overlays: [over.yaml]}}\n"
    base, over = "customers:\n  acme: {name: Acme, city: Boston}\n", "customers:\n  acme: {city: Salem}\n"
    shop.write("reconciler.yaml", project)
    shop.write("customers/a.yaml", base)
    shop.write("over.yaml", over)
    assert shop.run("apply", "--auto-approve").code == 0
    shop.later()
    shop.load({"id": shop.id_of("acme"), "city": "Dover", "name": "Acme Corp"})
    assert shop.run("drift", "--accept").code == 0
    texts = [(shop.folder / name).read_text("utf-8") for name in ("customers/a.yaml", "over.yaml")]
    assert texts == [base.replace("Acme,", "Acme Corp,"), over.replace("Salem", "Dover")]
    assert shop.run("drift").code == 0


def test_a_value_of_the_defaults_is_written_into_the_customer(shop: Online) -> None:
    text = "defaults: {country: USA}\ncustomers:\n  acme: {name: Acme}\n  globex: {name: Globex}\n"
    drifted(shop, text, country="Canada")
    accept(shop)
    assert changed(shop, text) == ["-   acme: {name: Acme}\n", "+   acme: {name: Acme, country: Canada}\n"]
    assert settled(shop)


def test_what_cannot_be_accepted_is_said_with_what_to_do(shop: Online) -> None:
    drifted(shop, BLOCK)
    shop.load({"external_id": "globex", "name": "Twin"})
    ran = accept(shop)
    assert (ran.code, changed(shop, BLOCK), "`reconciler duplicates` shows which one to archive" in ran.out) == (
        2,
        [],
        True,
    )


def test_without_drift_nothing_is_written(shop: Online) -> None:
    drifted(shop, BLOCK)
    ledger = shop.ledger()
    assert (accept(shop).code, changed(shop, BLOCK), shop.ledger()) == (0, [], ledger)


def test_an_ignored_finding_is_not_accepted(shop: Online) -> None:
    drifted(shop, BLOCK, city="Dover")
    shop.write("drift-ignore.yaml", "version: 1\nignore: [{key: acme, until: 2999-01-01, reason: known}]\n")
    assert (accept(shop).code, changed(shop, BLOCK)) == (0, [])


def test_a_hostile_value_is_accepted_as_text(shop: Online) -> None:
    value = "a: 'b' # \u202e\x1b[31m {x} *y"
    drifted(shop, BLOCK, city=value)
    assert accept(shop).code == 0
    assert settled(shop)
    assert "\u202e" not in (shop.folder / "customers.yaml").read_text("utf-8")
