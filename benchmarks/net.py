"""TLS on the socket against trio.SSLStream: handshakes, commands, memory of idle connections."""

from __future__ import annotations

import gc
import multiprocessing
import resource
import socket
import ssl
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import trio

from agentpost import certificate, clock, net

LIMITS = net.NetLimits()


async def _commands(stream: Any) -> None:
    while line := await stream.receive_some(65536):
        await stream.send_all(b"* OK done " + line)


async def _ours(sock: socket.socket, tls: net.ServerTls) -> None:
    await net.serve_listener(
        sock, _commands, stopping=trio.Event(), tally=net.Tally(LIMITS), limits=LIMITS, tls=tls
    )


async def _theirs(sock: socket.socket, tls: net.ServerTls) -> None:
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock))

    async def connection(plain: trio.SocketStream) -> None:
        stream = trio.SSLStream(plain, tls.context, server_side=True, https_compatible=True)
        with suppress(trio.BrokenResourceError):
            await stream.do_handshake()
            await _commands(stream)
        await trio.aclose_forcefully(stream)

    await trio.serve_listeners(connection, [listener])


def _rss() -> int:
    text = Path("/proc/self/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_"))


def _serve(which: str, sock: socket.socket, directory: str, pipe: Any) -> None:
    async def main() -> None:
        tls = net.ServerTls(Path(directory) / "c.pem", Path(directory) / "k.pem")
        async with trio.open_nursery() as nursery:
            nursery.start_soon({"ours": _ours, "trio.SSLStream": _theirs}[which], sock, tls)
            while True:
                await trio.lowlevel.wait_readable(pipe.fileno())
                if pipe.recv() == "end":
                    nursery.cancel_scope.cancel()
                    break
                gc.collect()
                used = resource.getrusage(resource.RUSAGE_SELF)
                pipe.send((used.ru_utime + used.ru_stime, _rss()))

    gc.freeze()
    trio.run(main)


class _Subject:
    """A server in a process of its own, and clients to it."""

    def __init__(self, which: str, directory: str) -> None:
        public, private = certificate.make(["localhost"], clock.now())
        (Path(directory) / "c.pem").write_bytes(public)
        (Path(directory) / "k.pem").write_bytes(private)
        sock = socket.create_server(("127.0.0.1", 0), backlog=1024)
        sock.setblocking(False)
        self._port = sock.getsockname()[1]
        self._pipe, theirs = multiprocessing.Pipe()
        self._child = multiprocessing.get_context("fork").Process(
            target=_serve, args=(which, sock, directory, theirs)
        )
        self._child.start()
        sock.close()
        self._context = ssl.create_default_context(cafile=str(Path(directory) / "c.pem"))

    def spent(self) -> tuple[float, float]:
        """Seconds of CPU and kilobytes of private memory of the server so far."""
        self._pipe.send("ask")
        cpu, memory = self._pipe.recv()
        return cpu, memory

    def connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self._port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._context.wrap_socket(plain, server_hostname="localhost")

    def end(self) -> None:
        self._pipe.send("end")
        self._child.join(5)
        self._child.terminate()


def _command(client: ssl.SSLSocket, octets: bytes) -> None:
    client.sendall(octets)
    client.recv(65536)


def _echo(client: ssl.SSLSocket, megabytes: int) -> None:
    def pump() -> None:
        for _ in range(megabytes):
            client.sendall(bytes(1_000_000))

    thread = threading.Thread(target=pump)
    thread.start()
    received = 0
    while received < megabytes * 1_000_000:
        received += len(client.recv(262_144))
    thread.join()


def measure(which: str) -> dict[str, float]:
    """The rows for one kind of stream."""
    rows: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as directory:
        subject = _Subject(which, directory)
        for _ in range(50):  # To warm up.
            with subject.connect() as client:
                _command(client, b"x")
        before = subject.spent()[0]
        for _ in range(1000):
            with subject.connect() as client:
                _command(client, b"a1 LOGIN\r\n")
        rows["s CPU per 1,000 logins"] = subject.spent()[0] - before
        with subject.connect() as client:
            before = subject.spent()[0]
            for _ in range(20_000):
                _command(client, b"a2 NOOP\r\n")
            rows["us CPU per command"] = (subject.spent()[0] - before) * 50
            before = subject.spent()[0]
            _echo(client, 100)
            rows["ms CPU per MB echoed"] = (subject.spent()[0] - before) * 10
        before = subject.spent()[1]
        idle = [subject.connect() for _ in range(500)]
        for client in idle:
            _command(client, b"a1 LOGIN\r\n")
        rows["KB per idle connection"] = (subject.spent()[1] - before) / 500
        for client in idle:
            client.close()
        subject.end()
    return rows


def main() -> None:
    """Print both, twice, in turn."""
    for which in ("ours", "trio.SSLStream") * 2:
        rows = ", ".join(f"{name} {value:.2f}" for name, value in measure(which).items())
        print(f"{which:16} {rows}")


if __name__ == "__main__":
    main()
