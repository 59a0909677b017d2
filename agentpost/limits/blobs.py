"""Large messages on disk and in buckets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BlobLimits:
    """Deadlines and bounds towards a store of objects; times in seconds."""

    connect_s: float = 5.0
    """TCP and TLS; an address that does not answer by then is down."""
    read_s: float = 10.0
    """Between two pieces of an answer."""
    operation_s: float = 25.0
    """One object written, read or removed, repetitions included: half of what a request may take."""
    attempts: int = 3
    """Requests of one operation, with growing pauses; stores ask for repetition when they shift load."""
    connections: int = 32
    """Connections of one process."""
    page: int = 1_000
    """Objects of one listing (the most that S3 gives)."""
    part_octets: int = 8 * 1024 * 1024
    """What is written at once of a file that is made piece by piece (S3 takes no less than 5 MiB
    and no more than 10,000 parts)."""
    cached_octets: int = 32 * 1024 * 1024
    """Objects that one process keeps after reading: mail programs read a large message in a hundred
    pieces."""
