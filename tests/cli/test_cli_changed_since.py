"""A plan of what changed since a commit: those customers and no others, or the whole account and why."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from command_line import EPOCH_S, Online, Prepared, fits
from git_values import git

from reconciler.api.times import rfc3339
from reconciler.emulator.service import ApiKey
from reconciler.rules.behaviour import Behaviour

pytest_plugins = ("command_fixtures",)

KEYS = tuple(f"c{number:02}" for number in range(12))
READER = {"AP_CLIENT_ID": "reader", "AP_CLIENT_SECRET": "reader"}
PROJECT = """\
version: 1
project: billing
files: [customers/]
environments:
  demo:
    base_url: "${AP_BASE_URL}"
"""


def entries(keys: Sequence[str], city: str = "Boston") -> str:
    return "customers:\n" + "".join(
        f"  {key}: {{name: {key.upper()}, email: {key}@x.example, city: {city}}}\n" for key in keys
    )


def applied_main(shop: Online) -> None:
    """Make a repository whose main is applied: twelve customers, created a minute apart, a page each."""
    shop.emulator.behaviour = Behaviour(page_max=1)
    shop.load(
        *(
            {
                "external_id": key,
                "created_at": rfc3339(EPOCH_S + 60 * number),
                "name": key.upper(),
                "email": f"{key}@x.example",
                "city": "Boston",
            }
            for number, key in enumerate(KEYS)
        )
    )
    shop.write("reconciler.yaml", PROJECT)
    shop.write("customers/a.yaml", entries(KEYS[:6]))
    shop.write("customers/b.yaml", entries(KEYS[6:]))
    shop.write(".gitignore", ".reconciler/\nstate/\n")
    git(shop.folder, "init", "-q", "-b", "main")
    committed(shop)
    assert shop.run("apply", "--auto-approve").code == 0
    shop.later()
    shop.run("plan")


@pytest.fixture
def repo(shop: Online, prepared: Prepared) -> Online:
    """Return that repository."""
    prepared.bring(shop, applied_main)
    shop.emulator.requests.clear()
    shop.emulator.counts.clear()
    return shop


def committed(shop: Online, message: str = "one") -> str:
    git(shop.folder, "add", "-A")
    git(shop.folder, "commit", "-q", "-m", message)
    return git(shop.folder, "rev-parse", "HEAD")


def edited(shop: Online, name: str, *pairs: tuple[str, str]) -> None:
    """Replace texts in a file, each of which is there."""
    text = (shop.folder / name).read_text("utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    shop.write(name, text)


def planned(shop: Online, *words: str, ref: str = "main") -> Any:  # noqa: ANN401 - a document
    """Return the plan of what changed, as JSON; it fits its schema."""
    ran = shop.run("plan", "--changed-since", ref, "--format", "json", *words)
    assert ran.code == 0, ran.err
    assert fits(ran.json, "plan")
    return ran.json


def keys_of(plan: Any) -> list[str]:  # noqa: ANN401 - a document
    return sorted(one["external_id"] for one in plan["changes"])


def scope(shop: Online, ref: str = "main") -> list[str]:
    """Return the keys that a plan is about."""
    plan = planned(shop, ref=ref)
    assert "whole" not in plan["changed_since"], plan["changed_since"]
    assert len(plan.get("targets", [])) == plan["changed_since"]["planned"]
    return list(plan.get("targets", []))


def whole(shop: Online, *words: str, ref: str = "main") -> str:
    """Return why a plan is about the whole account, as the plan says it."""
    plan = planned(shop, *words, ref=ref)
    assert (plan.get("targets", []), plan["changed_since"]["planned"]) == ([], plan["changed_since"]["customers"])
    (note,) = [one for one in plan["notes"] if one["code"] == plan["changed_since"]["whole"]]
    text: str = note["text"]
    return text


# --- what is planned ---------------------------------------------------------------------------------


def test_changed_and_removed_customers_are_planned_at_a_request_each_and_one_more_for_an_archive(repo: Online) -> None:
    edited(repo, "customers/a.yaml", ("c01@x.example, city: Boston", "c01@x.example, city: Salem"))
    edited(repo, "customers/b.yaml", ("  c07: {name: C07, email: c07@x.example, city: Boston}\n", ""))
    ran = repo.run("plan", "--changed-since", "main")
    assert ran.out.splitlines()[-1] == "Plan: 1 to patch, 1 to archive. 2 of 12 customers planned."
    assert repo.requests() == 1 + 2 + 1


def test_a_customer_that_drifted_outside_of_what_changed_is_not_planned_and_that_is_said_once(repo: Online) -> None:
    repo.load({"id": repo.id_of("c09"), "city": "Elsewhere"})
    edited(repo, "customers/a.yaml", ("c01@x.example, city: Boston", "c01@x.example, city: Salem"))
    plan = planned(repo)
    assert keys_of(plan) == ["c01"]
    assert [one["code"] for one in plan["notes"]].count("changed_since") == 1


def test_where_nothing_changed_nothing_is_sent(repo: Online) -> None:
    ran = repo.run("plan", "--changed-since", "main", "--detailed-exitcode")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "No changes. 0 of 12 customers planned.")
    assert repo.requests() == 0


def test_a_change_that_is_committed_on_a_branch_is_compared_with_where_the_branch_began(repo: Online) -> None:
    git(repo.folder, "checkout", "-q", "-b", "topic")
    edited(repo, "customers/a.yaml", ("c01@x.example, city: Boston", "c01@x.example, city: Salem"))
    committed(repo)
    git(repo.folder, "checkout", "-q", "main")
    edited(repo, "customers/a.yaml", ("c02@x.example, city: Boston", "c02@x.example, city: Dover"))
    committed(repo)
    git(repo.folder, "checkout", "-q", "topic")
    assert scope(repo) == ["c01"]


def test_a_default_concerns_the_customers_whose_values_it_changes(repo: Online) -> None:
    edited(repo, "customers/b.yaml", ("customers:", "defaults: {city: Salem, country: USA}\ncustomers:"))
    plan = planned(repo)
    assert keys_of(plan) == list(KEYS[6:])
    edited(repo, "customers/b.yaml", (", country: USA", ""))
    assert scope(repo) == []


def test_an_overlay_concerns_the_customers_that_it_names(repo: Online) -> None:
    edited(
        repo, "reconciler.yaml", ('base_url: "${AP_BASE_URL}"', 'base_url: "${AP_BASE_URL}"\n    overlays: [o.yaml]')
    )
    repo.write("o.yaml", "customers: {c03: {city: Dover}}\n")
    assert keys_of(planned(repo)) == ["c03"]
    committed(repo)
    repo.write("o.yaml", "customers: {c03: {city: Dover}, c08: {city: Lynn}}\n")
    assert keys_of(planned(repo)) == ["c08"]
    committed(repo)
    edited(repo, "customers/a.yaml", ("c03@x.example, city: Boston", "c03@x.example, city: Lynn"))
    assert scope(repo) == []


@pytest.mark.parametrize(
    ("new", "concerned"),
    [
        ("  c01: {name: C01, email: c01@x.example, city: Boston, archived: true}\n", ["c01"]),
        ("  c01: {name: C01, email: c01@x.example, city: Boston, protect: true}\n", ["c01"]),
        ("  c01: {name: C01, email: c01@x.example, city: Boston, ignore_changes: [city]}\n", ["c01"]),
        ("  c01: {name: C01, email: c01@x.example, city: Boston, users: {j@x.example: {}}}\n", ["c01"]),
        ("  # c01 is from Boston\n  c01: {city: Boston, name: C01, email: c01@x.example}\n", []),
        ("forget: [c01]\n", ["c01"]),
        ("  n01: {name: C01, email: c01@x.example, city: Boston}\nmoved: [{from: c01, to: n01}]\n", ["c01", "n01"]),
    ],
    ids=["archived", "protected", "ignored fields", "a user", "only its layout", "forgotten", "moved"],
)
def test_all_that_an_entry_declares_counts_and_its_layout_does_not(
    repo: Online, new: str, concerned: list[str]
) -> None:
    old = "  c01: {name: C01, email: c01@x.example, city: Boston}\n"
    text = (repo.folder / "customers/a.yaml").read_text("utf-8")
    repo.write("customers/a.yaml", text.replace(old, "") + new)
    assert scope(repo) == concerned


def test_a_new_customer_is_planned_after_the_account_was_listed_at_a_price_that_is_said_before(repo: Online) -> None:
    repo.write("customers/c.yaml", "customers: {new: {name: New, email: new@x.example}}\n")
    ran = repo.run("plan", "--changed-since", "main", RECONCILER_RATE="1000")
    assert "reading the account: about 13 requests" in ran.err
    assert ran.out.splitlines()[-1] == "Plan: 1 to create. 1 of 13 customers planned."


def test_an_entry_that_was_removed_before_it_was_ever_applied_costs_nothing(repo: Online) -> None:
    repo.write("customers/c.yaml", "customers: {new: {name: New, email: new@x.example}}\n")
    committed(repo)
    (repo.folder / "customers/c.yaml").unlink()
    assert scope(repo) == ["new"]
    assert repo.requests() == 0


def test_files_that_git_does_not_track_count_as_they_are(repo: Online) -> None:
    repo.write(".gitignore", ".reconciler/\nstate/\ncustomers/generated.yaml\n")
    committed(repo)
    repo.write("customers/generated.yaml", "customers: {gen: {name: Gen, email: gen@x.example}}\n")
    assert scope(repo) == ["gen"]


def test_a_file_that_was_renamed_concerns_all_that_are_in_it(repo: Online) -> None:
    (repo.folder / "customers/a.yaml").rename(repo.folder / "customers/z.yaml")
    assert scope(repo) == list(KEYS[:6])


def test_line_ends_that_git_converts_change_nothing(repo: Online) -> None:
    text = (repo.folder / "customers/a.yaml").read_bytes()
    repo.write("customers/a.yaml", text.replace(b"\n", b"\r\n"))
    assert scope(repo) == []


def test_a_link_to_a_file_of_the_repository_is_followed_then_as_now(repo: Online) -> None:
    repo.write("shared/s.yaml", "customers: {s1: {name: S1, email: s1@x.example}}\n")
    (repo.folder / "customers/s.yaml").symlink_to("../shared/s.yaml")
    committed(repo)
    assert scope(repo) == []
    edited(repo, "shared/s.yaml", ("S1", "S One"))
    assert scope(repo) == ["s1"]


def test_customers_whose_keys_look_like_patterns_are_meant_literally(repo: Online) -> None:
    repo.write("customers/c.yaml", 'customers: {"c*": {name: Star, email: star@x.example}}\n')
    plan = planned(repo)
    assert (keys_of(plan), plan["targets"]) == (["c*"], ["c[*]"])


def test_excluded_customers_are_left_out_of_what_changed(repo: Online) -> None:
    repo.write("customers/a.yaml", entries(KEYS[:6], city="Salem"))
    assert keys_of(planned(repo, "--exclude", "c0[0-4]")) == ["c05"]


def test_limits_in_percent_are_of_all_customers_and_not_of_those_that_changed(repo: Online) -> None:
    edited(repo, "customers/b.yaml", ("  c07: {name: C07, email: c07@x.example, city: Boston}\n", ""))
    assert planned(repo)["limits"] == []
    edited(repo, "customers/b.yaml", ("  c08: {name: C08, email: c08@x.example, city: Boston}\n", ""))
    (limit,) = planned(repo)["limits"]
    assert (limit["planned"], limit["allowed"]) == (2, 1)


def test_a_project_in_a_folder_of_the_repository_is_compared_with_that_folder(repo: Online) -> None:
    (repo.folder / "billing").mkdir()
    for name in ("reconciler.yaml", "customers"):
        git(repo.folder, "mv", name, f"billing/{name}")
    committed(repo)
    edited(repo, "billing/customers/a.yaml", ("c01@x.example, city: Boston", "c01@x.example, city: Salem"))
    inner = Online(repo.folder / "billing", repo.variables | {"XDG_STATE_HOME": str(repo.folder / "state")})
    assert planned(inner)["targets"] == ["c01"]
    ran = repo.run("-p", "billing/reconciler.yaml", "plan", "--changed-since", "main", "--format", "json")
    assert ran.json["targets"] == ["c01"]


# --- what becomes of such a plan ---------------------------------------------------------------------


def test_a_saved_plan_is_applied_at_the_price_of_what_it_is_about(repo: Online) -> None:
    edited(repo, "customers/a.yaml", ("c01@x.example, city: Boston", "c01@x.example, city: Salem"))
    repo.load({"id": repo.id_of("c09"), "city": "Elsewhere"})
    planned(repo, "--out", "today.plan")
    repo.emulator.counts.clear()
    ran = repo.run("apply", "today.plan", "--auto-approve")
    assert (ran.code, repo.named("c01")["city"], repo.named("c09")["city"]) == (0, "Salem", "Elsewhere")
    assert repo.requests() == 1 + 1 + 1


def test_a_saved_plan_of_nothing_is_applied_without_a_request(repo: Online) -> None:
    repo.load({"id": repo.id_of("c09"), "city": "Elsewhere"})
    planned(repo, "--out", "today.plan")
    ran = repo.run("apply", "today.plan", "--auto-approve")
    assert (ran.code, repo.requests(), repo.named("c09")["city"]) == (0, 0, "Elsewhere"), ran.all


@pytest.fixture
def two_keys(repo: Online) -> Online:
    """Return the repository, with a key that can only read and has planned once."""
    repo.emulator.tokens.keys["reader"] = ApiKey("reader", "reader", frozenset({"customers:read", "users:read"}))
    assert repo.run("plan", **READER).code == 0
    repo.emulator.counts.clear()
    return repo


def test_the_key_that_reads_plans_alone_and_the_key_that_writes_applies_it_alone(two_keys: Online) -> None:
    edited(two_keys, "customers/a.yaml", ("c01@x.example, city: Boston", "c01@x.example, city: Salem"))
    assert two_keys.run("plan", "--changed-since", "main", "--out", "today.plan", **READER).code == 0
    assert two_keys.requests() == 1 + 1
    two_keys.emulator.counts.clear()
    assert two_keys.run("apply", "today.plan", "--auto-approve").code == 0
    assert (two_keys.requests(), two_keys.named("c01")["city"]) == (1 + 1 + 1, "Salem")


def test_a_plan_of_nothing_by_another_key_is_applied_without_a_request(two_keys: Online) -> None:
    assert two_keys.run("plan", "--changed-since", "main", "--out", "today.plan", **READER).code == 0
    ran = two_keys.run("apply", "today.plan", "--auto-approve")
    assert (ran.code, two_keys.requests()) == (0, 0), ran.err


def test_a_key_that_the_ledger_does_not_know_lists_the_account(repo: Online) -> None:
    repo.emulator.tokens.keys["reader"] = ApiKey("reader", "reader", frozenset({"customers:read", "users:read"}))
    assert repo.run("plan", "--changed-since", "main", **READER).code == 0
    assert repo.requests() >= 1 + len(KEYS)


def test_an_apply_makes_what_changed_since_a_commit_and_nothing_else(repo: Online) -> None:
    edited(repo, "customers/a.yaml", ("c01@x.example, city: Boston", "c01@x.example, city: Salem"))
    repo.load({"id": repo.id_of("c09"), "city": "Elsewhere"})
    shown = repo.run("plan", "--changed-since", "main")
    assert "reconciler apply --changed-since main" in shown.err
    assert repo.run("apply", "--changed-since", "main", "--auto-approve").code == 0
    assert (repo.named("c01")["city"], repo.named("c09")["city"]) == ("Salem", "Elsewhere")


def test_the_markdown_says_what_is_outside(repo: Online) -> None:
    edited(repo, "customers/a.yaml", ("c01@x.example, city: Boston", "c01@x.example, city: Salem"))
    assert "1 of 12 customers planned" in repo.run("plan", "--changed-since", "main", "--format", "markdown").out


# --- never narrower in silence -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("project: billing", "project: other", "project"),
        ('URL}"\n', 'URL}"\n    prune: none\n', "prune"),
        ('URL}"\n', 'URL}"\n    policy: {protect: ["c*"]}\n', "policy"),
        ('URL}"\n', 'URL}"\n    exclude: [c11]\n', "exclude"),
        ('URL}"\n', 'URL}"\n    synced: {fields: [city]}\n', "synced"),
        ('URL}"\n', 'URL}"\n    state: other.db\n', "state"),
        ('"${AP_BASE_URL}"', "http://127.0.0.1:1", "base_url"),
    ],
)
def test_a_setting_that_can_concern_everyone_is_a_plan_of_the_account(
    repo: Online, old: str, new: str, names: str
) -> None:
    before = (repo.folder / "reconciler.yaml").read_text("utf-8")
    edited(repo, "reconciler.yaml", (old, new))
    committed(repo)
    repo.write("reconciler.yaml", before)
    assert f"the project file changed {names}, which can concern every customer" in whole(repo)


def test_lines_of_the_project_file_that_only_moved_are_no_change(repo: Online) -> None:
    edited(repo, "reconciler.yaml", ('URL}"\n', 'URL}"\n    policy: {windows: [{days: [mon-sun]}]}\n'))
    committed(repo)
    repo.write("reconciler.yaml", "# a comment\n" + (repo.folder / "reconciler.yaml").read_text("utf-8"))
    assert scope(repo) == []


def test_a_project_file_that_was_added_is_a_plan_of_the_account(repo: Online) -> None:
    git(repo.folder, "rm", "-q", "--cached", "reconciler.yaml")
    git(repo.folder, "commit", "-q", "-m", "two")
    assert "'reconciler.yaml' was added or removed" in whole(repo)


def test_a_project_file_that_was_removed_is_a_plan_of_the_account(repo: Online) -> None:
    (repo.folder / "reconciler.yaml").unlink()
    assert "'reconciler.yaml' was added or removed" in whole(repo, "-f", "customers")


@pytest.mark.parametrize("text", ["files: [", "version: 99\nfiles: [customers/]\n", "nonsense: 1\n"])
def test_a_project_file_that_could_not_be_read_then_is_a_plan_of_the_account(repo: Online, text: str) -> None:
    now = (repo.folder / "reconciler.yaml").read_text("utf-8")
    repo.write("reconciler.yaml", text)
    committed(repo)
    repo.write("reconciler.yaml", now)
    assert "reconciler.yaml" in whole(repo)


@pytest.mark.parametrize(
    "text",
    [
        "customers: [",
        "version: 99\ncustomers: {}\n",
        "customers:\n  jane@acme.example: {nme: Jane}\n",
        "",
        "\ufeff\x00",
        "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n",
        "customers: {c01: {name: A}}\n",
        "customers: {x: {name: A}, x: {name: B}}\n",
    ],
    ids=["cut", "another version", "unknown key", "empty", "NUL", "LFS", "a key of two files", "a key twice"],
)
def test_customers_that_could_not_be_read_then_are_a_plan_of_the_account(repo: Online, text: str) -> None:
    repo.write("customers/b.yaml", text)
    if text.startswith("customers: {c01"):
        repo.write("customers/a.yaml", entries(KEYS[:6], city="Salem"))
    committed(repo)
    repo.write("customers/a.yaml", entries(KEYS[:6]))
    repo.write("customers/b.yaml", entries(KEYS[6:]))
    said = whole(repo)
    assert "customers/" in said
    assert "jane" not in said


def test_an_environment_that_did_not_exist_then_is_a_plan_of_the_account(repo: Online) -> None:
    edited(repo, "reconciler.yaml", ("  demo:\n", "  other: {}\n  demo:\n"))
    committed(repo)
    edited(repo, "reconciler.yaml", ("  demo:\n", "  staging:\n"))
    ran = repo.run("-e", "staging", "plan", "--changed-since", "main", "--format", "json")
    assert ran.json["changed_since"]["whole"] == "since_environment_unknown"


def test_standard_input_is_a_plan_of_the_account(repo: Online) -> None:
    text = (repo.folder / "customers/a.yaml").read_bytes()
    ran = repo.run("plan", "--changed-since", "main", "--format", "json", "-f", "-", stdin=text)
    assert ran.json["changed_since"]["whole"] == "since_not_in_git"


def test_a_file_outside_of_the_repository_is_a_plan_of_the_account(repo: Online, tmp_path_factory: Any) -> None:  # noqa: ANN401 - pytest's
    outside: Path = tmp_path_factory.mktemp("outside") / "o.yaml"
    outside.write_text("customers: {out: {name: Out, email: out@x.example}}\n")
    assert "o.yaml" in whole(repo, "-f", "customers", "-f", str(outside))


def test_a_folder_that_was_a_link_then_is_a_plan_of_the_account(repo: Online) -> None:
    (repo.folder / "customers").rename(repo.folder / "data")
    (repo.folder / "customers").symlink_to("data")
    committed(repo)
    assert "'customers'" in whole(repo)


def test_a_submodule_within_the_customers_folder_is_a_plan_of_the_account(repo: Online) -> None:
    inner = repo.folder / "customers" / "inner"
    inner.mkdir()
    (inner / "i.yaml").write_text("customers: {inn: {name: Inn, email: inn@x.example}}\n")
    git(inner, "init", "-q")
    git(inner, "add", "-A")
    git(inner, "commit", "-q", "-m", "one")
    committed(repo)
    assert "'customers/inner'" in whole(repo)


# --- no commit to compare with -----------------------------------------------------------------------


def failed(shop: Online, *words: str, **variables: str) -> str:
    """Return the error of a plan that sends nothing."""
    ran = shop.run("plan", *words, **variables)
    assert (ran.code, ran.out, shop.requests()) == (1, "", 0), ran.all
    assert "Traceback" not in ran.err
    return " ".join(ran.err.split())


@pytest.mark.parametrize("ref", ["nosuch", "", "--output=x", "main:customers/a.yaml", "a\nb", "0" * 40])
def test_a_ref_that_is_no_commit_is_an_error(repo: Online, ref: str) -> None:
    assert "there is no commit" in failed(repo, f"--changed-since={ref}")


def test_a_branch_that_only_the_remote_has_is_suggested(repo: Online) -> None:
    git(repo.folder, "update-ref", "refs/remotes/origin/trunk", "HEAD")
    assert "did you mean origin/trunk?" in failed(repo, "--changed-since", "trunk")


def test_a_folder_that_is_no_repository_is_an_error(shop: Online) -> None:
    shop.write("customers.yaml", entries(KEYS[:1]))
    said = failed(shop, "-f", "customers.yaml", "--changed-since", "main", GIT_CEILING_DIRECTORIES="/")
    assert "not a git repository" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_repository_of_another_user_is_an_error_with_git_s_own_way_to_trust_it(repo: Online) -> None:
    os.chown(repo.folder, 65534, 65534)
    os.chown(repo.folder / ".git", 65534, 65534)
    said = failed(repo, "--changed-since", "main", HOME="/nowhere")
    assert "dubious ownership" in said
    assert "run git config --global --add safe.directory" in said


def test_a_repository_without_a_commit_is_an_error(shop: Online) -> None:
    shop.write("customers.yaml", entries(KEYS[:1]))
    git(shop.folder, "init", "-q")
    assert "no commit yet" in failed(shop, "-f", "customers.yaml", "--changed-since", "main")


def test_a_machine_without_git_is_an_error(repo: Online) -> None:
    assert "git is not installed" in failed(repo, "--changed-since", "main", PATH="/nowhere")


def test_histories_without_a_common_commit_are_an_error(repo: Online) -> None:
    git(repo.folder, "checkout", "-q", "--orphan", "alone")
    committed(repo, "two")
    assert "have no common commit" in failed(repo, "--changed-since", "main")


def test_histories_that_branch_at_several_commits_are_an_error(repo: Online) -> None:
    def commit(branch: str) -> None:
        git(repo.folder, "commit", "-q", "--allow-empty", "-m", branch)

    git(repo.folder, "checkout", "-q", "-b", "topic")
    commit("topic")
    git(repo.folder, "checkout", "-q", "main")
    commit("main")
    tops = git(repo.folder, "rev-parse", "main"), git(repo.folder, "rev-parse", "topic")
    git(repo.folder, "merge", "-q", "-m", "m", tops[1])
    git(repo.folder, "checkout", "-q", "topic")
    git(repo.folder, "merge", "-q", "-m", "t", tops[0])
    assert "branch at 2 commits" in failed(repo, "--changed-since", "main")


def test_a_shallow_clone_is_an_error_but_for_an_ancestor_that_it_has(repo: Online, tmp_path_factory: Any) -> None:  # noqa: ANN401 - pytest's
    git(repo.folder, "checkout", "-q", "-b", "topic")
    git(repo.folder, "commit", "-q", "--allow-empty", "-m", "two")
    edited(repo, "customers/a.yaml", ("c01@x.example, city: Boston", "c01@x.example, city: Salem"))
    committed(repo, "three")
    folder: Path = tmp_path_factory.mktemp("clones") / "shallow"
    source = f"file://{repo.folder}"
    git(repo.folder, "clone", "-q", "--depth", "2", "--branch", "topic", source, str(folder))
    clone = Online(folder, repo.variables | {"XDG_STATE_HOME": str(repo.folder / "state")}, repo.emulator)
    git(folder, "fetch", "-q", "--depth", "1", "origin", "main:main")
    said = failed(clone, "--changed-since", "main")
    assert "shallow" in said
    assert "fetch-depth: 0" in said
    ran = clone.run("plan", "--changed-since", "HEAD^1", "--format", "json", "--target", "c01")
    assert ran.code == 1
    assert clone.run("plan", "--changed-since", "HEAD^1", "--format", "json").json["targets"] == ["c01"]


def test_a_clone_that_lacks_the_files_of_then_is_an_error(repo: Online, tmp_path_factory: Any) -> None:  # noqa: ANN401 - pytest's
    git(repo.folder, "config", "uploadpack.allowFilter", "true")
    edited(repo, "customers/a.yaml", ("c01@x.example, city: Boston", "c01@x.example, city: Salem"))
    committed(repo, "two")
    folder: Path = tmp_path_factory.mktemp("clones") / "partial"
    git(repo.folder, "clone", "-q", "--filter=blob:none", f"file://{repo.folder}", str(folder))
    clone = Online(folder, repo.variables, repo.emulator)
    said = failed(clone, "--changed-since", "HEAD^1")
    assert "git cannot read commit" in said


def test_another_option_that_narrows_is_refused(repo: Online) -> None:
    assert "cannot be used with --target" in failed(repo, "--changed-since", "main", "--target", "c01")
    planned(repo, "--out", "today.plan")
    ran = repo.run("apply", "today.plan", "--changed-since", "main", "--auto-approve")
    assert (ran.code, "cannot be used with PLAN" in ran.err) == (1, True)


def test_nothing_of_the_repository_s_config_runs(repo: Online, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\ncat\n")
    trap.chmod(0o755)
    repo.write(".gitattributes", "*.yaml filter=f diff=f\n")
    for name in ("filter.f.clean", "filter.f.smudge", "diff.f.textconv", "diff.f.command", "core.fsmonitor"):
        git(repo.folder, "config", name, str(trap))
    edited(repo, "customers/a.yaml", ("c01@x.example, city: Boston", "c01@x.example, city: Salem"))
    assert scope(repo) == ["c01"]
    assert not (tmp_path / "ran").exists()
    subprocess.run(["git", "diff"], cwd=repo.folder, capture_output=True, check=False)  # noqa: S607 - as anyone would
    assert (tmp_path / "ran").exists(), "the trap is one"


def test_the_plan_names_the_commit_in_full_for_programs_and_in_short_for_people(repo: Online) -> None:
    head = git(repo.folder, "rev-parse", "HEAD")
    plan = planned(repo)
    assert plan["changed_since"] == {"ref": "main", "commit": head, "customers": 12, "planned": 0}
    assert json.dumps(plan["notes"]).count(head[:12]) > 0
    assert head not in json.dumps(plan["notes"])


def test_users_that_the_ledger_does_not_know_yet_are_listed_at_one_more_request(repo: Online) -> None:
    users = "c01@x.example, city: Boston, users: {jane@x.example: {first_name: Jane}}"
    edited(repo, "customers/a.yaml", ("c01@x.example, city: Boston", users))
    ran = repo.run("plan", "--changed-since", "main")
    assert ran.out.splitlines()[-1] == "Plan: 1 user to create. 1 of 12 customers planned."
    assert repo.requests() == 1 + 1 + 1


def test_several_environments_are_each_narrowed_by_what_changed_in_them(repo: Online) -> None:
    edited(
        repo, "reconciler.yaml", ("  demo:\n", "  other: {base_url: '${AP_BASE_URL}', overlays: [o.yaml]}\n  demo:\n")
    )
    repo.write("o.yaml", "customers: {c03: {city: Dover}}\n")
    committed(repo)
    repo.write("o.yaml", "customers: {c03: {city: Lynn}}\n")
    ran = repo.run("-e", "demo", "-e", "other", "plan", "--changed-since", "main", "--format", "json")
    scopes = {name: one["changed_since"]["planned"] for name, one in ran.json.items()}
    assert scopes == {"demo": 0, "other": 1}
