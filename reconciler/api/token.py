"""The token: OAuth 2 client credentials, one token for all requests in flight."""

from __future__ import annotations

import asyncio
import base64
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from reconciler.clock import Clock
from reconciler.errors import Forbidden, NotFound, NotTheApi, Rejected, Unauthorized

LIFE_S = 3600.0
"""How long a token lives where its reply does not say (the guide's example)."""
_MARGIN_S = 60.0
_MARGIN_SHARE = 0.1


class Credential(Protocol):
    """What stands in the Authorization header."""

    async def current(self) -> str:
        """Return the header's value."""

    def refused(self, used: str) -> bool:
        """Say whether another may do after a 401 to `used`."""


@dataclass(frozen=True, slots=True, repr=False)
class Basic:
    """The client id and secret, as the token's own request carries them."""

    client_id: str
    client_secret: str

    async def current(self) -> str:
        """Return `Basic base64(client_id:client_secret)`."""
        return f"Basic {self._coded()}"

    def secrets(self) -> tuple[str, str]:
        """Return what no message may hold: the secret, and the pair as it is sent."""
        return self.client_secret, self._coded()

    def _coded(self) -> str:
        """Return `base64(client_id:client_secret)`."""
        return base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()

    def refused(self, used: str) -> bool:  # noqa: ARG002
        """Return False: there are no other credentials."""
        return False


@dataclass(frozen=True, slots=True, repr=False)
class TokenGrant:
    """
    A token, and how long it lives from the moment at which it was asked for.

    `scopes` is what its reply says that it may do, None where it does not say (RFC 6749, 5.1: it need not).
    """

    token: str
    life_s: float
    scopes: frozenset[str] | None = None


class Tokens:
    """
    Asks for a token when one is needed, and hands the same one to everybody.

    It is replaced a minute (of a short life: a tenth) before it expires, by the monotonic clock. There
    is no refresh token: a new one is asked for. Who waits for it shares the answer, an error too.
    `scopes` is what the last one may do, None where that was not said.
    """

    def __init__(self, ask: Callable[[], Awaitable[TokenGrant]], clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._header = ""
        self._until_s = 0.0
        self.scopes: frozenset[str] | None = None
        self._asking: asyncio.Task[str] | None = None

    async def current(self) -> str:
        """Return `Bearer …`; raises what the asking raised."""
        if self._header and self._clock.monotonic() < self._until_s:
            return self._header
        if self._asking is None:
            self._asking = asyncio.create_task(self._renewed())
            self._asking.add_done_callback(self._asked)
        # Shielded: the one who asked first may be cancelled, the others still wait.
        return await asyncio.shield(self._asking)

    async def _renewed(self) -> str:
        """Ask for a token, keep it and return its header."""
        asked_s = self._clock.monotonic()
        granted = await self._ask()
        self._until_s = asked_s + granted.life_s - min(_MARGIN_S, granted.life_s * _MARGIN_SHARE)
        self._header = f"Bearer {granted.token}"
        self.scopes = granted.scopes
        return self._header

    def _asked(self, task: asyncio.Task[str]) -> None:
        """Let the next one ask anew, and look at the error, which nobody may be left to do."""
        self._asking = None
        if not task.cancelled():
            task.exception()

    def refused(self, used: str) -> bool:
        """Drop the token behind a 401, unless another has replaced it; return True: a new one may do."""
        if used == self._header:
            self._header = ""
        return True

    async def close(self) -> None:
        """End an asking that nobody waits for any more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)


def read_grant(body: object) -> TokenGrant:
    """
    Return the token in a reply of `POST /oauth/token`; raises NotTheApi where there is none.

    >>> read_grant({"access_token": "abc", "token_type": "bearer", "expires_in": 3600}).life_s
    3600.0
    """
    body = body if isinstance(body, dict) else {}
    token = body.get("access_token")
    # Anything but printable ASCII could not stand in a header, or would end it.
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable() or " " in token:
        raise NotTheApi("POST /oauth/token: the reply holds no access_token; check the base URL")
    scope = body.get("scope")
    scopes = frozenset(scope.split()) if isinstance(scope, str) else None
    return TokenGrant(token, _life_s(body), scopes)


def _life_s(body: Mapping[str, object]) -> float:
    """Return how long a token lives, in seconds: what is documented, where the reply has no number for it."""
    told = body.get("expires_in")
    try:
        life_s = float(told) if isinstance(told, str | int | float) and not isinstance(told, bool) else LIFE_S
    except (ValueError, OverflowError):
        return LIFE_S
    return life_s if 0 < life_s < math.inf else LIFE_S


def refusal(failure: Rejected) -> Forbidden | NotTheApi | Rejected:
    """Return what a 4xx to the token's request means: wrong credentials are answered with 403 (guide)."""
    match failure:
        case Forbidden() | Unauthorized():
            return Forbidden(
                f"POST /oauth/token: {failure.status}: the credentials are wrong, or of another environment; "
                "check the client id and the secret (production and demo have keys of their own)",
                status=failure.status,
                code=failure.code,
                detail=failure.detail,
            )
        case NotFound() | Rejected(status=HTTPStatus.METHOD_NOT_ALLOWED):
            return NotTheApi(
                f"POST /oauth/token: {failure.status}: no such path; check the base URL (it ends without /v1)"
            )
        case _:
            return failure
