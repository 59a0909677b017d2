"""A server that hears Amazon SES: a store with one inbox, a bucket and a signer of notifications."""

from __future__ import annotations

import bisect
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from agentpost import clock
from agentpost.config import Config
from agentpost.errors import Overloaded
from agentpost.ids import InboxId, MessageId, new_id
from agentpost.limits import MessageLimits
from agentpost.mail.objects import ObjectGone, ObjectTooLarge, StoredObject
from agentpost.mail.receiving import Receiving, make_receiving
from agentpost.mime.summary import summarise
from agentpost.model.actor import SCOPES, Actor, system_actor, widen
from agentpost.model.inbox import Inbox
from agentpost.model.mailbox import Flag
from agentpost.model.message import Arrival, NewDelivery, NewRelay
from agentpost.store.depositing import Deposit
from agentpost.store.inboxes import InboxRequest
from agentpost.store.opening import Store, open_store
from agentpost.store.pool import Row
from agentpost.store.relays import Relays
from agentpost.store.settings import StoreSettings
from tests import sns

SETTINGS = StoreSettings(shared_domain="shared.test", master_key=bytes(range(32)))
BUCKET = "mail-bucket"
PREFIX = "inbound/"
LETTER = (
    b"Return-Path: <ada@elsewhere.example>\r\n"
    b"Received: from mail.elsewhere.example (mail.elsewhere.example [192.0.2.7])\r\n"
    b" by inbound-smtp.eu-west-1.amazonaws.com with SMTP id abc123\r\n"
    b" for %(to)s; Sun, 8 Mar 2026 14:30:00 +0000 (UTC)\r\n"
    b"From: Ada <ada@elsewhere.example>\r\n"
    b"To: %(to)s\r\n"
    b"Subject: hello\r\n"
    b"Message-ID: <%(id)s@elsewhere.example>\r\n"
    b"\r\n"
    b"The body.\r\n"
)


def letter(to: str, name: str = "one") -> bytes:
    """A mail as SES hands it over."""
    return LETTER % {b"to": to.encode(), b"id": name.encode()}


class FakeBucket:
    """Objects in memory."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, datetime]] = {}
        self.fetched: list[str] = []
        self.down = False

    def put(self, name: str, octets: bytes, age: timedelta = timedelta(hours=1)) -> str:
        """An object that was put there so long ago."""
        key = PREFIX + name
        self.objects[key] = (octets, clock.now() - age)
        return key

    def holds(self, bucket: str | None, key: str) -> bool:
        return bucket == BUCKET and key.startswith(PREFIX)

    async def after(self, key: str, limit: int) -> Sequence[StoredObject]:
        self._check()
        keys = sorted(self.objects)
        at = bisect.bisect_right(keys, key)
        return [
            StoredObject(one, len(self.objects[one][0]), self.objects[one][1])
            for one in keys[at : at + limit]
        ]

    async def get(self, key: str, most: int) -> bytes:
        self._check()
        self.fetched.append(key)
        if key not in self.objects:
            raise ObjectGone
        if len(self.objects[key][0]) > most:
            raise ObjectTooLarge
        return self.objects[key][0]

    async def delete(self, key: str) -> None:
        self._check()
        self.objects.pop(key, None)

    def beside(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return ()

    def _check(self) -> None:
        if self.down:
            raise Overloaded("The bucket does not answer.")


@dataclass
class Amazon:
    """What is fetched from SNS: its certificate, and confirmations."""

    certificate: bytes = field(default_factory=sns.certificate)
    fetched: list[str] = field(default_factory=list)
    down: bool = False

    async def __call__(self, url: str) -> bytes:
        self.fetched.append(url)
        if self.down:
            raise Overloaded("Amazon SNS cannot be asked.")
        return self.certificate if url.endswith(".pem") else b"<ConfirmSubscriptionResponse/>"


@dataclass
class Post:
    """The server, and what is around it."""

    store: Store
    actor: Actor
    inbox: Inbox
    bucket: FakeBucket
    amazon: Amazon
    receiving: Receiving
    settings: Config
    woken: list[InboxId]
    confirmed: list[tuple[str, int, str, tuple[str, ...]]]

    async def hear(self, message: Any, **fields: Any) -> None:
        """SNS posts a notification."""
        await self.receiving.notifications.receive(sns.posted(message, **fields))

    async def another(self, username: str) -> Inbox:
        made, _ = await self.store.inboxes.create(self.actor, InboxRequest(username))
        return made.inbox

    async def rows(self, sql: str, *arguments: object) -> list[Row]:
        return await self.store.database.run("*", lambda c: c.rows(sql, *arguments))

    async def execute(self, sql: str, *arguments: object) -> None:
        await self.store.database.run("*", lambda c: c.execute(sql, *arguments))

    async def value(self, sql: str, *arguments: object) -> Any:
        return await self.store.database.run("*", lambda c: c.value(sql, *arguments))

    async def mails(self) -> list[Row]:
        """Every message that came, with the mailbox that holds it and its octets."""
        return await self.rows(
            "SELECT m.*, b.name AS folder, o.octets, p.keywords FROM messages m"
            " JOIN placements p ON p.message_id = m.id JOIN mailboxes b ON b.id = p.mailbox_id"
            " JOIN blobs o ON o.id = m.blob_id WHERE m.direction = 'inbound' ORDER BY m.id"
        )

    async def events(self, *types: str) -> list[tuple[str, dict[str, Any]]]:
        found = await self.rows(
            "SELECT type, data FROM events WHERE type LIKE 'message.%'"
            " AND (cardinality($1::text[]) = 0 OR type = ANY ($1)) ORDER BY seq",
            list(types),
        )
        return [(row["type"], msgspec.json.decode(row["data"])) for row in found]

    async def send(
        self, *recipients: str, state: str = "sent", provider_id: str | None = "ses-1"
    ) -> MessageId:
        """A message that the relay has handed to SES."""
        message = MessageId(new_id("msg"))
        octets = letter("someone@example.com", message)
        arrival = Arrival(
            organization=self.inbox.organization,
            inbox=self.inbox.id,
            message=message,
            direction="outbound",
            source="rest",
            state="queued",
            role="sent",
            flags=Flag.SEEN,
        )
        deliveries = tuple(NewDelivery(one, False, state) for one in recipients)
        relay = NewRelay(self.inbox.address) if state == "sending" else None
        deposit = Deposit(octets, summarise(octets), (arrival,), deliveries, relay)
        where = (await self.store.directory.reach(self.actor, None, self.inbox.id)).scope
        await self.store.messages.deposit(system_actor(), None, where, deposit)
        if state == "sending":
            await self.execute(
                "UPDATE deliveries SET attempts = 2, begun_at = now() WHERE message_id = $1",
                message,
            )
        else:
            await self.execute(
                "UPDATE deliveries SET provider_id = $2, history = jsonb_build_array("
                "jsonb_build_object('state', state, 'at', now())) WHERE message_id = $1",
                message,
                provider_id,
            )
            await self.execute("UPDATE messages SET state = 'sent' WHERE id = $1", message)
        return message

    async def states(self, message: MessageId) -> dict[str, str]:
        found = await self.rows(
            "SELECT recipient, state FROM deliveries WHERE message_id = $1", message
        )
        return {row["recipient"]: row["state"] for row in found}

    async def state(self, message: MessageId) -> str:
        return str(await self.value("SELECT state FROM messages WHERE id = $1", message))


def received(
    *recipients: str, name: str = "mail1", content: bytes | None = None, **receipt: Any
) -> dict[str, Any]:
    """SES's notification of a mail, its octets inside; ``receipt`` adds to that part."""
    said: dict[str, Any] = {
        "notificationType": "Received",
        "mail": {
            "messageId": name,
            "source": "ada@elsewhere.example",
            "timestamp": "2026-03-08T14:30:00.000Z",
            "destination": list(recipients),
        },
        "receipt": {
            "recipients": list(recipients),
            "action": {"type": "SNS", "encoding": "UTF8"},
            **{f"{one}Verdict": {"status": "PASS"} for one in ("spam", "virus", "spf", "dkim")},
            "dmarcVerdict": {"status": "PASS"},
            **receipt,
        },
    }
    if content is not None:
        said["content"] = content.decode()
    return said


def in_bucket(*recipients: str, key: str, bucket: str = BUCKET, **receipt: Any) -> dict[str, Any]:
    """SES's notification of a mail that lies in a bucket."""
    action = {"type": "S3", "bucketName": bucket, "objectKey": key}
    return received(*recipients, name=key.rpartition("/")[2], action=action, **receipt)


@asynccontextmanager
async def receiving(
    database_url: str, directory: Path, slug: str = "acme", **settings: Any
) -> AsyncIterator[Post]:
    """The server with everything it hears, over a database of its own."""
    config = replace(Config(), sns_topic_arns=(sns.TOPIC,), **settings)
    bucket, amazon = FakeBucket(), Amazon()
    confirmed: list[tuple[str, int, str, tuple[str, ...]]] = []

    async with open_store(database_url, directory / "blobs", SETTINGS, alone=True) as store:
        organization, environment = await store.organizations.create(
            system_actor(), "Acme", slug, "enterprise"
        )
        actor = Actor(organization.id, "key", widen(SCOPES), environment=environment.id)
        made, _ = await store.inboxes.create(actor, InboxRequest("support"))
        woken: list[InboxId] = []
        store.committed.listeners.append(woken.append)
        relays = Relays(store.door, store.blobs, store.committed, store.committed.tell_queued)

        async def confirm(
            message: MessageId, attempt: int, provider_id: str, recipients: Sequence[str]
        ) -> None:
            confirmed.append((message, attempt, provider_id, tuple(recipients)))
            await relays.confirm(system_actor(), message, attempt, provider_id, recipients)

        heard = make_receiving(
            config,
            store,
            MessageLimits(max_octets=config.max_message_octets),
            confirm=confirm,
            fetch=amazon,
            source=bucket,
        )
        yield Post(store, actor, made.inbox, bucket, amazon, heard, config, woken, confirmed)


def recorded(corpus: Path) -> list[Any]:
    """The recorded notifications of the collection, as they were found."""
    found = [json.loads(path.read_text("utf-8")) for path in sorted((corpus / "ses").iterdir())]
    assert len(found) > 50
    return found
