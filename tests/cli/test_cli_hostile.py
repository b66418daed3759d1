"""Live data that means harm, or is not what the reference says: nothing raw in any output, nothing that breaks."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
import yaml
from command_line import Online, Place, Reply, answers, raw, variables_of, web_server

pytest_plugins = ("command_fixtures",)

EVIL = "\x1b[2J\x1b]0;owned\x07\u202eevil\u2066\r\nAcme\u2028x\x00\x85[bold]<script>"
LONG = "n" * 1_000_000


def test_hostile_texts_of_an_account_are_never_shown_raw(shop: Online) -> None:
    (one,) = shop.load(
        {
            "external_id": "acme",
            "name": EVIL,
            "city": EVIL,
            "email": "billing@acme.example",
            "users": [{"email": "jane@acme.example", "first_name": EVIL}],
        }
    )
    shop.write("customers.yaml", "customers:\n  acme: {name: Acme, email: billing@acme.example, city: Boston}\n")
    for words in (
        ["plan", "-f", "customers.yaml"],
        ["plan", "-f", "customers.yaml", "--format", "json"],
        ["show", "acme", "-f", "customers.yaml"],
        ["show", "acme", "--format", "json"],
        ["import"],
        ["apply", "-f", "customers.yaml", "--auto-approve"],
        ["state", "list"],
        ["state", "show", "acme"],
    ):
        ran = shop.run(*words)
        assert (ran.code, raw(ran.all)) == (0, []), (words, ran.err)
    assert shop.account()[one][0]["name"] == "Acme"


def test_hostile_external_ids_are_never_shown_raw(shop: Online) -> None:
    shop.load({"external_id": EVIL, "name": "Acme"}, {"external_id": EVIL, "name": "Acme"})
    key = yaml.safe_dump(EVIL, default_style='"', width=10_000, allow_unicode=False).strip()
    shop.write("customers.yaml", f"customers:\n  {key}: {{name: Acme, email: a@acme.example}}\n")
    for words in (["plan"], ["apply", "--auto-approve"], ["show", EVIL]):
        ran = shop.run(*words, "-f", "customers.yaml")
        assert raw(ran.all) == []
        assert ran.all
    assert raw(shop.run("import").all) == []


def test_hostile_texts_of_files_and_paths_are_never_shown_raw(shop: Online) -> None:
    shop.write("a\x1b[31m\u202e.yaml", f"customers:\n  acme: {{name: Acme, ein: 'x\u202e', em\x7fail: '{LONG}'}}\n")
    ran = shop.run("validate", "-f", ".")
    assert (ran.code, raw(ran.all)) == (1, [])
    assert len(ran.all) < 10_000


def test_a_name_of_a_megabyte_is_planned_and_imported(shop: Online) -> None:
    shop.load({"external_id": "acme", "name": LONG, "email": "billing@acme.example"})
    shop.write("customers.yaml", "customers:\n  acme: {name: Acme, email: billing@acme.example}\n")
    assert shop.run("plan", "-f", "customers.yaml").code == 0
    assert shop.run("import", "-o", "live.yaml").code == 0
    assert shop.run("plan", "-f", "live.yaml", "--detailed-exitcode").code == 0


ODD = {
    "id": "cus_1",
    "external_id": 7,
    "name": ["a", "list"],
    "city": {"an": "object"},
    "ein": True,
    "email": None,
    "country": 1.5,
    "created_at": 0,
    "default_payment_method_id": [],
}


@pytest.mark.parametrize("words", [["plan", "-f", "customers.yaml"], ["import"], ["show", "acme"]])
def test_values_that_are_no_texts_end_in_a_plan_or_an_error_and_never_in_a_traceback(
    tmp_path: Path, words: list[str]
) -> None:
    def page(request: str) -> object:
        if "payment-methods" in request:
            return []
        rows = [{"id": 5, "email": ["x"]}, "user"] if "/users" in request else [ODD, {**ODD, "id": "cus_2"}]
        return {"data": rows, "has_next_page": False}

    with web_server(answers(page)) as (url, _):
        place = Place(tmp_path, variables_of(url))
        place.write("customers.yaml", "customers:\n  acme: {name: Acme, email: billing@acme.example}\n")
        ran = place.run(*words)
    assert ran.code in (0, 1)
    assert "bug" not in ran.err
    assert raw(ran.all) == []


def test_customers_without_external_id_and_with_one_that_others_have_are_imported_by_id(shop: Online) -> None:
    ids = shop.load(
        {"name": "No key"},
        {"external_id": "acme", "name": "Acme", "email": "billing@acme.example"},
        {"external_id": "twin", "name": "One"},
        {"external_id": "twin", "name": "Two"},
    )
    ran = shop.run("import", "-o", "live.yaml")
    assert (ran.code, ran.out) == (0, "")
    customers = yaml.safe_load((shop.folder / "live.yaml").read_text("utf-8"))["customers"]
    pins = {key: one.get("id") for key, one in customers.items()}
    assert pins == {ids[0]: ids[0], "acme": None, ids[2]: ids[2], ids[3]: ids[3]}
    plan = shop.run("plan", "-f", "live.yaml", "--detailed-exitcode")
    assert (plan.code, plan.out.splitlines()[-1]) == (
        0,
        "No changes to the account. 4 customers are as declared. Run apply to record 4 adoptions.",
    )


def test_half_a_character_is_shown_and_left_out_of_an_import(shop: Online) -> None:
    ids = shop.load(
        {"external_id": "a\ud800", "name": "A", "users": [{"email": "j@x.example", "first_name": "\udfff"}]},
        {"external_id": "b", "name": "\ud83d", "city": "Dover"},
    )
    assert "name   -         \\ud83d" in shop.run("show", "b").out
    ran = shop.run("import", "-o", "live.yaml")
    assert [line for line in ran.err.splitlines() if line.startswith("warning: ")] == [
        (
            f"warning: {ids[0]}: its external_id contains half a character, "
            "which no file can hold; it is written with an id: line"
        ),
        f"warning: {ids[0]}: a user is left out: it contains half a character, which no file can hold",
        "warning: b: name is left out: it contains half a character, which no file can hold",
    ]
    plan = shop.run("plan", "-f", "live.yaml", "--detailed-exitcode")
    assert (plan.code, plan.out.splitlines()[-1]) == (
        0,
        "No changes to the account. 2 customers are as declared. Run apply to record 2 adoptions.",
    )


def test_a_file_whose_name_is_no_text_is_an_error(shop: Online) -> None:
    Path(os.fsdecode(os.fsencode(shop.folder) + b"/\xff.yaml")).write_text("customers: {}\n", "utf-8")
    ran = shop.run("plan", "-f", ".")
    assert (ran.code, ran.err) == (1, "\\udcff.yaml: the name of this file is not UTF-8; rename it\n")


def test_an_import_on_stdout_is_the_yaml_alone(shop: Online) -> None:
    shop.load({"external_id": "acme", "name": "Acme", "users": [{"email": "jane@acme.example"}]})
    ran = shop.run("import")
    assert yaml.safe_load(ran.out)["customers"]["acme"] == {"name": "Acme", "users": {"jane@acme.example": {}}}
    assert ran.err.splitlines()[-1] == "1 customer written; 3 requests"


def test_an_import_of_some_asks_for_no_others_users(shop: Online) -> None:
    shop.load({"external_id": "west-1", "name": "W"}, {"external_id": "east-1", "name": "E"})
    ran = shop.run("import", "west-*")
    assert list(yaml.safe_load(ran.out)["customers"]) == ["west-1"]
    assert shop.requests() == 3


def test_an_import_never_writes_over_a_file(shop: Online) -> None:
    shop.write("live.yaml", "mine\n")
    ran = shop.run("import", "-o", "live.yaml")
    assert (ran.code, ran.err, shop.requests()) == (
        1,
        "error: live.yaml: it already exists\n  choose another path, or remove it\n",
        0,
    )


ALPHABET = ["a", "B", "é", "e\u0301", "東", "😀", " ", "  ", "\n", "\t", ":", "#", "'", '"', "%", "/", "-", "~", "null",
            "true", "0", "1e5", "02134", "{", "[", "&", "*", "!", "|", ">", "@", "`", "\\", "\u202e", "\x1b", "\u2028",
            "\ufeff", "$", "${X}", "<<", "=", "2024-01-01", "\x00", "\ud7ff", "\u200b"]  # fmt: skip


def odd(luck: random.Random, most: int = 4) -> str:
    """Return a text of odd parts, of one at least."""
    return "".join(luck.choices(ALPHABET, k=luck.randint(1, most)))


@pytest.mark.parametrize("seed", range(6))
def test_what_is_imported_plans_to_nothing_whatever_an_account_holds(shop: Online, seed: int) -> None:
    luck = random.Random(seed)  # noqa: S311 - it must repeat
    keys = [odd(luck) for _ in range(20)]
    shop.load(
        *(
            {
                "external_id": luck.choice([luck.choice(keys), odd(luck), ""]),
                **{name: odd(luck) for name in ("name", "legal_name", "city", "state", "postal_code", "country")},
                "email": luck.choice(["a@x.example", "A@X.example", odd(luck), ""]),
                "ein": luck.choice(["123456789", "12-3456789", odd(luck), ""]),
                "users": [
                    {"email": luck.choice(["j@x.example", "J@X.example", odd(luck)]), "first_name": odd(luck)}
                    for _ in range(luck.randint(0, 3))
                ],
            }
            for _ in range(40)
        )
    )
    imported = shop.run("import", "-o", "live.yaml")
    assert (imported.code, raw(imported.all)) == (0, [])
    plan = shop.run("plan", "-f", "live.yaml", "--detailed-exitcode")
    assert (plan.code, raw(plan.all)) == (0, []), plan.all[-2000:]


@pytest.mark.parametrize("words", [("import",), ("plan", "-f", "customers.yaml")])
def test_an_id_that_is_half_a_character_is_refused(shop: Online, words: tuple[str, ...]) -> None:
    shop.write("customers.yaml", "customers:\n  acme: {name: Acme, email: a@acme.example}\n")

    def page(_: str, target: str) -> Reply:
        if target.startswith("/oauth"):
            return 200, "application/json", b'{"access_token": "token", "expires_in": 3600}'
        return 200, "application/json", b'{"data": [{"id": "cus_\\ud800"}], "has_next_page": false}'

    with web_server(page) as (url, _):
        ran = shop.run(*words, AP_BASE_URL=url)
    assert (ran.code, "has no usable id" in ran.err) == (1, True)
