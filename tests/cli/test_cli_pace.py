"""Commands with a rate keep one pace on one machine; what cannot be kept stops no command."""

from __future__ import annotations

from command_line import ONE, Online

pytest_plugins = ("command_fixtures",)


def _paces(shop: Online) -> list[str]:
    """Return the endings of what the user's state folder holds."""
    return sorted(path.suffix for path in (shop.folder / "state").rglob("*") if path.is_file())


def test_a_plan_with_a_rate_keeps_its_pace_for_others(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    ran = shop.run("plan", "-f", "customers.yaml", RECONCILER_RATE="50")
    assert (ran.code, _paces(shop)) == (0, [".pace"])


def test_a_plan_without_a_limit_keeps_none(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    ran = shop.run("plan", "-f", "customers.yaml", "--rate", "0")
    assert (ran.code, _paces(shop)) == (0, [])


def test_a_state_folder_that_cannot_be_written_changes_nothing_that_a_plan_says(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    blocked = str(shop.write("blocked", ""))
    usual = shop.run("plan", "-f", "customers.yaml", RECONCILER_RATE="50")
    assert shop.run("plan", "-f", "customers.yaml", RECONCILER_RATE="50", XDG_STATE_HOME=blocked) == usual
