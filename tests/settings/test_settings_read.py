from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from reconciler.errors import Invalid
from reconciler.model.core import Action, EnvironmentRef
from reconciler.model.policy import Lifecycle, Prune, Share, SyncedRules, Terms
from reconciler.settings import (
    Access,
    Credentials,
    Environment,
    Options,
    Policy,
    Secret,
    Server,
    Settings,
    read_settings,
)
from reconciler.settings.project import local_place

# The example of the specification.
PROJECT = """\
version: 1
project: billing-west
files: [customers/]
environments:
  production:
    client_id: ${AP_CLIENT_ID}
    client_secret: ${AP_CLIENT_SECRET}
    state: ${RECONCILER_STATE}
    prune: managed
    owns: ["west-*"]
    server: {lists_archived: false, lag: 10s}
    equal: {country: [[US, USA, United States]]}
    policy: {max_archives: 5%, protect: ["vip-*"], required: [email], require_approval_for: [archive]}
  demo:
    overlays: [overlays/demo.yaml]
    exclude: ["legacy-*"]
    disposable: true
"""
KEY = {"AP_CLIENT_ID": "id", "AP_CLIENT_SECRET": "s3cret"}
ONE = "files: [c]\nenvironments:\n  demo: "


def read(
    folder: Path, text: str | None = None, variables: Mapping[str, str] | None = None, options: Options | None = None
) -> Settings:
    if text is not None:
        (folder / "reconciler.yaml").write_text(text, encoding="utf-8")
    return read_settings(options or Options(), variables=variables or {}, cwd=folder)


def wrong(act: Callable[[], object]) -> list[str]:
    with pytest.raises(Invalid) as caught:
        act()
    return [str(problem) for problem in caught.value.problems]


def test_the_whole_layout_is_read(tmp_path: Path) -> None:
    variables = {**KEY, "RECONCILER_STATE": "postgresql://db.example/x"}
    settings = read(tmp_path, PROJECT, variables, Options(environment="production"))
    assert (settings.project, settings.names, settings.files()) == (
        "billing-west",
        ("production", "demo"),
        ("customers/",),
    )
    assert settings.environment() == Environment(
        name="production",
        access=Access(
            base_url="https://public-api.alternativepayments.io",
            client_id="id",
            client_secret=Secret("s3cret"),
            state="postgresql://db.example/x",
        ),
        project="billing-west",
        prune=Prune.MANAGED,
        owns=("west-*",),
        server=Server(lists_archived=False, lag_s=10.0),
        equal={"country": {"US": "US", "USA": "US", "United States": "US"}},
        policy=Policy(
            max_archives=Share(5, percent=True),
            protect=("vip-*",),
            required=("email",),
            require_approval_for=(Action.ARCHIVE,),
        ),
    )
    assert settings.environment("demo") == Environment(
        name="demo",
        access=Access(
            base_url="https://public-api.demo.alternativepayments.io",
            client_id="id",
            client_secret=Secret("s3cret"),
            state="postgresql://db.example/x",
        ),
        project="billing-west",
        overlays=("overlays/demo.yaml",),
        exclude=("legacy-*",),
        disposable=True,
    )


def test_the_terms_of_an_environment_take_options_before_policy(tmp_path: Path) -> None:
    settings = read(tmp_path, PROJECT, KEY, Options(environment="production"))
    options = Options(
        max_archives=Share(30), max_changes=Share(7), targets=("a*",), excludes=("b",), refresh_users=True
    )
    assert settings.environment().terms(options) == Terms(
        environment=EnvironmentRef(
            "production", "https://public-api.alternativepayments.io", hashlib.sha256(b"id").hexdigest()
        ),
        project="billing-west",
        place=local_place(tmp_path),
        owns=("west-*",),
        protect=("vip-*",),
        required=("email",),
        equal={"country": {"US": "US", "USA": "US", "United States": "US"}},
        max_archives=Share(30),
        max_changes=Share(7),
        approval=(Action.ARCHIVE,),
        by_option=frozenset({"max_archives", "max_changes"}),
        targets=("a*",),
        excludes=("b",),
        lists_archived=False,
        lag_s=10.0,
        refresh_users=True,
    )


def test_a_variable_of_the_key_or_the_ledger_is_missed_when_it_is_asked_for(tmp_path: Path) -> None:
    environment = read(tmp_path, PROJECT, options=Options(environment="production")).environment()
    start = "reconciler.yaml:{}: environments.production.{}: the variable {} is not set, or is empty; set it"
    assert wrong(environment.credentials) == [
        start.format("6:16", "client_id", "AP_CLIENT_ID"),
        start.format("7:20", "client_secret", "AP_CLIENT_SECRET"),
    ]
    assert wrong(environment.state) == [start.format("8:12", "state", "RECONCILER_STATE")]


def test_without_a_project_file_variables_describe_the_environment(tmp_path: Path) -> None:
    variables = {**KEY, "AP_ENVIRONMENT": "demo", "RECONCILER_STATE": "ledger.db", "RECONCILER_RATE": "2"}
    environment = read(tmp_path, variables=variables).environment()
    assert (environment.name, environment.base_url(), environment.state(), environment.rate_per_s) == (
        "demo",
        "https://public-api.demo.alternativepayments.io",
        str(tmp_path / "ledger.db"),
        2.0,
    )
    assert environment.credentials() == Credentials("id", Secret("s3cret"))


@pytest.mark.parametrize("options", [Options(environment="demo"), Options(environment="local")])
def test_a_path_of_the_ledger_that_ends_with_a_slash_holds_a_file_for_each_environment(
    tmp_path: Path, options: Options
) -> None:
    environment = read(tmp_path, options=options, variables={"RECONCILER_STATE": "kept/"}).environment()
    assert environment.state() == str(tmp_path / "kept" / f"{options.environment}.db")


def test_with_a_base_url_and_no_environment_named_it_is_default(tmp_path: Path) -> None:
    environment = read(tmp_path, variables={"AP_BASE_URL": "http://localhost:1/"}).environment()
    assert (environment.name, environment.base_url(), environment.state()) == (
        "default",
        "http://localhost:1",
        str(tmp_path / ".reconciler/default.db"),
    )


def test_local_is_the_emulator_and_its_key_unless_another_is_given(tmp_path: Path) -> None:
    local = Options(environment="local")
    environment = read(tmp_path, options=local).environment()
    assert (environment.base_url(), environment.credentials()) == (
        "http://127.0.0.1:8085",
        Credentials("local", Secret("local")),
    )
    assert read(tmp_path, variables=KEY, options=local).environment().credentials() == Credentials(
        "id", Secret("s3cret")
    )


def test_local_is_at_hand_in_every_project(tmp_path: Path) -> None:
    assert read(tmp_path, PROJECT, options=Options(environment="local")).environment().base_url() == (
        "http://127.0.0.1:8085"
    )


def test_without_any_environment_the_base_url_is_missed_when_it_is_asked_for(tmp_path: Path) -> None:
    environment = read(tmp_path).environment()
    assert wrong(environment.base_url) == [
        "AP_ENVIRONMENT: no environment is named; set AP_ENVIRONMENT to production, demo or local, or set AP_BASE_URL"
    ]


def test_missing_credentials_name_the_variables_to_set(tmp_path: Path) -> None:
    environment = read(tmp_path, options=Options(environment="demo")).environment()
    hint = "to the API key's {}; create one in the Partner Dashboard under Team Preferences, API Keys"
    assert wrong(environment.credentials) == [
        f"AP_CLIENT_ID: this variable is not set; set it {hint.format('client id')}",
        f"AP_CLIENT_SECRET: this variable is not set; set it, or AP_CLIENT_SECRET_FILE, {hint.format('secret')}",
    ]


def test_the_only_environment_is_taken(tmp_path: Path) -> None:
    assert read(tmp_path, ONE + "{}\n").environment().name == "demo"


def test_one_of_several_environments_must_be_named(tmp_path: Path) -> None:
    settings = read(tmp_path, PROJECT)
    assert wrong(settings.environment) == [
        (
            "reconciler.yaml: environments: there are several environments: production, demo; "
            "select one with -e or AP_ENVIRONMENT"
        )
    ]
    assert read(tmp_path, variables={"AP_ENVIRONMENT": "demo"}).environment().name == "demo"


@pytest.mark.parametrize(
    ("name", "hint"), [("prodution", "did you mean 'production'?"), ("qa", "there are: production, demo")]
)
def test_an_environment_that_does_not_exist_is_an_error(tmp_path: Path, name: str, hint: str) -> None:
    settings = read(tmp_path, PROJECT, options=Options(environment=name))
    assert wrong(settings.environment) == [f"-e: there is no environment '{name}'; {hint}"]


def test_without_a_project_file_another_name_needs_a_base_url(tmp_path: Path) -> None:
    variables = {"AP_ENVIRONMENT": "staging"}
    assert wrong(read(tmp_path, variables=variables).environment) == [
        (
            "AP_ENVIRONMENT: there is no environment 'staging'; "
            "there are: production, demo, local. "
            "To add one, declare it in reconciler.yaml, or set AP_BASE_URL and AP_ENVIRONMENT"
        )
    ]
    variables["AP_BASE_URL"] = "https://api.example"
    assert read(tmp_path, variables=variables).environment().name == "staging"


@pytest.mark.parametrize("name", ["all", "stagin"])
def test_without_a_project_file_no_option_alone_begins_an_environment_of_another_name(
    tmp_path: Path, name: str
) -> None:
    variables = {"AP_BASE_URL": "https://api.example"}
    assert wrong(read(tmp_path, variables=variables, options=Options(environment=name)).environment)
    variables["AP_ENVIRONMENT"] = "staging"
    assert wrong(read(tmp_path, variables=variables, options=Options(environment=name)).environment)
    assert read(tmp_path, variables=variables, options=Options(environment="staging")).environment().name == "staging"


def test_an_environment_cannot_be_named_like_a_path(tmp_path: Path) -> None:
    variables = {"AP_ENVIRONMENT": "../x", "AP_BASE_URL": "https://api.example"}
    assert len(wrong(lambda: read(tmp_path, variables=variables))) == 1


def test_an_environment_of_another_name_needs_a_base_url(tmp_path: Path) -> None:
    environment = read(tmp_path, "environments: {staging: {}}\n").environment()
    assert wrong(environment.base_url) == [
        (
            "reconciler.yaml:1:16: environments.staging: it has no base_url; "
            "write `base_url:`; only production, demo and local have a default"
        )
    ]


def test_a_literal_secret_is_an_error_that_does_not_show_it(tmp_path: Path) -> None:
    (found,) = wrong(lambda: read(tmp_path, ONE + "{client_secret: s3cret}\n"))
    assert found == (
        "reconciler.yaml:3:25: environments.demo.client_secret: a secret does not belong in this file; "
        "name it: ${AP_CLIENT_SECRET}, or use client_secret_file; and replace the secret, which is no longer safe"
    )


def test_a_secret_is_never_in_a_repr() -> None:
    access = Access("https://api.example", "id", Secret("s3cret"), "postgresql://u:s3cret@db.example/x")
    environment = Environment("demo", access)
    shown = repr((environment, environment.credentials(), str(environment.credentials().client_secret)))
    assert "s3cret" not in shown


def test_a_secret_file_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    environment = read(tmp_path, ONE + "{client_id: id, client_secret_file: key.txt}\n").environment()
    name = tmp_path / "key.txt"
    assert wrong(environment.credentials) == [
        f"{name}: the client secret cannot be read: No such file or directory; check client_secret_file"
    ]
    name.write_text("\n", encoding="utf-8")
    assert wrong(environment.credentials) == [
        f"{name}: the file of the client secret is empty; write the secret into it"
    ]
    name.write_text("s3cret\n", encoding="utf-8")
    assert environment.credentials() == Credentials("id", Secret("s3cret"))


def test_a_secret_file_may_be_named_by_a_variable(tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text("s3cret", encoding="utf-8")
    variables = {"AP_CLIENT_ID": "id", "AP_CLIENT_SECRET_FILE": "key.txt", "AP_ENVIRONMENT": "demo"}
    assert read(tmp_path, variables=variables).environment().credentials() == Credentials("id", Secret("s3cret"))


def test_both_a_secret_and_its_file_are_an_error(tmp_path: Path) -> None:
    text = ONE + "{client_secret: '${AP_CLIENT_SECRET}', client_secret_file: x}\n"
    assert wrong(read(tmp_path, text, KEY).environment().credentials) == [
        (
            "reconciler.yaml:3:68: environments.demo.client_secret_file: "
            "client_secret and client_secret_file are both set; remove one of them"
        )
    ]


def test_every_problem_of_an_environment_comes_at_once(tmp_path: Path) -> None:
    text = (
        "environments:\n"
        "  demo:\n"
        "    base_url: http://api.example\n"
        "    rate: fast\n"
        "    server: {lag: soon}\n"
        "    policy: {max_archives: some}\n"
        "    owns: ['${NOPE}']\n"
        "    equal: {country: [[US, USA], [USA, UK]]}\n"
    )
    found = wrong(read(tmp_path, text).environment)
    assert sorted(one.partition(": ")[2].partition(":")[0] for one in found) == [
        "environments.demo.base_url",
        "environments.demo.equal.country",
        "environments.demo.owns[0]",
        "environments.demo.policy.max_archives",
        "environments.demo.rate",
        "environments.demo.server.lag",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "envs: {}",
            "reconciler.yaml:1:1: envs: unknown key 'envs'; known here: version, project, files, fleet, environments",
        ),
        ("version: 2", "reconciler.yaml:1:10: version: '2' is not valid here; known here: 1"),
        ("files: customers", "reconciler.yaml:1:8: files: this is the text 'customers'; write a list"),
        (
            ONE + "{policy: {hours: []}}",
            (
                "reconciler.yaml:3:19: environments.demo.policy.hours: unknown key 'hours'; known here: "
                "max_archives, max_restores, max_changes, protect, required, require_approval_for, windows, allow"
            ),
        ),
        (
            ONE + "{prune: al}",
            "reconciler.yaml:3:17: environments.demo.prune: 'al' is not valid here; did you mean 'all'?",
        ),
        (
            ONE + "{equal: {country: [[US]]}}",
            "reconciler.yaml:3:28: environments.demo.equal.country[0]: this is too short; write at least two texts",
        ),
        ("", "reconciler.yaml: the file is empty; write `files: [customers/]`, or remove the file"),
        ("a: 1\na: 2", None),
    ],
)
def test_a_project_file_of_another_shape_is_an_error(tmp_path: Path, text: str, message: str | None) -> None:
    (found,) = wrong(lambda: read(tmp_path, text))[-1:]
    assert message is None or found == message


def test_a_key_that_stands_twice_in_a_project_file_hides_no_other_error(tmp_path: Path) -> None:
    text = "files: [c]\nfiles: c\nenvironments: {demo: {prun: all}}\n"
    assert [one.partition("; ")[0] for one in wrong(lambda: read(tmp_path, text))] == [
        "reconciler.yaml:2:1: files: this key is a duplicate of line 1",
        "reconciler.yaml:2:8: files: this is the text 'c'",
        "reconciler.yaml:3:23: environments.demo.prun: unknown key 'prun'",
    ]


def test_a_project_file_that_is_named_must_exist(tmp_path: Path) -> None:
    assert wrong(lambda: read(tmp_path, options=Options(project_file="x/p.yaml"))) == [
        "x/p.yaml: this cannot be read: No such file or directory; check the path in -p"
    ]


def test_paths_of_the_project_file_start_at_its_folder_and_those_of_options_at_the_working_folder(
    tmp_path: Path,
) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p/reconciler.yaml").write_text(ONE + "{state: s.db}\n", encoding="utf-8")
    named = Options(project_file="p/reconciler.yaml")
    settings = read(tmp_path, options=named)
    assert (settings.root, settings.files(), settings.environment().state()) == (
        tmp_path / "p",
        ("c",),
        str(tmp_path / "p/s.db"),
    )
    options = Options(project_file="p/reconciler.yaml", files=("a.yaml", "-"))
    assert read(tmp_path, options=options).files() == (str(tmp_path / "a.yaml"), "-")


def test_the_project_file_of_a_folder_above_is_found_within_the_repository(tmp_path: Path) -> None:
    below = tmp_path / "customers/west"
    below.mkdir(parents=True)
    (tmp_path / "reconciler.yaml").write_text("files: [customers/]\n")
    assert read(below).root == below
    (tmp_path / ".git").mkdir()
    settings = read(below)
    assert (settings.root, settings.files()) == (tmp_path, ("customers/",))


def test_a_project_file_above_the_repository_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "reconciler.yaml").write_text("files: [customers/]\n")
    (tmp_path / "mine/.git").mkdir(parents=True)
    assert read(tmp_path / "mine").root == tmp_path / "mine"


def test_the_nearest_project_file_counts(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "west/deep").mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "west"):
        (folder / "reconciler.yaml").write_text("files: [customers/]\n")
    assert read(tmp_path / "west/deep").root == tmp_path / "west"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")
def test_a_project_file_above_that_belongs_to_another_user_is_read_only_when_named(tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "reconciler.yaml").write_text("files: [customers/]\n")
    os.chown(tmp_path / "reconciler.yaml", 12345, -1)
    assert wrong(lambda: read(below)) == [
        (
            "../reconciler.yaml: this project file belongs to another user and is not read; "
            "if you trust it, pass -p ../reconciler.yaml"
        )
    ]
    assert read(below, options=Options(project_file="../reconciler.yaml")).root == below / ".."


def test_without_files_the_user_is_told_to_name_some(tmp_path: Path) -> None:
    assert wrong(read(tmp_path).files) == [
        (
            "-f: no customers files are named; pass -f PATH, or write `files: [customers/]` in reconciler.yaml; "
            "`reconciler init` creates a starter project"
        )
    ]


@pytest.mark.parametrize(("text", "allowed"), [(None, True), (ONE + "{}\n", True), (PROJECT, False)])
def test_ids_may_stand_in_customers_files_where_there_is_one_environment(
    tmp_path: Path, text: str | None, allowed: bool
) -> None:
    assert read(tmp_path, text).pins_allowed is allowed


def test_the_overlays_of_all_environments_are_known(tmp_path: Path) -> None:
    assert read(tmp_path, PROJECT).overlays == ("overlays/demo.yaml",)


def test_the_rate_is_the_options_then_the_variables_then_the_files(tmp_path: Path) -> None:
    text = ONE + "{rate: 3}\n"
    variables = {"RECONCILER_RATE": "2"}
    rates = [
        read(tmp_path, text).environment().rate_per_s,
        read(tmp_path, text, variables).environment().rate_per_s,
        read(tmp_path, text, variables, Options(rate_per_s=0)).environment().rate_per_s,
        read(tmp_path, ONE + "{}\n").environment().rate_per_s,
    ]
    assert rates == [3.0, 2.0, 0.0, 5.0]


def test_a_wrong_rate_in_a_variable_names_it(tmp_path: Path) -> None:
    assert wrong(read(tmp_path, variables={"RECONCILER_RATE": "x"}).environment) == [
        "RECONCILER_RATE: 'x' is not a rate; write requests per second, such as 5, or 0 for no limit"
    ]


def test_a_wrong_base_url_in_a_variable_names_it(tmp_path: Path) -> None:
    assert wrong(read(tmp_path, variables={"AP_BASE_URL": "http://api.example"}).environment) == [
        "AP_BASE_URL: 'http://api.example' is not encrypted; write https (http is for this machine alone)"
    ]


def test_equal_classes_are_in_canonical_form(tmp_path: Path) -> None:
    text = ONE + "{equal: {email: [[A@x.example, B@x.example]], ein: [[12-3456789, '1']]}}\n"
    assert read(tmp_path, text).environment().equal == {
        "email": {"a@x.example": "a@x.example", "b@x.example": "a@x.example"},
        "ein": {"123456789": "123456789", "1": "123456789"},
    }


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", " {} ", "\ufeff{}", "\u200b{}\u200b", "\t{}\n\n"])
def test_what_copying_leaves_around_a_credential_is_left_out(tmp_path: Path, around: str) -> None:
    variables = {"AP_CLIENT_ID": around.format("id"), "AP_CLIENT_SECRET": around.format("s3cret")}
    given = read(tmp_path, variables={**variables, "AP_ENVIRONMENT": "demo"}).environment().credentials()
    assert (given.client_id, given.client_secret.reveal()) == ("id", "s3cret")
    (tmp_path / "secret").write_text(around.format("s3cret"), encoding="utf-8")
    variables = {"AP_CLIENT_ID": "id", "AP_CLIENT_SECRET_FILE": "secret", "AP_ENVIRONMENT": "demo"}
    assert read(tmp_path, variables=variables).environment().credentials().client_secret.reveal() == "s3cret"


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        ("s3\ncret", "the client secret holds a space or a line break at character 3 of 7, which no credential has"),
        ("s3\u200bcret", "the client secret holds U+200B at character 3 of 7, which no credential has"),
        ('"s3cret"', "the client secret is in quotes, which would be sent too"),
        ("\n", "the client secret is empty"),
    ],
)
def test_what_is_in_a_credential_and_cannot_be_is_named_and_the_rest_is_not(
    tmp_path: Path, secret: str, message: str
) -> None:
    variables = {"AP_CLIENT_ID": "id", "AP_CLIENT_SECRET": secret, "AP_ENVIRONMENT": "demo"}
    (problem,) = wrong(read(tmp_path, variables=variables).environment().credentials)
    assert problem.startswith(f"environment: {message}; ")
    assert "cret" not in problem.replace("secret", "")


def synced(folder: Path, text: str) -> SyncedRules:
    return read(folder, ONE + text, KEY).environment().synced


def test_what_an_integration_owns_is_read_and_is_nothing_by_default(tmp_path: Path) -> None:
    assert synced(tmp_path, "{}") == SyncedRules(Lifecycle.MANAGE, frozenset())
    written = synced(tmp_path, "{synced: {lifecycle: observe, fields: [name, city]}}")
    assert written == SyncedRules(Lifecycle.OBSERVE, frozenset({"name", "city"}))
    terms = read(tmp_path, None, KEY).environment().terms(Options())
    assert terms.synced == written


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("{synced: {fields: [town]}}", "3:28", "'town' is not"),
        ("{synced: {fields: [city, email]}}", "3:34", "the API cannot patch 'email', so a plan never does"),
        ("{synced: {lifecycle: watch}}", "3:30", "'watch' is not"),
        ("{synced: {owner: quickbooks}}", "3:19", "'owner'"),
        ("{prune: all, owns: [w-*], synced: {lifecycle: observe}}", "3:55", "`observe` never archives"),
    ],
)
def test_what_an_integration_cannot_own_is_named_with_its_place(
    tmp_path: Path, text: str, place: str, words: str
) -> None:
    (message,) = wrong(lambda: synced(tmp_path, text))
    assert (f"reconciler.yaml:{place}" in message, words in message) == (True, True), message


def test_pruning_all_without_a_pattern_archives_none_that_is_synced_so_that_observing_is_no_contradiction(
    tmp_path: Path,
) -> None:
    assert synced(tmp_path, "{prune: all, synced: {lifecycle: observe}}").lifecycle is Lifecycle.OBSERVE
