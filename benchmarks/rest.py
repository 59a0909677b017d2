"""REST lists of 20 messages out of many, beside Hono with postgres.js on Node in the same run.

    python -m benchmarks rest [messages] [connections]

Both read the same tables of the same PostgreSQL, and answer JSON of about the same size.  Asked
for is the newest page again and again, which ours remembers until something changes, and another
page each time, which nobody can remember.  The limit is told first: what the same clients get
from a process that answers a list without looking.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import asyncpg

from agentpost.store import embedded
from benchmarks._load import Client, Figure, Work, rate
from benchmarks._servers import Contestant, await_port, free_port, ours
from benchmarks._wire import Http, Submitter, mail

_REQUESTS: Final = 50
"""Of each connection in each round."""
_ROUNDS: Final = 3
_HONO: Final = Path(__file__).parent / "hono"


@dataclass(frozen=True, slots=True)
class _Api:
    """A server with lists: its first processes, its port, a key, and the inbox that is listed."""

    name: str
    roots: tuple[int, ...]
    port: int
    key: str
    path: str


def main() -> None:
    """Measure and print one row a measurement."""
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    connections = int(sys.argv[2]) if len(sys.argv) > 2 else 32
    with tempfile.TemporaryDirectory(prefix="bench") as temporary, ExitStack() as stack:
        mine = stack.enter_context(ours(Path(temporary) / "ours", 2))
        assert mine.http is not None
        port, key = mine.http
        path = f"/api/v1/inboxes/{mine.addresses[0]}/messages?limit=20"
        _fill(mine, messages)
        apis = [_Api("AgentPost", (mine.root,), port, key, path)]
        peer = stack.enter_context(_hono(Path(temporary) / "hono", mine))
        if peer is not None:
            # PostgreSQL works for both, and is ours.
            apis.append(_Api("Hono", (peer[0], mine.root), peer[1], key, path))
        limit = stack.enter_context(_answers_only(Http(port, key).get(path)))
        print(
            f"{'limit':10} {'answers without looking (/s)':40} {_rate(limit, [[path]], connections)}"
        )
        pages = {api.name: _pages(api, connections * _REQUESTS) for api in apis}
        for name, paths in (("the newest page", {n: p[:1] for n, p in pages.items()}),
                            ("another page each time", pages)):  # fmt: skip
            _compare(f"list of 20 of {messages}, {name} (/s)", apis, paths, connections)


def _compare(
    name: str, apis: Sequence[_Api], pages: dict[str, list[str]], connections: int
) -> None:
    """Print the median of some rounds in turn, and how many times the peer's rate is ours."""
    figures: dict[str, list[Figure]] = {api.name: [] for api in apis}
    for _ in range(_ROUNDS):
        for api in apis:
            paths = pages[api.name]
            shares = [paths[n::connections] or paths for n in range(connections)]
            figures[api.name].append(_rate(api, shares, connections))
    medians = {n: statistics.median_low([each.value for each in f]) for n, f in figures.items()}
    for api in apis:
        shown = next(f for f in figures[api.name] if f.value == medians[api.name])
        print(f"{api.name:10} {name:40} {shown}", flush=True)
    if len(apis) > 1:
        print(f"{'':10} {'times the peer':40} {medians['AgentPost'] / medians['Hono']:12,.2f}")


def _rate(api: _Api, shares: Sequence[Sequence[str]], connections: int) -> Figure:
    def client(paths: Sequence[str]) -> Client:
        def ready() -> Work:
            http = Http(api.port, api.key)

            def run() -> int:
                for number in range(_REQUESTS):
                    http.get(paths[number % len(paths)])
                return _REQUESTS

            return run

        return ready

    return rate([client(shares[n % len(shares)]) for n in range(connections)], *api.roots)


def _pages(api: _Api, count: int) -> list[str]:
    """The paths of the first ``count`` pages, or of all there are."""
    http = Http(api.port, api.key)
    paths = [api.path]
    while len(paths) < count:
        cursor = json.loads(http.get(paths[-1]))["next_cursor"]
        if cursor is None:
            break
        paths.append(f"{api.path}&cursor={cursor}")
    http.close()
    return paths


def _fill(contestant: Contestant, messages: int) -> None:
    """Send one message, and make the others of it in the database."""
    sender, recipient = contestant.addresses[1], contestant.addresses[0]
    client = Submitter(contestant.smtp[1])
    client.submit(sender, recipient, mail(sender, recipient, "list", 4096))
    client.close()
    asyncio.run(_multiply(contestant, messages - 1))


async def _multiply(contestant: Contestant, copies: int) -> None:
    connection = await asyncpg.connect(_administrator_url(contestant))
    try:
        await connection.execute(_MULTIPLY.format(address=contestant.addresses[0], copies=copies))
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


_MULTIPLY: Final = """
CREATE TEMPORARY TABLE one AS SELECT p.* FROM inboxes i
    JOIN mailboxes b ON b.inbox_id = i.id AND b.name = 'INBOX'
    JOIN placements p ON p.mailbox_id = b.id WHERE i.address = '{address}';
CREATE TEMPORARY TABLE another AS SELECT m.* FROM messages m JOIN one ON m.id = one.message_id;
CREATE TEMPORARY TABLE copies AS SELECT n, left(one.message_id, 14) || lpad(n::text, 16, '0') AS id
    FROM one, generate_series(1, {copies}) n;
INSERT INTO messages SELECT (jsonb_populate_record(another, jsonb_build_object('id', c.id))).*
    FROM another, copies c;
INSERT INTO placements SELECT (jsonb_populate_record(one,
    jsonb_build_object('message_id', c.id, 'uid', one.uid + c.n))).* FROM one, copies c;
UPDATE mailboxes SET uidnext = uidnext + {copies} WHERE id = (SELECT mailbox_id FROM one);
"""


def _administrator_url(contestant: Contestant) -> str:
    assert contestant.data_dir is not None
    url = embedded.running(contestant.data_dir)
    assert url is not None
    return url.replace(f"//{embedded.USER}@", f"//{embedded.ADMINISTRATOR}@", 1)


@contextmanager
def _hono(directory: Path, contestant: Contestant) -> Iterator[tuple[int, int] | None]:
    """The peer's process and port; None where Node or its packages cannot be had."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        yield None
        return
    shutil.copytree(_HONO, directory)
    install = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"]
    if subprocess.run(install, cwd=directory, check=False).returncode:
        yield None
        return
    port = free_port()
    host = parse_qs(urlsplit(_administrator_url(contestant)).query)["host"][0]
    command = [node, "server.mjs", str(port), host, embedded.ADMINISTRATOR]
    with subprocess.Popen(command, cwd=directory) as process:
        try:
            await_port(port)
            yield process.pid, port
        finally:
            process.terminate()


@contextmanager
def _answers_only(body: bytes) -> Iterator[_Api]:
    """A server that says the same to whatever arrives, a thread a connection."""
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:

        def serve(sock: socket.socket) -> None:
            with sock:
                while sock.recv(65_536):
                    sock.sendall(answer)

        def accept() -> None:
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(sock,), daemon=True).start()

        pid = os.fork()
        if not pid:
            accept()
        port: Any = listener.getsockname()[1]
        try:
            yield _Api("limit", (pid,), port, "", "/")
        finally:
            os.kill(pid, 15)
            os.waitpid(pid, 0)
