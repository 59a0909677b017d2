"""What the deployment decides about identities: the shared domain and how passwords are kept."""

from __future__ import annotations

from dataclasses import dataclass, field

from agentpost import config
from agentpost.config import Config
from agentpost.limits import IdentityLimits


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Settings of organizations, inboxes and credentials."""

    shared_domain: str
    """Domain of inboxes without a domain of their own, lower-case (R50)."""
    master_key: bytes | None = field(default=None, repr=False)
    """32 octets that mail credentials are sealed under."""
    seal_credentials: bool = True
    """Whether mail credentials are kept sealed, so that the export can show them."""
    limits: IdentityLimits = IdentityLimits()
    relays: tuple[str, ...] = ("simulator",)
    """The ways out of this server that are set up, which an environment may choose from."""

    @property
    def sealing_key(self) -> bytes | None:
        """The key to seal a new credential under; None when it shall not be readable again."""
        return self.master_key if self.seal_credentials else None


def store_settings(settings: Config) -> StoreSettings:
    """The part of the configuration that the store needs; makes the master key if absent.

    Raises: ConfigError when the master key's file holds something else.
    """
    return StoreSettings(
        shared_domain=settings.shared_domain,
        master_key=config.master_key(settings) if settings.seal_credentials else None,
        seal_credentials=settings.seal_credentials,
        relays=settings.relays,
    )
