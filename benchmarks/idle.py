"""Many connections that wait: what each costs, and how soon it is told.

    python -m benchmarks idle [connections] [mailboxes]

IMAP connections under TLS in IDLE, and WebSockets with a subscription; then messages come by SMTP,
one after the other, first to each mailbox with the watchers it has, then to one mailbox that all
watch.  Times run from the last octet of the message, which lies before its commit, and from its
250.  One process hears all the watchers, so what it needs to read them counts as the server's.
"""

from __future__ import annotations

import resource
import selectors
import ssl
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

from benchmarks._meter import memory_kb, used
from benchmarks._servers import Contestant, dovecot, ours
from benchmarks._wire import Imap, Place, Submitter, connect, mail

_MESSAGES: Final = 1000
_MESSAGES_TO_ALL: Final = 20
_OF_ONE_MAILBOX: Final = 1000
_STILL_S: Final = 10.0
_PATIENCE_S: Final = 30.0
_PEER_CONNECTIONS: Final = 200
"""A process each is what the peer takes by default."""


def main() -> None:
    """Measure and print one row a measurement."""
    connections = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    mailboxes = int(sys.argv[2]) if len(sys.argv) > 2 else min(connections, 1000)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory(prefix="bench") as temporary, ExitStack() as stack:
        directory = Path(temporary)
        each_inbox = {"AGENTPOST_IMAP_CONNECTIONS_PER_INBOX": str(min(connections, 10_000))}
        mine = stack.enter_context(ours(directory / "ours", mailboxes + 1, **each_inbox))
        _measure(mine, _Imap, connections)
        _measure(mine, _WebSocket, connections)
        few = min(connections, _PEER_CONNECTIONS)
        peer = stack.enter_context(dovecot(directory / "dovecot", few + 1))
        if peer is not None:
            _measure(peer, _Imap, few)


class _Imap:
    """An IMAP connection in IDLE."""

    name = "IMAP"
    told = b"EXISTS"

    def __init__(self, contestant: Contestant, number: int) -> None:
        self._client = Imap(contestant.imap[number])
        self.sock = self._client.sock

    def listen(self) -> None:
        """Select INBOX and idle."""
        self._client.run(b"SELECT INBOX")
        self.sock.sendall(b"i IDLE\r\n")
        assert self._client.line().startswith(b"+")


class _WebSocket:
    """A WebSocket that subscribes to the events of one inbox."""

    name = "WebSocket"
    told = b'"type":"event"'

    def __init__(self, contestant: Contestant, number: int) -> None:
        assert contestant.http is not None
        port, key = contestant.http
        self._address = contestant.addresses[number]
        self.sock = connect(Place("127.0.0.1", port, "", "", tls=False))
        self.sock.sendall(
            f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        self._await(b"\r\n\r\n")

    def listen(self) -> None:
        """Subscribe, and wait until that is confirmed."""
        frame = f'{{"type":"subscribe","inbox_id":"{self._address}"}}'.encode()
        # A masked text frame (RFC 6455 section 5.2); a mask of zeros leaves the octets as they are.
        self.sock.sendall(bytes((0x81, 0x80 | len(frame))) + bytes(4) + frame)
        self._await(b'"subscribed"')

    def _await(self, words: bytes) -> None:
        received = b""
        while words not in received:
            octets = self.sock.recv(4096)
            if not octets:
                raise ConnectionError(received.decode("latin-1"))
            received += octets


_Watcher = _Imap | _WebSocket
_Kind = type[_Imap] | type[_WebSocket]


class _Ears:
    """Watchers, heard together with the connection that sends."""

    def __init__(self, watchers: Sequence[_Watcher], submitter: Submitter) -> None:
        self._submitter = submitter
        self._told = watchers[0].told
        self._selector = selectors.DefaultSelector()
        self._selector.register(submitter.sock, selectors.EVENT_READ)
        for watcher in watchers:
            watcher.sock.setblocking(False)
            self._selector.register(watcher.sock, selectors.EVENT_READ)

    def send(self, sender: str, recipient: str, watchers: int) -> tuple[float, list[float]]:
        """Send one message and wait until so many watchers were told of it.

        Returns: the milliseconds from its last octet to its 250, and to each watcher.
        """
        self._submitter.announce(sender, recipient)
        self._submitter.sock.sendall(mail(sender, recipient, "push", 2048) + b".\r\n")
        began = time.perf_counter()
        accepted: float | None = None
        told: dict[int, float] = {}
        while accepted is None or len(told) < watchers:
            ready = self._selector.select(_PATIENCE_S)
            now = (time.perf_counter() - began) * 1000
            if not ready:
                raise TimeoutError(f"{len(told)} of {watchers} watchers were told")
            for key, _ in ready:
                if key.fileobj is self._submitter.sock:
                    self._submitter.reply()
                    accepted = now
                elif self._told in _received(key.fileobj):
                    told.setdefault(key.fd, now)
        return accepted, list(told.values())


def _received(sock: Any) -> bytes:
    octets = b""
    with suppress(ssl.SSLWantReadError, BlockingIOError):
        while piece := sock.recv(16_384):
            octets += piece
    return octets


def _measure(contestant: Contestant, kind: _Kind, connections: int) -> None:
    root, mailboxes = contestant.root, len(contestant.addresses) - 1

    def row(name: str, value: str) -> None:
        print(f"{contestant.name:10} {kind.name:10} {name:48} {value}", flush=True)

    _hang_up(_listening(contestant, kind, [0] * 20))  # What the first ones need once for all.
    empty, before = memory_kb(root), used(root)
    watchers = [kind(contestant, number % mailboxes) for number in range(connections)]
    each = (used(root) - before).server_s / connections
    row("connect and log in, CPU of 1,000", f"{each * 1000:.2f} s")
    row("memory each, logged in", f"{(memory_kb(root) - empty) / connections:.1f} KB")
    for watcher in watchers:
        watcher.listen()
    row("memory each, waiting", f"{(memory_kb(root) - empty) / connections:.1f} KB")
    row(f"memory of the server with {connections}", f"{memory_kb(root) / 1024:.0f} MB")
    before = used(root)
    time.sleep(_STILL_S)
    still = (used(root) - before).server_s / _STILL_S
    row("CPU while nothing happens", f"{still * 100:.2f} %")
    counts = [len(range(number, connections, mailboxes)) for number in range(mailboxes)]
    targets = [number % mailboxes for number in range(_MESSAGES)]
    row(f"told, {mailboxes} mailboxes", _pushed(contestant, watchers, targets, counts))
    _hang_up(watchers)
    watchers = _listening(contestant, kind, [0] * min(connections, _OF_ONE_MAILBOX))
    counts, targets = [len(watchers)], [0] * _MESSAGES_TO_ALL
    row(f"told, {len(watchers)} watchers of one", _pushed(contestant, watchers, targets, counts))
    _hang_up(watchers)


def _pushed(
    contestant: Contestant, watchers: Sequence[_Watcher], targets: list[int], counts: list[int]
) -> str:
    """Send a message to each of ``targets``, each watched by its one of ``counts``."""
    root, addresses = contestant.root, contestant.addresses
    ears = _Ears(watchers, Submitter(contestant.smtp[-1], lmtp=contestant.lmtp))
    before = used(root)
    from_octet: list[float] = []
    from_reply: list[float] = []
    for target in targets:
        accepted, told = ears.send(addresses[-1], addresses[target], counts[target])
        from_octet += told
        from_reply += [max(0.0, moment - accepted) for moment in told]
    spent = used(root) - before
    each_us = spent.server_s / len(targets) * 1e6
    return (
        f"p50 {_at(from_reply, 50):.2f} p99 {_at(from_reply, 99):.2f} ms after the 250,"
        f" p50 {_at(from_octet, 50):.2f} p99 {_at(from_octet, 99):.2f} ms after the last octet;"
        f" CPU {each_us:,.0f} us a message"
    )


def _at(values: list[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def _listening(contestant: Contestant, kind: _Kind, numbers: list[int]) -> list[_Watcher]:
    watchers: list[_Watcher] = [kind(contestant, number) for number in numbers]
    for watcher in watchers:
        watcher.listen()
    return watchers


def _hang_up(watchers: Sequence[_Watcher]) -> None:
    for watcher in watchers:
        watcher.sock.close()
