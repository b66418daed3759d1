"""The first day with a full account: adopted, a copy without its people seeded elsewhere, an archive explained."""

from __future__ import annotations

from command_line import Online, variables_of

from reconciler.emulator.server import running
from reconciler.emulator.service import Emulator

pytest_plugins = ("command_fixtures",)

MANY = 60
PROJECT = """\
version: 1
files: [customers/]
environments:
  production:
    base_url: {production}
    overlays: [overlays/production.yaml]
  demo:
    base_url: {demo}
    disposable: true
"""
ADOPT = ("import", "-o", "customers/live.yaml", "--pinned", "overlays/production.yaml", "--bind")


def filled(shop: Online) -> None:
    """Fill the account: half of the customers have no external_id, each has a user."""
    shop.load(
        *(
            {
                **({"external_id": f"acct-{number}"} if number % 2 else {}),
                "name": f"Company {number}",
                "ein": f"{number + 100000000}",
                "email": f"billing@company-{number}.com",
                "users": [{"email": f"jane@company-{number}.com", "first_name": "Jane", "last_name": f"Doe{number}"}],
            }
            for number in range(MANY)
        )
    )


def test_the_first_day_changes_nothing_that_was_not_wanted(
    shop: Online,
) -> None:
    filled(shop)
    production = shop.variables.pop("AP_BASE_URL")
    with running(Emulator(rate=0)) as demo:
        shop.variables.update(variables_of(demo), RECONCILER_ANONYMISE_KEY="k" * 32)
        del shop.variables["AP_BASE_URL"]
        shop.write("reconciler.yaml", PROJECT.format(production=production, demo=demo))
        for name in ("customers", "overlays", "demo"):
            (shop.folder / name).mkdir()

        assert shop.run("-e", "production", *ADOPT).code == 0
        planned = shop.run("-e", "production", "plan", "--format", "json").json
        assert (planned["changes"], planned["bindings"], planned["summary"]["unchanged"]) == ([], [], MANY)

        copy = ("-o", "demo/copy.yaml")
        assert shop.run("-e", "production", "import", "--anonymise", *copy).code == 0
        seeded = ("-e", "demo", "seed", "-f", "demo/", "--auto-approve", "--format", "json")
        assert shop.run(*seeded).json["summary"]["done"] == 2 * MANY
        assert shop.run(*seeded).json["summary"]["done"] == 0
        text = (shop.folder / "demo/copy.yaml").read_text()
        assert [word for word in ("Company", "company-", "Doe", "acct-", "cus_") if word in text] == []

        file = shop.folder / "customers/live.yaml"
        before, _, rest = file.read_text().partition("  acct-7:\n")
        after = rest[rest.index("  acct-9:\n") :]
        file.write_text(before + after)
        told = shop.run("-e", "production", "show", "acct-7", "--why", "--format", "json").json
        holds = [check["rule"] for check in told["archiving"] if check["archives"] and check["holds"]]
        assert ([one["action"] for one in told["changes"]], holds) == (["archive"], ["entry_gone"])
    assert shop.writes() == []
