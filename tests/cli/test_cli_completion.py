"""Completion: what a shell is offered, and that it stays silent where something is wrong."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from command_line import ONE, THREE, Online

pytest_plugins = ("command_fixtures",)


def _offered(shop: Online, *words: str) -> list[str]:
    """Return what bash is offered for the last word, asked in a process."""
    asked = {
        "_RECONCILER_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("reconciler", *words)),
        "COMP_CWORD": str(len(words)),
    }
    ran = shop.spawn(loaded=True, variables=asked)
    assert ran.err == ""
    return [row.partition(",")[2] for row in ran.out.splitlines() if row]


def test_commands_are_offered_by_how_they_begin(shop: Online) -> None:
    assert _offered(shop, "dri") == ["drift"]


def test_environments_are_offered_after_the_command_too_by_the_project_file_that_it_names(shop: Online) -> None:
    (shop.folder / "other.yaml").write_text("files: [customers/]\nenvironments: {west: {}, east: {}}\n")
    assert _offered(shop, "plan", "-p", "other.yaml", "-e", "") == ["west", "east"]
    assert _offered(shop, "-p", "other.yaml", "plan", "-e", "w") == ["west"]
    assert _offered(shop, "-p", "other.yaml", "-e", "e") == ["east"]


def test_the_options_of_a_command_are_offered(shop: Online) -> None:
    assert _offered(shop, "show", "--red") == ["--redact"]


@pytest.mark.parametrize("command", [("plan",), ("state", "list"), ("schema",)], ids=" ".join)
def test_global_options_are_offered_after_the_command_too(shop: Online, command: tuple[str, ...]) -> None:
    assert _offered(shop, *command, "--env") == ["--environment"]
    assert _offered(shop, *command, "--log-level", "d") == ["debug"]


def test_the_words_of_an_option_are_offered(shop: Online) -> None:
    assert _offered(shop, "plan", "--format", "m") == ["markdown"]


def test_the_commands_below_a_command_are_offered(shop: Online) -> None:
    assert _offered(shop, "state", "unp") == ["unprotect"]


def test_environments_of_the_project_file_are_offered(shop: Online) -> None:
    shop.write("reconciler.yaml", "project: shop\nenvironments:\n  demo: {}\n  production: {}\n")
    assert _offered(shop, "-e", "pro") == ["production"]


@pytest.mark.parametrize("command", [("show",), ("show", "--why")])
def test_declared_and_recorded_keys_are_offered(shop: Online, command: tuple[str, ...]) -> None:
    shop.applied(THREE)
    shop.write("customers.yaml", "customers:\n  gamma: {name: Gamma}\n")
    assert _offered(shop, *command, "-f", "customers.yaml", "g") == ["gamma", "globex"]


@pytest.mark.parametrize(
    "key",
    [
        "$(touch ran)",
        "`id`",
        "a;id",
        "a|id",
        "a&id",
        "a>f",
        "a b",
        "a'b",
        'a"b',
        "a*",
        "{a,b}",
        "!1",
        "~",
        "#a",
        "a\\\\b",
    ],
)
def test_a_key_that_a_shell_would_expand_or_run_is_not_offered(shop: Online, key: str) -> None:
    quoted = key.replace("'", "''")
    shop.write("customers.yaml", f"customers:\n  '{quoted}': {{name: A}}\n  zürich-1.2@y: {{name: B}}\n")
    assert _offered(shop, "show", "-f", "customers.yaml", "") == ["zürich-1.2@y"]


def test_runs_are_offered_to_undo(shop: Online) -> None:
    shop.applied(ONE)
    (run,) = (one["id"] for one in shop.run("history", "--format", "json").json["runs"])
    assert _offered(shop, "undo", run[:2]) == [run]


def test_the_ids_of_recorded_customers_are_offered_to_api(shop: Online) -> None:
    shop.applied(ONE)
    acme = shop.id_of("acme")
    assert _offered(shop, "api", "customers", "get", acme[:5]) == [acme]
    assert _offered(shop, "api", "payment-methods", "l") == ["list"]


def test_files_that_cannot_be_read_offer_nothing(shop: Online) -> None:
    shop.write("customers.yaml", "customers: [\n")
    assert _offered(shop, "show", "-f", "customers.yaml", "a") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_names_the_variable_that_asks(shop: Online, shell: str) -> None:
    ran = shop.run("completion", shell)
    assert (ran.code, f"_RECONCILER_COMPLETE={shell}_complete" in ran.out) == (0, True)


def test_bash_itself_completes_with_the_script(shop: Online) -> None:
    script = shop.write("script.bash", shop.run("completion", "bash").out)
    asking = f"""
        source {script}
        COMP_WORDS=(reconciler dri); COMP_CWORD=1
        _reconciler_completion $'{sys.executable}\\n-m\\nreconciler'
        echo "${{COMPREPLY[@]}}"
    """
    ran = subprocess.run(
        [shutil.which("bash") or "/bin/bash", "-c", asking],
        env=shop.given({}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.stdout, ran.stderr) == ("drift\n", "")
