"""A label taken off, or renamed on, everything that has it: messages and threads, by batches (R44).

Each batch is a transaction of one inbox, in which mail programs and listeners are told of it as of any
other change of labels.
"""

from __future__ import annotations

from typing import Final

import msgspec

from agentpost.ids import InboxId
from agentpost.model.actor import Actor, Scope
from agentpost.store import deciding
from agentpost.store.announcing import actor_of
from agentpost.store.narrowing import Narrowing, reach
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door, Place

SCOPE: Final = "labels:write"

# Keywords that a mailbox knows are those that messages in it have, or once had.
_HOLDERS: Final = """
SELECT i.inbox_id FROM (
    SELECT id AS inbox_id, organization_id, environment_id FROM inboxes WHERE deleted_at IS NULL
) i WHERE {reached} AND (
    EXISTS (SELECT 1 FROM mailboxes b JOIN placements p ON p.mailbox_id = b.id
        WHERE b.inbox_id = i.inbox_id AND folded(b.keywords) @> {label}
            AND p.keywords <> '{{}}' AND folded(p.keywords) @> {label})
    OR EXISTS (SELECT 1 FROM threads t WHERE t.inbox_id = i.inbox_id AND t.labels @> {label}))
ORDER BY i.inbox_id
"""
_PLACED: Final = """
SELECT p.mailbox_id, array_agg(p.uid ORDER BY p.uid) AS uids FROM (
    SELECT q.mailbox_id, q.uid FROM mailboxes b JOIN placements q ON q.mailbox_id = b.id
    WHERE b.inbox_id = $1 AND folded(b.keywords) @> $2 AND b.selectable
        AND q.keywords <> '{}' AND folded(q.keywords) @> $2
    ORDER BY q.mailbox_id, q.uid LIMIT $3
) p GROUP BY p.mailbox_id
"""
_STORE: Final = "SELECT * FROM store_flags($1, $2, $3, $4, 0::smallint, $5, NULL, NULL, $6)"
_THREADS: Final = """
WITH labelled AS (
    SELECT t.id, t.labels FROM threads t WHERE t.inbox_id = $1 AND t.labels @> $2
    ORDER BY t.id LIMIT $4 FOR UPDATE
), changed AS (
    UPDATE threads t SET version = t.version + 1, labels = ARRAY(
        SELECT DISTINCT l FROM unnest(t.labels || $3::text[]) AS l WHERE l <> ALL ($2) ORDER BY l)
    FROM labelled b WHERE t.id = b.id
    RETURNING t.id, t.organization_id, t.environment_id, t.inbox_id, b.labels AS before, t.labels
), told AS (
    INSERT INTO events (environment_id, id, organization_id, inbox_id, type, data)
    SELECT c.environment_id, new_id('evt'), c.organization_id, c.inbox_id, 'thread.updated',
        jsonb_build_object('thread_id', c.id, 'changes', jsonb_build_object('labels',
            jsonb_build_object(
                'added', ARRAY(SELECT l FROM unnest(c.labels) AS l WHERE l <> ALL (c.before)),
                'removed', $2))) || $5::jsonb
    FROM changed c ORDER BY c.id
)
SELECT count(*) FROM changed
"""


class Relabelling:
    """Takes labels off and renames them."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def holders(
        self, actor: Actor, label: str, where: Place | None = None
    ) -> tuple[InboxId, ...]:
        """The inboxes within reach with anything that has the label.  Raises: NotFound."""

        async def read(connection: Connection, place: Scope) -> list[Row]:
            query = Narrowing(0, "ASC")
            reach(query, actor, place if where is not None else None, "i", deleted=True)
            sql = _HOLDERS.format(
                reached=query.condition, label=query.spelled("{0}::text[]", [label])
            )
            return await connection.rows(sql, *query.arguments)

        found = await self._door.read(actor, SCOPE, where, read)
        return tuple(InboxId(row["inbox_id"]) for row in found)

    async def messages(
        self, actor: Actor, inbox: InboxId, label: str, to: str | None, most: int
    ) -> int:
        """Take the label off as many placements of messages, or put ``to`` in its place.

        Returns: how many had it; fewer than ``most`` when none has it any longer.
        """

        async def write(connection: Connection, where: Scope) -> int:
            await connection.execute("SELECT 1 FROM inboxes WHERE id = $1 FOR UPDATE", where.inbox)
            found = await connection.rows(_PLACED, where.inbox, [label], most)
            by = deciding.by(self._door, actor, where)
            for row in found:
                for mode, word in (("add", to), ("remove", label)):
                    if word is not None:
                        arguments = (where.inbox, row["mailbox_id"], row["uids"], mode, [word], by)
                        await connection.rows(_STORE, *arguments)
            return sum(len(row["uids"]) for row in found)

        return await self._door.write(actor, SCOPE, Place("inbox", inbox), write)

    async def threads(
        self, actor: Actor, inbox: InboxId, label: str, to: str | None, most: int
    ) -> int:
        """The same for threads' own labels."""

        async def write(connection: Connection, where: Scope) -> int:
            told = {"source": actor.source, "actor": actor_of(actor)}
            added = [] if to is None else [to]
            count: int = await connection.value(
                _THREADS, where.inbox, [label], added, most, msgspec.json.encode(told).decode()
            )
            return count

        return await self._door.write(actor, SCOPE, Place("inbox", inbox), write)
