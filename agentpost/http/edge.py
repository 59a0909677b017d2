"""The HTTP edge of one worker, made from its configuration, its store and its wake-ups."""

from __future__ import annotations

from functools import partial

import trio

from agentpost.config import TIER_NAMES, Config
from agentpost.errors import Overloaded
from agentpost.events.bus import Bus
from agentpost.http.app import make_api, make_asgi
from agentpost.http.compat import COMPAT
from agentpost.http.compat.socket import FacadeEvents
from agentpost.http.connection import AsgiGate
from agentpost.http.desk import Desk, Terms
from agentpost.http.envelopes import Envelopes
from agentpost.http.links import LINK_SEAL, FileLinks
from agentpost.http.mcp.endpoint import Mcp, mcp_routes
from agentpost.http.pages import PageMemory
from agentpost.http.paging import Cursors
from agentpost.http.proxies import Proxies
from agentpost.http.ratelimit import Governor
from agentpost.http.resources import RESOURCES
from agentpost.http.server import HttpServer
from agentpost.http.source import StoredEvents
from agentpost.http.tail import Tail
from agentpost.http.waiting import MailWaiter
from agentpost.limits import EventLimits, HttpLimits, MessageLimits
from agentpost.mail.appending import Appending
from agentpost.mail.attaching import Attaching
from agentpost.mail.composing import Composing
from agentpost.mail.dns import Resolver, lookup_by
from agentpost.mail.domains import domain_terms
from agentpost.mail.fetching import Fetching
from agentpost.mail.policy import Policy
from agentpost.mail.receiving import Receiving, make_receiving
from agentpost.mail.searching import Searching
from agentpost.mail.submission import Submission
from agentpost.mail.verification import FreshDns, make_verification
from agentpost.model.dns import Dns
from agentpost.net.egress import Egress
from agentpost.net.networks import networks
from agentpost.store.opening import Store
from agentpost.version import version

CURSOR_SEAL = "list cursors"
"""Name of the deployment's secret that seals cursors."""

_REST_OF_A_MAIL = 1024 * 1024
"""Octets of a request that are not its message; JSON may spell a text half as long again."""


async def make_server(
    settings: Config,
    store: Store,
    submission: Submission,
    policy: Policy,
    bus: Bus,
    message: MessageLimits,
    stopping: trio.Event,
    governor: Governor | None = None,
    dns: FreshDns | None = None,
    receiving: Receiving | None = None,
    egress: Egress | None = None,
) -> HttpServer:
    """The server behind the ``http`` socket: REST, WebSocket, and what describes them.

    ``governor`` counts requests, those of other servers of the worker too; ``dns`` is the worker's
    resolver, ``receiving`` what hears the mail provider, ``egress`` the way to customers' URLs.
    What is not given is made.
    """
    dns = dns or Resolver(settings.dns_resolver)
    receiving = receiving or make_receiving(settings, store, message)
    mail = settings.max_message_octets * 3 // 2 + _REST_OF_A_MAIL
    limits = HttpLimits(drain_s=settings.drain_deadline_s, max_mail_body_octets=mail)
    # Another process that writes is heard a moment later than its client is answered.
    pages = PageMemory(keeps=settings.workers == 1)
    bus.on_wake(pages.forget)
    governor = governor or make_governor(settings)
    events = EventLimits()
    tail = Tail(store.events, bus, events)
    waiter = MailWaiter(store, bus)
    source = StoredEvents(store, tail, Envelopes(events))
    attaching = Attaching(store.uploads, store.blobs, message)
    egress = egress or make_egress(settings, dns)
    desk = Desk(
        authenticator=store.authentication,
        stopping=stopping,
        ready=partial(_ready, store),
        version=version(),
        store=store,
        pages=pages,
        cursors=Cursors(await store.deployment.secret(CURSOR_SEAL)),
        events=source,
        waiter=waiter,
        bus=bus,
        limits=limits,
        composing=Composing(store.messages, store.directory, submission, message),
        appending=Appending(store.messages, store.mailboxes, message, submission),
        attaching=attaching,
        fetching=Fetching(egress, attaching.most),
        searching=Searching(store.message_search),
        links=FileLinks(await store.deployment.secret(LINK_SEAL), settings.http_url),
        governor=governor,
        policy=policy,
        terms=Terms(
            settings.http_url,
            settings.client_imap,
            settings.client_smtp,
            settings.tiers,
            message,
            networks(settings.webhook_allow),
        ),
        domain_terms=domain_terms(settings),
        verification=make_verification(settings, store.domain_looks, dns),
        notifications=receiving.notifications,
    )
    proxies = Proxies(settings.trusted_proxies)
    mcp = mcp_routes(Mcp(desk))
    api = make_api(RESOURCES, desk, governor, limits, proxies, (mcp, *COMPAT))
    facade = FacadeEvents(source, store)
    asgi = make_asgi(desk, source, waiter, governor, limits, facade)
    return HttpServer(api, AsgiGate(asgi, limits, proxies), limits, stopping, (tail.run,))


def make_governor(settings: Config) -> Governor:
    """What counts the requests of a worker, as the operator wants it."""
    return Governor({name: settings.tiers.named(name).requests_per_minute for name in TIER_NAMES})


def make_egress(settings: Config, dns: Dns) -> Egress:
    """The way to URLs that customers name, as the operator wants it."""
    return Egress(lookup_by(dns), networks(settings.webhook_allow))


async def _ready(store: Store) -> dict[str, bool]:
    try:
        await store.database.run("", lambda connection: connection.execute("SELECT 1"))
    except Overloaded:
        return {"database": False}
    return {"database": True}
