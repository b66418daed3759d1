"""
Programs as processes that have them loaded: each command is a fork of one process that imported every module.

`preloaded_client.py` hands that process a command, with its own folder, variables and streams, and ends as the command
did. To load a program takes most of the time of a short command.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import gc
import os
import pkgutil
import runpy
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import FrameType
from typing import NoReturn

from preloaded_client import LENGTH

PACKAGE = Path(__file__).parents[1] / "reconciler"
CLIENT = Path(__file__).with_name("preloaded_client.py")
RECONCILER = "reconciler"
GH = "gh_stand_in"
STREAMS = (0, 1, 2)


def serve(path: str) -> None:
    """Fork for each command, until a signal ends it."""
    for module in pkgutil.walk_packages([str(PACKAGE)], "reconciler."):
        if module.name != "reconciler.__main__":
            __import__(module.name)
    __import__(GH)
    gc.collect()
    gc.freeze()  # a collection in a fork would copy every page
    signal.signal(signal.SIGTERM, _end)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            caller, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                run(caller)
            caller.close()
            _reap()


def run(caller: socket.socket) -> NoReturn:
    """Run the command that a caller hands over, and end this process."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    size, ancillary, _, _ = caller.recvmsg(LENGTH, socket.CMSG_SPACE(len(STREAMS) * array.array("i").itemsize))
    streams = array.array("i")
    streams.frombytes(ancillary[0][2])
    said = b""
    while len(said) < int.from_bytes(size, "big"):
        said += caller.recv(65536)
    number, *rest = said.split(b"\0")
    words, (folder, *variables) = [os.fsdecode(word) for word in rest[: int(number)]], rest[int(number) :]
    for stream, target in zip(streams, STREAMS, strict=True):
        os.dup2(stream, target)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environb.update(one.split(b"=", 1) for one in variables)
    sys.argv = words
    code: object = 1
    try:
        runpy.run_module(words[0], run_name="__main__")
    except SystemExit as ended:
        code = ended.code
    finally:
        atexit._run_exitfuncs()  # noqa: SLF001 - os._exit runs none
        if isinstance(code, str):
            sys.stderr.write(f"{code}\n")
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        caller.sendall(str(code or 0).encode())
        os._exit(0)


def client(name: str = RECONCILER) -> list[str]:
    """Return the words that run a program in a fork."""
    return [sys.executable, "-I", "-S", str(CLIENT), _served(), name]


@cache
def folder() -> Path:
    """Return a folder of a PATH in which `reconciler` is a fork."""
    folder = tempfile.TemporaryDirectory(prefix="preloaded-path-")
    atexit.register(folder.cleanup)
    path = Path(folder.name) / RECONCILER
    path.write_text(f'#!/bin/sh\nexec {shlex.join(client())} "$@"\n', "utf-8")
    path.chmod(0o755)
    return path.parent


@cache
def _served() -> str:
    """Start the process that commands are forked from, and return its socket; it ends with this one."""
    folder = tempfile.TemporaryDirectory(prefix="preloaded-")
    atexit.register(folder.cleanup)
    path = str(Path(folder.name) / "socket")
    server = subprocess.Popen([sys.executable, __file__, path], stdout=subprocess.PIPE, text=True)
    atexit.register(_stop, server)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    return path


def _stop(server: subprocess.Popen[str]) -> None:
    """End the process, and wait for it: what its commands took counts as time of the tests."""
    server.terminate()
    server.wait()


def _reap() -> None:
    """Take what ended commands left, so that their time counts."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _end(_signal: int, _frame: FrameType | None) -> NoReturn:
    _reap()
    sys.exit()


if __name__ == "__main__":
    serve(sys.argv[1])
