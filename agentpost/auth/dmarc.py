"""Whether the domain people see in From is the one that was authenticated (RFC 7489).

Asks whoever answers :class:`agentpost.model.dns.Dns`.  The organizational domain comes from the
public suffix list that is installed with the package; nothing is fetched at run time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from publicsuffixlist import PublicSuffixList

from agentpost.auth.addresses import lowered
from agentpost.model.authentication import Dkim, Dmarc, DmarcPolicy, Spf
from agentpost.model.dns import Dns, LookupFailed, NoSuchName

_POLICIES: Final[dict[str, DmarcPolicy]] = {
    "none": "none",
    "quarantine": "quarantine",
    "reject": "reject",
}
_VERSION: Final = re.compile(rb"v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_PERCENT: Final = re.compile(r"[0-9]{1,3}", re.ASCII)
_RECORD_OCTETS: Final = 4_096
"""Of one record that are read; real ones stay under 500."""


@dataclass(frozen=True, slots=True)
class Record:
    """What a domain's owner asks for (section 6.3)."""

    policy: DmarcPolicy
    subdomains: DmarcPolicy
    strict_dkim: bool
    strict_spf: bool
    percent: int


async def evaluate(author: str, spf: Spf, signatures: Sequence[Dkim], dns: Dns) -> Dmarc:
    """The verdict for the author's domain ``author``, as ``ascii_name`` gives it.

    Alignment is judged also where no policy is published, in relaxed mode.  Never raises.
    Source: RFC 7489 sections 3.1, 6.6.2 and 6.6.3.
    """
    try:
        found, place = await _discovered(author, dns)
    except LookupFailed as error:
        aligned = _is_aligned(author, spf, signatures, None)
        return Dmarc("temperror", author, aligned=aligned, reason=str(error))
    aligned = _is_aligned(author, spf, signatures, found)
    if found is None:
        return Dmarc("none", author, aligned=aligned, reason="no policy is published")
    policy = found.policy if place == author else found.subdomains
    if aligned:
        return Dmarc("pass", author, place, policy, found.percent, aligned=True)
    if spf.result == "temperror" or any(each.result == "temperror" for each in signatures):
        # What could not be looked up might have spoken for the author (section 6.6.2).
        reason = "SPF or DKIM could not be judged now"
        return Dmarc("temperror", author, place, policy, found.percent, reason=reason)
    reason = "neither SPF nor DKIM speaks for the author's domain"
    return Dmarc("fail", author, place, policy, found.percent, reason=reason)


def organizational_domain(name: str) -> str:
    """The domain that was registered (section 3.2); a public suffix stands for itself."""
    return _suffixes().privatesuffix(name) or name


@cache
def _suffixes() -> PublicSuffixList:
    # Once a process: reading the list takes 50 ms.
    return PublicSuffixList()


def parse(octets: bytes) -> Record | None:
    """One record, or None when it asks for nothing that can be understood.

    LENIENT_DMARC_RECORD: what is wrong after the version is left out tag by tag (section 6.3).
    """
    if not _VERSION.match(octets):
        return None
    values: dict[str, str] = {}
    for part in octets[:_RECORD_OCTETS].decode("ascii", "replace").split(";"):
        name, _, value = part.partition("=")
        values.setdefault(lowered(name.strip(" \t")), lowered(value.strip(" \t")))
    policy = _POLICIES.get(values.get("p", ""))
    subdomains = _POLICIES.get(values["sp"]) if "sp" in values else policy
    if policy is None or subdomains is None:
        # Section 6.6.3, step 6: whoever wants reports has meant to publish a policy.
        if ":" not in values.get("rua", ""):
            return None
        policy = subdomains = "none"
    percent = values.get("pct", "100")
    return Record(
        policy,
        subdomains,
        values.get("adkim") == "s",
        values.get("aspf") == "s",
        min(int(percent), 100) if _PERCENT.fullmatch(percent) else 100,
    )


async def _discovered(author: str, dns: Dns) -> tuple[Record | None, str]:
    """The policy and where it stands: at the author's domain, else at the organizational one."""
    for place in dict.fromkeys((author, organizational_domain(author))):
        try:
            texts = await dns.txt(f"_dmarc.{place}")
        except NoSuchName:
            continue
        records = [each for each in texts if _VERSION.match(each)]
        if records:
            return (parse(records[0]) if len(records) == 1 else None), place
    return None, ""


def _is_aligned(author: str, spf: Spf, signatures: Sequence[Dkim], record: Record | None) -> bool:
    strict_spf = record is not None and record.strict_spf
    strict_dkim = record is not None and record.strict_dkim
    if spf.result == "pass" and _agree(author, spf.domain, strict=strict_spf):
        return True
    return any(
        each.result == "pass" and _agree(author, each.domain, strict=strict_dkim)
        for each in signatures
    )


def _agree(author: str, other: str, *, strict: bool) -> bool:
    if author == other:
        return True
    return not strict and organizational_domain(author) == organizational_domain(other)
