"""Links to files, on terminals that show them."""

from __future__ import annotations

import os

import pytest
from command_line import Place

WRONG = "version: 1\ncustomers:\n  acme: {name: Acme, emial: billing@acme.example}\n"
LINK = "\x1b]8;;file://"
PATIENCE_S = 60.0


def linked(here: Place, **variables: str) -> bool:
    here.write("customers.yaml", WRONG)
    given = {"CI": "", "TERM": "xterm-256color", "TMUX": "", "STY": "", **variables}
    ours, its = os.openpty()
    written = b""
    streams = {"stdin": its, "stdout": its, "stderr": its}
    with here.start("validate", "-f", "customers.yaml", **streams, variables=given, loaded=True) as process:
        os.close(its)
        try:
            while chunk := os.read(ours, 4096):
                written += chunk
        except OSError:  # the end of a terminal, on Linux
            pass
        process.wait(timeout=PATIENCE_S)
    os.close(ours)
    assert b"customers.yaml:3:22" in written
    return LINK in written.decode()


@pytest.mark.parametrize(
    "known", [{"TERM_PROGRAM": "WezTerm"}, {"VTE_VERSION": "7200"}, {"TERM": "xterm-kitty"}, {"FORCE_HYPERLINK": "1"}]
)
def test_a_known_terminal_gets_a_link_to_the_file_of_an_error(here: Place, known: dict[str, str]) -> None:
    assert linked(here, **known)


@pytest.mark.parametrize(
    "refused",
    [
        {},
        {"VTE_VERSION": "4800"},
        {"TERM_PROGRAM": "WezTerm", "CI": "true"},
        {"TERM_PROGRAM": "WezTerm", "TERM": "dumb"},
        {"TERM_PROGRAM": "WezTerm", "TMUX": "/tmux-0/default,1,0"},
        {"TERM_PROGRAM": "WezTerm", "FORCE_HYPERLINK": "0"},
    ],
)
def test_any_other_terminal_gets_none(here: Place, refused: dict[str, str]) -> None:
    assert not linked(here, **refused)


def test_a_pipe_gets_none_even_if_links_are_forced(here: Place) -> None:
    here.write("customers.yaml", WRONG)
    assert LINK not in here.run("validate", "-f", "customers.yaml", CI="", FORCE_HYPERLINK="1").err
