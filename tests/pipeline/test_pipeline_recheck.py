"""An apply that would change a customer whose state cannot be verified yet: it waits, and reads again first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from api_account import Endpoint
from api_ways import Ways
from plan_values import customer, declared
from world import REF, World

from reconciler.errors import Source
from reconciler.model.core import Desired, DesiredUser
from reconciler.model.policy import Share, Terms

LAG_S = 10.0
UNDER = Terms(REF, rate_per_s=0.0, max_archives=Share(100, percent=True))
JANE = DesiredUser("jane@acme.example", {"first_name": "Jane"}, Source("customers.yaml", 4, 5))


def acme(city: str, *users: DesiredUser) -> Desired:
    return declared(customer("acme", *users, fields={"name": "acme", "city": city}), customer("globex"))


def kept(folder: Path, lag_s: float = 8.0) -> World:
    """Return a world that was applied a minute ago, and whose acme was patched from Boston to Dover just now."""
    world = World(folder, Ways(lag_s=lag_s, gets_archived=True))
    world.apply(acme("Boston"), UNDER)
    world.wait(60)
    world.apply(acme("Dover"), UNDER)
    return world


def city(world: World) -> str:
    return next(one for one in world.api.account.customers() if one.external_id == "acme").fields["city"]


def id_of(world: World, key: str) -> str:
    return next(one.id for one in world.api.account.customers() if one.external_id == key)


def test_a_patch_of_what_is_listed_as_before_our_last_one_waits_until_it_can_be_verified(tmp_path: Path) -> None:
    world = kept(tmp_path)
    began_s = world.api.now()
    applied = world.apply(acme("Albany"), UNDER)
    (field,) = applied.plan.changes[0].fields
    assert (field.before, field.after, city(world)) == ("Dover", "Albany", "Albany")
    assert LAG_S <= world.api.now() - began_s <= LAG_S + 2


def test_an_edit_that_a_list_hides_is_seen_before_it_is_written_over(tmp_path: Path) -> None:
    world = kept(tmp_path)
    world.api.account.edit(id_of(world, "acme"), city="Salem")
    shown = world.plan(acme("Albany"), UNDER)
    applied = world.apply(acme("Albany"), UNDER)
    assert ([one.address.external_id for one in shown.unverified], shown.changes[0].fields[0].before) == (
        ["acme"],
        "Dover",
    )
    (field,) = applied.plan.changes[0].fields
    assert (field.before, field.cause, applied.plan.unverified) == ("Salem", "both", ())


def test_an_apply_that_changes_others_does_not_wait(tmp_path: Path) -> None:
    world = kept(tmp_path)
    began_s = world.api.now()
    desired = acme("Dover")
    other = replace(desired.customers["globex"], fields={"name": "Globex Inc"})
    applied = world.apply(replace(desired, customers={**desired.customers, "globex": other}), UNDER)
    assert [one.address.external_id for one in applied.plan.changes] == ["globex"]
    assert [one.address.external_id for one in applied.plan.unverified] == ["acme"]
    assert world.api.now() - began_s < 1


def test_where_lists_show_our_writes_at_once_nothing_waits(tmp_path: Path) -> None:
    world = kept(tmp_path, lag_s=0.0)
    began_s = world.api.now()
    assert world.apply(acme("Albany"), UNDER).plan.unverified == ()
    assert world.api.now() - began_s < 1


def test_a_user_of_a_customer_that_is_not_listed_yet_is_looked_for_before_it_is_created(tmp_path: Path) -> None:
    world = World(tmp_path, Ways(lag_s=8.0))
    world.apply(acme("Boston"), UNDER)
    world.api.account.add_user(id_of(world, "acme"), "jane@acme.example")
    world.apply(acme("Boston", JANE), UNDER)
    assert [user.email for user in world.api.account.users_of(id_of(world, "acme"))] == ["jane@acme.example"]
    assert [one for one in world.api.seen if one.endpoint is Endpoint.CREATE_USER] == []


def test_a_customer_that_somebody_archived_right_after_our_create_is_not_patched_unseen(tmp_path: Path) -> None:
    world = World(tmp_path, Ways(gets_archived=True))
    world.apply(acme("Boston"), UNDER)
    world.api.account.archive(id_of(world, "acme"))
    applied = world.apply(acme("Dover"), replace(UNDER, max_restores=Share(100, percent=True)))
    assert [str(one.action) for one in applied.plan.changes] == ["restore", "patch"]
    assert [one.external_id for one in world.api.account.customers()] == ["acme", "globex"]
