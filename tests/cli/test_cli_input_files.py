"""Files that a command reads: an endless one, one that waits for a writer and one that is far too large are errors."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from command_line import ONE, Online

pytest_plugins = ("command_fixtures",)

PLAN = ("plan", "-f", "customers.yaml")
INPUTS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "customers file": (("plan", "-f", "input.file"), {}),
    "project file": (("-p", "input.file", "plan"), {}),
    "overlay": (("plan",), {"AP_ENVIRONMENT": "overlay"}),
    "file of a secret": ((*PLAN,), {"AP_CLIENT_SECRET": "", "AP_CLIENT_SECRET_FILE": "input.file"}),
    "file of a secret that the project names": (("plan",), {"AP_ENVIRONMENT": "secret", "AP_CLIENT_SECRET": ""}),
    "file of the key of saved plans": ((*PLAN, "--out", "new.plan"), {"RECONCILER_PLAN_KEY_FILE": "input.file"}),
    "file of the ledger's key": ((*PLAN,), {"RECONCILER_STATE_KEY_FILE": "input.file"}),
    "ledger": ((*PLAN,), {"RECONCILER_STATE": "input.file"}),
    "saved plan": (("apply", "input.file", "-f", "customers.yaml", "--auto-approve"), {}),
    "copy of a ledger": (("state", "push", "input.file", "--force"), {}),
    "rules for drift": (("drift", "-f", "customers.yaml", "--ignore", "input.file"), {}),
}
PROJECT = """\
version: 1
files: [customers.yaml]
environments:
  default: {}
  overlay: {overlays: [input.file]}
  secret: {client_secret_file: input.file}
"""


@contextmanager
def pipe(path: Path) -> Iterator[None]:
    """Make a pipe; whoever opens it reads nothing, and does not wait for ever."""
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: os.close(os.open(path, os.O_WRONLY)))
    writer.start()
    yield
    while writer.is_alive():
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        writer.join(0.01)


@contextmanager
def endless(path: Path) -> Iterator[None]:
    path.symlink_to("/dev/zero")
    with little_memory():
        yield


@contextmanager
def huge(path: Path) -> Iterator[None]:
    """Make a file of 5 GB that takes no room on the disk."""
    with path.open("wb") as file:
        file.truncate(5 * 1024**3)
    with little_memory():
        yield


@contextmanager
def little_memory() -> Iterator[None]:
    """Leave this process 1 GiB more than it has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 1024**3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.parametrize("made", [pipe, endless, huge])
@pytest.mark.parametrize("name", INPUTS)
def test_an_input_that_is_no_file_of_its_size_is_an_error_and_nothing_is_sent_or_written(
    shop: Online, name: str, made: Callable[[Path], AbstractContextManager[None]]
) -> None:
    words, variables = INPUTS[name]
    shop.write("customers.yaml", ONE)
    shop.write("reconciler.yaml", PROJECT)
    with made(shop.folder / "input.file"):
        before = sorted(shop.folder.iterdir())
        ran = shop.run(*words, **{"AP_ENVIRONMENT": "default", **variables})
        assert sorted(shop.folder.iterdir()) == before

    assert (ran.code, ran.out, shop.requests()) == (1, "", 0), ran.err
    assert "input.file" in ran.err or "cannot name a file in /dev" in ran.err
    assert "bug" not in ran.err
    assert made is not pipe or "a named pipe, not a file" in ran.err or "no regular file" in ran.err


def test_a_saved_plan_may_come_through_a_pipe_of_the_shell(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    assert shop.run(*PLAN, "--out", "today.plan").code == 0
    command = ["reconciler", "apply", "/dev/stdin", "-f", "customers.yaml", "--auto-approve"]
    with (shop.folder / "today.plan").open("rb") as saved:
        assert shop.spawn(*command[1:], stdin=saved).code == 0
    assert shop.named("acme")["city"] == "Boston"
