"""A fleet in the project file: its accounts, what is theirs, and what is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from shutil import rmtree

import pytest

from reconciler.errors import Invalid
from reconciler.model.core import Action
from reconciler.model.fleet import FleetAccount, FleetPolicy, Wave
from reconciler.model.policy import Share
from reconciler.settings import Credentials, Options, Secret, Settings, read_settings

PROJECT = """\
project: msp-west
fleet:
  accounts: accounts/*
  environment: production
  every: 30m
  parallel: 7
  waves:
    - {labels: {wave: canary}, soak: 10m}
    - {share: 10%}
  policy: {max_accounts_changed: 50%, max_accounts_archiving: 1, max_archives: 40, max_failed: 0}
environments:
  production:
    client_id: ${AP_ID_{ACCOUNT}}
    client_secret_file: secrets/{account}
    state: ${RECONCILER_STATE}
    owns: ["p-*"]
    policy: {max_archives: 10%, protect: ["vip-*"], require_approval_for: [archive]}
  demo: {}
"""


def read(folder: Path, environment: str | None = None, variables: Mapping[str, str] | None = None) -> Settings:
    return read_settings(Options(environment=environment), variables=variables or {}, cwd=folder)


def wrong(act: Callable[[], object]) -> list[str]:
    with pytest.raises(Invalid) as caught:
        act()
    return [str(problem) for problem in caught.value.problems]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "reconciler.yaml").write_text(PROJECT, "utf-8")
    for name in ("acme", "globex-1", "hooli"):
        (tmp_path / "accounts" / name).mkdir(parents=True)
    (tmp_path / "accounts" / "acme" / "account.yaml").write_text(
        "labels: {wave: canary, tier: 1}\nevery: 5m\nowns: [acme-*]\n"
        "policy: {max_archives: 5%, protect: [old-*], require_approval_for: [restore]}\n",
        "utf-8",
    )
    (tmp_path / "accounts" / "hooli" / "account.yaml").write_text("suspend: true\n", "utf-8")
    return tmp_path


def test_a_folder_is_an_account_and_its_file_says_what_is_its_own(project: Path) -> None:
    fleet = read(project).fleet()
    assert fleet.accounts == (
        FleetAccount("acme", "production", "accounts/acme", {"wave": "canary", "tier": "1"}, 300.0),
        FleetAccount("globex-1", "production", "accounts/globex-1", {}, 1800.0),
        FleetAccount("hooli", "production", "accounts/hooli", {}, 1800.0, suspended=True),
    )
    assert fleet.waves == (Wave({"wave": "canary"}, None, 600.0), Wave({}, Share(10, percent=True)))
    assert fleet.policy == FleetPolicy(Share(50, percent=True), Share(1), Share(40), Share(0))
    assert fleet.parallel == 7


@pytest.mark.parametrize(
    ("selectors", "names", "found"),
    [
        (["wave=canary"], [], ["acme"]),
        (["wave!=canary"], [], ["globex-1", "hooli"]),
        (["wave=can*", "tier=1"], [], ["acme"]),
        (["tier=2"], [], []),
        ([], ["g*", "hooli"], ["globex-1", "hooli"]),
    ],
)
def test_labels_and_names_choose_accounts(
    project: Path, selectors: list[str], names: list[str], found: list[str]
) -> None:
    assert [one.name for one in read(project).fleet().chosen(selectors, names)] == found


def test_a_selector_and_a_name_that_are_none_are_errors(project: Path) -> None:
    fleet = read(project).fleet()
    assert wrong(lambda: fleet.chosen(["canary"])) == [
        "-l: 'canary' is not a selector; write label=value or label!=value"
    ]
    assert wrong(lambda: fleet.chosen([], ["acmee"])) == ["ACCOUNT: there is no account 'acmee'; did you mean 'acme'?"]


def test_an_address_selects_an_account_with_its_own_key_ledger_and_files(project: Path) -> None:
    (project / "secrets").mkdir()
    (project / "secrets" / "globex-1").write_text("s3cret\n", "utf-8")
    settings = read(project, "globex-1/production", {"AP_ID_GLOBEX_1": "id-7", "RECONCILER_STATE": "state/"})
    environment = settings.environment()
    assert settings.files() == ("accounts/globex-1",)
    assert (environment.name, environment.shared_name) == ("globex-1/production", "production")
    assert environment.credentials() == Credentials("id-7", Secret("s3cret"))
    assert environment.state() == str(project / "state" / "globex-1" / "production.db")
    assert environment.ref().name == "globex-1/production"


def test_an_account_is_stricter_than_its_environment(project: Path) -> None:
    environment = read(project, "acme/production", {"AP_ID_ACME": "x", "RECONCILER_STATE": "s/"}).environment()
    assert environment.policy.max_archives == Share(5, percent=True)
    assert environment.policy.protect == ("vip-*", "old-*")
    assert environment.policy.require_approval_for == (Action.RESTORE, Action.ARCHIVE)
    assert environment.owns == ("acme-*",)


@pytest.mark.parametrize("limit", ["20%", "5"])
def test_a_limit_that_is_looser_or_of_another_kind_is_an_error(project: Path, limit: str) -> None:
    (project / "accounts" / "acme" / "account.yaml").write_text(f"policy: {{max_archives: {limit}}}\n", "utf-8")
    settings = read(project, "acme/production", {"AP_ID_ACME": "x", "RECONCILER_STATE": "s/"})
    assert wrong(settings.environment) == [
        (
            f"accounts/acme/account.yaml:1:24: policy.max_archives: {limit} is looser than 10%, which the environment "
            "has, or cannot be compared with it; write at most 10%, or remove it"
        )
    ]


def test_what_one_account_needs_is_not_proposed_for_all(project: Path) -> None:
    environment = read(project, "acme/production", {"AP_ID_ACME": "x", "RECONCILER_STATE": "s/"}).environment()
    assert environment.policy.at is None


def test_a_folder_s_own_file_holds_no_customers(project: Path) -> None:
    settings = read(project, "acme/production", {"AP_ID_ACME": "x", "RECONCILER_STATE": "s/"})
    assert "accounts/acme/account.yaml" in settings.overlays


def test_settings_of_an_account_are_those_that_its_address_gives(project: Path) -> None:
    variables = {"AP_ID_ACME": "x", "RECONCILER_STATE": "s/"}
    settings = read(project, None, variables)
    (account,) = settings.fleet().chosen(names=["acme"])
    assert settings.of(account).environment() == read(project, account.address, variables).environment()


def test_the_folders_are_not_listed_again_for_each_account(project: Path) -> None:
    settings = read(project, None, {"AP_ID_ACME": "x"})
    (account,) = settings.fleet().chosen(names=["acme"])
    (project / "accounts" / "no name").mkdir()
    assert settings.of(account).environment().name == "acme/production"


def test_addresses_are_matched_by_patterns(project: Path) -> None:
    assert read(project).matching(["*o*/production"]) == ("globex-1/production", "hooli/production")
    assert wrong(lambda: read(project).matching(["x*/production"])) == [
        "-e: no account matches 'x*/production'; `reconciler fleet list` shows the accounts"
    ]


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ("acmee/production", "-e: there is no account 'acmee'; did you mean 'acme'?"),
        ("acme/demo", "-e: the accounts of this fleet have no environment 'demo'; write acme/production"),
        ("../x/production", "-e: there is no account '../x'; `reconciler fleet list` shows the accounts"),
    ],
)
def test_an_address_that_leads_to_no_account_is_an_error(project: Path, environment: str, said: str) -> None:
    found = wrong(lambda: read(project, environment))
    assert found == [said] or "have no environment" in found[0]


def test_the_shared_environment_is_no_account(project: Path) -> None:
    assert wrong(read(project, "production").environment) == [
        (
            "-e: 'production' is the environment that the accounts of a fleet share; "
            "select an account with -e ACCOUNT/production, or use `reconciler fleet`"
        )
    ]


@pytest.mark.parametrize(
    ("was", "became", "said"),
    [
        ("accounts/*", "customers/*", "reconciler.yaml:3:13: fleet.accounts: 'customers/*' matches no folder"),
        (
            "accounts/*",
            "../accounts/*",
            "reconciler.yaml:3:13: fleet.accounts: '../accounts/*' leads out of the project",
        ),
        ("accounts/*", "/etc/*", "reconciler.yaml:3:13: fleet.accounts: '/etc/*' leads out of the project"),
        (
            "environment: production",
            "environment: prod",
            "fleet.environment: there is no environment 'prod'; there are: production, demo",
        ),
        ("every: 30m", "every: soon", "reconciler.yaml:5:10: fleet.every: 'soon' is not a duration"),
        ("every: 30m", "every: 10ms", "reconciler.yaml:5:10: fleet.every: '10ms' is too short"),
        ("parallel: 7", "parallel: 0", "reconciler.yaml:6:13: fleet.parallel: '0' is not a number of accounts"),
        ("parallel: 7", "parallel: 10000", "reconciler.yaml:6:13: fleet.parallel: '10000' is not a number of accounts"),
        ("max_failed: 0", "max_failed: few", "fleet.policy.max_failed: 'few' is not a number or a percentage"),
        ("share: 10%", "share: ten", "fleet.waves[1].share: 'ten' is not a number or a percentage"),
    ],
)
def test_what_is_wrong_with_a_fleet_is_said_where_it_is(project: Path, was: str, became: str, said: str) -> None:
    (project / "reconciler.yaml").write_text(PROJECT.replace(was, became), "utf-8")
    (found,) = wrong(read(project).fleet)
    assert said in found


def faults(settings: Settings) -> dict[str, str]:
    """Return what is wrong with folders, by what stands in the place of an account's name."""
    return {one.name: str(one.fault) for one in settings.fleet().accounts if one.fault is not None}


def test_a_folder_that_cannot_be_an_account_is_one_with_a_fault_and_the_others_are_read(project: Path) -> None:
    (project / "accounts" / "a b").mkdir()
    (project / "accounts" / "gone").symlink_to("nowhere")
    (project / "more" / "acme").mkdir(parents=True)
    text = PROJECT.replace("accounts: accounts/*", "accounts: [accounts/*, more/*]")
    (project / "reconciler.yaml").write_text(text, "utf-8")
    settings = read(project)
    assert faults(settings) == {
        "accounts/a b": (
            "accounts/a b: this folder's name is not one that an account can have; "
            "use letters, digits, '.', '_' and '-', and begin with a letter or a digit"
        ),
        "accounts/acme": "accounts/acme: another folder has the name acme: more/acme; rename one of the folders",
        "accounts/gone": "accounts/gone: this link leads nowhere; create what it leads to, or remove it",
        "more/acme": "more/acme: another folder has the name acme: accounts/acme; rename one of the folders",
    }
    good = [one.name for one in settings.fleet().accounts if one.fault is None]
    assert (good, len(settings.fleet().problems)) == (["globex-1", "hooli"], 4)
    for account in settings.fleet().accounts:
        if account.fault is not None:
            assert wrong(settings.of(account).environment) == [str(account.fault)]
    assert "another folder has the name acme" in wrong(lambda: read(project, "acme/production"))[0]
    assert "this link leads nowhere" in wrong(lambda: read(project, "gone/production"))[0]
    assert "this folder's name" in wrong(lambda: read(project, "accounts/a b/production"))[0]


def test_the_name_of_a_folder_is_safe_to_print_and_to_store(project: Path) -> None:
    Path(os.fsdecode(bytes(project / "accounts") + b"/a\xff\nb")).mkdir()
    assert list(faults(read(project))) == ["accounts/a\\udcff\\nb"]


def test_a_link_is_followed_as_far_as_the_project_may_read(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (project / "accounts" / "evil").symlink_to(elsewhere)
    (project / "accounts" / "same").symlink_to("acme")
    outside = "accounts/evil: it leads out of the repository; set RECONCILER_ALLOWED_FOLDERS to allow it"
    assert faults(read(project)) == {"accounts/evil": outside}
    assert outside in wrong(lambda: read(project, "evil/production"))
    assert faults(read(project, variables={"RECONCILER_ALLOWED_FOLDERS": str(elsewhere)})) == {}
    (project / "accounts").rename(elsewhere / "accounts")
    (project / "accounts").symlink_to(elsewhere / "accounts")
    assert set(faults(read(project))) == {f"accounts/{name}" for name in ("acme", "evil", "globex-1", "hooli", "same")}
    assert faults(read(project, variables={"RECONCILER_ALLOWED_FOLDERS": str(elsewhere)})) == {}


def test_what_is_wrong_with_an_account_s_own_file_is_that_account_s_alone(project: Path) -> None:
    (project / "accounts" / "acme" / "account.yaml").write_text("lables: {}\n", "utf-8")
    (project / "accounts" / "hooli" / "account.yaml").write_text("policy: {windows: []}\n", "utf-8")
    (project / "accounts" / "globex-1" / "account.yaml").write_text("every: [\n", "utf-8")
    fleet = read(project).fleet()
    found = [str(problem) for problem in fleet.problems]
    assert (len(found), [one.name for one in fleet.accounts]) == (3, ["acme", "globex-1", "hooli"])
    assert "accounts/acme/account.yaml:1:1: lables: unknown key 'lables'; did you mean 'labels'?" in found
    assert any(one.startswith("accounts/hooli/account.yaml:1:10: policy.windows: unknown key") for one in found)
    variables = {"AP_ID_HOOLI": "x", "RECONCILER_STATE": "s/"}
    assert len(wrong(read(project, None, variables).of(fleet.accounts[2]).environment)) == 1


def test_a_project_without_a_fleet_says_how_to_write_one(tmp_path: Path) -> None:
    (tmp_path / "reconciler.yaml").write_text("files: [c/]\n", "utf-8")
    (found,) = wrong(read(tmp_path).fleet)
    assert found.startswith("reconciler.yaml: fleet: this project has no fleet; write `fleet: {accounts: accounts/*")


def test_a_literal_secret_stays_an_error_and_a_variable_by_account_is_none(project: Path) -> None:
    text = PROJECT.replace("client_secret_file: secrets/{account}", "client_secret: ${AP_SECRET_{ACCOUNT}}")
    (project / "reconciler.yaml").write_text(text, "utf-8")
    variables = {"AP_ID_ACME": "id", "AP_SECRET_ACME": "s", "RECONCILER_STATE": "s/"}
    assert read(project, "acme/production", variables).environment().credentials() == Credentials("id", Secret("s"))
    (project / "reconciler.yaml").write_text(text.replace("${AP_SECRET_{ACCOUNT}}", "s3cret-{ACCOUNT}"), "utf-8")
    (found,) = wrong(lambda: read(project))
    assert "a secret does not belong in this file" in found
    assert "s3cret" not in found


def test_an_account_that_is_known_is_not_looked_for_again_among_all(project: Path) -> None:
    settings = read(project, None, {"AP_ID_HOOLI": "x", "RECONCILER_STATE": "s/"})
    (account,) = settings.fleet().chosen(names=["hooli"])
    rmtree(project / "accounts")
    assert settings.of(account).environment().name == "hooli/production"
