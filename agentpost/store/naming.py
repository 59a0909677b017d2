"""Names of mailboxes: how they come, go and change hands (RFC 9051 sections 6.3.4 to 6.3.6).

Each function works inside a transaction that holds the lock of its inbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agentpost.errors import AlreadyExists, Conflict
from agentpost.ids import MailboxId
from agentpost.limits import GrammarLimits
from agentpost.model.actor import Scope
from agentpost.model.mailbox import ROLE_NAMES, Role
from agentpost.store.pool import Connection, Row

MAILBOX = "id, organization_id, inbox_id, name, role, uidvalidity, subscribed, selectable"
_RETURNED = ", ".join("b." + column for column in MAILBOX.split(", "))


class NotPossible(Conflict):
    """A mailbox that can never be changed in this way."""

    column = replace(Conflict.column, imap="CANNOT")


class HasChildren(Conflict):
    """A bare name cannot be deleted while mailboxes lie below it."""

    column = replace(Conflict.column, imap="HASCHILDREN")


async def make_special(connection: Connection, where: Scope) -> None:
    """The mailboxes that every inbox has from the start; called where an inbox is made."""
    for role, name in ROLE_NAMES.items():
        await make(connection, where, name, role)


async def move_out(connection: Connection, where: Scope, inbox: MailboxId, new: str) -> None:
    """Rename INBOX: its messages go, it stays, and so does what lies below it."""
    made = await make(connection, where, new, None)
    if made is None:
        raise AlreadyExists(f"There is a mailbox of this name already: {new}.")
    await connection.rows(
        "SELECT * FROM copy_placements($1, $2,"
        " ARRAY(SELECT uid FROM placements WHERE mailbox_id = $2), $3, true)",
        where.inbox,
        inbox,
        made["id"],
    )


async def rename(
    connection: Connection, where: Scope, rows: Sequence[Row], old: str, new: str
) -> None:
    names = [new + row["name"][len(old) :] for row in rows]
    if any(len(name.encode()) > GrammarLimits().max_mailbox_octets for name in names):
        raise NotPossible("The name of a mailbox below would become too long.")
    ids = [row["id"] for row in rows]
    await keep_subscriptions(connection, ids)
    # A name that was in use before with a higher UIDVALIDITY must not go back to a lower one
    # (RFC 9051 section 2.3.1.1).  Which names were used is not kept, the highest number is: a
    # mailbox older than any that went away gets a new one.
    await connection.execute(
        "WITH renamed AS ("
        "  SELECT id, name, row_number() OVER (ORDER BY id) AS nth"
        "  FROM unnest($2::bigint[], $3::text[]) AS r (id, name)"
        "), gone AS (SELECT retired_uidvalidity AS retired FROM inboxes WHERE id = $1),"
        " validity AS (UPDATE inboxes SET last_uidvalidity = greatest(last_uidvalidity,"
        "   extract(epoch FROM now())::bigint) + cardinality($2::bigint[]) WHERE id = $1"
        "  RETURNING last_uidvalidity - cardinality($2::bigint[]) AS last)"
        " UPDATE mailboxes b SET name = r.name, subscribed = EXISTS ("
        "   SELECT 1 FROM subscriptions s WHERE s.inbox_id = $1 AND s.name = r.name),"
        "  uidvalidity = CASE WHEN b.uidvalidity >= g.retired THEN b.uidvalidity"
        "   ELSE v.last + r.nth END"
        " FROM renamed r, gone g, validity v WHERE b.id = r.id",
        where.inbox,
        ids,
        names,
    )
    await retire(connection, where, max(row["uidvalidity"] for row in rows))


async def keep_subscriptions(connection: Connection, mailboxes: Sequence[MailboxId]) -> None:
    """Names that these mailboxes are about to lose stay subscribed if they were."""
    await connection.execute(
        "INSERT INTO subscriptions (organization_id, inbox_id, name)"
        " SELECT organization_id, inbox_id, name FROM mailboxes"
        " WHERE id = ANY ($1) AND subscribed ON CONFLICT DO NOTHING",
        mailboxes,
    )


async def retire(connection: Connection, where: Scope, uidvalidity: int) -> None:
    """Some name had this UIDVALIDITY and has lost it."""
    await connection.execute(
        "UPDATE inboxes SET retired_uidvalidity = greatest(retired_uidvalidity, $2) WHERE id = $1",
        where.inbox,
        uidvalidity,
    )


async def lock(connection: Connection, where: Scope) -> None:
    await connection.execute("SELECT 1 FROM inboxes WHERE id = $1 FOR UPDATE", where.inbox)


async def make(
    connection: Connection,
    where: Scope,
    name: str,
    role: Role | None,
    *,
    selectable: bool = True,
    revive: bool = True,
) -> Row | None:
    """A new mailbox or, with ``revive``, one that was only a name; None when it exists already."""
    return await connection.row(
        "WITH validity AS ("
        "  UPDATE inboxes SET last_uidvalidity ="
        "   greatest(last_uidvalidity + 1, extract(epoch FROM now())::bigint)"
        "  WHERE id = $1 RETURNING last_uidvalidity)"
        " INSERT INTO mailboxes AS b"
        "  (inbox_id, organization_id, name, role, selectable, subscribed, uidvalidity, modseq)"
        " SELECT $1, $2, $3, $4, $5, $4::text IS NOT NULL OR EXISTS ("
        "   SELECT 1 FROM subscriptions s WHERE s.inbox_id = $1 AND s.name = $3),"
        "  v.last_uidvalidity, i.modseq"
        " FROM validity v, inboxes i WHERE i.id = $1"
        " ON CONFLICT (inbox_id, name) DO UPDATE SET selectable = true,"
        "  uidvalidity = excluded.uidvalidity, uidnext = 1, recent_from = 1"
        " WHERE NOT b.selectable AND $6"
        f" RETURNING {_RETURNED}",
        where.inbox,
        where.organization,
        name,
        role,
        selectable,
        revive,
    )
