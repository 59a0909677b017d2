"""Thin, fast clients for the benchmarks: raw sockets and as little Python as possible."""

from __future__ import annotations

import base64
import re
import socket
import ssl
import time
from dataclasses import dataclass

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)
_CONTEXT = ssl._create_unverified_context()
LINE = b"The quick brown fox jumps over the lazy dog, again and again, every day.\r\n"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is and who logs in there."""

    host: str
    port: int
    username: str
    password: str
    tls: bool = True


def mail(sender: str, recipient: str, number: str, octets: int) -> bytes:
    """A plain message of about ``octets``, with a Message-ID of its own."""
    header = (
        f"From: Sender <{sender}>\r\nTo: Recipient <{recipient}>\r\n"
        f"Subject: benchmark {number}\r\nDate: Sat, 21 Nov 2026 05:00:00 +0000\r\n"
        f"Message-ID: <{number}.{time.time_ns()}@bench.example>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n\r\n"
    ).encode()
    return header + LINE * max(1, (octets - len(header)) // len(LINE))


def connect(place: Place) -> socket.socket:
    """A connected socket, under TLS where the place wants it."""
    sock = socket.create_connection((place.host, place.port), 60)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return _CONTEXT.wrap_socket(sock) if place.tls else sock


class Imap:
    """One logged-in IMAP connection; commands go out raw, answers are read to their tag."""

    def __init__(self, place: Place) -> None:
        self.sock = connect(place)
        self._buffer = b""
        self.line()
        self.run(f'LOGIN "{place.username}" "{place.password}"'.encode())

    def line(self) -> bytes:
        """The next line."""
        while b"\r\n" not in self._buffer:
            self._buffer += self._some()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _some(self) -> bytes:
        octets = self.sock.recv(262_144)
        if not octets:
            raise ConnectionError("the server closed the connection")
        return octets

    def run(self, command: bytes) -> int:
        """Run a command; returns how many octets the answer had.  Raises: RuntimeError on NO."""
        self.sock.sendall(b"x " + command + b"\r\n")
        pieces, total = [self._buffer], len(self._buffer)
        tail = self._buffer[-2048:]
        self._buffer = b""
        while not (tail.endswith(b"\r\n") and _tagged(tail)):
            octets = self._some()
            pieces.append(octets)
            total += len(octets)
            tail = (tail + octets)[-2048:]
        if b"x OK" not in tail[tail.rfind(b"x ") :]:
            raise RuntimeError(tail[-200:].decode("latin-1"))
        return total

    def append(self, mailbox: str, message: bytes) -> None:
        """APPEND with a synchronising literal, as most clients do."""
        self.sock.sendall(f"x APPEND {mailbox} {{{len(message)}}}\r\n".encode())
        self.line()
        self.sock.sendall(message + b"\r\n")
        while not self.line().startswith(b"x "):
            pass

    def close(self) -> None:
        """Hang up."""
        self.sock.close()


def _tagged(tail: bytes) -> bool:
    start = tail.rfind(b"\r\n", 0, len(tail) - 2)
    return tail[start + 2 :].startswith(b"x ") or (start < 0 and tail.startswith(b"x "))


class Submitter:
    """One logged-in SMTP connection (or LMTP, for a peer that has no submission)."""

    def __init__(self, place: Place, *, lmtp: bool = False) -> None:
        self.sock = connect(place)
        self._buffer = b""
        self.reply()
        self._send(b"LHLO bench.example\r\n" if lmtp else b"EHLO bench.example\r\n")
        if not lmtp:
            token = base64.b64encode(f"\0{place.username}\0{place.password}".encode())
            self._send(b"AUTH PLAIN " + token + b"\r\n")

    def _send(self, octets: bytes) -> bytes:
        self.sock.sendall(octets)
        return self.reply()

    def reply(self) -> bytes:
        """The last line of the next reply.  Raises: RuntimeError when it is negative."""
        while True:
            while b"\r\n" not in self._buffer:
                octets = self.sock.recv(65536)
                if not octets:
                    raise ConnectionError("the server closed the connection")
                self._buffer += octets
            line, _, self._buffer = self._buffer.partition(b"\r\n")
            if line[3:4] != b"-":
                if line[:1] not in b"23":
                    raise RuntimeError(line.decode("latin-1"))
                return line

    def submit(self, sender: str, recipient: str, message: bytes) -> None:
        """One message, to its 250."""
        self.announce(sender, recipient)
        self._send(message + b".\r\n")

    def announce(self, sender: str, recipient: str) -> None:
        """MAIL, RCPT and DATA, which go out together (RFC 2920); the message is to follow."""
        self.sock.sendall(f"MAIL FROM:<{sender}>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n".encode())
        for _ in range(3):
            self.reply()

    def close(self) -> None:
        """Hang up."""
        self.sock.close()


class Http:
    """One kept HTTP connection with a key; answers must say their length."""

    def __init__(self, port: int, key: str) -> None:
        self.sock = connect(Place("127.0.0.1", port, "", "", tls=False))
        self._fields = (
            f" HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n\r\n"
        ).encode()

    def get(self, target: str) -> bytes:
        """The body of the answer.  Raises: RuntimeError when its status is not 200."""
        self.sock.sendall(b"GET " + target.encode() + self._fields)
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._some()
        length = _LENGTH.search(received, 0, end + 2)
        if not received.startswith(b"HTTP/1.1 200 ") or length is None:
            raise RuntimeError(received[:500].decode("latin-1"))
        whole = end + 4 + int(length[1])
        while len(received) < whole:
            received += self._some()
        return received[end + 4 :]

    def _some(self) -> bytes:
        octets = self.sock.recv(262_144)
        if not octets:
            raise ConnectionError("the server closed the connection")
        return octets

    def close(self) -> None:
        """Hang up."""
        self.sock.close()
