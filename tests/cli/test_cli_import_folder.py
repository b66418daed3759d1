"""`import -o FOLDER/`: a file for each customer, under a name that is safe, all of them or none."""

from __future__ import annotations

import pytest
from command_line import Online

from reconciler.cli.import_ import file_name

pytest_plugins = ("command_fixtures",)


def files(shop: Online, folder: str = "customers") -> list[str]:
    """Return what is in a folder, hidden files too."""
    return sorted(one.name for one in (shop.folder / folder).iterdir())


def bindings(shop: Online, *words: str) -> list[str]:
    """Return the actions on the ledger that a plan has, after it was seen to have no changes."""
    ran = shop.run("plan", "-f", "customers", "--format", "json", "--detailed-exitcode", *words)
    assert (ran.code, ran.json["changes"]) == (0, [])
    return [one["action"] for one in ran.json["bindings"]]


def test_each_customer_stands_in_a_file_of_its_own_that_plans_to_nothing(shop: Online) -> None:
    shop.load({"external_id": "acme", "name": "Acme"}, {"external_id": "globex", "name": "Globex"})
    assert shop.run("import", "-o", "customers/").code == 0
    assert files(shop) == ["acme.yaml", "globex.yaml"]
    assert bindings(shop) == ["adopt", "adopt"]


def test_a_folder_is_filled_batch_by_batch_with_an_empty_plan_after_each(shop: Online) -> None:
    shop.load(*({"external_id": f"{side}-{number}", "name": "N"} for side in ("east", "west") for number in range(20)))
    for side, so_far in (("east", 20), ("west", 40)):
        assert shop.run("import", f"{side}-*", "-o", "customers/").code == 0
        assert shop.run("apply", "-f", "customers", "--auto-approve").code == 0
        assert (len(files(shop)), bindings(shop)) == (so_far, [])
    assert shop.writes() == []


def test_the_empty_pattern_takes_those_without_an_external_id(shop: Online) -> None:
    nameless, _ = shop.load({"name": "Acme"}, {"external_id": "globex", "name": "Globex"})
    assert shop.run("import", "", "-o", "customers/").code == 0
    assert len(files(shop)) == 1
    assert f"id: {nameless}\n" in (shop.folder / "customers" / files(shop)[0]).read_text()
    assert bindings(shop) == ["adopt"]


def test_no_key_leads_out_of_the_folder_or_hides_a_customer(shop: Online) -> None:
    keys = ["../../up", "/etc/passwd", ".hidden", "Acme", "acme", "ACME", "con", "a\nb", "~", "x" * 500, "*", "é"]
    shop.load(*({"external_id": key, "name": "N"} for key in keys))
    assert shop.run("import", "-o", "customers/").code == 0
    assert len({name.lower() for name in files(shop)}) == len(keys)
    assert bindings(shop) == ["adopt"] * len(keys)


def test_where_one_file_is_there_already_none_is_written(shop: Online) -> None:
    shop.load({"external_id": "acme", "name": "Acme"}, {"external_id": "globex", "name": "Globex"})
    kept = shop.write("customers/globex.yaml", "mine")
    ran = shop.run("import", "-o", "customers")
    assert (ran.code, files(shop), kept.read_text()) == (1, ["globex.yaml"], "mine")
    assert "1 file would be overwritten; nothing was written: globex.yaml" in ran.err


def test_a_folder_that_cannot_be_is_refused_before_a_request(shop: Online) -> None:
    shop.write("file", "")
    codes = [shop.run("import", "-o", path).code for path in ("file/", "nowhere/customers/", "")]
    assert (codes, shop.requests()) == ([1, 1, 1], 0)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("acme-1.2_x", "acme-1.2_x.yaml"),
        ("Acme", "acme~"),
        ("nul.txt", "nul-txt~"),
        ("trailing.", "trailing~"),
        ("..", "customer~"),
    ],
)
def test_a_plain_key_is_the_name_and_another_gets_a_hash(key: str, name: str) -> None:
    assert file_name(key).startswith(name)
