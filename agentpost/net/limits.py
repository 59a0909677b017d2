"""Bounds of connections."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NetLimits:
    """What one worker spends on connections; times in seconds."""

    connections: int = 20_000
    """Connections at a time; each costs memory and a descriptor."""
    connections_per_address: int = 20_000
    """Connections from one IPv4 address or IPv6 /64, so that one host cannot take them all."""
    handshake_s: float = 10.0
    """From accept to the end of the TLS handshake; an honest client needs a second."""
    handshakes: int = 1_000
    """Handshakes under way at a time; the next begins when one ends, well or badly."""
    send_stall_s: float = 60.0
    """A peer that takes no octet for so long is gone, whatever it claims."""
    send_grace_s: float = 60.0
    """Time before the rate below counts."""
    send_octets_per_s: int = 1_024
    """Slowest acceptable reader: a peer that sips holds our memory (slow-read attack)."""
    close_s: float = 2.0
    """For the goodbye: close_notify, and the peer's end, so that no reset eats our last reply."""
    user_timeout_s: float = 120.0
    """TCP_USER_TIMEOUT: unacknowledged octets for so long end the connection."""
    keepalive_s: int = 300
    """Silence before the kernel probes the peer; far below NAT timeouts of mobile networks would
    cost their batteries, far above leaves dead IDLE connections."""


@dataclass(frozen=True, slots=True)
class EgressLimits:
    """Bounds of requests to addresses that customers name; times in seconds."""

    connect_s: float = 10.0
    """TCP to one address; the next is tried after it."""
    addresses: int = 4
    """Addresses of one name that are tried; a name may have hundreds."""
    answer_octets: int = 65_536
    """Of an answer that are read, head and body each; what is longer is cut off."""
    kept_octets: int = 4_096
    """Of an answer's body that are kept for people to look at."""
    kept_fields: int = 50
    """Header fields of an answer that are kept."""
    kept_field_octets: int = 1_024
    """Of the value of one such field."""
