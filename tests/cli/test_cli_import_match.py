"""`import --match`: `id:` lines to review, for declared customers that may be live without an external_id."""

from __future__ import annotations

import yaml
from command_line import Online, raw

pytest_plugins = ("command_fixtures",)

HEAD = "# For review. This binds nothing: copy the right id: lines into your files.\n"
HEAD += "# Lines that are commented out are not certain: compare them before you use them.\n"


def test_a_pair_that_is_alike_is_offered_as_an_id_line_with_the_reason(shop: Online) -> None:
    (live,) = shop.load({"name": "ACME", "email": "Billing@acme.example"})
    shop.write("customers.yaml", "customers:\n  acme: {name: Acme, email: billing@acme.example}\n  other: {name: O}\n")
    ran = shop.run("import", "--match", "-f", "customers.yaml")
    lines = f"customers:\n  acme:\n    # the same email, name; score 2.2 of 3; its name is ACME\n    id: {live}\n"
    assert (ran.code, ran.out) == (0, HEAD + lines)
    assert shop.writes() == []


def test_where_a_project_has_several_environments_the_lines_are_for_an_overlay(shop: Online) -> None:
    shop.load({"name": "Acme"})
    shop.write("reconciler.yaml", "version: 1\nenvironments:\n  default: {}\n  demo: {}\n")
    shop.write("customers.yaml", "customers:\n  acme: {name: Acme}\n")
    ran = shop.run("-e", "default", "import", "--match", "-f", "customers.yaml")
    assert ran.out.startswith(HEAD.replace("your files", "an overlay of default"))


def test_the_lines_that_are_offered_make_a_plan_that_creates_nothing(shop: Online) -> None:
    shop.load({"name": "Acme", "email": "billing@acme.example"})
    shop.write("customers.yaml", "customers:\n  acme: {name: Acme, email: billing@acme.example}\n")
    offered = yaml.safe_load(shop.run("import", "--match", "-f", "customers.yaml").out)["customers"]["acme"]["id"]
    shop.write("pinned.yaml", f"customers:\n  acme: {{id: {offered}, name: Acme, email: billing@acme.example}}\n")
    assert shop.run("plan", "-f", "pinned.yaml", "--detailed-exitcode").code == 0


def test_between_several_that_are_alike_every_line_is_a_comment(shop: Online) -> None:
    one, two = sorted(shop.load({"name": "Acme"}, {"name": "acme"}))
    shop.write("customers.yaml", "customers:\n  acme: {name: Acme}\n")
    ran = shop.run("import", "--match", "-f", "customers.yaml", "--redact")
    reason = "    # maybe; the same name; score 1.0 of 3\n#     id: "
    assert ran.out == f"{HEAD}# customers:\n#   acme:\n{reason}{one}\n{reason}{two}\n"


def test_a_customer_that_an_integration_wrote_in_its_own_way_is_sure(shop: Online) -> None:
    (live,) = shop.load(
        {"name": "The ACME & Sons, Inc.", "street_address": "50 State St.", "postal_code": "05602-2957"}
    )
    ours = "name: Acme and Sons, email: a@acme.example, street_address: 50 State Street, postal_code: '05602'"
    shop.write("customers.yaml", f"customers:\n  acme: {{{ours}}}\n")
    ran = shop.run("import", "--match", "-f", "customers.yaml")
    reason = "    # the same name, address; score 2.0 of 3; its name is The ACME & Sons, Inc."
    assert ran.out == f"{HEAD}customers:\n  acme:\n{reason}\n    id: {live}\n"


def test_who_is_known_by_external_id_pin_or_ledger_is_not_offered(shop: Online) -> None:
    pinned, bound, _ = shop.load({"name": "Acme"}, {"name": "Globex"}, {"name": "Initech", "external_id": "initech"})
    applied = shop.applied(f"customers:\n  globex: {{id: {bound}, name: Globex}}\n")
    assert applied.code == 0
    shop.write(
        "customers.yaml",
        f"customers:\n  a: {{id: {pinned}, name: Acme}}\n  b: {{name: Acme}}\n  c: {{name: Globex}}\n"
        "  globex: {name: Globex}\n  d: {name: Initech}\n  initech: {name: Initech}\n",
    )
    ran = shop.run("import", "--match", "-f", "customers.yaml")
    assert (ran.code, ran.out) == (0, "")
    assert "0 declared customers may already be live" in ran.err


def test_hostile_names_stay_inside_their_comment(shop: Online) -> None:
    shop.load({"name": "x\ncustomers: {}\u202e", "email": "a@acme.example"})
    shop.write("customers.yaml", "customers:\n  'a: #': {name: Acme, email: a@acme.example}\n")
    ran = shop.run("import", "--match", "-f", "customers.yaml")
    assert (raw(ran.all), list(yaml.safe_load(ran.out)["customers"])) == ([], ["a: #"])


ACME = {"name": "Acme", "email": "billing@acme.example"}
TWO = """\
# ours
customers:
  acme: # the first
    name: Acme
    email: billing@acme.example
  other: {name: Other}
"""


def test_the_lines_that_are_sure_go_into_the_file_and_no_other_line_changes(shop: Online) -> None:
    (live,) = shop.load(ACME)
    shop.write("customers.yaml", TWO)
    ran = shop.run("import", "--match", "-f", "customers.yaml", "-o", "customers.yaml")
    assert (ran.code, ran.out) == (0, "")
    assert "1 id line written to customers.yaml" in ran.err
    after = (shop.folder / "customers.yaml").read_text("utf-8")
    assert after == TWO.replace("@acme.example\n", f"@acme.example\n    id: {live}\n")


def test_an_overlay_that_is_not_there_yet_is_made_and_one_that_is_there_gets_the_new_lines(shop: Online) -> None:
    (live,) = shop.load(ACME)
    project = "version: 1\nfiles: [customers.yaml]\nenvironments:\n  default: {overlays: [default.yaml]}\n  demo: {}\n"
    shop.write("reconciler.yaml", project)
    shop.write("customers.yaml", TWO)
    words = ("-e", "default", "import", "--match", "-o", "default.yaml")
    assert shop.run(*words).code == 0
    assert yaml.safe_load((shop.folder / "default.yaml").read_text("utf-8"))["customers"] == {"acme": {"id": live}}
    (other,) = shop.load({"name": "Other", "ein": "12-3456789"})
    shop.write("customers.yaml", TWO.replace("{name: Other}", "{name: Other, ein: 12-3456789}"))
    assert shop.run(*words).code == 0
    found = yaml.safe_load((shop.folder / "default.yaml").read_text("utf-8"))["customers"]
    assert found == {"acme": {"id": live}, "other": {"id": other}}


def test_no_id_is_written_to_a_file_that_several_environments_read(shop: Online) -> None:
    shop.load(ACME)
    shop.write("reconciler.yaml", "version: 1\nenvironments:\n  default: {}\n  demo: {}\n")
    shop.write("customers.yaml", TWO)
    ran = shop.run("-e", "default", "import", "--match", "-f", "customers.yaml", "-o", "customers.yaml")
    assert (ran.code, "nothing was written" in ran.err) == (1, True)
    assert (shop.folder / "customers.yaml").read_text("utf-8") == TWO


def test_what_is_not_sure_is_printed_for_review_and_not_written(shop: Online) -> None:
    shop.load({"name": "Acme", "city": "Boston"}, {"name": "acme", "city": "Boston"})
    text = "customers:\n  acme: {name: Acme, city: Boston}\n"
    shop.write("customers.yaml", text)
    ran = shop.run("import", "--match", "-f", "customers.yaml", "-o", "customers.yaml")
    assert (ran.code, "#   acme:" in ran.out) == (0, True)
    assert (shop.folder / "customers.yaml").read_text("utf-8") == text


def test_a_customer_of_another_file_is_not_declared_twice_for_its_id(shop: Online) -> None:
    (live,) = shop.load(ACME)
    shop.write("one.yaml", "customers:\n  acme: {name: Acme, email: billing@acme.example}\n")
    shop.write("two.yaml", "customers:\n  other: {name: Other}\n")
    ran = shop.run("import", "--match", "-f", "one.yaml", "-f", "two.yaml", "-o", "two.yaml")
    assert f"not written: 'acme': two.yaml: it is declared in another file; write `id: {live}` by hand" in ran.err
    assert (shop.folder / "two.yaml").read_text("utf-8") == "customers:\n  other: {name: Other}\n"
