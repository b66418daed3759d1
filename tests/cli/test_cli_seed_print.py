"""`seed --print`, and `import --anonymise`: an environment filled with nobody's customers."""

from __future__ import annotations

from command_line import THREE, Online, Place

pytest_plugins = ("command_fixtures",)

SECRET = {"RECONCILER_ANONYMISE_KEY": "a secret of some length"}


def test_generated_customers_are_valid_and_the_same_again(here: Place) -> None:
    words = ("seed", "--print", "--customers", "20", "--users", "2", "--seed", "5")
    ran = here.run(*words)
    here.write("customers.yaml", ran.out)
    assert (ran.code, here.run(*words).out == ran.out) == (0, True)
    assert here.run("validate", "-f", "customers.yaml", "--strict").code == 0


def test_generated_customers_are_applied_and_then_plan_to_nothing(shop: Online) -> None:
    assert shop.applied(shop.run("seed", "--print", "--customers", "5", "--users", "1").out).code == 0
    again = shop.run("plan", "-f", "customers.yaml", "--detailed-exitcode")
    assert (len(shop.account()), again.code) == (5, 0)


def test_a_generated_file_is_never_written_over_another(here: Place) -> None:
    here.write("customers.yaml", THREE)
    ran = here.run("seed", "--print", "-o", "customers.yaml")
    assert (ran.code, (here.folder / "customers.yaml").read_text("utf-8")) == (1, THREE)


def test_an_anonymised_import_says_nothing_of_the_account(shop: Online) -> None:
    shop.applied(THREE)
    shop.load({"name": "Nameless Ltd", "email": "someone@nameless.org"})
    ran = shop.run("import", "--anonymise", **SECRET)
    names = ("acme", "globex", "initech", "nameless", "boston", "jane", "doe", "cus_")
    assert (ran.code, [name for name in names if name in ran.out.casefold()]) == (0, [])
    assert ran.out.count("    name: ") == 4


def test_an_anonymised_import_is_the_same_again(shop: Online) -> None:
    shop.applied(THREE)
    first = shop.run("import", "--anonymise", **SECRET).out
    assert shop.run("import", "--anonymise", **SECRET).out == first


def test_an_anonymised_import_needs_a_secret_worth_the_name(shop: Online) -> None:
    for given in ({}, {"RECONCILER_ANONYMISE_KEY": "short"}):
        ran = shop.run("import", "--anonymise", **given)
        assert (ran.code, ran.out, "RECONCILER_ANONYMISE_KEY" in ran.err, shop.requests()) == (1, "", True, 0)


def test_what_is_generated_points_editors_to_the_schema_of_the_project_and_to_none_where_there_is_none(
    here: Place,
) -> None:
    assert "yaml-language-server" not in here.run("seed", "--print").out
    here.run("seed", "--print", "-o", "apart.yaml")
    assert "yaml-language-server" not in (here.folder / "apart.yaml").read_text()
    here.run("init", "new")
    here.run("seed", "--print", "-o", "new/customers/more.yaml")
    first = (here.folder / "new/customers/more.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=../schema/customers.schema.json"
