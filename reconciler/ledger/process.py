"""Whether the process that holds a lease has died, where that can be known: on its own machine, on Linux."""

from __future__ import annotations

import os
from pathlib import Path


def this_machine() -> str:
    """
    Return what tells this machine, since it started, from any other; "" where that is not known.

    Host name, boot id, and the namespace that process numbers are counted in: two containers of one host
    share all but that.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{os.uname().nodename} {boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 - no path of a file
    except (OSError, AttributeError):
        return ""


def this_process() -> str:
    """Return number and start of this process, `pid:ticks`: a number alone is used again."""
    return f"{os.getpid()}:{_started(os.getpid()) or ''}"


def died(machine: str, process: str) -> bool:
    """Say whether a process is known to have died: False on another machine, or where it cannot be told."""
    if not machine or machine != this_machine():
        return False
    number, _, started = process.partition(":")
    if not number.isdecimal() or not started:
        return False
    return _started(int(number)) != started


def _started(number: int) -> str | None:
    """Return when a process started, in ticks since the machine did; None where there is none, or a dead one."""
    try:
        stat = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name stands in brackets and may hold any character; state is the third field, start the 22nd.
    state, *rest = stat.rpartition(")")[2].split()
    return None if state in ("Z", "X") else rest[18]
