"""A project file decides neither which secrets are read nor where they go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.errors import Invalid
from reconciler.settings import Environment, Options, read_settings

SECRETS = {
    "AP_CLIENT_ID": "id",
    "AP_CLIENT_SECRET": "s3cret",
    "AP_DEMO_HOST": "public-api.demo.alternativepayments.io",
    "AWS_SECRET_ACCESS_KEY": "s3cret",
    "PLAN_KEY": "s3cret",
    "RECONCILER_PLAN_KEY": "s3cret",
    "RECONCILER_PLAN_KEY_FILE": "s3cret",
    "RECONCILER_STATE_KEY": "s3cret",
    "RECONCILER_STATE_KEY_FILE": "s3cret",
    "RECONCILER_STATE_OLD_KEYS": "s3cret",
    "RECONCILER_ANONYMISE_KEY": "s3cret",
    "RECONCILER_NOTIFY": "s3cret",
    "RECONCILER_DB_PASSWORD": "s3cret",
    "RECONCILER_STATE": "postgresql://ana:s3cret@db.example/state",
}


def environment(folder: Path, written: str, **variables: str) -> Environment:
    """Return the one environment of a project file that writes `written` of it."""
    (folder / "reconciler.yaml").write_text(f"files: [c]\nenvironments:\n  demo: {{{written}}}\n", encoding="utf-8")
    settings = read_settings(Options(), variables={**SECRETS, **variables}, cwd=folder)
    return settings.environment()


def refusal(folder: Path, written: str, **variables: str) -> str:
    """Return what is said of it when the environment is used."""

    def use() -> None:
        used = environment(folder, written, **variables)
        used.base_url()
        used.credentials()
        used.state()
        used.ref()

    with pytest.raises(Invalid) as caught:
        use()
    text = str(caught.value)
    assert "s3cret" not in text
    return text


ADDED = "to allow it, set "


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("client_id: '${HOME}'", f"demo.client_id: a project file cannot use the variable HOME; {ADDED}"),
        ("client_id: '${PLAN_KEY}'", "RECONCILER_ALLOWED_VARIABLES=PLAN_KEY"),
        ("client_secret: '${AWS_SECRET_ACCESS_KEY}'", "RECONCILER_ALLOWED_VARIABLES=AWS_SECRET_ACCESS_KEY"),
        ("base_url: 'https://api.example/${AWS_SECRET_ACCESS_KEY}'", "cannot use the variable"),
        ("state: '${AWS_SECRET_ACCESS_KEY}'", "cannot use the variable"),
        ("base_url: 'https://127.0.0.1/${AP_CLIENT_SECRET}'", "use it in client_secret or as the password in state"),
        (
            "rate: '${AP_CLIENT_SECRET}'",
            ("AP_CLIENT_SECRET holds a secret, judging by its name, and this value is printed"),
        ),
        ("owns: ['${AP_CLIENT_SECRET}']", "this value is printed"),
        ("state: 'here/${AP_CLIENT_SECRET}.db'", "this value is printed"),
        *(
            (
                f"client_secret: '${{{name}}}'",
                (f"use the variable {name}, which is only for Reconciler itself; remove it"),
            )
            for name in SECRETS
            if name.startswith("RECONCILER_") and ("KEY" in name or "NOTIFY" in name)
        ),
    ],
)
def test_a_variable_is_refused_with_what_allows_it(tmp_path: Path, written: str, said: str) -> None:
    assert said in refusal(tmp_path, written)


def test_a_variable_that_is_allowed_is_used_and_a_key_is_not(tmp_path: Path) -> None:
    allowed = "PLAN_KEY, HOME ,PLAN_KEY,RECONCILER_PLAN_KEY"
    used = environment(tmp_path, "client_secret: '${PLAN_KEY}'", RECONCILER_ALLOWED_VARIABLES=allowed)
    assert used.credentials().client_secret.reveal() == "s3cret"
    key = "client_secret: '${RECONCILER_PLAN_KEY}'"
    assert "only for Reconciler itself" in refusal(tmp_path, key, RECONCILER_ALLOWED_VARIABLES=allowed)


def test_what_to_add_holds_what_is_allowed_already(tmp_path: Path) -> None:
    said = refusal(tmp_path, "client_id: '${B}${C}${B}'", RECONCILER_ALLOWED_VARIABLES="A,A")
    assert said.endswith("set RECONCILER_ALLOWED_VARIABLES=A,B,C")
    said = refusal(tmp_path, "base_url: https://b.example", RECONCILER_ALLOWED_HOSTS="a.example")
    assert said.endswith("cannot send to b.example; to allow it, set RECONCILER_ALLOWED_HOSTS=a.example,b.example")


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("public-api.alternativepayments.io", ""),
        ("PUBLIC-API.demo.alternativepayments.io.", ""),
        ("${AP_DEMO_HOST}", ""),
        ("127.0.0.1:8085", ""),
        ("localhost", ""),
        ("[::1]:8085", ""),
        ("api.example:8443", "API.example."),
        ("API.Example", "other.example,api.example,api.example"),
        ("[2001:db8::1]", "2001:DB8::1"),
        ("[2001:db8::1]:443", "[2001:db8::1]"),
    ],
)
def test_a_host_of_the_vendor_of_this_machine_or_that_is_allowed_is_used(
    tmp_path: Path, host: str, allowed: str
) -> None:
    used = environment(tmp_path, f"base_url: 'https://{host}'", RECONCILER_ALLOWED_HOSTS=allowed)
    assert used.base_url().startswith("https://")


@pytest.mark.parametrize(
    "host",
    [
        "api.example",
        "localtest.me",  # a name that leads to this machine, today
        "localhost.example",
        "127.0.0.1.example",
        "2130706433",
        "0.0.0.0",  # noqa: S104 - as one would write it
        "[2001:db8::1]",
        "public-api.alternativepayments.io.example",
        "xn--public-api-alternativepayments-io.example",
        "public-api.alternativepayments.io%2eexample",
    ],
)
def test_any_other_host_is_refused(tmp_path: Path, host: str) -> None:
    assert "RECONCILER_ALLOWED_HOSTS=" in refusal(tmp_path, f"base_url: 'https://{host}'")


@pytest.mark.parametrize("text", ["https://x@public-api.alternativepayments.io", "https://127.0.0.1:1@api.example"])
def test_a_base_url_with_a_user_is_none(tmp_path: Path, text: str) -> None:
    assert "a base URL cannot contain a user or password" in refusal(tmp_path, f"base_url: '{text}'")


def test_a_base_url_from_a_variable_alone_comes_from_outside_the_file(tmp_path: Path) -> None:
    used = environment(tmp_path, "base_url: '${AP_BASE_URL}'", AP_BASE_URL="https://api.example")
    assert used.base_url() == "https://api.example"
    assert environment(tmp_path, "", AP_BASE_URL="https://api.example").base_url() == "https://api.example"


@pytest.mark.parametrize(
    ("state", "host"),
    [
        ("postgresql://db.example/state", "db.example"),
        ("postgresql://ana:${RECONCILER_DB_PASSWORD}@DB.example.:5432/state", "db.example"),
        ("postgresql://127.0.0.1/state?host=db.example", "db.example"),
        ("postgresql://127.0.0.1/state?hostaddr=192.0.2.1", "192.0.2.1"),
        ("postgresql://127.0.0.1,db.example/state", "db.example"),
        ("postgresql://[2001:db8::1]:5432/state", "2001:db8::1"),
        ("postgresql://db%2eexample/state", "db.example"),
        ("s3://bucket/prefix", "bucket"),
        ("s3://${AP_CLIENT_ID}/prefix", "id"),
        ("gs://bucket/prefix", "bucket"),
    ],
)
def test_a_ledger_s_host_is_allowed_from_outside(tmp_path: Path, state: str, host: str) -> None:
    written = f"state: '{state}'"
    assert refusal(tmp_path, written).endswith(f"cannot send to {host}; {ADDED}RECONCILER_ALLOWED_HOSTS={host}")
    assert environment(tmp_path, written, RECONCILER_ALLOWED_HOSTS=host).state().startswith(state[:5])


def test_an_endpoint_of_a_bucket_is_a_host_too(tmp_path: Path) -> None:
    written = "state: 's3://bucket/prefix?endpoint=https://s3.example'"
    said = refusal(tmp_path, written, RECONCILER_ALLOWED_HOSTS="bucket")
    assert said.endswith("RECONCILER_ALLOWED_HOSTS=bucket,s3.example")


@pytest.mark.parametrize(
    "state", ["postgresql:///state", "postgresql://%2Frun%2Fpostgresql/state", "postgresql://localhost/state"]
)
def test_a_database_on_this_machine_needs_no_allowance(tmp_path: Path, state: str) -> None:
    assert environment(tmp_path, f"state: '{state}'").state() == state


def test_a_state_from_a_variable_alone_comes_from_outside_the_file(tmp_path: Path) -> None:
    assert environment(tmp_path, "state: '${RECONCILER_STATE}'").state() == SECRETS["RECONCILER_STATE"]


def test_a_service_file_may_name_any_host(tmp_path: Path) -> None:
    assert "set RECONCILER_STATE to the whole URL" in refusal(tmp_path, "state: 'postgresql:///x?service=evil'")


@pytest.mark.parametrize(
    "state",
    [
        "postgresql://ana:hunter2@db.example/state",
        "postgresql://ana:hun/ter2@db.example/state",
        "postgresql://ana:hun@ter2@db.example/state",
        "postgresql://ana:hun%40ter2@db.example/state",
        "postgresql://ana:hunter2${AP_CLIENT_ID}@db.example/state",
        "postgresql://db.example/state?password=hunter2",
    ],
)
def test_a_password_that_is_written_out_is_refused_with_what_to_write(tmp_path: Path, state: str) -> None:
    said = refusal(tmp_path, f"state: '{state}'")
    assert "environments.demo.state: a password does not belong in this file; write ${RECONCILER_STATE}" in said
    assert "ter2" not in said


@pytest.mark.parametrize(
    "state",
    [
        "postgresql://ana:s3cret/x@db.example/state",
        "postgresql://ana:x@s3cret@db.example/state",
        "postgresql://ana:x?s3cret@db.example/state",
        "postgresql://ana:x#s3cret@db.example/state",
        "postgresql://db.example:s3cret/state",
        "postgresql:/ana:s3cret@db.example/state",
        "host=db.example password=s3cret",
        "s3://AKIA:s3cret/x@bucket/prefix",
        "s3://AKIA:s3cret/bucket",
    ],
)
def test_a_ledger_s_url_that_cannot_be_shown_without_its_password_is_not_shown(tmp_path: Path, state: str) -> None:
    settings = read_settings(Options(), variables={**SECRETS, "RECONCILER_STATE": state}, cwd=tmp_path)
    with pytest.raises(Invalid) as caught:
        settings.environment().state()
    said = str(caught.value)
    assert said.startswith("RECONCILER_STATE: the URL of the ledger cannot be read; write postgresql://")
    assert "s3cret" not in said


@pytest.mark.parametrize("path", ["/proc/self/environ", "/dev/stdin", "link", "/sys/kernel/notes"])
@pytest.mark.parametrize("key", ["client_secret_file: {}", "state: {}", "overlays: ['{}']"])
def test_a_file_of_the_system_is_refused_also_by_a_link(tmp_path: Path, path: str, key: str) -> None:
    (tmp_path / "link").symlink_to("/proc/self/environ")
    assert "cannot name a file in /" in refusal(tmp_path, key.format(path))


def test_a_folder_of_customers_is_not_the_system_s(tmp_path: Path) -> None:
    (tmp_path / "reconciler.yaml").write_text("files: [/proc/self/environ]\n")
    with pytest.raises(Invalid, match="files\\[0\\]: a project file cannot name a file in /proc; name a regular file"):
        read_settings(Options(), variables={}, cwd=tmp_path)


def test_a_secret_s_file_given_by_a_variable_may_be_a_pipe(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"s3cret\n")
    os.close(writing)
    variables = {"AP_CLIENT_ID": "id", "AP_CLIENT_SECRET_FILE": f"/dev/fd/{reading}", "AP_ENVIRONMENT": "demo"}
    settings = read_settings(Options(), variables=variables, cwd=tmp_path)
    assert settings.environment().credentials().client_secret.reveal() == "s3cret"
    os.close(reading)
