"""
The screens of the docs: what commands print on a terminal, as SVG, from real runs against the emulator.

`docs/generate.py` writes and checks them. What differs from run to run, addresses, names of runs
and times, is written as if it did not.
"""

from __future__ import annotations

import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path
from tempfile import TemporaryDirectory

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from reconciler.emulator.server import running
from reconciler.emulator.service import Emulator, load

SCREENS = Path(__file__).resolve().parent / "screens"
COLUMNS = 92
PROJECT = """\
version: 1
files: [customers.yaml]
environments:
  demo: {base_url: "URL", client_id: local, client_secret_file: secret}
"""
FIRST = """\
version: 1
customers:
  acme:
    name: Acme Corp
    email: billing@acme.example
    city: Boston
    users:
      jane@acme.example: {first_name: Jane, last_name: Doe}
  globex: {name: Globex, email: accounts@globex.example, city: Springfield}
  initech: {name: Initech, email: ap@initech.example, country: USA}
"""
NEXT = """\
version: 1
customers:
  acme:
    name: Acme Corp
    email: billing@acme.example
    city: Boston
    users:
      jane@acme.example: {first_name: Jane, last_name: Doe}
      joe@acme.example: {first_name: Joe, last_name: Bloggs}
  initech: {name: Initech, email: ap@initech.example, country: Canada}
  hooli: {name: Hooli, email: office@hooli.example}
"""
SMALL = FIRST + "  hooli: {name: Hooli, email: office@hooli.example}\n"
WRONG = """\
version: 1
customers:
  acme:
    name: Acme Corp
    emial: billing@acme.example
    ein: 12-34567
    users:
      jane(at)acme.example: {first_name: Jane}
"""
_FONTS = re.compile(r"\s*@font-face \{.*?\n    \}\n", re.DOTALL)
_URL = re.compile(r"http://127\.0\.0\.1:\d+")
_RUN = re.compile(r"\bin run [0-9a-f]{8}\b")
_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ])\d\d:\d\d(?::\d\d(?:\.\d+)?)?")


def screens() -> Iterator[tuple[Path, str]]:
    """Yield each screen's file with its content, in the order of one story."""
    emulator = Emulator(rate=0)
    with TemporaryDirectory() as folder, running(emulator) as url:
        here = Path(folder)
        (here / "secret").write_text("local")
        (here / "reconciler.yaml").write_text(PROJECT.replace("URL", url))
        (here / "customers.yaml").write_text(WRONG)
        yield screen("validate", here)
        (here / "customers.yaml").write_text(FIRST)
        printed(here, "apply", "--auto-approve")
        emulator.offset_s += 60
        acme = emulator.account.holders["acme"][0]
        load(emulator.account, [{"id": acme, "city": "Salem"}], emulator.now())
        yield screen("drift", here)
        (here / "customers.yaml").write_text(SMALL)
        yield screen("plan", here, name="first")
        (here / "customers.yaml").write_text(NEXT)
        yield screen("plan", here)
        yield screen("show", here, "globex", "--why")


def screen(command: str, folder: Path, *words: str, name: str = "") -> tuple[Path, str]:
    """Run a command in `folder`, and return its screen's file (`name`, else the command's) and SVG."""
    name = name or command
    text = printed(folder, command, *words)
    console = Console(width=COLUMNS, record=True, file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(Text(f"$ {' '.join(['reconciler', command, *words])}", style="bold"))
    console.print(Text.from_ansi(text.rstrip()), highlight=False)
    console.print()  # the last line's letters would be cut at their feet
    title = f"reconciler {command}"
    svg = console.export_svg(title=title, unique_id=name, code_format=_FONTS.sub("\n", CONSOLE_SVG_FORMAT))
    return SCREENS / f"{name}.svg", "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def printed(folder: Path, *words: str) -> str:
    """Return what a command writes to a terminal of `COLUMNS` columns on stdout, as it is in every run."""
    given = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    given |= {"TERM": "xterm", "LC_ALL": "C.UTF-8", "XDG_STATE_HOME": str(folder / ".state"), "AP_ENVIRONMENT": "demo"}
    given["GITHUB_ACTOR"] = "ana"
    command = [sys.executable, "-m", "reconciler", *words]
    with terminal() as (ours, theirs):
        # stderr tells how far it is; what validate finds stands there too.
        others = subprocess.STDOUT if words[0] == "validate" else subprocess.DEVNULL
        with subprocess.Popen(command, cwd=folder, env=given, stdout=theirs, stderr=others) as _:  # noqa: S603 - our own
            os.close(theirs)
            content = b"".join(_read(ours))
    text = content.decode().replace("\r\n", "\n")
    text = _RUN.sub("in run 3f2a91c0", _URL.sub("http://127.0.0.1:8085", text))
    return _TIME.sub(r"2026-01-05\g<1>09:30", text)


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    """Yield the two ends of a terminal of `COLUMNS` columns; the caller closes the second."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    try:
        yield ours, theirs
    finally:
        os.close(ours)


def _read(end: int) -> Iterator[bytes]:
    """Yield what comes until the other end is closed."""
    while True:
        try:
            piece = os.read(end, 65536)
        except OSError:  # Linux says so that nobody has the other end any more
            return
        if not piece:
            return
        yield piece
