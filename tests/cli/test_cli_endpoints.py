"""A store on this machine that only its own variables name is found and used, and its failures tell their cause."""

from __future__ import annotations

import re
from pathlib import Path

import object_server
import pytest
from command_line import Online, Reply, web_server
from object_server import Fault, proxy

from reconciler.emulator.faults import Fault as ApiFault
from reconciler.emulator.faults import On, Scripted

pytest_plugins = ("command_fixtures",)

TWO = """\
customers:
  acme: {name: Acme, email: billing@acme.example}
  globex: {name: Globex, email: accounts@globex.example}
"""
AZURE = {"AZURE_STORAGE_ACCOUNT_NAME": "tests", "AZURE_STORAGE_ACCOUNT_KEY": "a2V5"}


def by_variable(shop: Online, endpoint: str) -> None:
    """Let the ledger be in a new bucket, whose server AWS_ENDPOINT_URL alone names."""
    bucket = object_server.bucket()
    shop.variables |= {"RECONCILER_STATE": f"s3://{bucket}/billing", "AWS_REGION": "us-east-1"}
    shop.variables["AWS_ENDPOINT_URL"] = endpoint


def active_keys(shop: Online) -> list[str]:
    return sorted(fields["external_id"] for fields, archived, _ in shop.account().values() if not archived)


def test_a_second_runner_finds_what_the_first_one_wrote_where_the_variable_says(shop: Online, tmp_path: Path) -> None:
    by_variable(shop, object_server.endpoint())
    shop.write("customers.yaml", TWO)
    planned = shop.run("plan", "-f", "customers.yaml")
    applied = shop.run("apply", "-f", "customers.yaml", "--auto-approve")
    shop.later()
    other = Online(tmp_path / "other", dict(shop.variables), shop.emulator)
    other.write("customers.yaml", TWO.rpartition("  globex")[0])
    pruned = other.run("apply", "-f", "customers.yaml", "--auto-approve")
    assert (planned.code, applied.code, pruned.code) == (0, 0, 0), planned.all + applied.all + pruned.all
    assert (active_keys(shop), len(shop.account()), list(tmp_path.rglob("*.db"))) == (["acme"], 2, [])


def test_lost_answers_of_the_store_and_of_the_api_double_nothing_and_forget_nothing(shop: Online) -> None:
    with proxy() as wire:
        by_variable(shop, wire.endpoint)
        shop.write("customers.yaml", TWO)
        wire.faults = [Fault.AFTER, Fault.BEFORE, Fault.BUSY]
        shop.write("reconciler.yaml", "environments: {default: {server: {lag: 0s}}}\n")
        shop.emulator.faults = Scripted({1: ApiFault.LOST_AFTER}, of=On.WRITES.takes)
        first = shop.run("apply", "-f", "customers.yaml", "--auto-approve")
        shop.emulator.faults = Scripted({})
        shop.later()
        again = shop.run("apply", "-f", "customers.yaml", "--auto-approve")
        shop.later()
        planned = shop.run("plan", "-f", "customers.yaml", "--detailed-exitcode")
    assert (first.code, again.code, planned.code) == (0, 0, 0), first.all + again.all + planned.all
    assert (active_keys(shop), wire.faults) == (["acme", "globex"], [])


def test_the_variable_for_s3_alone_is_stronger_and_the_url_strongest(shop: Online) -> None:
    by_variable(shop, "http://127.0.0.1:9")
    shop.variables["AWS_ENDPOINT_URL_S3"] = object_server.endpoint()
    assert shop.run("state", "list").code == 0
    shop.variables["AWS_ENDPOINT_URL_S3"] = "http://127.0.0.1:9"
    shop.variables["RECONCILER_STATE"] += f"?endpoint={object_server.endpoint()}"
    assert shop.run("state", "list").code == 0


@pytest.mark.parametrize(
    ("state", "variables"),
    [
        ("s3://bucket/billing", {"AWS_ENDPOINT_URL": "URL", "AWS_REGION": "us-east-1"}),
        ("gs://bucket/billing", {"GOOGLE_BASE_URL": "URL", "GOOGLE_SKIP_SIGNATURE": "true"}),
        ("az://bucket/billing", {"AZURE_STORAGE_ENDPOINT": "URL", **AZURE}),
        ("az://bucket/billing", {"AZURE_STORAGE_USE_EMULATOR": "true", "AZURITE_BLOB_STORAGE_URL": "URL"}),
    ],
)
def test_the_server_that_a_stores_own_variables_name_is_asked_and_its_refusal_told_with_its_cause(
    state: str, variables: dict[str, str], shop: Online
) -> None:
    def refuse(method: str, target: str) -> Reply:
        return (
            403,
            "application/xml",
            f"<Error><Code>Odd</Code><Message>{method} {target} s3cret</Message></Error>".encode(),
        )

    with web_server(refuse) as (url, heard):
        shop.variables |= {name: url if text == "URL" else text for name, text in variables.items()}
        refused = shop.run("state", "list", RECONCILER_STATE=state)
    host = url.removeprefix("http://")
    assert (refused.code, bool(heard)) == (1, True)
    assert f"{state}: the store refuses these credentials ({host}: 403 Forbidden Odd)" in unwrapped(refused.err)
    assert "s3cret" not in refused.err


def test_a_store_that_is_not_there_is_told_with_the_systems_own_words(shop: Online) -> None:
    by_variable(shop, "http://127.0.0.1:9")
    refused = shop.run("state", "list")
    assert refused.code == 1
    assert "the store cannot be reached (127.0.0.1:9: Connection refused)" in unwrapped(refused.err)


def test_a_store_elsewhere_without_tls_is_refused_without_its_password(shop: Online) -> None:
    by_variable(shop, "http://ana:s3cret@store.example:9000")
    refused = shop.run("state", "list")
    assert refused.code == 1
    assert "its endpoint http://store.example:9000 is not an https:// URL" in unwrapped(refused.err)
    assert "s3cret" not in refused.err


def unwrapped(text: str) -> str:
    return re.sub(r"\s+", " ", text)
