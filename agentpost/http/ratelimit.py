"""How often a key, an organization or an unknown address may ask (R102-R106).

Token buckets in the memory of the worker: a bucket holds as many tokens as the limit allows in a
minute and fills evenly.  Every request takes one from its key's and one from its organization's.
Workers tell each other what they have granted (:mod:`agentpost.http.sharing`), so that the sum
over all of them keeps to the limit: what several granted at the same moment is a debt of each.

The headers: ``RateLimit-Limit`` is requests a minute, ``RateLimit-Remaining`` what the tighter of
both buckets still holds, ``RateLimit-Reset`` the seconds until it is full again.  A tier without a
limit says 1000000, 1000000 and 0: numbers that a client which paces itself can calculate with and
will never come near.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import trio

from agentpost.errors import RateLimited
from agentpost.model.actor import Actor

UNLIMITED: Final = 1_000_000
DEFAULT_TIERS: Final[Mapping[str, int | None]] = {
    "free": 60,
    "starter": 300,
    "team": 600,
    "enterprise": None,
}
"""Requests a minute by tier; ``None`` is no limit.  Defaults of the configuration."""
MAX_BUCKETS: Final = 50_000

Granted = tuple[int, int]
"""A bucket's limit, and how many requests were granted out of it."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """The state of the tighter bucket, for the headers."""

    limit: int
    remaining: int
    reset_s: int

    def fields(self) -> list[tuple[str, str]]:
        """The three header fields and their twins."""
        limit, remaining, reset = str(self.limit), str(self.remaining), str(self.reset_s)
        return [
            ("ratelimit-limit", limit),
            ("ratelimit-remaining", remaining),
            ("ratelimit-reset", reset),
            ("x-ratelimit-limit", limit),
            ("x-ratelimit-remaining", remaining),
            ("x-ratelimit-reset", reset),
        ]


FREE: Final = Allowance(UNLIMITED, UNLIMITED, 0)


class _Bucket:
    __slots__ = ("granted", "limit", "seen", "tokens")

    def __init__(self, limit: int, now: float) -> None:
        self.limit = limit
        self.tokens = float(limit)
        self.seen = now
        self.granted = 0

    def fill(self, now: float) -> None:
        gained = (now - self.seen) * self.limit / 60
        self.tokens = min(float(self.limit), self.tokens + gained)
        self.seen = now

    def wait_s(self) -> float:
        """Seconds until one token is there."""
        return max(0.0, (1 - self.tokens) * 60 / self.limit)

    def allowance(self) -> Allowance:
        reset = math.ceil((self.limit - self.tokens) * 60 / self.limit)
        return Allowance(self.limit, max(0, int(self.tokens)), reset)


class Governor:
    """Grants requests; one for a worker."""

    def __init__(
        self,
        tiers: Mapping[str, int | None] = DEFAULT_TIERS,
        strangers_per_minute: int = 120,
        exports_per_minute: int = 10,
    ) -> None:
        self._tiers = tiers
        self._strangers = strangers_per_minute
        self._exports = exports_per_minute
        self._buckets: dict[str, _Bucket] = {}

    def take(self, actor: Actor) -> Allowance:
        """Take one request of this actor.

        Raises: RateLimited, with the seconds to wait, when either bucket is empty; then neither
        loses a token.
        """
        limit = self._tiers.get(actor.tier)
        if limit is None or actor.system:
            return FREE
        return self._take((actor.credential, actor.organization), limit)

    def peek(self, actor: Actor) -> Allowance:
        """The state without taking anything."""
        limit = self._tiers.get(actor.tier)
        if limit is None or actor.system:
            return FREE
        now = trio.current_time()
        return min(
            (self._bucket(name, limit, now).allowance() for name in _names(actor)),
            key=lambda allowance: allowance.remaining,
        )

    def take_stranger(self, host: str) -> Allowance:
        """Take one request that no valid key came with; bounds the guessing of keys.

        Raises: RateLimited.
        """
        return self._take(("address " + host,), self._strangers)

    def peek_stranger(self, host: str) -> Allowance:
        """The state of an address without taking anything."""
        bucket = self._buckets.get("address " + host)
        if bucket is None:
            return Allowance(self._strangers, self._strangers, 0)
        bucket.fill(trio.current_time())
        return bucket.allowance()

    def take_export(self, actor: Actor) -> None:
        """Take one export of passwords, whatever the tier (REQUIREMENTS 1.10, decision 1).

        Programs read them once, at their start; a stolen key shall not read them for ever.
        Raises: RateLimited.
        """
        self._take(("exports " + actor.credential,), self._exports)

    def granted(self, most: int) -> dict[str, Granted]:
        """What this worker granted since the last call, by bucket; the ``most`` used ones."""
        used = [(bucket.granted, name) for name, bucket in self._buckets.items() if bucket.granted]
        told = {}
        for count, name in heapq.nlargest(most, used):
            bucket = self._buckets[name]
            told[name] = (bucket.limit, count)
            bucket.granted = 0
        return told

    def charge(self, granted: Mapping[str, Granted]) -> None:
        """Take what another worker granted out of the buckets here."""
        now = trio.current_time()
        for name, (limit, count) in granted.items():
            bucket = self._buckets.get(name) or self._bucket(name, limit, now)
            bucket.fill(now)
            bucket.tokens = max(-float(bucket.limit), bucket.tokens - count)

    def _take(self, names: tuple[str, ...], limit: int) -> Allowance:
        now = trio.current_time()
        buckets = [self._bucket(name, limit, now) for name in names]
        wait = max(bucket.wait_s() for bucket in buckets)
        if wait > 0:
            raise RateLimited(retry_after=wait)
        for bucket in buckets:
            bucket.tokens -= 1
            bucket.granted += 1
        return min(buckets, key=lambda bucket: bucket.tokens).allowance()

    def _bucket(self, name: str, limit: int, now: float) -> _Bucket:
        bucket = self._buckets.get(name)
        if bucket is None or bucket.limit != limit:
            if len(self._buckets) >= MAX_BUCKETS:
                self._forget(now)
            bucket = self._buckets[name] = _Bucket(limit, now)
        bucket.fill(now)
        return bucket

    def _forget(self, now: float) -> None:
        """Drop buckets that are full: a new one says the same.  If none is, drop the oldest half,
        which at worst grants some callers a minute's tokens too early."""
        for bucket in self._buckets.values():
            bucket.fill(now)
        kept = {name: b for name, b in self._buckets.items() if b.tokens < b.limit}
        if len(kept) >= MAX_BUCKETS:
            kept = dict(list(kept.items())[MAX_BUCKETS // 2 :])
        self._buckets = kept


def _names(actor: Actor) -> tuple[str, str]:
    return actor.credential, actor.organization
