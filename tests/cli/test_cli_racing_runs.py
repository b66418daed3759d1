"""Two runs of one account at once, from two machines as far as they know, with one shared ledger."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import object_server
import postgres_server
import pytest
from command_line import PATIENCE_S, Online, Ran

pytest_plugins = ("command_fixtures",)

MANY = "customers:\n" + "".join(f"  key-{n}: {{name: N{n}, email: n{n}@x.example}}\n" for n in range(60))
APPLY = ("apply", "-f", "customers.yaml", "--auto-approve", "--format", "json")


SHARED: Mapping[str, Callable[[], str]] = {
    "postgres": lambda: postgres_server.database("racing"),
    "objects": lambda: object_server.url_of(object_server.bucket()),
}


@pytest.fixture(params=SHARED)
def shared(shop: Online, request: pytest.FixtureRequest) -> Online:
    """A place whose ledger is a new database, or a new bucket."""
    shop.variables["RECONCILER_STATE"] = SHARED[request.param]()
    return shop


def together(shop: Online, *words: str) -> list[Ran]:
    """Run an apply in two folders, each with a state folder of its own, at once."""
    places = [Online(shop.folder / name, dict(shop.variables), shop.emulator) for name in ("one", "two")]
    for place in places:
        place.write("customers.yaml", MANY)
    started = [place.start(*APPLY, *words, loaded=True) for place in places]
    ran = []
    for process in started:
        out, err = process.communicate(timeout=PATIENCE_S)
        ran.append(Ran(process.returncode, out.decode(), err.decode()))
    return ran


def created(shop: Online) -> list[str]:
    return sorted(fields["external_id"] for fields, _, _ in shop.account().values())


def outcomes(ran: Ran) -> int:
    return len(json.loads(ran.out)["outcomes"]) if ran.out else 0


def test_one_run_does_it_all_and_the_other_waits_and_finds_nothing_to_do(shared: Online) -> None:
    ran = together(shared, "--lock-timeout", "10m")
    assert [one.code for one in ran] == [0, 0], ran
    assert created(shared) == sorted(f"key-{n}" for n in range(60))
    assert sorted(map(outcomes, ran)) == [0, 60]


def test_without_waiting_each_run_does_it_all_or_is_refused_and_nothing_is_there_twice(shared: Online) -> None:
    ran = together(shared)
    assert created(shared) == sorted(f"key-{n}" for n in range(60))
    assert sum(map(outcomes, ran)) == 60
    assert {(one.code, outcomes(one)) for one in ran} <= {(0, 60), (0, 0), (3, 0)}


def test_another_run_sees_what_the_first_one_wrote(shared: Online, tmp_path: Path) -> None:
    shared.applied(MANY)
    other = Online(tmp_path / "other", dict(shared.variables), shared.emulator)
    other.write("customers.yaml", MANY)
    shared.later()
    assert other.run("plan", "-f", "customers.yaml", "--detailed-exitcode").code == 0
