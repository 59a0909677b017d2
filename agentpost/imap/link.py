"""What a session needs of its connection, whatever carries the octets."""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol

from agentpost.imap.wire.framer import Line, Rejected


class Roused(Enum):
    """Why a session that waits for its client goes on without a line from it."""

    CHANGED = auto()
    SILENCE = auto()


class Link(Protocol):
    """What a session needs of its connection."""

    async def send(self, octets: bytes | bytearray) -> None:
        """Send everything.  Raises: BrokenResourceError, ClosedResourceError."""
        ...

    def send_at_once(self, octets: bytes | bytearray) -> int:
        """Send what the network takes without waiting; returns how many octets that were.

        The rest must be what ``send`` is given next.
        """
        ...

    @property
    def resting(self) -> bool:
        """Whether nothing happens on the connection but waiting for the client."""
        ...

    async def read_line(self) -> Line | Rejected | None:
        """One line that is not a command; None when the connection is over."""
        ...

    async def read_line_unless(self, timeout_s: float) -> Line | Rejected | Roused | None:
        """The same, unless ``wake`` was called or will be, or the time is over, before it came."""
        ...

    def wake(self) -> None:
        """Make ``read_line_unless`` return, now or when it is next called."""
        ...
