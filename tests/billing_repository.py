"""A clone of a repository on GitHub in which people declare customers, and the account that its workflows work on."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

from command_line import Online
from github_host import GitHub, Run
from workflow_job import ROOT, WHEEL, Index, Runner

from reconciler.emulator.service import ApiKey

READS = frozenset({"customers:read", "users:read"})
WRITES = READS | {"customers:write", "users:write"}
PROJECT = "version: 1\nfiles: [customers]\nenvironments:\n  production: {state: '${RECONCILER_STATE}'}\n"
FILE = "customers/customers.yaml"
KNOWN = """\
customers:
  acorn: {name: Acorn, email: office@acorn.example}
  birch: {name: Birch, email: office@birch.example}
  cedar: {name: Cedar, email: office@cedar.example}
"""


def host_of(shop: Online, index: Index | None = None) -> GitHub:
    """
    Return GitHub with an empty repository, whose secrets are keys of the shop's account.

    With an `index`, pip is the real one, and installs our package from there; else jobs find it installed.
    """
    known = {name: text for name, text in shop.variables.items() if not name.startswith("AP_CLIENT_")}
    runner = Runner(shop.folder / "runner", known | dict(index.variables if index else {}))
    if index is not None:
        for name in ("pip", "reconciler"):
            runner.program(name, f'exec {index.programs}/{name} "$@"')
    host = GitHub(runner)
    shop.emulator.tokens.keys |= {
        "reader": ApiKey("reader", "reader", READS),
        "writer": ApiKey("writer", "writer", WRITES),
    }
    host.secrets = {
        "AP_READ_CLIENT_ID": "reader",
        "AP_READ_CLIENT_SECRET": "reader",
        "RECONCILER_STATE": str(shop.folder / "ledger.db"),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "RECONCILER_PLAN_KEY": base64.b64encode(bytes(32)).decode(),
    }
    host.protected = {"AP_CLIENT_ID": "writer", "AP_CLIENT_SECRET": "writer"}
    host.vars = {"RECONCILER_PACKAGE": index.package if index else WHEEL}
    return host


class Clone:
    """One person's clone."""

    def __init__(self, host: GitHub, name: str) -> None:
        self.host = host
        self.name = name
        self.folder = host.runner.folder / name
        self.folder.mkdir()
        self.git("init", "--quiet", "--initial-branch", "main")
        self.git("remote", "add", "origin", str(host.remote))

    def git(self, *words: str) -> str:
        who = ["-c", f"user.name={self.name}", "-c", f"user.email={self.name}@example.com"]
        command = ["git", *who, *words]
        ran = subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True)
        return ran.stdout.strip()

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def commit(self, files: dict[str, str]) -> None:
        """Commit files with these texts."""
        for name, text in files.items():
            self.write(name, text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "a change")

    def start(self, files: dict[str, str]) -> None:
        """Push the first commit, whose workflow is not run: the workflows, the project file and these files."""
        for path in (ROOT / "examples/ci/github").iterdir():
            self.write(f".github/workflows/{path.name}", path.read_text("utf-8"))
        self.write("reconciler.yaml", PROJECT)
        self.commit(files)
        self.git("push", "--quiet", "origin", "main")

    def push_only(self, files: dict[str, str]) -> str:
        """Commit files to main as it is on the host, and push it; run nothing. Return the commit before."""
        self.git("fetch", "--quiet", "origin")
        self.git("checkout", "--quiet", "-B", "main", "origin/main")
        before = self.git("rev-parse", "HEAD")
        self.commit(files)
        self.git("push", "--quiet", "origin", "main")
        return before

    def push(self, files: dict[str, str]) -> Run:
        """Push files to main directly, and run what a push runs."""
        return self.host.pushed(self.push_only(files))

    def request(self, branch: str, files: dict[str, str]) -> tuple[int, Run]:
        """Commit files to a branch that begins at main as it is on the host, or to it as it is; push and open it."""
        self.git("fetch", "--quiet", "origin")
        known = self.git("branch", "--list", branch)
        self.git("checkout", "--quiet", *([branch] if known else ["-B", branch, "origin/main"]))
        self.commit(files)
        self.git("push", "--quiet", "origin", branch)
        return self.host.open(branch)


def sealed_plan(host: GitHub) -> Path:
    """Return the one plan that is kept as an artifact."""
    (kept,) = (host.runner.folder / "artifacts").rglob("reconciler.plan")
    return kept
