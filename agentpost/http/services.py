"""What endpoint handlers reach beyond their request: authentication and the floors below."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import trio

from agentpost.ids import EnvironmentId, OrganizationId
from agentpost.model.actor import Actor


class Authenticator(Protocol):
    """Turns a secret into an actor.

    It is asked once a request and once a batch of pushed events, so it answers from a cache of
    its worker; a revocation must empty that cache promptly, because nothing here remembers.
    """

    async def by_key(self, secret: str, *, peer: str | None, source: str = "rest") -> Actor:
        """The actor that the key belongs to, when it may be used from the address ``peer``.

        Raises: AuthenticationFailed, Expired, RateLimited, Overloaded.
        """
        ...

    async def by_polling_token(self, token: str, *, peer: str | None) -> Actor:
        """Whoever reads a polling webhook with this token, from the address ``peer``.

        Raises: AuthenticationFailed, Expired, Forbidden, Overloaded.
        """
        ...

    async def has_environment(
        self, organization: OrganizationId, environment: EnvironmentId
    ) -> bool:
        """Whether the organization has this environment."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """Handed to every handler; ``stopping`` is set when the server wants to end."""

    authenticator: Authenticator
    stopping: trio.Event
    ready: Callable[[], Awaitable[dict[str, bool]]]
    """Whether each thing that requests depend on answers, by name."""
    version: str
