"""
Infrastructure as code for billing customers of the Alternative Payments API.

For scripts: `Client`, and the `Customer` and `User` that it returns. They are imported when they are asked for, so
that to import the package costs next to nothing.
"""

from __future__ import annotations

__version__ = "0.1.0"
TYPE_CHECKING = False
"""As in `typing`, without importing it."""

if TYPE_CHECKING:
    from reconciler.scripting import Client as Client
    from reconciler.scripting import Customer as Customer
    from reconciler.scripting import User as User
else:

    def __getattr__(name: str) -> object:
        """Return what scripts are given."""
        if name not in ("Client", "Customer", "User"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from reconciler import scripting  # noqa: PLC0415 - only scripts need it

        return getattr(scripting, name)
