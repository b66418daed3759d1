"""What is sent and what comes back: `Request`, `Reply`, and `Sent` for whoever looks on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

# Query values that say nothing of a person; any other (company_name) is masked where a request is shown.
_SHOWN = frozenset({"limit", "after", "before", "created_at_start", "created_at_end"})

OAUTH_PATH = "/oauth/token"


@dataclass(frozen=True, slots=True)
class Request:
    """
    One request. `path` is percent-encoded already (ids by their maker), query names and values are not.

    `repeatable` says that sending it twice does what sending it once does: true of GET, PATCH, archive
    and restore; not of a create.

    >>> Request("GET", "/customers", (("limit", "100"), ("after", "gaFp+X9 /"))).target()
    '/customers?limit=100&after=gaFp%2BX9%20%2F'
    >>> str(Request("GET", "/customers", (("limit", "9"), ("company_name", "Acme"))))
    'GET /customers?limit=9&company_name=***'
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, object] | None = None
    repeatable: bool = True

    @property
    def reads(self) -> bool:
        """Whether it changes nothing in the account: true of a token's request too."""
        return self.method == "GET" or self.path == OAUTH_PATH

    @property
    def name(self) -> str:
        """What messages call it: the method and the path."""
        return f"{self.method} {self.path}"

    def target(self) -> str:
        """Return path and query as they are sent: each cursor percent-encoded exactly once."""
        return (
            f"{self.path}?{urlencode(self.query, quote_via=quote, safe='', errors='surrogatepass')}"
            if self.query
            else self.path
        )

    def content(self) -> bytes | None:
        """Return the body's bytes as they are sent, None where there is no body."""
        return None if self.body is None else json.dumps(self.body, separators=(",", ":")).encode()

    def __str__(self) -> str:
        """Return the request as a log may hold it: no body, and no query value that may name a person."""
        shown = [(name, value if name in _SHOWN else "***") for name, value in self.query]
        return (
            f"{self.name}?{urlencode(shown, quote_via=quote, safe='*', errors='surrogatepass')}" if shown else self.name
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """
    A 2xx.

    - `body`: the parsed JSON, None where the body was empty.
    - `attempts`: how often it was sent, this time included; `lost`: how many earlier sendings had no
      answer that settles them.
    - `server_time_s`: seconds since 1970 by the server's Date header (whole seconds), else estimated.
    """

    status: int
    body: object
    attempts: int
    lost: int
    server_time_s: float


@dataclass(frozen=True, slots=True)
class Sent:
    """
    One sending, for a log: `shown` holds neither secrets nor personal data; `status` is 0 without an answer.

    >>> str(Sent("GET /customers?limit=100", 200, 0.085))
    'GET /customers?limit=100 200 85 ms'
    """

    shown: str
    status: int
    elapsed_s: float

    def __str__(self) -> str:
        """Return one line of a log."""
        return f"{self.shown} {self.status or 'no answer'} {self.elapsed_s * 1000:.0f} ms"
