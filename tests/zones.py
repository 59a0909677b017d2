"""A domain name system made of a mapping, for whoever is given a resolver."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

from agentpost.model.dns import Address, LookupFailed, Mx, NoSuchName, Srv

FAILS: Final = object()
"""Instead of records, or of a whole name: the lookup fails for now."""
Zone = Mapping[str, Any]
"""Name -> type -> records; TXT as text or octets, MX as (preference, host), SRV as
(priority, weight, port, host), the rest as text.  ``FAILS`` may stand for either level."""


class ZoneResolver:
    """Answers from ``zone``; ``asked`` tells what was wanted, in order."""

    def __init__(self, zone: Zone) -> None:
        self.zone = {name.lower().removesuffix("."): types for name, types in zone.items()}
        self.asked: list[tuple[str, str]] = []

    async def txt(self, name: str) -> tuple[bytes, ...]:
        return tuple(_octets(each) for each in self._records(name, "TXT"))

    async def a(self, name: str) -> tuple[IPv4Address, ...]:
        return tuple(IPv4Address(each) for each in self._records(name, "A"))

    async def aaaa(self, name: str) -> tuple[IPv6Address, ...]:
        return tuple(IPv6Address(each) for each in self._records(name, "AAAA"))

    async def mx(self, name: str) -> tuple[Mx, ...]:
        return tuple(sorted(Mx(*each) for each in self._records(name, "MX")))

    async def ns(self, name: str) -> tuple[str, ...]:
        return tuple(sorted(self._records(name, "NS")))

    async def cname(self, name: str) -> tuple[str, ...]:
        return tuple(self._records(name, "CNAME"))

    async def srv(self, name: str) -> tuple[Srv, ...]:
        return tuple(sorted(Srv(*each) for each in self._records(name, "SRV")))

    async def ptr(self, address: Address) -> tuple[str, ...]:
        return tuple(sorted(self._records(address.reverse_pointer, "PTR")))

    def forget(self, domain: str) -> None:
        """Nothing is remembered."""

    def _records(self, name: str, kind: str) -> Iterable[Any]:
        key = name.lower().removesuffix(".")
        self.asked.append((key, kind))
        if key not in self.zone:
            raise NoSuchName(name)
        types: Any = self.zone[key]
        records: Any = types if types is FAILS else types.get(kind, ())
        if records is FAILS:
            raise LookupFailed(name, "planted")
        return [records] if isinstance(records, str | bytes) else list(records)


def _octets(record: str | bytes) -> bytes:
    return record.encode() if isinstance(record, str) else record
