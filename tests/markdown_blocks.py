"""Markdown as its reader sees it; and fenced blocks of the docs, run against an emulator."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import preloaded
from api_contract import Watch
from markdown_it import MarkdownIt
from markdown_it.token import Token

from reconciler.emulator.server import running
from reconciler.emulator.service import Emulator


@dataclass(frozen=True, slots=True)
class Read:
    """What stands in a text: the kinds of its parts, its HTML, its words outside of code, and its code."""

    kinds: frozenset[str]
    html: tuple[str, ...]
    words: tuple[str, ...]
    code: tuple[str, ...]


def read(text: str) -> Read:
    tokens = list(_flat(MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)))
    return Read(
        frozenset(token.type for token in tokens),
        tuple(token.content for token in tokens if token.type in ("html_block", "html_inline")),
        tuple(token.content for token in tokens if token.type == "text" and token.content),
        tuple(token.content for token in tokens if token.type in ("code_inline", "fence", "code_block")),
    )


def _flat(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _flat(token.children or [])


ANY = "…"
PAUSE_S = 30.0
"""A reader takes his time: between two commands the server's clock moves so far."""

_BLOCK = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r"# (?P<name>[\w./-]+\.\w+)(?: .*)?")
# What differs from run to run.
_VARYING = re.compile(r"(?P<id>cus_)[0-9a-f]{16}|(?P<time>created )[0-9-]+T[0-9:.]+Z|(?P<url>http://127\.0\.0\.1:)\d+")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its text, and where that text lies in the page."""

    language: str
    body: str
    start: int
    end: int

    @property
    def file(self) -> str:
        """Return the name of the file that the block is, "" for none."""
        title = _TITLE.fullmatch(self.body.partition("\n")[0])
        return title["name"] if title and self.language not in ("sh", "console") else ""


@dataclass(frozen=True, slots=True)
class Step:
    """A command, the output that the page promises, and where that lies in the page."""

    command: str
    expected: str
    start: int
    end: int


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page."""
    return [
        Block(one["info"].strip(), one["body"], one.start("body"), one.end("body")) for one in _BLOCK.finditer(page)
    ]


def steps(block: Block) -> list[Step]:
    """Return the commands of a `console` block."""
    found = []
    for one in re.finditer(r"^\$ (?P<command>.*)\n(?P<output>(?:(?!\$ ).*\n)*)", block.body, re.MULTILINE):
        place = block.start + one.start("output"), block.start + one.end("output")
        found.append(Step(one["command"], one["output"], *place))
    return found


def fits(expected: str, actual: str) -> bool:
    """
    Say whether an output is the promised one, blanks at the ends of lines apart.

    >>> fits("one …\\n…\\nlast\\n", "one two\\n\\nthree\\nlast\\n"), fits("one\\n", "one\\ntwo\\n")
    (True, False)
    """
    patterns = [
        r"(?:.*\n)*?" if line == ANY else ".*?".join(map(re.escape, line.split(ANY))) + r"\n"
        for line in map(str.rstrip, expected.splitlines())
    ]
    plain = "".join(f"{line.rstrip()}\n" for line in actual.splitlines())
    return re.fullmatch("".join(patterns), plain) is not None


@contextmanager
def room() -> Iterator[Room]:
    """Yield an empty folder with an emulator beside it, for one page; what is said to it keeps the contract."""
    watch = Watch()
    emulator = Emulator(rate=0, witness=watch)
    with TemporaryDirectory() as folder, running(emulator) as url:
        yield Room(Path(folder), url, emulator)
    assert watch.found == []


@dataclass(frozen=True, slots=True)
class Room:
    """A reader's working folder, and the account that the commands reach."""

    folder: Path
    url: str
    emulator: Emulator
    variables: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str) -> None:
        """Write a file as the page shows it."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run(self, command: str) -> str:
        """Run one command and return what it printed, to stdout and stderr alike."""
        self.emulator.offset_s += PAUSE_S
        programs = (str(preloaded.folder()), str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))
        given = {
            "PATH": os.pathsep.join(programs),
            "HOME": str(self.folder),
            "XDG_STATE_HOME": str(self.folder / ".state"),
            "AP_BASE_URL": self.url,
            "COLUMNS": "80",
            "LC_ALL": "C.UTF-8",
            **self.variables,
        }
        done = subprocess.run(
            ["sh", "-c", command],  # noqa: S607 - the reader's shell
            cwd=self.folder,
            env=given,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        return done.stdout


def played(page: str, prepare: Callable[[Room], None] = lambda _: None) -> Iterator[tuple[Step, str]]:
    """Play a page from its top, in a room that was prepared, and yield each command with its output."""
    with room() as place:
        prepare(place)
        for block in blocks(page):
            if block.file:
                place.write(block.file, block.body)
            if block.language == "console":
                yield from ((step, place.run(step.command)) for step in steps(block))


def renewed(page: str) -> str:
    """Return a page whose outputs are what its commands print now; one that fits still stays as it is written."""
    for step, actual in reversed(list(played(page))):
        if not fits(step.expected, actual):
            known = _VARYING.sub(lambda one: f"{next(filter(None, one.groups()))}{ANY}", actual)
            page = f"{page[: step.start]}{known}{page[step.end :]}"
    return page


if __name__ == "__main__":
    for written in map(Path, sys.argv[1:]):
        written.write_text(renewed(written.read_text(encoding="utf-8")), encoding="utf-8")
