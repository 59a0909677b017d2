"""One worker: the nursery that runs every server and every job of a process.

Start: the store opens, wake-ups are listened to, then the listeners accept.  End: ``stopping`` is
set by the supervisor; listeners close, sessions say goodbye within their drain deadlines, jobs
finish what they hold, and the store closes last.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import trio

from agentpost import metrics
from agentpost.budget import ByteBudget
from agentpost.config import Config
from agentpost.control.line import Line
from agentpost.errors import Problem
from agentpost.events.bus import CHANNEL, Bus
from agentpost.http.edge import make_egress, make_governor, make_server
from agentpost.http.exported import exported_line
from agentpost.http.ratelimit import Governor
from agentpost.http.server import Listener
from agentpost.http.sharing import CHANNEL as GRANTS
from agentpost.http.sharing import Sharing
from agentpost.ids import InboxId
from agentpost.imap.desk import ImapDesk
from agentpost.imap.server import ImapServer
from agentpost.jobs.attempting import Attempting
from agentpost.jobs.bounce import BounceWork
from agentpost.jobs.export import ExportWork
from agentpost.jobs.inbound import InboundWork
from agentpost.jobs.leases import LeasesWork
from agentpost.jobs.posting import Posting
from agentpost.jobs.relay import RelayWork
from agentpost.jobs.release import ReleaseWork
from agentpost.jobs.report import ReportWork
from agentpost.jobs.runner import Runner, Work
from agentpost.jobs.seal import SealWork
from agentpost.jobs.sweep import SweepWork
from agentpost.jobs.tally import TallyWork
from agentpost.jobs.verify import VerifyWork
from agentpost.jobs.webhook import WebhookWork
from agentpost.limits import HttpLimits, ImapLimits, MessageLimits, PolicyLimits
from agentpost.mail.appending import Appending
from agentpost.mail.bounces import Reports
from agentpost.mail.delivery import Delivery
from agentpost.mail.dns import Resolver
from agentpost.mail.domains import relay_signs
from agentpost.mail.exporting import Exporting
from agentpost.mail.logins import Logins
from agentpost.mail.policy import Policy, make_policy
from agentpost.mail.receiving import Receiving, by_ourselves, make_receiving
from agentpost.mail.releasing import Releasing
from agentpost.mail.signing import DomainKeys
from agentpost.mail.submission import Submission, make_submission
from agentpost.mail.telling import Telling
from agentpost.mail.transports import choose, doubts
from agentpost.mail.verification import make_verification
from agentpost.model.actor import system_actor
from agentpost.model.reputation import PausingTerms
from agentpost.net import NetLimits, PlainStream, ServerTls, Stream, Tally, serve_listener, starttls
from agentpost.smtp.desk import Terms
from agentpost.smtp.server import SubmissionServer
from agentpost.store import embedded
from agentpost.store.auditchain import AuditChain
from agentpost.store.bounces import Bounces
from agentpost.store.opening import Store, open_store
from agentpost.store.pool import Connection
from agentpost.store.relays import Relays
from agentpost.store.settings import blobs_at, deposit_limits, store_settings
from agentpost.store.sweeps import Sweeps
from agentpost.store.webhook_queue import WebhookQueue

Handler = Callable[[Stream], Awaitable[None]]

log = logging.getLogger("agentpost.serve")

_NOTIFY_GATHER_S = 0.005
_LOOK_EVERY_S = 15.0
_LAST_USED_EVERY_S = 60.0
_SWITCH_INTERVAL_S = 0.0001
_BUDGET_OCTETS = 128 * 1024 * 1024


def run_worker(settings: Config, sockets: Mapping[str, socket.socket], line: Line) -> None:
    """Serve on ``sockets`` (by service name) until the supervisor says stop."""
    # The protocol servers and the database thread share one interpreter lock.  Who waits for it
    # asks for it only after this long without a release; a busy event loop releases it for an
    # instant at every system call, so that with half a millisecond the other waited for 140.
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    trio.run(_Worker(settings, sockets, line).run)


class _Worker:
    """Everything one worker holds, wired together."""

    def __init__(self, settings: Config, sockets: Mapping[str, socket.socket], line: Line) -> None:
        self._settings = settings
        self._sockets = sockets
        self._line = line
        self._stopping = trio.Event()
        self._tls = ServerTls(_certificate(settings)[0], _certificate(settings)[1])
        self._bus = Bus()
        self._budget = ByteBudget(max(_BUDGET_OCTETS, 4 * settings.max_message_octets))
        self._alone = settings.workers == 1 and _embedded(settings)
        """No other process writes mail to the database: our own wake-ups tell everything."""
        self._dns = Resolver(settings.dns_resolver)
        self._egress = make_egress(settings, self._dns)
        self._messages = MessageLimits(max_octets=settings.max_message_octets)

    async def run(self) -> None:
        """The worker's whole life."""
        assert self._settings.database_url is not None
        async with open_store(
            self._settings.database_url,
            blobs_at(self._settings),
            store_settings(self._settings),
            alone=self._alone,
            deposits=deposit_limits(self._settings),
        ) as store:
            others = not self._alone
            store.committed.listeners.append(
                self._bus.committed if others else self._bus.committed_alone
            )
            self._bus.on_wake(partial(_heard, store))
            relays = _relays(store)
            policy = make_policy(store, frozenset({self._settings.shared_domain}))
            receiving = make_receiving(
                self._settings,
                store,
                self._messages,
                confirm=partial(relays.confirm, system_actor("ses")),
                judge=by_ourselves(self._dns),
                admits=policy.admits,
            )
            runner = self._runner(store, relays, policy, receiving)
            async with trio.open_nursery() as background:
                background.start_soon(self._obey)
                background.start_soon(store.database.watch, CHANNEL, self._bus.heard)
                if others:
                    background.start_soon(self._notify, store)
                if not self._alone:
                    background.start_soon(self._look_again)
                background.start_soon(_flush_last_used, store)
                await self._serve(store, runner, policy, receiving)
                background.cancel_scope.cancel()

    async def _serve(
        self, store: Store, runner: Runner, policy: Policy, receiving: Receiving
    ) -> None:
        governor = make_governor(self._settings)
        logins = Logins(store.authentication)
        # Over HTTP a request is counted before anyone knows that it is a mail.
        over_smtp, over_http = (
            make_submission(self._settings, store, logins, policy, self._messages, *take)
            for take in ((governor.take,), ())
        )
        await store.reputation.configure(system_actor(), _pausing_terms(self._settings))
        async with trio.open_nursery() as serving:
            if not self._alone:
                self._share(serving, store, governor)
            serving.start_soon(partial(runner.run, stopping=self._stopping))
            self._start_submission(serving, over_smtp)
            self._start_imap(serving, store, logins, over_smtp)
            await self._start_http(serving, store, over_http, policy, governor, receiving)
            await self._line.ready()
            log.info("serving", extra={"services": sorted(self._sockets)})
            await self._stopping.wait()
            serving.cancel_scope.deadline = trio.current_time() + self._settings.drain_deadline_s

    def _share(self, serving: trio.Nursery, store: Store, governor: Governor) -> None:
        """Let limits on requests hold for all workers together."""
        sharing = Sharing(governor, partial(_send, store, GRANTS), HttpLimits())
        serving.start_soon(store.database.watch, GRANTS, sharing.heard)
        serving.start_soon(sharing.run)

    def _runner(self, store: Store, relays: Relays, policy: Policy, receiving: Receiving) -> Runner:
        """The jobs of this worker, each made with what it needs."""
        delivery = Delivery(store.messages, store.directory, policy)
        ways = choose(self._settings, delivery.deliver_reply)
        keys = DomainKeys(store.domain_looks, relay_signs=relay_signs(self._settings))
        works: list[Work] = [
            RelayWork(
                relays,
                ways,
                self._settings.domain,
                doubts=doubts(self._settings),
                sign=keys.signed,
            ),
            ReleaseWork(Releasing(store.holds, policy), store.holds, store.committed.tell_queued),
            ReportWork(relays, store.messages, delivery, self._settings.domain),
            BounceWork(store.messages, Reports(Bounces(store.door))),
            LeasesWork(store.claims),
            SweepWork(Sweeps(store.door, store.blobs)),
            VerifyWork(make_verification(self._settings, store.domain_looks, self._dns)),
            SealWork(AuditChain(store.door)),
            TallyWork(store.metrics),
            ExportWork(store.exports, _exporting(store)),
            self._webhooks(store),
        ]
        if receiving.source is not None:
            works.append(
                InboundWork(
                    receiving.source,
                    receiving.mails,
                    receiving.inbound,
                    keep_days=self._settings.inbound_s3_keep_days,
                    notified=bool(self._settings.sns_topic_arns),
                )
            )
        runner = Runner(store.jobs, works)
        store.committed.queued.append(runner.wake)
        return runner

    def _webhooks(self, store: Store) -> WebhookWork:
        """What tells webhooks, woken by every commit and by what is queued for them."""
        queue = WebhookQueue(store.door, store_settings(self._settings))
        attempting = Attempting(Telling(store.events, store.messages), self._egress)
        posting = Posting(queue, attempting, partial(self._bus.watch, None))
        store.committed.queued.append(posting.wake)
        return WebhookWork(queue, posting)

    def _start_submission(self, serving: trio.Nursery, submission: Submission) -> None:
        limits = self._net_limits()

        async def secure(stream: Stream) -> Stream:
            assert isinstance(stream, PlainStream)
            return await starttls(stream, self._tls, unread=b"", limits=limits)

        terms = Terms(self._settings.public_smtp.host, message=self._messages)
        server = SubmissionServer(terms, submission, self._budget, secure)
        for name, tls in (("smtps", self._tls), ("submission", None)):
            if name in self._sockets:
                serving.start_soon(self._listen, name, server.serve, tls)
        serving.start_soon(server.drain_when, self._stopping)

    def _start_imap(
        self, serving: trio.Nursery, store: Store, logins: Logins, submission: Submission
    ) -> None:
        limits = ImapLimits(
            connections_per_inbox=self._settings.imap_connections_per_inbox,
            commands_per_minute=self._settings.imap_commands_per_minute,
        )
        appending = Appending(store.messages, store.mailboxes, self._messages, submission)
        desk = ImapDesk(store, logins, self._bus, appending, self._budget, limits, self._messages)
        server = ImapServer(desk)
        if "imaps" in self._sockets:
            serving.start_soon(self._listen, "imaps", server.serve, self._tls)
        serving.start_soon(server.drain_when, self._stopping)

    async def _start_http(
        self,
        serving: trio.Nursery,
        store: Store,
        submission: Submission,
        policy: Policy,
        governor: Governor,
        receiving: Receiving,
    ) -> None:
        if "http" not in self._sockets:
            return
        server = await make_server(
            self._settings,
            store,
            submission,
            policy,
            self._bus,
            self._messages,
            self._stopping,
            governor,
            self._dns,
            receiving,
            self._egress,
        )
        listener = Listener(self._sockets["http"])
        serving.start_soon(server.serve, [listener], self._net_limits(), self._tally_of("http"))

    async def _listen(self, name: str, handler: Handler, tls: ServerTls | None) -> None:
        tally = self._tally_of(name)
        await serve_listener(
            self._sockets[name],
            handler,
            stopping=self._stopping,
            tally=tally,
            limits=self._net_limits(),
            tls=tls,
        )

    def _tally_of(self, service: str) -> Tally:
        """The counts of one service, which its metrics read."""
        tally = Tally(self._net_limits())
        metrics.watch_connections(
            service,
            lambda: tally.open,
            lambda: tally.accepted,
            lambda: tally.refused,
            lambda: tally.failed_handshakes,
        )
        return tally

    def _net_limits(self) -> NetLimits:
        return NetLimits(
            connections=self._settings.max_connections,
            connections_per_address=self._settings.max_connections_per_address,
        )

    async def _obey(self) -> None:
        await self._line.run(
            self._stopping,
            expose=metrics.expose,
            reload=self._tls.reload,
            orphaned=lambda: os._exit(1),
        )

    async def _notify(self, store: Store) -> None:
        """Tell other workers what was committed here, gathered for a few milliseconds."""
        while True:
            await _send(store, CHANNEL, await self._bus.unsent())
            await trio.sleep(_NOTIFY_GATHER_S)

    async def _look_again(self) -> None:
        """Whatever was missed is found at the next look."""
        while True:
            await trio.sleep(_LOOK_EVERY_S)
            self._bus.heard("")


def _heard(store: Store, inbox: InboxId | None) -> None:
    """Forget what another worker may have changed."""
    if inbox is not None:
        store.index.stale(inbox)
        return
    store.index.all_stale()
    store.authentication.forget_all()
    store.directory.forget_all()
    store.rules.forget_all()
    store.suppressions.forget_all()


def _exporting(store: Store) -> Exporting:
    actor = system_actor("export")
    return Exporting(store.exports, store.audit, store.blobs, exported_line, actor)


def _relays(store: Store) -> Relays:
    committed = store.committed
    return Relays(store.door, store.blobs, committed, committed.tell_queued, store.forget)


async def _flush_last_used(store: Store) -> None:
    """Write down when credentials were last used, gathered for a minute."""
    while True:
        await trio.sleep(_LAST_USED_EVERY_S)
        try:
            await store.authentication.flush_last_used()
        except Problem as problem:
            log.warning("could not note the use of credentials: %s", problem.message)


async def _send(store: Store, channel: str, payloads: Sequence[str]) -> None:
    async def notify(connection: Connection) -> None:
        await connection.rows(
            "SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload", channel, payloads
        )

    try:
        await store.database.run("", notify)
    except Exception:
        # Nothing is lost: the others look by themselves before long.
        log.warning("could not tell the other workers", exc_info=True)


def _pausing_terms(settings: Config) -> PausingTerms:
    return PausingTerms(
        bounce_percent=settings.pause_bounce_percent,
        complaint_percent=settings.pause_complaint_percent,
        min_sample=settings.pause_min_sample,
        min_complaints=PolicyLimits().min_complaints,
        window_days=settings.pause_window_days,
    )


def _embedded(settings: Config) -> bool:
    """Whether the database is the one in our data directory, which no other instance shares."""
    return settings.database_url == embedded.running(settings.data_dir)


def _certificate(settings: Config) -> tuple[Path, Path]:
    if settings.tls_cert is not None and settings.tls_key is not None:
        return settings.tls_cert, settings.tls_key
    directory = settings.data_dir / "tls"
    return directory / "certificate.pem", directory / "key.pem"
