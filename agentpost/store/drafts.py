"""Drafts: messages in the Drafts mailbox, the same over REST and IMAP (R45).

A draft that a mail client saved has the id ``drf_`` with the letters of its message's id; one
that REST made keeps its id while its message is replaced by each new version.
"""

from __future__ import annotations

from agentpost.errors import NotFound, PreconditionFailed
from agentpost.ids import DraftId, MessageId
from agentpost.model.actor import Actor, Scope
from agentpost.model.message import Draft
from agentpost.model.page import Page, PageRequest
from agentpost.store import deciding, rows
from agentpost.store.narrowing import Narrowing, page_of, reach
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door, Place

_SELECT = f"""
    SELECT {rows.MESSAGE_COLUMNS},
        coalesce(d.id, 'drf_' || substr(m.id, 5)) AS draft_id, d.client_id AS draft_client_id,
        d.in_reply_to AS draft_in_reply_to, coalesce(d.reply_all, false) AS reply_all,
        d.forward_of, coalesce(d.version, 1) AS draft_version,
        coalesce(d.created_at, m.created_at) AS draft_created_at,
        coalesce(d.updated_at, m.created_at) AS draft_updated_at, h.send_at AS draft_send_at
    FROM messages m LEFT JOIN drafts d ON d.message_id = m.id
        LEFT JOIN holds h ON h.message_id = m.id, {rows.PLACEMENT}
    WHERE ('drafts' = ANY (p.roles) OR h.draft_id IS NOT NULL)
"""


class Drafts:
    """Reads drafts; they are written by depositing a message with a NewDraft."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def page(
        self, actor: Actor, page: PageRequest, where: Place | None = None
    ) -> Page[Draft]:
        """Drafts, the latest version first unless asked otherwise."""

        async def read(connection: Connection, place: Scope) -> list[Row]:
            query = Narrowing(page.limit + 1, "DESC" if page.descending else "ASC")
            reach(query, actor, place if where is not None else None, "m")
            page_of(query, page, "m")
            return await connection.rows(
                f"{_SELECT} AND {query.condition} ORDER BY m.id {query.direction}"
                f" LIMIT {query.limit}",
                *query.arguments,
            )

        found = await self._door.read(actor, "drafts:read", where, read)
        drafts = tuple(_draft(row) for row in found[: page.limit])
        more = len(found) > page.limit
        return Page(drafts, (drafts[-1].message.id,) if more else None)

    async def get(
        self,
        actor: Actor,
        draft: str,
        scope: str = "drafts:read",
        version: int | None = None,
    ) -> Draft:
        """One draft by id.  Raises: NotFound; PreconditionFailed when it has another version."""

        async def read(connection: Connection, _: Scope) -> Row | None:
            return await connection.row(
                f"{_SELECT} AND m.id = coalesce("
                "(SELECT message_id FROM drafts WHERE id = $1), 'msg_' || substr($1, 5))",
                draft,
            )

        row = await self._door.read(actor, scope, Place("draft", draft), read)
        if row is None:
            raise NotFound("There is no such draft.")
        found = _draft(row)
        if version is not None and version != found.version:
            raise PreconditionFailed
        return found

    async def by_client_id(
        self, actor: Actor, where: Scope, client_id: str, scope: str = "drafts:read"
    ) -> DraftId | None:
        """The draft that was made with this client_id in the environment, if there is one."""

        async def read(connection: Connection, _: Scope) -> str | None:
            found: str | None = await connection.value(
                "SELECT id FROM drafts WHERE environment_id = $1 AND client_id = $2",
                where.environment,
                client_id,
            )
            return found

        found = await self._door.read(actor, scope, where, read)
        return None if found is None else DraftId(found)

    async def discard(self, actor: Actor, draft: str, version: int | None = None) -> None:
        """Delete a draft for ever.  Raises: NotFound; PreconditionFailed."""

        async def write(connection: Connection, where: Scope) -> None:
            row = await connection.row(
                f"{_SELECT} AND m.id = coalesce("
                "(SELECT message_id FROM drafts WHERE id = $1), 'msg_' || substr($1, 5))",
                draft,
            )
            if row is None:
                raise NotFound("There is no such draft.")
            if version is not None and version != row["draft_version"]:
                raise PreconditionFailed
            await connection.rows(
                "SELECT expunge(p.inbox_id::text, p.mailbox_id, ARRAY[p.uid], false, NULL, $3)"
                " FROM placements p WHERE p.message_id = $1 AND p.inbox_id = $2",
                row["id"],
                where.inbox,
                deciding.by(self._door, actor, where),
            )

        await self._door.write(actor, "drafts:write", Place("draft", draft), write)


def _draft(row: Row) -> Draft:
    answered = row["draft_in_reply_to"]
    forwarded = row["forward_of"]
    return Draft(
        id=DraftId(row["draft_id"]),
        message=rows.message(row),
        client_id=row["draft_client_id"],
        in_reply_to=None if answered is None else MessageId(answered),
        reply_all=row["reply_all"],
        forward_of=None if forwarded is None else MessageId(forwarded),
        version=row["draft_version"],
        send_at=row["draft_send_at"],
        created_at=row["draft_created_at"],
        updated_at=row["draft_updated_at"],
    )
