"""Server-side CPU of one submitted message: session and server shell, without store and TLS.

    python benchmarks/smtp_session.py [messages] [octets]

The stream hands out MAIL, RCPT and DATA in one piece and the message in pieces of a TLS record,
each after a checkpoint.  Goal: under 120 microseconds a message of 4 KiB.
"""

from __future__ import annotations

import base64
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import trio

from agentpost.ids import OrganizationId
from agentpost.model.actor import Actor
from agentpost.model.envelope import Envelope
from agentpost.net import Peer, TlsInfo
from agentpost.smtp.desk import Terms
from agentpost.smtp.server import SubmissionServer

_GROUP = b"MAIL FROM:<a@x.test> SIZE=%d\r\nRCPT TO:<b@y.test>\r\nDATA\r\n"


@dataclass(frozen=True, slots=True)
class _Receipt:
    message_id: str = "msg_01JQ8X5K2M3N4P5R6S7T8V9W00"
    thread_id: str = "thr_01JQ8X5K2M3N4P5R6S7T8V9W00"
    duplicate: bool = False


class _Desk:
    async def authenticate(self, username: str, password: str, peer: str) -> Actor:
        return Actor(OrganizationId("org_1"), "mc_1", frozenset())

    async def reverse_path(self, actor: Actor, address: str) -> None:
        pass

    async def forward_path(self, actor: Actor, address: str) -> None:
        pass

    async def submit(self, actor: Actor, envelope: Envelope, octets: bytes) -> _Receipt:
        return _Receipt()


class _Budget:
    def try_acquire(self, octets: int) -> bool:
        return True

    async def acquire(self, octets: int) -> None:
        pass

    def release(self, octets: int) -> None:
        pass


class _Stream:
    """A client that has said everything already: a receive is a checkpoint and the next piece."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self.sent = 0
        self.peer = Peer("192.0.2.1", 4000)
        self.tls = TlsInfo("TLSv1.3", "")

    async def receive_some(self, max_octets: int = 65_536) -> bytes:
        await trio.lowlevel.checkpoint()
        return next(self._pieces, b"")

    async def send_all(self, octets: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        self.sent += 1

    def send_at_once(self, octets: bytes | bytearray) -> int:
        return 0

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()

    def abort(self) -> None:
        raise NotImplementedError


def _pieces(messages: int, body: bytes) -> Iterator[bytes]:
    yield b"EHLO x\r\n"
    yield b"AUTH PLAIN " + base64.b64encode(b"\0a\0b") + b"\r\n"
    group = _GROUP % len(body)
    for _ in range(messages):
        yield group
        for begin in range(0, len(body), 16_384):  # a TLS record
            yield body[begin : begin + 16_384]


def _measure(messages: int, body: bytes) -> float:
    """Microseconds of CPU a message."""
    stream = _Stream(_pieces(messages, body))
    server = SubmissionServer(Terms("mail.test"), _Desk(), _Budget())
    began = time.process_time()
    trio.run(server.serve, stream)
    spent = time.process_time() - began
    assert stream.sent == 3 + 2 * messages, "one write for each group of replies"
    return spent / messages * 1e6


def main() -> None:
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    octets = int(sys.argv[2]) if len(sys.argv) > 2 else 4096
    line = b"The quick brown fox jumps over the lazy dog, again and again and again.\r\n"
    body = b"From: a@x.test\r\nSubject: t\r\n\r\n" + line * (octets // len(line)) + b".\r\n"
    for _ in range(3):
        print(f"{len(body)} octets: {_measure(messages, body):6.1f} us a message")


if __name__ == "__main__":
    main()
