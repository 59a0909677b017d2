"""What the owner of a custom domain publishes, made from its claim and from this deployment.

Sources: RFC 5321 section 5 (MX), RFC 7208 (SPF), RFC 6376 section 3.6.1 and RFC 8463 (keys), RFC
7489 section 6.3 (DMARC), RFC 6186 and RFC 8314 section 5.1 (SRV of mail programs), RFC 1035 section
5.1 (zone files).  The challenge is ours: without it whoever saw the other records could claim.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from agentpost.config import Address, Config
from agentpost.model.domain import Domain, Finding, KeyRecord, Record

CHALLENGE_LABEL: Final = "_agentpost-challenge"
CHALLENGE: Final = "agentpost-verification="
ANY_SUBDOMAIN: Final = "agentpost-any-subdomain"
"""Asked for in the place of ``*``: a wildcard answers for it."""

_UNSEEN: Final = Finding("pending")
_MX_PREFERENCE: Final = 10
_STRING_OCTETS: Final = 255
"""One string of a TXT record (RFC 1035 section 3.3)."""
_TTL_S: Final = 3600


@dataclass(frozen=True, slots=True)
class DomainTerms:
    """What all custom domains of this deployment have in common.

    ``mx`` takes their mail, ``spf`` is the mechanism that permits the relay, ``imap`` and ``smtp``
    are told to mail programs.  ``relay_signs`` when the relay has keys of its own.
    """

    mx: str
    spf: str
    imap: Address
    smtp: Address
    relay_signs: bool = False


def domain_terms(settings: Config) -> DomainTerms:
    """The terms of a deployment; one that sends by Amazon SES has its mail taken there too."""
    mx = settings.domain
    spf = "mx"
    if settings.relay == "ses":
        spf = "include:amazonses.com"
        if settings.aws_region is not None:
            mx = f"inbound-smtp.{settings.aws_region}.amazonaws.com"
    elif settings.relay == "smtp" and settings.smtp_relay_url is not None:
        spf = f"a:{urlsplit(settings.smtp_relay_url).hostname}"
    return DomainTerms(
        mx=settings.inbound_host or mx,
        spf=settings.spf_mechanism or spf,
        imap=settings.public_imap,
        smtp=settings.public_smtp,
        relay_signs=relay_signs(settings),
    )


def relay_signs(settings: Config) -> bool:
    """Whether Amazon SES signs with its own keys, so that we do not."""
    return settings.dkim == "ses" and "ses" in settings.relays


def records_of(domain: Domain, terms: DomainTerms) -> tuple[Record, ...]:
    """Everything to publish for a domain, the most important first."""
    name = domain.name
    found = [
        Record(
            "challenge",
            "challenge",
            "TXT",
            f"{CHALLENGE_LABEL}.{name}",
            CHALLENGE + domain.challenge,
        )
    ]
    if domain.inbound:
        found.append(Record("mx", "mx", "MX", name, terms.mx, _MX_PREFERENCE))
        if domain.subdomains:
            wild = Record("subdomains_mx", "subdomains_mx", "MX", f"*.{name}", terms.mx, 10, False)
            found.append(wild)
    found.append(Record("spf", "spf", "TXT", name, f"v=spf1 {terms.spf} ~all"))
    if terms.relay_signs:
        found += [_relay_key_record(name, host) for host in domain.relay_key_hosts]
    else:
        found += [_key_record(name, key) for key in domain.keys]
    found.append(Record("dmarc", "dmarc", "TXT", f"_dmarc.{name}", "v=DMARC1; p=none"))
    for service, address in (("_submissions", terms.smtp), ("_imaps", terms.imap)):
        value = f"0 1 {address.port} {address.host}"
        place = f"{service}._tcp.{name}"
        found.append(Record(service[1:], "srv", "SRV", place, value, None, False))
    return tuple(found)


def finding_of(domain: Domain, record: Record) -> Finding:
    """What the last look found in the place of a record."""
    return domain.findings.get(record.key, _UNSEEN)


def told(records: Sequence[Record], findings: dict[str, Finding]) -> tuple[dict[str, Any], ...]:
    """Records with what was found, as events tell them."""
    return tuple(_told(record, findings.get(record.key, _UNSEEN)) for record in records)


def zone_file(domain: Domain, records: Sequence[Record]) -> str:
    """The records as a piece of a zone file that name servers load (RFC 1035 section 5.1)."""
    lines = [f"; {domain.name}", f"$ORIGIN {domain.name}.", f"$TTL {_TTL_S}"]
    for record in records:
        place = record.name.removesuffix(domain.name).removesuffix(".") or "@"
        note = "" if record.required else " ; optional"
        lines.append(f"{place}\tIN\t{record.type}\t{_data(record)}{note}")
    return "\n".join(lines) + "\n"


def _key_record(domain: str, key: KeyRecord) -> Record:
    return Record(
        f"dkim_{key.algorithm}",
        "dkim",
        "TXT",
        f"{key.selector}._domainkey.{domain}",
        f"v=DKIM1; k={key.algorithm}; p={key.public_key}",
        # Not every verifier knows Ed25519 (RFC 8463 section 5): RSA is there for them.
        required=key.algorithm == "rsa",
    )


def _relay_key_record(domain: str, host: str) -> Record:
    token = host.partition(".")[0]
    place = f"{token}._domainkey.{domain}"
    return Record(f"dkim_{token}", "dkim", "CNAME", place, host)


def _told(record: Record, finding: Finding) -> dict[str, Any]:
    return {
        "type": record.type,
        "name": record.name,
        "value": record.value,
        "priority": record.priority,
        "purpose": record.purpose,
        "required": record.required,
        "status": finding.status,
        "found": list(finding.found),
        "reason": finding.reason,
    }


def _data(record: Record) -> str:
    match record.type:
        case "TXT":
            return " ".join(f'"{_quoted(piece)}"' for piece in _pieces(record.value))
        case "MX":
            return f"{record.priority} {record.value}."
        case "SRV" | "CNAME":
            return f"{record.value}."


def _pieces(value: str) -> Iterator[str]:
    for start in range(0, len(value), _STRING_OCTETS):
        yield value[start : start + _STRING_OCTETS]


def _quoted(piece: str) -> str:
    return piece.replace("\\", "\\\\").replace('"', '\\"')
