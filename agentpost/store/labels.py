"""Labels: which there are, and on how many messages and threads (R44).

On a message a label is an IMAP keyword, on a thread its own; both compare in lower case.
"""

from __future__ import annotations

from agentpost.model.actor import Actor, Scope
from agentpost.model.label import LabelCount
from agentpost.model.page import Page, PageRequest
from agentpost.store.narrowing import Narrowing, reach
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door, Place

_COUNTS = """
SELECT label, sum(messages)::bigint AS messages, sum(threads)::bigint AS threads FROM (
    SELECT lower(k) AS label, count(DISTINCT m.id) AS messages, 0 AS threads
    FROM messages m JOIN placements p ON p.message_id = m.id
    JOIN mailboxes b ON b.id = p.mailbox_id, unnest(p.keywords) AS k
    WHERE p.keywords <> '{{}}' AND coalesce(b.role, '') NOT IN ('trash', 'junk', 'drafts')
        AND {messages} GROUP BY 1
    UNION ALL
    SELECT l, 0, count(*) FROM threads t, unnest(t.labels) AS l
    WHERE EXISTS (SELECT 1 FROM messages m WHERE m.thread_id = t.id AND m.state <> 'draft')
        AND {threads} GROUP BY 1
) counted WHERE {after} GROUP BY label ORDER BY label COLLATE "C" {direction} LIMIT {limit}
"""


class Labels:
    """Reads which labels are in use."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def page(
        self, actor: Actor, page: PageRequest, where: Place | None = None
    ) -> Page[LabelCount]:
        """Labels by name with their counts; what lies in Trash, Junk and Drafts does not count.

        Raises: NotFound.
        """

        async def read(connection: Connection, place: Scope) -> list[Row]:
            direction = "DESC" if page.descending else "ASC"
            query = Narrowing(page.limit + 1, direction)
            parts: dict[str, str] = {}
            for name, table in (("messages", "m"), ("threads", "t")):
                query.conditions.clear()
                reach(query, actor, place if where is not None else None, table)
                parts[name] = query.condition
            query.conditions.clear()
            if page.position is not None:
                comparison = "<" if page.descending else ">"
                query.add(f'label {comparison} {{0}} COLLATE "C"', page.position[0])
            sql = _COUNTS.format(
                **parts, after=query.condition, direction=direction, limit=query.limit
            )
            return await connection.rows(sql, *query.arguments)

        found = await self._door.read(actor, "labels:write", where, read)
        rows = tuple(
            LabelCount(row["label"], row["messages"], row["threads"]) for row in found[: page.limit]
        )
        return Page(rows, (rows[-1].name,) if len(found) > page.limit else None)
