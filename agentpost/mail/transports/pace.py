"""How fast a provider bears to be called, learnt from what it refuses.

Turns are given out at ``rate`` recipients a second, with a second's worth at once for who comes
after a pause.  A refusal halves the rate, once for all calls that were under way; what is accepted
lets it grow again, by half in about half a minute of full use, up to the provider's own quota.
Knows no clock but the one it is given, and never waits by itself.
"""

from __future__ import annotations

from collections.abc import Callable

_GROWTH = 0.014
"""Of a recipient a second, for each recipient that is accepted."""
_BURST_S = 1.0
_SAME_S = 1.0
"""Refusals that follow a halving so closely were under way at the time."""


class Pace:
    """See the module's text."""

    def __init__(self, now: Callable[[], float], *, least: float, most: float) -> None:
        """``least`` and ``most`` bound the rate, in recipients a second."""
        self._now = now
        self._least = least
        self._most = most
        self._rate = most
        self._learnt = False
        self._next = now()
        self._halved_at = float("-inf")
        self._counted_from = now()
        self._counted = 0
        self._seen_rate = 0.0

    @property
    def rate(self) -> float:
        """Recipients a second, at present."""
        return self._rate

    def quota(self, most: float) -> None:
        """The provider says what it bears at most."""
        self._most = max(most, self._least)
        self._rate = min(self._rate, self._most)
        self._learnt = True

    def turn(self, recipients: int, patience_s: float) -> float | None:
        """Seconds until a call for ``recipients`` may be made; None when that is too long.

        Who is given a time is expected to come.
        """
        now = self._now()
        self._next = max(self._next, now - _BURST_S)
        wait = max(0.0, self._next - now)
        if wait > patience_s:
            return None
        self._next += recipients / self._rate
        return wait

    def accepted(self, recipients: int) -> None:
        """The provider took a call."""
        self._rate = min(self._rate + _GROWTH * recipients, self._most)
        now = self._now()
        if now - self._counted_from >= 1.0:
            self._seen_rate = self._counted / (now - self._counted_from)
            self._counted, self._counted_from = 0, now
        self._counted += recipients

    def refused(self) -> None:
        """The provider refused a call because they come too fast."""
        now = self._now()
        if now - self._halved_at < _SAME_S:
            return
        self._halved_at = now
        if not self._learnt:
            # A rate that nobody has named says nothing; what went through does.
            self._rate = max(self._seen_rate, self._counted / max(now - self._counted_from, 1.0))
        self._learnt = True
        self._rate = max(self._rate / 2, self._least)
        self._next = max(self._next, now + 1 / self._rate)
