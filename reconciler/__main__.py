"""`python -m reconciler`, and the `reconciler` command."""

from __future__ import annotations

import sys

from reconciler.cli.interruption import Interruption, interrupt


def main() -> None:
    """Run the command line, and exit with its code."""
    interruption = Interruption()
    interruption.install()
    try:
        # After that: a signal may come while they are loaded.
        from reconciler.cli.main import run  # noqa: PLC0415
        from reconciler.cli.pipes import outlive_readers  # noqa: PLC0415

        outlive_readers()
        with interruption.first(interrupt):
            code = run()
    except KeyboardInterrupt:
        interruption.end()
    sys.exit(interruption.finish(code))


if __name__ == "__main__":
    main()
