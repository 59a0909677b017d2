"""How soon who listens is told: over WebSocket, server-sent events and IMAP IDLE.

    python -m benchmarks push [sockets] [messages]

Messages come by SMTP, one after the other.  Times run from the 250, which follows the commit at
once, to the moment the listener has read the news: in the same instance, with as many WebSockets
open beside it as asked for (5,000), and in another instance over the same PostgreSQL.  One process
hears all the listeners, so what it needs to read them counts as the server's.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from agentpost.store import embedded
from benchmarks._meter import memory_kb, used
from benchmarks._servers import Contestant, ours
from benchmarks._wire import Place, Submitter, connect
from benchmarks.idle import _at, _Ears, _hang_up, _Imap, _WebSocket

_INBOXES: Final = 50
_OPEN_AT_ONCE: Final = 200
_STILL_S: Final = 10.0


class _Stream:
    """A stream of server-sent events of one inbox."""

    name = "SSE"
    told = b"event: message.received"

    def __init__(self, contestant: Contestant, number: int) -> None:
        assert contestant.http is not None
        port, key = contestant.http
        address = contestant.addresses[number]
        self.sock = connect(Place("127.0.0.1", port, "", "", tls=False))
        self.sock.sendall(
            f"GET /api/v1/stream?inbox_id={address.replace('@', '%40')} HTTP/1.1\r\n"
            f"Host: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
        )

    def listen(self) -> None:
        """Wait until the stream has begun."""
        received = b""
        while b"retry: " not in received:
            octets = self.sock.recv(4096)
            if not octets:
                raise ConnectionError(received.decode("latin-1"))
            received += octets


class _Everything(_WebSocket):
    """A WebSocket that hears of all inboxes."""

    name = "WebSocket, all"

    def listen(self) -> None:
        frame = b'{"type":"subscribe","event_types":["message.received"],"payload":"thin"}'
        self.sock.sendall(bytes((0x81, 0x80 | len(frame))) + bytes(4) + frame)
        self._await(b'"subscribed"')


_KINDS: Final[tuple[Any, ...]] = (_Imap, _WebSocket, _Stream)


def main() -> None:
    """Measure and print one row a measurement."""
    sockets = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    messages = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory(prefix="bench") as temporary, ExitStack() as stack:
        directory = Path(temporary)
        one = stack.enter_context(ours(directory / "one", _INBOXES + 1))
        for kind in _KINDS:
            _row("one instance", kind.name, _pushed(one, one, kind, messages))
        _row("one instance", "200 that hear all", _heard_by_all(one, messages // 5))
        _crowd(one, sockets, messages)
    with tempfile.TemporaryDirectory(prefix="bench") as temporary, ExitStack() as stack:
        here, there = stack.enter_context(_two_instances(Path(temporary)))
        for kind in _KINDS:
            _row("another instance", kind.name, _pushed(here, there, kind, messages))


@contextmanager
def _two_instances(directory: Path) -> Iterator[tuple[Contestant, Contestant]]:
    """Two servers over one PostgreSQL; the second knows the inboxes of the first."""
    database = embedded.start(directory / "database")
    try:
        with ExitStack() as stack:
            key = "ap_sk_live_" + "b" * 32
            settings = {
                "AGENTPOST_DATABASE_URL": database.url_of(embedded.USER),
                "AGENTPOST_BOOTSTRAP_KEY": key,
            }
            here = stack.enter_context(ours(directory / "here", _INBOXES + 1, **settings))
            there = stack.enter_context(ours(directory / "there", 0, **settings))
            yield here, _with_inboxes_of(there, here)
    finally:
        database.stop(5.0)


def _with_inboxes_of(there: Contestant, here: Contestant) -> Contestant:
    imaps = there.ports["imaps"]
    imap = tuple(replace(place, port=imaps) for place in here.imap)
    return replace(there, addresses=here.addresses, imap=imap)


def _pushed(sending: Contestant, hearing: Contestant, kind: Any, messages: int) -> str:
    """Messages to inboxes in turn, each with one listener."""
    watchers = [kind(hearing, number) for number in range(_INBOXES)]
    for watcher in watchers:
        watcher.listen()
    try:
        return _times(sending, watchers, [number % _INBOXES for number in range(messages)], 1)
    finally:
        _hang_up(watchers)


def _heard_by_all(contestant: Contestant, messages: int) -> str:
    watchers = [_Everything(contestant, 0) for _ in range(200)]
    for watcher in watchers:
        watcher.listen()
    try:
        return _times(contestant, watchers, [n % _INBOXES for n in range(messages)], len(watchers))
    finally:
        _hang_up(watchers)


def _crowd(contestant: Contestant, sockets: int, messages: int) -> None:
    """So many WebSockets at once: what each takes, and how soon one of them is told."""
    root = contestant.root
    empty = memory_kb(root)
    began, before = time.perf_counter(), used(root)
    crowd: list[_WebSocket] = []
    for _ in range(0, sockets, _OPEN_AT_ONCE):
        some = [_WebSocket(contestant, 0) for _ in range(min(_OPEN_AT_ONCE, sockets - len(crowd)))]
        for each in some:
            each.listen()
        crowd += some
    each_ms = (used(root) - before).server_s / sockets * 1000
    name = f"{sockets} WebSockets"
    _row(
        name,
        "open and subscribe",
        f"{time.perf_counter() - began:.1f} s, {each_ms:.2f} ms CPU each",
    )
    _row(name, "memory each", f"{(memory_kb(root) - empty) / sockets:.1f} KB")
    before = used(root)
    time.sleep(_STILL_S)
    still = (used(root) - before).server_s / _STILL_S
    _row(name, "CPU while nothing happens", f"{still * 100:.1f} %")
    # The crowd listens to the inbox that nobody writes to here.
    _row(name, "told beside them", _pushed_beside(contestant, messages))
    _hang_up(crowd)


def _pushed_beside(contestant: Contestant, messages: int) -> str:
    watchers = [_WebSocket(contestant, number) for number in range(1, _INBOXES)]
    for watcher in watchers:
        watcher.listen()
    try:
        targets = [1 + number % (_INBOXES - 1) for number in range(messages)]
        return _times(contestant, watchers, targets, 1)
    finally:
        _hang_up(watchers)


def _times(
    contestant: Contestant, watchers: Sequence[Any], targets: Sequence[int], heard_by: int
) -> str:
    ears = _Ears(watchers, Submitter(contestant.smtp[-1]))
    sender = contestant.addresses[-1]
    from_reply: list[float] = []
    for target in targets:
        accepted, told = ears.send(sender, contestant.addresses[target], heard_by)
        from_reply += [max(0.0, moment - accepted) for moment in told]
    return f"p50 {_at(from_reply, 50):.2f} p99 {_at(from_reply, 99):.2f} ms after the 250"


def _row(where: str, what: str, value: str) -> None:
    print(f"{where:20} {what:28} {value}", flush=True)
