"""The REST API over a real database and a real socket, with two organizations in it."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import h11
import pytest
import trio

from agentpost.config import Config
from agentpost.events.bus import Bus
from agentpost.http.edge import make_server
from agentpost.http.server import Listener
from agentpost.ids import InboxId, MessageId, new_id
from agentpost.limits import MessageLimits
from agentpost.mail.logins import Logins
from agentpost.mail.policy import make_policy
from agentpost.mail.submission import make_submission
from agentpost.mime.summary import summarise
from agentpost.model.actor import SCOPES, Actor, Scope, system_actor, widen
from agentpost.model.inbox import Inbox
from agentpost.model.mailbox import Placed, Role
from agentpost.model.message import Arrival
from agentpost.model.organization import Environment, NewApiKey, Organization
from agentpost.net import NetLimits, Tally
from agentpost.store.blobs import BlobsAt
from agentpost.store.depositing import Deposit
from agentpost.store.inboxes import InboxRequest
from agentpost.store.keys import KeyRequest
from agentpost.store.opening import Store, open_store
from agentpost.store.pool import Connection
from agentpost.store.settings import StoreSettings
from tests.http.resources import described
from tests.zones import ZoneResolver

SETTINGS = StoreSettings(shared_domain="shared.test", master_key=bytes(range(32)))
ALL = tuple(sorted(SCOPES))
NET = NetLimits(send_stall_s=2.0, close_s=0.2)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; names of header fields in lower case."""

    status: int
    fields: dict[str, str]
    octets: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.octets)

    @property
    def code(self) -> str:
        """The code of an error."""
        return str(self.json["code"])

    @property
    def paths(self) -> list[str]:
        """The paths of the fields that an error names."""
        return [each["path"] for each in self.json["errors"]]


@dataclass
class Caller:
    """A key and the connection it is used over."""

    port: int
    key: str | None
    _stream: trio.SocketStream | None = field(default=None, repr=False)
    _wire: h11.Connection | None = field(default=None, repr=False)

    async def __call__(self, method: str, path: str, body: object = None, **fields: str) -> Answer:
        """One request; ``body`` goes as JSON, octets as they are."""
        with trio.fail_after(20):
            if self._stream is None:
                self._stream = await trio.open_tcp_stream("127.0.0.1", self.port)
                self._wire = h11.Connection(h11.CLIENT)
            if not path.startswith(
                ("/api/", "/v0/", "/.", "/mail/", "/autodiscover", "/files/", "/internal/", "/mcp")
            ):
                path = "/api/v1" + path
            answer = await self._exchange(method, path, body, fields)
            if not path.startswith(("/v0/", "/api/v1/app/")):  # AgentMail and Svix describe those.
                described.check(method, path, answer.status, answer.fields, answer.octets)
            return answer

    async def _exchange(
        self, method: str, path: str, body: object, fields: dict[str, str]
    ) -> Answer:
        assert self._stream is not None
        assert self._wire is not None
        octets = body if isinstance(body, bytes) else b""
        headers = {"host": "api.test"}
        if self.key is not None:
            headers["authorization"] = f"Bearer {self.key}"
        if body is not None and not isinstance(body, bytes):
            octets = json.dumps(body).encode()
            headers["content-type"] = "application/json"
        if body is not None:
            headers["content-length"] = str(len(octets))
        headers |= {name.replace("_", "-"): value for name, value in fields.items()}
        wire = self._wire
        sent = wire.send(h11.Request(method=method, target=path, headers=list(headers.items())))
        assert sent is not None
        if octets:
            sent += wire.send(h11.Data(data=octets)) or b""
        sent += wire.send(h11.EndOfMessage()) or b""
        await self._stream.send_all(sent)
        return await self._answer(wire)

    async def _answer(self, wire: h11.Connection) -> Answer:
        assert self._stream is not None
        status, found, body = 0, {}, b""
        while True:
            event = wire.next_event()
            if event is h11.NEED_DATA:
                wire.receive_data(await self._stream.receive_some(65536))
            elif isinstance(event, h11.Response):
                status = event.status_code
                found = {name.decode(): value.decode("latin-1") for name, value in event.headers}
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                raise AssertionError(f"the server said {event!r}")
        if wire.our_state is h11.DONE and wire.their_state is h11.DONE:
            wire.start_next_cycle()
        else:
            await self.aclose()
        return Answer(status, found, body)

    async def aclose(self) -> None:
        """Close the connection; the next request opens another."""
        if self._stream is not None:
            await trio.aclose_forcefully(self._stream)
            self._stream = self._wire = None


@dataclass
class Tenant:
    """An organization with an inbox, and a caller that may do everything in it."""

    store: Store
    organization: Organization
    environment: Environment
    actor: Actor
    call: Caller
    callers: list[Caller]

    async def caller(self, *scopes: str, **bounds: Any) -> Caller:
        """A caller whose key has these scopes only; ``bounds`` are fields of KeyRequest."""
        request = replace(KeyRequest("limited", scopes), **bounds)
        made, _ = await self.store.keys.create(self.actor, request)
        assert isinstance(made, NewApiKey)
        caller = Caller(self.call.port, made.secret)
        self.callers.append(caller)
        return caller

    async def inbox(self, username: str = "support") -> Inbox:
        made, _ = await self.store.inboxes.create(self.actor, InboxRequest(username))
        return made.inbox


def letter(
    subject: str = "Hello",
    *,
    sender: str = "Ada <ada@example.org>",
    to: str = "support@shared.test",
    message_id: str | None = None,
    answers: str | None = None,
    text: str = "Good morning.",
) -> bytes:
    """A message as it comes from outside."""
    lines = [f"From: {sender}", f"To: {to}", f"Subject: {subject}"]
    lines.append(f"Message-ID: <{message_id or new_id('msg')}@example.org>")
    if answers is not None:
        lines += [f"In-Reply-To: <{answers}@example.org>", f"References: <{answers}@example.org>"]
    return "\r\n".join((*lines, "", text, "")).encode()


async def deliver(
    store: Store,
    inbox: Inbox,
    octets: bytes | None = None,
    *,
    role: Role = "inbox",
    events: tuple[str, ...] = (),
) -> Placed:
    """Put a message into a mailbox of an inbox, as delivery (or submission, in Sent) does."""
    octets = letter() if octets is None else octets
    outbound = role in ("sent", "drafts")
    arrival = Arrival(
        organization=inbox.organization,
        inbox=inbox.id,
        message=MessageId(new_id("msg")),
        direction="outbound" if outbound else "inbound",
        source="imap" if outbound else "smtp",
        state={"drafts": "draft", "sent": "stored"}.get(role, "received"),
        role=role,
        events=events,
    )
    deposit = Deposit(octets, summarise(octets), (arrival,))
    where = Scope(inbox.organization, inbox.environment, inbox.id)
    return (await store.messages.deposit(system_actor(), None, where, deposit))[0]


async def write_event(
    tenant: Tenant, kind: str, inbox: InboxId | None = None, *, days_ago: float = 0
) -> str:
    """Put an event into the log; its id."""
    event = new_id("evt")

    async def operation(connection: Connection) -> None:
        await connection.execute(
            "INSERT INTO events (environment_id, id, organization_id, inbox_id, type, data,"
            " created_at) VALUES ($1, $2, $3, $4, $5, '{}', now() - $6::interval)",
            tenant.environment.id,
            event,
            tenant.organization.id,
            inbox,
            kind,
            timedelta(days=days_ago),
        )

    await tenant.store.database.run("*", operation)
    return event


@dataclass
class Api:
    """The running API and the store behind it."""

    port: int
    store: Store
    bus: Bus
    callers: list[Caller] = field(default_factory=list)
    woken: list[InboxId] = field(default_factory=list)
    zone: ZoneResolver = field(default_factory=lambda: ZoneResolver({}))

    def stranger(self) -> Caller:
        """A caller without a key."""
        caller = Caller(self.port, None)
        self.callers.append(caller)
        return caller

    async def tenant(self, slug: str) -> Tenant:
        organization, environment = await self.store.organizations.create(
            system_actor(), slug.capitalize(), slug, "enterprise"
        )
        actor = Actor(organization.id, "key_setup", widen(SCOPES), environment=environment.id)
        tenant = Tenant(
            self.store, organization, environment, actor, Caller(self.port, None), self.callers
        )
        tenant.call = await tenant.caller(*ALL)
        return tenant


@asynccontextmanager
async def running(
    database_url: str,
    directory: Path,
    blobs: BlobsAt | None = None,
    *,
    reached: bool = False,
    **settings: Any,
) -> AsyncIterator[Api]:
    """The API of one worker on a port of its own; large messages are below ``directory``, or at
    ``blobs``.  It names that port in its URLs when it is to be ``reached`` by them.
    """
    stopping = trio.Event()
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(100)
    listening.setblocking(False)
    port = listening.getsockname()[1]
    if reached:
        settings["public_url"] = f"http://127.0.0.1:{port}"
    config = replace(
        Config(),
        data_dir=directory,
        database_url=database_url,
        domain="test",
        drain_deadline_s=0.2,
        **settings,
    )
    place = blobs or BlobsAt(directory / "blobs")
    async with open_store(database_url, place, SETTINGS, alone=True) as store:
        bus = Bus()
        store.committed.listeners.append(bus.committed)
        logins = Logins(store.authentication)
        policy = make_policy(store, frozenset({config.shared_domain}))
        submission = make_submission(config, store, logins, policy, MessageLimits())
        api = Api(port, store, bus)
        server = await make_server(
            config, store, submission, policy, bus, MessageLimits(), stopping, dns=api.zone
        )
        store.committed.listeners.append(api.woken.append)
        async with trio.open_nursery() as nursery:
            await nursery.start(server.serve, [Listener(listening)], NET, Tally(NET))
            try:
                yield api
            finally:
                for caller in api.callers:
                    await caller.aclose()
                stopping.set()
                with trio.CancelScope(shield=True), trio.move_on_after(2):
                    while nursery.child_tasks:
                        await trio.sleep(0.002)
                nursery.cancel_scope.cancel()


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running(database_url, tmp_path) as started:
        yield started


@pytest.fixture
async def acme(api: Api) -> Tenant:
    return await api.tenant("acme")


@pytest.fixture
async def globex(api: Api) -> Tenant:
    return await api.tenant("globex")
