"""`python -m reconciler`, and the `reconciler` command."""

from __future__ import annotations

import gc
import sys

from reconciler.cli.terminal import Interruption, interrupt

_YOUNG = 100_000
"""More objects than starting makes: nearly all of them are modules and what is in them, which stay."""


def main() -> None:
    """Run the command line, and exit with its code."""
    interruption = Interruption()
    interruption.install()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
    try:
        # After that: a signal may come while they are loaded.
        from reconciler.cli.app import run  # noqa: PLC0415
        from reconciler.cli.terminal import outlive_readers  # noqa: PLC0415

        outlive_readers()
        with interruption.first(interrupt):
            code = run()
    except KeyboardInterrupt:
        interruption.end()
    # Else the interpreter would look through all that was imported for cycles before it ends.
    gc.freeze()
    sys.exit(interruption.finish(code))


if __name__ == "__main__":
    main()
