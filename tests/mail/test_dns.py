"""The resolver against a name server of our own on loopback."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, ip_address

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
import trio
import trio.testing

from agentpost.config import Address
from agentpost.limits import DnsLimits
from agentpost.mail.dns import LookupFailed, Mx, NoSuchName, Resolver, Srv

Records = dict[tuple[str, str], list[str]]


@dataclass
class NameServer:
    """Answers over UDP and TCP; ``mute`` names are never answered, ``broken`` ones SERVFAIL."""

    records: Records
    port: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)
    mute: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    ttl: int = 600

    def answer(self, octets: bytes, *, over_tcp: bool) -> bytes | None:
        query = dns.message.from_wire(octets)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = question.rdtype.name
        self.asked.append((name, kind))
        if name in self.mute:
            return None
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if name in self.broken:
            response.set_rcode(dns.rcode.SERVFAIL)
            return response.to_wire()
        found = self.records.get((name, kind))
        if found is None:
            if not any(name == known for known, _ in self.records):
                response.set_rcode(dns.rcode.NXDOMAIN)
            soa = f"ns.{name}. admin.{name}. 1 1 1 1 120"
            response.authority.append(dns.rrset.from_text(question.name, 900, "IN", "SOA", soa))
            return response.to_wire()
        response.answer.append(dns.rrset.from_text(question.name, self.ttl, "IN", kind, *found))
        wire = response.to_wire(max_size=65_535)
        if len(wire) > 1232 and not over_tcp:
            response.answer.clear()
            response.flags |= dns.flags.TC
            wire = response.to_wire()
        return wire


async def _same_port() -> tuple[trio.socket.SocketType, list[trio.SocketListener]]:
    """A port that is free for datagrams and for streams; other tests take ports meanwhile."""
    for _ in range(50):
        udp = trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        await udp.bind(("127.0.0.1", 0))
        try:
            return udp, await trio.open_tcp_listeners(udp.getsockname()[1], host="127.0.0.1")
        except OSError:
            udp.close()
    raise AssertionError("no port is free for both")


@asynccontextmanager
async def serving(records: Records) -> AsyncIterator[NameServer]:
    server = NameServer(records)
    udp, listeners = await _same_port()
    server.port = udp.getsockname()[1]

    async def datagrams() -> None:
        while True:
            try:
                octets, peer = await udp.recvfrom(65_535)
            except trio.ClosedResourceError:
                return
            reply = server.answer(octets, over_tcp=False)
            if reply is not None:
                await udp.sendto(reply, peer)

    async def stream(client: trio.SocketStream) -> None:
        octets = bytes(await client.receive_some(65_535))
        while len(octets) < 2 or len(octets) < 2 + int.from_bytes(octets[:2], "big"):
            octets += bytes(await client.receive_some(65_535))
        reply = server.answer(octets[2:], over_tcp=True)
        if reply is not None:
            await client.send_all(len(reply).to_bytes(2, "big") + reply)
        await client.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, stream, listeners)
        nursery.start_soon(datagrams)
        try:
            yield server
        finally:
            udp.close()
            nursery.cancel_scope.cancel()


def resolver(server: NameServer, limits: DnsLimits | None = None) -> Resolver:
    return Resolver(Address("127.0.0.1", server.port), limits)


ZONE: Records = {
    ("example.test", "TXT"): ['"v=spf1 " "-all"', '"second; with \\"quotes\\" \\195\\164"'],
    ("example.test", "A"): ["192.0.2.1", "192.0.2.2"],
    ("example.test", "AAAA"): ["2001:db8::1"],
    ("example.test", "MX"): ["20 b.example.test.", "10 A.example.test."],
    ("nomail.test", "MX"): ["0 ."],
    ("example.test", "NS"): ["ns2.example.test.", "ns1.example.test."],
    ("alias.example.test", "CNAME"): ["example.test."],
    ("_imaps._tcp.example.test", "SRV"): ["10 5 993 imap.example.test."],
    ("1.2.0.192.in-addr.arpa", "PTR"): ["Host.example.test."],
}


async def test_every_type_comes_as_a_plain_value() -> None:
    async with serving(ZONE) as server:
        dns_ = resolver(server)
        assert set(await dns_.txt("Example.TEST.")) == {
            b"v=spf1 -all",
            b'second; with "quotes" \xc3\xa4',
        }
        found = set(await dns_.a("example.test"))
        assert found == {IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")}
        assert await dns_.aaaa("example.test") == (IPv6Address("2001:db8::1"),)
        assert await dns_.mx("example.test") == (
            Mx(10, "a.example.test"),
            Mx(20, "b.example.test"),
        )
        assert await dns_.mx("nomail.test") == (Mx(0, ""),)
        assert await dns_.ns("example.test") == ("ns1.example.test", "ns2.example.test")
        assert await dns_.cname("alias.example.test") == ("example.test",)
        srv = await dns_.srv("_imaps._tcp.example.test")
        assert srv == (Srv(10, 5, 993, "imap.example.test"),)
        assert await dns_.ptr(ip_address("192.0.2.1")) == ("host.example.test",)


async def test_the_three_outcomes_are_told_apart() -> None:
    async with serving(ZONE) as server:
        server.broken.add("broken.test")
        dns_ = resolver(server)
        assert await dns_.mx("alias.example.test") == ()
        with pytest.raises(NoSuchName, match=r"gone\.test does not exist"):
            await dns_.txt("gone.test")
        with pytest.raises(LookupFailed, match="refuse or fail"):
            await dns_.txt("broken.test")


async def test_a_silent_name_server_costs_the_deadline_and_no_more() -> None:
    async with serving({}) as server:
        server.mute.add("mute.test")
        dns_ = resolver(server, DnsLimits(lookup_s=0.05, try_s=0.02))
        with pytest.raises(LookupFailed, match="no answer in time"):
            await dns_.txt("mute.test")
        asked = len(server.asked)
        with pytest.raises(LookupFailed):
            await dns_.txt("mute.test")
        assert len(server.asked) == asked, "a failure is remembered for a while"


async def test_a_turn_that_never_came_says_nothing_about_the_name() -> None:
    async with serving(ZONE) as server:
        server.mute.add("mute.test")
        dns_ = resolver(server, DnsLimits(lookup_s=0.6, try_s=0.6, concurrency=1))

        async def fail(name: str) -> None:
            with pytest.raises(LookupFailed):
                await dns_.txt(name)

        async def wait(name: str) -> None:
            # Its turn comes when its time is nearly over: it may just be answered.
            with contextlib.suppress(LookupFailed):
                await dns_.txt(name)

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fail, "mute.test")
                await trio.testing.wait_all_tasks_blocked()
                nursery.start_soon(wait, "example.test")
        assert await dns_.txt("example.test")


async def test_long_answers_come_over_tcp() -> None:
    text = "x" * 250
    records: Records = {("long.test", "TXT"): [" ".join([f'"{text}"'] * 10)]}
    async with serving(records) as server:
        assert await resolver(server).txt("long.test") == (text.encode() * 10,)
        assert len(server.asked) == 2


async def test_answers_are_remembered_as_long_as_they_hold() -> None:
    async with serving(ZONE) as server:
        dns_ = resolver(server)
        for _ in range(3):
            await dns_.txt("example.test")
            with pytest.raises(NoSuchName):
                await dns_.txt("gone.test")
        assert server.asked == [("example.test", "TXT"), ("gone.test", "TXT")]
        dns_.forget("EXAMPLE.test")
        await dns_.txt("example.test")
        assert len(server.asked) == 3
        server.ttl = 0
        dns_.forget("example.test")
        await dns_.txt("example.test")
        await dns_.txt("example.test")
        assert len(server.asked) == 5


async def test_the_memory_is_bounded_by_entries_and_by_octets() -> None:
    records: Records = {(f"n{i}.test", "TXT"): ['"' + "x" * 200 + '"'] for i in range(8)}
    async with serving(records) as server:
        for limits in (DnsLimits(cached_entries=4), DnsLimits(cached_octets=4 * 720)):
            dns_ = resolver(server, limits)
            for number in range(8):
                await dns_.txt(f"n{number}.test")
            before = len(server.asked)
            await dns_.txt("n7.test")
            assert len(server.asked) == before
            await dns_.txt("n0.test")
            assert len(server.asked) == before + 1


async def test_too_many_records_are_refused() -> None:
    records: Records = {("many.test", "A"): [f"192.0.2.{i}" for i in range(9)]}
    async with serving(records) as server:
        with pytest.raises(LookupFailed, match="too many"):
            await resolver(server, replace(DnsLimits(), max_records=8)).a("many.test")


@pytest.mark.parametrize(
    "name", ["", "a..b", ".", "x" * 64 + ".test", "a." * 127 + "test", "\udc80"]
)
async def test_what_cannot_be_a_name_does_not_exist(name: str) -> None:
    async with serving({}) as server:
        with pytest.raises(NoSuchName):
            await resolver(server).txt(name)
        assert not server.asked


async def test_a_backslash_is_an_octet_of_a_label() -> None:
    r"""``a\.example.test`` must not become one label that holds a dot."""
    async with serving({}) as server:
        with pytest.raises(NoSuchName):
            await resolver(server).txt("a\\.example.test")
        assert server.asked == [("a\\\\.example.test", "TXT")]


async def test_names_of_other_scripts_are_asked_for_in_their_ascii_form() -> None:
    async with serving({("xn--bcher-kva.test", "TXT"): ['"yes"']}) as server:
        assert await resolver(server).txt("bücher.test") == (b"yes",)
