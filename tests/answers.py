"""A server that is a list of answers, and a client that talks to it in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import httpx
from clocks import VirtualClock

from reconciler.api.client import ApiClient

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]

BASE_URL = "https://api.example.com"


def ok(body: object = None, *, status: int = 200, headers: dict[str, str] | None = None) -> httpx.Response:
    """Return a JSON reply."""
    return httpx.Response(status, json=body, headers=headers)


def page(*rows: object, next_cursor: str = "", **more: object) -> httpx.Response:
    """Return a page in the reference's shape; `next_cursor` leads to another."""
    return ok({"data": list(rows), "has_next_page": bool(next_cursor), "end_cursor": next_cursor or None, **more})


class Server:
    """
    Gives its answers in turn, the last one for ever; grants tokens `token-1`, `token-2`… by itself.

    `heard` holds what came but for tokens: "METHOD target"; `times` when all of it came; `slow_s` is its latency.
    """

    def __init__(self, *answers: Answer, tokens: Iterable[Answer] = (), slow_s: float = 0.0) -> None:
        self._answers = list(answers)
        self._tokens = list(tokens)
        self._slow_s = slow_s
        self.heard: list[str] = []
        self.times: list[float] = []
        self.requests: list[httpx.Request] = []
        self.granted = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.requests.append(request)
        self.times.append(asyncio.get_running_loop().time())
        if self._slow_s:
            await asyncio.sleep(self._slow_s)
        if request.url.path.endswith("/oauth/token"):
            self.granted += 1
            granted = ok({"access_token": f"token-{self.granted}", "token_type": "bearer", "expires_in": 3600})
            return self._given(self._tokens, request, granted)
        self.heard.append(f"{request.method} {request.url.raw_path.decode()}")
        return self._given(self._answers, request, ok({}))

    def _given(self, answers: list[Answer], request: httpx.Request, otherwise: httpx.Response) -> httpx.Response:
        """Return the next answer, or raise it."""
        answer = otherwise if not answers else answers[0] if len(answers) == 1 else answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            # A response can be read once; the last one is given many times.
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        return answer(request)


def talk(server: Callable[..., Any], **options: object) -> ApiClient:
    """Return a client of `server`: without a rate, and its back-off without jitter, unless told."""
    settings: dict[str, Any] = {
        "base_url": BASE_URL,
        "client_id": "id",
        "client_secret": "very-secret",
        "clock": VirtualClock(),
        "jitter": lambda: 1.0,
        "rate_per_s": 0.0,
        "transport": httpx.MockTransport(server),
    }
    settings.update(options)
    return ApiClient(**settings)
