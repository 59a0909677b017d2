"""What is known of who really sent a message (RFC 8601 section 2.7, RFC 7489, RFC 8617)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SpfResult = Literal["none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"]
DkimResult = Literal["pass", "fail", "policy", "neutral", "temperror", "permerror"]
DmarcResult = Literal["none", "pass", "fail", "temperror", "permerror"]
ArcResult = Literal["none", "pass", "fail"]
DmarcPolicy = Literal["none", "quarantine", "reject"]


@dataclass(frozen=True, slots=True)
class Spf:
    """Whether the host that handed the message over may use the envelope's domain (RFC 7208)."""

    result: SpfResult
    domain: str = ""
    """The domain that was asked: of the reverse-path, or of HELO when that is null."""
    reason: str = ""
    """Why, for people; empty when the result says it all."""


@dataclass(frozen=True, slots=True)
class Dkim:
    """What one DKIM-Signature field is worth (RFC 6376)."""

    result: DkimResult
    domain: str = ""
    """Who signs (``d=``); empty when the field does not say."""
    selector: str = ""
    algorithm: str = ""
    """Such as ``rsa-sha256``."""
    reason: str = ""
    """Why, for people; empty for a plain pass."""


@dataclass(frozen=True, slots=True)
class Dmarc:
    """Whether the author's domain is authenticated, and what its owner asks for if not."""

    result: DmarcResult
    domain: str = ""
    """The author's domain: of the From field."""
    policy_domain: str = ""
    """Where the policy was found: the same or its organizational domain; empty when nowhere."""
    policy: DmarcPolicy | None = None
    """What the owner asks to do with mail that fails, None when no policy was found."""
    percent: int = 100
    """Of the failing mail that this is asked for."""
    aligned: bool = False
    """Whether SPF or a DKIM signature speaks for the author's domain, policy or not."""
    reason: str = ""

    @property
    def disposition(self) -> DmarcPolicy:
        """What the owner asks to be done with this message."""
        return (self.policy or "none") if self.result == "fail" else "none"


@dataclass(frozen=True, slots=True)
class Arc:
    """Whether the chain of those who handled the message holds (RFC 8617)."""

    result: ArcResult
    instance: int = 0
    """The latest set of the chain."""
    domain: str = ""
    """Who sealed it last."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """What a relay that is trusted has found out already; None where it said nothing."""

    spf: SpfResult | None = None
    dmarc: DmarcResult | None = None


@dataclass(frozen=True, slots=True)
class Authentication:
    """All that is known of one message."""

    spf: Spf
    dkim: tuple[Dkim, ...]
    dmarc: Dmarc
    arc: Arc

    @property
    def verified_domain(self) -> str | None:
        """The author's domain when SPF or DKIM prove it, whether or not it publishes a policy."""
        return self.dmarc.domain if self.dmarc.aligned and self.dmarc.domain else None
