"""Mailboxes and the placements in them: what IMAP commands and REST folders do to the store.

Callers name an inbox by the :class:`Scope` that login or a lookup gave them.  Uids are never
reused: a mailbox that comes again under an old name has a higher UIDVALIDITY (RFC 9051 section
2.3.1.1).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from agentpost.errors import (
    AlreadyExists,
    DestinationNotFound,
    Limit,
    MailboxNotFound,
)
from agentpost.ids import InboxId, MailboxId, ModSeq, OrganizationId, Uid
from agentpost.model.actor import Actor, Scope
from agentpost.model.mailbox import (
    HEAD_OCTETS,
    ROLE_NAMES,
    Copied,
    FlagChange,
    Mailbox,
    MailboxStatus,
    Rendered,
    Wanted,
)
from agentpost.store import deciding, naming
from agentpost.store.blobs import Blobs
from agentpost.store.index import MailboxIndex
from agentpost.store.names import Named
from agentpost.store.pool import Connection, Duplicate, Refused, Row
from agentpost.store.rendering import rendering
from agentpost.store.store import Door

T = TypeVar("T")

_MAILBOX = naming.MAILBOX


@dataclass(frozen=True, slots=True)
class MailboxLimits:
    """Bounds of the mailboxes of one inbox."""

    mailboxes: int = 1000
    """Mailboxes in one inbox; LIST answers stay small."""
    keywords: int = 500
    """Different keywords in one mailbox; FLAGS and PERMANENTFLAGS answers stay small."""


class Mailboxes:
    """Mailboxes by name and placements by uid."""

    def __init__(
        self,
        door: Door,
        blobs: Blobs,
        limits: MailboxLimits,
        index: MailboxIndex,
    ) -> None:
        self._door = door
        self._blobs = blobs
        self._limits = limits
        self._index = index

    async def all(self, actor: Actor, where: Scope) -> tuple[Mailbox, ...]:
        """All mailboxes of the inbox by name; unselectable ones (RFC 9051 \\Noselect) too."""

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                f"SELECT {_MAILBOX} FROM mailboxes WHERE inbox_id = $1 ORDER BY name",
                where.inbox,
            )

        rows = await self._door.read(actor, "messages:read", where, read)
        return tuple(_mailbox(row) for row in rows)

    async def subscriptions(self, actor: Actor, where: Scope) -> frozenset[str]:
        """Subscribed names, also of mailboxes that do not exist (RFC 9051 section 6.3.7)."""

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                "SELECT name FROM mailboxes WHERE inbox_id = $1 AND subscribed"
                " UNION SELECT name FROM subscriptions WHERE inbox_id = $1",
                where.inbox,
            )

        rows = await self._door.read(actor, "messages:read", where, read)
        return frozenset(row["name"] for row in rows)

    async def subscribe(self, actor: Actor, where: Scope, name: str, subscribed: bool) -> None:
        """Subscribe to or unsubscribe from a name; a name without a mailbox is allowed.

        Raises: Limit when too many names without mailboxes are subscribed.
        """

        async def write(connection: Connection, _: Scope) -> None:
            found = await connection.value(
                "UPDATE mailboxes SET subscribed = $3 WHERE inbox_id = $1 AND name = $2"
                " RETURNING id",
                where.inbox,
                name,
                subscribed,
            )
            if not subscribed:
                await connection.execute(
                    "DELETE FROM subscriptions WHERE inbox_id = $1 AND name = $2",
                    where.inbox,
                    name,
                )
            elif found is None:
                count = await connection.value(
                    "SELECT count(*) FROM subscriptions WHERE inbox_id = $1", where.inbox
                )
                if count >= self._limits.mailboxes:
                    raise Limit("The inbox has too many subscriptions.")
                await connection.execute(
                    "INSERT INTO subscriptions VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                    where.organization,
                    where.inbox,
                    name,
                )

        await self._write_name(actor, "messages:read", where, write)

    async def find(
        self, actor: Actor, where: Scope, name: str, scope: str = "messages:read"
    ) -> Mailbox:
        """The selectable mailbox of that name.  Raises: MailboxNotFound."""

        async def read(connection: Connection, _: Scope) -> Row | None:
            return await connection.row(
                f"SELECT {_MAILBOX} FROM mailboxes WHERE inbox_id = $1 AND name = $2",
                where.inbox,
                name,
            )

        found = None
        if not self._index.asks:
            found = (await self._named(actor, scope, where)).get(name)
        if found is None:
            row = await self._door.read(actor, scope, where, read)
            found = None if row is None else _mailbox(row)
        if found is None or not found.selectable:
            raise MailboxNotFound
        return found

    async def _named(self, actor: Actor, scope: str, where: Scope) -> Named:
        """All mailboxes of the inbox by name, from memory when they are known."""
        assert where.inbox is not None
        self._door.allow(actor, scope, where)

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                f"SELECT {_MAILBOX} FROM mailboxes WHERE inbox_id = $1", where.inbox
            )

        async def named() -> Named:
            rows = await self._door.read(actor, scope, where, read)
            return {row["name"]: _mailbox(row) for row in rows}

        return await self._index.names.of(where.inbox, named)

    async def create(self, actor: Actor, where: Scope, name: str) -> Mailbox:
        """Make a mailbox and the missing levels above it (RFC 9051 section 6.3.4).

        Raises: AlreadyExists; Limit when the inbox has too many mailboxes.
        """

        async def write(connection: Connection, _: Scope) -> Row:
            await naming.lock(connection, where)
            await self._make_room(connection, where, name)
            made = await naming.make(connection, where, name, None)
            if made is None:
                raise AlreadyExists(f"There is a mailbox of this name already: {name}.")
            return made

        return _mailbox(await self._write_name(actor, "messages:write", where, write))

    async def delete(self, actor: Actor, where: Scope, name: str) -> MailboxId:
        """Remove a mailbox and its placements; a parent of others stays as a bare name.

        Its name stays subscribed if it was (RFC 3501 section 6.3.9).
        Raises: MailboxNotFound; NotPossible for INBOX and the special-use mailboxes; HasChildren
        for a bare name with mailboxes below it.
        """

        async def write(connection: Connection, _: Scope) -> MailboxId:
            await naming.lock(connection, where)
            row = await connection.row(
                "SELECT id, role, selectable, uidvalidity, EXISTS (SELECT 1 FROM mailboxes c"
                "  WHERE c.inbox_id = $1 AND starts_with(c.name, $2 || '/')) AS parent"
                " FROM mailboxes WHERE inbox_id = $1 AND name = $2",
                where.inbox,
                name,
            )
            if row is None:
                raise MailboxNotFound
            if row["parent"] and not row["selectable"]:
                raise naming.HasChildren("There are mailboxes below this name; delete them first.")
            if row["role"] is not None:
                raise naming.NotPossible(
                    f"{name} belongs to every inbox and cannot be deleted.",
                    fix="Delete the messages in it instead.",
                )
            await connection.rows("SELECT expunge($1, $2, NULL, false)", where.inbox, row["id"])
            await naming.keep_subscriptions(connection, [row["id"]])
            await naming.retire(connection, where, row["uidvalidity"])
            await connection.execute("DELETE FROM mailboxes WHERE id = $1", row["id"])
            if row["parent"]:
                # The name stays, under a new identity: uids of the old one mean nothing to it.
                await naming.make(connection, where, name, None, selectable=False)
            return MailboxId(row["id"])

        deleted = await self._write_name(actor, "messages:write", where, write)
        self._index.forget(deleted)
        return deleted

    async def rename(self, actor: Actor, where: Scope, old: str, new: str) -> None:
        """Rename a mailbox and all below it; renaming INBOX moves its messages out of it.

        Subscriptions stay with the names (RFC 9051 section 6.3.6).
        Raises: MailboxNotFound; AlreadyExists; Limit; NotPossible for special-use mailboxes, for
        a name below itself and where names below would become too long.
        """

        async def write(connection: Connection, _: Scope) -> None:
            await naming.lock(connection, where)
            rows = await connection.rows(
                "SELECT id, name, role, uidvalidity FROM mailboxes WHERE inbox_id = $1"
                " AND (name = $2 OR starts_with(name, $2 || '/')) ORDER BY name",
                where.inbox,
                old,
            )
            if not rows or rows[0]["name"] != old:
                raise MailboxNotFound
            role = rows[0]["role"]
            if role not in (None, "inbox"):
                raise naming.NotPossible(f"{old} belongs to every inbox and cannot be renamed.")
            await self._make_room(connection, where, new)
            if role == "inbox":
                await naming.move_out(connection, where, rows[0]["id"], new)
            else:
                await naming.rename(connection, where, rows, old, new)

        if new == old:
            raise AlreadyExists(f"There is a mailbox of this name already: {new}.")
        if new.startswith(old + "/") and old != ROLE_NAMES["inbox"]:
            raise naming.NotPossible("A mailbox cannot be moved below itself.")
        try:
            await self._write_name(actor, "messages:write", where, write)
        except Duplicate:
            raise AlreadyExists(f"There is a mailbox of this name already: {new}.") from None

    async def _write_name(
        self,
        actor: Actor,
        scope: str,
        where: Scope,
        operation: Callable[[Connection, Scope], Awaitable[T]],
    ) -> T:
        """Run an operation that changes what ``find`` tells, or the names that it knows."""
        assert where.inbox is not None
        try:
            return await self._door.write(actor, scope, where, operation)
        finally:
            # Also after a failure: a transaction whose answer was lost may have been committed.
            self._index.names.forget(where.inbox)

    async def _make_room(self, connection: Connection, where: Scope, name: str) -> None:
        """Make the missing levels above ``name``.  Raises: Limit."""
        count = await connection.value(
            "SELECT count(*) FROM mailboxes WHERE inbox_id = $1", where.inbox
        )
        levels = name.split("/")
        if count + len(levels) > self._limits.mailboxes:
            raise Limit(f"The inbox has {count} mailboxes; it may have no more.")
        for depth in range(1, len(levels)):
            await naming.make(connection, where, "/".join(levels[:depth]), None, revive=False)

    async def status(self, actor: Actor, where: Scope) -> tuple[MailboxStatus, ...]:
        """The counts of every selectable mailbox of the inbox, in one query."""

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(_STATUS, where.inbox)

        rows = await self._door.read(actor, "messages:read", where, read)
        return tuple(
            MailboxStatus(
                mailbox=_mailbox(row),
                messages=row["messages"],
                unseen=row["unseen"],
                deleted=row["deleted"],
                recent=row["recent"],
                size=row["octets"],
                uidnext=Uid(row["uidnext"]),
                modseq=ModSeq(row["modseq"]),
            )
            for row in rows
        )

    async def store_flags(
        self,
        actor: Actor,
        where: Scope,
        mailbox: MailboxId,
        uids: Sequence[int],
        change: FlagChange,
        unchanged_since: int | None = None,
    ) -> tuple[Uid, ...]:
        """Change flags and keywords of the placements that exist.

        Returns: the uids that ``unchanged_since`` held back (RFC 7162 section 3.1.3).
        Raises: MailboxNotFound; Limit when the mailbox would have too many keywords.
        """
        row = await self._change(
            actor,
            "labels:write",
            where,
            mailbox,
            "SELECT * FROM store_flags($1, $2, $3, $4, $5, $6, $7, $9, $8)",
            uids,
            change.mode,
            int(change.flags),
            change.keywords,
            unchanged_since,
            deciding.by(self._door, actor, where),
            keywords=change.keywords,
        )
        return tuple(map(Uid, row["answered"] or ()))

    async def expunge(
        self,
        actor: Actor,
        where: Scope,
        mailbox: MailboxId,
        uids: Sequence[int] | None = None,
        *,
        only_deleted: bool = True,
    ) -> tuple[Uid, ...]:
        """Remove placements for ever: those of ``uids`` (all when None) that are \\Deleted.

        Messages that no mailbox holds any longer are deleted with them.
        """

        row = await self._change(
            actor,
            "messages:delete",
            where,
            mailbox,
            "SELECT * FROM expunge($1, $2, $3, $4, $6, $5)",
            uids,
            only_deleted,
            deciding.by(self._door, actor, where),
        )
        return tuple(map(Uid, row["answered"] or ()))

    async def copy(
        self,
        actor: Actor,
        where: Scope,
        mailbox: MailboxId,
        uids: Sequence[int],
        destination: str,
        *,
        moving: bool = False,
    ) -> Copied:
        """Copy or move placements, with their dates, flags and keywords, in uid order.

        Messages that wait for approval are decided about by moving them.
        Raises: DestinationNotFound (answered TRYCREATE); MailboxNotFound; Forbidden, OwnApproval
        and ApprovalOver for such messages.
        """
        row = await self._change(
            actor,
            "messages:delete" if moving else "messages:write",
            where,
            mailbox,
            "SELECT * FROM copy_placements($1, $2, $3, (SELECT id FROM mailboxes"
            " WHERE inbox_id = $1 AND name = $4), $5, $7, $6)",
            uids,
            destination,
            moving,
            deciding.by(self._door, actor, where),
        )
        return Copied(
            uidvalidity=row["placed_in"],
            source=tuple(row["answered"] or ()),
            destination=tuple(row["placed"] or ()),
        )

    async def rendered(
        self,
        actor: Actor,
        where: Scope,
        mailbox: MailboxId,
        uids: Sequence[int],
        wanted: Wanted,
    ) -> Rendered:
        """What FETCH asks of these placements beyond the index.

        Placements that are gone are left out.
        """
        span = wanted.span
        fields, sql = rendering(wanted if span is None else replace(wanted, span=_ANY_SPAN))
        bounds = () if span is None else (span[0] + 1, span[1])

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(sql, mailbox, where.inbox, uids, *bounds)

        rows = await self._door.read(actor, "messages:read", where, read)
        if not rows:
            return Rendered()
        columns: dict[str, Any] = dict(zip(fields, zip(*rows, strict=True), strict=False))
        for name, first, length in _kept_apart(wanted):
            if None in columns[name]:
                columns[name] = [
                    await self._from_blob(row[-1], first, length) if octets is None else octets
                    for octets, row in zip(columns[name], rows, strict=True)
                ]
        return Rendered(**columns)

    async def _from_blob(self, location: str, first: int, length: int | None) -> bytes:
        if length is None:
            return await self._blobs.get(location)
        return await self._blobs.piece(location, first, length)

    async def _check_keywords(
        self, connection: Connection, mailbox: MailboxId, keywords: Sequence[str]
    ) -> None:
        count = await connection.value(
            "SELECT cardinality(keywords) FROM mailboxes WHERE id = $1", mailbox
        )
        most = self._limits.keywords
        if (count or 0) + len(keywords) > 2 * most or len(keywords) > most:
            raise Limit("The mailbox has too many different keywords.")

    async def _change(
        self,
        actor: Actor,
        scope: str,
        where: Scope,
        mailbox: MailboxId,
        statement: str,
        *arguments: object,
        keywords: Sequence[str] = (),
    ) -> Row:
        """Call a function that changes placements; the index takes over what it answers."""

        async def change(since: int | None) -> Row:
            async def write(connection: Connection, _: Scope) -> Row:
                if keywords:
                    await self._check_keywords(connection, mailbox, keywords)
                row = await connection.row(statement, where.inbox, mailbox, *arguments, since)
                assert row is not None
                return row

            return await self._door.write(actor, scope, where, write, single=True, wakes=False)

        try:
            with deciding.decisions():
                return await self._index.changed(where, mailbox, change)
        except Refused as error:
            if error.code == "no_destination":
                raise DestinationNotFound from None
            raise MailboxNotFound from None


_ANY_SPAN = (0, 0)


def _kept_apart(wanted: Wanted) -> Iterator[tuple[str, int, int | None]]:
    """The columns whose octets may lie elsewhere: where they begin, and how many they are."""
    if wanted.octets:
        yield "octets", 0, None
    if wanted.head:
        yield "heads", 0, HEAD_OCTETS
    if wanted.span is not None:
        yield "spans", *wanted.span


_STATUS = f"""
SELECT {", ".join("b." + column for column in _MAILBOX.split(", "))}, b.uidnext, b.modseq,
    count(p.uid) AS messages,
    count(p.uid) FILTER (WHERE p.flags & 1 = 0) AS unseen,
    count(p.uid) FILTER (WHERE p.flags & 8 <> 0) AS deleted,
    count(p.uid) FILTER (WHERE p.uid >= b.recent_from) AS recent,
    coalesce(sum(p.size), 0)::bigint AS octets
FROM mailboxes b LEFT JOIN placements p ON p.mailbox_id = b.id
WHERE b.inbox_id = $1 AND b.selectable GROUP BY b.id ORDER BY b.name
"""


def _mailbox(row: Row) -> Mailbox:
    return Mailbox(
        id=MailboxId(row["id"]),
        organization=OrganizationId(row["organization_id"]),
        inbox=InboxId(row["inbox_id"]),
        name=row["name"],
        role=row["role"],
        uidvalidity=row["uidvalidity"],
        subscribed=row["subscribed"],
        selectable=row["selectable"],
    )
