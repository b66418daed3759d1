"""`plan --out` and `apply PLAN`: exactly what was shown, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import ONE, THREE, Online

pytest_plugins = ("command_fixtures",)


def save(shop: Online, *words: str, text: str = THREE) -> Path:
    """Save the plan for a customers file, and return where."""
    if text:
        shop.write("customers.yaml", text)
    ran = shop.run("plan", *(words or ("-f", "customers.yaml")), "--out", "today.plan")
    assert ran.code == 0, ran.err
    return shop.folder / "today.plan"


def refused(shop: Online, *words: str, **variables: str) -> str:
    """Apply the saved plan and return the message, having seen that nothing changed."""
    before = (shop.account(), shop.ledger(), shop.writes())
    ran = shop.run("apply", "today.plan", "--auto-approve", *words, **variables)
    assert (ran.code, ran.out, shop.account(), shop.ledger(), shop.writes()) == (3, "", *before), ran.err
    return ran.err.splitlines()[0]


def test_a_saved_plan_is_its_owners_alone(shop: Online) -> None:
    assert save(shop).stat().st_mode & 0o777 == 0o600


def test_a_saved_plan_that_is_written_over_stays_its_owners_alone(shop: Online) -> None:
    shop.write("today.plan", "old").chmod(0o644)
    assert save(shop).stat().st_mode & 0o777 == 0o600


def test_a_saved_plan_needs_no_files_to_be_named_again(shop: Online) -> None:
    save(shop)
    ran = shop.run("apply", "today.plan", "--auto-approve")
    assert (ran.code, len(shop.writes())) == (0, 4)


def test_a_saved_plan_keeps_its_targets_and_its_folder(shop: Online) -> None:
    shop.write("customers/a.yaml", THREE)
    save(shop, "-f", "customers", "--target", "g*", text="")
    ran = shop.run("apply", "today.plan", "--auto-approve")
    assert (ran.code, [one[0]["external_id"] for one in shop.account().values()]) == (0, ["globex"])


def test_a_saved_plan_with_overlays_reads_them_as_overlays(shop: Online) -> None:
    shop.write("reconciler.yaml", "version: 1\nfiles: [customers]\nenvironments: {default: {overlays: [over.yaml]}}\n")
    shop.write("customers/a.yaml", ONE)
    shop.write("over.yaml", "customers: {acme: {city: Dover}}\n")
    save(shop, "--refresh", "auto", text="")
    assert shop.run("apply", "today.plan", "--auto-approve").code == 0
    assert shop.named("acme")["city"] == "Dover"


def test_a_saved_plan_was_held_against_the_limits_with_its_own_flags(shop: Online) -> None:
    shop.applied(THREE)
    save(shop, "-f", "customers.yaml", "--max-archives", "3", text="customers: {}\n")
    assert shop.run("apply", "today.plan", "--auto-approve").code == 0


def test_a_saved_plan_over_a_limit_is_refused_unless_the_flag_comes_with_it(shop: Online) -> None:
    shop.applied(THREE)
    save(shop, text="customers: {}\n")
    before = shop.account()
    ran = shop.run("apply", "today.plan", "--auto-approve")
    assert (ran.code, shop.account()) == (3, before)
    assert shop.run("apply", "today.plan", "--auto-approve", "--max-archives", "3").code == 0


def test_a_plan_for_another_environment_is_refused(shop: Online) -> None:
    save(shop)
    said = "error: the plan is for the environment default, and this is demo; nothing was sent"
    assert refused(shop, AP_ENVIRONMENT="demo") == said


def test_a_plan_for_another_base_url_is_refused(shop: Online) -> None:
    save(shop)
    url = shop.variables["AP_BASE_URL"]
    said = f"error: the plan is for the base URL {url}, and this is {url}/other; nothing was sent"
    assert refused(shop, AP_BASE_URL=f"{url}/other") == said


def test_a_plan_for_another_account_is_refused(shop: Online) -> None:
    save(shop)
    assert refused(shop, AP_CLIENT_ID="other") == ("error: the plan is for another API key's account; nothing was sent")


def altered(text: str) -> str:
    return text.replace("Acme", "Axme")


def cut(text: str) -> str:
    return text[: len(text) // 2]


def newer(text: str) -> str:
    return text.replace('"format_version": "1"', '"format_version": "2"')


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (altered, "the plan was altered after it was saved: its digest differs"),
        (cut, "the plan is cut or damaged: it is not whole JSON"),
        (newer, 'the plan is of format "2", and this version reads format 1'),
        (lambda _: "", "this is not a saved plan: it is not JSON"),
        (lambda _: "[]", "this is not a saved plan: it has no format_version"),
        (lambda _: ONE, "this is not a saved plan: it is not JSON"),
        (lambda _: '{"format_version": "1"}', "the plan has no digest: it was printed with --format json, not saved"),
        (lambda _: "[" * 100_000, "this is not a saved plan: it is not JSON"),
    ],
)
def test_a_plan_that_is_not_as_it_was_saved_is_refused(
    shop: Online, change: Callable[[str], str], message: str
) -> None:
    path = save(shop)
    path.write_text(change(path.read_text("utf-8")), "utf-8")
    assert refused(shop) == f"error: {message}"


def test_a_plan_that_is_no_text_or_not_there_is_an_error(shop: Online) -> None:
    shop.write("today.plan", b"\xff\xfe\x00")
    ran = shop.run("apply", "today.plan", "--auto-approve")
    assert (ran.code, ran.err) == (1, "error: today.plan: it is not UTF-8 text\n  check the path\n")
    ran = shop.run("apply", "yesterday.plan", "--auto-approve")
    assert (ran.code, ran.err) == (
        1,
        "error: yesterday.plan: it cannot be read: No such file or directory\n  check the path\n",
    )
    assert shop.requests() == 0


def test_a_plan_whose_file_has_changed_is_refused_before_any_request(shop: Online) -> None:
    save(shop)
    shop.write("customers.yaml", THREE.replace("Boston", "Dover"))
    sent = shop.requests()
    assert refused(shop) == "error: customers.yaml: it has changed since the plan was made; nothing was sent"
    assert shop.requests() == sent


def test_a_plan_whose_file_has_gone_is_refused(shop: Online) -> None:
    save(shop)
    (shop.folder / "customers.yaml").unlink()
    assert refused(shop).startswith("error: customers.yaml: the plan was made from this file, and it cannot be read")


def test_a_plan_whose_folder_has_another_file_is_refused(shop: Online) -> None:
    shop.write("customers/a.yaml", THREE)
    save(shop, "-f", "customers", text="")
    shop.write("customers/b.yaml", "customers: {}\n")
    assert refused(shop) == "error: customers/b.yaml: the plan was made without this file; nothing was sent"


def test_a_plan_is_stale_where_a_value_is_not_the_one_that_was_shown(shop: Online) -> None:
    shop.applied(ONE)
    shop.later()
    save(shop, text=ONE.replace("Boston", "Dover"))
    shop.load({"id": shop.id_of("acme"), "city": "Lima"})
    assert refused(shop) == "error: the plan is stale: patch acme is another one now; nothing was sent"


def test_a_plan_is_stale_where_somebody_else_did_it_meanwhile(shop: Online) -> None:
    shop.applied(ONE)
    shop.later()
    save(shop, text=ONE.replace("Boston", "Dover"))
    shop.load({"id": shop.id_of("acme"), "city": "Dover"})
    assert refused(shop) == (
        "error: the plan is stale: patch acme is in it, and is not needed or not possible any more; nothing was sent"
    )


def test_a_plan_is_stale_where_a_key_was_created_meanwhile(shop: Online) -> None:
    save(shop, text=ONE)
    shop.load({"external_id": "acme", "name": "Acme", "email": "billing@acme.example", "city": "Boston"})
    assert refused(shop) == (
        "error: the plan is stale: create acme is in it, and is not needed or not possible any more; nothing was sent"
    )


def test_a_plan_is_stale_where_more_is_needed_now(shop: Online) -> None:
    shop.applied(ONE)
    shop.later()
    save(shop, text=THREE)
    shop.load({"id": shop.id_of("acme"), "city": "Lima"})
    assert refused(shop) == "error: the plan is stale: patch acme is needed now and is not in it; nothing was sent"


def test_a_plan_that_was_half_done_is_done_by_its_second_run(shop: Online) -> None:
    save(shop)
    usual = shop.emulator.behaviour
    shop.emulator.behaviour = usual.changed({"required": ["city"]})
    half = shop.run("apply", "today.plan", "--auto-approve", "--format", "json")
    assert (half.code, half.json["summary"]["done"], half.json["summary"]["failed"]) == (1, 2, 2)
    shop.emulator.behaviour = usual
    rest = shop.run("apply", "today.plan", "--auto-approve", "--format", "json")
    assert (rest.code, sorted(row["address"] for row in rest.json["outcomes"])) == (0, ["globex", "initech"])
    assert shop.run("apply", "today.plan", "--auto-approve").code == 0


def test_a_plan_whose_customer_was_created_without_its_user_creates_the_user(shop: Online) -> None:
    shop.load({"name": "Another", "users": [{"email": "jane@acme.example"}]})
    save(shop)
    usual = shop.emulator.behaviour
    shop.emulator.behaviour = usual.changed({"user_unique": "account"})
    assert shop.run("apply", "today.plan", "--auto-approve").code == 1
    shop.emulator.behaviour = usual
    rest = shop.run("apply", "today.plan", "--auto-approve", "--format", "json")
    assert (rest.code, [row["address"] for row in rest.json["outcomes"]]) == (0, ["acme/jane@acme.example"])
