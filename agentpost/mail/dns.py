"""The domain name system: every record that mail is sent, judged and verified by.

Sources: RFC 1035, RFC 2308 (what does not exist is remembered too), RFC 6891.  dnspython speaks the
protocol on Trio; here are the deadlines, the bounds, the memory of answers and the three outcomes
of :mod:`agentpost.model.dns`.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver
import trio

from agentpost.config import Address as ServerAddress
from agentpost.limits import DnsLimits
from agentpost.model.dns import Address, Dns, LookupFailed, Mx, NoSuchName, Srv
from agentpost.net.egress import EgressFailed, Lookup

__all__ = ["Dns", "LookupFailed", "Mx", "NoSuchName", "Resolver", "Srv", "addresses"]

_ENTRY_OCTETS: Final = 400
"""What one remembered answer takes besides its records."""
_RECORD_OCTETS: Final = 120
"""What one record takes besides its text."""

Key = tuple[str, str]
"""A name and the type that was asked for."""


@dataclass(frozen=True, slots=True)
class _Remembered:
    records: tuple[Any, ...]
    missing: bool
    failure: str | None
    until: float
    octets: int


class Resolver:
    """Asks the name servers of the system, or ``server``; remembers what they said.

    One for a worker.  Implements :class:`agentpost.model.dns.Dns`.
    """

    def __init__(
        self, server: ServerAddress | None = None, limits: DnsLimits | None = None
    ) -> None:
        self._limits = limits or DnsLimits()
        self._server = server
        self._client: dns.asyncresolver.Resolver | None = None
        self._turns = trio.CapacityLimiter(self._limits.concurrency)
        self._memory: OrderedDict[Key, _Remembered] = OrderedDict()
        self._octets = 0

    async def txt(self, name: str) -> tuple[bytes, ...]:
        """See :class:`Dns`."""
        found = await self._ask(name, "TXT")
        return tuple(each for each in found if isinstance(each, bytes))

    async def a(self, name: str) -> tuple[IPv4Address, ...]:
        """See :class:`Dns`."""
        return tuple(IPv4Address(each) for each in await self._ask(name, "A"))

    async def aaaa(self, name: str) -> tuple[IPv6Address, ...]:
        """See :class:`Dns`."""
        return tuple(IPv6Address(each) for each in await self._ask(name, "AAAA"))

    async def mx(self, name: str) -> tuple[Mx, ...]:
        """See :class:`Dns`."""
        return tuple(sorted(Mx(*each) for each in await self._ask(name, "MX")))

    async def ns(self, name: str) -> tuple[str, ...]:
        """See :class:`Dns`."""
        return tuple(sorted(await self._ask(name, "NS")))

    async def cname(self, name: str) -> tuple[str, ...]:
        """See :class:`Dns`."""
        return await self._ask(name, "CNAME")

    async def srv(self, name: str) -> tuple[Srv, ...]:
        """See :class:`Dns`."""
        return tuple(sorted(Srv(*each) for each in await self._ask(name, "SRV")))

    async def ptr(self, address: Address) -> tuple[str, ...]:
        """See :class:`Dns`."""
        return tuple(sorted(await self._ask(address.reverse_pointer, "PTR")))

    def forget(self, domain: str) -> None:
        """Ask anew about ``domain`` and what lies under it: its owner says that it has changed."""
        ending = domain.lower()
        for key in [*self._memory]:
            if key[0] == ending or key[0].endswith("." + ending):
                self._octets -= self._memory.pop(key).octets

    async def _ask(self, name: str, kind: str) -> tuple[Any, ...]:
        wanted = _name(name)
        key = (name.lower().removesuffix("."), kind)
        known = self._recall(key)
        if known is None:
            known = await self._look_up(wanted, key)
            self._remember(key, known)
        else:
            # So that a caller that asks in a loop gives way whether or not the answer is known.
            await trio.lowlevel.checkpoint()
        if known.missing:
            raise NoSuchName(name)
        if known.failure is not None:
            raise LookupFailed(name, known.failure)
        return known.records

    async def _look_up(self, wanted: dns.name.Name, key: Key) -> _Remembered:
        limits = self._limits
        begun: float | None = None
        try:
            with trio.fail_after(limits.lookup_s):
                async with self._turns:
                    begun = trio.current_time()
                    answer = await self._made_client().resolve(
                        wanted,
                        key[1],
                        raise_on_no_answer=False,
                        lifetime=limits.lookup_s,
                        search=False,
                        backend=dns.asyncbackend.get_backend("trio"),
                    )
        except dns.resolver.NXDOMAIN as error:
            return self._entry((), ttl=_denial_ttl(error, limits), missing=True)
        except (trio.TooSlowError, dns.exception.Timeout):
            # A turn that never came, or came too late, says nothing about the name.
            asked = begun is not None and trio.current_time() - begun > limits.try_s / 2
            ttl = limits.failed_s if asked else 0.0
            return self._entry((), ttl=ttl, failure="no answer in time")
        except dns.resolver.YXDOMAIN:
            return self._entry((), ttl=limits.max_denial_s, missing=True)
        except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:
            return self._entry((), ttl=limits.failed_s, failure=_reason(error))
        ttl = float(answer.chaining_result.minimum_ttl)
        if answer.rrset is None:
            return self._entry((), ttl=min(ttl, limits.max_denial_s))
        if len(answer.rrset) > limits.max_records:
            return self._entry((), ttl=limits.failed_s, failure="too many records")
        return self._entry(tuple(_plain(key[1], one) for one in answer.rrset), ttl=ttl)

    def _made_client(self) -> dns.asyncresolver.Resolver:
        if self._client is None:
            client = dns.asyncresolver.Resolver(configure=self._server is None)
            if self._server is not None:
                client.nameservers = [self._server.host]
                client.port = self._server.port
            client.timeout = self._limits.try_s
            client.retry_servfail = False
            # What nobody fragments; DKIM keys of 2048 bits fit (RFC 6891 section 6.2.5).
            client.use_edns(0, 0, self._limits.udp_octets)
            self._client = client
        return self._client

    def _entry(
        self,
        records: tuple[Any, ...],
        *,
        ttl: float,
        missing: bool = False,
        failure: str | None = None,
    ) -> _Remembered:
        ttl = max(0.0, min(ttl, self._limits.max_ttl_s))
        octets = _ENTRY_OCTETS + sum(
            _RECORD_OCTETS + (len(each) if isinstance(each, bytes | str) else 0) for each in records
        )
        return _Remembered(records, missing, failure, trio.current_time() + ttl, octets)

    def _recall(self, key: Key) -> _Remembered | None:
        known = self._memory.get(key)
        if known is None:
            return None
        if known.until <= trio.current_time():
            self._drop(key)
            return None
        self._memory.move_to_end(key)
        return known

    def _remember(self, key: Key, entry: _Remembered) -> None:
        limits = self._limits
        self._drop(key)
        if entry.until <= trio.current_time() or limits.cached_entries < 1:
            return
        self._memory[key] = entry
        self._octets += entry.octets
        while self._octets > limits.cached_octets or len(self._memory) > limits.cached_entries:
            self._octets -= self._memory.popitem(last=False)[1].octets

    def _drop(self, key: Key) -> None:
        with contextlib.suppress(KeyError):
            self._octets -= self._memory.pop(key).octets


async def addresses(dns: Dns, host: str) -> tuple[Address, ...]:
    """All addresses of a host, those of IPv4 first; empty when it has none.

    Raises: LookupFailed when neither kind could be asked for.
    """
    found: dict[str, tuple[Address, ...]] = {}
    failed: list[LookupFailed] = []

    async def ask(kind: str, question: Callable[[str], Awaitable[tuple[Address, ...]]]) -> None:
        try:
            found[kind] = await question(host)
        except NoSuchName:
            found[kind] = ()
        except LookupFailed as error:
            failed.append(error)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, "a", dns.a)
        nursery.start_soon(ask, "aaaa", dns.aaaa)
    if not found:
        raise failed[0]
    return found.get("a", ()) + found.get("aaaa", ())


def lookup_by(dns: Dns) -> Lookup:
    """What finds the addresses of a name, for requests to customers' URLs."""

    async def lookup(host: str) -> tuple[Address, ...]:
        try:
            return await addresses(dns, host)
        except LookupFailed:
            raise EgressFailed("lookup_failed") from None

    return lookup


def _name(text: str) -> dns.name.Name:
    """Labels exactly as they stand: a backslash is an octet, not an escape.

    Raises: NoSuchName for what cannot be a name.
    """
    try:
        labels = [_label(each) for each in text.removesuffix(".").split(".")]
        return dns.name.Name([*labels, b""])
    except (dns.exception.DNSException, UnicodeError):
        raise NoSuchName(text) from None


def _label(text: str) -> bytes:
    if text.isascii():
        return text.encode("ascii")
    if len(text) > 63:
        raise dns.name.LabelTooLong
    return text.encode("idna")


def _plain(kind: str, record: Any) -> Any:
    """One record of dnspython as a plain value, which the cache can hold without its parser."""
    if kind == "TXT":
        return b"".join(record.strings)
    if kind in {"A", "AAAA"}:
        return str(record.address)
    if kind == "MX":
        return (int(record.preference), _written(record.exchange))
    if kind == "SRV":
        target = _written(record.target)
        return (int(record.priority), int(record.weight), int(record.port), target)
    return _written(record.target)


def _written(name: dns.name.Name) -> str:
    return "" if name == dns.name.root else name.to_text(omit_final_dot=True).lower()


def _denial_ttl(error: dns.resolver.NXDOMAIN, limits: DnsLimits) -> float:
    """How long the absence holds: the SOA that came along says so (RFC 2308 section 5)."""
    responses: Any = error.responses
    for response in responses().values():
        for rrset in response.authority:
            if rrset.rdtype == dns.rdatatype.SOA:
                return float(min(rrset.ttl, rrset[0].minimum, limits.max_denial_s))
    return limits.failed_s


def _reason(error: BaseException) -> str:
    if isinstance(error, dns.resolver.NoResolverConfiguration):
        return "no name server is configured on this machine"
    if isinstance(error, dns.resolver.NoNameservers):
        return "the name servers refuse or fail"
    return type(error).__name__ if isinstance(error, dns.exception.DNSException) else str(error)
