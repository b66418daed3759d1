"""Ctrl-C from once to six times, at any moment of a process: exit code 130, and no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

import pytest
from command_line import PATIENCE_S, Online, Ran

pytest_plugins = ("command_fixtures",)

COUNTS = (1, 2, 4, 6)
MOMENTS = (30, 1_000, 10_000, 30_000, 100_000, 200_000, 300_000)
"""In calls and returns of functions. The handler is there after 30; the imports take about 100,000."""

# Tells by a pipe when functions were called or have returned so many times, from the first one of `main`.
COUNTED = """
import sys
from os import write
from reconciler.__main__ import main
at, pipe = int(sys.argv[1]), int(sys.argv[2])
del sys.argv[1:3]
left = at
def count(frame, event, arg):
    global left
    left -= 1
    if left == 0:
        write(pipe, b".")
sys.setprofile(count)
main()
"""
MANY = "customers:\n" + "".join(f"  c{n}: {{name: C{n}, email: c{n}@x.example}}\n" for n in range(30))
APPLY = ("apply", "-f", "customers.yaml", "--auto-approve")


def signalled(shop: Online, words: Sequence[str], *, at: int, count: int) -> Ran:
    """Run a command that is sent `count` signals when `at` functions have been called."""
    ours, theirs = os.pipe()
    command = [sys.executable, "-c", COUNTED, str(at), str(theirs), *words]
    with subprocess.Popen(
        command,
        cwd=shop.folder,
        env=shop.given(),
        pass_fds=(theirs,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        os.close(theirs)
        came = os.read(ours, 1)
        for _ in range(count if came else 0):
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_S)
    os.close(ours)
    return Ran(process.returncode if came else 130, out.decode(), err.decode())


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("at", MOMENTS)
def test_an_apply_that_is_interrupted_at_any_moment_ends_with_130(at: int, count: int, shop: Online) -> None:
    shop.write("customers.yaml", MANY)
    ran = signalled(shop, APPLY, at=at, count=count)
    assert (ran.code, "Traceback" in ran.err, "bug" in ran.err) == (130, False, False), ran.all
    # What it did is known: the next run does the rest, and nobody is there twice.
    shop.later()
    assert shop.run(*APPLY).code == 0
    keys = [one[0]["external_id"] for one in shop.account().values()]
    assert sorted(keys) == sorted(f"c{n}" for n in range(30))


IGNORED = """
import signal
from reconciler.cli.terminal import Interruption
Interruption().install()
print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN, signal.getsignal(signal.SIGTERM) is signal.SIG_IGN)
"""


def test_a_signal_is_ignored_where_whoever_started_the_process_ignores_it(shop: Online) -> None:
    words = ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-c", IGNORED]
    ran = subprocess.run(words, capture_output=True, check=True, text=True, env=shop.given())
    assert ran.stdout == "True False\n"


IMPORTING = """
import signal
import sys
from reconciler.cli.terminal import Interruption, interrupt
class Finder:
    @staticmethod
    def find_spec(name, path, target=None):
        # As if the signal had come in Python's own code, which holds the locks of modules.
        interruption(signal.SIGINT, sys._getframe(1))
interruption = Interruption()
with interruption.first(interrupt):
    sys.meta_path.insert(0, Finder)
    import no_module_of_this_name
"""


def test_a_signal_while_a_module_is_being_found_ends_at_once_and_leaves_no_lock_that_a_later_import_waits_for(
    shop: Online,
) -> None:
    ran = subprocess.run([sys.executable, "-c", IMPORTING], capture_output=True, check=False, env=shop.given())
    assert (ran.returncode, ran.stderr) == (130, b"error: interrupted\n")
