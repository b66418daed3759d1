"""`history`: the runs, and the changes of one; it asks the API nothing."""

from __future__ import annotations

import re
from dataclasses import replace

from command_line import ONE, THREE, Online, Place, fits, raw
from git_values import git

from reconciler.errors import Source
from reconciler.ledger.open import open_ledger
from reconciler.model.core import Action, Address, CustomerId, Reason, Status
from reconciler.model.ledger import Intent, PutIntent, PutRun, Run

pytest_plugins = ("command_fixtures",)


def runs(shop: Online) -> list[dict[str, object]]:
    """Return the runs as JSON has them."""
    rows: list[dict[str, object]] = shop.run("history", "--format", "json").json["runs"]
    return rows


def test_each_run_is_listed_newest_last(shop: Online) -> None:
    shop.applied(ONE)
    shop.applied(ONE.replace("Boston", "Dover"))
    rows = runs(shop)
    assert [(row["command"], row["outcome"], row["changes"]) for row in rows] == [("apply", "done", 1)] * 2
    assert rows[0]["started_at"] < rows[1]["started_at"]  # type: ignore[operator]


def test_the_history_as_json_fits_its_schema(shop: Online) -> None:
    shop.applied(THREE)
    shop.applied(THREE.replace("Boston", "Dover"))
    name = str(runs(shop)[0]["id"])
    shop.run("history", "prune", "--older-than", "0d", "--auto-approve")
    for words in ((), (name,), (name, "--redact"), ("--key", "acme"), ("--key", "acme", "--redact")):
        assert fits(shop.run("history", *words, "--format", "json").json, "history")


def test_a_run_says_what_the_schema_of_the_history_promises(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    shop.run("apply", "-f", "customers.yaml", "--auto-approve", GITHUB_SHA="abc", CI_JOB_URL="https://ci.example/1")
    (row,) = runs(shop)
    assert {"id", "started_at", "command", "outcome", "changes", "requests", "who"} <= set(row)
    assert (row["commit"], row["ci_url"]) == ("abc", "https://ci.example/1")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", str(row["started_at"]))


def test_the_requests_of_a_run_are_those_that_were_sent(shop: Online) -> None:
    shop.applied(THREE)
    assert [row["requests"] for row in runs(shop)] == [shop.requests()]


def test_the_changes_of_one_run_are_shown_by_the_beginning_of_its_id(shop: Online) -> None:
    shop.applied(ONE)
    shop.applied(ONE.replace("Boston", "Dover"))
    name = str(runs(shop)[1]["id"])
    document = shop.run("history", name[:8], "--format", "json").json
    assert [row["id"] for row in document["runs"]] == [name]
    (at,) = [one.pop("at") for one in document["changes"]]
    who = document["runs"][0]["who"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", at)
    assert document["changes"] == [
        {
            "run": name,
            "command": "apply",
            "who": who,
            "reason": "declared",
            "source": {"file": "customers.yaml", "line": 2},
            "values_removed": False,
            "action": "patch",
            "address": "acme",
            "id": shop.id_of("acme"),
            "before": {"city": "Boston"},
            "after": {"city": "Dover"},
            "status": "done",
            "message": "",
            "code": None,
            "parts": {},
            "cause": None,
        }
    ]


def test_the_history_asks_the_api_nothing(shop: Online) -> None:
    shop.applied(ONE)
    sent = shop.requests()
    name = str(runs(shop)[0]["id"])
    assert [shop.run("history").code, shop.run("history", name).code, shop.requests()] == [0, 0, sent]


def test_there_is_no_history_before_the_first_run(shop: Online) -> None:
    assert shop.run("history").out == "No runs yet.\n"
    assert shop.run("history", "--format", "json").json == {"runs": []}


def test_a_run_that_is_not_there_is_an_error_that_says_where_to_look(shop: Online) -> None:
    shop.applied(ONE)
    ran = shop.run("history", "zzzz")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "error: 'zzzz': the ledger has no such run\n  `reconciler history` lists the runs\n"


def test_a_beginning_that_several_runs_have_is_an_error(here: Place) -> None:
    here.variables |= {"AP_BASE_URL": "http://127.0.0.1:1"}
    _hold(here, PutRun(Run("abcd1", "2026-01-05T00:00:00.000000Z", "apply")))
    _hold(here, PutRun(Run("abcd2", "2026-01-05T00:00:01.000000Z", "apply")))
    ran = here.run("history", "abcd")
    assert (ran.code, ran.err.splitlines()[0]) == (1, "error: 'abcd': 2 runs begin like this")
    assert here.run("history", "abcd1").code == 0


def test_the_table_fits_80_columns_and_is_a_list_in_40(shop: Online) -> None:
    shop.applied(ONE)
    name = str(runs(shop)[0]["id"])
    shop.run("undo", name, "--auto-approve")
    wide, narrow = shop.run("history", COLUMNS="80").out, shop.run("history", COLUMNS="40").out
    assert wide.splitlines()[0].split() == ["run", "started", "command", "outcome", "changes", "requests"]
    assert f"undo {name[:8]}" in wide
    assert max(map(len, wide.splitlines())) <= 80
    assert max(map(len, narrow.splitlines())) <= 40
    assert "  apply: done, 1 change, 3 requests\n" in narrow


def test_redact_masks_the_values_of_a_run(shop: Online) -> None:
    shop.applied(THREE)
    name = str(runs(shop)[0]["id"])
    for form in ("text", "json"):
        ran = shop.run("history", name, "--redact", "--format", form)
        assert (ran.code, "***" in ran.out) == (0, True)
        assert "Boston" not in ran.out
        assert "jane@acme.example" not in ran.out


def test_hostile_texts_of_a_run_are_made_visible(here: Place) -> None:
    here.variables |= {"AP_BASE_URL": "http://127.0.0.1:1"}
    evil = "\x1b[31m\u202e\nx"
    run = Run("abcd1", "2026-01-05T00:00:00.000000Z", evil, who=evil, commit=evil, ci_url=evil)
    run = replace(run, outcome=evil, actor=evil)
    intent = Intent(
        "abcd1", 1, Action.CREATE, Address(evil), None, 1.0, after={evil: evil}, status=Status.FAILED, message=evil
    )
    intent = replace(intent, reason=Reason.ENTRY_GONE, source=Source(evil, 3), commit=evil)
    _hold(here, PutRun(run), PutIntent(intent))
    for words in (["history"], ["history", "abcd1"], ["history", "--key", str(Address(evil))]):
        ran = here.run(*words)
        assert (ran.code, raw(ran.out)) == (0, [])


def test_a_run_that_was_killed_counts_what_its_changes_came_to(here: Place) -> None:
    here.variables |= {"AP_BASE_URL": "http://127.0.0.1:1"}
    _hold(here, PutRun(Run("abcd1", "2026-01-05T00:00:00.000000Z", "apply")), *_three("abcd1"))
    (row,) = here.run("history", "--format", "json").json["runs"]
    assert (row["outcome"], row["changes"], row["requests"]) == ("unfinished", 1, 3)
    assert "Changes (1 done, 1 failed, 1 in doubt)\n" in here.run("history", "abcd1").out


def test_a_run_that_was_interrupted_counts_what_was_done_and_not_what_was_planned(here: Place) -> None:
    here.variables |= {"AP_BASE_URL": "http://127.0.0.1:1"}
    ended = Run("abcd1", "2026-01-05T00:00:00.000000Z", "apply", "interrupted", "2026-01-05T00:00:09.000000Z", 5, 202)
    _hold(here, PutRun(ended), *_three("abcd1"))
    (row,) = here.run("history", "--format", "json").json["runs"]
    assert (row["changes"], row["requests"]) == (1, 5)


def test_a_change_that_is_settled_later_is_counted_with_its_own_run(here: Place) -> None:
    here.variables |= {"AP_BASE_URL": "http://127.0.0.1:1"}
    _hold(here, PutRun(Run("abcd1", "2026-01-05T00:00:00.000000Z", "apply")), *_three("abcd1"))
    third = _three("abcd1")[2].intent
    _hold(here, PutIntent(replace(third, status=Status.DONE)))
    (row,) = here.run("history", "--format", "json").json["runs"]
    assert row["changes"] == 2


def test_the_history_of_a_key_tells_its_whole_life(shop: Online) -> None:
    shop.applied(ONE)
    shop.write("customers.yaml", "moved:\n  - {from: acme, to: best}\n" + ONE.replace("acme:", "best:"))
    shop.run("apply", "-f", "customers.yaml", "--auto-approve")
    shop.applied(ONE.replace("acme:", "best:").replace("Boston", "Dover"))
    shop.write("customers.yaml", "customers: {}\n")
    words = ("apply", "-f", "customers.yaml", "--auto-approve", "--max-archives", "1")
    assert shop.run(*words, GITHUB_SHA="5d1c2f0c7b", GITHUB_ACTOR="ana").code == 0
    told = shop.run("history", "--key", "best", "--format", "json").json["changes"]
    assert [(one["action"], one["address"], one["reason"], one["status"]) for one in told] == [
        ("create", "acme", "declared", "done"),
        ("patch", "best", "declared", "done"),
        ("archive", "best", "entry_gone", "done"),
    ]
    assert [one["source"] for one in told] == [
        {"file": "customers.yaml", "line": 2},
        {"file": "customers.yaml", "line": 2},
        {"file": "customers.yaml"},
    ]
    text = shop.run("history", "--key", shop.id_of("acme")).out
    assert "  archive best  " in text
    assert "      its entry was removed from customers.yaml; last applied from customers.yaml:2\n" in text
    assert "  former keys: acme\n" in text
    assert "(apply), ana, commit 5d1c2f0c7b" in text


def test_the_history_of_a_user_is_asked_for_by_its_address(shop: Online) -> None:
    shop.applied(THREE)
    told = shop.run("history", "--key", "acme/jane@acme.example", "--format", "json").json["changes"]
    assert [(one["action"], one["address"]) for one in told] == [("create_user", "acme/jane@acme.example")]


def test_a_key_that_no_run_changed_is_an_error_that_names_what_may_be_meant(shop: Online) -> None:
    shop.applied(THREE)
    ran = shop.run("history", "--key", "acm")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "error: acm: the ledger has no changes for it\n  did you mean acme?\n"
    user = shop.run("history", "--key", "acme/jan@acme.example").err
    assert user.endswith("  did you mean acme/jane@acme.example?\n")
    assert "`reconciler state list` lists the customers" in shop.run("history", "--key", "zzz").err


def test_a_key_that_the_ledger_forgot_is_still_what_may_be_meant(shop: Online) -> None:
    shop.applied(ONE)
    shop.run("state", "rm", "acme")
    assert "did you mean acme?" in shop.run("history", "--key", "acne").err
    document = shop.run("history", "--key", "acme", "--format", "json").json
    assert (document["bound"], document["keys"], len(document["changes"])) == (None, ["acme"], 1)
    assert "not managed: the ledger has no customer for this key" in shop.run("history", "--key", "acme").out


def test_a_customer_that_was_only_adopted_has_a_life_without_changes(shop: Online) -> None:
    shop.load({"external_id": "acme", "name": "Acme", "email": "billing@acme.example", "city": "Boston"})
    shop.applied(ONE)
    document = shop.run("history", "--key", "acme", "--format", "json").json
    assert fits(document, "history")
    assert (document["bound"]["via"], document["changes"]) == ("matched", [])
    assert "  No run changed it.\n" in shop.run("history", "--key", "acme").out


def test_a_run_and_a_key_show_what_the_run_did_to_the_customer(shop: Online) -> None:
    shop.applied(THREE)
    first = str(runs(shop)[0]["id"])
    shop.applied(THREE.replace("Boston", "Dover"))
    document = shop.run("history", first, "--key", "acme", "--format", "json").json
    assert fits(document, "history")
    assert [run["id"] for run in document["runs"]] == [first]
    assert [(one["action"], one["address"]) for one in document["changes"]] == [
        ("create", "acme"),
        ("create_user", "acme/jane@acme.example"),
    ]


def test_a_run_that_did_not_change_the_customer_is_an_error_that_names_those_that_did(shop: Online) -> None:
    shop.applied(THREE)
    shop.applied(THREE.replace("Boston", "Dover"))
    first, second = (str(run["id"]) for run in runs(shop))
    ran = shop.run("history", second, "--key", "globex")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        f"error: globex: run {second[:8]} did not change it\n"
        f"  runs that did: {first[:8]}; `reconciler history --key globex` lists its changes\n"
    )


def test_a_change_says_of_which_commit_its_file_was_and_that_it_differed(shop: Online) -> None:
    git(shop.folder, "init", "-q")
    shop.write(".gitignore", "state/\n.reconciler/\n")
    shop.write("customers.yaml", ONE)
    git(shop.folder, "add", ".")
    git(shop.folder, "commit", "-q", "-m", "one")
    head = git(shop.folder, "rev-parse", "HEAD")
    shop.run("apply", "-f", "customers.yaml", "--auto-approve")
    shop.applied(ONE.replace("Boston", "Dover"))
    told = shop.run("history", "--key", "acme", "--format", "json").json["changes"]
    assert [one["source"]["commit"] for one in told] == [head, f"{head}-dirty"]
    text = shop.run("history", str(runs(shop)[1]["id"])).out
    assert f"      declared at customers.yaml:2, which differed from commit {head[:12]}\n" in text
    assert f"declared at customers.yaml:2 of commit {head[:12]}\n" in shop.run("history", "--key", "acme").out


def test_what_seed_generates_what_undo_reverts_and_what_duplicates_archives_say_so(shop: Online) -> None:
    shop.load(*({"external_id": "twice", "name": "Twice", "email": "t@x.example"} for _ in range(2)))
    assert shop.run("seed", "--customers", "1", "--auto-approve").code == 0
    made = str(runs(shop)[0]["id"])
    shop.later()
    assert shop.run("undo", made, "--auto-approve").code == 0
    assert shop.run("duplicates", "--archive", "--auto-approve").code == 0
    for number, reason, words in (
        (0, "seed", "      generated by seed\n"),
        (1, "undo", f"      undoes run {made[:8]}\n"),
        (2, "duplicate", "      a duplicate (duplicates)\n"),
    ):
        name = str(runs(shop)[number]["id"])
        (one,) = shop.run("history", name, "--format", "json").json["changes"]
        assert (one["reason"], one["source"]) == (reason, None)
        assert words in shop.run("history", name).out


def test_a_change_of_a_run_that_kept_no_reason_says_that_none_is_recorded(here: Place) -> None:
    here.variables |= {"AP_BASE_URL": "http://127.0.0.1:1"}
    _hold(here, PutRun(Run("abcd1", "2026-01-05T00:00:00.000000Z", "apply")), *_three("abcd1"))
    (one,) = here.run("history", "--key", "k1", "--format", "json").json["changes"]
    assert (one["reason"], one["source"], one["who"]) == (None, None, None)
    assert "      no reason recorded: an older version made the run\n" in here.run("history", "--key", "k1").out


def test_what_was_pruned_or_forgotten_is_said_and_why_and_where_stays(shop: Online) -> None:
    shop.applied(THREE)
    shop.run("state", "forget", "globex", "--auto-approve")
    (forgotten,) = shop.run("history", "--key", "globex", "--format", "json").json["changes"]
    assert (forgotten["values_removed"], forgotten["reason"]) == (True, "declared")
    assert "      its values were removed (`state forget`)\n" in shop.run("history", "--key", "globex").out
    shop.run("history", "prune", "--older-than", "0d", "--auto-approve")
    (pruned,) = shop.run("history", "--key", "initech", "--format", "json").json["changes"]
    assert (pruned["values_removed"], pruned["source"]) == (True, {"file": "customers.yaml", "line": 9})
    assert "      its values were removed (`history prune`, " in shop.run("history", "--key", "initech").out


def test_a_change_of_the_api_command_is_said_to_be_requested_directly(shop: Online) -> None:
    shop.run("api", "customers", "create", "--name", "Acme", "--external-id", "acme")
    (one,) = shop.run("history", "--key", "acme", "--format", "json").json["changes"]
    assert (one["command"], one["reason"], one["source"]) == ("api customers create", "direct", None)


def _three(run: str) -> list[PutIntent]:
    """Return a change that was done, one that failed, and one whose answer never came."""
    ends = (Status.DONE, Status.FAILED, None)
    return [
        PutIntent(Intent(run, seq, Action.PATCH, Address(f"k{seq}"), CustomerId(f"cus_{seq}"), 1.0, status=end))
        for seq, end in enumerate(ends, start=1)
    ]


def _hold(here: Place, *writes: PutRun | PutIntent) -> None:
    """Write to the ledger of the folder."""
    path = here.folder / ".reconciler" / "default.db"
    with open_ledger(str(path), environment="default", base_url="http://127.0.0.1:1") as ledger:
        ledger.commit(writes)
