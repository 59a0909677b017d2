"""Organizations, environments, API keys and mail credentials."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from agentpost.ids import CredentialId, EnvironmentId, InboxId, KeyId, OrganizationId

Tier = Literal["free", "starter", "team", "enterprise"]
Kind = Literal["live", "dev", "test"]
RelayName = Literal["simulator", "smtp", "ses"]
"""A way out of this server."""


@dataclass(frozen=True, slots=True)
class Organization:
    """The top-level container (R27)."""

    id: OrganizationId
    name: str
    slug: str
    tier: Tier
    settings: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Environment:
    """Tenant isolation inside an organization (R32); ``version`` is its ETag.

    ``relay`` is the way that its mail to other servers takes; None: the deployment's own.
    """

    id: EnvironmentId
    organization: OrganizationId
    name: str
    slug: str
    kind: Kind
    is_default: bool
    client_id: str | None
    version: int
    created_at: datetime
    updated_at: datetime
    relay: RelayName | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key without its secret (R76-R83); ``None`` means "all" for both id lists."""

    id: KeyId
    organization: OrganizationId
    name: str
    prefix: str
    scopes: tuple[str, ...]
    environments: tuple[EnvironmentId, ...] | None
    inboxes: tuple[InboxId, ...] | None
    ip_allow: tuple[str, ...]
    client_id: str | None
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    version: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """An API key just made, with the secret that is shown once; never logged."""

    key: ApiKey
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class MailCredential:
    """A password for one inbox over IMAP and SMTP, without its secret."""

    id: CredentialId
    inbox: InboxId
    name: str
    protocols: tuple[str, ...]
    read_only: bool
    approver: bool
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewMailCredential:
    """A mail credential just made, with the secret that is shown once; never logged."""

    credential: MailCredential
    secret: str = field(repr=False)
