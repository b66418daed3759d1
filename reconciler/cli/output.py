"""What is printed, and how: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from reconciler.cli.options import Chosen
from reconciler.errors import Problem, ReconcilerError, Source
from reconciler.escape import MAX_BYTES, inert, visible
from reconciler.input_file import read_file

if TYPE_CHECKING:
    from reconciler.pipeline.resources import ExposedFile
    from reconciler.report.annotations import Annotation
    from reconciler.report.metrics import Measurement

NARROW = 80
"""Editors read problems off their terminals, which are wider than this."""
PIPE_COLUMNS = 120
"""The width of what no terminal shows: a log's."""


def width() -> int:
    """Return the columns of the terminal on stdout; where there is none, COLUMNS or `PIPE_COLUMNS`."""
    return max(shutil.get_terminal_size((PIPE_COLUMNS, 24)).columns, 20)


def error_width() -> int:
    """Return the columns of the terminal on stderr; `PIPE_COLUMNS` where there is none."""
    if not is_terminal(sys.stderr):
        return PIPE_COLUMNS
    try:
        return max(os.get_terminal_size(sys.stderr.fileno()).columns or PIPE_COLUMNS, 20)
    except (OSError, ValueError):
        return PIPE_COLUMNS


def color(stream: TextIO | None = None) -> bool:
    """
    Say whether a stream, stdout by default, is written in color.

    FORCE_COLOR, and CLICOLOR_FORCE other than 0, ask for it everywhere, as in a CI log that shows it. Else NO_COLOR
    and CLICOLOR=0 decline it, and it is for terminals that are not dumb.
    """
    if os.environ.get("FORCE_COLOR") or os.environ.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    declined = os.environ.get("NO_COLOR") or os.environ.get("CLICOLOR") == "0"
    return is_terminal(stream or sys.stdout) and not declined and os.environ.get("TERM") != "dumb"


def is_terminal(stream: TextIO | None) -> bool:
    """Say whether a stream is a terminal; a closed one (`<&-`) is None."""
    return stream is not None and stream.isatty()


def moves_cursor(stream: TextIO | None) -> bool:
    """Say whether a stream is a terminal on which a bar can be drawn."""
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


_LINKING = frozenset({"ghostty", "Hyper", "iTerm.app", "rio", "Tabby", "vscode", "WarpTerminal", "WezTerm", "zed"})
"""Values of TERM_PROGRAM."""
_LINKING_TERMS = ("alacritty", "contour", "foot", "xterm-ghostty", "xterm-kitty")
_LINKING_VTE = 5000
_PLACE = re.compile(
    r"(?P<before>^|\x1b\[[\d;]*m|[^\w./~-])(?P<file>(?:[\w~-][\w.~-]*/)*[\w~-][\w.~-]*\.ya?ml)(?P<at>(?::\d+){0,2})",
    re.MULTILINE,
)


def shows_links(stream: TextIO | None) -> bool:
    """
    Say whether a stream is a terminal that shows links (OSC 8): a known one, or any with FORCE_HYPERLINK other than 0.

    Never in CI, in a pipe or in a file, and in tmux and screen only with FORCE_HYPERLINK.
    """
    given = os.environ.get
    if not moves_cursor(stream) or given("CI"):
        return False
    if chosen := given("FORCE_HYPERLINK"):
        return chosen != "0"
    if given("TMUX") or given("STY"):
        return False
    vte = given("VTE_VERSION", "")
    return (
        given("TERM_PROGRAM") in _LINKING
        or given("TERM", "").startswith(_LINKING_TERMS)
        or bool(given("WT_SESSION") or given("KONSOLE_VERSION"))
        or (vte.isdecimal() and int(vte) >= _LINKING_VTE)
    )


def linked(text: str, stream: TextIO | None) -> str:
    """Return `text` with links to the YAML files that it names and that are there, if the stream shows links."""
    return _PLACE.sub(_link, text) if shows_links(stream) else text


def _link(place: re.Match[str]) -> str:
    """Return a place in a file as a link to the file; unchanged if there is none."""
    path = Path(place["file"])
    if not path.is_file():
        return place[0]
    return f"{place['before']}\x1b]8;;{path.absolute().as_uri()}\x1b\\{place['file']}{place['at']}\x1b]8;;\x1b\\"


@dataclass(slots=True)
class EnvironmentSection:
    """
    What a command prints for one of several environments, kept for the report of all; `typed` is standard input.

    `room` is how many bytes its Markdown may have, `found` what is at lines of files, `last` the last line of its log;
    `steps` are what a user may do next, `measured` is for --metrics, and `exposed_files` can be read by others.
    """

    environment: str
    typed: bytes | None = None
    room: int = MAX_BYTES
    written: list[str] = field(default_factory=list)
    found: list[Annotation] = field(default_factory=list)
    last: str = ""
    steps: list[str] = field(default_factory=list)
    measured: Measurement | None = None
    exposed_files: list[ExposedFile] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Return what was written."""
        return "".join(self.written)


SECTION: ContextVar[EnvironmentSection | None] = ContextVar("section", default=None)
"""The environment that this thread prints for, None where the command is about one."""
_WRITING = threading.Lock()


def _echo(text: str | bytes, *, nl: bool = False, color: bool | None = None) -> None:
    """Write to stdout, or to the section of this thread."""
    section = SECTION.get()
    if section is None:
        click.echo(text, nl=nl, color=color)
    else:
        section.written.append((text if isinstance(text, str) else text.decode()) + ("\n" if nl else ""))


def result(text: str) -> None:
    """Write a result to stdout."""
    _echo(linked(text, sys.stdout), nl=not text.endswith("\n"), color=color())


def sentence(text: str) -> None:
    """Write one line of a result to stdout; a terminal that is narrower gets it broken at spaces."""
    result(fitted(text, stream=sys.stdout))


def pieces(texts: Iterable[str]) -> None:
    """Write a long result in ASCII to stdout, piece by piece."""
    section = SECTION.get()
    if section is not None:
        section.written.extend(texts)
    elif sys.stdout is not None:
        sys.stdout.writelines(texts)


def document(text: str) -> None:
    """Write a document for a program to stdout, in UTF-8 whatever the terminal's letters are."""
    # Bytes pass by the stream that makes text inert.
    _echo(inert(text).encode("utf-8", "backslashreplace"))


def as_is(text: str) -> None:
    """Write lines to stdout that a CI host is to obey, in UTF-8; what is not ours in them is inert already."""
    _echo(text.encode("utf-8", "backslashreplace"))


def json_result(document: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write one JSON document to stdout, in ASCII so that no text of a customer reorders or breaks a line."""
    _echo(json.dumps(document, indent=2), nl=True)


def say(text: str) -> None:
    """Write a line to stderr; of several environments it names which."""
    section = SECTION.get()
    named = text if section is None else f"{section.environment}: {text}"
    with _WRITING:
        click.echo(linked(fitted(visible(named)), sys.stderr), err=True)


class NamedLines:
    """What a progress writes its lines to where several environments have one each."""

    def write(self, text: str) -> int:
        """Write a line."""
        say(text.removesuffix("\n"))
        return len(text)

    def flush(self) -> None:
        """Do nothing: each line is written at once."""


def quiet() -> bool:
    """Say whether the command was given `--quiet`."""
    context = click.get_current_context(silent=True)
    chosen = None if context is None else context.find_object(Chosen)
    return chosen is not None and chosen.quiet


def note(text: str) -> None:
    """Write a line to stderr that nobody needs where all is well: what is waited for, what was done, a hint."""
    if not quiet():
        say(text)


def next_step(text: str) -> None:
    """Write a note to stderr of what to do next; of several environments below what it is about."""
    section = SECTION.get()
    if section is None:
        note(text)
    elif not quiet():
        section.steps.append(text)


def room(most: int) -> int:
    """Return how many bytes a Markdown document may have, `most` or what is left for a section of it."""
    section = SECTION.get()
    return most if section is None else min(most, section.room)


def report(text: str) -> None:
    """Write a line to stdout of what was done, which nobody needs where all is well."""
    if not quiet():
        sentence(text)


def warn_of_nobody(selectors: Sequence[str], keys: Callable[[], Iterable[str]]) -> None:
    """Write to stderr which selectors of the command line select none of `keys`, with the key that may be meant."""
    from reconciler.documents.scalars import quoted
    from reconciler.model.core import Address
    from reconciler.plan.scope import MOST_NOTED, matching_nobody, nearest

    for one in matching_nobody(selectors, keys)[:MOST_NOTED]:
        near = nearest(one, keys)
        hint = f"; did you mean {quoted(str(Address(near)))}?" if near else ""
        say(f"warning: {quoted(one)} matches no customer{hint}")


def fitted(text: str, *, indent: int = 0, stream: TextIO | None = None) -> str:
    """
    Return a line for a stream, stderr unless told: broken at spaces where that is a terminal that is narrower.

    Elsewhere, in a log say, it stays whole.
    """
    stream = stream or sys.stderr
    if not is_terminal(stream):
        return " " * indent + text
    from reconciler.report.layout import line, page

    columns = error_width() if stream is sys.stderr else width()
    return page([line(text, indent=indent)], width=columns, color=False).removesuffix("\n")


def page(text: str) -> None:
    """Write lines that are safe to show already to stderr."""
    click.echo(linked(text, sys.stderr), nl=not text.endswith("\n"), err=True, color=color(sys.stderr))


def warn(problems: Iterable[Problem], *, redact: bool = False) -> None:
    """Write warnings to stderr."""
    from reconciler.report.redact import masked_problem

    for problem in problems:
        say(str(masked_problem(problem) if redact else problem))


def problems_page(problems: Sequence[Problem], written: Callable[[Source], str], *, redact: bool) -> str:
    """Return problems as stderr shows them, each with what is `written` at its place."""
    from reconciler.report.problems import problems_text

    return problems_text(
        problems,
        color=color(sys.stderr),
        redact=redact,
        written=written,
        width=error_width(),
        counted=False,
        wrapped=narrow(sys.stderr),
    )


def narrow(stream: TextIO) -> bool:
    """Say whether a stream is a terminal on which a problem, one line for an editor, would be torn where it ends."""
    return is_terminal(stream) and (error_width() if stream is sys.stderr else width()) < NARROW


def read_text(path: Path) -> str:
    """Return a file's text; ReconcilerError where it cannot be read."""
    try:
        return read_file(path).decode()
    except OSError as exc:
        raise ReconcilerError(f"{path}: it cannot be read: {exc.strerror}", "check the path") from exc
    except UnicodeDecodeError as exc:
        raise ReconcilerError(f"{path}: it is not UTF-8 text", "check the path") from exc


def check_new(path: Path) -> None:
    """Raise ReconcilerError where a file that is to be new is there already."""
    if path.exists():
        raise ReconcilerError(f"{path}: it already exists", "choose another path, or remove it")


def check_parent(path: Path) -> None:
    """Raise ReconcilerError where the folder that a file or folder would be in is not there."""
    if not path.absolute().parent.is_dir():
        raise ReconcilerError(f"{visible(str(path.parent))}: there is no such folder", "create it first")


OF_ENVIRONMENT = "{environment}"
"""In a path: the environment's name."""


def of_environment(path: Path, name: str) -> Path:
    """Return a path in which `OF_ENVIRONMENT` is an environment's name, of an account of a fleet with a `.` in it."""
    return Path(str(path).replace(OF_ENVIRONMENT, name.replace("/", ".")))


def document_to(path: Path | None, text: str) -> None:
    """Write a document to a file that only its owner may read, to stdout without one."""
    if path is None:
        document(text)
    else:
        write_private(path, text)


def report_to(path: Path, text: str) -> None:
    """Write a report to a file, as `document` and `result` write it to stdout; only its owner may read it."""
    _replace(path, (inert(text).rstrip("\n") + "\n").encode("utf-8", "backslashreplace"), mode=None)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all; ReconcilerError where that cannot be."""
    _replace(path, text.encode(), mode=None)


def write_public(path: Path, text: str) -> None:
    """Write a file that all may read, or that keeps its mode, whole or not at all; ReconcilerError or OSError."""
    _replace(path, text.encode(), mode=path.stat().st_mode & 0o7777 if path.exists() else 0o644)


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file that exists, whole or not at all, its mode kept; ReconcilerError where that cannot be."""
    try:
        mode = path.stat().st_mode & 0o7777
    except OSError as exc:
        raise ReconcilerError(f"{path}: it cannot be written: {exc.strerror}", "check its permissions") from exc
    _replace(path, content, mode=mode)


def _replace(path: Path, content: bytes, *, mode: int | None) -> None:
    """Write a file under a name of its own and give it that of `path`; `mode` None is the owner's alone."""
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if mode is not None:
                os.chmod(name, mode)  # noqa: PTH101 - the temporary name is a str
            os.replace(name, path)  # noqa: PTH105
        except BaseException:
            os.unlink(name)  # noqa: PTH108
            raise
    except OSError as exc:
        raise ReconcilerError(f"{path}: it cannot be written: {exc.strerror}", "choose another path") from exc
