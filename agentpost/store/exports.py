"""Exports: asked for, made by a job, fetched for some days (R7).

An export keeps what its maker could see, and is read with exactly that.  Each attempt writes a file
of its own: the row names that of the latest, and only it can finish, so a worker that was thought
dead spoils nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from agentpost.errors import AlreadyExists, Limit, NotFound
from agentpost.ids import EnvironmentId, ExportId, InboxId, OrganizationId, new_id
from agentpost.limits import ExportLimits
from agentpost.model.actor import Actor, Scope
from agentpost.model.export import Export, Exported, NewExport
from agentpost.model.page import Page, PageRequest
from agentpost.store import audit, checks, rows
from agentpost.store.blobs import EXPORT
from agentpost.store.messages import StoredOctets
from agentpost.store.narrowing import Narrowing, page_from, page_of, reach
from agentpost.store.pool import Connection, Row
from agentpost.store.reach import Power, sees
from agentpost.store.store import Door

_SCOPE: Final = "exports:write"
_READING: Final = "messages:read"
_VISIBILITY: Final = ("spam:read", "trash:read", "blocked:read")
_HIDING: Final = {"spam:read": "junk", "trash:read": "trash"}
_LIVE: Final = "e.expires_at > now()"
_BLOCKED: Final = (
    "(m.state = 'blocked' AND EXISTS (SELECT 1 FROM placements q JOIN mailboxes b"
    " ON b.id = q.mailbox_id WHERE q.message_id = m.id AND b.role = 'junk'))"
)


class _Asked(msgspec.Struct, frozen=True):
    """The filter of an export, as its row keeps it."""

    inbox: InboxId | None = None
    after: datetime | None = None
    before: datetime | None = None
    folder: str | None = None


class Exports:
    """Everything about exports but their octets."""

    def __init__(self, door: Door, limits: ExportLimits | None = None) -> None:
        self._door = door
        self._limits = limits or ExportLimits()

    async def create(self, actor: Actor, wanted: NewExport) -> tuple[Export, bool]:
        """Ask for a file; with a ``client_id`` known here, the existing export and False.

        Raises: UnknownField; NotFound for the inbox; Forbidden without the scope of what is to be
        read; Limit; AlreadyExists when another key's export has the ``client_id``.
        """
        _check(actor, wanted)
        content = "audit:read" if wanted.kind == "audit" else _READING
        scopes = [content]
        if wanted.kind != "audit":
            scopes += [scope for scope in _VISIBILITY if actor.may(scope)]

        async def write(connection: Connection, where: Scope) -> tuple[Export, bool]:
            self._door.allow(actor, content, where)
            known = await _by_client_id(connection, actor, where, wanted.client_id)
            if known is not None:
                return known, False
            await self._check_room(connection, where)
            row = await self._insert(connection, actor, where, wanted, scopes)
            if row is None:  # Another request was faster with the same client_id.
                known = await _by_client_id(connection, actor, where, wanted.client_id)
                assert known is not None
                return known, False
            made = _export(row)
            await connection.execute(
                "INSERT INTO jobs (organization_id, kind, payload)"
                " VALUES ($1, 'export', jsonb_build_object('export_id', $2::text))",
                made.organization,
                made.id,
            )
            detail = {"kind": made.kind, "inbox": made.inbox, "folder": made.folder}
            await audit.append(connection, actor, where, "export.created", made.id, detail)
            return made, True

        place = None if wanted.inbox is None else checks.place("any_inbox", wanted.inbox)
        return await self._door.write(actor, _SCOPE, place, write, wakes=False)

    async def get(self, actor: Actor, export: str) -> Export:
        """One export.  Raises: NotFound, also when it has ended."""

        async def read(connection: Connection, _: Scope) -> Row | None:
            return await connection.row(
                f"SELECT * FROM exports e WHERE e.id = $1 AND {_LIVE}", export
            )

        row = await self._door.read(actor, _SCOPE, checks.place("export", export), read)
        if row is None or not _within(actor, _export(row)):
            raise NotFound("There is no such export.")
        return _export(row)

    async def page(self, actor: Actor, page: PageRequest) -> Page[Export]:
        """The exports of what the actor covers, newest first unless asked otherwise."""

        async def read(connection: Connection, _: Scope) -> list[Row]:
            query = Narrowing(page.limit + 1, "DESC" if page.descending else "ASC")
            query.add("e.organization_id = {0}", actor.organization)
            query.add(_LIVE)
            if actor.environments is not None:
                query.add("e.environments <@ {0}::text[]", sorted(actor.environments))
            if actor.inboxes is not None:
                query.add("e.inboxes <@ {0}::text[]", sorted(actor.inboxes))
            page_of(query, page, "e")
            return await connection.rows(
                f"SELECT * FROM exports e WHERE {query.condition}"
                f" ORDER BY e.id {query.direction} LIMIT {query.limit}",
                *query.arguments,
            )

        found = await self._door.read(actor, _SCOPE, None, read)
        return page_from(found, page, _export)

    # --- the job's -------------------------------------------------------------------------

    async def begin(self, actor: Actor, export: str) -> Export | None:
        """Begin an attempt, whatever became of those before; None when it is done or gone."""

        async def write(connection: Connection, _: Scope) -> Row | None:
            return await connection.row(
                "UPDATE exports e SET state = 'running', done = 0, total = NULL, file = $2,"
                f" error = NULL WHERE e.id = $1 AND e.state <> 'done' AND {_LIVE} RETURNING *",
                export,
                new_id(EXPORT),
            )

        row = await self._door.write(actor, None, None, write, single=True)
        return None if row is None else _export(row)

    async def note(self, actor: Actor, export: Export, done: int, total: int | None) -> bool:
        """Note how far an attempt is; False when another one has begun, or the export is gone."""

        async def write(connection: Connection, _: Scope) -> bool:
            noted = await connection.value(
                "UPDATE exports SET done = $3, total = $4"
                " WHERE id = $1 AND file = $2 AND state = 'running' RETURNING true",
                export.id,
                export.file,
                done,
                total,
            )
            return noted is not None

        return await self._door.write(actor, None, None, write, single=True)

    async def finish(
        self, actor: Actor, export: Export, done: int, size: int, sha256: bytes
    ) -> None:
        """The file of an attempt is there; nothing happens when another one has begun."""

        async def write(connection: Connection, _: Scope) -> None:
            await connection.execute(
                "UPDATE exports SET state = 'done', done = $3, total = $3, size = $4, sha256 = $5,"
                " finished_at = now(), expires_at = now() + $6::interval"
                " WHERE id = $1 AND file = $2 AND state = 'running'",
                export.id,
                export.file,
                done,
                size,
                sha256,
                timedelta(seconds=self._limits.keep_s),
            )

        await self._door.write(actor, None, None, write, single=True)

    async def fail(self, actor: Actor, export: str, error: str) -> None:
        """The export will not be made; ``error`` is for whoever wanted it."""

        async def write(connection: Connection, _: Scope) -> None:
            await connection.execute(
                "UPDATE exports SET state = 'failed', error = $2, finished_at = now()"
                " WHERE id = $1 AND state IN ('pending', 'running')",
                export,
                error,
            )

        await self._door.write(actor, None, None, write, single=True)

    # --- what is in it ---------------------------------------------------------------------

    async def inboxes(self, export: Export, after: str, limit: int) -> tuple[Scope, ...]:
        """The inboxes that an export covers, by their ids, those behind ``after``."""
        reader = export.reader

        async def read(connection: Connection, _: Scope) -> list[Row]:
            query = Narrowing(limit, "ASC")
            query.add("i.organization_id = {0}", export.organization)
            query.add("i.id > {0}", after)
            if export.environments is not None:
                query.add("i.environment_id = ANY ({0})", sorted(export.environments))
            if export.inboxes is not None:
                query.add("i.id = ANY ({0})", sorted(export.inboxes))
            if export.inbox is None:
                query.add("i.deleted_at IS NULL")
            return await connection.rows(
                "SELECT i.organization_id, i.environment_id, i.id FROM inboxes i"
                f" WHERE {query.condition} ORDER BY i.id LIMIT {limit}",
                *query.arguments,
            )

        found = await self._door.read(reader, _READING, None, read)
        return tuple(
            Scope(
                OrganizationId(row["organization_id"]),
                EnvironmentId(row["environment_id"]),
                InboxId(row["id"]),
            )
            for row in found
        )

    async def count(self, export: Export, where: Scope, until: datetime) -> int:
        """How many messages of one inbox an export is to hold."""
        query = _chosen(export, where, until)

        async def read(connection: Connection, _: Scope) -> int:
            found: int = await connection.value(
                f"SELECT count(*) FROM messages m WHERE {query.condition}", *query.arguments
            )
            return found

        return await self._door.read(export.reader, _READING, where, read)

    async def messages(
        self, export: Export, where: Scope, until: datetime, after: str
    ) -> tuple[Exported, ...]:
        """The messages of one inbox that an export is to hold, by their ids, behind ``after``."""
        query = _chosen(export, where, until)
        query.add("(m.inbox_id, m.id) > ({0}, {1})", where.inbox, after)

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                f"SELECT {rows.MESSAGE_COLUMNS},"
                " (SELECT i.address FROM inboxes i WHERE i.id = m.inbox_id) AS address"
                f" FROM (SELECT m.id FROM messages m WHERE {query.condition}"
                f"  ORDER BY m.inbox_id, m.id LIMIT {self._limits.page}) chosen"
                f" JOIN messages m ON m.id = chosen.id, {rows.PLACEMENT} ORDER BY m.id",
                *query.arguments,
            )

        found = await self._door.read(export.reader, _READING, where, read)
        return tuple(Exported(rows.message(row), row["address"]) for row in found)

    async def octets(
        self, export: Export, where: Scope, messages: Sequence[str]
    ) -> dict[str, StoredOctets]:
        """Where the octets of some messages of one inbox are; those that are gone are left out."""

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                "SELECT m.id, b.sha256, b.size, b.octets, b.location FROM messages m"
                " JOIN blobs b ON b.id = m.blob_id"
                " WHERE m.id = ANY ($1::text[]) AND m.inbox_id = $2",
                list(messages),
                where.inbox,
            )

        found = await self._door.read(export.reader, _READING, where, read)
        return {
            row["id"]: StoredOctets(row["sha256"], row["size"], row["octets"], row["location"])
            for row in found
        }

    async def _check_room(self, connection: Connection, where: Scope) -> None:
        """A bound on what is at work, not a quota: two at the same moment may both pass."""
        waiting = await connection.value(
            "SELECT count(*) FROM exports e WHERE e.organization_id = $1"
            f" AND e.state IN ('pending', 'running') AND {_LIVE}",
            where.organization,
        )
        if waiting >= self._limits.waiting:
            raise Limit(
                f"{waiting} exports of this organization wait or run.",
                fix="Wait until one of them is done.",
            )

    async def _insert(
        self,
        connection: Connection,
        actor: Actor,
        where: Scope,
        wanted: NewExport,
        scopes: list[str],
    ) -> Row | None:
        environments, inboxes = _covered(actor, where)
        asked = _Asked(where.inbox, wanted.after, wanted.before, wanted.folder)
        return await connection.row(
            "INSERT INTO exports (id, organization_id, environment_id, kind, client_id,"
            " environments, inboxes, scopes, asked, created_by, expires_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now() + $11::interval)"
            " ON CONFLICT DO NOTHING RETURNING *",
            new_id("exp"),
            where.organization,
            _only(environments),
            wanted.kind,
            wanted.client_id,
            environments,
            inboxes,
            scopes,
            msgspec.json.encode(asked).decode(),
            actor.credential,
            timedelta(seconds=self._limits.keep_s),
        )


def _check(actor: Actor, wanted: NewExport) -> None:
    """Raises: UnknownField, Forbidden."""
    checks.client_id(wanted.client_id)
    if wanted.kind == "audit":
        for name in ("inbox", "folder"):
            if getattr(wanted, name) is not None:
                path = "inbox_id" if name == "inbox" else name
                raise checks.refuse(path, "the audit log has none")
    if wanted.after is not None and wanted.before is not None and wanted.after >= wanted.before:
        raise checks.refuse("before", "must be later than after")
    checks.visible(actor, frozenset(), wanted.folder)


def _covered(actor: Actor, where: Scope) -> tuple[list[str] | None, list[str] | None]:
    """The environments and inboxes that an export covers, ``None`` for all of them."""
    if where.inbox is not None:
        assert where.environment is not None
        return [where.environment], [where.inbox]
    environments = None if actor.environments is None else sorted(actor.environments)
    return (
        None if environments is None else list(environments),
        None if actor.inboxes is None else sorted(actor.inboxes),
    )


def _only(environments: list[str] | None) -> str | None:
    return environments[0] if environments is not None and len(environments) == 1 else None


async def _by_client_id(
    connection: Connection, actor: Actor, where: Scope, client_id: str | None
) -> Export | None:
    """Raises: AlreadyExists for one that this actor must not see."""
    if client_id is None:
        return None
    row = await connection.row(
        "SELECT * FROM exports e WHERE e.organization_id = $1"
        " AND coalesce(e.environment_id, '') = $2 AND e.client_id = $3",
        where.organization,
        _only(_covered(actor, where)[0]) or "",
        client_id,
    )
    if row is None:
        return None
    if not _within(actor, _export(row)):
        raise AlreadyExists("Another export has this client_id.")
    return _export(row)


def _within(actor: Actor, export: Export) -> bool:
    return sees(actor, Power(export.scopes, export.environments, export.inboxes))


def _chosen(export: Export, where: Scope, until: datetime) -> Narrowing:
    """The messages of one inbox that an export is to hold, as a condition."""
    query = Narrowing(1, "ASC")
    reach(query, export.reader, where, "m", deleted=True)
    query.add("m.created_at < {0}", until)
    if export.after is not None:
        query.add("m.created_at > {0}", export.after)
    if export.before is not None:
        query.add("m.created_at < {0}", export.before)
    if export.folder is not None:
        query.add(
            "EXISTS (SELECT 1 FROM placements f JOIN mailboxes g ON g.id = f.mailbox_id"
            " WHERE f.message_id = m.id AND g.name = {0})",
            export.folder,
        )
    hidden = [role for scope, role in _HIDING.items() if scope not in export.scopes]
    if hidden and export.folder is None:
        query.add(
            "EXISTS (SELECT 1 FROM placements f JOIN mailboxes g ON g.id = f.mailbox_id"
            " WHERE f.message_id = m.id AND (g.role IS NULL OR g.role <> ALL ({0}::text[])))",
            hidden,
        )
    if "blocked:read" not in export.scopes:
        query.add(f"NOT {_BLOCKED}")
    return query


def _ids(values: list[str] | None, kind: Any) -> Any:
    return None if values is None else frozenset(kind(value) for value in values)


def _export(row: Row) -> Export:
    asked = msgspec.json.decode(row["asked"], type=_Asked)
    return Export(
        id=ExportId(row["id"]),
        organization=OrganizationId(row["organization_id"]),
        kind=row["kind"],
        environments=_ids(row["environments"], EnvironmentId),
        inboxes=_ids(row["inboxes"], InboxId),
        scopes=frozenset(row["scopes"]),
        inbox=asked.inbox,
        after=asked.after,
        before=asked.before,
        folder=asked.folder,
        state=row["state"],
        done=row["done"],
        total=row["total"],
        file=row["file"],
        size=row["size"],
        sha256=row["sha256"],
        error=row["error"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        expires_at=row["expires_at"],
    )
