"""A bucket on this machine, in a thread of its own, and a service that does what it is told."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import h11
import httpx2
import trio
from moto.server import ThreadedMotoServer

from agentpost.store.blobs import BlobsAt
from tests.mail.fakeses import AWS_VARIABLES

__all__ = ["AWS_VARIABLES", "Told", "bucket", "obedient"]


@contextmanager
def bucket() -> Iterator[BlobsAt]:
    """An empty bucket; credentials are not looked at."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        httpx2.put(f"{url}/mail-test").raise_for_status()
        yield BlobsAt(bucket="mail-test", prefix="some/where", endpoint_url=url)
    finally:
        server.stop()


@dataclass
class Told:
    """What a service answers, request by request; the last answer is given again and again."""

    answers: list[bytes]
    requests: list[bytes] = field(default_factory=list)
    """Method and target of what came."""
    place: BlobsAt = BlobsAt()


@asynccontextmanager
async def obedient(*answers: bytes, hangs: bool = False) -> AsyncIterator[Told]:
    """A service with these answers, octets as they are; with ``hangs`` it gives none at all."""
    told = Told(list(answers))

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            connection = h11.Connection(h11.SERVER)
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    octets = await stream.receive_some(65_536)
                    if not octets:
                        return
                    connection.receive_data(octets)
                elif isinstance(event, h11.Request):
                    told.requests.append(event.method + b" " + event.target)
                elif isinstance(event, h11.EndOfMessage):
                    break
            if hangs:
                await trio.sleep_forever()
            await stream.send_all(told.answers.pop(0) if len(told.answers) > 1 else told.answers[0])

    async with trio.open_nursery() as nursery:
        listeners: list[trio.SocketListener] = await nursery.start(_listen, serve)
        port = listeners[0].socket.getsockname()[1]
        told.place = BlobsAt(bucket="mail-test", endpoint_url=f"http://127.0.0.1:{port}")
        yield told
        nursery.cancel_scope.cancel()


async def _listen(
    serve: Callable[[trio.SocketStream], object],
    task_status: trio.TaskStatus[list[trio.SocketListener]] = trio.TASK_STATUS_IGNORED,
) -> None:
    await trio.serve_tcp(serve, 0, host="127.0.0.1", task_status=task_status)  # type: ignore[arg-type]


def answer(status: int, body: bytes = b"", **fields: str) -> bytes:
    """An answer, after which the connection ends."""
    lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join((*lines, "", "")).encode() + body


def refusal(status: int, code: str) -> bytes:
    """An error as S3 writes it."""
    text = f"<Error><Code>{code}</Code><Message>no</Message></Error>"
    return answer(status, text.encode(), Content_Type="application/xml")
