"""Signatures on what leaves from custom domains, with the keys that their owners publish (R46).

Keys are unsealed when a message needs them and believed for a few seconds, so that a domain that
is lost or suspended soon signs nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from functools import partial
from typing import Final

import trio

from agentpost import clock
from agentpost.auth.canonical import HeaderTooLarge
from agentpost.auth.dkim_sign import SES_REWRITES, DkimKey, load_key, sign
from agentpost.auth.domainnames import looked_up
from agentpost.ids import EnvironmentId
from agentpost.limits import DomainLimits
from agentpost.model.actor import system_actor
from agentpost.model.relay import Outgoing
from agentpost.store.domainlooks import DomainLooks
from agentpost.store.fresh import Fresh

log = logging.getLogger(__name__)

_SIGN_INLINE_OCTETS: Final = 100 * 1024
"""Larger messages are hashed in a thread, so that other connections do not wait for them."""


class DomainKeys:
    """The keys of the domains that this deployment sends from."""

    def __init__(
        self, looks: DomainLooks, limits: DomainLimits | None = None, *, relay_signs: bool = False
    ) -> None:
        """``relay_signs`` when it is the relay's own keys that owners publish."""
        limits = limits or DomainLimits()
        self._relay_signs = relay_signs
        self._looks = looks
        self._actor = system_actor("relay")
        self._known: Fresh[tuple[str, EnvironmentId], tuple[DkimKey, ...]] = Fresh(
            limits.signer_s, limits.signers
        )

    async def signer(self, domain: str, environment: EnvironmentId) -> tuple[DkimKey, ...]:
        """The keys for addresses at ``domain``; none when the environment does not hold it.

        Raises: Unsealable when they were sealed under another master key.
        """
        name = looked_up(domain)
        if not name or self._relay_signs:
            return ()
        known = self._known.get((name, environment))
        if known is not None:
            return known
        generation = self._known.generation
        _, found = await self._looks.signing_keys(self._actor, name, environment)
        keys = tuple(
            load_key(each.domain, each.selector, each.private_key.encode("ascii")) for each in found
        )
        self._known.put((name, environment), keys, (name,), generation)
        return keys

    async def signed(self, outgoing: Outgoing) -> bytes:
        """The octets of a message that is ready to leave, signed for the domain of its sender.

        They are as they were when the sender is at no custom domain.
        Raises: as ``signer``; who would send without the signature would harm the domain.
        """
        keys = await self.signer(outgoing.reverse_path.rpartition("@")[2], outgoing.environment)
        if not keys:
            return outgoing.octets
        left_out: Collection[bytes] = SES_REWRITES if outgoing.relay == "ses" else ()
        moment = clock.now().timestamp()
        make = partial(sign, outgoing.octets, keys, moment, left_out=left_out)
        try:
            if len(outgoing.octets) <= _SIGN_INLINE_OCTETS:
                fields = make()
            else:
                fields = await trio.to_thread.run_sync(make)
        except (ValueError, HeaderTooLarge) as error:
            log.warning("%s cannot be signed: %s", outgoing.message, error)
            return outgoing.octets
        return fields + outgoing.octets
