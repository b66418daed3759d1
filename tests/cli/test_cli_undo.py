"""`undo`: the inverse of a run, shown, asked for and done, as an apply is."""

from __future__ import annotations

from command_line import ONE, THREE, Online, fits

pytest_plugins = ("command_fixtures",)


def last_run(shop: Online) -> str:
    """Return the id of the newest run."""
    return str(shop.run("history", "--format", "json").json["runs"][-1]["id"])


def active(shop: Online) -> dict[str, bool]:
    """Return whether each customer is active, by external_id."""
    return {fields["external_id"]: not archived for fields, archived, _ in shop.account().values()}


def test_a_create_is_undone_by_an_archive(shop: Online) -> None:
    shop.applied(ONE)
    ran = shop.run("undo", last_run(shop)[:8], "--auto-approve")
    assert (ran.code, active(shop)) == (0, {"acme": False})
    assert "- acme" in ran.out
    assert "undoes a run" in ran.out


def test_a_patch_is_undone_by_a_patch_and_another_undo_has_nothing_to_do(shop: Online) -> None:
    shop.applied(ONE)
    shop.applied(ONE.replace("Boston", "Dover"))
    name = last_run(shop)
    assert (shop.run("undo", name, "--auto-approve").code, shop.named("acme")["city"]) == (0, "Boston")
    sent = len(shop.writes())
    again = shop.run("undo", name, "--auto-approve")
    assert (again.code, again.out.splitlines()[-1], len(shop.writes())) == (0, "No changes.", sent)


def test_an_archive_is_undone_by_a_restore(shop: Online) -> None:
    shop.applied(ONE)
    shop.applied(ONE.replace("city: Boston", "archived: true"))
    assert active(shop) == {"acme": False}
    assert (shop.run("undo", last_run(shop), "--auto-approve").code, active(shop)) == (0, {"acme": True})


def test_a_restore_is_undone_by_an_archive(shop: Online) -> None:
    shop.applied(ONE)
    shop.applied(ONE.replace("city: Boston", "archived: true"))
    shop.applied(ONE)
    assert active(shop) == {"acme": True}
    assert (shop.run("undo", last_run(shop), "--auto-approve").code, active(shop)) == (0, {"acme": False})


def test_an_undo_is_a_run_that_can_be_undone(shop: Online) -> None:
    shop.applied(ONE)
    shop.applied(ONE.replace("Boston", "Dover"))
    first = last_run(shop)
    shop.run("undo", first, "--auto-approve")
    row = shop.run("history", "--format", "json").json["runs"][-1]
    assert (row["command"], row["outcome"], row["changes"]) == (f"undo {first}", "done", 1)
    assert (shop.run("undo", row["id"], "--auto-approve").code, shop.named("acme")["city"]) == (0, "Dover")


def test_the_report_says_that_the_next_apply_does_it_again_and_it_does(shop: Online) -> None:
    shop.applied(ONE)
    ran = shop.run("undo", last_run(shop), "--auto-approve", "--format", "json")
    assert [row["status"] for row in ran.json["outcomes"]] == ["done"]
    assert ran.err == (
        "An undo changes no file, so the next apply does again what the files still say. "
        "Change the files too, before it runs.\n"
    )
    plan = shop.run("plan", "-f", "customers.yaml", "--format", "json").json
    assert plan["summary"]["restore"] == 1


def test_what_was_edited_since_is_blocked_and_the_exit_code_says_so(shop: Online) -> None:
    shop.applied(ONE)
    shop.applied(ONE.replace("Boston", "Dover"))
    shop.load({"id": shop.id_of("acme"), "city": "Lima"})
    shop.later()
    ran = shop.run("undo", last_run(shop), "--auto-approve")
    assert (ran.code, shop.named("acme")["city"]) == (3, "Lima")
    assert "city is 'Lima' now, and the run left 'Dover'" in ran.out
    assert "'Lima'" not in shop.run("undo", last_run(shop), "--dry-run", "--redact").out


def test_a_limit_is_refused_with_the_flag_that_allows_it(shop: Online) -> None:
    shop.applied(THREE)
    sent = len(shop.writes())
    refused = shop.run("undo", last_run(shop), "--auto-approve")
    assert (refused.code, len(shop.writes())) == (3, sent)
    assert "--max-archives 3" in refused.err
    allowed = shop.run("undo", last_run(shop), "--auto-approve", "--max-archives", "3")
    assert (allowed.code, active(shop)) == (0, {"acme": False, "globex": False, "initech": False})


def test_consent_is_asked_for_an_undo(shop: Online) -> None:
    shop.applied(ONE)
    name, sent = last_run(shop), len(shop.writes())
    assert (shop.run("undo", name, stdin=b"n\n", terminal=True).code, len(shop.writes())) == (3, sent)
    asked = shop.requests()
    assert (shop.run("undo", name).code, shop.requests()) == (3, asked)
    assert (shop.run("undo", name, stdin=b"archive 1\n", terminal=True).code, active(shop)) == (0, {"acme": False})


def test_a_dry_run_shows_the_plan_and_sends_nothing(shop: Online) -> None:
    shop.applied(ONE)
    sent = len(shop.writes())
    ran = shop.run("undo", last_run(shop), "--dry-run", "--format", "json")
    assert fits(ran.json, "plan")
    assert (ran.code, [row["reason"] for row in ran.json["changes"]], len(shop.writes())) == (0, ["undo"], sent)
    assert len(shop.run("history", "--format", "json").json["runs"]) == 1


def since(shop: Online, run: str) -> list[tuple[str, str, str | None, list[dict[str, str]]]]:
    """Return what a dry run says happened since a run: whom to, by which command or as what, and the fields."""
    document = shop.run("undo", run, "--dry-run", "--format", "json").json
    assert fits(document, "plan")
    return [
        (
            one["address"],
            "outside" if one["change"] is None else one["change"]["action"],
            one["became"],
            one["fields"],
        )
        for one in document["since"]
    ]


def test_a_dry_run_says_that_nothing_has_changed_since(shop: Online) -> None:
    shop.applied(ONE)
    assert since(shop, last_run(shop)) == []
    assert "\n\nNothing has changed since.\n\n" in shop.run("undo", last_run(shop), "--dry-run").out


def test_a_dry_run_names_the_later_run_that_changed_what_the_run_left(shop: Online) -> None:
    shop.applied(ONE)
    first = last_run(shop)
    shop.write("customers.yaml", ONE.replace("Boston", "Dover"))
    shop.run("apply", "-f", "customers.yaml", "--auto-approve", GITHUB_ACTOR="ana")
    assert since(shop, first) == [("acme", "patch", None, [])]
    text = shop.run("undo", first, "--dry-run").out
    assert f"in run {last_run(shop)[:8]} (apply), ana\n" in text
    assert "      city: Boston -> Dover\n" in text


def test_a_dry_run_tells_what_was_changed_outside_from_what_a_later_run_changed(shop: Online) -> None:
    shop.applied(ONE)
    first = last_run(shop)
    shop.run("api", "customers", "patch", shop.id_of("acme"), "--city", "Dover")
    shop.load({"id": shop.id_of("acme"), "state": "DE", "name": "Acme Inc"})
    shop.later()
    assert since(shop, first) == [
        ("acme", "patch", None, []),
        ("acme", "outside", None, [{"name": "name", "left": "Acme", "now": "Acme Inc"}]),
    ]
    assert (
        "  acme  changed outside Reconciler\n      name: Acme -> Acme Inc\n" in shop.run("undo", first, "--dry-run").out
    )


def test_a_dry_run_says_who_was_archived_or_restored_meanwhile(shop: Online) -> None:
    shop.applied(THREE)
    first = last_run(shop)
    shop.applied(THREE.replace("office@initech.example", "office@initech.example, archived: true"))
    shop.load({"id": shop.id_of("globex"), "archived": True})
    shop.later()
    assert [one[:3] for one in since(shop, first)] == [("globex", "outside", "archived"), ("initech", "archive", None)]
    shop.load({"id": shop.id_of("initech"), "archived": False})
    assert [one[:3] for one in since(shop, first)] == [
        ("globex", "outside", "archived"),
        ("initech", "archive", None),
        ("initech", "outside", "active"),
    ]


def test_a_dry_run_masks_what_happened_since_where_it_is_asked_to(shop: Online) -> None:
    shop.applied(ONE)
    shop.load({"id": shop.id_of("acme"), "city": "Lima"})
    shop.later()
    for form in ("text", "json"):
        out = shop.run("undo", last_run(shop), "--dry-run", "--redact", "--format", form).out
        assert [word for word in ("Lima", "Boston") if word in out] == []


def test_a_run_that_is_not_there_is_an_error_and_nothing_is_asked(shop: Online) -> None:
    shop.applied(ONE)
    sent = shop.requests()
    ran = shop.run("undo", "ffffffffffff", "--auto-approve")
    assert (ran.code, ran.out, shop.requests()) == (1, "", sent)
    assert ran.err.startswith("error: 'ffffffffffff': the ledger has no such run\n")


def test_a_user_created_on_a_customer_that_was_there_is_blocked(shop: Online) -> None:
    shop.applied(ONE)
    shop.applied(ONE.replace("city: Boston", "city: Boston, users: {jane@acme.example: {first_name: Jane}}"))
    ran = shop.run("undo", last_run(shop), "--auto-approve")
    assert (ran.code, "The API cannot delete a user." in ran.out, active(shop)) == (3, True, {"acme": True})
