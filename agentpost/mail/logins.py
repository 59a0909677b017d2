"""Logins of mail programs: IMAP and SMTP count failures together, by network.

Who guesses is refused before his password is looked at, whichever of the two he asks.
"""

from __future__ import annotations

import trio

from agentpost.auth.attempts import Attempts
from agentpost.errors import AuthenticationFailed, RateLimited
from agentpost.limits import IdentityLimits
from agentpost.model.actor import Actor, Scope
from agentpost.model.inbox import LocalAddress
from agentpost.net.networks import network_of
from agentpost.store.authentication import Authentication, Protocol


class Logins:
    """The logins of one worker."""

    def __init__(
        self, authentication: Authentication, limits: IdentityLimits | None = None
    ) -> None:
        self._authentication = authentication
        self._most = (limits or IdentityLimits()).failed_logins_per_minute
        self._attempts = Attempts()

    async def login(
        self, username: str, password: str, *, protocol: Protocol, peer: str
    ) -> tuple[Actor, Scope, LocalAddress]:
        """Who this is and the inbox it is bound to; ``peer`` is the client's IP address.

        Raises: AuthenticationFailed, Expired, Forbidden; RateLimited when too many logins from
        the network of ``peer`` failed lately.
        """
        network = network_of(peer)
        wait_s = self._attempts.refused_s(network, self._most, trio.current_time())
        if wait_s:
            raise RateLimited(
                "Too many logins from your network failed; try again in a minute.",
                retry_after=wait_s,
            )
        try:
            return await self._authentication.by_login(
                username, password, protocol=protocol, peer=peer
            )
        except AuthenticationFailed:
            self._attempts.failed(network)
            raise
