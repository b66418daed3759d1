"""Run the shell steps of a workflow's job as the host would, without the host."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from command_line import OURS, PATIENCE_S, Ran

EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
STAND_IN = Path(__file__).parent / "gh_stand_in.py"
WHEEL = f"alternative-payments-reconciler[objects] @ https://wheels.example/reconciler.whl#sha256={'0' * 64}"


@dataclass(slots=True)
class Runner:
    """A runner's machine: programs, a store for `gh`, and the variables that a host sets."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "bin").mkdir(parents=True)
        self.program("gh", f'exec {sys.executable} {STAND_IN} "$@"')
        self.program("pip", f'echo "$@" >> {self.installed}')
        self.program("reconciler", f'exec {sys.executable} -m reconciler "$@"')
        self.keep(
            {"comments": [], "issues": [], "labels": [], "runs": [], "merged": [], "artifacts": str(self.artifacts)}
        )

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    @property
    def installed(self) -> Path:
        """Return where the stand-in of pip writes what it was asked for."""
        return self.folder / "installed"

    def program(self, name: str, text: str) -> None:
        """Put a program on the PATH."""
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    @property
    def store(self) -> dict[str, Any]:
        """Return what the host holds."""
        return dict(json.loads((self.folder / "store.json").read_text("utf-8")))

    def keep(self, store: Mapping[str, Any]) -> None:
        """Change what the host holds."""
        (self.folder / "store.json").write_text(json.dumps(store), "utf-8")

    def given(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return the whole environment of a step."""
        others = {
            name: text
            for name, text in os.environ.items()
            if not name.startswith((*OURS, "GITHUB_", "GITLAB_", "RUNNER_"))
        }
        others["PATH"] = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        others["GH_STORE"] = str(self.folder / "store.json")
        others["XDG_STATE_HOME"] = str(self.folder / "state")
        return {**others, **self.variables, **variables}

    def shell(self, script: str, where: Path, variables: Mapping[str, str], *, program: str = "bash") -> Ran:
        """Run a script as a step is run: it ends at the first command that fails."""
        options = ["--noprofile", "--norc", "-eo", "pipefail"] if program == "bash" else ["-e"]
        ran = subprocess.run(
            [program, *options, "-c", script],
            cwd=where,
            env=self.given(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    def job(self, workflow: Path, job: str, where: Path, expressions: Mapping[str, str]) -> Ran:
        """
        Run the steps of a GitHub Actions job in `where`, up to the first that fails.

        `expressions` says what each `${{ … }}` and each `if:` is; one that is not there is an error.
        """
        document = as_text(workflow)
        steps = document["jobs"][job]["steps"]
        variables = filled({**document.get("env", {}), **document["jobs"][job].get("env", {})}, expressions)
        out, err = "", ""
        outputs: dict[str, str] = {}
        for step in steps:
            if "if" in step and expressions[step["if"]] != "true":
                continue
            if step.get("uses", "").startswith("actions/upload-artifact"):
                kept = self.artifacts / step["with"]["name"]
                kept.mkdir(parents=True, exist_ok=True)
                shutil.copy(where / step["with"]["path"], kept)
            if "run" not in step:
                continue
            assert "${{" not in step["run"], "an expression in a script is text that others can write"
            told = self.folder / "output"
            told.write_text("", "utf-8")
            own = {**variables, **filled(step.get("env", {}), {**expressions, **outputs})}
            own |= {"GITHUB_OUTPUT": str(told), "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md")}
            own |= {"RUNNER_TEMP": str(self.folder)}
            ran = self.shell(step["run"], where, own)
            out, err = out + ran.out, err + ran.err
            for line in told.read_text("utf-8").splitlines():
                name, _, value = line.partition("=")
                outputs[f"steps.{step['id']}.outputs.{name}"] = value
            if ran.code:
                return Ran(ran.code, out, err)
        return Ran(0, out, err)


def as_text(path: Path) -> dict[str, Any]:
    """Return a YAML file with every scalar as it is written: `on` is a word there."""
    document = yaml.load(path.read_text("utf-8"), yaml.BaseLoader)  # noqa: S506 - it makes texts, lists and mappings
    return dict(document)


def filled(texts: Mapping[str, str], expressions: Mapping[str, str]) -> dict[str, str]:
    """Return variables with their expressions replaced."""
    return {name: EXPRESSION.sub(lambda found: expressions[found[1]], text) for name, text in texts.items()}
