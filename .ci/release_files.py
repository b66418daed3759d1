"""
Write a release's bills of materials and checksums, and check a release.

`python .ci/release_files.py write FOLDER EPOCH`: FILE.cdx.json (CycloneDX) for each artifact, then SHA256SUMS; it needs
cyclonedx-python-lib. `python .ci/release_files.py check FOLDER` needs Python alone: it prints each fault with the name
of the file, and ends with 1 if there is one.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import sys
import tarfile
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath
from typing import Any

OURS = "alternative-payments-reconciler"
LOCK = "locked.txt"
SUMS = "SHA256SUMS"
BILL = ".cdx.json"
HOLDING = (".pyz", ".deb")
"""The artifacts that hold what they need; the others get it from an index, by the lock that they hold."""
ARTIFACTS = (".whl", ".tar.gz", *HOLDING)

PACKAGE = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
LINE = re.compile(r"([0-9a-f]{64})  ([^/]+)")
BELOW = re.compile(r"^(?:site-packages/|\./usr/lib/reconciler/|)(?=[^/]+\.dist-info/)")

Files = Mapping[str, Callable[[], bytes]]
"""What an archive holds: how each file is read, by its path."""


def main(command: str, folder: str, epoch: str = "") -> int:
    """Write or check, and return the exit code."""
    if command == "write":
        write(Path(folder), int(epoch))
    faults = list(check(Path(folder)))
    for one in faults:
        print(f"{folder}: {one}", file=sys.stderr)
    if not faults:
        names = [path.name for path in artifacts(Path(folder))]
        print(f"{folder}: checksums, bills of materials and locks agree: {', '.join(names)}")
    return 1 if faults else 0


def artifacts(folder: Path) -> list[Path]:
    """Return what is released, without the bills and sums."""
    return sorted(path for path in folder.iterdir() if path.name.endswith(ARTIFACTS))


# --- what an artifact holds --------------------------------------------------------------------------


def contents(path: Path) -> dict[str, bytes]:
    """Return the files that an artifact holds, by their path."""
    if path.name.endswith(".tar.gz"):
        return dict(_tar(path.read_bytes()))
    if path.suffix == ".deb":
        return dict(_tar(_member(path.read_bytes(), "data.tar")))
    with zipfile.ZipFile(path) as archive:
        return {one.filename: archive.read(one) for one in archive.infolist() if not one.is_dir()}


def _tar(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a tar archive."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for one in archive:
            if one.isreg() and (file := archive.extractfile(one)) is not None:
                yield one.name, file.read()


def _member(content: bytes, name: str) -> bytes:
    """Return the member of an `ar` archive whose name begins with `name`."""
    at = 8
    while at + 60 <= len(content):
        size = int(content[at + 48 : at + 58])
        if content[at : at + 16].startswith(name.encode()):
            return content[at + 60 : at + 60 + size]
        at += 60 + size + size % 2
    raise ValueError(f"no {name} in it")


def installed(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the version of each package that an archive holds, by its name."""
    found = {}
    for name, content in files.items():
        if BELOW.search(name) and PurePosixPath(name).name == "METADATA":
            head = HeaderParser().parsestr(content.decode("utf-8"))
            found[normalized(head["Name"])] = head["Version"]
    return found


def unrecorded(files: Mapping[str, bytes]) -> Iterator[str]:
    """Yield the files that differ from what the RECORD of their package says, and those of no package."""
    for name, content in files.items():
        if not (place := BELOW.search(name)) or PurePosixPath(name).name != "RECORD":
            continue
        for path, said, _ in csv.reader(content.decode("utf-8").splitlines()):
            kind, _, digest = said.partition("=")
            held = files.get(f"{place[0]}{path}")
            # Data, such as manual pages, is put elsewhere by whoever unpacks the package.
            if not digest or path.startswith("../"):
                continue
            if held is None:
                yield f"{path}, which its RECORD lists, is missing"
            elif base64.urlsafe_b64encode(hashlib.new(kind, held).digest()).rstrip(b"=").decode() != digest:
                yield f"{path} isn't what its RECORD says"


def locked(text: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Return the version and the hashes of each package of a lock, by its name."""
    found: dict[str, tuple[str, frozenset[str]]] = {}
    name = ""
    for line in text.splitlines():
        if package := PACKAGE.match(line):
            name = normalized(package[1])
            found[name] = (package[2], frozenset())
        if name and (hashes := HASH.findall(line)):
            found[name] = (found[name][0], found[name][1] | set(hashes))
    return found


def normalized(name: str) -> str:
    """
    Return a package's name as an index has it.

    >>> normalized("et_xmlfile")
    'et-xmlfile'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(path: Path, files: Mapping[str, bytes], lock: str) -> dict[str, str]:
    """Return the packages of an artifact's bill: those that it holds, or those that are installed with it."""
    held = {name: version for name, version in installed(files).items() if name != OURS}
    return held if path.suffix in HOLDING else {name: version for name, (version, _) in locked(lock).items()}


def sha256(path: Path) -> str:
    """Return a file's sum."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- writing -----------------------------------------------------------------------------------------


def write(folder: Path, epoch: int) -> None:
    """Write a bill for each artifact, and the sums of all files."""
    lock = (folder / LOCK).read_text("utf-8")
    for path in artifacts(folder):
        files = contents(path)
        bill = bill_of(path, needed(path, files, lock), lock, epoch)
        path.with_name(path.name + BILL).write_text(bill, "utf-8")
    names = sorted(path.name for path in folder.iterdir() if path.name != SUMS)
    (folder / SUMS).write_text("".join(f"{sha256(folder / name)}  {name}\n" for name in names), "utf-8")


def bill_of(path: Path, packages: Mapping[str, str], lock: str, epoch: int) -> str:
    """Return an artifact's bill of materials: the same text for the same artifact, whenever it is made."""
    # What checks a release does without the library.
    from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri  # noqa: PLC0415
    from cyclonedx.model.bom import Bom  # noqa: PLC0415
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415
    from cyclonedx.output import make_outputter  # noqa: PLC0415
    from cyclonedx.schema import OutputFormat, SchemaVersion  # noqa: PLC0415
    from cyclonedx.validation import make_schemabased_validator  # noqa: PLC0415
    from packageurl import PackageURL  # noqa: PLC0415

    def hashed(digest: str) -> HashType:
        return HashType(alg=HashAlgorithm.SHA_256, content=digest)

    digest = sha256(path)
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"sha256:{digest}"))
    bom.metadata.timestamp = datetime.fromtimestamp(epoch, UTC)
    root = Component(name=path.name, type=ComponentType.APPLICATION, bom_ref=path.name, hashes=[hashed(digest)])
    bom.metadata.component = root
    hashes = {name: known for name, (_, known) in locked(lock).items()}
    for name, version in packages.items():
        purl = PackageURL("pypi", name=name, version=version)
        # One of these files, whichever fits the Python and the machine.
        files = [
            ExternalReference(
                type=ExternalReferenceType.DISTRIBUTION,
                url=XsUri(str(purl)),
                hashes=[hashed(one)],
                comment="a file of it",
            )
            for one in hashes.get(name, ())
        ]
        component = Component(
            name=name,
            version=version,
            type=ComponentType.LIBRARY,
            purl=purl,
            bom_ref=str(purl),
            external_references=files,
        )
        bom.components.add(component)
    bom.register_dependency(root, bom.components)
    text = str(make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2))
    if fault := make_schemabased_validator(OutputFormat.JSON, SchemaVersion.V1_6).validate_str(text):
        raise ValueError(f"the bill of {path.name} does not fit its format: {fault}")
    return f"{text}\n"


# --- checking ----------------------------------------------------------------------------------------


def check(folder: Path) -> Iterator[str]:
    """Yield what is wrong with a release, each with the name of the file."""
    yield from _sums(folder)
    if not (folder / LOCK).exists():
        yield f"{LOCK} is missing"
        return
    lock = (folder / LOCK).read_text("utf-8")
    found = artifacts(folder)
    if not found:
        yield "no wheel, sdist, zipapp or Debian package is in it"
    for path in found:
        try:
            files = contents(path)
            yield from (f"{path.name}: {one}" for one in _artifact(path, files, lock))
            yield from (f"{path.name}{BILL}: {one}" for one in _bill(path, needed(path, files, lock), lock))
        except (OSError, ValueError, EOFError, KeyError, TypeError, tarfile.TarError, zipfile.BadZipFile) as exc:
            yield f"{path.name} or its bill can't be read: {' '.join(str(exc).split())}"


def _sums(folder: Path) -> Iterator[str]:
    """Yield the files that are not as SHA256SUMS says, not in it, or not there."""
    if not (folder / SUMS).exists():
        yield f"{SUMS} is missing"
        return
    said = {}
    for line in (folder / SUMS).read_text("utf-8").splitlines():
        if not (read := LINE.fullmatch(line)):
            yield f"{SUMS}: this line is no sum and name: {line!r}"
            continue
        said[read[2]] = read[1]
    there = {path.name: path for path in folder.iterdir() if path.name != SUMS}
    for name in sorted(said.keys() | there.keys()):
        if name not in there:
            yield f"{name} is missing; {SUMS} lists it"
        elif name not in said:
            yield f"{name} isn't in {SUMS}"
        elif sha256(there[name]) != said[name]:
            yield f"{name} was changed: its SHA-256 isn't the one in {SUMS}"


def _artifact(path: Path, files: Mapping[str, bytes], lock: str) -> Iterator[str]:
    """Yield what an artifact holds that isn't as its records or the lock say."""
    yield from unrecorded(files)
    inside = [content for name, content in files.items() if name.endswith(f"/{LOCK}")]
    if not inside:
        yield f"it holds no {LOCK}"
    if any(content != lock.encode() for content in inside):
        yield f"the {LOCK} in it differs from the {LOCK} beside it"
    if path.suffix in HOLDING:
        versions = {name: version for name, (version, _) in locked(lock).items()}
        for name, version in sorted(installed(files).items()):
            if name != OURS and versions.get(name) != version:
                yield f"it holds {name} {version}, and {LOCK} has {versions.get(name, 'none')}"


def _bill(path: Path, packages: Mapping[str, str], lock: str) -> Iterator[str]:
    """Yield how an artifact's bill differs from the artifact and the lock."""
    file = path.with_name(path.name + BILL)
    if not file.exists():
        yield "it is missing"
        return
    bill: Any = json.loads(file.read_text("utf-8"))
    if [one["content"] for one in bill["metadata"]["component"]["hashes"]] != [sha256(path)]:
        yield f"it is of another {path.name}: the SHA-256 differs"
    listed = {normalized(one["name"]): one for one in bill.get("components", ())}
    for name in sorted(packages.keys() - listed.keys()):
        yield f"it lacks {name} {packages[name]}"
    for name in sorted(listed.keys() - packages.keys()):
        yield f"it lists {name}, which {path.name} doesn't have"
    lines = locked(lock)
    for name in sorted(listed.keys() & packages.keys()):
        component = listed[name]
        if component["version"] != packages[name]:
            yield f"it lists {name} {component['version']} instead of {packages[name]}"
        hashes = {one["content"] for file in component.get("externalReferences", ()) for one in file.get("hashes", ())}
        if hashes != lines.get(name, ("", frozenset()))[1]:
            yield f"the hashes of {name} differ from those in {LOCK}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
