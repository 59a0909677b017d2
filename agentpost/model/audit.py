"""The audit log: lines, and the chain that shows whether any was changed or taken out (R31).

A line is told as one JSON object.  Its hash is the SHA-256 of the hash before it (32 octets, all
zero for the first) followed by that object without ``previous_hash`` and ``hash``, its keys in
order, without spaces, in UTF-8: what a program has read from the API it can check by itself.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from agentpost.clock import rfc3339
from agentpost.ids import EnvironmentId, OrganizationId, audit_id

FIRST: Final = bytes(32)
"""What stands before the first line of a chain."""


@dataclass(frozen=True, slots=True)
class Seal:
    """Where a line stands in its organization's chain, from 1, and the two hashes."""

    sequence: int
    previous: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the audit log; ``detail`` never holds a secret.  Sealed soon after its commit."""

    id: int
    organization: OrganizationId
    environment: EnvironmentId | None
    actor: str
    action: str
    resource: str | None
    detail: dict[str, Any]
    created_at: datetime
    seal: Seal | None = None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What a list of the audit log is narrowed to; every given condition must hold."""

    actor: str | None = None
    action: str | None = None
    resource: str | None = None
    after: datetime | None = None
    before: datetime | None = None


def told(entry: AuditEntry) -> dict[str, Any]:
    """A line as it is told, without its hashes."""
    return {
        "id": audit_id(entry.id),
        "sequence": None if entry.seal is None else entry.seal.sequence,
        "created_at": rfc3339(entry.created_at),
        "organization_id": entry.organization,
        "environment_id": entry.environment,
        "actor": entry.actor,
        "action": entry.action,
        "resource": entry.resource,
        "detail": entry.detail,
    }


def told_with_hashes(entry: AuditEntry) -> dict[str, Any]:
    """A line as it is told; a line that is not sealed yet has no hashes."""
    seal = entry.seal
    return {
        **told(entry),
        "previous_hash": None if seal is None else seal.previous.hex(),
        "hash": None if seal is None else seal.hash.hex(),
    }


def digest(previous: bytes, sequence: int, entry: AuditEntry) -> bytes:
    """The hash of a line that stands at ``sequence``, after the one with the hash ``previous``."""
    line = {**told(entry), "sequence": sequence}
    text = json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(previous + text.encode()).digest()
