"""
A stand-in for `gh` on a host's runner: what the host holds is in one JSON file, named by GH_STORE.

It knows the requests that the example workflows send and no others, and applies `--jq` with jq itself.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import urllib.parse
from pathlib import Path
from typing import Any

import jq

Store = dict[str, Any]
Options = dict[str, str]
MOST_LETTERS = 65_536
FLAGS = ("paginate", "force", "delete-branch")


def main(words: list[str]) -> int:
    """Do what one command line says."""
    path = Path(os.environ["GH_STORE"])
    store: Store = json.loads(path.read_text("utf-8"))
    options, names = parsed(words)
    commands = {"api": api, "auth": auth, "run": run, "label": label, "issue": issue, "pr": request}
    answer = commands[names[0]](store, names[1:], options)
    shown(answer, options)
    path.write_text(json.dumps(store), "utf-8")
    return 0


def auth(_: Store, names: list[str], _options: Options) -> object:
    """Let git use the token."""
    assert names == ["setup-git"]
    return None


def run(store: Store, names: list[str], options: Options) -> object:
    """List runs of workflows, or fetch an artifact of one."""
    if names == ["list"]:
        return [{"databaseId": one["id"]} for one in reversed(store["runs"]) if is_wanted(one, options)]
    verb, wanted = names
    assert verb == "download"
    (kept,) = [one for one in store["artifacts"] if (one["run"], one["name"]) == (int(wanted), options["name"])]
    shutil.copytree(kept["path"], Path.cwd() / options["dir"], dirs_exist_ok=True)
    return None


def label(store: Store, names: list[str], _: Options) -> object:
    """Create a label."""
    verb, name = names
    assert verb == "create"
    store["labels"] = sorted({*store["labels"], name})
    return None


def issue(store: Store, names: list[str], options: Options) -> object:
    """List, open, change or close an issue."""
    match names:
        case ["list"]:
            return [one for one in store["issues"] if one["state"] == "open"]
        case ["create"]:
            new = {"number": next_number(store), "state": "open", "title": options["title"], "body": body(options)}
            store["issues"].append(new)
        case ["edit", number]:
            numbered(store["issues"], number)["body"] = body(options)
        case ["close", number]:
            numbered(store["issues"], number)["state"] = "closed"
    return None


def request(store: Store, names: list[str], options: Options) -> object:
    """List, open, change or close a pull request."""
    match names:
        case ["list"]:
            return [one for one in store["pulls"] if (one["state"], one["branch"]) == ("open", options["head"])]
        case ["create"]:
            if not store["may_create_requests"]:
                raise SystemExit("GitHub Actions is not permitted to create or approve pull requests")
            new = {"number": next_number(store), "state": "open", "branch": options["head"], "merged_at": None}
            store["pulls"].append({**new, "title": options["title"], "body": body(options)})
        case ["edit", number]:
            numbered(store["pulls"], number)["body"] = body(options)
        case ["close", number]:
            assert "delete-branch" in options
            numbered(store["pulls"], number).update(state="closed", closed_with=options["comment"])
    return None


def is_wanted(run: dict[str, Any], options: Options) -> bool:
    """Say whether a run is one that `gh run list` is asked for."""
    wanted = (options["workflow"], options["event"], options["commit"], options["status"])
    return (run["workflow"], run["event"], run["head"], run["conclusion"]) == wanted


def next_number(store: Store) -> int:
    """Return the next number: issues and pull requests share them."""
    return len(store["issues"]) + len(store["pulls"]) + 1


def numbered(ones: list[dict[str, Any]], number: str) -> dict[str, Any]:
    """Return that of a number."""
    return next(one for one in ones if one["number"] == int(number))


def body(options: Options) -> str:
    """Return the text of the file that `--body-file` names."""
    text = Path(options["body-file"]).read_text("utf-8")
    assert len(text) <= MOST_LETTERS, "an issue has at most 65,536 characters"
    return text


def parsed(words: list[str]) -> tuple[Options, list[str]]:
    """Return the options and what is none."""
    options: Options = {}
    names: list[str] = []
    rest = iter(words)
    for word in rest:
        if word.startswith("--"):
            options[word[2:]] = "" if word[2:] in FLAGS else next(rest)
        else:
            names.append(word)
    return options, names


def api(store: Store, names: list[str], options: Options) -> object:
    """Answer a request to the REST API."""
    (target,) = names
    text = ""
    if field := options.get("field"):
        name, _, value = field.partition("=")
        assert (name, value[0]) == ("body", "@")
        text = Path(value[1:]).read_text("utf-8")
        assert len(text) <= MOST_LETTERS, "a comment has at most 65,536 characters"
    path = urllib.parse.urlsplit(target)
    asked = dict(urllib.parse.parse_qsl(path.query))
    match (options.get("method", "GET"), path.path.split("/")[3:]):
        case "GET", ["issues", number, "comments"]:
            return [one for one in store["comments"] if one["issue"] == number]
        case "POST", ["issues", number, "comments"]:
            identity = len(store["comments"]) + 1
            url = f"https://github.example/pull/{number}#comment-{identity}"
            comment = {"id": identity, "issue": number, "body": text, "user": {"type": "Bot"}, "html_url": url}
            store["comments"].append(comment)
            return comment
        case "PATCH", ["issues", "comments", identity]:
            store["comments"][int(identity) - 1]["body"] = text
            return store["comments"][int(identity) - 1]
        case "GET", ["commits", commit, "pulls"]:
            return [one for one in store["pulls"] if one.get("merge_commit_sha") == commit]
        case "GET", ["pulls", number]:
            return numbered(store["pulls"], number)
        case "GET", ["environments", name]:
            return {"name": name, "protection_rules": [{"type": one} for one in store["environments"][name]]}
        case "GET", ["actions", "artifacts"]:
            return {"artifacts": artifacts(one for one in store["artifacts"] if one["name"] == asked["name"])}
        case "GET", ["actions", "runs", run, "artifacts"]:
            return {"artifacts": artifacts(one for one in store["artifacts"] if one["run"] == int(run))}
        case unknown:
            raise SystemExit(f"gh api: not known here: {unknown}")


def artifacts(ones: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - rows
    """Return artifacts as the API shows them, the newest first."""
    return [
        {
            "name": one["name"],
            "created_at": one["created_at"],
            "expired": one["expired"],
            "workflow_run": {"id": one["run"], "repository_id": 1, "head_repository_id": one["repository"]},
        }
        for one in sorted(ones, key=lambda one: str(one["created_at"]), reverse=True)
    ]


def shown(answer: object, options: Options) -> None:
    """Print an answer as `gh` does."""
    if answer is None:
        return
    if "jq" in options:
        for one in jq.compile(options["jq"]).input_value(answer).all():
            sys.stdout.write(f"{one if isinstance(one, str) else json.dumps(one)}\n")
    else:
        sys.stdout.write(f"{json.dumps(answer)}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
