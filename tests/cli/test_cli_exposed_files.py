"""Files with secrets, ledgers and saved plans that others on this machine can read: a warning with its fix, once."""

from __future__ import annotations

import base64
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from command_line import ONE, Online, Ran, fits

from reconciler.ledger.open import connect_sqlite

pytest_plugins = ("command_fixtures",)

KEY = base64.b64encode(bytes([1]) * 32).decode()
FILES = ("-f", "customers.yaml")
ROOT = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")


@pytest.fixture
def used(shop: Online) -> Online:
    """Return a place with a ledger and its secret in a file, which only its owner can read."""
    shop.applied(ONE)
    kept(shop, "secret", "local\n", 0o600)
    del shop.variables["AP_CLIENT_SECRET"]
    shop.variables["AP_CLIENT_SECRET_FILE"] = "secret"
    return shop


def kept(shop: Online, name: str, text: str, mode: int) -> Path:
    path = shop.write(name, text)
    path.chmod(mode)
    return path


def warnings(ran: Ran) -> list[str]:
    """Return what was warned of."""
    assert ran.code == 0, ran.all
    return [line for line in ran.err.splitlines() if line.startswith("warning: ")]


def warned(*paths: Path | str, mode: str = "600") -> list[str]:
    """Return the one warning of files."""
    names = [str(path) for path in paths]
    return [f"warning: others on this machine can read {', '.join(names)}: chmod {mode} {' '.join(names)}"]


@contextmanager
def journaled(ledger: Path) -> Iterator[None]:
    """Let another process have the ledger open, so that its journal is there."""
    with closing(connect_sqlite(ledger, "mode=rw")) as connection:
        connection.execute("SELECT count(*) FROM meta").fetchone()
        yield


@pytest.mark.parametrize("command", ["plan", "apply --auto-approve", "drift"])
def test_each_run_warns_once_of_every_file_that_others_can_read(used: Online, command: str) -> None:
    words = (*command.split(), *FILES)
    assert warnings(used.run(*words)) == []
    ledger = used.folder / ".reconciler" / "default.db"
    (used.folder / "secret").chmod(0o644)
    ledger.chmod(0o640)
    assert warnings(used.run(*words)) == warned(used.folder / "secret", ledger)
    assert warnings(used.run("-q", *words)) == warned(used.folder / "secret", ledger)


def test_the_journal_beside_a_ledger_and_the_files_of_keys_count_too(used: Online) -> None:
    keys = [kept(used, name, f"{KEY}\n", 0o604) for name in ("state.key", "plan.key")]
    used.variables |= {"RECONCILER_STATE_KEY_FILE": "state.key"}
    assert used.run("state", "rekey").code == 0
    ledger = used.folder / ".reconciler" / "default.db"
    with journaled(ledger):
        beside = [ledger.with_name(f"default.db{end}") for end in ("-wal", "-shm")]
        for path in beside:
            path.chmod(0o644)
        ran = used.run("plan", *FILES, RECONCILER_PLAN_KEY_FILE="plan.key")
        assert warnings(ran) == warned(*keys, *beside)


def test_a_saved_plan_is_warned_of_when_it_is_applied_unless_it_is_sealed(used: Online) -> None:
    for variables, expected in (({}, warned("next.plan")), ({"RECONCILER_PLAN_KEY": KEY}, [])):
        used.run("plan", *FILES, "--out", "next.plan", **variables)
        (used.folder / "next.plan").chmod(0o644)
        ran = used.run("apply", "next.plan", *FILES, "--auto-approve", **variables)
        assert warnings(ran) == expected


def test_a_plan_that_is_written_over_an_open_file_is_private_and_not_warned_of(used: Online) -> None:
    path = kept(used, "next.plan", "old", 0o644)
    assert warnings(used.run("plan", *FILES, "--out", "next.plan")) == []
    assert path.stat().st_mode & 0o777 == 0o600


def test_environments_that_share_a_file_warn_of_it_once(used: Online) -> None:
    secret = used.folder / "secret"
    secret.chmod(0o644)
    url = used.variables["AP_BASE_URL"]
    used.write("reconciler.yaml", f"version: 1\nenvironments: {{a: {{base_url: '{url}'}}, b: {{base_url: '{url}'}}}}\n")
    assert warnings(used.run("plan", *FILES, "-e", "*")) == warned(secret)


def test_a_path_with_a_space_is_quoted_in_the_command(used: Online) -> None:
    path = kept(used, "my secret", "local\n", 0o644)
    ran = used.run("plan", *FILES, AP_CLIENT_SECRET_FILE="my secret")
    assert warnings(ran) == [f"warning: others on this machine can read {path}: chmod 600 '{path}'"]


def test_a_link_is_as_open_as_the_file_that_it_leads_to(used: Online) -> None:
    (used.folder / "link").symlink_to("secret")
    assert warnings(used.run("plan", *FILES, AP_CLIENT_SECRET_FILE="link")) == []
    (used.folder / "secret").chmod(0o644)
    assert warnings(used.run("plan", *FILES, AP_CLIENT_SECRET_FILE="link")) == warned(used.folder / "link")


@pytest.mark.parametrize("kind", ["missing", "a loop of links", "a folder", "a pipe"])
def test_what_is_no_file_is_an_error_of_its_own_and_not_warned_of(used: Online, kind: str) -> None:
    path = used.folder / "odd"
    match kind:
        case "a loop of links":
            path.symlink_to("odd")
        case "a folder":
            path.mkdir(mode=0o755)
        case "a pipe":
            os.mkfifo(path, 0o644)
    ran = used.run("plan", *FILES, AP_CLIENT_SECRET_FILE="odd")
    assert (ran.code, "warning" in ran.err, "the client secret cannot be read" in ran.err) == (1, False, True)
    assert doctor(used, AP_CLIENT_SECRET_FILE="odd")["verdict"] == "ok"


@ROOT
def test_a_file_that_is_given_to_a_group_by_its_owner_is_open_only_if_everyone_can_read_it(used: Online) -> None:
    secret = used.folder / "secret"
    os.chown(secret, 12345, os.getegid())
    secret.chmod(0o440)
    assert warnings(used.run("plan", *FILES)) == []
    secret.chmod(0o444)
    assert warnings(used.run("plan", *FILES)) == warned(secret, mode="o-r")
    ledger = used.folder / ".reconciler" / "default.db"
    ledger.chmod(0o644)
    assert warnings(used.run("plan", *FILES))[0].endswith(f": chmod o-r {secret} && chmod 600 {ledger}")


MOUNTED = """\
set -e
mount -t tmpfs none "$1"
folder=$(dirname "$2")
mkdir -p "$folder/..data"
echo local > "$folder/..data/ap"
ln -s ..data/ap "$2"
chmod 644 "$folder/..data/ap"
test "$3" = rw || mount -o remount,ro "$1"
shift 3
exec "$@"
"""
APART = ("unshare", "--user", "--map-root-user", "--mount")


def apart(*words: str, **how: Any) -> Ran:  # noqa: ANN401 - Popen's
    """Run a program that can mount what no other process sees."""
    ran = subprocess.run((*APART, *words), capture_output=True, text=True, check=False, **how)
    return Ran(ran.returncode, ran.stdout, ran.stderr)


@pytest.mark.skipif(
    shutil.which("unshare") is None or apart("mount", "-t", "tmpfs", "none", "/mnt").code != 0,
    reason="this user can mount nothing",
)
@pytest.mark.parametrize(
    ("mount", "file", "how", "is_open"),
    [
        ("mount", "mount/ap", "ro", False),
        ("mount", "mount/ap", "rw", True),
        ("/run", "/run/secrets/ap", "rw", False),
        ("/run", "/run/other/ap", "rw", True),
    ],
    ids=["read-only, as Kubernetes and Docker do", "another", "where Podman puts them", "beside it"],
)
def test_what_is_mounted_for_the_process_is_not_warned_of(
    used: Online, mount: str, file: str, how: str, *, is_open: bool
) -> None:
    (used.folder / "mount").mkdir()
    variables = used.given({"AP_CLIENT_SECRET_FILE": file})
    words = ("sh", "-c", MOUNTED, "sh", mount, file, how, *used.command("plan", *FILES))
    ran = apart(*words, cwd=used.folder, env=variables)
    assert warnings(ran) == (warned(used.folder / file) if is_open else [])


# --- doctor ----------------------------------------------------------------------------------------------


def doctor(shop: Online, **variables: str) -> dict[str, object]:
    """Return what doctor says of files."""
    ran = shop.run("doctor", "--format", "json", **variables)
    assert fits(ran.json, "doctor")
    found: dict[str, object] = next(one for one in ran.json["checks"] if one["check"] == "files")
    return found


def test_doctor_says_that_no_file_is_open(used: Online) -> None:
    assert doctor(used) == {
        "check": "files",
        "verdict": "ok",
        "said": "others on this machine cannot read the files with secrets, the ledger or saved plans",
        "mend": "",
        "facts": {"readable": ""},
    }


def test_doctor_names_each_open_file_with_the_command_that_closes_it(used: Online) -> None:
    used.run("plan", *FILES, "--out", "next.plan")
    used.run("plan", *FILES, "--out", "sealed.plan", RECONCILER_PLAN_KEY=KEY)
    kept(used, "notes.plan", "buy milk\n", 0o644)
    ledger = used.folder / ".reconciler" / "default.db"
    paths = [used.folder / "secret", ledger, used.folder / "next.plan"]
    for path in (*paths, used.folder / "sealed.plan"):
        path.chmod(0o644)
    names = [str(path) for path in paths]
    found = doctor(used)
    assert (found["verdict"], found["facts"]) == ("warning", {"readable": "client_secret ledger plan"})
    assert found["said"] == f"others on this machine can read {', '.join(names)}"
    assert found["mend"] == f"chmod 600 {' '.join(names)}"
    subprocess.run(shlex.split(str(found["mend"])), check=True)
    assert doctor(used)["verdict"] == "ok"


def test_doctors_report_says_which_kinds_of_files_are_open_and_not_where(used: Online) -> None:
    (used.folder / "secret").chmod(0o644)
    ran = used.run("doctor", "--report")
    assert "files         readable client_secret" in ran.out
    assert str(used.folder) not in ran.out
