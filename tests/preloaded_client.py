"""
Hands a command to the process that has its program loaded, and ends as the command did.

It runs as a script, some hundred times: it imports only what Python has built in.
"""

from __future__ import annotations

import _socket
import posix
import sys

LENGTH = 8


def main() -> int:
    """Send the program, the words, the folder and the variables of a command, with its own streams; return the code."""
    path, *words = sys.argv[1:]
    variables = [name + b"=" + text for name, text in posix.environ.items()]  # type: ignore[operator] # bytes, on POSIX
    said = [word.encode("utf-8", "surrogateescape") for word in words]
    content = b"\0".join([str(len(said)).encode(), *said, posix.getcwdb(), *variables])
    streams = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
    server = _socket.socket(_socket.AF_UNIX)
    server.connect(path)
    server.sendmsg([len(content).to_bytes(LENGTH, "big")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
    server.sendall(content)
    return int(server.recv(LENGTH) or b"1")


if __name__ == "__main__":
    sys.exit(main())
