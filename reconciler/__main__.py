"""`python -m reconciler`, and the `reconciler` command."""

from __future__ import annotations

import signal
import sys
from types import FrameType

from reconciler.cli.main import run
from reconciler.cli.pipes import outlive_readers


def main() -> None:
    """Run the command line, and exit with its code; SIGTERM does what Ctrl-C does."""
    signal.signal(signal.SIGTERM, _interrupt)
    outlive_readers()
    sys.exit(run())


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's shape
    """Do what Ctrl-C does, in whatever way it is handled now."""
    signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    main()
