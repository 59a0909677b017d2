"""Two organizations side by side, and the parts of the store over one database."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from agentpost.ids import InboxId
from agentpost.limits import DomainLimits
from agentpost.model.actor import SCOPES, Actor, system_actor, widen
from agentpost.model.inbox import Inbox
from agentpost.model.organization import Environment, Organization
from agentpost.store.audit import Audit
from agentpost.store.authentication import Authentication
from agentpost.store.credentials import Credentials
from agentpost.store.directory import Directory
from agentpost.store.domainlooks import DomainLooks
from agentpost.store.domains import Domains
from agentpost.store.environments import Environments
from agentpost.store.inboxes import Inboxes, InboxRequest
from agentpost.store.keys import Keys
from agentpost.store.organizations import Organizations
from agentpost.store.pool import Database
from agentpost.store.settings import StoreSettings
from agentpost.store.store import Door

LIMITS = DomainLimits(ask_every_s=0.0)
SETTINGS = StoreSettings(shared_domain="shared.test", master_key=bytes(range(32)))


@dataclass(frozen=True)
class Parts:
    """The identity parts of the store, wired as a worker wires them."""

    database: Database
    door: Door
    organizations: Organizations
    environments: Environments
    keys: Keys
    inboxes: Inboxes
    credentials: Credentials
    directory: Directory
    authentication: Authentication
    audit: Audit
    domains: Domains
    looks: DomainLooks
    woken: list[InboxId]


@dataclass(frozen=True)
class Tenant:
    """An organization and an actor that may do everything in it."""

    organization: Organization
    environment: Environment
    actor: Actor

    def limited(self, *scopes: str, **bounds: object) -> Actor:
        """The actor with these scopes only, and with other bounds."""
        return replace(self.actor, scopes=widen(frozenset(scopes)), **bounds)  # type: ignore[arg-type]


def wire(database: Database, settings: StoreSettings = SETTINGS) -> Parts:
    woken: list[InboxId] = []
    door = Door(database, woken.append)
    authentication = Authentication(door)
    directory = Directory(door)

    def forget(name: str) -> None:
        authentication.forget(name)
        directory.forget(name)

    return Parts(
        database=database,
        door=door,
        organizations=Organizations(door),
        environments=Environments(door, forget, relays=("ses", "simulator")),
        keys=Keys(door, authentication.forget),
        inboxes=Inboxes(door, settings, forget),
        credentials=Credentials(door, settings, authentication.forget),
        directory=directory,
        authentication=authentication,
        audit=Audit(door),
        domains=Domains(door, settings, forget),
        looks=DomainLooks(door, settings, forget, LIMITS),
        woken=woken,
    )


async def tenant(parts: Parts, slug: str) -> Tenant:
    organization, environment = await parts.organizations.create(
        system_actor(), slug.capitalize(), slug, "enterprise"
    )
    actor = Actor(organization.id, f"key_of_{slug}", widen(SCOPES), environment=environment.id)
    return Tenant(organization, environment, actor)


@pytest.fixture
async def parts(database: Database) -> Parts:
    return wire(database)


@pytest.fixture
async def acme(parts: Parts) -> Tenant:
    return await tenant(parts, "acme")


@pytest.fixture
async def globex(parts: Parts) -> Tenant:
    return await tenant(parts, "globex")


async def make_inbox(parts: Parts, owner: Tenant, username: str = "support") -> Inbox:
    made, created = await parts.inboxes.create(owner.actor, InboxRequest(username))
    assert created
    return made.inbox
