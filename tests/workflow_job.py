"""A runner's machine: the shell steps of CI files, run as a host would run them."""

from __future__ import annotations

import hashlib
import os
import shlex
import stat
import subprocess
import sys
import venv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import preloaded
import yaml
from command_line import OURS, PATIENCE_S, Ran

ROOT = Path(__file__).parents[1]
WHEEL = f"alternative-payments-reconciler[objects] @ https://wheels.example/reconciler.whl#sha256={'0' * 64}"


@dataclass(slots=True)
class Runner:
    """A runner's machine: programs, and the variables that a host sets."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "bin").mkdir(parents=True)
        self.program("gh", f'exec {shlex.join(preloaded.client(preloaded.GH))} "$@"')
        self.have_installed()

    def have_installed(self) -> None:
        """Let jobs find the package installed, and note what they ask pip for."""
        self.program("pip", f'echo "$@" >> {self.installed}')
        self.program("python3", f'exec {sys.executable} "$@"')
        self.program("reconciler", f'exec {shlex.join(preloaded.client())} "$@"')

    @property
    def installed(self) -> Path:
        """Return where the stand-in of pip writes what it was asked for."""
        return self.folder / "installed"

    def program(self, name: str, text: str) -> None:
        """Put a program on the PATH."""
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def given(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return the whole environment of a step."""
        others = {
            name: text
            for name, text in os.environ.items()
            if not name.startswith((*OURS, "GITHUB_", "GITLAB_", "RUNNER_", "PIP_", "GIT_"))
        }
        others["PATH"] = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        others["GH_STORE"] = str(self.folder / "store.json")
        others["XDG_STATE_HOME"] = str(self.folder / "state")
        return {**others, **self.variables, **variables}

    def shell(self, script: str, where: Path, variables: Mapping[str, str], *, program: str = "bash") -> Ran:
        """
        Run a script as a step is run: it ends at the first command that fails.

        Of a pipe's commands only the last counts, unless the program is `bash`.
        """
        options = (
            ["bash", "--noprofile", "--norc", "-eo", "pipefail"] if program == "bash" else [*program.split(), "-e"]
        )
        ran = subprocess.run(
            [*options, "-c", script],
            cwd=where,
            env=self.given(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return Ran(ran.returncode, ran.stdout, ran.stderr)


def as_text(path: Path) -> dict[str, Any]:
    """Return a YAML file with every scalar as it is written: `on` is a word there."""
    document = yaml.load(path.read_text("utf-8"), yaml.BaseLoader)  # noqa: S506 - it makes texts, lists and mappings
    return dict(document)


@dataclass(frozen=True, slots=True)
class Index:
    """A folder with our wheel, and an environment whose `pip` installs from that folder."""

    package: str
    variables: Mapping[str, str]
    programs: Path


def built(folder: Path) -> Index:
    """
    Build the wheel, and make an environment without our package.

    What the package depends on is there already, as the tests run with it: pip finds it and installs it no more.
    """
    wheels = folder / "wheels"
    pip = [sys.executable, "-m", "pip"]
    build = [
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "--wheel-dir",
        str(wheels),
        str(ROOT),
    ]
    subprocess.run([*pip, *build], check=True, timeout=PATIENCE_S)
    (wheel,) = wheels.glob("*.whl")
    home = folder / "python"
    venv.create(home, symlinks=True)
    (site,) = home.glob("lib/*/site-packages")
    shared = folder / "packages"
    shared.mkdir()
    import pip as known  # noqa: PLC0415 - where it is, all else is

    for one in Path(known.__file__).parents[1].iterdir():
        if not (one.suffix == ".pth" or one.name.startswith(("alternative_payments", "__editable__", "reconciler"))):
            (shared / one.name).symlink_to(one)
    (site / "shared.pth").write_text(f"{shared}\n", "utf-8")
    script = home / "bin" / "pip"
    script.write_text(f'#!/bin/sh\nexec {home}/bin/python -m pip "$@"\n', "utf-8")
    script.chmod(0o755)
    version = wheel.name.split("-")[1]
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return Index(
        f"alternative-payments-reconciler[objects]=={version} --hash=sha256:{digest}",
        {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        home / "bin",
    )
