"""`duplicates`: what is there twice, and the plan that keeps one of each."""

from __future__ import annotations

from command_line import ONE, Online, fits, raw

from reconciler.emulator.fault_settings import switched

pytest_plugins = ("command_fixtures",)

DUP = {"external_id": "dup", "name": "Dup"}


def active(shop: Online) -> list[str]:
    """Return the ids of the active customers."""
    return [key for key, (_, archived, _) in shop.account().items() if not archived]


def test_duplicates_are_found_and_nothing_is_sent(shop: Online) -> None:
    one, other = shop.load(DUP, DUP)
    shop.load({"external_id": "solo", "name": "Solo"})
    ran = shop.run("duplicates", "--format", "json")
    (group,) = ran.json["duplicates"]
    assert (ran.code, group["external_id"], group["why"], shop.writes()) == (0, "dup", "oldest", [])
    assert {row["id"] for row in group["customers"]} == {one, other}
    assert group["keep"] == group["customers"][0]["id"]


def test_finding_them_costs_the_listing_and_two_requests_for_each(shop: Online) -> None:
    shop.load(DUP, DUP, {"external_id": "solo", "name": "Solo"})
    shop.run("duplicates")
    assert shop.requests() == 1 + 1 + 2 * 2


def test_an_account_without_duplicates_says_so(shop: Online) -> None:
    shop.load(DUP)
    ran = shop.run("duplicates")
    assert (ran.code, ran.out) == (0, "No two active customers share an external_id; 0 likely twins.\n")


def test_archive_keeps_one_and_archives_the_others_and_is_then_done(shop: Online) -> None:
    shop.load(DUP, DUP)
    kept = shop.run("duplicates", "--format", "json").json["duplicates"][0]["keep"]
    ran = shop.run("duplicates", "--archive", "--auto-approve")
    assert (ran.code, active(shop)) == (0, [kept])
    assert "a duplicate, 0 payment methods" in ran.out
    again = shop.run("duplicates", "--archive", "--auto-approve")
    assert (again.code, len(shop.writes()), again.out.splitlines()[-1]) == (0, 1, "No changes.")


def test_one_that_is_listed_though_archived_is_not_archived_again(shop: Online) -> None:
    shop.emulator.behaviour = switched(shop.emulator.behaviour, {"lists_archived": True})
    shop.load(DUP, DUP)
    assert shop.run("duplicates", "--archive", "--auto-approve").code == 0
    shop.later()
    ran = shop.run("duplicates", "--archive", "--auto-approve")
    assert (ran.code, len(shop.writes())) == (0, 1)


def test_keep_says_which_one(shop: Online) -> None:
    ids = shop.load(DUP, DUP)
    for kept in ids:
        found = shop.run("duplicates", "--keep", kept, "--format", "json").json["duplicates"][0]
        assert (found["keep"], found["why"]) == (kept, "chosen")
    assert shop.run("duplicates", "--archive", "--keep", ids[0], "--auto-approve").code == 0
    assert active(shop) == [ids[0]]


def test_duplicates_as_json_fit_their_schema(shop: Online) -> None:
    shop.load(DUP, DUP, {"external_id": "other", "name": "Acme"}, {"name": "Acme"})
    for words in ((), ("--redact",)):
        found = shop.run("duplicates", "--format", "json", *words).json
        assert (len(found["duplicates"]), len(found["twins"]) > 0, fits(found, "duplicates")) == (1, True, True)


def test_an_id_that_has_no_duplicate_is_an_error(shop: Online) -> None:
    shop.load(DUP, DUP)
    ran = shop.run("duplicates", "--archive", "--keep", "cus_nobody", "--auto-approve")
    assert (ran.code, shop.writes()) == (1, [])
    assert ran.err.startswith("error: cus_nobody: no other active customer has the same external_id")


def test_the_bound_one_is_kept_and_stays_bound(shop: Online) -> None:
    shop.applied(ONE)
    bound = shop.id_of("acme")
    shop.load({"external_id": "acme", "name": "Acme"})
    shop.later()
    assert shop.run("duplicates", "--archive", "--auto-approve").code == 0
    assert active(shop) == [bound]
    plan = shop.run("plan", "-f", "customers.yaml", "--detailed-exitcode")
    assert (plan.code, plan.out.splitlines()[-1]) == (0, "No changes. 1 customer is as declared.")


def test_a_bound_one_is_not_archived_for_another(shop: Online) -> None:
    shop.applied(ONE)
    (other,) = shop.load({"external_id": "acme", "name": "Acme"})
    sent = len(shop.writes())
    ran = shop.run("duplicates", "--archive", "--keep", other, "--auto-approve")
    assert (ran.code, len(shop.writes())) == (3, sent)


def test_the_archive_of_a_duplicate_is_undone_once_the_other_is_archived(shop: Online) -> None:
    ids = shop.load(DUP, DUP)
    shop.run("duplicates", "--archive", "--keep", ids[0], "--auto-approve")
    name = shop.run("history", "--format", "json").json["runs"][-1]["id"]
    blocked = shop.run("undo", name, "--auto-approve")
    assert (blocked.code, active(shop)) == (3, [ids[0]])
    shop.load({"id": ids[0], "archived": True})
    assert (shop.run("undo", name, "--auto-approve").code, active(shop)) == (0, [ids[1]])


def test_limits_and_consent_hold(shop: Online) -> None:
    shop.load(DUP, DUP, DUP)
    over = shop.run("duplicates", "--archive", "--auto-approve")
    assert (over.code, shop.writes(), "--max-archives 2" in over.err) == (3, [], True)
    asked = shop.requests()
    assert (shop.run("duplicates", "--archive", "--max-archives", "2").code, shop.requests()) == (3, asked)
    refused = shop.run("duplicates", "--archive", "--max-archives", "2", stdin=b"n\n", terminal=True)
    assert (refused.code, shop.writes()) == (3, [])


def test_twins_are_shown_and_never_archived(shop: Online) -> None:
    shop.load({"external_id": "a", "name": "Same", "ein": "12-3456789"}, {"external_id": "b", "name": "Same"})
    ran = shop.run("duplicates", "--archive", "--auto-approve")
    assert (ran.code, shop.writes()) == (0, [])
    assert [row["equal"] for row in shop.run("duplicates", "--format", "json").json["twins"]] == [{"name": "Same"}]
    assert "12-3456789" not in shop.run("duplicates", "--redact").out
    assert "Same" not in shop.run("duplicates", "--redact").out


def test_many_twins_do_not_flood_the_text(shop: Online) -> None:
    for number in range(30):
        shop.load(*({"external_id": f"{number}-{one}", "name": f"Same {number}"} for one in range(9)))
    lines = shop.run("duplicates").out.splitlines()
    assert len(lines) < 160
    assert "  and 10 more: --format json has all of them" in lines
    assert lines.count("    and 4 more") == 20
    assert len(shop.run("duplicates", "--format", "json").json["twins"]) == 30


def test_the_text_fits_the_terminal_and_hides_no_control_character(shop: Online) -> None:
    shop.load(*[{"external_id": "d\x1b[1m\u202e", "name": "\x1b[31mDup\n"}] * 2)
    for columns in ("40", "80"):
        ran = shop.run("duplicates", COLUMNS=columns)
        assert (ran.code, raw(ran.out), max(map(len, ran.out.splitlines())) <= int(columns)) == (0, [], True)


def test_out_writes_a_private_file_and_nothing_to_stdout(shop: Online) -> None:
    shop.load(DUP, DUP)
    ran = shop.run("duplicates", "--format", "json", "--out", "found.json")
    path = shop.folder / "found.json"
    assert (ran.code, ran.out, path.stat().st_mode & 0o777) == (0, "", 0o600)
    assert '"duplicates"' in path.read_text("utf-8")
