"""A folder with one customers file for each entry: names that are safe everywhere, all of the files or none."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from reconciler.errors import ReconcilerError
from reconciler.escape import visible
from reconciler.report.layout import count

# Lower case only: on some file systems `Acme` and `acme` are one name.
_PLAIN = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,78}[a-z0-9_-])?", re.ASCII)
# Windows opens a device under these, whatever follows the first dot.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.ASCII)
_LONGEST_START = 40
_SHOWN = 3


def file_name(key: str) -> str:
    """
    Return the file name for a key: always the same for one key, another for another one, on any file system.

    What is not plain stands as its plain characters and, after a `~` that no plain key has, a hash of the key.

    >>> file_name("acme"), file_name("../Acme")
    ('acme.yaml', 'acme~e7eb7adca53e.yaml')
    """
    if _PLAIN.fullmatch(key) and not _DEVICE.fullmatch(key):
        return f"{key}.yaml"
    start = re.sub(r"[^a-z0-9]+", "-", key.lower(), flags=re.ASCII)[:_LONGEST_START].strip("-")
    return f"{start or 'customer'}~{hashlib.sha256(key.encode()).hexdigest()[:12]}.yaml"


def check_place(folder: Path) -> None:
    """Raise ReconcilerError where no folder of this path can be filled, before anything is asked of the account."""
    if folder.exists() and not folder.is_dir():
        raise ReconcilerError(f"{visible(str(folder))}: it is a file", "choose another path")
    if not folder.parent.is_dir():
        raise ReconcilerError(f"{visible(str(folder.parent))}: there is no such folder", "make it first")


def write_folder(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """
    Write each key's text to its file, for their owner alone; none where one cannot be, or is there already.

    Return the files.

    The files are made in a hidden folder, which plans pass over, and get their names when all are whole.
    """
    names = {file_name(key): text for key, text in texts.items()}
    there = {one.name.lower() for one in folder.iterdir()} if folder.exists() else set()
    if taken := sorted(names.keys() & there):
        more = f" and {len(taken) - _SHOWN} more" if len(taken) > _SHOWN else ""
        raise ReconcilerError(
            f"{visible(str(folder))}: {count(len(taken), 'file')} would be overwritten, nothing is written: "
            f"{', '.join(taken[:_SHOWN])}{more}",
            "choose another folder, or remove them",
        )
    try:
        _write(folder, names)
    except OSError as exc:
        words = f"{visible(str(folder))}: it cannot be written: {exc.strerror}"
        raise ReconcilerError(words, "choose another path") from exc
    return [folder / name for name in names]


def _write(folder: Path, names: Mapping[str, str]) -> None:
    """Write the files beside their place, then move them there; OSError where that cannot be, and none stays."""
    new = not folder.exists()
    stage = Path(tempfile.mkdtemp(dir=folder.parent if new else folder, prefix=".import-"))
    given: list[Path] = []
    try:
        for name, text in names.items():
            descriptor = os.open(stage / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(text.encode())
        if new:
            stage.rename(folder)
            return
        for name in names:
            # Not a rename, which would replace what another put there meanwhile.
            (folder / name).hardlink_to(stage / name)
            given.append(folder / name)
    except BaseException:
        for one in given:
            one.unlink(missing_ok=True)
        raise
    finally:
        shutil.rmtree(stage, ignore_errors=True)
