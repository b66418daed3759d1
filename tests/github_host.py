"""
A stand-in for GitHub: a repository on this disk, whose workflows are run from their YAML.

Steps with `run` are run as they are. Of other people's actions it knows checkout, and the upload of an artifact.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from command_line import Ran
from workflow_job import Runner, as_text

Contexts = dict[str, Any]
TOKEN = re.compile(r"\s*('(?:[^']|'')*'|\d+|[A-Za-z_][\w-]*(?:\.[\w-]+)*|&&|\|\||==|!=|[!()<>,])")
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}", re.DOTALL)
STATUS = re.compile(r"\b(success|failure|cancelled|always)\(\)")
WORDS = {"&&": " and ", "||": " or ", "!": " not "}
COMMAND = re.compile(r"^::(error|warning|notice)( [^:]*)?::(.*)$", re.MULTILINE)
REPOSITORY = "acme/billing"


def evaluated(expression: str, contexts: Contexts, *, failed: bool = False) -> Any:  # noqa: ANN401 - any value
    """Return the value of an expression; what is not there is empty."""
    words: list[str] = []
    position = 0
    while position < len(expression.rstrip()):
        token = TOKEN.match(expression, position)
        assert token is not None, f"not an expression: {expression}"
        position, word = token.end(), token[1]
        called = expression[position : position + 1] == "("
        if word[0] == "'":
            words.append(repr(word[1:-1].replace("''", "'")))
        elif word[0].isalpha() and not called:
            words.append(f"value({word!r})")
        else:
            words.append(WORDS.get(word, word))

    def value(path: str) -> object:
        found: Any = contexts
        for name in path.split("."):
            found = found.get(name, "") if isinstance(found, Mapping) else ""
        return "" if found is None else found

    functions: dict[str, object] = {
        "value": value,
        "success": lambda: not failed,
        "failure": lambda: failed,
        "cancelled": lambda: False,
        "always": lambda: True,
        "format": lambda text, *given: text.format(*given),
    }
    return eval("".join(words), {"__builtins__": {}}, functions)  # noqa: S307 - our own workflows


def filled(text: str, contexts: Contexts) -> str:
    """Return a text with its expressions replaced."""

    def shown(found: re.Match[str]) -> str:
        value = evaluated(found[1], contexts)
        return str(value).lower() if isinstance(value, bool) else str(value)

    return EXPRESSION.sub(shown, text)


def holds(condition: str | None, contexts: Contexts, *, failed: bool) -> bool:
    """Say whether what has this `if:` is run: without a function of status in it, only where nothing failed."""
    if condition is None:
        return not failed
    expression = condition.strip().removeprefix("${{").removesuffix("}}")
    if failed and not STATUS.search(expression):
        return False
    return bool(evaluated(expression, contexts, failed=failed))


@dataclass(slots=True)
class Job:
    """How a job ended: `success`, `failure`, `skipped`, or `waiting` for an approval that nobody gave."""

    outcome: str
    said: str = ""
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def errors(self) -> list[str]:
        """Return the errors that it shows as annotations, each with its title."""
        return [
            f"{(named or '').partition('title=')[2]}: {text}".replace("%0A", "\n").replace("%25", "%")
            for level, named, text in COMMAND.findall(self.said)
            if level == "error"
        ]


@dataclass(slots=True)
class Run:
    """A run of a workflow; its jobs by name."""

    id: int
    jobs: dict[str, Job] = field(default_factory=dict)

    @property
    def outcome(self) -> str:
        """Return how it ended."""
        outcomes = {job.outcome for job in self.jobs.values()}
        return next((one for one in ("failure", "waiting") if one in outcomes), "success")

    @property
    def outcomes(self) -> dict[str, str]:
        return {name: job.outcome for name, job in self.jobs.items()}

    @property
    def said(self) -> str:
        return "\n".join(f"--- {name}: {job.outcome}\n{job.said}" for name, job in self.jobs.items())

    @property
    def errors(self) -> list[str]:
        return [error for job in self.jobs.values() for error in job.errors]


class GitHub:
    """
    A repository with its workflows, pull requests, artifacts and one protected environment, `production`.

    `secrets` are the repository's, `protected` the environment's; `approves` says whether its reviewers approve.
    """

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.remote = runner.folder / "remote.git"
        self.secrets: dict[str, str] = {}
        self.protected: dict[str, str] = {}
        self.vars: dict[str, str] = {}
        self.approves = True
        self.waited = 0
        self.days = 0
        self.remote.mkdir()
        self.git("init", "--quiet", "--bare", "--initial-branch", "main")
        self.git("config", "uploadpack.allowAnySHA1InWant", "true")
        empty: dict[str, Any] = {name: [] for name in ("comments", "issues", "pulls", "labels", "runs", "artifacts")}
        self.keep({**empty, "environments": {"production": ["required_reviewers"]}, "may_create_requests": True})

    # --- what it holds -----------------------------------------------------------------------------

    @property
    def store(self) -> dict[str, Any]:
        return dict(json.loads((self.runner.folder / "store.json").read_text("utf-8")))

    def keep(self, store: Mapping[str, Any]) -> None:
        (self.runner.folder / "store.json").write_text(json.dumps(store), "utf-8")

    def change(self, name: str, change: Callable[[Any], object]) -> None:
        """Change one part of what it holds, in place."""
        store = self.store
        change(store[name])
        self.keep(store)

    def pull(self, number: int) -> dict[str, Any]:
        return next(one for one in self.store["pulls"] if one["number"] == number)

    def comments(self, number: int) -> list[str]:
        """Return the comments on a pull request."""
        return [one["body"] for one in self.store["comments"] if one["issue"] == str(number)]

    def git(self, *words: str) -> str:
        """Run git in the remote repository."""
        who = ["-c", "user.name=GitHub", "-c", "user.email=noreply@github.example"]
        command = ["git", *who, *words]
        ran = subprocess.run(command, cwd=self.remote, check=True, capture_output=True, text=True)
        return ran.stdout.strip()

    # --- what people do ----------------------------------------------------------------------------

    def open(self, branch: str) -> tuple[int, Run]:
        """Open a pull request of a branch that was pushed, or take it up again after a push; run its workflow."""
        store = self.store
        found = [one for one in store["pulls"] if one.get("branch") == branch and one["state"] == "open"]
        if not found:
            number = len(store["pulls"]) + len(store["issues"]) + 1
            found = [{"number": number, "state": "open", "branch": branch, "merged_at": None}]
            store["pulls"] += found
        number = found[0]["number"]
        head, base = self.git("rev-parse", branch), self.git("rev-parse", "main")
        found[0] |= {"head": {"sha": head}, "base": {"ref": "main"}}
        found[0]["commits"] = int(self.git("rev-list", "--count", f"main..{branch}"))
        self.keep(store)
        tree = self.git("merge-tree", "--write-tree", base, head)
        merged = self.git("commit-tree", tree, "-p", base, "-p", head, "-m", f"Merge {branch}")
        self.git("update-ref", f"refs/pull/{number}/merge", merged)
        event = {"pull_request": {"number": number, "head": {"sha": head}}}
        return number, self.run("reconciler.yml", "pull_request", f"refs/pull/{number}/merge", event)

    def merge(self, number: int, how: str = "merge") -> Run:
        """Merge a pull request as the host does it, and run what a push runs."""
        request = self.pull(number)
        head, before = request["head"]["sha"], self.git("rev-parse", "main")
        tree = self.git("merge-tree", "--write-tree", before, head)
        parents = ["-p", before] + (["-p", head] if how == "merge" else [])
        merged = self.git("commit-tree", tree, *parents, "-m", f"Merge pull request {number}")
        self.git("update-ref", "refs/heads/main", merged)

        def close(pulls: list[dict[str, Any]]) -> None:
            pulls[pulls.index(request)] |= {"state": "closed", "merged_at": "now", "merge_commit_sha": merged}

        self.change("pulls", close)
        return self.pushed(before)

    def pushed(self, before: str) -> Run:
        """Run what a push to main runs."""
        return self.run("reconciler.yml", "push", "refs/heads/main", {"before": before})

    def night(self) -> Run:
        """Run what the schedule runs."""
        return self.run("reconciler-drift.yml", "schedule", "refs/heads/main", {})

    def dispatch(self, line: str) -> Run:
        """Do what a line says that a comment offers: `gh workflow run FILE --field NAME=VALUE`."""
        words = line.split()
        assert words[:3] == ["gh", "workflow", "run"], line
        inputs = dict(word.split("=", 1) for word in words[5::2])
        return self.run(words[3], "workflow_dispatch", "refs/heads/main", {"inputs": inputs})

    # --- runs --------------------------------------------------------------------------------------

    def run(self, workflow: str, name: str, ref: str, event: Mapping[str, Any], *, attempt: int = 1) -> Run:
        """Run a workflow of the commit that `ref` is at, for an event."""
        commit = self.git("rev-parse", ref)
        document = as_text_of(self.git("show", f"{commit}:.github/workflows/{workflow}"), self.runner.folder)
        inputs = {one: kind.get("default", "") for one, kind in _inputs(document).items()}
        github = {
            "event_name": name,
            "event": event,
            "ref": ref,
            "sha": commit,
            "repository": REPOSITORY,
            "run_attempt": str(attempt),
            "run_id": str(len(self.store["runs"]) + 1),
            "server_url": "https://github.example",
            "token": "token",
        }
        run = Run(len(self.store["runs"]) + 1)
        head = event.get("pull_request", {}).get("head", {}).get("sha", commit)
        row = {"id": run.id, "workflow": workflow, "event": name, "head": head, "conclusion": ""}
        self.change("runs", lambda runs: runs.append(row))
        contexts: Contexts = {"github": github, "vars": self.vars}
        contexts["inputs"] = {**inputs, **event.get("inputs", {})} if name == "workflow_dispatch" else {}
        for job, how in document["jobs"].items():
            run.jobs[job] = self._job(run, how, document, contexts)
        self.change("runs", lambda runs: runs[run.id - 1].update(conclusion=run.outcome))
        return run

    def _job(self, run: Run, how: Mapping[str, Any], document: Mapping[str, Any], contexts: Contexts) -> Job:
        """Run a job, where what it needs and its `if:` let it."""
        needs = {name: run.jobs[name] for name in [how.get("needs")] if name}
        failed = any(job.outcome == "failure" for job in needs.values())
        needed = {name: {"outputs": job.outputs, "result": job.outcome} for name, job in needs.items()}
        contexts = {**contexts, "needs": needed, "secrets": self.secrets}
        skipped = any(job.outcome == "skipped" for job in needs.values()) and not STATUS.search(how.get("if", ""))
        if skipped or not holds(how.get("if"), contexts, failed=failed):
            return Job("skipped")
        if "environment" in how:
            contexts["secrets"] = {**self.secrets, **self.protected}
            if self.store["environments"][how["environment"]]:
                self.waited += 1
                if not self.approves:
                    return Job("waiting")
        place = self.runner.folder / f"run-{run.id}-{len(run.jobs)}"
        (place / "work").mkdir(parents=True)
        variables = {**document.get("env", {}), **how.get("env", {})}
        contexts["env"] = {name: filled(text, contexts) for name, text in variables.items()}
        contexts["steps"] = {}
        shell = document.get("defaults", {}).get("run", {}).get("shell", "")
        ended = Job("success")
        for step in how["steps"]:
            if not holds(step.get("if"), contexts, failed=ended.outcome == "failure"):
                contexts["steps"][step.get("id", "")] = {"outcome": "skipped", "outputs": {}}
                continue
            ran, outputs = self._step(run, step, place, contexts, step.get("shell", shell))
            outcome = "failure" if ran.code else "success"
            contexts["steps"][step.get("id", "")] = {"outcome": outcome, "outputs": outputs}
            ended.said += ran.all
            if ran.code:
                ended.outcome = "failure"
        ended.outputs = {name: filled(text, contexts) for name, text in how.get("outputs", {}).items()}
        return ended

    def _step(
        self, run: Run, step: Mapping[str, Any], place: Path, contexts: Contexts, shell: str
    ) -> tuple[Ran, dict[str, str]]:
        """Run a step; return how it ended, and its outputs."""
        work = place / "work"
        given = {name: filled(text, contexts) for name, text in step.get("with", {}).items()}
        action = step.get("uses", "").partition("@")[0]
        if action == "actions/checkout":
            self._checkout(work, given.get("ref", contexts["github"]["sha"]), given.get("fetch-depth", "1"))
        elif action == "actions/upload-artifact":
            self._upload(run, given["name"], work / given["path"])
        elif action:
            assert action == "actions/setup-python", action
        if "run" not in step:
            return Ran(0, "", ""), {}
        assert "${{" not in step["run"], "an expression in a script is text that others can write"
        github = contexts["github"]
        files = {"GITHUB_OUTPUT": place / "output", "GITHUB_STEP_SUMMARY": place / "summary.md"}
        files["GITHUB_OUTPUT"].write_text("", "utf-8")
        variables = {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            **{f"GITHUB_{name.upper()}": str(text) for name, text in github.items() if name not in ("event", "token")},
            "GITHUB_REF_NAME": github["ref"].split("/", 2)[2],
            "RUNNER_TEMP": str(place),
            **{name: str(path) for name, path in files.items()},
            **contexts["env"],
            **{name: filled(text, contexts) for name, text in step.get("env", {}).items()},
        }
        # Without a shell that is named, a host's bash knows no pipefail.
        ran = self.runner.shell(step["run"], work, variables, program=shell or "bash -e")
        lines = files["GITHUB_OUTPUT"].read_text("utf-8").splitlines()
        return ran, dict(line.split("=", 1) for line in lines)

    def _checkout(self, work: Path, ref: str, depth: str) -> None:
        """Clone the repository as the action does: one commit, or all of the history."""
        remote = self.remote.as_uri()
        only = [] if depth == "0" else ["--depth", depth]
        for words in (
            ["init", "--quiet", "--initial-branch", "main"],
            ["remote", "add", "origin", remote],
            ["fetch", "--quiet", *only, "origin", ref, *(["+refs/heads/*:refs/remotes/origin/*"] if not only else [])],
            ["-c", "advice.detachedHead=false", "checkout", "--quiet", "FETCH_HEAD"],
        ):
            command = ["git", *words]
            subprocess.run(command, cwd=work, check=True, capture_output=True)

    def _upload(self, run: Run, name: str, path: Path) -> None:
        """Keep an artifact: a file, or what is in a folder."""
        kept = self.runner.folder / "artifacts" / str(run.id) / name
        if path.is_dir():
            shutil.copytree(path, kept)
        else:
            kept.mkdir(parents=True)
            shutil.copy(path, kept)
        row = {"name": name, "run": run.id, "path": str(kept), "expired": False, "repository": 1}
        self.change("artifacts", lambda rows: rows.append({**row, "created_at": f"{len(rows):04}"}))


def _inputs(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a person can give a workflow."""
    dispatch = document["on"].get("workflow_dispatch") or {}
    return dict(dispatch.get("inputs", {}))


def as_text_of(text: str, folder: Path) -> dict[str, Any]:
    """Return the workflow of a text."""
    path = folder / "workflow.yml"
    path.write_text(text, "utf-8")
    return as_text(path)


def lines_of(text: str, start: str) -> Iterator[str]:
    """Yield the lines of a text that begin with `start`, without what is before it."""
    yield from (line.strip() for line in text.splitlines() if line.strip().startswith(start))
