"""What a person is asked before anything is sent: the plan again in a line, and words for what is dangerous."""

from __future__ import annotations

import pytest
from command_line import ONE, THREE, Online, Place, Ran

from reconciler.cli.carry_out import is_production
from reconciler.settings import Options, read_settings

pytest_plugins = ("command_fixtures",)

TWO = "customers:\n  acme: {archived: true}\n  globex: {archived: true}\n  initech: {name: Initech}\n"


def asked(shop: Online, text: str, typed: bytes, *words: str) -> Ran:
    """Apply a text at a terminal where `typed` is the answer."""
    shop.write("customers.yaml", text)
    return shop.run("apply", "-f", "customers.yaml", *words, stdin=typed, terminal=True)


def project(shop: Online, name: str, rules: str) -> None:
    """Write a project of one environment, and choose it."""
    shop.write("reconciler.yaml", f"version: 1\nenvironments:\n  {name}: {rules}\n")
    shop.variables["AP_ENVIRONMENT"] = name


def test_the_question_says_again_where_and_how_much(shop: Online) -> None:
    ran = asked(shop, ONE, b"y\n")
    where = f"default ({shop.variables['AP_BASE_URL']})"
    assert (ran.code, ran.err.splitlines()[0]) == (0, f"{where}: 1 to create; 1 request")
    assert "Apply this plan? [y/N]: " in ran.err


def test_a_yes_archives_nobody_and_the_words_do(shop: Online) -> None:
    shop.applied(THREE)
    refused = asked(shop, TWO, b"y\n", "--max-archives", "2")
    assert (refused.code, [one for one in shop.writes() if one.startswith("DELETE")]) == (3, [])
    assert refused.err.endswith("error: not applied: archive 2 was not typed; nothing was sent\n")
    ran = asked(shop, TWO, b" Archive  2\n", "--max-archives", "2")
    assert (ran.code, "  archive: acme, globex\nType archive 2 to apply it: " in ran.err) == (0, True)
    assert len([one for one in shop.writes() if one.startswith("DELETE")]) == 2


def test_a_restore_and_an_archive_in_one_plan_are_both_named(shop: Online) -> None:
    shop.applied(THREE)
    assert shop.applied(THREE.replace("office@initech.example", "office@initech.example, archived: true")).code == 0
    shop.later()
    swapped = THREE.replace("accounts@globex.example", "accounts@globex.example, archived: true")
    ran = asked(shop, swapped, b"archive 1 restore 1\n")
    assert (ran.code, shop.writes()[-2:]) == (
        0,
        [f"POST /customers/{shop.id_of('initech')}/restore", f"DELETE /customers/{shop.id_of('globex')}"],
    )


def test_payment_methods_of_whom_a_plan_archives_are_told_in_the_question(shop: Online) -> None:
    shop.applied(THREE)
    account = shop.emulator.account
    account.payment_methods[shop.id_of("acme")] = [{"id": "pm_1", "type": "card"}]
    ran = asked(shop, "customers:\n  acme: {archived: true}\n", b"\n", "--max-archives", "3")
    assert "1 has payment methods" in " ".join(ran.err.split())


@pytest.mark.parametrize(
    ("name", "many", "typed", "code"),
    [
        ("production", 21, b"y\n", 3),
        ("production", 21, b"create 21\n", 0),
        ("production", 20, b"y\n", 0),
        ("demo", 21, b"y\n", 0),
    ],
)
def test_many_creates_want_words_in_production_alone(
    shop: Online, name: str, many: int, typed: bytes, code: int
) -> None:
    project(shop, name, "{}")
    text = "customers:\n" + "".join(f"  c-{one}: {{name: C}}\n" for one in range(many))
    assert (asked(shop, text, typed).code, len(shop.writes())) == (code, 0 if code else many)


@pytest.mark.parametrize(
    ("base_url", "production"),
    [
        ("https://public-api.alternativepayments.io", True),
        ("https://Public-API.alternativepayments.io.:443/", True),
        ("https://public-api.demo.alternativepayments.io", False),
        ("http://127.0.0.1:8085", False),
    ],
)
def test_production_is_known_by_its_base_url_too(here: Place, base_url: str, production: bool) -> None:
    here.write("reconciler.yaml", f"files: [c]\nenvironments: {{live: {{base_url: '{base_url}'}}}}\n")
    environment = read_settings(Options(), variables={}, cwd=here.folder).environment()
    assert is_production(environment) is production


def test_in_a_disposable_environment_a_yes_does(shop: Online) -> None:
    project(shop, "demo", "{disposable: true}")
    shop.write("customers.yaml", THREE)
    assert shop.run("apply", "-f", "customers.yaml", "--auto-approve").code == 0
    assert asked(shop, TWO, b"y\n", "--max-archives", "2").code == 0


@pytest.mark.parametrize(("words", "typed"), [(["--approve", "archive"], b"y\n"), ([], b"archive\ny\n")])
def test_what_was_approved_by_name_is_not_asked_for_again(shop: Online, words: list[str], typed: bytes) -> None:
    project(shop, "demo", "{policy: {require_approval_for: [archive]}}")
    shop.write("customers.yaml", THREE)
    assert shop.run("apply", "-f", "customers.yaml", "--auto-approve").code == 0
    assert asked(shop, TWO, typed, "--max-archives", "2", *words).code == 0


def test_without_a_question_there_are_no_words(shop: Online) -> None:
    shop.applied(THREE)
    assert asked(shop, TWO, b"", "--max-archives", "2", "--auto-approve").code == 0
