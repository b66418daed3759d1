"""
HTTP, and no word about customers: the one client that sends; pacing, retries, pages, what went wrong.

A request is a value (`request.Request`); `client.Client.send` returns a `Reply` or raises one of the
`ApiFailed` of `errors`. Only `client` sends. What to do after a failure (`retry`), what a status means
(`faults`), when a request may leave (`limit`, `leaving`) and who asks for the token (`token`) stand apart
from it and are tested without a server.
"""

from __future__ import annotations

from importlib import import_module

_PUBLIC = {"Client": "client", "Customer": "values", "User": "values"}


def __getattr__(name: str) -> object:
    """
    Return what scripts are given: `Client`, which stands in `reconciler.scripting`, above all that it is made of.

    So it is imported only when it is asked for: what else is here is what it is made of. `__init__.pyi` has its type.
    """
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"reconciler.scripting.{_PUBLIC[name]}"), name)
