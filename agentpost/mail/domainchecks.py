"""Whether a record stands in DNS as it should.

A lookup that fails says nothing: it is told apart from a record that is not there, for a name
server that is down must not cost anybody a domain.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import trio

from agentpost.auth.addresses import lowered
from agentpost.limits import DomainLimits
from agentpost.mail.domains import ANY_SUBDOMAIN
from agentpost.model.dns import Dns, LookupFailed, NoSuchName
from agentpost.model.domain import Finding, Record

_SPACE: Final = re.compile(r"[ \t\r\n]+", re.ASCII)
_SHOWABLE: Final = re.compile(r"[^\x20-\x7e]+")


async def look(
    dns: Dns, records: Sequence[Record], limits: DomainLimits
) -> dict[str, Finding | str]:
    """What stands in the place of each record, by its key; text where the lookup failed."""
    found: dict[str, Finding | str] = {}

    async def one(record: Record) -> None:
        try:
            found[record.key] = await _finding(dns, record, limits)
        except LookupFailed as failure:
            found[record.key] = str(failure)

    with trio.move_on_after(limits.look_s):
        async with trio.open_nursery() as nursery:
            for record in records:
                nursery.start_soon(one, record)
    for record in records:
        found.setdefault(record.key, f"{record.name} was not answered for in time")
    return found


async def _finding(dns: Dns, record: Record, limits: DomainLimits) -> Finding:
    check = _CHECKS[record.purpose]
    try:
        return _bounded(await check(dns, record, limits), limits)
    except NoSuchName:
        return Finding("missing", (), "Nothing stands at this name.")


async def _challenge(dns: Dns, record: Record, limits: DomainLimits) -> Finding:
    texts = await _texts(dns, record.name)
    if record.value in texts:
        return Finding("found", (record.value,))
    if not texts:
        return _absent(record)
    return Finding("wrong", texts, "None of the TXT records here is this one.")


async def _mx(dns: Dns, record: Record, limits: DomainLimits) -> Finding:
    name = record.name.replace("*", ANY_SUBDOMAIN, 1) if "*" in record.name else record.name
    hosts = await dns.mx(name)
    shown = tuple(f"{each.preference} {each.host}." for each in hosts)
    if not hosts:
        return _absent(record)
    ours = [each.preference for each in hosts if each.host == lowered(record.value)]
    if not ours:
        return Finding("wrong", shown, "Mail goes to other servers.")
    if min(ours) > hosts[0].preference:
        return Finding("wrong", shown, "Another server is preferred: ours needs the lowest number.")
    return Finding("found", shown)


async def _spf(dns: Dns, record: Record, limits: DomainLimits) -> Finding:
    policies = _policies(await _texts(dns, record.name))
    if not policies:
        return _absent(record)
    policy, *others = policies
    if others:
        return Finding("wrong", policies, "There may be only one SPF record: join them.")
    wanted = record.value.split(" ")[1]
    if await _permits(dns, policy, wanted, limits):
        return Finding("found", policies)
    return Finding("wrong", policies, f"Put {wanted} into the record that is there.")


async def _permits(dns: Dns, policy: str, wanted: str, limits: DomainLimits) -> bool:
    """Whether the policy, or one that it includes, names ``wanted`` (RFC 7208 sections 5.2, 6.1)."""
    waiting = [policy]
    seen: set[str] = set()
    while waiting:
        for term in _SPACE.split(lowered(waiting.pop())):
            plain = term.removeprefix("+")
            if plain == wanted:
                return True
            other = plain.removeprefix("include:").removeprefix("redirect=")
            if other == plain or other in seen or len(seen) >= limits.max_spf_lookups:
                continue
            seen.add(other)
            try:
                waiting += _policies(await _texts(dns, other))[:1]
            except NoSuchName:
                continue
    return False


async def _dkim(dns: Dns, record: Record, limits: DomainLimits) -> Finding:
    if record.type == "CNAME":
        return await _relay_key(dns, record)
    texts = await _texts(dns, record.name)
    if not texts:
        return _absent(record)
    text, *others = texts
    if others:
        return Finding("wrong", texts, "There may be only one record at the name of a key.")
    wanted, there = _tags(record.value), _tags(text)
    if there.get("p") == "":
        return Finding("wrong", texts, "The key is revoked: its p= is empty.")
    if there.get("v", "DKIM1") != "DKIM1" or there.get("k", "rsa") != wanted["k"]:
        return Finding("wrong", texts, "This is no key of the right kind.")
    if there.get("p") != wanted["p"]:
        return Finding("wrong", texts, "Another key, or only a part of this one, stands here.")
    return Finding("found", texts)


async def _relay_key(dns: Dns, record: Record) -> Finding:
    hosts = await dns.cname(record.name)
    if not hosts:
        return _absent(record)
    shown = tuple(f"{host}." for host in hosts)
    if hosts == (record.value,):
        return Finding("found", shown)
    return Finding("wrong", shown, "It leads to another key.")


async def _dmarc(dns: Dns, record: Record, limits: DomainLimits) -> Finding:
    texts = await _texts(dns, record.name)
    policies = tuple(text for text in texts if _tags(text).get("v") == "DMARC1")
    if not policies:
        if texts:
            return Finding("wrong", texts, "This is no DMARC record: it must begin with v=DMARC1.")
        return _absent(record)
    policy, *others = policies
    if others:
        return Finding("wrong", policies, "There may be only one DMARC record.")
    if lowered(_tags(policy).get("p", "")) not in ("none", "quarantine", "reject"):
        return Finding("wrong", policies, "Its p= must be none, quarantine or reject.")
    return Finding("found", policies)


async def _srv(dns: Dns, record: Record, limits: DomainLimits) -> Finding:
    services = await dns.srv(record.name)
    shown = tuple(f"{s.priority} {s.weight} {s.port} {s.host}." for s in services)
    if not services:
        return _absent(record)
    _, _, port, host = record.value.split(" ")
    if any(str(s.port) == port and s.host == lowered(host) for s in services):
        return Finding("found", shown)
    return Finding("wrong", shown, "Mail programs are sent to another server.")


_CHECKS: Final[dict[str, Callable[[Dns, Record, DomainLimits], Awaitable[Finding]]]] = {
    "challenge": _challenge,
    "mx": _mx,
    "subdomains_mx": _mx,
    "spf": _spf,
    "dkim": _dkim,
    "dmarc": _dmarc,
    "srv": _srv,
}


async def _texts(dns: Dns, name: str) -> tuple[str, ...]:
    return tuple(each.decode("latin-1") for each in await dns.txt(name))


def _policies(texts: Sequence[str]) -> tuple[str, ...]:
    """The SPF records among texts (RFC 7208 section 4.5)."""
    return tuple(t for t in texts if lowered(t) == "v=spf1" or lowered(t[:7]) == "v=spf1 ")


def _tags(text: str) -> dict[str, str]:
    """A list of tags (RFC 6376 section 3.2); white space inside of values means nothing here."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            tags.setdefault(name.strip(" \t\r\n"), _SPACE.sub("", value))
    return tags


def _absent(record: Record) -> Finding:
    return Finding("missing", (), f"There is no such {record.type} record.")


def _bounded(finding: Finding, limits: DomainLimits) -> Finding:
    """What was found, as it may be shown: somebody else wrote it."""
    most = limits.max_found_characters
    shown = tuple(_SHOWABLE.sub("?", each[:most]) for each in finding.found[: limits.max_found])
    return Finding(finding.status, shown, finding.reason)
