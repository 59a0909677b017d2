"""Files that wait to be attached to messages (API.md, Attachments)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from agentpost.ids import EnvironmentId, OrganizationId


@dataclass(frozen=True, slots=True)
class NewUpload:
    """A file as it is announced; ``sha256`` when its sender wants it checked."""

    filename: str | None
    mime_type: str
    size: int
    sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """An announced file; ``key`` is what messages name it by until ``expires_at``."""

    key: str
    organization: OrganizationId
    environment: EnvironmentId
    filename: str | None
    mime_type: str
    size: int
    sha256: bytes | None
    created_at: datetime
    expires_at: datetime
