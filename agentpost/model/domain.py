"""Custom domains: a claim to a name, what its owner publishes for it, and what was found (R46, R47).

A claim that is proven holds its name: across all organizations there is one such claim for a name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from agentpost.ids import DomainId, EnvironmentId, InboxId, OrganizationId

DomainStatus = Literal["pending", "verifying", "verified", "failed", "suspended"]
"""How far a claim has come.

``pending``: nothing of it was found yet.  ``verifying``: some of it.  ``verified``: all that is
required, and it is looked at again daily.  ``failed``: given up, or what was published is gone.
``suspended``: stopped by the operator.
"""

FindingStatus = Literal["pending", "found", "wrong", "missing"]
"""What became of one record; ``pending`` until it was looked for."""

KeyAlgorithm = Literal["rsa", "ed25519"]

RecordType = Literal["MX", "TXT", "CNAME", "SRV"]

Purpose = Literal["challenge", "mx", "subdomains_mx", "spf", "dkim", "dmarc", "srv"]
"""What a record is for."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found at one record's place; ``reason`` says what is wrong with it.

    ``once`` when some look found it as it should be, this one or an earlier one.
    """

    status: FindingStatus
    found: tuple[str, ...] = ()
    reason: str | None = None
    once: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """A record to publish.  ``name`` is whole; the value of a TXT is one text, not in pieces.

    ``key`` names it among the records of its domain.
    """

    key: str
    purpose: Purpose
    type: RecordType
    name: str
    value: str
    priority: int | None = None
    required: bool = True


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """The public side of a key that signs for a domain: its selector and the p= of its record."""

    selector: str
    algorithm: KeyAlgorithm
    public_key: str


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with the names it signs under (RFC 6376 section 3.5: d= and s=)."""

    domain: str
    selector: str
    algorithm: KeyAlgorithm
    private_key: str = field(repr=False)
    """PKCS 8 in PEM."""


@dataclass(frozen=True, slots=True)
class Domain:
    """One claim.  ``version`` is its ETag; ``checks`` counts looks.

    ``held`` while the name is this claim's alone, ``receives`` when mail for it is taken here.  ``misses`` are looks in a row that found a held
    name without what it needs, ``missed_at`` the last that counted.  ``sought_since`` is when the
    present search for the records began, ``check_at`` the next look that comes by itself.
    """

    id: DomainId
    organization: OrganizationId
    environment: EnvironmentId
    name: str
    client_id: str | None
    inbound: bool
    subdomains: bool
    catch_all: InboxId | None
    challenge: str
    keys: tuple[KeyRecord, ...]
    relay_key_hosts: tuple[str, ...]
    status: DomainStatus
    reason: str | None
    findings: dict[str, Finding]
    held: bool
    receives: bool
    checks: int
    misses: int
    missed_at: datetime | None
    sought_since: datetime
    asked_at: datetime | None
    checked_at: datetime | None
    check_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a claim came to, to be written if nothing overtook it.

    ``checks`` is the count that it began with.  ``proven`` when all that is required was found, so
    that the claim is to hold its name; ``lost`` when it holds it no longer.  ``receives`` when its MX
    says that mail for it comes here.
    """

    domain: DomainId
    checks: int
    status: DomainStatus
    reason: str | None
    findings: dict[str, Finding]
    records: tuple[dict[str, object], ...]
    """As events show them."""
    at: datetime
    check_at: datetime | None
    misses: int = 0
    missed_at: datetime | None = None
    proven: bool = False
    lost: bool = False
    receives: bool = False


@dataclass(frozen=True, slots=True)
class Holder:
    """A claim that holds its name, as delivery and submission must know it."""

    domain: DomainId
    organization: OrganizationId
    environment: EnvironmentId
    name: str
    receives: bool
    subdomains: bool
    catch_all: InboxId | None
    suspended: bool

    def covers(self, name: str) -> bool:
        """Whether addresses at ``name`` belong to it."""
        return name == self.name or (self.subdomains and name.endswith("." + self.name))
