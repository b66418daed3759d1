"""
Print the Dockerfile as shell commands that build its last stage below the folder ROOT, for where no builder runs.

`python .ci/image_steps.py ROOT PYTHON`: each stage's RUN, with its folders moved below ROOT, the files that
.dockerignore lets through, and PYTHON in the place of the base image's. It proves the commands, not the image.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
FOLDERS = ("/opt/reconciler", "/source", "/state", "/work")


def main(root: str, python: str) -> None:
    """Print the commands."""
    print("set -euo pipefail")
    print(f"mkdir -p {root}/etc && touch {root}/etc/passwd {root}/etc/group {root}/etc/shadow {root}/etc/gshadow")
    for word, rest in instructions((HERE / "Dockerfile").read_text(encoding="utf-8")):
        match word:
            case "ARG" if not rest.startswith("PYTHON="):
                print(f"export {rest.partition('=')[0]}")  # with the value that it is given here, as by --build-arg
            case "ENV":
                print(f"export {below(root, rest)}")
            case "WORKDIR":
                print(f"mkdir -p {below(root, rest)} && cd {below(root, rest)}")
            case "COPY" if rest == ". .":
                kept = [line[1:] for line in (HERE / ".dockerignore").read_text().splitlines() if line.startswith("!")]
                print(f"(cd {shlex.quote(str(HERE))} && tar c --exclude=__pycache__ {shlex.join(kept)}) | tar x")
            case "RUN":
                command = re.sub(r"\bpython -m\b", f"{shlex.quote(python)} -m", below(root, rest))
                print(re.sub(r"\b(groupadd|useradd)\b", rf"\1 --prefix {root}", command))


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield each instruction's word and what follows it, continued lines joined."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = line.partition(" ")
        if word:
            yield word, rest


def below(root: str, text: str) -> str:
    """Return a text with the image's folders below `root`."""
    return re.sub("|".join(map(re.escape, FOLDERS)), lambda found: root + found[0], text)


if __name__ == "__main__":
    main(*sys.argv[1:])
