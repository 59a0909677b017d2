"""What the deployment decides about identities: the shared domain and how passwords are kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from agentpost import config
from agentpost.config import Config
from agentpost.limits import IdentityLimits
from agentpost.store.blobs import BlobsAt
from agentpost.store.deposits import DepositLimits


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Settings of organizations, inboxes and credentials."""

    shared_domain: str
    """Domain of inboxes without a domain of their own, lower-case (R50)."""
    master_key: bytes | None = field(default=None, repr=False)
    """32 octets that mail credentials and the keys of domains are sealed under."""
    seal_credentials: bool = True
    """Whether mail credentials are kept sealed, so that the export can show them."""
    limits: IdentityLimits = IdentityLimits()
    relays: tuple[str, ...] = ("simulator",)
    """The ways out of this server that are set up, which an environment may choose from."""

    @property
    def sealing_key(self) -> bytes | None:
        """The key to seal a new credential under; None when it shall not be readable again."""
        return self.master_key if self.seal_credentials else None


def blobs_at(settings: Config) -> BlobsAt:
    """Where the configuration says that large messages lie."""
    if settings.blob_directory is not None:
        return BlobsAt(settings.blob_directory)
    assert settings.blob_url is not None
    parts = urlsplit(settings.blob_url)
    return BlobsAt(
        bucket=parts.netloc,
        prefix=parts.path.strip("/"),
        endpoint_url=settings.aws_endpoint_url,
        region=settings.aws_region,
        direct_links=settings.blob_direct_links,
    )


def deposit_limits(settings: Config) -> DepositLimits:
    """What the configuration says of how messages are stored."""
    return DepositLimits(inline_octets=settings.blob_inline_max_octets)


def store_settings(settings: Config) -> StoreSettings:
    """The part of the configuration that the store needs; makes the master key if absent.

    Raises: ConfigError when the master key's file holds something else.
    """
    return StoreSettings(
        shared_domain=settings.shared_domain,
        master_key=config.master_key(settings),
        seal_credentials=settings.seal_credentials,
        relays=settings.relays,
    )
