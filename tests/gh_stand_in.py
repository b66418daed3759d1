"""
A stand-in for `gh` on a host's runner: comments, issues, runs and artifacts in one JSON file, named by GH_STORE.

It knows the requests that the example workflows send and no others, and applies `--jq` with jq itself.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import jq

Store = dict[str, Any]


def main(words: list[str]) -> int:
    """Do what one command line says."""
    path = Path(os.environ["GH_STORE"])
    store: Store = json.loads(path.read_text("utf-8"))
    options, names = parsed(words)
    match names:
        case ["api", target]:
            shown(api(store, target, options), options)
        case ["run", "list"]:
            found = [run for run in store["runs"] if run["head"] == options["commit"] and run["status"] == "success"]
            shown([{"databaseId": run["id"]} for run in found], options)
        case ["run", "download", _]:
            shutil.copytree(Path(store["artifacts"]) / options["name"], Path.cwd(), dirs_exist_ok=True)
        case ["label", "create", label]:
            store["labels"] = sorted({*store["labels"], label})
        case ["issue", "list"]:
            shown([one for one in store["issues"] if one["state"] == "open"], options)
        case ["issue", "create"]:
            body = Path(options["body-file"]).read_text("utf-8")
            number = len(store["issues"]) + 1
            store["issues"].append({"number": number, "state": "open", "title": options["title"], "body": body})
        case ["issue", "edit", number]:
            store["issues"][int(number) - 1]["body"] = Path(options["body-file"]).read_text("utf-8")
        case ["issue", "close", number]:
            store["issues"][int(number) - 1]["state"] = "closed"
        case _:
            sys.stderr.write(f"gh: not known here: {words}\n")
            return 2
    path.write_text(json.dumps(store), "utf-8")
    return 0


def parsed(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """Return the options and what is none."""
    options: dict[str, str] = {}
    names: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in ("--paginate", "--silent", "--force"):
            options[word[2:]] = ""
        elif word.startswith("--"):
            options[word[2:]] = next(rest)
        else:
            names.append(word)
    return options, names


def api(store: Store, target: str, options: dict[str, str]) -> object:
    """Answer a request to the REST API."""
    body = ""
    if field := options.get("field"):
        name, _, value = field.partition("=")
        assert (name, value[0]) == ("body", "@")
        body = Path(value[1:]).read_text("utf-8")
        assert len(body) <= 65_536, "a comment has at most 65,536 characters"
    match (options.get("method", "GET"), target.split("/")[3:]):
        case "GET", ["issues", number, "comments"]:
            return [one for one in store["comments"] if one["issue"] == number]
        case "POST", ["issues", number, "comments"]:
            identity = len(store["comments"]) + 1
            store["comments"].append({"id": identity, "issue": number, "body": body, "user": {"type": "Bot"}})
        case "PATCH", ["issues", "comments", identity]:
            store["comments"][int(identity) - 1]["body"] = body
        case "GET", ["commits", commit, "pulls"]:
            return [{"head": {"sha": head}} for merged, head in store["merged"] if merged == commit]
        case unknown:
            raise SystemExit(f"gh api: not known here: {unknown}")
    return None


def shown(answer: object, options: dict[str, str]) -> None:
    """Print an answer as `gh` does."""
    if "silent" in options:
        return
    if "jq" in options:
        for one in jq.compile(options["jq"]).input_value(answer).all():
            sys.stdout.write(f"{one if isinstance(one, str) else json.dumps(one)}\n")
    else:
        sys.stdout.write(f"{json.dumps(answer)}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
