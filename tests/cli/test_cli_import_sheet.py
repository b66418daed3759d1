"""`import --from`: a spreadsheet becomes a customers file, or an error with line and column, and never half of one."""

from __future__ import annotations

import pytest
from command_line import Online, Place, Ran, fits, raw

from reconciler.documents.parse import parse

pytest_plugins = ("command_fixtures",)

MAP = """\
version: 1
key: "c-{Id}"
columns:
  name: Name
  email: {column: Email, clean: [first_email]}
  postal_code: {column: ZIP, clean: [postal_code]}
  country: {constant: USA}
where: [{column: Active, equals: ["Yes", "TRUE"]}]
empty: ["NULL", "N/A", "-"]
"""
HEAD = "Id,Name,Email,ZIP,Active\n"
TWO = HEAD + "1,Acme,a@acme.example,2134,yes\n2,Globex,,10001,TRUE\n3,Gone,,,No\n"
WRITTEN = """\
version: 1
customers:
  c-1:
    name: Acme
    email: a@acme.example
    postal_code: 02134
    country: USA
  c-2:
    name: Globex
    postal_code: 10001
    country: USA
"""


def _import(here: Place, rows: str | bytes, *words: str, sheet_map: str = MAP, name: str = "c.csv") -> Ran:
    here.write(name, rows)
    here.write("map.yaml", sheet_map)
    return here.run("import", "--from", name, "--map", "map.yaml", *words)


def _customers(ran: Ran) -> dict[str, dict[str, object]]:
    assert ran.code == 0, ran.err
    return _tree(ran.out)


def _tree(text: str) -> dict[str, dict[str, object]]:
    document, problems = parse(text.encode(), "out.yaml")
    assert problems == ()
    assert document is not None
    found: dict[str, dict[str, object]] = document.tree["customers"]
    return found


def test_a_sheet_is_written_as_a_customers_file_and_what_became_of_it_is_said(here: Place) -> None:
    ran = _import(here, TWO, "-o", "out.yaml")
    assert (ran.code, ran.out) == (0, "")
    assert (here.folder / "out.yaml").read_text("utf-8") == WRITTEN
    assert ran.err.splitlines() == [
        "c.csv: CSV, commas, UTF-8; the header is on line 1",
        "3 rows read: 2 written, 1 filtered",
        "1 cell repaired: 1 postal_code",
        "  c.csv:2:4: ZIP: '2134' -> '02134'",
        "customers: 2 new",
        "wrote out.yaml",
    ]
    assert here.run("validate", "-f", "out.yaml").code == 0


def test_a_sheet_costs_no_request(shop: Online) -> None:
    assert _import(shop, TWO, "-o", "out.yaml").code == 0
    assert shop.requests() == 0


def test_a_dry_run_prints_the_file_and_writes_nothing(here: Place) -> None:
    ran = _import(here, TWO, "-o", "out.yaml", "--dry-run")
    assert ran.out == WRITTEN
    assert not (here.folder / "out.yaml").exists()


def test_without_a_place_the_file_goes_to_standard_output(here: Place) -> None:
    assert _import(here, TWO).out == WRITTEN


def test_json_reports_every_row_and_every_repair(here: Place) -> None:
    report = _import(here, TWO, "--dry-run", "--format", "json").json
    assert fits(report, "import")
    assert report["rows"] == {"read": 3, "written": 2, "filtered": 1, "left_out": 0, "repaired": 1}
    (repair,) = report["repaired"]
    assert (repair["line"], repair["old"], repair["new"], repair["by"]) == (2, "2134", "02134", "postal_code")
    assert report["customers"]["new"] == ["c-1", "c-2"]


def test_json_with_redact_names_the_cell_and_masks_its_value(here: Place) -> None:
    (repair,) = _import(here, TWO, "--dry-run", "--format", "json", "--redact").json["repaired"]
    assert (repair["line"], repair["column"], repair["old"], repair["new"]) == (2, 4, "***", "***")


def test_the_file_and_row_of_each_customer_are_a_comment_where_they_are_asked_for(here: Place) -> None:
    lines = _import(here, TWO, "--source").out.splitlines()
    assert [line for line in lines if "#" in line] == ["  c-1:  # c.csv:2", "  c-2:  # c.csv:3"]


def test_into_a_folder_each_customer_has_a_file(here: Place) -> None:
    assert _import(here, TWO, "-o", "customers/").code == 0
    assert sorted(path.name for path in (here.folder / "customers").iterdir()) == ["c-1.yaml", "c-2.yaml"]


def test_a_report_has_a_title_above_its_header_and_a_date_below_its_table(here: Place) -> None:
    rows = f"My Company,,,,\nCustomers,,,,\n\n{TWO}\n\n Monday,,,,\n"
    report = _import(here, rows, "--dry-run", "--format", "json").json
    assert (report["header_line"], report["rows"]["written"]) == (4, 2)
    assert [(one["line"], one["reason"]) for one in report["left_out"]] == [(10, "below_table")]


def test_a_customer_of_one_cell_among_others_is_no_end_of_the_table(here: Place) -> None:
    sheet_map = "key: Name\ncolumns: {name: Name, city: City, state: State}\n"
    ran = _import(here, "Name,City,State\nAcme,Boston,MA\n\nGlobex,,\nInitech,Salem,MA\n", sheet_map=sheet_map)
    assert list(_customers(ran)) == ["Acme", "Globex", "Initech"]


def test_empty_words_mean_an_empty_cell(here: Place) -> None:
    assert _customers(_import(here, HEAD + "1,Acme,N/A,-,yes\n"))["c-1"] == {"name": "Acme", "country": "USA"}


def test_a_default_fills_an_empty_cell_and_a_country_restores_its_own_zeros(here: Place) -> None:
    sheet_map = """\
key: Id
columns:
  name: Name
  country: {column: Country, clean: [country], default: USA}
  postal_code: {column: ZIP, clean: [postal_code]}
"""
    rows = "Id,Name,Country,ZIP\n1,A,,2134\n2,B,Germany,1067\n3,C,Switzerland,8001\n"
    found = _customers(_import(here, rows, sheet_map=sheet_map))
    places = [(one["country"], one["postal_code"]) for one in found.values()]
    assert places == [("USA", "02134"), ("DEU", "01067"), ("CHE", "8001")]


def test_a_key_may_be_made_of_several_columns(here: Place) -> None:
    ran = _import(here, "A,B,Name\n1,x,Acme\n", sheet_map='key: "{A}/{B}"\ncolumns: {name: Name}\n')
    assert list(_customers(ran)) == ["1/x"]


def test_an_empty_list_of_cleaners_takes_a_cell_as_it_is(here: Place) -> None:
    rows = "Id,Name\n1,2-Sep \n"
    assert _import(here, rows, sheet_map="key: Id\ncolumns: {name: Name}\n").code == 1
    ran = _import(here, rows, sheet_map="key: Id\ncolumns: {name: {column: Name, clean: []}}\n")
    assert _customers(ran)["1"]["name"] == "2-Sep "


# --- users and other files -----------------------------------------------------------------------------

USERS = "key: Id\ncolumns: {name: Name}\nusers: [{email: Contact, first_name: First}]\n"
JOINED = """\
key: Id
columns:
  name: Name
  email: {file: contacts.csv, on: {Id: Company Id}, where: [{column: Billing, equals: [yes]}], column: Email}
users: [{file: contacts.csv, on: {Id: Company Id}, email: Email, first_name: First, last_name: Last}]
"""
CONTACTS = """\
Company Id,Email,First,Last,Billing
1,jo@acme.example,Jo,Doe,yes
1,al@acme.example,Al,,no
1,,Nobody,,no
9,x@acme.example,X,,no
"""


def test_users_come_from_columns_of_the_same_row(here: Place) -> None:
    ran = _import(here, "Id,Name,Contact,First\n1,A,jo@acme.example,Jo\n2,B,,\n", sheet_map=USERS)
    found = _customers(ran)
    assert found["1"]["users"] == {"jo@acme.example": {"first_name": "Jo"}}
    assert "users" not in found["2"]


def test_users_and_fields_come_from_a_file_that_is_joined_by_a_column(here: Place) -> None:
    here.write("contacts.csv", CONTACTS)
    found = _customers(_import(here, "Id,Name\n1,A\n2,B\n", sheet_map=JOINED))
    assert found["1"]["email"] == "jo@acme.example"
    assert found["1"]["users"] == {
        "jo@acme.example": {"first_name": "Jo", "last_name": "Doe"},
        "al@acme.example": {"first_name": "Al"},
    }


def test_a_contact_of_nobody_and_one_without_an_address_are_left_out_with_their_reason(here: Place) -> None:
    here.write("contacts.csv", CONTACTS)
    ran = _import(here, "Id,Name\n1,A\n2,B\n", "--dry-run", "--format", "json", sheet_map=JOINED)
    found = [(one["file"], one["line"], one["reason"]) for one in ran.json["left_out"]]
    assert sorted(set(found)) == [("contacts.csv", 4, "no_email"), ("contacts.csv", 5, "no_customer")]


def test_two_rows_that_name_one_user_in_two_ways_are_an_error(here: Place) -> None:
    here.write("contacts.csv", CONTACTS.replace("9,x@", "1,JO@"))
    ran = _import(here, "Id,Name\n1,A\n", sheet_map=JOINED)
    assert "contacts.csv:5:2: email: the user 'JO@acme.example' of '1' has another name here" in ran.err
    assert "than at contacts.csv:2:2" in ran.err


def test_two_values_for_one_field_are_an_error_and_not_a_choice(here: Place) -> None:
    here.write("contacts.csv", CONTACTS.replace("Al,,no", "Al,,yes"))
    ran = _import(here, "Id,Name\n1,A\n", sheet_map=JOINED)
    assert (ran.code, "'1' has two values here, on lines 2 and 3" in ran.err) == (1, True)


def test_a_file_that_is_not_there_is_an_error_unless_it_is_optional(here: Place) -> None:
    ran = _import(here, "Id,Name\n1,A\n", sheet_map=JOINED)
    assert "map.yaml:4:" in ran.err
    assert "there is no file 'contacts.csv'; export it into the folder of c.csv" in ran.err
    optional = JOINED.replace("file: contacts.csv,", "file: contacts.csv, optional: true,")
    assert _customers(_import(here, "Id,Name\n1,A\n", sheet_map=optional)) == {"1": {"name": "A"}}


# --- bad input -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "problems"),
    [
        (
            HEAD + "1,A,,2134,yes\n1,B,,2134,yes\n",
            [
                (
                    "c.csv:3:1: key: 'c-1' is the key of two rows, here and on line 2; remove one of them in the "
                    "sheet, or make the key of more columns"
                )
            ],
        ),
        (
            HEAD + "1,A,,2134,yes\n2,B, Inc,,2134,yes\n3,C\n4,D\n",
            [
                (
                    "c.csv:3:6: this row has 6 cells, and the header has 5; a delimiter or a line break inside a cell "
                    "needs quotes around the cell: export it again"
                ),
                (
                    "c.csv:4:3: this row has 2 cells, and the header has 5 (also on line 5); a delimiter or a line "
                    "break inside a cell needs quotes around the cell: export it again"
                ),
            ],
        ),
        (
            HEAD + ",A,,2134,yes\n2,B,,2134,yes\n,C,,2134,yes\n",
            [
                (
                    "c.csv:2:1: Id: the key column 'Id' is empty (also on line 4); fill it in the sheet, or pass over "
                    'such rows: `where: [{column: Id, differs: [""]}]`'
                )
            ],
        ),
        (HEAD + HEAD + "1,A,,2134,yes\n", ["c.csv:2:1: this row is the header again; remove it"]),
        (HEAD, ["c.csv:1: no row is below the header; export it again"]),
        (
            "Id,Name,,,\n,,Email,ZIP,Active\n1,A,,2134,yes\n",
            [
                (
                    "c.csv:1:1: the header takes two rows, 1 and 2; make them one row in the sheet, with one name "
                    "above each column"
                )
            ],
        ),
        (
            "Id,Name,Email,ZIP,Active,Email\n1,A,,2134,yes,\n",
            ["c.csv:1:6: columns 3 and 6 are both called 'Email'; rename one of them in the sheet"],
        ),
        (
            HEAD + "1,,,2134,yes\n",
            [
                (
                    "c.csv:2:2: Name: a customer without a name cannot be billed; fill it in the sheet, or pass over "
                    'such rows: `where: [{column: Name, differs: [""]}]`'
                )
            ],
        ),
    ],
)
def test_what_is_wrong_with_a_sheet_is_one_error_per_cause_and_nothing_is_written(
    here: Place, rows: str, problems: list[str]
) -> None:
    ran = _import(here, rows, "-o", "out.yaml")
    assert (ran.code, ran.out, ran.err.splitlines()) == (1, "", problems)
    assert not (here.folder / "out.yaml").exists()


def test_every_cause_in_a_row_is_told_at_once(here: Place) -> None:
    ran = _import(here, HEAD + "1.23E+08,A,call first,1.2E+04,yes\n2-Sep,B,,,yes\n")
    places = [line.partition(": ")[0] for line in ran.err.splitlines()]
    assert places == ["c.csv:2:1", "c.csv:2:3", "c.csv:2:4", "c.csv:3:1"]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "column: Email",
            "column: Emial",
            ("map.yaml:5:19: columns.email.column: c.csv has no column 'Emial'; did you mean 'Email'?"),
        ),
        (
            "first_email",
            "first_mail",
            ("map.yaml:5:34: columns.email.clean[0]: 'first_mail' is not valid here; did you mean 'first_email'?"),
        ),
        (
            "  name: Name",
            "  name: Name\n  name: Id",
            (
                "map.yaml:5:3: columns.name: two columns are mapped to it: this key "
                "is a duplicate of line 4; a field has one column: remove one of the two lines"
            ),
        ),
        ("  name: Name", "  nmae: Name", "map.yaml:4:3: columns.nmae: unknown key 'nmae'; did you mean 'name'?"),
        ("c-{Id}", "c-{Id", "map.yaml:2:6: key: its braces do not pair up; write columns in braces: 'qbo-{Id}'"),
        (
            "c-{Id}",
            "c-{ID Number}",
            ("map.yaml:2:6: key: c.csv has no column 'ID Number'; its columns: 'Id', 'Name', 'Email', 'ZIP', 'Active'"),
        ),
        (
            "{constant: USA}",
            "{constant: USA, column: Id}",
            (
                "map.yaml:7:12: columns.country: it has both a column and a "
                "constant; write either `column:` or `constant:`"
            ),
        ),
        ("equals: [", "is: [", "map.yaml:8:26: where[0].is: unknown key 'is'; known here: column, equals, differs"),
    ],
)
def test_what_is_wrong_with_a_map_is_an_error_with_its_place(here: Place, old: str, new: str, problem: str) -> None:
    ran = _import(here, TWO, "-o", "out.yaml", sheet_map=MAP.replace(old, new))
    assert (ran.code, ran.err.splitlines()) == (1, [problem])
    assert not (here.folder / "out.yaml").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--from", "c.csv"), "--from needs --map"),
        (("--from", "c.csv", "--map", "map.yaml", "--bind"), "'--bind' cannot be used with '--from'"),
        (("--map", "map.yaml"), "'--map' needs '--from'"),
        (("--redact",), "'--redact' needs '--match' or '--from'"),
        (("--from", "c.csv", "--map", "map.yaml", "--format", "json"), "give -o PATH for the customers, or --dry-run"),
        (("--from", "c.csv", "--map", "auto", "-o", "x.yaml"), "--map auto prints a map"),
        (("--from", "c.csv", "--map", "xreo"), "did you mean 'xero'?"),
        (("--from", "none.csv", "--map", "map.yaml"), "none.csv: it cannot be read: No such file or directory"),
        (("--from", ".", "--map", "map.yaml"), "it cannot be read: Is a directory"),
        (("--from", "c.csv", "--map", "map.yaml", "-o", "out.csv"), "customers are written as YAML, not as .csv"),
        (("--from", "c.csv", "--map", "map.yaml", "-o", "no/out.yaml"), "no: there is no such folder"),
    ],
)
def test_words_that_do_not_go_together_are_an_error(here: Place, words: tuple[str, ...], message: str) -> None:
    here.write("c.csv", TWO)
    here.write("map.yaml", MAP)
    ran = here.run("import", *words)
    assert (ran.code, message in ran.err) == (1, True), ran.err


def test_hostile_cells_stay_inside_their_values(here: Place) -> None:
    rows = HEAD + '1,"x\u202e: {y}\ncustomers: {}",,2134,yes\n2,=cmd|calc!A1,,2134,yes\n'
    ran = _import(here, rows, "-o", "out.yaml")
    assert (ran.code, raw(ran.all)) == (0, [])
    found = _tree((here.folder / "out.yaml").read_text("utf-8"))
    assert [one["name"] for one in found.values()] == ["x: {y}, customers: {}", "=cmd|calc!A1"]


def test_the_map_that_auto_proposes_does_the_import(here: Place) -> None:
    here.write(
        "c.csv", "Company ID,Company,E-Mail,Address 1,City,State,Zip,Notes\n7,Acme,a@acme.example,1 M,B,MA,2134,\n"
    )
    proposed = here.run("import", "--from", "c.csv", "--map", "auto")
    assert proposed.code == 0
    here.write("map.yaml", proposed.out)
    found = _customers(here.run("import", "--from", "c.csv", "--map", "map.yaml"))
    assert found["7"] == {
        "name": "Acme",
        "email": "a@acme.example",
        "street_address": "1 M",
        "city": "B",
        "state": "MA",
        "postal_code": "02134",
        "country": "USA",
    }


def test_auto_takes_the_name_for_the_key_where_no_number_identifies(here: Place) -> None:
    here.write("c.csv", "Id,Company\n1,Acme\n1,Globex\n")
    assert "\nkey: Company\n" in here.run("import", "--from", "c.csv", "--map", "auto").out


def test_auto_says_where_no_column_is_a_name(here: Place) -> None:
    here.write("c.csv", "X,Y\n1,2\n")
    ran = here.run("import", "--from", "c.csv", "--map", "auto")
    assert (ran.code, "c.csv:1:1: no column seems to be the customer's name" in ran.err) == (1, True)


def test_together_with_match_a_plan_creates_only_who_is_new(shop: Online) -> None:
    shop.load({"name": "Acme", "email": "a@acme.example", "postal_code": "02134", "country": "USA"})
    assert _import(shop, TWO, "-o", "out.yaml").code == 0
    assert shop.run("import", "--match", "-f", "out.yaml", "-o", "out.yaml").code == 0
    changes = shop.run("plan", "-f", "out.yaml", "--format", "json").json["changes"]
    assert [(one["action"], one["external_id"]) for one in changes] == [("create", "c-2")]
    assert shop.run("apply", "-f", "out.yaml", "--auto-approve").code == 0
    assert _import(shop, TWO, "-o", "out.yaml").code == 0
    assert shop.run("plan", "-f", "out.yaml", "--detailed-exitcode").code == 0
    assert len(shop.account()) == 2


def test_a_folder_is_edited_in_place_and_nothing_is_written_where_a_new_file_cannot_be(here: Place) -> None:
    assert _import(here, TWO, "-o", "customers/").code == 0
    folder = here.folder / "customers"
    (folder / "c-2.yaml").rename(folder / "c-9.yaml")
    newer = HEAD + "1,Acme Inc,a@acme.example,2134,yes\n2,Globex,,10001,yes\n9,New,,,yes\n"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    ran = _import(here, newer, "-o", "customers/")
    assert (ran.code, "c-9.yaml" in ran.err) == (1, True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert _import(here, newer.replace("9,New", "8,New"), "-o", "customers/").code == 0
    assert sorted(path.name for path in folder.iterdir()) == ["c-1.yaml", "c-8.yaml", "c-9.yaml"]
    assert "Acme Inc" in (folder / "c-1.yaml").read_text("utf-8")


def test_who_is_gone_is_listed_and_archived_where_that_is_wanted(here: Place) -> None:
    assert _import(here, TWO, "-o", "out.yaml").code == 0
    fewer = HEAD + "1,Acme,a@acme.example,2134,yes\n2,Globex,,10001,no\n"
    ran = _import(here, fewer, "-o", "out.yaml")
    assert "no longer in the sheet, and left as declared: 'c-2'; --gone archive archives it" in ran.err
    assert (here.folder / "out.yaml").read_text("utf-8") == WRITTEN
    assert _import(here, fewer, "-o", "out.yaml", "--gone", "archive").code == 0
    assert (here.folder / "out.yaml").read_text("utf-8") == WRITTEN + "    archived: true\n"


def test_an_entry_that_cannot_be_edited_is_named_with_exit_code_two(here: Place) -> None:
    here.write("out.yaml", "customers:\n  c-1: &one {name: A}\n  x: *one\n")
    ran = _import(here, TWO, "-o", "out.yaml")
    assert (ran.code, "not edited: 'c-1': out.yaml: an alias *one uses it too" in ran.err) == (2, True)


def test_a_report_shows_no_digit_of_an_ein(here: Place) -> None:
    sheet_map = "key: Id\ncolumns: {name: Name, ein: {column: EIN, clean: [ein]}}\n"
    ran = _import(here, "Id,Name,EIN\n1,A,12345678\n", "-o", "out.yaml", sheet_map=sheet_map)
    assert "c.csv:2:3: EIN: '########' -> '#########'" in ran.err


def test_the_comments_of_file_and_row_follow_the_rows(here: Place) -> None:
    assert _import(here, TWO, "-o", "out.yaml", "--source").code == 0
    newer = HEAD + "0,First,,,yes\n1,Acme,a@acme.example,2134,yes\n2,Globex,,10001,yes\n"
    assert _import(here, newer, "-o", "out.yaml", "--source").code == 0
    lines = (here.folder / "out.yaml").read_text("utf-8").splitlines()
    assert [line for line in lines if "#" in line] == ["  c-1:  # c.csv:3", "  c-2:  # c.csv:4", "  c-0:  # c.csv:2"]
    assert here.run("fmt", "--check", "out.yaml").code == 0


def test_with_redact_an_error_names_the_cell_and_not_what_it_holds(here: Place) -> None:
    ran = _import(here, HEAD + "1,A,call Jane,,yes\n", "--redact")
    assert ran.err.startswith("c.csv:2:3: Email: '***' holds no email address")
