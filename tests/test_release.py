"""A release is checked: a changed hash, a bill that lacks a package and a changed build are found, each by its file."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from command_line import PATIENCE_S

ROOT = Path(__file__).parents[1]
WHEEL = "alternative_payments_reconciler-1.0.0-py3-none-any.whl"
ZIPAPP = "reconciler.pyz"
PACKAGE = "alternative-payments-reconciler_1.0.0_amd64.deb"
SDIST = "alternative_payments_reconciler-1.0.0.tar.gz"
ONE, TWO = "1" * 64, "2" * 64
LOCK = f"""\
certifi==2026.1.1 \\
    --hash=sha256:{ONE} \\
    --hash=sha256:{TWO}
et-xmlfile==2.0.0 \\
    --hash=sha256:{TWO}
"""
OURS = {"reconciler/main.py": "pass\n", "reconciler/_shipped/requirements/locked.txt": LOCK}


def package(name: str, version: str, files: Mapping[str, str]) -> dict[str, str]:
    """Return a package's files, with a record of them."""
    info = f"{name}-{version}.dist-info"
    files = {**files, f"{info}/METADATA": f"Name: {name}\nVersion: {version}\n"}
    lines = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},1"
        for path, text in files.items()
    ]
    return {**files, f"{info}/RECORD": "\n".join([*lines, f"{info}/RECORD,,"]) + "\n"}


ALL = {
    **package("alternative_payments_reconciler", "1.0.0", OURS),
    **package("certifi", "2026.1.1", {"certifi/where.py": "pass\n"}),
    **package("et_xmlfile", "2.0.0", {"et_xmlfile/xml.py": "pass\n"}),
}


def zipped(path: Path, files: Mapping[str, str], below: str = "") -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{below}{name}", text)


def tar(files: Mapping[str, str], below: str) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, text in files.items():
            one = tarfile.TarInfo(f"{below}{name}")
            one.size = len(text.encode())
            archive.addfile(one, io.BytesIO(text.encode()))
    return made.getvalue()


def debian(files: Mapping[str, str]) -> bytes:
    made = b"!<arch>\n"
    for name, content in (("debian-binary", b"2.0\n"), ("data.tar.gz", tar(files, "./usr/lib/reconciler/"))):
        made += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode() + content
        made += b"\n" * (len(content) % 2)
    return made


def bill(folder: Path, name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / f"{name}.cdx.json").read_text("utf-8"))
    return read


def write_bill(folder: Path, name: str, document: Mapping[str, Any] | None = None) -> None:
    """Write a bill: of everything in the lock, if none is given."""
    if document is None:
        hashes = {"certifi": [ONE, TWO], "et-xmlfile": [TWO]}
        document = {
            "metadata": {"component": {"hashes": [{"content": sha256(folder / name)}]}},
            "components": [
                {
                    "name": one,
                    "version": "2026.1.1" if one == "certifi" else "2.0.0",
                    "externalReferences": [{"hashes": [{"content": digest}]} for digest in known],
                }
                for one, known in hashes.items()
            ],
        }
    (folder / f"{name}.cdx.json").write_text(json.dumps(document), "utf-8")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_sums(folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir() if path.name != "SHA256SUMS")
    (folder / "SHA256SUMS").write_text("".join(f"{sha256(folder / name)}  {name}\n" for name in names), "utf-8")


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Return a small release in which everything agrees."""
    folder = tmp_path / "release"
    folder.mkdir()
    (folder / "locked.txt").write_text(LOCK, "utf-8")
    zipped(folder / WHEEL, package("alternative_payments_reconciler", "1.0.0", OURS))
    zipped(folder / ZIPAPP, ALL, "site-packages/")
    (folder / SDIST).write_bytes(tar({"requirements/locked.txt": LOCK}, "alternative_payments_reconciler-1.0.0/"))
    (folder / PACKAGE).write_bytes(debian(ALL))
    for name in (WHEEL, ZIPAPP, SDIST, PACKAGE):
        write_bill(folder, name)
    write_sums(folder)
    return folder


def faults(folder: Path) -> list[str]:
    """Return what the check prints of a release, and see that its exit code fits."""
    ran = subprocess.run(
        [sys.executable, ROOT / ".ci" / "release_files.py", "check", str(folder)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    found = [line.removeprefix(f"{folder}: ") for line in ran.stderr.splitlines()]
    assert ran.returncode == (1 if found else 0)
    return found


def test_a_release_in_which_everything_agrees_passes(release: Path) -> None:
    assert faults(release) == []


@pytest.mark.parametrize("name", [WHEEL, ZIPAPP, SDIST, PACKAGE, "locked.txt", f"{WHEEL}.cdx.json"])
def test_a_file_that_was_changed_is_named(release: Path, name: str) -> None:
    (release / name).write_bytes((release / name).read_bytes() + b"\n")
    assert f"{name} was changed: its SHA-256 isn't the one in SHA256SUMS" in faults(release)


def test_a_file_that_is_missing_and_one_too_many_are_named(release: Path) -> None:
    (release / SDIST).rename(release / "other.tar.gz")
    found = faults(release)
    assert f"{SDIST} is missing; SHA256SUMS lists it" in found
    assert "other.tar.gz isn't in SHA256SUMS" in found


def test_a_build_that_was_changed_with_its_sum_is_found_by_its_bill_and_its_record(release: Path) -> None:
    zipped(release / ZIPAPP, {**ALL, "certifi/where.py": "evil\n"}, "site-packages/")
    write_sums(release)
    assert faults(release) == [
        f"{ZIPAPP}: certifi/where.py isn't what its RECORD says",
        f"{ZIPAPP}.cdx.json: it is of another {ZIPAPP}: the SHA-256 differs",
    ]


@pytest.mark.parametrize("name", [WHEEL, ZIPAPP, SDIST, PACKAGE])
def test_a_bill_that_lacks_a_package_is_named_with_the_package(release: Path, name: str) -> None:
    document = bill(release, name)
    document["components"].pop()
    write_bill(release, name, document)
    write_sums(release)
    assert faults(release) == [f"{name}.cdx.json: it lacks et-xmlfile 2.0.0"]


def test_a_bill_of_another_version_and_one_with_a_package_too_many_are_named(release: Path) -> None:
    document = bill(release, ZIPAPP)
    document["components"][0]["version"] = "2025.1.1"
    document["components"].append({"name": "left-pad", "version": "1"})
    write_bill(release, ZIPAPP, document)
    write_sums(release)
    assert faults(release) == [
        f"{ZIPAPP}.cdx.json: it lists left-pad, which {ZIPAPP} doesn't have",
        f"{ZIPAPP}.cdx.json: it lists certifi 2025.1.1 instead of 2026.1.1",
    ]


def test_an_artifact_without_a_bill_is_named(release: Path) -> None:
    (release / f"{WHEEL}.cdx.json").unlink()
    write_sums(release)
    assert faults(release) == [f"{WHEEL}.cdx.json: it is missing"]


def test_a_lock_with_a_changed_hash_is_named_by_all_that_were_built_with_the_other(release: Path) -> None:
    (release / "locked.txt").write_text(LOCK.replace(ONE, "3" * 64), "utf-8")
    write_sums(release)
    found = faults(release)
    for name in (WHEEL, ZIPAPP, SDIST, PACKAGE):
        assert f"{name}: the locked.txt in it differs from the locked.txt beside it" in found
        assert f"{name}.cdx.json: the hashes of certifi differ from those in locked.txt" in found
    assert len(found) == 8


def test_a_package_that_is_not_in_the_lock_is_named(release: Path) -> None:
    zipped(release / ZIPAPP, {**ALL, **package("left_pad", "1", {})}, "site-packages/")
    write_bill(release, ZIPAPP)
    write_sums(release)
    assert faults(release) == [
        f"{ZIPAPP}: it holds left-pad 1, and locked.txt has none",
        f"{ZIPAPP}.cdx.json: it lacks left-pad 1",
    ]


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_what_is_no_archive_is_named_without_a_traceback(release: Path, content: bytes) -> None:
    for name in (WHEEL, SDIST, PACKAGE):
        (release / name).write_bytes(content)
    write_sums(release)
    named = [one.partition(" or its bill can't be read: ")[0] for one in faults(release)]
    assert sorted(named) == sorted([WHEEL, SDIST, PACKAGE])


def test_a_folder_without_a_release_is_reported(tmp_path: Path) -> None:
    assert faults(tmp_path) == ["SHA256SUMS is missing", "locked.txt is missing"]


def test_pip_refuses_a_lock_with_a_changed_hash(tmp_path: Path) -> None:
    wheel = tmp_path / "certifi-2026.1.1-py3-none-any.whl"
    zipped(wheel, package("certifi", "2026.1.1", {"certifi/where.py": "pass\n"}))
    lock = tmp_path / "lock.txt"
    lock.write_text(f"certifi==2026.1.1 --hash=sha256:{ONE}\n", "utf-8")
    words = [
        "download",
        "--no-index",
        "--no-deps",
        "--find-links",
        tmp_path,
        "--require-hashes",
        "-r",
        lock,
        "-d",
        tmp_path / "out",
    ]
    ran = subprocess.run(
        [sys.executable, "-m", "pip", *words], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert ran.returncode == 1
    assert "DO NOT MATCH THE HASHES" in ran.stderr
    assert "certifi==2026.1.1" in ran.stderr


# --- the locks ---------------------------------------------------------------------------------------

LOCKS = sorted(ROOT.glob("requirements/locked*.txt"))


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_package_of_a_lock_has_a_hash(path: Path) -> None:
    entries = re.split(r"\n(?=[a-z])", re.sub(r"^#.*\n", "", path.read_text("utf-8"), flags=re.MULTILINE).strip())
    assert [one for one in entries if not re.search(r"==.*--hash=sha256:[0-9a-f]{64}", one, re.DOTALL)] == []
    assert len(entries) > 5


def test_the_lock_has_the_versions_that_the_tests_run_with() -> None:
    tested = dict(
        re.findall(r"^([^#=\n]+)==(.+)$", (ROOT / "requirements" / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    )
    tested = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in tested.items()}
    pinned = dict(
        re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements" / "locked.txt").read_text("utf-8"), re.MULTILINE)
    )
    assert {name: version for name, version in pinned.items() if tested.get(name, version) != version} == {}
    assert len(pinned) > 40


def test_the_lock_names_no_host() -> None:
    assert [path.name for path in LOCKS if "://" in path.read_text("utf-8")] == []


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_release_is_refused_while_an_image_has_no_digest() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    tagged = [line for line in text.splitlines() if line.startswith("FROM ") and "@sha256:" not in line]
    if not tagged:
        return
    ran = subprocess.run(
        [ROOT / ".ci" / "release"], capture_output=True, text=True, timeout=PATIENCE_S, check=False, cwd=ROOT
    )
    assert ran.returncode == 1
    assert "Dockerfile:" in ran.stderr
    assert ".ci/release --pin-images" in ran.stderr


def test_the_lock_has_whatever_the_package_and_its_extras_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = {*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)}
    wanted = {re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", one)[0]).lower() for one in named}
    pinned = re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements" / "locked.txt").read_text("utf-8"), re.MULTILINE)
    assert sorted(wanted - set(pinned)) == [], "run `make lock`"
