"""Looking for garbage without stopping for it.

A full collection looks at every object there is.  With thousands of connections that takes from
tenths of a second to a whole one, in which nobody is served, and finds next to nothing: what a
connection holds goes when the last name for it does.  So what has survived one full collection is
set aside and not looked at again, until once in an hour everything is.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any, Final

WHOLE_EVERY_S: Final = 3600.0


class Collector:
    """Sets aside what has survived; ``start`` makes it listen to Python's collector."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._whole_at = now() + WHOLE_EVERY_S

    def start(self) -> None:
        """Set aside what there is, and from here on what survives."""
        gc.collect()
        gc.freeze()
        gc.callbacks.append(self.collected)

    def stop(self) -> None:
        """Leave Python's collector as it was."""
        gc.callbacks.remove(self.collected)
        gc.unfreeze()

    def collected(self, phase: str, told: dict[str, Any]) -> None:
        """What Python calls before and after each collection."""
        if phase != "stop" or told["generation"] < 2:
            return
        if self._now() >= self._whole_at:
            # The next full one, which is the more to do the rarer it comes, looks at everything.
            gc.unfreeze()
            self._whole_at = self._now() + WHOLE_EVERY_S
        else:
            gc.freeze()
