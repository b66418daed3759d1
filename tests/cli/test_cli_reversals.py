"""What someone else reverses each time: archives and restores are held back like fields, and declared ones are seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from command_line import EPOCH_S, THREE, Online, Ran

from reconciler.rules import Account, Behaviour, RuleReply, archive, restore

pytest_plugins = ("command_fixtures",)

Rule = Callable[[Account, Behaviour, str, float], RuleReply]

ACTIVE = THREE
ARCHIVED = THREE.replace("globex: {name", "globex: {archived: true, name")


def by_hand(shop: Online, rule: Rule, key: str) -> None:
    rule(shop.emulator.account, shop.emulator.behaviour, shop.id_of(key), EPOCH_S)
    shop.later()


def apply(shop: Online, *words: str) -> Ran:
    ran = shop.run("apply", "-f", "customers.yaml", "--auto-approve", "--max-archives", "9", *words)
    shop.later()
    return ran


def is_archived(shop: Online, key: str = "globex") -> bool:
    return next(archived for fields, archived, _ in shop.account().values() if fields["external_id"] == key)


def started(shop: Online, text: str) -> None:
    """Create all three customers, and then make globex as `text` declares it."""
    for one in dict.fromkeys((ACTIVE, text)):
        assert shop.applied(one).code == 0
        shop.later()


def fought(shop: Online, text: str, rule: Rule) -> Ran:
    """Apply `text`, have someone else reverse it after each of three more applies, and return the last of these."""
    started(shop, text)
    runs = []
    for _ in range(3):
        by_hand(shop, rule, "globex")
        runs.append(apply(shop))
    assert [ran.code for ran in runs[:1]] == [0]
    return runs[-1]


@pytest.fixture(params=[False, True], ids=["of ours alone", "synced"])
def met(request: pytest.FixtureRequest, shop: Online) -> Online:
    """Return an account in which globex is, or is not, synced from an integration."""
    if request.param:
        shop.load(
            {
                "external_id": "globex",
                "name": "Globex",
                "email": "accounts@globex.example",
                "customer_integration_id": "qbo_1",
                "created_at": "2025-01-01T00:00:00Z",
            }
        )
    return shop


def test_a_restore_that_someone_else_undoes_each_time_is_not_sent_a_third_time(met: Online) -> None:
    last = fought(met, ACTIVE, archive)
    assert (last.code, is_archived(met)) == (3, True)
    assert "We restored it 2 times (" in last.all
    assert "and each time someone archived it outside Reconciler" in " ".join(last.all.split())
    assert sum("/restore" in one for one in met.writes()) == 2


def test_an_archive_that_someone_else_undoes_each_time_is_not_sent_a_third_time(shop: Online) -> None:
    last = fought(shop, ARCHIVED, restore)
    assert (last.code, is_archived(shop)) == (3, False)
    assert "We archived it 2 times (" in last.all
    assert sum(one.startswith("DELETE") for one in shop.writes()) == 2


def test_a_plan_that_was_saved_each_time_counts_the_same(shop: Online) -> None:
    started(shop, ACTIVE)
    codes = []
    for number in range(3):
        by_hand(shop, archive, "globex")
        shop.run("plan", "-f", "customers.yaml", "--out", f"{number}.plan")
        codes.append(shop.run("apply", f"{number}.plan", "-f", "customers.yaml", "--auto-approve").code)
        shop.later()
    assert codes == [0, 0, 3]


def _declare(shop: Online, text: str) -> None:
    shop.write("customers.yaml", text)


def _unblock(shop: Online) -> None:
    ran = shop.run("state", "unblock", "globex")
    assert (ran.code, "the next apply tries it again" in ran.all) == (0, True)


@pytest.mark.parametrize(
    ("text", "rule", "do", "archived"),
    [
        (ACTIVE, archive, lambda shop: _declare(shop, ARCHIVED), True),
        (ACTIVE, archive, _unblock, False),
        (ACTIVE, archive, lambda shop: by_hand(shop, restore, "globex"), False),
        (ARCHIVED, restore, lambda shop: _declare(shop, ACTIVE), False),
        (ARCHIVED, restore, _unblock, True),
        (ARCHIVED, restore, lambda shop: by_hand(shop, archive, "globex"), True),
    ],
    ids=["declared archived", "unblocked", "restored by hand", "declared active", "unblocked too", "archived by hand"],
)
def test_each_fix_that_the_hint_names_leaves_nothing_blocked(
    shop: Online, text: str, rule: Rule, do: Callable[[Online], None], *, archived: bool
) -> None:
    fought(shop, text, rule)
    do(shop)
    assert (apply(shop).code, apply(shop).code, is_archived(shop)) == (0, 0, archived)
    # It counts anew: one reversal is reversed again.
    by_hand(shop, restore if archived else archive, "globex")
    assert (apply(shop).code, is_archived(shop)) == (0, archived)


def test_what_is_held_back_is_drift_that_can_be_accepted(shop: Online) -> None:
    fought(shop, ACTIVE, archive)
    document = shop.run("drift", "-f", "customers.yaml", "--format", "json").json
    assert [(one["kind"], one["address"]) for one in document["findings"]] == [("archived", "globex")]
    assert shop.run("drift", "-f", "customers.yaml", "--accept").code == 0
    assert "archived: true" in (shop.folder / "customers.yaml").read_text()
    assert (apply(shop).code, shop.run("drift", "-f", "customers.yaml").code) == (0, 0)


# --- what a restore by hand must not teach ---------------------------------------------------------------


def test_a_restore_by_hand_teaches_nothing_and_is_answered_by_an_archive(shop: Online) -> None:
    started(shop, ARCHIVED)
    assert shop.run("plan", "-f", "customers.yaml").code == 0  # a complete listing lacks globex
    by_hand(shop, restore, "globex")
    assert (apply(shop).code, is_archived(shop)) == (0, True)


def test_where_it_could_not_be_learned_in_time_a_restore_by_hand_is_not_silent(shop: Online) -> None:
    shop.emulator.behaviour = replace(shop.emulator.behaviour, lists_archived=True)
    started(shop, ARCHIVED)
    by_hand(shop, restore, "globex")
    for words in (("apply", "--auto-approve"), ("plan",)):
        ran = shop.run(*words, "-f", "customers.yaml")
        assert (ran.code, "someone may have restored it" in ran.all) == (0, True)


def test_where_archived_customers_are_listed_a_declared_archive_is_never_silent(shop: Online) -> None:
    shop.emulator.behaviour = replace(shop.emulator.behaviour, lists_archived=True, gets_archived=False)
    started(shop, ARCHIVED)
    apply(shop)  # learns from a customer that is listed and that no get finds
    by_hand(shop, restore, "globex")
    ran = shop.run("plan", "-f", "customers.yaml")
    said = " ".join(ran.out.split())
    assert "we cannot see whether someone restored 1 customer that the files declare `archived: true`: globex" in said


# --- archived already ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("gets_archived", "status"), [(False, 404), (False, 400), (True, 400)])
def test_a_customer_that_is_archived_already_is_settled_when_the_ledger_is_lost(
    shop: Online, *, gets_archived: bool, status: int
) -> None:
    ways = replace(shop.emulator.behaviour, lists_archived=True, gets_archived=gets_archived, repeated_archive=status)
    shop.emulator.behaviour = ways
    started(shop, ARCHIVED)
    by_hand(shop, archive, "globex")
    (shop.folder / ".reconciler" / "default.db").unlink()
    first = apply(shop)
    said = " ".join(first.all.split())
    assert (first.code, "It counts as archived already, by what the API answered" in said) == (0, True)
    assert [apply(shop).code for _ in range(3)] == [0, 0, 0]


# --- accepting a restore by hand -------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 3], ids=["once", "until it is blocked"])
def test_accepting_a_restore_by_hand_takes_over_what_was_edited_meanwhile(shop: Online, times: int) -> None:
    started(shop, ARCHIVED)
    for _ in range(times):
        apply(shop)
        by_hand(shop, restore, "globex")
    shop.load({"id": shop.id_of("globex"), "name": "Globex GmbH", "city": "Ulm"})
    ran = shop.run("drift", "-f", "customers.yaml", "--accept")
    text = (shop.folder / "customers.yaml").read_text()
    assert (ran.code, "archived" in text, "Globex GmbH" in text, "Ulm" in text) == (0, False, True, False)
    assert [shop.run(words, "-f", "customers.yaml").code for words in ("drift", "plan")] == [0, 0]
