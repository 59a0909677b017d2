"""What is asked of the domain name system and what comes back (RFC 1035, RFC 7505, RFC 2782).

Names are text in lower case without the final dot; the empty text is the root.  Three outcomes are
told apart, because mail must treat them differently: records, or none of the asked type (an empty
tuple); no such name (:class:`NoSuchName`); and no answer now (:class:`LookupFailed`).
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

Address = IPv4Address | IPv6Address


class NoSuchName(Exception):
    """The name does not exist, with no record of any type (NXDOMAIN), or cannot exist."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} does not exist")
        self.name = name


class LookupFailed(Exception):
    """Nothing can be said now: no answer in time, or a name server that is broken."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} could not be looked up: {reason}")
        self.name = name
        self.reason = reason


@dataclass(frozen=True, slots=True, order=True)
class Mx:
    """A host that takes mail; the lowest preference first, the root host for none (RFC 7505)."""

    preference: int
    host: str


@dataclass(frozen=True, slots=True, order=True)
class Srv:
    """A host and port of a service (RFC 2782)."""

    priority: int
    weight: int
    port: int
    host: str


class Dns(Protocol):
    """Whoever answers.  Every method raises NoSuchName and LookupFailed."""

    async def txt(self, name: str) -> tuple[bytes, ...]:
        """TXT records, the strings of each joined without anything between."""
        ...

    async def a(self, name: str) -> tuple[IPv4Address, ...]:
        """IPv4 addresses."""
        ...

    async def aaaa(self, name: str) -> tuple[IPv6Address, ...]:
        """IPv6 addresses."""
        ...

    async def mx(self, name: str) -> tuple[Mx, ...]:
        """Mail exchangers, most preferred first."""
        ...

    async def ns(self, name: str) -> tuple[str, ...]:
        """Name servers of a zone, sorted."""
        ...

    async def cname(self, name: str) -> tuple[str, ...]:
        """What the name is an alias of: one name or none."""
        ...

    async def srv(self, name: str) -> tuple[Srv, ...]:
        """Servers of a service such as ``_imaps._tcp.example.com``, most preferred first."""
        ...

    async def ptr(self, address: Address) -> tuple[str, ...]:
        """Names of an address, sorted."""
        ...
