"""Streams and listeners: TLS on the socket, slow and rude peers, faults in handlers."""

from __future__ import annotations

import errno
import logging
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from agentpost import certificate, clock, net
from agentpost.net import listener as listener_module

LIMITS = net.NetLimits()


@pytest.fixture(scope="session")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    directory = tmp_path_factory.mktemp("tls")
    public, private = certificate.make(["localhost", "127.0.0.1"], clock.now())
    (directory / "c.pem").write_bytes(public)
    (directory / "k.pem").write_bytes(private)
    return directory / "c.pem", directory / "k.pem"


@pytest.fixture
def server_tls(tls_files: tuple[Path, Path]) -> net.ServerTls:
    return net.ServerTls(*tls_files)


def client_context(tls_files: tuple[Path, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(tls_files[0]))


@dataclass
class Server:
    port: int
    tally: net.Tally
    stopping: trio.Event
    clients: list[trio.SocketStream] = field(default_factory=list)

    async def connect(self) -> trio.SocketStream:
        self.clients.append(await trio.open_tcp_stream("127.0.0.1", self.port))
        return self.clients[-1]

    async def wait_for_open(self, count: int) -> None:
        """Until so many connections are left: the kernel tells of an end when it likes."""
        with trio.fail_after(10):
            while self.tally.open != count or not self.tally.accepted:
                await trio.sleep(0.001)

    async def connect_tls(self, context: ssl.SSLContext) -> trio.SSLStream[trio.SocketStream]:
        stream = trio.SSLStream(await self.connect(), context, server_hostname="localhost")
        await stream.do_handshake()
        return stream


@asynccontextmanager
async def serving(
    handler: Callable[[net.Stream], Awaitable[None]],
    tls: net.ServerTls | None = None,
    limits: net.NetLimits = LIMITS,
) -> AsyncIterator[Server]:
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    server = Server(sock.getsockname()[1], net.Tally(limits), trio.Event())
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            await net.serve_listener(
                sock,
                handler,
                stopping=server.stopping,
                tally=server.tally,
                limits=limits,
                tls=tls,
            )

        nursery.start_soon(run)
        try:
            yield server
        finally:
            for client in server.clients:
                client.socket.close()
            sock.close()
            nursery.cancel_scope.cancel()


async def echo(stream: net.Stream) -> None:
    while octets := await stream.receive_some():
        await stream.send_all(octets)


async def receive_exactly(stream: Any, count: int) -> bytes:
    received = b""
    while len(received) < count:
        octets = await stream.receive_some(65536)
        assert octets, f"ended after {len(received)} octets"
        received += octets
    return received


@pytest.mark.parametrize("size", [1, 4_095, 4_096, 16_384, 16_385, 1_000_000])
@pytest.mark.parametrize("protected", [False, True])
async def test_octets_come_back_as_they_were_sent(
    server_tls: net.ServerTls, tls_files: tuple[Path, Path], size: int, protected: bool
) -> None:
    sent = bytes(range(256)) * (size // 256 + 1)
    sent = sent[:size]
    async with serving(echo, server_tls if protected else None) as server:
        client: Any = (
            await server.connect_tls(client_context(tls_files))
            if protected
            else await server.connect()
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send_all, sent)
            assert await receive_exactly(client, size) == sent
        await client.aclose()


async def test_what_was_negotiated_is_known(
    server_tls: net.ServerTls, tls_files: tuple[Path, Path]
) -> None:
    seen: list[net.TlsInfo | None] = []

    async def look(stream: net.Stream) -> None:
        seen.append(stream.tls)
        assert stream.peer.address == "127.0.0.1"

    async with serving(look, server_tls) as server:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = client_context(tls_files)
            context.maximum_version = version
            client = await server.connect_tls(context)
            assert await client.receive_some() == b""  # We said goodbye with close_notify.
    assert [info.version for info in seen if info] == ["TLSv1.2", "TLSv1.3"]


@pytest.mark.parametrize(
    "ciphers", ["AES128-SHA", "DHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA"]
)
async def test_weak_suites_are_refused(
    server_tls: net.ServerTls, tls_files: tuple[Path, Path], ciphers: str
) -> None:
    context = client_context(tls_files)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    async with serving(echo, server_tls) as server:
        with pytest.raises(trio.BrokenResourceError):
            await server.connect_tls(context)
        assert server.tally.failed_handshakes == 1
        # Who fails costs nobody else anything.
        await (await server.connect_tls(client_context(tls_files))).aclose()


async def test_nonsense_instead_of_tls_ends_that_connection_only(
    server_tls: net.ServerTls, tls_files: tuple[Path, Path]
) -> None:
    async with serving(echo, server_tls) as server:
        for nonsense in (b"EHLO x\r\n", b"\x16\x03\x01\xff\xff" + bytes(100), b""):
            client = await server.connect()
            with trio.move_on_after(5) as scope, suppress(trio.BrokenResourceError):
                if nonsense:
                    await client.send_all(nonsense)
                await client.send_eof()
                while await client.receive_some():
                    pass
            assert not scope.cancelled_caught
        await (await server.connect_tls(client_context(tls_files))).aclose()


async def test_a_handshake_that_never_ends_is_ended(
    server_tls: net.ServerTls, autojump_clock: trio.testing.MockClock
) -> None:
    async with serving(echo, server_tls) as server:
        client = await server.connect()
        with pytest.raises(trio.BrokenResourceError):  # A reset.
            await client.receive_some()
        assert trio.current_time() >= LIMITS.handshake_s
        assert server.tally.failed_handshakes == 1


async def test_a_peer_that_does_not_read_is_given_up(
    server_tls: net.ServerTls,
    tls_files: tuple[Path, Path],
    autojump_clock: trio.testing.MockClock,
) -> None:
    outcome: list[BaseException] = []
    ended = trio.Event()

    async def flood(stream: net.Stream) -> None:
        try:
            await stream.send_all(bytes(40_000_000))
        except trio.BrokenResourceError as error:
            outcome.append(error)
            ended.set()
            raise

    for tls in (None, server_tls):
        async with serving(flood, tls) as server:
            if tls is None:
                client: Any = await server.connect()
            else:
                client = await server.connect_tls(client_context(tls_files))
            began = trio.current_time()
            await ended.wait()
            assert LIMITS.send_stall_s <= trio.current_time() - began < LIMITS.send_stall_s + 5
            ended = trio.Event()
            await trio.aclose_forcefully(client)
    assert [str(error) for error in outcome] == ["the peer does not read"] * 2


async def test_a_peer_that_sips_is_given_up(autojump_clock: trio.testing.MockClock) -> None:
    limits = replace(LIMITS, send_stall_s=10, send_grace_s=20, send_octets_per_s=10_000_000)
    ended = trio.Event()

    async def flood(stream: net.Stream) -> None:
        try:
            await stream.send_all(bytes(400_000_000))
        finally:
            ended.set()

    async with serving(flood, None, limits) as server:
        client = await server.connect()
        began = trio.current_time()
        while not ended.is_set():
            await trio.sleep(1)  # Never silent for send_stall_s, but far too slow.
            try:
                await client.receive_some(200_000)
            except trio.BrokenResourceError:
                break
        assert trio.current_time() - began < 100


@pytest.mark.parametrize("secure", [True, False])
async def test_what_is_sent_at_once_and_what_follows_arrives_whole(
    secure: bool, server_tls: net.ServerTls, tls_files: tuple[Path, Path]
) -> None:
    octets = bytes(range(256)) * 64 * 400
    blocked = trio.Event()

    async def send(stream: net.Stream) -> None:
        left = bytearray(octets)
        while taken := stream.send_at_once(left):
            del left[:taken]
        assert 0 < len(left) < len(octets)
        assert stream.send_at_once(left) == 0
        blocked.set()
        await stream.send_all(left + b"the end")

    async with serving(send, server_tls if secure else None) as server:
        client: Any = (
            await server.connect_tls(client_context(tls_files))
            if secure
            else await server.connect()
        )
        await blocked.wait()
        received = await receive_exactly(client, len(octets) + 7)
        assert received == octets + b"the end"


async def test_nothing_is_sent_at_once_amid_another_send(server_tls: net.ServerTls) -> None:
    async def send(stream: net.Stream) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, bytes(50_000_000))
            await trio.testing.wait_all_tasks_blocked()
            assert stream.send_at_once(b"x") == 0
            nursery.cancel_scope.cancel()
        assert stream.send_at_once(b"x") == 0
        await stream.aclose()
        assert stream.send_at_once(b"x") == 0
        done.set()

    done = trio.Event()
    async with serving(send) as server:
        await server.connect()
        await done.wait()


async def test_reading_and_writing_at_the_same_time(
    server_tls: net.ServerTls, tls_files: tuple[Path, Path]
) -> None:
    received: list[int] = []

    async def both(stream: net.Stream) -> None:
        async def read() -> None:
            total = 0
            while total < 2_000_000:
                total += len(await stream.receive_some())
            received.append(total)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            nursery.start_soon(stream.send_all, bytes(2_000_000))

    async with serving(both, server_tls) as server:
        client = await server.connect_tls(client_context(tls_files))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send_all, bytes(2_000_000))
            await receive_exactly(client, 2_000_000)
        await client.aclose()
    assert received == [2_000_000]


async def test_two_senders_are_told_apart(
    server_tls: net.ServerTls, tls_files: tuple[Path, Path]
) -> None:
    caught: list[BaseException] = []
    done = trio.Event()

    async def two(stream: net.Stream) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, bytes(50_000_000))
            await trio.testing.wait_all_tasks_blocked()
            try:
                await stream.send_all(b"x")
            except trio.BusyResourceError as error:
                caught.append(error)
            done.set()
            nursery.cancel_scope.cancel()

    async with serving(two, server_tls) as server:
        client = await server.connect_tls(client_context(tls_files))
        await done.wait()
        await trio.aclose_forcefully(client)
    assert len(caught) == 1


async def test_a_cancelled_send_makes_the_stream_unusable_but_closable(
    server_tls: net.ServerTls, tls_files: tuple[Path, Path]
) -> None:
    outcome: list[str] = []
    done = trio.Event()

    async def cancelled(stream: net.Stream) -> None:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.send_all, bytes(50_000_000))
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
        try:
            await stream.send_all(b"x")
        except trio.BrokenResourceError as error:
            outcome.append(str(error))
        done.set()

    async with serving(cancelled, server_tls) as server:
        client = await server.connect_tls(client_context(tls_files))
        await done.wait()
        await trio.aclose_forcefully(client)
    assert outcome == ["an earlier send was not completed"]


async def test_closing_wakes_the_reader(
    server_tls: net.ServerTls, tls_files: tuple[Path, Path]
) -> None:
    outcome: list[type[BaseException]] = []

    async def close_under_reader(stream: net.Stream) -> None:
        async def read() -> None:
            try:
                await stream.receive_some()
            except trio.ClosedResourceError as error:
                outcome.append(type(error))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked()
            stream.abort()
        with pytest.raises(trio.ClosedResourceError):
            await stream.receive_some()

    async with serving(close_under_reader, server_tls) as server:
        client = await server.connect_tls(client_context(tls_files))
        with pytest.raises(trio.BrokenResourceError):
            await client.receive_some()
    assert outcome == [trio.ClosedResourceError]


async def test_the_last_reply_survives_a_peer_that_keeps_talking(
    server_tls: net.ServerTls, tls_files: tuple[Path, Path]
) -> None:
    async def refuse(stream: net.Stream) -> None:
        await stream.receive_some(1)
        await stream.send_all(b"554 enough\r\n")

    async with serving(refuse, server_tls) as server:
        client = await server.connect_tls(client_context(tls_files))
        await client.send_all(bytes(100_000))
        assert await client.receive_some() == b"554 enough\r\n"


async def test_starttls_protects_what_follows(
    server_tls: net.ServerTls, tls_files: tuple[Path, Path]
) -> None:
    async def upgrade(stream: net.Stream) -> None:
        assert isinstance(stream, net.PlainStream)
        assert await stream.receive_some() == b"STARTTLS\r\n"
        await stream.send_all(b"220 go\r\n")
        protected = await net.starttls(stream, server_tls, unread=b"", limits=LIMITS)
        await echo(protected)
        await protected.aclose()

    async with serving(upgrade) as server:
        plain = await server.connect()
        await plain.send_all(b"STARTTLS\r\n")
        assert await plain.receive_some() == b"220 go\r\n"
        client = trio.SSLStream(plain, client_context(tls_files), server_hostname="localhost")
        await client.send_all(b"NOOP\r\n")
        assert await client.receive_some() == b"NOOP\r\n"
        await client.aclose()


@pytest.mark.proves("RFC3207-4.2-1")
@pytest.mark.parametrize("together", [True, False])
async def test_octets_before_the_handshake_never_reach_the_protected_session(
    server_tls: net.ServerTls, together: bool
) -> None:
    raised: list[type[BaseException]] = []
    received: list[bytes] = []
    done = trio.Event()

    async def upgrade(stream: net.Stream) -> None:
        assert isinstance(stream, net.PlainStream)
        octets = b""
        while b"\r\n" not in octets:
            octets += await stream.receive_some(1024 if together else 10)
        line, _, unread = octets.partition(b"\r\n")
        assert line == b"STARTTLS"
        try:
            protected = await net.starttls(stream, server_tls, unread=unread, limits=LIMITS)
            received.append(await protected.receive_some())
        except (net.PlaintextAfterStartTls, net.HandshakeFailed) as error:
            raised.append(type(error))
        done.set()

    async with serving(upgrade) as server:
        client = await server.connect()
        await client.send_all(b"STARTTLS\r\nMAIL FROM:<evil@example>\r\n")
        await done.wait()
        await client.aclose()
    assert received == []
    assert raised == [net.PlaintextAfterStartTls if together else net.HandshakeFailed]


async def test_a_fault_in_a_handler_is_logged_and_ends_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def faulty(stream: net.Stream) -> None:
        if await stream.receive_some() == b"raise":
            raise ZeroDivisionError("a bug")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 0)
            raise ValueError("a bug in a nursery")

    async with serving(faulty) as server:
        for word in (b"raise", b"group"):
            client = await server.connect()
            await client.send_all(word)
            assert await client.receive_some() == b""
        survivor = await server.connect()
        await survivor.aclose()
    faults = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(faults) == 2
    assert all(record.exc_info for record in faults)


async def test_a_lost_connection_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(echo) as server:
        client = await server.connect()
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await client.send_all(b"x")
        client.socket.close()
        await server.wait_for_open(0)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_limits_of_connections_in_all_and_from_one_host() -> None:
    limits = replace(LIMITS, connections_per_address=2)
    async with serving(echo, None, limits) as server:
        first, second = [await server.connect() for _ in range(2)]
        for stream in (first, second):
            await stream.send_all(b"x")
            assert await stream.receive_some() == b"x"
        # The reset may come before connect has returned.
        with pytest.raises((trio.BrokenResourceError, OSError)):
            await (await server.connect()).receive_some()
        assert server.tally.refused == 1
        await first.aclose()
        await server.wait_for_open(1)
        fourth = await server.connect()
        await fourth.send_all(b"x")
        assert await fourth.receive_some() == b"x"
        assert server.tally.open == 2


async def test_stopping_ends_accepting_and_waits_for_handlers() -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    port = sock.getsockname()[1]
    stopping = trio.Event()
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            await net.serve_listener(
                sock, echo, stopping=stopping, tally=net.Tally(LIMITS), limits=LIMITS
            )
            nursery.cancel_scope.cancel()

        nursery.start_soon(run)
        client = await trio.open_tcp_stream("127.0.0.1", port)
        await client.send_all(b"x")
        assert await client.receive_some() == b"x"
        stopping.set()
        await trio.testing.wait_all_tasks_blocked(0.01)
        with pytest.raises(OSError, match="all attempts to connect"):
            await trio.open_tcp_stream("127.0.0.1", port)
        await client.send_all(b"y")
        assert await client.receive_some() == b"y"
        await client.aclose()
        await trio.sleep_forever()


async def test_running_out_of_descriptors_is_survived(
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Exhausted:
        def __init__(self, sock: socket.socket) -> None:
            self._sock = sock
            self._left = 3

        def __getattr__(self, name: str) -> Any:
            return getattr(self._sock, name)

        def accept(self) -> tuple[socket.socket, Any]:
            if self._left:
                self._left -= 1
                raise OSError(errno.EMFILE, "Too many open files")
            return self._sock.accept()

    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.setblocking(False)
        client = socket.create_connection(sock.getsockname())
        accepted = await listener_module._accept(Exhausted(sock))  # type: ignore[arg-type]
        assert len(accepted) == 1
        accepted[0][0].close()
        client.close()
    assert caplog.text.count("Too many open files") == 3
    assert trio.current_time() >= 0.3


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_what_counts_as_one_host(address: str, network: str) -> None:
    assert net.Peer(address, 1).network == network


async def test_a_new_certificate_is_used_without_a_restart(
    tls_files: tuple[Path, Path], tmp_path: Path
) -> None:
    chain, key = tmp_path / "c.pem", tmp_path / "k.pem"
    chain.write_bytes(tls_files[0].read_bytes())
    key.write_bytes(tls_files[1].read_bytes())
    tls = net.ServerTls(chain, key)
    async with serving(echo, tls) as server:
        await (await server.connect_tls(client_context(tls_files))).aclose()
        public, private = certificate.make(["localhost"], clock.now())
        key.write_bytes(private)
        with pytest.raises(ssl.SSLError):
            tls.reload()
        await (await server.connect_tls(client_context(tls_files))).aclose()
        chain.write_bytes(public)
        tls.reload()
        await (await server.connect_tls(client_context((chain, key)))).aclose()
