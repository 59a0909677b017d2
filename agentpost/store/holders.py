"""Who holds a domain name: asked by delivery, by submission and for new inboxes."""

from __future__ import annotations

from typing import Final

from agentpost.auth.domainnames import parents
from agentpost.ids import DomainId, EnvironmentId, InboxId, OrganizationId
from agentpost.model.domain import Holder
from agentpost.store.pool import Connection, Row

_COLUMNS: Final = (
    "id, organization_id, environment_id, name, receives, subdomains, catch_all_inbox_id, status"
)


async def find_holder(connection: Connection, name: str) -> Holder | None:
    """The claim that decides over addresses at ``name``; None when there is none.

    Of several above each other the nearest decides alone: whoever holds a subdomain has it from
    the zone's owner.  The connection must see every organization.
    """
    row = await connection.row(
        f"SELECT {_COLUMNS} FROM domains WHERE name = ANY ($1) AND held_since IS NOT NULL"
        " ORDER BY length(name) DESC LIMIT 1",
        list(parents(name)),
    )
    if row is None:
        return None
    found = _holder(row)
    return found if found.covers(name) else None


def _holder(row: Row) -> Holder:
    catch_all = row["catch_all_inbox_id"]
    return Holder(
        domain=DomainId(row["id"]),
        organization=OrganizationId(row["organization_id"]),
        environment=EnvironmentId(row["environment_id"]),
        name=row["name"],
        receives=row["receives"],
        subdomains=row["subdomains"],
        catch_all=None if catch_all is None else InboxId(catch_all),
        suspended=row["status"] == "suspended",
    )
