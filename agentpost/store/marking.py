"""Flags and labels of one message, in every mailbox that holds it; the inbox is locked."""

from __future__ import annotations

from collections.abc import Sequence

from agentpost.model.actor import Scope
from agentpost.model.mailbox import Flag
from agentpost.model.message import MessageChange
from agentpost.store.pool import Connection, Row


async def placements(connection: Connection, message: str) -> list[Row]:
    """Where the message lies: ids, uids, roles and names of mailboxes, the oldest placement first."""
    return await connection.rows(
        "SELECT p.mailbox_id, p.uid, b.role, b.name FROM placements p"
        " JOIN mailboxes b ON b.id = p.mailbox_id WHERE p.message_id = $1"
        " ORDER BY p.save_date, p.mailbox_id",
        message,
    )


async def mark(
    connection: Connection, where: Scope, placed: Sequence[Row], change: MessageChange, by: str
) -> None:
    """Change flags and labels in all these mailboxes, and tell of it once.

    ``by`` says who does it (``deciding.by``).
    """
    told: str | None = by
    for row in placed:
        await _apply(connection, where, row, change, told)
        told = None


async def _apply(
    connection: Connection, where: Scope, row: Row, change: MessageChange, by: str | None
) -> None:
    flags = {
        Flag.SEEN: change.seen,
        Flag.FLAGGED: change.flagged,
        Flag.ANSWERED: change.answered,
    }
    add = Flag(0)
    remove = Flag(0)
    for flag, wanted in flags.items():
        if wanted is True:
            add |= flag
        elif wanted is False:
            remove |= flag
    steps: tuple[tuple[str, Flag, Sequence[str]], ...] = (
        ("add", add, change.add_labels),
        ("remove", remove, change.remove_labels),
    )
    for mode, bits, words in steps:
        if bits or words:
            await connection.rows(
                "SELECT * FROM store_flags($1, $2, ARRAY[$3::bigint], $4, $5, $6, NULL, NULL, $7)",
                where.inbox,
                row["mailbox_id"],
                row["uid"],
                mode,
                int(bits),
                list(words),
                by,
            )
