"""Rows of ``domains`` as values, and what is written beside them: events, paused inboxes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import msgspec

from agentpost.clock import rfc3339
from agentpost.ids import DomainId, EnvironmentId, InboxId, OrganizationId, new_id
from agentpost.model.actor import Scope
from agentpost.model.domain import Domain, Finding, KeyRecord
from agentpost.store.pool import Connection, Row

DOMAIN_COLUMNS: Final = (
    "d.*, (SELECT coalesce(jsonb_agg(jsonb_build_object('selector', k.selector, 'algorithm',"
    " k.algorithm, 'public_key', k.public_key) ORDER BY k.algorithm DESC, k.id), '[]')"
    " FROM domain_keys k WHERE k.domain_id = d.id) AS keys"
)

_findings: Final = msgspec.json.Decoder(dict[str, Finding])
_keys: Final = msgspec.json.Decoder(tuple[KeyRecord, ...])


def domain(row: Row) -> Domain:
    """A row of ``DOMAIN_COLUMNS`` as a value."""
    catch_all = row["catch_all_inbox_id"]
    return Domain(
        id=DomainId(row["id"]),
        organization=OrganizationId(row["organization_id"]),
        environment=EnvironmentId(row["environment_id"]),
        name=row["name"],
        client_id=row["client_id"],
        inbound=row["inbound"],
        subdomains=row["subdomains"],
        catch_all=None if catch_all is None else InboxId(catch_all),
        challenge=row["challenge"],
        keys=_keys.decode(row["keys"]),
        relay_key_hosts=tuple(row["relay_key_hosts"]),
        status=row["status"],
        reason=row["reason"],
        findings=_findings.decode(row["findings"]),
        held=row["held_since"] is not None,
        receives=row["receives"],
        checks=row["checks"],
        misses=row["misses"],
        missed_at=row["missed_at"],
        sought_since=row["sought_since"],
        asked_at=row["asked_at"],
        checked_at=row["checked_at"],
        check_at=row["check_at"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def place_of(one: Domain) -> Scope:
    """Where the domain belongs."""
    return Scope(one.organization, one.environment)


async def load(connection: Connection, domain_id: str, *, lock: bool = False) -> Domain | None:
    """One domain by its id; with ``lock`` nobody else changes it until the commit."""
    row = await connection.row(
        f"SELECT {DOMAIN_COLUMNS} FROM domains d WHERE d.id = $1"
        + (" FOR NO KEY UPDATE OF d" if lock else ""),
        domain_id,
    )
    return None if row is None else domain(row)


async def tell(
    connection: Connection,
    where: Scope,
    kind: str,
    data: dict[str, Any],
    inbox: InboxId | None = None,
) -> None:
    """Write an event in the running transaction."""
    await connection.execute(
        "INSERT INTO events (environment_id, id, organization_id, inbox_id, type, data)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        where.environment,
        new_id("evt"),
        where.organization,
        inbox,
        kind,
        msgspec.json.encode(data).decode(),
    )


async def tell_domain(connection: Connection, one: Domain, kind: str, **more: Any) -> None:
    """Write an event about a domain."""
    data = {
        "domain_id": one.id,
        "domain": one.name,
        "status": one.status,
        "inbound": one.inbound,
        "subdomains": one.subdomains,
        "client_id": one.client_id,
        "created_at": rfc3339(one.created_at),
        "updated_at": rfc3339(one.updated_at),
        **more,
    }
    await tell(connection, place_of(one), kind, data)


async def pause_inboxes(connection: Connection, one: Domain, reason: str) -> tuple[str, ...]:
    """Stop sending from the domain's inboxes (R64); tells the ids and addresses of them."""
    rows = await connection.rows(
        "UPDATE inboxes SET send_paused = true, paused_reason = $2, paused_at = now(),"
        " paused_by = 'system', version = version + 1, updated_at = now()"
        " WHERE domain_id = $1 AND NOT send_paused RETURNING id, address",
        one.id,
        reason,
    )
    await _tell_inboxes(connection, one, rows, "inbox.paused", reason=reason)
    return tuple(name for row in rows for name in (row["id"], row["address"]))


async def resume_inboxes(connection: Connection, one: Domain, reason: str) -> tuple[str, ...]:
    """Let those send again that ``pause_inboxes`` has stopped for ``reason``."""
    rows = await connection.rows(
        "UPDATE inboxes SET send_paused = false, paused_reason = NULL, paused_at = NULL,"
        " paused_by = NULL, version = version + 1, updated_at = now()"
        " WHERE domain_id = $1 AND send_paused AND paused_reason = $2 AND paused_by = 'system'"
        " RETURNING id, address",
        one.id,
        reason,
    )
    await _tell_inboxes(connection, one, rows, "inbox.resumed")
    return tuple(name for row in rows for name in (row["id"], row["address"]))


async def _tell_inboxes(
    connection: Connection, one: Domain, rows: list[Row], kind: str, **more: Any
) -> None:
    for row in rows:
        where = replace(place_of(one), inbox=InboxId(row["id"]))
        data = {"inbox_id": row["id"], "email": row["address"], **more}
        await tell(connection, where, kind, data, InboxId(row["id"]))
