"""Who may send, and how often: tokens, and requests a second for each key. Times are seconds that never go back."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from reconciler.rules import Limiter


@dataclass(frozen=True, slots=True)
class Key:
    """One API key; `scopes` is None for a key that may do everything."""

    client_id: str
    secret: str
    scopes: frozenset[str] | None = None


class Tokens:
    """The tokens that were given, each for one key and for `life_s` seconds."""

    def __init__(self, keys: Mapping[str, Key], life_s: float) -> None:
        self.keys = dict(keys)
        self.life_s = life_s
        self._given: dict[str, tuple[Key, float]] = {}
        self._count = 0

    def give(self, client_id: str, secret: str, now_s: float) -> str | None:
        """Return a new token, None where the credentials are wrong."""
        key = self.keys.get(client_id)
        if key is None or key.secret != secret:
            return None
        self._count += 1
        token = "emu_" + hashlib.blake2b(f"{client_id}/{self._count}".encode(), digest_size=18).hexdigest()
        self._given[token] = (key, now_s + self.life_s)
        return token

    def holder(self, token: str, now_s: float) -> Key | None:
        """Return whose token it is, None where it was never given or has expired."""
        key, until_s = self._given.get(token, (None, 0.0))
        return key if now_s < until_s else None

    def expire(self) -> None:
        """End every token now."""
        self._given.clear()


class Rate:
    """How many requests each key may send a second; 0 is no limit."""

    def __init__(self, per_s: float) -> None:
        self.per_s = per_s
        self._second: dict[str, tuple[int, int]] = {}
        self._recent: dict[str, deque[float]] = {}
        self._bucket: dict[str, tuple[float, float]] = {}

    def wait_s(self, client_id: str, limiter: Limiter, now_s: float) -> float:
        """Count a request: 0 where it may pass, else how long the key must wait for the next."""
        if not self.per_s:
            return 0.0
        match limiter:
            case Limiter.SECOND:
                return self._by_second(client_id, now_s)
            case Limiter.SLIDING:
                return self._sliding(client_id, now_s)
            case Limiter.BUCKET:
                return self._by_bucket(client_id, now_s)
        assert_never(limiter)

    def _by_second(self, client_id: str, now_s: float) -> float:
        """Count within the second of the clock."""
        second, count = self._second.get(client_id, (0, 0))
        if second != int(now_s):
            count = 0
        self._second[client_id] = (int(now_s), count + 1)
        return int(now_s) + 1 - now_s if count >= self.per_s else 0.0

    def _sliding(self, client_id: str, now_s: float) -> float:
        """Count within the second that ends now; what is refused does not count."""
        recent = self._recent.setdefault(client_id, deque())
        while recent and recent[0] <= now_s - 1:
            recent.popleft()
        if len(recent) >= self.per_s:
            return recent[0] + 1 - now_s
        recent.append(now_s)
        return 0.0

    def _by_bucket(self, client_id: str, now_s: float) -> float:
        """Take a drop of the bucket."""
        size = max(1.0, self.per_s)
        left, at_s = self._bucket.get(client_id, (size, now_s))
        left = min(size, left + (now_s - at_s) * self.per_s)
        passes = left >= 1
        self._bucket[client_id] = (left - 1 if passes else left, now_s)
        return 0.0 if passes else (1 - left) / self.per_s
