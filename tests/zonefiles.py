"""What a zone holds when the owner of a custom domain has published everything."""

from __future__ import annotations

from typing import Any

from agentpost.config import Address
from agentpost.mail.domains import ANY_SUBDOMAIN, DomainTerms, records_of
from agentpost.model.domain import Domain

TERMS = DomainTerms(
    "mx.post.example",
    "include:spf.post.example",
    Address("imap.post.example", 993),
    Address("smtp.post.example", 465),
)


def published(domain: Domain, terms: DomainTerms = TERMS, *without: str) -> dict[str, Any]:
    """Name -> type -> records of everything but the records with the keys ``without``."""
    zone: dict[str, Any] = {domain.name: {}}
    for record in records_of(domain, terms):
        if record.key in without:
            continue
        name = record.name.replace("*", ANY_SUBDOMAIN)
        value: Any = record.value
        if record.type == "MX":
            value = (record.priority, record.value)
        elif record.type == "SRV":
            priority, weight, port, host = record.value.split(" ")
            value = (int(priority), int(weight), int(port), host)
        zone.setdefault(name, {}).setdefault(record.type, []).append(value)
    return zone
