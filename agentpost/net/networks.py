"""Addresses and networks that a key may be used from.

An IPv4 client may reach a socket of both families as ``::ffff:192.0.2.1``; it is the same client,
so mapped addresses and networks are read as IPv4 (RFC 4291 section 2.5.5.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

Network = IPv4Network | IPv6Network

_MAPPED: Final = IPv6Network("::ffff:0:0/96")


def network(text: str) -> Network:
    """An address or a network in CIDR form.  Raises: ValueError."""
    found = ip_network(text, strict=False)
    if isinstance(found, IPv6Network) and found.subnet_of(_MAPPED):
        mapped = found.network_address.ipv4_mapped
        assert mapped is not None
        return IPv4Network((mapped, found.prefixlen - _MAPPED.prefixlen))
    return found


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Several networks.  Raises: ValueError."""
    return tuple(network(text) for text in texts)


def network_of(peer: str) -> str:
    """What counts as one host: the IPv4 address, or the IPv6 /64 it has for itself."""
    if ":" not in peer:
        return peer
    address = IPv6Address(peer.partition("%")[0])
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((address, 64), strict=False))


def covers(allowed: Sequence[Network], peer: str | None) -> bool:
    """Whether the client at ``peer`` is in one of the networks; an unknown one is in none."""
    if peer is None:
        return False
    try:
        address: IPv4Address | IPv6Address = ip_address(peer)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        # A zone (fe80::1%eth0) says by which interface, not who.
        address = address.ipv4_mapped or IPv6Address(int(address))
    return any(address in each for each in allowed)
