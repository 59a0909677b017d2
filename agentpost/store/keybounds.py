"""When a key ends and from where it may be used: nobody hands on more of either than he has.

An actor does not say so, for whoever asks is there in time and from the right network; a key that
he makes would be used later and from elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agentpost.clock import rfc3339
from agentpost.errors import Forbidden
from agentpost.model.actor import Actor
from agentpost.model.organization import ApiKey
from agentpost.net.networks import Network, networks
from agentpost.store.pool import Connection


@dataclass(frozen=True, slots=True)
class Bounds:
    """The end of a key and the networks it is bound to; none are all."""

    expires_at: datetime | None = None
    ip_allow: tuple[str, ...] = ()

    def end(self, wanted: datetime | None) -> datetime | None:
        """When a key that is made within these bounds ends.

        Raises: Forbidden when it is to end later.
        """
        last = self.expires_at
        if last is None:
            return wanted
        if wanted is not None and wanted > last:
            raise _outlives(last)
        return wanted or last

    def networks(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """From where a key that is made within these bounds may be used.

        Raises: Forbidden for networks outside.
        """
        if not self.ip_allow:
            return wanted
        held = networks(self.ip_allow)
        if not all(_inside(each, held) for each in networks(wanted)):
            raise _elsewhere()
        return wanted or self.ip_allow

    def check(self, key: ApiKey) -> None:
        """Refuse to take over a key that ends later or works elsewhere.  Raises: Forbidden."""
        if self.expires_at is not None and key.expires_at is None:
            raise _outlives(self.expires_at)
        if self.ip_allow and not key.ip_allow:
            raise _elsewhere()
        self.end(key.expires_at)
        self.networks(key.ip_allow)


def _outlives(end: datetime) -> Forbidden:
    return Forbidden(
        f"A key can hand on only what it holds; this one ends at {rfc3339(end)}.",
        fix="Let the other key end no later, or use a key that does not end before it.",
    )


def _elsewhere() -> Forbidden:
    return Forbidden(
        "A key can hand on only what it holds; this one is bound to other networks.",
        fix="Let ip_allow name networks inside those of this key, or leave it out.",
    )


async def bounds_of(connection: Connection, actor: Actor) -> Bounds:
    """The bounds of the key that asks; none for what is no key."""
    row = await connection.row(
        "SELECT expires_at, ip_allow FROM api_keys WHERE id = $1", actor.credential
    )
    return Bounds() if row is None else Bounds(row["expires_at"], tuple(row["ip_allow"]))


def _inside(network: Network, held: Sequence[Network]) -> bool:
    # Networks of two versions cannot be compared.
    return any(
        network.version == each.version and network.subnet_of(each)  # type: ignore[arg-type]
        for each in held
    )
