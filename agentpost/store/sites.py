"""Where an inbox lives: at the domain that all share, or exactly at one that its owner holds.

R50: ``{username}-{random}`` at the shared domain.  R51: ``{username}`` at a custom one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agentpost.auth.domainnames import NotADomain, a_labels
from agentpost.errors import AlreadyExists, Conflict, Overloaded, Problem
from agentpost.ids import DomainId
from agentpost.model.inbox import Inbox
from agentpost.store import checks, usernames
from agentpost.store.holders import find_holder
from agentpost.store.pool import Connection


@dataclass(frozen=True, slots=True)
class Site:
    """The domain part of a new inbox; ``named`` when its user name was asked for."""

    domain: str
    shared: bool
    named: bool = True
    holder: DomainId | None = None

    def addresses(self, username: str, attempts: int) -> Iterator[tuple[str, str]]:
        """User names with the addresses that they may get, each to be tried in turn."""
        if self.shared:
            for _ in range(attempts):
                yield username, usernames.shared_address(username, self.domain)
            return
        yield username, f"{username}@{self.domain}"
        if not self.named:
            for _ in range(attempts - 1):
                username = usernames.generated_username()
                yield username, f"{username}@{self.domain}"

    def none_free(self, username: str) -> Problem:
        """The error when none of them was free; to be raised."""
        if self.shared or not self.named:
            return Overloaded("No free address was found for this user name.")
        return AlreadyExists(
            f"The address {username}@{self.domain} is taken, or was once: addresses are for ever.",
            fix="Choose another user name, or restore the inbox that has it.",
        )


async def custom_site(
    connection: Connection, environment: str, domain: str, username: str | None
) -> Site:
    """The site at ``domain`` for an inbox of ``environment``, which ``hold`` refuses if it has none.

    The connection must see every organization.
    """
    named = username is not None
    try:
        name = a_labels(domain)
    except NotADomain:
        return Site("", shared=False, named=named)
    holder = await find_holder(connection, name)
    if holder is None or holder.environment != environment:
        return Site(name, shared=False, named=named)
    return Site(name, shared=False, named=named, holder=holder.domain)


async def hold(connection: Connection, site: Site, shared: str) -> None:
    """Keep the domain from being deleted until the commit; ``shared`` is what there is instead.

    Raises: UnknownField when it is none that the inbox's environment holds.
    """
    if site.shared:
        return
    there = await connection.value(
        "SELECT true FROM domains WHERE id = $1 AND held_since IS NOT NULL FOR KEY SHARE",
        site.holder,
    )
    if there is None:
        raise checks.refuse(
            "domain",
            "is not a verified domain of this environment",
            fix=f"Add the domain and have it verified, or leave it out: the inbox is then made at {shared}.",
        )


async def rejoin(connection: Connection, inbox: Inbox) -> None:
    """Bind an inbox that comes back to the claim which holds its domain now.

    Raises: Conflict when its environment holds it no longer.
    """
    parted = await connection.value("SELECT domain_id FROM inboxes WHERE id = $1", inbox.id)
    if parted is None:
        return
    holder = await connection.value(
        "SELECT id FROM domains WHERE environment_id = $1 AND held_since IS NOT NULL"
        " AND (name = $2 OR subdomains AND $2 LIKE '%.' || name)"
        " ORDER BY length(name) DESC LIMIT 1 FOR KEY SHARE",
        inbox.environment,
        inbox.domain,
    )
    if holder is None:
        raise Conflict(
            f"The environment does not hold the domain {inbox.domain} any longer.",
            fix="Add the domain again and have it verified, or make another inbox.",
        )
    await connection.execute("UPDATE inboxes SET domain_id = $2 WHERE id = $1", inbox.id, holder)
