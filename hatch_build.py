"""Write into each wheel and sdist the commit that it is built from, for `reconciler --version`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WHERE = "reconciler/_shipped/commit"


class CommitHook(BuildHookInterface):  # type: ignore[type-arg]
    """What hatchling calls before it builds; an editable install asks git when it runs instead."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add a file that holds the commit, where it is known."""
        self._file: Path | None = None
        commit = commit_of(Path(self.root))
        if version == "editable" or not commit:
            return
        with NamedTemporaryFile("w", suffix="-commit", delete=False) as file:
            file.write(f"{commit}\n")
        self._file = Path(file.name)
        self._file.chmod(0o644)
        build_data["force_include"][file.name] = WHERE

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002 - its shape
        """Remove the file, which is in what was built."""
        if self._file is not None:
            self._file.unlink()


def commit_of(root: Path) -> str:
    """
    Return the commit of the sources in `root`, `-dirty` after it where a file differs; "" where nothing knows it.

    It is what SOURCE_COMMIT says, as where the image is built without `.git`; else what an sdist holds; else git's.
    """
    if given := os.environ.get("SOURCE_COMMIT"):
        return given
    if (root / WHERE).exists():
        return (root / WHERE).read_text().strip()
    # Not the repository that an unpacked sdist happens to lie in.
    if not (root / ".git").exists():
        return ""
    described = ["git", "--no-optional-locks", "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty"]
    try:
        told = subprocess.run(described, cwd=root, capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return ""
    return told.stdout.strip()
