"""How often logins from one network failed lately: who guesses is refused before it is looked at.

Pure: the caller says what time it is, in seconds of any clock that does not go back.
"""

from __future__ import annotations


class Attempts:
    """Failed logins by network, within the present window of time; bounded in memory."""

    __slots__ = ("_failed", "_networks", "_since", "_window_s")

    def __init__(self, window_s: float = 60.0, networks: int = 100_000) -> None:
        """Failures are forgotten after ``window_s``; ``networks`` are counted at once."""
        self._window_s = window_s
        self._networks = networks
        self._failed: dict[str, int] = {}
        self._since = 0.0

    def refused_s(self, network: str, most: int, now: float) -> float:
        """Seconds for which logins from ``network`` are refused, ``most`` having failed there
        within the window; 0 when they are not."""
        if now >= self._since + self._window_s:
            self._failed.clear()
            self._since = now
        if self._failed.get(network, 0) < most:
            return 0.0
        return self._since + self._window_s - now

    def failed(self, network: str) -> None:
        """A login from ``network`` failed."""
        if network in self._failed or len(self._failed) < self._networks:
            self._failed[network] = self._failed.get(network, 0) + 1
