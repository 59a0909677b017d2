"""A small memory of answers that are believed for a few seconds and can be taken back at once."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

import trio

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def nobody(_: str) -> None:
    """Who is told what to forget when nobody remembers anything."""


@dataclass(frozen=True, slots=True)
class _Entry(Generic[V]):
    value: V
    until: float
    names: tuple[str, ...]


class Fresh(Generic[K, V]):
    """At most ``entries`` values, each for ``seconds`` of Trio's clock.

    What is forgotten while its lookup is under way must not be remembered when the lookup
    ends: take ``generation`` before asking, and hand it to ``put``.
    """

    def __init__(self, seconds: float, entries: int) -> None:
        self._seconds = seconds
        self._bound = entries
        self._entries: dict[K, _Entry[V]] = {}
        self._named: dict[str, set[K]] = {}
        self._generation = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def generation(self) -> int:
        """Changes whenever anything is forgotten."""
        return self._generation

    def get(self, key: K) -> V | None:
        """The value, while it is fresh."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if trio.current_time() >= entry.until:
            self._drop(key)
            return None
        return entry.value

    def put(self, key: K, value: V, names: tuple[str, ...], generation: int) -> None:
        """Remember a value that was looked up since ``generation``, under names to forget by."""
        if generation != self._generation:
            return
        self._drop(key)
        if len(self._entries) >= self._bound:
            # The oldest entry ends first: all live equally long.
            self._drop(next(iter(self._entries)))
        self._entries[key] = _Entry(value, trio.current_time() + self._seconds, names)
        for name in names:
            self._named.setdefault(name, set()).add(key)

    def forget(self, name: str) -> None:
        """Forget what was remembered under ``name``, and what is being looked up now."""
        self._generation += 1
        for key in tuple(self._named.get(name, ())):
            self._drop(key)

    def clear(self) -> None:
        """Forget everything."""
        self._generation += 1
        self._entries.clear()
        self._named.clear()

    def _drop(self, key: K) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        for name in entry.names:
            keys = self._named[name]
            keys.discard(key)
            if not keys:
                del self._named[name]
