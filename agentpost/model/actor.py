"""Who asks, and what they may do.

An actor is made by authentication and handed to every public method of the store, where
``Actor.require`` is called once, at the one line all protocols pass.
"""

from __future__ import annotations

from dataclasses import dataclass

from agentpost.errors import Forbidden, NotFound
from agentpost.ids import EnvironmentId, InboxId, OrganizationId

UMBRELLAS: dict[str, frozenset[str]] = {
    "messages:write": frozenset(
        {"messages:send", "messages:reply", "messages:delete", "messages:import"}
    ),
    "inboxes:write": frozenset({"folders:write"}),
    "labels:write": frozenset({"messages:label"}),
    "messages:label": frozenset({"labels:write"}),
}
"""A scope that contains finer ones (API.md, Conventions)."""

SCOPES: frozenset[str] = frozenset(
    {
        "inboxes:read",
        "inboxes:write",
        "messages:read",
        "messages:write",
        "messages:send",
        "messages:reply",
        "messages:delete",
        "messages:label",
        "threads:read",
        "threads:delete",
        "labels:write",
        "domains:read",
        "domains:write",
        "webhooks:read",
        "webhooks:write",
        "drafts:read",
        "drafts:write",
        "environments:read",
        "environments:write",
        "keys:read",
        "keys:write",
        "members:read",
        "members:write",
        "org:read",
        "org:write",
        "filters:read",
        "filters:write",
        "approvals:read",
        "approvals:decide",
        "policies:read",
        "policies:write",
        "events:read",
        "metrics:read",
        "audit:read",
        "jobs:read",
        "jobs:write",
        "exports:write",
        "credentials:read",
        "credentials:write",
        "spam:read",
        "trash:read",
        "blocked:read",
    }
)
"""Every scope that a key can hold."""


def widen(scopes: frozenset[str]) -> frozenset[str]:
    """The scopes together with the finer ones that they contain."""
    wide = set(scopes)
    for scope in scopes:
        wide |= UMBRELLAS.get(scope, frozenset())
    return frozenset(wide)


@dataclass(frozen=True, slots=True)
class Scope:
    """The place a request concerns: what an actor must cover to act there."""

    organization: OrganizationId
    environment: EnvironmentId | None = None
    inbox: InboxId | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: organization, environments, scopes, inbox binding, credential.

    ``environments`` and ``inboxes`` are ``None`` when the credential covers all of them.
    ``scopes`` are already widened.  ``system`` is the server itself (delivery, jobs).
    ``environment`` is the one that creations go to, when one is determined.  ``at`` and
    ``address`` are the inbox that an IMAP or SMTP session is logged in to.
    """

    organization: OrganizationId
    credential: str
    scopes: frozenset[str]
    environments: frozenset[EnvironmentId] | None = None
    inboxes: frozenset[InboxId] | None = None
    environment: EnvironmentId | None = None
    tier: str = "enterprise"
    source: str = "rest"
    system: bool = False
    at: Scope | None = None
    address: str | None = None

    def require(self, scope: str | None, where: Scope | None) -> None:
        """Refuse unless this actor may do ``scope`` at ``where``.

        Raises: NotFound when the place is another tenant's or outside the credential's reach, so
        that existence is not told; Forbidden when only the scope is missing.
        """
        if self.system:
            return
        if where is not None and not self._covers(where):
            raise NotFound
        if scope is not None and scope not in self.scopes:
            raise Forbidden(
                f"This needs the scope {scope}.", fix=f"Use a key that holds the scope {scope}."
            )

    def _covers(self, where: Scope) -> bool:
        if where.organization != self.organization:
            return False
        if (
            self.environments is not None
            and where.environment is not None
            and where.environment not in self.environments
        ):
            return False
        return self.inboxes is None or where.inbox is None or where.inbox in self.inboxes

    def may(self, scope: str) -> bool:
        """Whether the actor holds the scope at all; for what is shown, never for what is done."""
        return self.system or scope in self.scopes


def system_actor(source: str = "system") -> Actor:
    """The server acting for itself: it sees every organization."""
    return Actor(OrganizationId("*"), "system", frozenset(), source=source, system=True)
