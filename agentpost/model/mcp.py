"""Sessions of the Model Context Protocol."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class McpSession:
    """What one client agreed upon, and what it watches."""

    id: str
    protocol: str
    """The version of the protocol."""
    watched: dict[str, str]
    """Resources by URI, each with the version of it that the client was last told of."""
    stream: int
    """Number of the stream that tells it what it did not ask for; an older one ends."""
    seen_at: datetime
    read_at: float
    """When this was read, in seconds by the database's clock."""
    canceled: dict[str, float]
    """Requests that the client no longer wants, their ids as JSON, with the time it said so."""

    def has_canceled(self, request: str, since: float) -> bool:
        """Whether it took back a request that came at ``since``; ids may be used again."""
        return self.canceled.get(request, -1.0) >= since
