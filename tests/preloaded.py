"""
`reconciler` as processes that have it loaded: each command is a fork of one process that imported every module.

Run as a script with a socket's path and the words of a command, it hands these to that process, with its own folder,
variables and streams, and ends as the command did. To load the program takes most of the time of a short command.
"""

from __future__ import annotations

import array
import atexit
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "reconciler"
LENGTH = 8
STREAMS = (0, 1, 2)


def client(path: str, words: list[str]) -> int:
    """Let a command run, and return its exit code."""
    said = json.dumps({"words": words, "folder": str(Path.cwd()), "variables": dict(os.environ)}).encode()
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(path)
        streams = array.array("i", STREAMS)
        server.sendmsg([len(said).to_bytes(LENGTH, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
        server.sendall(said)
        return int(server.recv(LENGTH) or b"1")


def serve(path: str) -> None:
    """Fork for each command, for ever."""
    for module in pkgutil.walk_packages([str(PACKAGE)], "reconciler."):
        if module.name != "reconciler.__main__":
            __import__(module.name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
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


def run(caller: socket.socket) -> None:
    """Run the command that a caller hands over, and end this process."""
    size, ancillary, _, _ = caller.recvmsg(LENGTH, socket.CMSG_SPACE(len(STREAMS) * array.array("i").itemsize))
    streams = array.array("i")
    streams.frombytes(ancillary[0][2])
    said = b""
    while len(said) < int.from_bytes(size, "big"):
        said += caller.recv(65536)
    command = json.loads(said)
    for stream, number in zip(streams, STREAMS, strict=True):
        os.dup2(stream, number)
        os.close(stream)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(command["folder"])
    os.environ.clear()
    os.environ.update(command["variables"])
    sys.argv = ["reconciler", *command["words"]]
    code: object = 1
    try:
        runpy.run_module("reconciler", run_name="__main__")
    except SystemExit as ended:
        code = ended.code
    finally:
        atexit._run_exitfuncs()  # noqa: SLF001 - os._exit runs none
        sys.stdout.flush()
        sys.stderr.flush()
        caller.sendall(str(code or 0).encode())
        os._exit(0)


@cache
def program() -> str:
    """Return the words of a shell that run `reconciler` in a fork; the process it is forked from ends with this one."""
    folder = tempfile.TemporaryDirectory(prefix="preloaded-")
    atexit.register(folder.cleanup)
    path = str(Path(folder.name) / "socket")
    server = subprocess.Popen([sys.executable, __file__, "serve", path], stdout=subprocess.PIPE, text=True)
    atexit.register(server.kill)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    return f"{sys.executable} -I -S {__file__} {path}"


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    sys.exit(client(sys.argv[1], sys.argv[2:]))
