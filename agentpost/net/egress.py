"""Requests to URLs that customers name: where they may go, and how they get there.

Whoever may choose a URL must not reach what only this machine reaches (server-side request
forgery).  So a URL is read strictly, its name is resolved once, every address is held against the
table below, and the connection goes to an address that passed; nothing is resolved a second time,
and redirects are not followed.

Sources: the IANA registries of special-purpose addresses (RFC 6890), of IPv6 global unicast
addresses and of multicast; RFC 3986 section 3.2.2 for hosts.  ``ipaddress.is_global`` is not used:
it takes several special networks for public ones.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

import h11
import trio

from agentpost.net.limits import EgressLimits
from agentpost.net.networks import Network

Address = IPv4Address | IPv6Address
Lookup = Callable[[str], Awaitable[Sequence[Address]]]
"""All addresses of a name.  Raises: EgressFailed."""

_NOT_PUBLIC_4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this host (RFC 791)
            "10.0.0.0/8",  # private (RFC 1918)
            "100.64.0.0/10",  # behind a carrier's translator (RFC 6598)
            "127.0.0.0/8",  # loopback (RFC 1122)
            "169.254.0.0/16",  # link local, with the clouds' metadata (RFC 3927)
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments (RFC 6890)
            "192.0.2.0/24",  # documentation (RFC 5737)
            "192.88.99.0/24",  # relays of 6to4 (RFC 7526)
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarks (RFC 2544)
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast (RFC 5771)
            "240.0.0.0/4",  # reserved, with the broadcast address (RFC 1112)
        ),
    )
)
_GLOBAL_6: Final = IPv6Network("2000::/3")
"""All global unicast there is (RFC 4291).  Mapped, translated (64:ff9b::/96), unique local, link
local, multicast and segment routing addresses lie outside."""
_NOT_PUBLIC_6: Final = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks (RFC 2928)
            "2001:db8::/32",  # documentation (RFC 3849)
            "2002::/16",  # 6to4: an IPv4 address of anyone's choice inside (RFC 3056)
            "3fff::/20",  # documentation (RFC 9637)
        ),
    )
)
_BAD_PORTS: Final = frozenset(
    # Services that take a request for a command of theirs (the Fetch standard's list above 1023),
    # and stores that often stand open.
    {
        *(1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667),
        *(6668, 6669, 6679, 6697, 10080),
        *(2375, 2379, 3306, 5432, 6379, 9200, 11211, 27017),
    }
)
_PORTS: Final = {"http": 80, "https": 443}
_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[^\s/?#@:\\\[\]%]{1,253})"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>/[!-\"$-\[\]-~]*)?(?P<query>\?[!-\"$-\[\]-~]*)?",
)
_NAME: Final = re.compile(
    r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*",
    re.ASCII,
)
_NUMBER: Final = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)", re.ASCII)
_LOOPBACK: Final[tuple[Address, ...]] = (IPv4Address("127.0.0.1"), IPv6Address("::1"))
_READ_OCTETS: Final = 16_384
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")
_TO_4: Final = IPv6Network("2002::/16")


class EgressRefused(Exception):
    """The URL, or an address that it leads to, is not one that may be reached."""


class EgressFailed(Exception):
    """Nothing was answered; ``reason`` is a word of ours, the same for every closed door."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart; ``host`` is a name in lower case or a canonical address."""

    scheme: str
    host: str
    port: int
    path: str
    """With the query."""
    literal: Address | None

    @property
    def authority(self) -> str:
        """What the Host field says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said; ``body`` is its beginning."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes
    took_ms: int

    def field(self, name: str) -> str | None:
        """The first header field of this name, which is in lower case."""
        return next((value for found, value in self.fields if found == name), None)


def public(address: Address) -> bool:
    """Whether an address is global unicast, and no other address hides in it."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    return address in _GLOBAL_6 and not any(address in network for network in _NOT_PUBLIC_6)


def inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for (mapped, compatible, translated, 6to4)."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    number = int(address)
    if address in _TRANSLATED or (number >> 32 == 0 and number > 1):
        return IPv4Address(number & 0xFFFFFFFF)
    if address in _TO_4:
        return IPv4Address(number >> 80 & 0xFFFFFFFF)
    return address


def permitted(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether a request may go there: a public address, or one in an ``allowed`` network."""
    if public(address):
        return True
    meant = inner(address)
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return False
    return any(meant.version == network.version and meant in network for network in allowed)


def target_of(url: str, allowed: Sequence[Network] = ()) -> Target:
    """A URL taken apart, as far as it may be reached: what is written in it is checked here.

    Raises: EgressRefused with a text for whoever wrote it.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise EgressRefused(
            "must be http:// or https://, a host, and a path, without user, fragment or backslash"
        )
    host, literal = _host(match["host"])
    scheme = match["scheme"]
    port = _PORTS[scheme] if match["port"] is None else int(match["port"])
    if port not in _PORTS.values() and (not 1024 <= port < 65536 or port in _BAD_PORTS):
        raise EgressRefused("must have the port 80, 443, or one from 1024 that takes requests")
    target = Target(scheme, host, port, (match["path"] or "/") + (match["query"] or ""), literal)
    known = _known(target)
    if known and not any(permitted(each, allowed) for each in known):
        raise EgressRefused("must not lead to an address inside a private or special network")
    return target


def _known(target: Target) -> tuple[Address, ...]:
    """The addresses that a host has whatever a resolver says."""
    if target.literal is not None:
        return (target.literal,)
    return _LOOPBACK if f".{target.host}".endswith(".localhost") else ()


def _host(written: str) -> tuple[str, Address | None]:
    if written.startswith("["):
        try:
            six = IPv6Address(written[1:-1])
        except AddressValueError:
            raise EgressRefused("holds an IPv6 address that is none") from None
        return str(six), six
    name = written
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            raise EgressRefused("holds a host name that cannot be one") from None
    name = name.lower().removesuffix(".")
    if len(name) > 253 or _NAME.fullmatch(name) is None:
        raise EgressRefused("holds a host name that cannot be one")
    # Numbers in other forms are addresses to some resolvers and names to others.
    if _NUMBER.fullmatch(name.rpartition(".")[2]) is None:
        return name, None
    try:
        four = IPv4Address(name)
    except AddressValueError:
        raise EgressRefused("holds an address that is not written as 192.0.2.1 is") from None
    return name, four


@dataclass(frozen=True, slots=True)
class _Reading:
    """How much of an answer is read and kept; ``whole`` takes all of it or nothing."""

    read_octets: int
    kept_octets: int
    whole: bool = False


class Egress:
    """Sends requests to customers' URLs."""

    def __init__(
        self,
        lookup: Lookup,
        allowed: Sequence[Network] = (),
        limits: EgressLimits | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """``allowed`` are networks that may be reached although they are not public."""
        self._lookup = lookup
        self.allowed = tuple(allowed)
        self._limits = limits or EgressLimits()
        self._context = context

    async def post(
        self, url: str, fields: Sequence[tuple[str, str]], body: bytes, timeout_s: float
    ) -> Answer:
        """POST ``body`` and read the beginning of the answer, all within ``timeout_s``.

        Raises: EgressRefused, EgressFailed.
        """
        limits = self._limits
        sent = (*fields, ("content-length", str(len(body))))
        reading = _Reading(limits.answer_octets, limits.kept_octets)
        return await self._request("POST", url, sent, body, reading, timeout_s)

    async def get(
        self, url: str, fields: Sequence[tuple[str, str]], most_octets: int, timeout_s: float
    ) -> Answer:
        """GET the whole of what lies at ``url``, which has at most ``most_octets``.

        Raises: EgressRefused; EgressFailed, with ``too_large`` when it has more.
        """
        reading = _Reading(most_octets, most_octets, whole=True)
        return await self._request("GET", url, fields, b"", reading, timeout_s)

    async def _request(
        self,
        method: str,
        url: str,
        fields: Sequence[tuple[str, str]],
        body: bytes,
        reading: _Reading,
        timeout_s: float,
    ) -> Answer:
        target = target_of(url, self.allowed)
        began = time.monotonic()
        head = [("host", target.authority), *fields, ("connection", "close")]
        request = h11.Request(method=method, target=target.path, headers=head)
        stream: trio.abc.Stream | None = None
        try:
            with trio.fail_after(timeout_s):
                stream = await self._open(target)
                answer = await self._exchange(stream, request, body, reading)
        except trio.TooSlowError:
            raise EgressFailed("timeout") from None
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.ProtocolError):
            raise EgressFailed("no_answer") from None
        finally:
            if stream is not None:
                await trio.aclose_forcefully(stream)
        status, found, kept = answer
        return Answer(status, found, kept, round((time.monotonic() - began) * 1000))

    async def _addresses(self, target: Target) -> Sequence[Address]:
        found = _known(target) or await self._lookup(target.host)
        if not found:
            raise EgressFailed("lookup_failed")
        reachable = [each for each in found if permitted(each, self.allowed)]
        # One bad address spoils the name; but localhost has two, of which one may be allowed.
        if not reachable or (len(reachable) < len(found) and not _known(target)):
            raise EgressRefused("leads to an address inside a private or special network")
        return reachable[: self._limits.addresses]

    async def _open(self, target: Target) -> trio.abc.Stream:
        for address in await self._addresses(target):
            stream = await self._connect(address, target.port)
            if stream is not None:
                return stream if target.scheme == "http" else await self._secure(stream, target)
        raise EgressFailed("connect_failed")

    async def _connect(self, address: Address, port: int) -> trio.SocketStream | None:
        family = trio.socket.AF_INET if address.version == 4 else trio.socket.AF_INET6
        sock = trio.socket.socket(family, trio.socket.SOCK_STREAM)
        try:
            with trio.fail_after(self._limits.connect_s):
                await sock.connect((str(address), port))
            return trio.SocketStream(sock)
        except (OSError, trio.TooSlowError):
            sock.close()
            return None
        except BaseException:
            sock.close()
            raise

    async def _secure(self, stream: trio.SocketStream, target: Target) -> trio.abc.Stream:
        if self._context is None:
            self._context = ssl.create_default_context()
            self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        secured = trio.SSLStream(
            stream, self._context, server_hostname=target.host, https_compatible=True
        )
        try:
            await secured.do_handshake()
        except trio.BrokenResourceError:
            await trio.aclose_forcefully(stream)
            raise EgressFailed("tls_failed") from None
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return secured

    async def _exchange(
        self,
        stream: trio.abc.Stream,
        request: h11.Request,
        body: bytes,
        reading: _Reading,
    ) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
        wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=self._limits.answer_octets)
        octets = wire.send(request) or b""
        if body:
            octets += wire.send(h11.Data(data=body)) or b""
        octets += wire.send(h11.EndOfMessage()) or b""
        try:
            await stream.send_all(octets)
        except trio.BrokenResourceError:
            # Who refuses early may have answered all the same.
            pass
        return await self._answer(stream, wire, reading)

    async def _answer(
        self, stream: trio.abc.Stream, wire: h11.Connection, reading: _Reading
    ) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
        response: h11.Response | None = None
        kept = bytearray()
        read = 0
        while True:
            event = wire.next_event()
            if event is h11.NEED_DATA:
                if read > reading.read_octets + self._limits.answer_octets:
                    if reading.whole:
                        raise EgressFailed("too_large")
                    break
                octets = await _some(stream)
                read += len(octets)
                wire.receive_data(octets)
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                if reading.whole and len(kept) + len(event.data) > reading.kept_octets:
                    raise EgressFailed("too_large")
                kept += bytes(event.data)[: reading.kept_octets - len(kept)]
            elif not isinstance(event, h11.InformationalResponse):
                break
        if response is None:
            raise EgressFailed("no_answer")
        return response.status_code, self._kept_fields(response), bytes(kept)

    def _kept_fields(self, response: h11.Response) -> tuple[tuple[str, str], ...]:
        limits = self._limits
        return tuple(
            (name.decode("latin-1"), value[: limits.kept_field_octets].decode("latin-1"))
            for name, value in list(response.headers)[: limits.kept_fields]
        )


async def _some(stream: trio.abc.Stream) -> bytes:
    try:
        return bytes(await stream.receive_some(_READ_OCTETS))
    except trio.BrokenResourceError as error:
        # A server that ends TLS without saying so has ended; h11 knows whether too early.
        if isinstance(error.__cause__, ssl.SSLEOFError):
            return b""
        raise
