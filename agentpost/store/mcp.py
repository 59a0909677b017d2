"""Sessions of the Model Context Protocol, shared by all workers and instances.

A session belongs to the key that began it.  Whoever tells a session something watches it on the bus
by its id, as inboxes are watched, so that a subscription made at one worker is heard at another.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Final, Literal

import msgspec

from agentpost.errors import Limit, NotFound
from agentpost.ids import InboxId
from agentpost.limits import McpLimits
from agentpost.model.actor import Actor, Scope
from agentpost.model.mcp import McpSession
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door

_COLUMNS: Final = (
    "id, protocol, watched::text AS watched, stream, seen_at, canceled::text AS canceled,"
    " extract(epoch FROM clock_timestamp())::float8 AS read_at"
)
_MINE: Final = "id = $1 AND organization_id = $2 AND credential = $3"


class McpSessions:
    """Begins, finds, changes and ends sessions."""

    def __init__(self, door: Door, limits: McpLimits | None = None) -> None:
        self._door = door
        self.limits = limits or McpLimits()

    async def begin(self, actor: Actor, identity: str, protocol: str) -> McpSession:
        """A new session; those of the key that nobody uses any more end with it."""
        limits = self.limits

        async def write(connection: Connection, where: Scope) -> McpSession:
            await connection.execute(
                "DELETE FROM mcp_sessions WHERE organization_id = $1 AND (seen_at < now()"
                " - make_interval(secs => $3) OR id IN (SELECT id FROM mcp_sessions"
                " WHERE organization_id = $1 AND credential = $2 ORDER BY seen_at DESC OFFSET $4))",
                where.organization,
                actor.credential,
                float(limits.session_idle_s),
                limits.max_sessions - 1,
            )
            row = await connection.row(
                "INSERT INTO mcp_sessions (id, organization_id, credential, protocol)"
                f" VALUES ($1, $2, $3, $4) RETURNING {_COLUMNS}",
                identity,
                where.organization,
                actor.credential,
                protocol,
            )
            return _session(row)

        return await self._door.write(actor, None, None, write)

    async def get(self, actor: Actor, identity: str) -> McpSession:
        """A session of the actor's key.  Raises: NotFound when there is none, or it has ended."""

        async def read(connection: Connection, where: Scope) -> McpSession:
            row = await connection.row(
                f"SELECT {_COLUMNS} FROM mcp_sessions WHERE {_MINE}"
                " AND seen_at > now() - make_interval(secs => $4)",
                identity,
                where.organization,
                actor.credential,
                float(self.limits.session_idle_s),
            )
            return _session(row)

        return await self._door.read(actor, None, None, read)

    async def touch(self, actor: Actor, identity: str) -> None:
        """Note that a session is in use."""

        async def write(connection: Connection, where: Scope) -> None:
            await connection.execute(
                f"UPDATE mcp_sessions SET seen_at = now() WHERE {_MINE}",
                identity,
                where.organization,
                actor.credential,
            )

        await self._door.write(actor, None, None, write, single=True)

    async def watch(self, actor: Actor, identity: str, uri: str, version: str) -> None:
        """Tell the session when ``uri`` is no longer at ``version``.

        Raises: NotFound; Limit when it watches as many as it may.
        """

        async def write(connection: Connection, where: Scope) -> None:
            present = await self._present(connection, actor, where, identity)
            if uri not in present and len(present) >= self.limits.max_subscriptions:
                raise Limit(
                    f"A session watches at most {self.limits.max_subscriptions} resources.",
                    fix="Unsubscribe from those that are not needed.",
                )
            await self._keep(
                connection, actor, where, identity, "watched", present | {uri: version}
            )

        await self._door.write(actor, None, None, write)
        self._wake(actor, identity)

    async def unwatch(self, actor: Actor, identity: str, uri: str) -> None:
        """Tell the session no longer.  Raises: NotFound."""

        async def write(connection: Connection, where: Scope) -> None:
            present = await self._present(connection, actor, where, identity)
            present.pop(uri, None)
            await self._keep(connection, actor, where, identity, "watched", present)

        await self._door.write(actor, None, None, write)
        self._wake(actor, identity)

    async def told(self, actor: Actor, identity: str, versions: Mapping[str, str]) -> None:
        """The client knows these versions now; of what it no longer watches nothing is kept."""

        async def write(connection: Connection, where: Scope) -> None:
            present = await self._present(connection, actor, where, identity)
            known = {uri: version for uri, version in versions.items() if uri in present}
            await self._keep(connection, actor, where, identity, "watched", present | known)

        await self._door.write(actor, None, None, write)

    async def cancel(self, actor: Actor, identity: str, request: str) -> None:
        """Note that the client no longer wants the answer to ``request``, an id as JSON.

        Raises: NotFound.
        """
        limits = self.limits

        async def write(connection: Connection, where: Scope) -> None:
            session = await self._locked(connection, actor, where, identity)
            # What no call that still runs can have been meant by is forgotten.
            recent = session.read_at - limits.max_wait_s
            known = {name: at for name, at in session.canceled.items() if at > recent}
            known.pop(request, None)
            newest = [*known.items(), (request, session.read_at)][-limits.max_canceled :]
            await self._keep(connection, actor, where, identity, "canceled", dict(newest))

        await self._door.write(actor, None, None, write)
        self._wake(actor, identity)

    async def open_stream(self, actor: Actor, identity: str) -> int:
        """The number of a stream that now tells the session; the one before it ends.

        Raises: NotFound.
        """

        async def write(connection: Connection, where: Scope) -> int:
            number: int | None = await connection.value(
                f"UPDATE mcp_sessions SET stream = stream + 1, seen_at = now() WHERE {_MINE}"
                " RETURNING stream",
                identity,
                where.organization,
                actor.credential,
            )
            if number is None:
                raise _absent()
            return number

        number = await self._door.write(actor, None, None, write, single=True)
        self._wake(actor, identity)
        return number

    async def end(self, actor: Actor, identity: str) -> None:
        """End a session.  Raises: NotFound."""

        async def write(connection: Connection, where: Scope) -> None:
            gone = await connection.value(
                f"DELETE FROM mcp_sessions WHERE {_MINE} RETURNING true",
                identity,
                where.organization,
                actor.credential,
            )
            if gone is None:
                raise _absent()

        await self._door.write(actor, None, None, write, single=True)
        self._wake(actor, identity)

    async def _present(
        self, connection: Connection, actor: Actor, where: Scope, identity: str
    ) -> dict[str, str]:
        """What the session watches, its row locked until the commit."""
        return dict((await self._locked(connection, actor, where, identity)).watched)

    async def _locked(
        self, connection: Connection, actor: Actor, where: Scope, identity: str
    ) -> McpSession:
        row = await connection.row(
            f"SELECT {_COLUMNS} FROM mcp_sessions WHERE {_MINE} FOR UPDATE",
            identity,
            where.organization,
            actor.credential,
        )
        return _session(row)

    async def _keep(
        self,
        connection: Connection,
        actor: Actor,
        where: Scope,
        identity: str,
        column: Literal["watched", "canceled"],
        value: Mapping[str, str] | Mapping[str, float],
    ) -> None:
        await connection.execute(
            f"UPDATE mcp_sessions SET {column} = $4::text::jsonb WHERE {_MINE}",
            identity,
            where.organization,
            actor.credential,
            msgspec.json.encode(value).decode("utf-8"),
        )

    def _wake(self, actor: Actor, identity: str) -> None:
        self._door.wake(Scope(actor.organization, None, InboxId(identity)))


def _absent() -> NotFound:
    return NotFound("There is no such session.", fix="Begin anew with initialize.")


def _session(row: Row | None) -> McpSession:
    if row is None:
        raise _absent()
    watched: dict[str, Any] = msgspec.json.decode(row["watched"])
    canceled: dict[str, Any] = msgspec.json.decode(row["canceled"])
    # jsonb orders its keys by their length.
    in_order = dict(sorted(canceled.items(), key=itemgetter(1)))
    return McpSession(
        row["id"],
        row["protocol"],
        watched,
        row["stream"],
        row["seen_at"],
        row["read_at"],
        in_order,
    )
