"""Amazon SES as far as sending goes, in a thread of its own, with the faults it may have.

What it *accepted* it would deliver, whatever it answered: that is what tests count.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import trio

AWS_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret-of-anybody",
    "AWS_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}


@dataclass(frozen=True)
class Call:
    """One SendEmail as it came."""

    sender: str | None
    recipients: tuple[str, ...]
    octets: bytes
    tags: dict[str, str]
    configuration_set: str | None

    @property
    def message(self) -> str:
        return self.tags["agentpost_message"]

    @property
    def attempt(self) -> int:
        return int(self.tags["agentpost_attempt"])


@dataclass(frozen=True)
class Accepted:
    """What it took, under its own name."""

    name: str
    call: Call


@dataclass(frozen=True)
class Answer:
    """How a call ends: an answer, unless ``lost``; ``accepts`` says whether it is delivered."""

    accepts: bool = True
    lost: bool = False
    hangs: bool = False
    status: int = 200
    code: str = ""
    text: str = ""
    raw: bytes | None = None


ACCEPT = Answer()
ACCEPT_AND_DROP = Answer(lost=True)
DROP = Answer(accepts=False, lost=True)
ACCEPT_AND_HANG = Answer(hangs=True)


def refuse(code: str, text: str = "no", status: int = 400) -> Answer:
    """It answers with this error, and delivers nothing."""
    return Answer(accepts=False, status=status, code=code, text=text)


@dataclass
class FakeSes:
    """The service; ``decide`` says how each call ends."""

    decide: Callable[[Call], Answer] = lambda _: ACCEPT
    told: Callable[[Accepted], None] = lambda _: None
    """Called as its Send event would be."""
    calls: list[Call] = field(default_factory=list)
    accepted: list[Accepted] = field(default_factory=list)
    account: dict[str, Any] = field(
        default_factory=lambda: {
            "SendingEnabled": True,
            "ProductionAccessEnabled": True,
            "EnforcementStatus": "HEALTHY",
            "SendQuota": {"Max24HourSend": 50000.0, "MaxSendRate": 14.0, "SentLast24Hours": 7.0},
        }
    )
    sets: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    port: int = 0
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, task_status: Any) -> None:
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            self.port = listeners[0].socket.getsockname()[1]
            nursery.start_soon(partial(trio.serve_listeners, self._connection, listeners))
            task_status.started()

    async def _connection(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        data = b""
        try:
            while True:
                while b"\r\n\r\n" not in data:
                    more = await stream.receive_some()
                    if not more:
                        return
                    data += more
                head, _, data = data.partition(b"\r\n\r\n")
                line, *fields = head.decode().split("\r\n")
                length = 0
                for one in fields:
                    name, _, value = one.partition(":")
                    if name.lower() == "content-length":
                        length = int(value)
                while len(data) < length:
                    more = await stream.receive_some()
                    if not more:
                        return
                    data += more
                body, data = data[:length], data[length:]
                method, path, _ = line.split(" ")
                if not await self._answer(stream, method, path.partition("://")[2] or path, body):
                    return
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async def _answer(self, stream: trio.SocketStream, method: str, path: str, body: bytes) -> bool:
        path = "/" + path.partition("/")[2] if not path.startswith("/") else path
        if method == "POST" and path == "/v2/email/outbound-emails":
            return await self._send(stream, _call(json.loads(body)))
        if path == "/v2/email/account":
            await _write(stream, 200, json.dumps(self.account).encode())
        elif path.endswith("/event-destinations") and path.split("/")[-2] in self.sets:
            found = {"EventDestinations": self.sets[path.split("/")[-2]]}
            await _write(stream, 200, json.dumps(found).encode())
        else:
            await _write(stream, 404, b'{"message":"there is none"}', "NotFoundException")
        return True

    async def _send(self, stream: trio.SocketStream, call: Call) -> bool:
        self.calls.append(call)
        answer = self.decide(call)
        name = f"0102{len(self.calls):012x}-00000000"
        if answer.accepts:
            made = Accepted(name, call)
            self.accepted.append(made)
            self.told(made)
        if answer.hangs:
            await trio.sleep_forever()
        if answer.lost:
            return False
        if answer.raw is not None:
            await stream.send_all(answer.raw)
            return False
        body = {"MessageId": name} if answer.status == 200 else {"message": answer.text}
        await _write(stream, answer.status, json.dumps(body).encode(), answer.code)
        return True


def _call(body: dict[str, Any]) -> Call:
    to = body.get("Destination", {})
    return Call(
        sender=body.get("FromEmailAddress"),
        recipients=tuple(
            one
            for name in ("ToAddresses", "CcAddresses", "BccAddresses")
            for one in to.get(name, ())
        ),
        octets=base64.b64decode(body["Content"]["Raw"]["Data"]),
        tags={one["Name"]: one["Value"] for one in body.get("EmailTags", ())},
        configuration_set=body.get("ConfigurationSetName"),
    )


async def _write(stream: trio.SocketStream, status: int, body: bytes, code: str = "") -> None:
    head = f"HTTP/1.1 {status} x\r\nContent-Type: application/json\r\n"
    if code:
        head += f"X-Amzn-ErrorType: {code}\r\n"
    await stream.send_all(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


@contextmanager
def fake_ses(fake: FakeSes | None = None) -> Iterator[FakeSes]:
    """A running one; it is gone at the end."""
    fake = fake or FakeSes()
    ready = threading.Event()
    ending: list[tuple[trio.lowlevel.TrioToken, trio.CancelScope]] = []

    async def run() -> None:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(fake._serve)
                ending.append((trio.lowlevel.current_trio_token(), scope))
                ready.set()

    thread = threading.Thread(target=trio.run, args=(run,), name="fake SES")
    thread.start()
    assert ready.wait(10)
    try:
        yield fake
    finally:
        token, scope = ending[0]
        token.run_sync_soon(scope.cancel)
        thread.join(10)
