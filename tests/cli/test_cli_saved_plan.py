"""`plan --out` and `apply PLAN`: what was shown, planned again just so, or nothing."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import EPOCH_S, ONE, THREE, Online, Ran, fits

from reconciler.emulator.fault_settings import switched
from reconciler.rules import archive

pytest_plugins = ("command_fixtures",)


def save(shop: Online, *words: str, text: str = THREE) -> Path:
    """Save the plan for a customers file, and return where."""
    if text:
        shop.write("customers.yaml", text)
    ran = shop.run("plan", *(words or ("-f", "customers.yaml")), "--out", "today.plan")
    assert ran.code == 0, ran.err
    return shop.folder / "today.plan"


FILES = ("-f", "customers.yaml")


def refused(shop: Online, *words: str, **variables: str) -> list[str]:
    """Apply the saved plan and return what stderr says, having seen that nothing changed."""
    before = (shop.account(), shop.ledger(), shop.writes())
    ran = shop.run("apply", "today.plan", "--auto-approve", *(words or FILES), **variables)
    assert (ran.code, ran.out, shop.account(), shop.ledger(), shop.writes()) == (3, "", *before), ran.err
    return ran.err.splitlines()


def stale(shop: Online, *words: str) -> list[str]:
    """Apply the saved plan and return why which change is stale, having seen that nothing changed."""
    *lines, error, hint = refused(shop, *words)
    assert error.startswith(f"error: the plan is stale: {len(lines)} of "), error
    assert error.endswith(" not planned again as saved; nothing was sent"), error
    assert hint.endswith("make a new plan: reconciler plan --out FILE"), hint
    return [line.removeprefix("stale: ") for line in lines]


def applied(shop: Online, *words: str) -> Ran:
    """Apply the saved plan."""
    return shop.run("apply", "today.plan", *FILES, "--auto-approve", *words)


def test_a_saved_plan_is_its_owners_alone(shop: Online) -> None:
    assert save(shop).stat().st_mode & 0o777 == 0o600


def test_a_saved_plan_that_is_written_over_stays_its_owners_alone(shop: Online) -> None:
    shop.write("today.plan", "old").chmod(0o644)
    assert save(shop).stat().st_mode & 0o777 == 0o600


def test_a_saved_plan_never_says_which_files_are_read(shop: Online) -> None:
    save(shop)
    ran = shop.run("apply", "today.plan", "--auto-approve")
    assert (ran.code, shop.writes()) == (1, [])
    assert ran.err == (
        "error: no customers files are named, and a saved plan does not name any; nothing was sent\n"
        "  name the same files as for the plan: reconciler apply today.plan -f customers.yaml\n"
    )
    assert (applied(shop).code, len(shop.writes())) == (0, 4)


def test_a_file_that_is_none_of_the_projects_is_named_at_apply_too(shop: Online) -> None:
    shop.write("reconciler.yaml", "version: 1\nfiles: [customers]\n")
    shop.write("customers/a.yaml", ONE)
    shop.write("other file.yaml", THREE)
    save(shop, "-f", "other file.yaml", text="")
    error, hint = refused(shop, "--refresh", "auto")[-2:]
    assert error == "error: the plan is stale: 3 of 4 changes are not planned again as saved; nothing was sent"
    assert hint == (
        "  the plan was made from files that were not read this time: "
        "reconciler apply today.plan -f 'other file.yaml'; "
        "or make a new plan: reconciler plan --out FILE"
    )
    assert shop.run("apply", "today.plan", "-f", "other file.yaml", "--auto-approve").code == 0


def test_the_command_that_is_named_reads_what_the_plan_was_made_from_and_works(shop: Online) -> None:
    shop.write("customers/a.yaml", ONE)
    shop.write("more/b.yaml", "customers: {globex: {name: Globex}}\n")
    shop.write("c.yaml", "customers: {initech: {name: Initech}}\n")
    save(shop, "-f", "customers", "-f", "more/*.yaml", "-f", "c.yaml", text="")
    said = shop.run("apply", "today.plan", "--auto-approve").err.splitlines()[1]
    command = "reconciler apply today.plan -f customers -f 'more/*.yaml' -f c.yaml"
    assert said == f"  name the same files as for the plan: {command}"
    assert shop.run(*shlex.split(command)[1:], "--auto-approve").code == 0


def test_a_plan_of_standard_input_is_given_it_again(shop: Online) -> None:
    assert shop.run("plan", "-f", "-", "--out", "today.plan", stdin=ONE.encode()).code == 0
    said = shop.run("apply", "today.plan", "--auto-approve").err.splitlines()[1]
    assert said == "  name the same files as for the plan: reconciler apply today.plan -f -"
    assert shop.run("apply", "today.plan", "-f", "-", "--auto-approve", stdin=ONE.encode()).code == 0


def test_a_saved_plan_keeps_its_targets(shop: Online) -> None:
    shop.write("customers/a.yaml", THREE)
    save(shop, "-f", "customers", "--target", "g*", text="")
    ran = shop.run("apply", "today.plan", "-f", "customers", "--auto-approve")
    assert (ran.code, [one[0]["external_id"] for one in shop.account().values()]) == (0, ["globex"])


def test_a_saved_plan_that_listed_all_users_is_applied_so(shop: Online) -> None:
    shop.applied(THREE)
    shop.later()
    shop.emulator.account.users.clear()
    save(shop, *FILES, "--refresh", "full", text="")
    ran = applied(shop)
    assert (ran.code, shop.account()[shop.id_of("acme")][2]) == (0, ["jane@acme.example"])


def test_a_saved_plan_with_overlays_reads_them_as_overlays(shop: Online) -> None:
    shop.write("reconciler.yaml", "version: 1\nfiles: [customers]\nenvironments: {default: {overlays: [over.yaml]}}\n")
    shop.write("customers/a.yaml", ONE)
    shop.write("over.yaml", "customers: {acme: {city: Dover}}\n")
    save(shop, "--refresh", "auto", text="")
    assert shop.run("apply", "today.plan", "--auto-approve").code == 0
    assert shop.named("acme")["city"] == "Dover"


def test_a_flag_that_was_given_when_a_plan_was_saved_is_asked_for_again(shop: Online) -> None:
    shop.applied(THREE)
    save(shop, *FILES, "--max-archives", "3", text="customers: {}\n")
    assert "over a limit: max_archives: 3 planned, 1 allowed" in applied(shop).err
    assert shop.run("apply", "today.plan", *FILES, "--auto-approve", "--max-archives", "3").code == 0


def test_the_policy_of_now_counts_and_not_that_of_when_a_plan_was_saved(shop: Online) -> None:
    project = "version: 1\nfiles: [customers.yaml]\nenvironments: {default: {policy: {max_archives: %s}}}\n"
    shop.write("reconciler.yaml", project % 3)
    shop.applied(THREE)
    save(shop, "--refresh", "auto", text="customers: {}\n")
    shop.write("reconciler.yaml", project % 1)
    before = shop.account()
    ran = shop.run("apply", "today.plan", "--auto-approve")
    assert (ran.code, shop.account()) == (3, before)
    assert "error: over a limit: max_archives (reconciler.yaml:3:49): 3 planned, 1 allowed" in ran.err
    shop.write("reconciler.yaml", project % 3)
    assert shop.run("apply", "today.plan", "--auto-approve").code == 0


def test_a_plan_for_another_environment_is_refused(shop: Online) -> None:
    save(shop)
    said = "error: the plan is for the environment default, and this is demo; nothing was sent"
    assert refused(shop, AP_ENVIRONMENT="demo")[0] == said


def test_a_plan_for_another_base_url_is_refused(shop: Online) -> None:
    save(shop)
    url = shop.variables["AP_BASE_URL"]
    said = f"error: the plan is for the base URL {url}, and this is {url}/other; nothing was sent"
    assert refused(shop, AP_BASE_URL=f"{url}/other")[0] == said


def altered(text: str) -> str:
    return text.replace("Acme", "Axme")


def cut(text: str) -> str:
    return text[: len(text) // 2]


def newer(text: str) -> str:
    return text.replace('"format_version": "2"', '"format_version": "3"')


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (altered, "The plan was edited after it was saved: its digest does not match."),
        (cut, "The plan is cut off or damaged: it is not complete JSON."),
        (newer, "The plan has format \"3\", and this version reads '1' and '2'."),
        (lambda _: "", "This is not a saved plan: it is not JSON."),
        (lambda _: "[]", "This is not a saved plan: it has no format_version."),
        (lambda _: ONE, "This is not a saved plan: it is not JSON."),
        (
            lambda _: '{"format_version": "1"}',
            "The plan has no digest: it was printed with `--format json`, not saved with `--out`.",
        ),
        (lambda _: "[" * 100_000, "This is not a saved plan: it is not JSON."),
    ],
)
def test_a_plan_that_is_not_as_it_was_saved_is_refused(
    shop: Online, change: Callable[[str], str], message: str
) -> None:
    path = save(shop)
    path.write_text(change(path.read_text("utf-8")), "utf-8")
    assert refused(shop)[0] == f"error: {message}"


def test_a_plan_that_is_no_text_or_not_there_is_an_error(shop: Online) -> None:
    shop.write("today.plan", b"\xff\xfe\x00")
    ran = shop.run("apply", "today.plan", "--auto-approve")
    assert (ran.code, ran.err.splitlines()[0]) == (3, "error: This is not a saved plan: it is not JSON.")
    ran = shop.run("apply", "yesterday.plan", "--auto-approve")
    assert (ran.code, ran.err) == (
        1,
        "error: yesterday.plan: it cannot be read: No such file or directory\n  check the path\n",
    )
    assert shop.requests() == 0


def test_a_plan_whose_file_has_changed_elsewhere_is_done_and_the_rest_is_listed(shop: Online) -> None:
    shop.applied(ONE)
    shop.later()
    save(shop, text=ONE.replace("Boston", "Dover"))
    shop.write("customers.yaml", ONE.replace("Boston", "Dover") + "  globex: {name: Globex}\n")
    ran = applied(shop)
    assert (ran.code, shop.writes()[1:]) == (2, [f"PATCH /customers/{shop.id_of('acme')}"])
    assert "Needed since the plan was saved, not approved, and not made (1)\n  + globex  declared" in ran.out
    assert ran.err.splitlines()[-1] == (
        "1 change is needed since the plan was saved, not approved, and not done; "
        "make a new plan: reconciler plan --out FILE"
    )


def test_what_is_needed_since_and_not_approved_stands_in_the_document(shop: Online) -> None:
    shop.applied(ONE)
    shop.later()
    save(shop, text=THREE.replace("Boston", "Dover"))
    shop.load({"id": shop.id_of("acme"), "country": "FRA"}, {"external_id": "hooli", "name": "Hooli"})
    shop.write("customers.yaml", THREE.replace("Boston", "Dover") + "  hooli: {name: Hooli Inc}\n")
    ran = applied(shop, "--format", "json", "--json-events", "events")
    assert (ran.code, fits(ran.json, "result")) == (2, True)
    assert ran.json["needed_since"] == [
        {
            "action": "patch",
            "address": "hooli",
            "external_id": "hooli",
            "id": shop.id_of("hooli"),
            "reason": "declared",
        }
    ]
    made = json.loads((shop.folder / "events").read_text().splitlines()[0])
    assert (made["event"], made["needed_since"], made["patch"]) == ("plan_made", 1, 1)
    assert shop.named("hooli")["name"] == "Hooli"


def test_a_hand_edit_of_another_customer_is_left_alone_and_listed(shop: Online) -> None:
    shop.applied(THREE)
    shop.later()
    save(shop, text=THREE.replace("Boston", "Dover"))
    shop.load({"id": shop.id_of("globex"), "name": "Glob"})
    ran = applied(shop)
    assert (ran.code, shop.named("acme")["city"], shop.named("globex")["name"]) == (2, "Dover", "Glob")
    assert "~ globex" in ran.out


def test_what_is_needed_since_is_masked_where_that_is_asked_for(shop: Online) -> None:
    shop.applied(ONE)
    shop.later()
    save(shop, text=ONE.replace("Boston", "Dover"))
    shop.write("customers.yaml", THREE.replace("Boston", "Dover"))
    for form in ("text", "json"):
        ran = shop.run("apply", "today.plan", *FILES, "--auto-approve", "--redact", "--format", form)
        assert ("jane@" in ran.all, "acme/***" in ran.out) == (False, True)


def test_a_plan_is_stale_where_a_value_is_not_the_one_that_was_shown(shop: Online) -> None:
    shop.applied(ONE)
    shop.later()
    save(shop, text=ONE.replace("Boston", "Dover"))
    shop.load({"id": shop.id_of("acme"), "city": "Lima"})
    assert stale(shop) == ["patch acme: changed since the plan was saved: city"]


def test_a_plan_is_stale_where_another_value_of_a_customer_is_patched_too(shop: Online) -> None:
    shop.applied(ONE)
    shop.later()
    save(shop, text=ONE.replace("Boston", "Dover"))
    shop.load({"id": shop.id_of("acme"), "name": "Akme"})
    assert stale(shop) == ["patch acme: changed since the plan was saved: name"]


def test_a_plan_is_stale_where_somebody_else_did_it_meanwhile(shop: Online) -> None:
    shop.applied(ONE)
    shop.later()
    save(shop, text=ONE.replace("Boston", "Dover"))
    shop.load({"id": shop.id_of("acme"), "city": "Dover"})
    assert stale(shop) == ["patch acme: it is no longer needed"]


def test_a_plan_is_stale_where_a_key_was_created_meanwhile(shop: Online) -> None:
    save(shop, text=ONE)
    shop.load({"external_id": "acme", "name": "Acme", "email": "billing@acme.example", "city": "Boston"})
    assert stale(shop) == ["create acme: it is no longer needed"]


def test_a_plan_is_stale_where_the_file_of_a_change_says_something_else(shop: Online) -> None:
    save(shop, text=THREE)
    shop.write("customers.yaml", ONE.replace("Boston", "Dover"))
    assert stale(shop) == [
        "create acme: changed since the plan was saved: city",
        "create user acme/jane@acme.example: it is no longer needed",
        "create globex: no file that was read declares it",
        "create initech: no file that was read declares it",
    ]


def test_a_plan_is_stale_where_its_customer_has_to_be_restored_first(shop: Online) -> None:
    shop.applied(ONE)
    shop.later()
    save(shop, text=ONE.replace("Boston", "Dover"))
    archive(shop.emulator.account, shop.emulator.behaviour, shop.id_of("acme"), EPOCH_S)
    assert stale(shop) == ["patch acme: it needs restore first, which is not in the plan"]


GONE = "customers:\n  globex: {name: Globex, email: accounts@globex.example}\n"
BOTH = ONE + "  globex: {name: Globex, email: accounts@globex.example}\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BOTH, "it is declared again"),
        (GONE + "forget: [acme]\n", "it is now under `forget:`"),
        (
            GONE + "  acme-2: {name: Acme, email: billing@acme.example}\nmoved: [{from: acme, to: acme-2}]\n",
            "its key is now acme-2",
        ),
    ],
    ids=["declared", "forgotten", "moved"],
)
def test_what_the_files_keep_now_is_not_archived_by_an_older_plan(shop: Online, text: str, why: str) -> None:
    shop.applied(BOTH)
    shop.later()
    save(shop, text=GONE)
    shop.write("customers.yaml", text)
    assert stale(shop) == [f"archive acme: {why}"]


def test_what_was_protected_since_is_not_archived_by_an_older_plan(shop: Online) -> None:
    shop.applied(BOTH)
    shop.later()
    save(shop, text=GONE)
    shop.applied(BOTH.replace("city: Boston", "protect: true"))
    shop.write("customers.yaml", GONE)
    assert stale(shop) == ["archive acme: It was removed from the files, but it is protected."]


def test_what_the_policy_protects_since_is_not_archived_by_an_older_plan(shop: Online) -> None:
    shop.applied(BOTH)
    shop.later()
    save(shop, text=GONE)
    shop.write("reconciler.yaml", "version: 1\nenvironments: {default: {policy: {protect: [acme]}}}\n")
    (why,) = stale(shop)
    assert why.startswith("archive acme: It was removed from the files, but `policy.protect` protects it.")


def test_what_the_ledger_has_lost_is_not_archived_by_an_older_plan(shop: Online) -> None:
    shop.applied(BOTH)
    shop.later()
    save(shop, text=GONE)
    assert shop.run("state", "rm", "acme").code == 0
    assert stale(shop) == ["archive acme: the ledger does not have it"]


def test_nobody_is_archived_by_an_older_plan_where_the_whole_ledger_is_lost(shop: Online) -> None:
    shop.applied(BOTH)
    shop.later()
    save(shop, text=GONE)
    for one in shop.folder.rglob("*.db*"):
        one.unlink()
    before = shop.account()
    ran = applied(shop)
    assert (ran.code, shop.account()) == (3, before)
    assert ran.err.startswith("stale: archive acme: the ledger does not have it\n")


def test_what_another_run_created_and_archived_is_not_created_again_by_an_older_plan(shop: Online) -> None:
    save(shop, text=BOTH)
    shop.applied(ONE)
    shop.later()
    shop.applied("customers: {}\n")
    shop.later()
    shop.write("customers.yaml", BOTH)
    assert stale(shop) == ["create acme: restore is needed instead"]


def test_a_protection_that_was_applied_since_is_not_lifted_by_an_older_plan(shop: Online) -> None:
    shop.applied(BOTH)
    shop.later()
    save(shop, text=BOTH.replace("Boston", "Dover"))
    shop.applied(BOTH.replace("city: Boston", "city: Boston, protect: true"))
    shop.write("customers.yaml", BOTH.replace("Boston", "Dover"))
    assert applied(shop).code == 0
    assert shop.named("acme")["city"] == "Dover"
    shop.write("customers.yaml", GONE)
    assert "but it is protected" in shop.run("plan", *FILES).out


def test_a_protection_that_only_today_s_files_lift_is_kept_by_an_older_plan(shop: Online) -> None:
    protected = BOTH.replace("city: Boston", "city: Boston, protect: true")
    shop.applied(protected)
    shop.later()
    save(shop, text=protected.replace("Boston", "Dover"))
    shop.write("customers.yaml", BOTH.replace("city: Boston", "city: Dover, protect: false"))
    assert applied(shop).code == 0
    assert protections(shop) == {"acme": True, "globex": False}
    assert shop.run("apply", *FILES, "--auto-approve").code == 0
    assert protections(shop) == {"acme": False, "globex": False}


def test_a_protection_of_another_customer_is_changed_by_the_plan_that_was_made_with_it(shop: Online) -> None:
    shop.applied(BOTH)
    shop.later()
    text = BOTH.replace("Boston", "Dover").replace("{name: Globex", "{protect: true, name: Globex")
    save(shop, text=BOTH.replace("Boston", "Dover"))
    shop.write("customers.yaml", text)
    assert (applied(shop).code, protections(shop)) == (0, {"acme": False, "globex": False})
    save(shop, text=text)
    assert (applied(shop).code, protections(shop)) == (0, {"acme": False, "globex": True})


def protections(shop: Online) -> dict[str, bool]:
    """Return whom the ledger holds as protected."""
    return {row["external_id"]: row["protected"] for row in json.loads(shop.ledger())["bindings"]}


def keys(shop: Online) -> list[str]:
    """Return the keys that the ledger has."""
    return sorted(row["external_id"] for row in json.loads(shop.ledger())["bindings"])


def test_what_is_adopted_or_forgotten_since_is_left_to_the_next_plan(shop: Online) -> None:
    shop.load({"external_id": "hooli", "name": "Hooli"})
    shop.applied(BOTH)
    shop.later()
    save(shop, text=BOTH.replace("Boston", "Dover"))
    shop.write(
        "customers.yaml",
        ONE.replace("Boston", "Dover") + "  hooli: {name: Hooli}\nforget: [globex]\n",
    )
    assert (applied(shop).code, keys(shop)) == (0, ["acme", "globex"])
    save(shop, *FILES, text="")
    assert (applied(shop).code, keys(shop)) == (0, ["acme", "hooli"])


def test_a_plan_that_was_half_done_is_done_by_its_second_run(shop: Online) -> None:
    save(shop)
    usual = shop.emulator.behaviour
    shop.emulator.behaviour = switched(usual, {"required": ["city"]})
    half = applied(shop, "--format", "json")
    assert (half.code, half.json["summary"]["done"], half.json["summary"]["failed"]) == (1, 2, 2)
    shop.emulator.behaviour = usual
    rest = applied(shop, "--format", "json")
    assert (rest.code, sorted(row["address"] for row in rest.json["outcomes"])) == (0, ["globex", "initech"])
    assert applied(shop).code == 0


def test_a_plan_whose_customer_was_created_without_its_user_creates_the_user(shop: Online) -> None:
    shop.load({"name": "Another", "users": [{"email": "jane@acme.example"}]})
    save(shop)
    usual = shop.emulator.behaviour
    shop.emulator.behaviour = switched(usual, {"user_unique": "account"})
    assert applied(shop).code == 1
    shop.emulator.behaviour = usual
    rest = applied(shop, "--format", "json")
    assert (rest.code, [row["address"] for row in rest.json["outcomes"]]) == (0, ["acme/jane@acme.example"])


def test_what_is_changed_by_hand_after_a_plan_was_done_is_not_the_plans(shop: Online) -> None:
    shop.applied(ONE)
    shop.later()
    save(shop, text=ONE.replace("Boston", "Dover"))
    assert applied(shop).code == 0
    shop.later()
    for city in ("Lima", "Boston"):
        shop.load({"id": shop.id_of("acme"), "city": city})
        ran = applied(shop)
        assert (ran.code, shop.named("acme")["city"]) == (2, city)
    save(shop, text="")
    assert (applied(shop).code, shop.named("acme")["city"]) == (0, "Dover")


def test_the_history_names_the_plan_that_was_reviewed(shop: Online) -> None:
    path = save(shop)
    assert applied(shop).code == 0
    (run,) = shop.run("history", "--format", "json").json["runs"]
    plan = json.loads(path.read_text())
    assert (run["plan"], run["command"]) == (plan["fingerprint"], f"apply of plan {plan['digest'][:16]}")


def forged(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what a saved plan says, and give it the digest of what it says then."""
    document = json.loads(path.read_text())
    del document["digest"]
    change(document)
    content = json.dumps(document, sort_keys=True, separators=(",", ":"))
    path.write_text(json.dumps(document | {"digest": hashlib.sha256(content.encode()).hexdigest()}))


def test_a_forged_plan_archives_nobody_that_today_s_files_keep(shop: Online) -> None:
    shop.applied(BOTH)
    shop.later()
    path = save(shop, text=BOTH.replace("Boston", "Dover"))
    row = {"action": "archive", "address": "globex", "external_id": "globex", "id": shop.id_of("globex")}
    forged(path, lambda plan: plan["changes"].append({**row, "reason": "entry_gone", "fields": []}))
    assert stale(shop) == ["archive globex: it is declared again"]


def test_a_forged_plan_gets_past_no_limit(shop: Online) -> None:
    shop.applied(THREE)
    path = save(shop, text="customers: {}\n")
    forged(path, lambda plan: plan.update(limits=[], rows=[{"external_id": "acme", "digest": "0" * 64}]))
    before = shop.account()
    ran = applied(shop)
    assert (ran.code, shop.account()) == (3, before)
    assert "error: over a limit: max_archives: 3 planned, 1 allowed" in ran.err


@pytest.mark.parametrize("changes", [{}, [1], [{}], "x", [None], [["archive"]], [{"action": "archive", "address": 1}]])
def test_a_plan_whose_changes_have_other_types_is_refused(shop: Online, changes: object) -> None:
    shop.applied(ONE)
    path = save(shop, text=THREE)
    forged(path, lambda plan: plan.update(changes=changes))
    assert refused(shop)[0].startswith("error: The plan cannot be read: Reconciler did not save it.")


@pytest.mark.parametrize("path", ["customers.yaml", "customers"])
def test_customers_where_a_plan_is_meant_are_answered_with_the_option_for_them(shop: Online, path: str) -> None:
    shop.write("customers.yaml", ONE)
    shop.write("customers/one.yaml", ONE)
    ran = shop.run("apply", path, "--auto-approve")
    assert (ran.code, ran.out, shop.requests()) == (3, "", 0)
    assert ran.err == (
        f"error: {path}: apply takes a saved plan, and this is a customers file or folder\n"
        f"  reconciler apply -f {path}\n"
    )
