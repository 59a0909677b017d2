"""Events as JSON: one envelope for WebSocket, event streams, webhooks and the event log (API.md)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from agentpost.clock import rfc3339
from agentpost.model.event import Event

SCHEMA_VERSION: Final = "1"

_encode: Final = msgspec.json.Encoder().encode


def envelope(event: Event, data: dict[str, Any]) -> bytes:
    """The envelope of ``event`` around its ``data``."""
    return _encode(
        {
            "id": event.id,
            "type": event.type,
            "schema_version": SCHEMA_VERSION,
            "timestamp": rfc3339(event.created_at),
            "org_id": event.organization,
            "env_id": event.environment,
            "inbox_id": event.inbox,
            "seq": event.seq,
            "modseq": event.modseq,
            "data": data,
        }
    )
