"""Whether a host may send mail for a domain: check_host() of RFC 7208.

Asks whoever answers :class:`agentpost.model.dns.Dns` and reaches no network itself.  Explanations
(section 6.2) are read for their syntax only: nobody is shown them, and they are a stranger's text.

How it works: one check holds what stays the same over include and redirect, and counts terms that
ask and terms that get nothing over all of them (section 4.6.4).  The three ways out other than a
verdict are exceptions, because they end the whole check wherever they arise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final

from agentpost.auth import spf_record
from agentpost.auth.addresses import lowered
from agentpost.auth.names import ascii_name, is_under
from agentpost.auth.spf_record import Directive, MacroString, Record, SpfSyntax
from agentpost.limits import AuthenticationLimits
from agentpost.model.authentication import Spf, SpfResult
from agentpost.model.dns import Address, Dns, LookupFailed, NoSuchName

_VERDICTS: Final[dict[str, SpfResult]] = {
    "+": "pass",
    "-": "fail",
    "~": "softfail",
    "?": "neutral",
}
_NAME_CHARACTERS: Final = 253


class _Permanent(Exception):
    """The domain's records are wrong."""


@dataclass(slots=True)
class _Counts:
    lookups: int = 0
    voids: int = 0
    names: tuple[str, ...] | None = None
    """Validated names of the address, once they were asked for."""


@dataclass(frozen=True, slots=True)
class _Check:
    """What stays the same from the first record to the last."""

    address: Address
    local: str
    domain: str
    helo: str
    dns: Dns
    limits: AuthenticationLimits
    counts: _Counts = field(default_factory=_Counts)


async def check(
    address: Address,
    reverse_path: str,
    helo: str,
    dns: Dns,
    limits: AuthenticationLimits,
) -> Spf:
    """The verdict on ``address`` sending for ``reverse_path``, or for ``helo`` when that is empty.

    Both as they came over SMTP, the domain in any script.  Never raises; the caller sets the deadline.
    Source: RFC 7208 sections 2.4 and 4.3.
    """
    local, _, domain = reverse_path.rpartition("@")
    domain = domain if reverse_path else helo
    name = ascii_name(domain)
    if name is None or "." not in name:
        return Spf("none", name or "", "the domain is not a fully qualified name")
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    one = _Check(address, local or "postmaster", name, helo, dns, limits)
    try:
        result = await _check_host(one, name)
    except LookupFailed as error:
        return Spf("temperror", name, str(error))
    except (_Permanent, SpfSyntax) as error:
        return Spf("permerror", name, str(error))
    return Spf(result, name)


async def _check_host(one: _Check, domain: str) -> SpfResult:
    """Raises: LookupFailed, _Permanent, SpfSyntax."""
    record = await _record(one, domain)
    if record is None:
        return "none"
    for directive in record.directives:
        if await _matches(one, directive, domain):
            return _VERDICTS[directive.qualifier]
    if record.redirect is None:
        return "neutral"
    _count(one)
    target = await _target(one, record.redirect, domain)
    result = await _check_host(one, target)
    if result == "none":
        raise _Permanent(f"{target} is redirected to and has no SPF record")
    return result


async def _record(one: _Check, domain: str) -> Record | None:
    """The one SPF record of a domain (section 4.5)."""
    try:
        texts = await one.dns.txt(domain)
    except NoSuchName:
        return None
    records = [each for each in texts if spf_record.is_record(each)]
    if len(records) > 1:
        raise _Permanent(f"{domain} has {len(records)} SPF records")
    if not records:
        return None
    if len(records[0]) > one.limits.spf_record_octets:
        raise _Permanent(f"the SPF record of {domain} is too long")
    return spf_record.parse(records[0])


async def _matches(one: _Check, directive: Directive, domain: str) -> bool:
    if directive.name == "all":
        return True
    if directive.network is not None:
        return _within(one.address, directive.network.network_address, directive.network.prefixlen)
    _count(one)
    target = domain
    if directive.target is not None:
        target = await _target(one, directive.target, domain)
    if directive.name == "include":
        return await _included(one, target)
    if directive.name == "ptr":
        return any(is_under(name, lowered(target)) for name in await _names(one))
    if directive.name == "exists":
        return bool(await _addresses(one, target, only_ipv4=True))
    hosts = [target] if directive.name == "a" else await _exchangers(one, target)
    for host in hosts:
        found = await _addresses(one, host, void_counts=directive.name == "a")
        bits = directive.bits4 if isinstance(one.address, IPv4Address) else directive.bits6
        if any(_within(one.address, each, bits) for each in found):
            return True
    return False


async def _included(one: _Check, target: str) -> bool:
    """The table of section 5.2."""
    result = await _check_host(one, target)
    if result == "none":
        raise _Permanent(f"{target} is included and has no SPF record")
    return result == "pass"


async def _exchangers(one: _Check, target: str) -> list[str]:
    try:
        found = await one.dns.mx(target)
    except NoSuchName:
        found = ()
    if not found:
        _count_void(one, target)
    if len(found) > one.limits.spf_names:
        raise _Permanent(f"{target} has more than {one.limits.spf_names} mail exchangers")
    return [each.host for each in found if each.host]


async def _addresses(
    one: _Check, name: str, *, only_ipv4: bool = False, void_counts: bool = True
) -> tuple[Address, ...]:
    """Addresses in the family of the client; none when there is no such name."""
    found: tuple[Address, ...] = ()
    try:
        # A macro gave what no name may hold (RFC 8616 section 4): it matches nothing.
        if name.isascii():
            wants_ipv4 = only_ipv4 or isinstance(one.address, IPv4Address)
            found = await (one.dns.a(name) if wants_ipv4 else one.dns.aaaa(name))
    except NoSuchName:
        pass
    if not found and void_counts:
        _count_void(one, name)
    return found


async def _names(one: _Check) -> tuple[str, ...]:
    """Names of the client whose addresses lead back to it (section 5.5); failures are no names."""
    if one.counts.names is not None:
        return one.counts.names
    one.counts.names = ()
    try:
        claimed = await one.dns.ptr(one.address)
    except (NoSuchName, LookupFailed):
        claimed = ()
    valid: list[str] = []
    for name in claimed[: one.limits.spf_names]:
        try:
            if one.address in await _addresses(one, name, void_counts=False):
                valid.append(lowered(name))
        except LookupFailed:
            continue
    one.counts.names = tuple(valid)
    if not claimed:
        _count_void(one, one.address.reverse_pointer)
    return one.counts.names


async def _target(one: _Check, text: MacroString, domain: str) -> str:
    """The name that a domain-spec stands for, at most 253 characters of it (section 7.3)."""
    values = {
        "s": f"{one.local}@{one.domain}",
        "l": one.local,
        "o": one.domain,
        "d": domain,
        "i": _dotted(one.address),
        "v": "in-addr" if isinstance(one.address, IPv4Address) else "ip6",
        "h": one.helo,
    }
    if "p" in spf_record.letters(text):
        _count(one)
        values["p"] = _best(await _names(one), domain)
    name = spf_record.expand(text, values)
    return spf_record.shortened(name.removesuffix("."), _NAME_CHARACTERS)


def _best(names: tuple[str, ...], domain: str) -> str:
    """The domain itself, else a name under it, else any (section 7.3)."""
    under = [name for name in names if is_under(name, domain)]
    if domain in under:
        return domain
    return (under or [*names] or ["unknown"])[0]


def _dotted(address: Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return ".".join(address.exploded.replace(":", ""))


def _within(address: Address, network: Address, bits: int) -> bool:
    if address.version != network.version:
        return False
    return address in ip_network((network, bits), strict=False)


def _count(one: _Check) -> None:
    one.counts.lookups += 1
    if one.counts.lookups > one.limits.spf_lookups:
        raise _Permanent(f"more than {one.limits.spf_lookups} terms ask the DNS")


def _count_void(one: _Check, name: str) -> None:
    one.counts.voids += 1
    if one.counts.voids > one.limits.spf_void_lookups:
        raise _Permanent(f"too many terms lead to nothing, the last one to {name}")
