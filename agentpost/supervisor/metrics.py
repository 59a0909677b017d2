"""The metrics address: one small HTTP answer, joined from all workers.

Written on the supervisor's selector, without an event loop.  A scrape reads one request, asks
every worker, and answers when all have answered or the deadline has passed; a worker that does
not answer is missing from the answer and named by ``agentpost_worker_up``.
"""

from __future__ import annotations

import contextlib
import re
import selectors
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

_DEADLINE_S: Final = 2.0
_MAX_REQUEST_OCTETS: Final = 8_192
_MAX_SCRAPES: Final = 8
_SAMPLE = re.compile(rb"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (.+)", re.DOTALL)


@dataclass(slots=True, eq=False)
class _Scrape:
    sock: socket.socket
    deadline: float
    request: bytearray = field(default_factory=bytearray)
    asked: set[int] = field(default_factory=set)
    answers: dict[int, bytes] = field(default_factory=dict)
    reply: memoryview | None = None


class MetricsServer:
    """Serves ``GET /metrics``. ``ask`` sends the question and returns the workers asked."""

    def __init__(
        self,
        listener: socket.socket,
        selector: selectors.BaseSelector,
        ask: Callable[[], set[int]],
        state: Callable[[], bytes],
    ) -> None:
        self._listener = listener
        self._selector = selector
        self._ask = ask
        self._state = state
        self._scrapes: list[_Scrape] = []
        selector.register(listener, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """Stop serving."""
        self._selector.unregister(self._listener)
        for scrape in self._scrapes[:]:
            self._end(scrape)

    def answer(self, worker: int, exposition: bytes) -> None:
        """A worker's answer has come."""
        for scrape in self._scrapes:
            if worker in scrape.asked:
                scrape.answers[worker] = exposition
                self._answer_when_complete(scrape)

    def wait_s(self) -> float | None:
        """Seconds until :meth:`tick` has something to do; None when nothing is under way."""
        return min(
            (max(0.0, scrape.deadline - time.monotonic()) for scrape in self._scrapes), default=None
        )

    def tick(self) -> None:
        """Answer with what there is where the deadline has passed; end who is too slow."""
        now = time.monotonic()
        for scrape in self._scrapes[:]:
            if now < scrape.deadline:
                continue
            if scrape.asked and scrape.reply is None:
                scrape.deadline = now + _DEADLINE_S
                self._begin_reply(scrape)
            else:
                self._end(scrape)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            sock, _ = self._listener.accept()
            if len(self._scrapes) >= _MAX_SCRAPES:
                sock.close()
                return
            sock.setblocking(False)
            scrape = _Scrape(sock, time.monotonic() + _DEADLINE_S)
            self._scrapes.append(scrape)
            self._selector.register(sock, selectors.EVENT_READ, lambda: self._read(scrape))

    def _read(self, scrape: _Scrape) -> None:
        try:
            octets = scrape.sock.recv(4_096)
        except BlockingIOError:
            return
        except OSError:
            octets = b""
        scrape.request += octets
        if not octets or len(scrape.request) > _MAX_REQUEST_OCTETS:
            self._end(scrape)
        elif b"\r\n\r\n" in scrape.request and not scrape.asked and scrape.reply is None:
            if scrape.request.startswith((b"GET /metrics ", b"GET /metrics?")):
                scrape.asked = self._ask() | {-1}
                scrape.answers[-1] = self._state()
                self._answer_when_complete(scrape)
            else:
                self._send(scrape, b"404 Not Found", b"metrics are at /metrics\n")

    def _answer_when_complete(self, scrape: _Scrape) -> None:
        if scrape.reply is None and scrape.asked == scrape.answers.keys():
            self._begin_reply(scrape)

    def _begin_reply(self, scrape: _Scrape) -> None:
        self._send(scrape, b"200 OK", join(scrape.answers))

    def _send(self, scrape: _Scrape, status: bytes, body: bytes) -> None:
        head = (
            b"HTTP/1.1 " + status + b"\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8"
            b"\r\nConnection: close\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n"
        )
        scrape.reply = memoryview(head + body)
        self._selector.modify(scrape.sock, selectors.EVENT_WRITE, lambda: self._write(scrape))

    def _write(self, scrape: _Scrape) -> None:
        assert scrape.reply is not None
        try:
            scrape.reply = scrape.reply[scrape.sock.send(scrape.reply) :]
        except BlockingIOError:
            return
        except OSError:
            self._end(scrape)
            return
        if not scrape.reply:
            self._end(scrape)

    def _end(self, scrape: _Scrape) -> None:
        self._selector.unregister(scrape.sock)
        scrape.sock.close()
        self._scrapes.remove(scrape)


def join(answers: Mapping[int, bytes]) -> bytes:
    """One exposition of several: each family once, each sample labelled with its worker.

    The answer of number -1 is the supervisor's own and stays as it is.
    """
    families: dict[bytes, tuple[list[bytes], list[bytes]]] = {}
    for worker, exposition in sorted(answers.items()):
        label = b'worker="%d"' % worker if worker >= 0 else b""
        for name, lines in _families(exposition):
            comments, samples = families.setdefault(name, ([], []))
            for line in lines:
                if not line.startswith(b"#"):
                    samples.append(_labelled(line, label))
                elif line not in comments:
                    comments.append(line)
    out = [line for comments, samples in families.values() for line in (*comments, *samples)]
    return b"\n".join(out) + b"\n" if out else b""


def _families(exposition: bytes) -> Iterable[tuple[bytes, list[bytes]]]:
    """The lines of each family, by the name in its HELP and TYPE lines."""
    name, lines = b"", list[bytes]()
    for line in exposition.split(b"\n"):
        if line.startswith((b"# HELP ", b"# TYPE ")):
            new = line.split(b" ", 3)[2]
            if new != name:
                if lines:
                    yield name, lines
                name, lines = new, []
        if line:
            lines.append(line)
    if lines:
        yield name, lines


def _labelled(sample: bytes, label: bytes) -> bytes:
    match = _SAMPLE.fullmatch(sample)
    if match is None or not label:
        return sample
    labels = b",".join(part for part in (label, match[2]) if part)
    return b"%b{%b} %b" % (match[1], labels, match[3])
