"""Nothing that a customer, a server or a file says is obeyed by the CI runner that reads a job's output."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest
from command_line import Online

from reconciler.cli.terminal import inert_output
from reconciler.documents.parse import parse
from reconciler.documents.scalars import canonical, literal, scalar
from reconciler.escape import inert

pytest_plugins = ("command_fixtures",)

PASSED_OVER = "[\u200b-\u200f\u00ad\ufe0f]"
ANYWHERE = re.compile(r"##\[|##vso\[|##teamcity\[|section_(?:start|end):\d", re.IGNORECASE)
"""As the runners' sources have it: `##[` GitHub and Azure, `##vso[` Azure, `##teamcity[`, `section_start:` GitLab."""

COMMANDS = (
    "##vso[task.setvariable variable=x]y",
    "##[add-path]x",
    "##TeamCity[buildStatus text='x']",
    "section_start:1:x",
    "section_end:1:x",
    "#\u200d#vso\ufe0f[task.complete]",
    "::add-mask::x",
    "\u2003::debug::x",
)
"""GitHub's `::` only counts where a line begins, after whitespace."""


def obeyed(output: str) -> list[str]:
    """Return the lines that a runner obeys: .NET passes over some letters, and ends lines with \\r too."""
    lines = [re.sub(PASSED_OVER, "", line) for line in re.split(r"[\r\n]+", output)]
    return [line for line in lines if ANYWHERE.search(line) or line.lstrip().startswith("::")]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("before", ["", "name: ", "a\n", "a\r  "])
def test_a_command_is_altered_by_one_letter_and_stays_readable(command: str, before: str) -> None:
    text = before + command
    assert obeyed(inert(text)) == []
    assert len(inert(text)) in (len(text), len(text) + 5)
    assert json.loads(f'"{inert(command)}"') == command


@pytest.mark.parametrize("text", ["## [link](x)", "a::b", "# x", "###", "C#[0]", "x ::y", "section_start", "##", ""])
def test_what_no_runner_obeys_stays_as_it_is(text: str) -> None:
    assert inert(text) == text


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_is_written_in_pieces_is_altered_too(command: str) -> None:
    for cut in range(len(command) + 1):
        for end in range(cut, len(command) + 1):
            out = io.StringIO()
            with redirect_stdout(out), inert_output():
                sys.stdout.writelines(("a\n", command[:cut], command[cut:end], command[end:], "\n"))
            assert obeyed(out.getvalue()) == []


def test_a_line_s_start_is_known_across_pieces() -> None:
    out = io.StringIO()
    with redirect_stdout(out), inert_output():
        sys.stdout.writelines(("x", "::y\n", " " * 100, "::z\n", "a" * 100, "::b"))
    assert out.getvalue() == "x::y\n" + " " * 100 + "\\u003a:z\n" + "a" * 100 + "::b"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("begin", ["", "Acme ", "'", "- "])
def test_a_text_in_yaml_means_the_same_and_is_printed_as_it_is(command: str, begin: str) -> None:
    text = begin + command
    for written in (scalar(text), canonical(text, "'", None), canonical(text, '"', None)):
        document, problems = parse(f"a: {written}\n".encode(), "c.yaml")
        assert (problems, document and document.tree) == ((), {"a": text})
        assert inert(f"a: {written}\n") == f"a: {written}\n"
    assert literal(f"a\n{command}", indent=2, newline="\n") is None


HOSTILE = "##vso[task.setvariable variable=PATH]x"
# Long enough for a break in every layout.
WRAPPED = "x " * 55 + "::set-output name=a::b ##[group]c " + "y" * 200 + "##vso[task.complete]"
FILE = f"""\
customers:
  acme: {{name: '{HOSTILE}', email: billing@acme.example, city: "{WRAPPED}"}}
  "::warning::k": {{name: Globex, email: 'no ::add-mask::x'}}
"""


@pytest.mark.parametrize(
    "words",
    [
        ("plan",),
        ("plan", "--format", "json"),
        ("plan", "--format", "markdown"),
        ("plan", "--format", "html"),
        ("plan", "--format", "brief"),
        ("plan", "--format", "sarif"),
        ("plan", "--format", "gitlab"),
        ("apply", "--auto-approve"),
        ("apply", "--auto-approve", "--json-events", "-"),
        ("validate",),
        ("show", "acme"),
        ("show", "acme", "--why"),
        ("drift",),
        ("drift", "--format", "json"),
        ("drift", "--format", "junit"),
        ("drift", "--format", "brief"),
        ("drift", "--format", "sarif"),
        ("drift", "--format", "gitlab"),
        ("import",),
        ("history",),
        ("api", "customers", "list"),
        ("state", "pull"),
        ("plan", "-f", "##vso[task.complete].yaml"),
        ("fmt", "--diff"),
        ("import", "--match", "-f", "customers.yaml"),
        ("duplicates",),
    ],
    ids=" ".join,
)
def test_no_output_of_a_job_holds_a_command(shop: Online, words: tuple[str, ...]) -> None:
    shop.write("customers.yaml", FILE.replace("no ::add-mask::x", "a@globex.example"))
    if words[0] not in ("validate", "fmt"):
        shop.run("apply", "-f", "customers.yaml", "--auto-approve")
        shop.write(
            "customers.yaml", FILE.replace("Globex", "'::debug::Globex'").replace("no ::add-mask::x", "a@x.example")
        )
    files = (
        () if "-f" in words or words[0] in ("import", "history", "api", "state", "drift") else ("-f", "customers.yaml")
    )
    for columns in ("20", "80", "121"):
        ran = shop.run(*words, *files, COLUMNS=columns)
        assert obeyed(ran.out) == []
        assert obeyed(ran.err) == []
    assert "--match" in words or words[0] not in ("show", "import", "state") or "\\u0023#vso" in ran.all


def test_a_log_is_inert_too() -> None:
    err = io.StringIO()
    with redirect_stderr(err), inert_output():
        handler = logging.StreamHandler(sys.stderr)
        log = logging.getLogger("inert")
        log.addHandler(handler)
        log.warning("::error::%s", HOSTILE)
        log.removeHandler(handler)
    assert obeyed(err.getvalue()) == []


def test_a_copy_of_the_ledger_that_is_printed_can_be_pushed(shop: Online) -> None:
    shop.write("customers.yaml", FILE.replace("no ::add-mask::x", "a@globex.example"))
    shop.run("apply", "-f", "customers.yaml", "--auto-approve")
    shop.write("copy", shop.run("state", "pull").out)
    assert shop.run("state", "push", "copy").code == 0


def test_a_file_that_is_imported_plans_to_nothing(shop: Online) -> None:
    shop.write("customers.yaml", FILE.replace("no ::add-mask::x", "a@globex.example"))
    shop.run("apply", "-f", "customers.yaml", "--auto-approve")
    shop.write("live.yaml", shop.run("import").out)
    assert shop.run("plan", "-f", "live.yaml", "--format", "json").json["changes"] == []
