"""The store as one value: its parts wired together over one database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from agentpost.ids import InboxId
from agentpost.store.approvals import Approvals
from agentpost.store.audit import Audit
from agentpost.store.authentication import Authentication
from agentpost.store.blobs import Blobs, BlobsAt, open_blobs
from agentpost.store.claims import Claims
from agentpost.store.consuming import Consuming
from agentpost.store.conversations import Conversations
from agentpost.store.credentials import Credentials
from agentpost.store.deployment import Deployment
from agentpost.store.deposits import Committer, DepositLimits
from agentpost.store.directory import Directory
from agentpost.store.domainlooks import DomainLooks
from agentpost.store.domains import Domains
from agentpost.store.drafts import Drafts
from agentpost.store.environments import Environments
from agentpost.store.events import Events
from agentpost.store.exports import Exports
from agentpost.store.holds import Holds
from agentpost.store.idempotency import Idempotency
from agentpost.store.inboxes import Inboxes
from agentpost.store.index import IndexLimits, MailboxIndex
from agentpost.store.jobs import Jobs
from agentpost.store.keys import Keys
from agentpost.store.labels import Labels
from agentpost.store.mailboxes import Mailboxes, MailboxLimits
from agentpost.store.mcp import McpSessions
from agentpost.store.messagenames import MessageNames
from agentpost.store.messages import Messages
from agentpost.store.metrics import Metrics
from agentpost.store.organizations import Organizations
from agentpost.store.polling import Polling
from agentpost.store.pool import Database, PoolLimits
from agentpost.store.refusals import Refusals
from agentpost.store.relabelling import Relabelling
from agentpost.store.reputation import Reputation
from agentpost.store.rules import Rules
from agentpost.store.search import Search
from agentpost.store.search_messages import MessageSearch
from agentpost.store.settings import StoreSettings
from agentpost.store.store import Door
from agentpost.store.suppressions import Suppressions
from agentpost.store.threads import Threads
from agentpost.store.uploads import Uploads
from agentpost.store.webhook_log import WebhookLog
from agentpost.store.webhooks import Webhooks

CommitListener = Callable[[InboxId], None]


class Committed:
    """Tells whoever listens that something was committed in an inbox.

    The store is below the events floor and knows no bus: ``listeners`` are called in the order
    in which they were added, right after the commit, in the worker that made it; ``queued`` only
    after one that brought jobs, which few do.
    """

    def __init__(self) -> None:
        self.listeners: list[CommitListener] = []
        self.queued: list[Callable[[], None]] = []

    def __call__(self, inbox: InboxId) -> None:
        """Something changed in the inbox."""
        for listener in self.listeners:
            listener(inbox)

    def tell_queued(self) -> None:
        """Jobs were queued."""
        for listener in self.queued:
            listener()


@dataclass(frozen=True, slots=True)
class Store:
    """Everything that is kept, part by part."""

    database: Database
    door: Door
    committed: Committed
    blobs: Blobs
    committer: Committer
    index: MailboxIndex
    organizations: Organizations
    environments: Environments
    keys: Keys
    inboxes: Inboxes
    credentials: Credentials
    directory: Directory
    authentication: Authentication
    mailboxes: Mailboxes
    messages: Messages
    message_names: MessageNames
    threads: Threads
    labels: Labels
    relabelling: Relabelling
    drafts: Drafts
    claims: Claims
    approvals: Approvals
    holds: Holds
    events: Events
    search: Search
    message_search: MessageSearch
    idempotency: Idempotency
    uploads: Uploads
    mcp: McpSessions
    deployment: Deployment
    jobs: Jobs
    rules: Rules
    suppressions: Suppressions
    reputation: Reputation
    conversations: Conversations
    refusals: Refusals
    webhooks: Webhooks
    webhook_log: WebhookLog
    polling: Polling
    consuming: Consuming
    forget: Callable[[str], None]
    """To be told the ids and addresses of inboxes, keys and recipients that have changed."""
    domains: Domains
    domain_looks: DomainLooks
    audit: Audit
    exports: Exports
    metrics: Metrics


@asynccontextmanager
async def open_store(
    dsn: str,
    blobs: BlobsAt | Path,
    settings: StoreSettings,
    *,
    alone: bool,
    pool: PoolLimits | None = None,
    deposits: DepositLimits | None = None,
) -> AsyncIterator[Store]:
    """The store on the database ``dsn``, closed at the end.  A path is a directory of blobs.

    ``alone`` promises that no other process writes to this database, so that wake-ups inside
    this one are enough to keep the mailbox index exact.
    Raises: Overloaded when PostgreSQL cannot be reached.
    """
    place = BlobsAt(blobs) if isinstance(blobs, Path) else blobs
    async with open_blobs(place) as opened:
        database = await Database.open(dsn, pool)
        try:
            yield _store(database, opened, settings, alone, deposits or DepositLimits())
        finally:
            with trio.CancelScope(shield=True):
                await database.aclose()


def _store(
    database: Database,
    blobs: Blobs,
    settings: StoreSettings,
    alone: bool,
    deposits: DepositLimits,
) -> Store:
    committed = Committed()
    door = Door(database, committed)
    committer = Committer(database, blobs, deposits, committed, committed.tell_queued)
    index = MailboxIndex(door, IndexLimits(), ask=not alone)
    committed.listeners.append(index.stale)
    authentication = Authentication(door)
    directory = Directory(door)
    suppressions = Suppressions(door)

    def forget(name: str) -> None:
        authentication.forget(name)
        directory.forget(name)
        suppressions.forget(name)

    return Store(
        database=database,
        door=door,
        committed=committed,
        blobs=blobs,
        committer=committer,
        index=index,
        organizations=Organizations(door),
        environments=Environments(door, forget, relays=settings.relays),
        keys=Keys(door, authentication.forget),
        inboxes=Inboxes(door, settings, forget),
        credentials=Credentials(door, settings, authentication.forget),
        directory=directory,
        authentication=authentication,
        mailboxes=Mailboxes(door, blobs, MailboxLimits(), index),
        messages=Messages(door, committer, blobs),
        message_names=MessageNames(door),
        threads=Threads(door),
        labels=Labels(door),
        relabelling=Relabelling(door),
        drafts=Drafts(door),
        claims=Claims(door),
        approvals=Approvals(door, committed.tell_queued),
        holds=Holds(door, committer, blobs, committed, committed.tell_queued),
        events=Events(door),
        search=Search(door),
        message_search=MessageSearch(door, blobs),
        idempotency=Idempotency(door),
        uploads=Uploads(door),
        mcp=McpSessions(door),
        deployment=Deployment(door),
        jobs=Jobs(door),
        rules=Rules(door),
        suppressions=suppressions,
        reputation=Reputation(door),
        conversations=Conversations(door),
        refusals=Refusals(door, forget),
        webhooks=Webhooks(door, settings, committed.tell_queued),
        webhook_log=WebhookLog(door, committed.tell_queued),
        polling=Polling(door),
        consuming=Consuming(door),
        forget=forget,
        domains=Domains(door, settings, forget),
        domain_looks=DomainLooks(door, settings, forget),
        audit=Audit(door),
        exports=Exports(door),
        metrics=Metrics(door),
    )
