"""What the resources reach below this floor, handed to their handlers as one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from agentpost.config import Address, Tiers
from agentpost.events.bus import Bus
from agentpost.http.endpoint import Request
from agentpost.http.feed import EventSource
from agentpost.http.links import FileLinks
from agentpost.http.pages import PageMemory
from agentpost.http.paging import Cursors
from agentpost.http.ratelimit import Governor
from agentpost.http.services import Services
from agentpost.http.waiting import MailWaiter
from agentpost.limits import HttpLimits, MessageLimits
from agentpost.mail.appending import Appending
from agentpost.mail.attaching import Attaching
from agentpost.mail.composing import Composing
from agentpost.mail.domains import DomainTerms
from agentpost.mail.fetching import Fetching
from agentpost.mail.notifications import Notifications
from agentpost.mail.policy import Policy
from agentpost.mail.searching import Searching
from agentpost.mail.verification import Verification
from agentpost.net.networks import Network
from agentpost.store.opening import Store


@dataclass(frozen=True, slots=True)
class Terms:
    """What the deployment tells its clients of itself."""

    http_url: str
    """Base URL without a trailing slash."""
    imap: Address
    """Where mail programs read, over implicit TLS."""
    smtp: Address
    """Where mail programs submit, over implicit TLS."""
    tiers: Tiers = Tiers()
    message: MessageLimits = MessageLimits()
    webhook_allow: tuple[Network, ...] = ()
    """Networks that webhooks may reach besides the public internet."""


@dataclass(frozen=True, slots=True)
class Desk(Services):
    """The services of a worker that serves mail and accounts."""

    store: Store
    cursors: Cursors
    events: EventSource
    waiter: MailWaiter
    bus: Bus
    limits: HttpLimits
    pages: PageMemory
    composing: Composing
    appending: Appending
    attaching: Attaching
    fetching: Fetching
    searching: Searching
    links: FileLinks
    governor: Governor
    policy: Policy
    terms: Terms
    domain_terms: DomainTerms
    verification: Verification
    notifications: Notifications
    in_flight: set[tuple[str, str, str]] = field(default_factory=set)
    """Idempotency keys whose requests are being executed, each with its credential and
    environment."""


def desk_of(request: Request[Any, Any]) -> Desk:
    """The desk behind a request to a resource."""
    services = request.services
    assert isinstance(services, Desk)
    return services
