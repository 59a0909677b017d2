"""Mail that leaves by Amazon SES: messages a second, and where the time of one goes.

    python -m benchmarks outbound [messages]

The queue is filled first; then one worker's relay empties it, through the real transport, towards a
stub of SES in a process of its own, which answers at once or after 50 ms.  Every commit is durable.
One message at a time tells what each stage takes; several at once tell the rate.  The goal is 200
messages a second on two cores.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio

from agentpost.ids import MessageId, new_id
from agentpost.jobs import relay as relay_module
from agentpost.jobs.relay import RelayWork
from agentpost.jobs.runner import Runner
from agentpost.limits import JobLimits, RelayLimits
from agentpost.mail.aws import Access, Client
from agentpost.mail.relay import Ways
from agentpost.mail.transports.ses import Ses
from agentpost.mail.transports.simulator import Simulator
from agentpost.mime.summary import summarise
from agentpost.model.actor import Scope, system_actor
from agentpost.model.mailbox import Flag
from agentpost.model.message import Arrival, NewDelivery, NewRelay
from agentpost.store import embedded
from agentpost.store.bootstrap import bootstrap
from agentpost.store.depositing import Deposit
from agentpost.store.inboxes import InboxRequest
from agentpost.store.jobs import Jobs
from agentpost.store.migrate import migrate
from agentpost.store.opening import Store, open_store
from agentpost.store.pool import Database
from agentpost.store.relays import Relays
from agentpost.store.settings import StoreSettings
from benchmarks._meter import used
from benchmarks._wire import mail

_STAGES = ("begin", "prepare", "call", "settle")
_BODY = b'{"MessageId":"0102018e1d2c3b4a-5f6e7d8c-0000-0000-0000-000000"}'
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n" % len(_BODY) + _BODY
)
_RUNS = ((1, 0, 4096), (8, 0, 4096), (32, 0, 4096), (32, 50, 4096), (32, 0, 102_400))
"""Messages at once, the stub's latency in milliseconds, octets of a message."""


def main() -> None:
    """Measure and print one row a run."""
    if sys.argv[1:2] == ["stub"]:
        trio.run(_stub, int(sys.argv[2]) / 1000)
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    os.environ |= {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "benchmark"}
    with tempfile.TemporaryDirectory(prefix="bench") as temporary:
        Path(temporary).chmod(0o755)
        server = embedded.start(Path(temporary) / "data")
        try:
            print(f"{'':38}{'ms of a message: ' + ' '.join(_STAGES):>40}", flush=True)
            trio.run(_measure, server.url, Path(temporary) / "blobs", count)
        finally:
            server.stop(10.0)


async def _measure(url: str, blobs: Path, count: int) -> None:
    database = await Database.open(url)
    await migrate(database)
    first = await bootstrap(database)
    assert first is not None
    await database.aclose()
    settings = StoreSettings(shared_domain="shared.bench.example", master_key=bytes(32))
    async with open_store(url, blobs, settings, alone=True) as store:
        actor = await store.authentication.by_key(first.secret, peer=None)
        made, _ = await store.inboxes.create(actor, InboxRequest("bench"))
        where = Scope(made.inbox.organization, made.inbox.environment, made.inbox.id)
        for at_once, latency_ms, octets in _RUNS:
            number = max(count // 5, 200) if at_once == 1 or octets > 10_000 else count
            await _fill(store, where, made.inbox.address, number, octets)
            with _stub_process(latency_ms) as endpoint:
                await _empty(store, endpoint, at_once, latency_ms, octets, number)


async def _fill(store: Store, where: Scope, address: str, number: int, octets: int) -> None:
    async def fill(numbers: Sequence[int]) -> None:
        for each in numbers:
            letter = mail(address, "someone@example.com", str(each), octets)
            await store.messages.deposit(system_actor(), None, where, _deposit(where, letter))

    async with trio.open_nursery() as nursery:
        for start in range(16):
            nursery.start_soon(fill, range(start, number, 16))


def _deposit(where: Scope, letter: bytes) -> Deposit:
    assert where.inbox is not None
    arrival = Arrival(
        organization=where.organization,
        inbox=where.inbox,
        message=MessageId(new_id("msg")),
        direction="outbound",
        source="rest",
        state="queued",
        role="sent",
        flags=Flag.SEEN,
        jobs=("relay",),
    )
    return Deposit(
        letter,
        summarise(letter),
        (arrival,),
        (NewDelivery("someone@example.com", False, "queued", {}),),
        NewRelay("bench@shared.bench.example", {}),
    )


async def _empty(
    store: Store, endpoint: str, at_once: int, latency_ms: int, octets: int, number: int
) -> None:
    ses = Ses(Access("eu-west-1", endpoint), "events", 600.0)
    relays = Relays(store.door, store.blobs, store.committed, store.committed.tell_queued)
    ways = Ways(ses, Simulator(_nowhere))
    work = RelayWork(relays, ways, "bench.example", RelayLimits(concurrency=at_once))
    runner = Runner(Jobs(store.door), [work], JobLimits(gather_s=0.0005))
    with _timed(work) as spent:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(runner.run, stopping=trio.Event()))
            began, before = await _first(store, number)
            while left := await _left(store):
                await trio.sleep(0.02 if left < 200 else 0.2)
            took = time.perf_counter() - began
            cost = used(os.getpid()) - before
            nursery.cancel_scope.cancel()
    name = f"{octets} octets, {at_once} at once, {latency_ms} ms"
    stages = " ".join(f"{spent[stage] / number * 1000:7.2f}" for stage in _STAGES)
    print(
        f"{name:38} {number / took:7.0f}/s {stages}"
        f"   CPU of one: {cost.server_s / number * 1000:.2f} ms,"
        f" PostgreSQL {cost.database_s / number * 1000:.2f} ms",
        flush=True,
    )


async def _first(store: Store, number: int) -> tuple[float, Any]:
    """The moment at which the first message has left: the client is open then."""
    while await _left(store) == number:
        await trio.sleep(0.001)
    return time.perf_counter(), used(os.getpid())


async def _left(store: Store) -> int:
    count: int = await store.database.run(
        "*", lambda connection: connection.value("SELECT count(*) FROM relays")
    )
    return count


@contextmanager
def _timed(work: RelayWork) -> Iterator[dict[str, float]]:
    """Seconds that messages spend in each stage while the context lasts."""
    spent: dict[str, float] = defaultdict(float)

    def timed(stage: str, function: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        async def run(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return await function(*arguments, **named)
            finally:
                spent[stage] += time.perf_counter() - began

        return run

    def prepared(*arguments: Any) -> Any:
        began = time.perf_counter()
        try:
            return plain(*arguments)
        finally:
            spent["prepare"] += time.perf_counter() - began

    plain, ask = relay_module.prepared, Client.ask
    work._begin = timed("begin", work._begin)  # type: ignore[assignment]
    work._settle = timed("settle", work._settle)  # type: ignore[assignment]
    relay_module.prepared = prepared
    Client.ask = timed("call", ask)  # type: ignore[method-assign]
    try:
        yield spent
    finally:
        relay_module.prepared, Client.ask = plain, ask  # type: ignore[method-assign]


async def _nowhere(inbox: str, octets: bytes) -> None:
    raise AssertionError("nothing is delivered here")


@contextmanager
def _stub_process(latency_ms: int) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks", "outbound", "stub", str(latency_ms)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        process.stdout.readline()  # The name of the benchmark.
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


async def _stub(latency_s: float) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        octets = bytearray()
        while True:
            while (end := octets.find(b"\r\n\r\n")) < 0:
                more = await stream.receive_some()
                if not more:
                    return
                octets += more
            head = bytes(octets[:end]).lower()
            length = 0
            if (at := head.find(b"content-length:")) >= 0:
                length = int(head[at + 15 :].split(b"\r\n", 1)[0])
            while len(octets) < end + 4 + length:
                more = await stream.receive_some()
                if not more:
                    return
                octets += more
            del octets[: end + 4 + length]
            if latency_s:
                await trio.sleep(latency_s)
            await stream.send_all(_ANSWER)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    print(listeners[0].socket.getsockname()[1], flush=True)
    await trio.serve_listeners(serve, listeners)
