"""Two organizations, two environments, and every kind of credential that must not work."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from agentpost import clock
from agentpost.budget import ByteBudget
from agentpost.events.bus import Bus
from agentpost.ids import EnvironmentId
from agentpost.imap.desk import ImapDesk
from agentpost.imap.session import Session as ImapSession
from agentpost.imap.states import Authenticated
from agentpost.limits import ImapLimits, MessageLimits, SubmissionLimits
from agentpost.mail.appending import Appending
from agentpost.mail.logins import Logins
from agentpost.mail.policy import make_policy
from agentpost.mail.submission import Submission, SubmissionSettings
from agentpost.model.actor import SCOPES, Actor, Scope, system_actor, widen
from agentpost.model.inbox import Inbox
from agentpost.model.mailbox import Flag
from agentpost.model.organization import NewApiKey
from agentpost.net import Peer
from agentpost.smtp.desk import Terms
from agentpost.smtp.session import Session as SmtpSession
from agentpost.store.inboxes import InboxRequest, NewInbox
from agentpost.store.keys import KeyRequest
from agentpost.store.opening import Store, open_store
from tests.imap.harness import PATIENT, SETTINGS, Client, Wire
from tests.smtp.fakes import FakeMemory

MESSAGE = (
    b"From: a@elsewhere.example\r\nSubject: The secret plan\r\nMessage-ID: <plan@elsewhere>\r\n"
    b"\r\nAttack at dawn.\r\n"
)
_NO_FLAGS = Flag(0)
_PEER = Peer("192.0.2.1", 40_000)
_IMAP = ImapLimits(failed_login_s=0.0, max_failed_logins=1_000)
_SMTP = Terms("mail.shared.test", SubmissionLimits(failed_login_s=0.0, max_failed_logins=1_000))


@dataclass(frozen=True)
class Tenant:
    """An organization, who may do everything in it, and one inbox with a message."""

    owner: Actor
    inbox: NewInbox
    where: Scope
    message: str

    @property
    def address(self) -> str:
        return self.inbox.inbox.address

    @property
    def password(self) -> str:
        assert self.inbox.credential is not None
        return self.inbox.credential.secret


@dataclass(frozen=True)
class World:
    """``acme`` with a second environment, and ``globex``."""

    store: Store
    desk: ImapDesk
    submission: Submission
    acme: Tenant
    globex: Tenant
    elsewhere: EnvironmentId
    """Acme's second environment."""
    second: Inbox
    """An inbox in it."""

    async def put(self, tenant: Tenant) -> None:
        """One more message in the tenant's INBOX."""
        await _put(self.store, tenant.owner, tenant.where)

    async def key(self, *scopes: str, environment: EnvironmentId | None = None) -> NewApiKey:
        """A new key of Acme with these scopes, everywhere or in one environment."""
        places = None if environment is None else (environment,)
        request = KeyRequest("Test", scopes, environments=places)
        made, _ = await self.store.keys.create(self.acme.owner, request)
        assert isinstance(made, NewApiKey)
        return made

    async def expire(self, table: str, credential: str) -> None:
        """Let a credential have ended a minute ago."""
        ended = clock.now() - timedelta(minutes=1)
        await self.store.database.run(
            "*",
            lambda c: c.execute(
                f"UPDATE {table} SET expires_at = $2 WHERE id = $1", credential, ended
            ),
        )

    def stranger(self) -> Client:
        """An IMAP session of nobody yet."""
        wire = Wire()
        return Client(ImapSession(self.desk, wire, peer=_PEER), wire)

    def session(self, actor: Actor, where: Scope) -> Client:
        """An IMAP session that has logged in, be it where it could never have."""
        client = self.stranger()
        client.session.logged_in(Authenticated(actor=actor, where=where))
        return client

    async def imap_login(self, username: str, password: str) -> str:
        """What LOGIN is answered, without its tag and its capabilities."""
        answer = await self.stranger().command(f'LOGIN "{username}" "{password}"')
        return answer.decode().removeprefix("a1 ").partition("[CAPABILITY")[0].strip()

    async def smtp_login(self, username: str, password: str) -> str:
        """What AUTH PLAIN is answered."""
        session = SmtpSession(_SMTP, self.submission, FakeMemory(), tls=True, peer="192.0.2.1")
        response = base64.b64encode(f"\0{username}\0{password}".encode())
        replies = b""
        for line in (b"EHLO client.test", b"AUTH PLAIN " + response):
            session.receive(line + b"\r\n")
            replies = b""
            while not (session.starved or session.closing):
                replies += await session.advance()
        return replies.decode().strip()

    def actor_at(self, tenant: Tenant, *missing: str) -> Actor:
        """The tenant's session, which may do everything but what is ``missing``."""
        return replace(
            tenant.owner,
            scopes=widen(SCOPES) - set(missing),
            inboxes=frozenset({tenant.inbox.inbox.id}),
            source="imap",
            at=tenant.where,
            address=tenant.address,
        )


async def _tenant(store: Store, slug: str) -> Tenant:
    organization, environment = await store.organizations.create(
        system_actor(), slug.capitalize(), slug, "enterprise"
    )
    owner = Actor(organization.id, f"key_of_{slug}", widen(SCOPES), environment=environment.id)
    inbox, _ = await store.inboxes.create(owner, InboxRequest(slug))
    where = Scope(organization.id, environment.id, inbox.inbox.id)
    return Tenant(owner, inbox, where, await _put(store, owner, where))


async def _put(store: Store, owner: Actor, where: Scope) -> str:
    box = await store.mailboxes.find(owner, where, "INBOX")
    appending = Appending(store.messages, store.mailboxes, MessageLimits())
    return (await appending.append(owner, where, box, MESSAGE, _NO_FLAGS, (), None)).message


@asynccontextmanager
async def open_world(database_url: str, blobs: Path) -> AsyncIterator[World]:
    """The world in the empty database at ``database_url``."""
    async with open_store(database_url, blobs, SETTINGS, alone=True) as store:
        acme, globex = await _tenant(store, "acme"), await _tenant(store, "globex")
        second, _ = await store.environments.create(acme.owner, "Second")
        there = replace(acme.owner, environment=second.id)
        inbox, _ = await store.inboxes.create(there, InboxRequest("second"))
        bus = Bus()
        store.committed.listeners.append(bus.committed)
        appending = Appending(store.messages, store.mailboxes, MessageLimits())
        logins = Logins(store.authentication, PATIENT)
        desk = ImapDesk(store, logins, bus, appending, ByteBudget(1 << 26), _IMAP)
        submission = Submission(
            store.messages,
            store.directory,
            logins,
            make_policy(store, frozenset({"shared.test"})),
            store.approvals,
            SubmissionSettings({}),
        )
        yield World(store, desk, submission, acme, globex, second.id, inbox.inbox)
