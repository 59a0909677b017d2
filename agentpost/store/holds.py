"""Messages that wait, as the job sees them that lets them go.

Each ends in one transaction: released, returned to its writer, or expired.  Whoever comes second
finds that it waits no longer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from agentpost.ids import ApprovalId, DraftId, InboxId, MessageId, ThreadId, new_id
from agentpost.model.actor import Actor, Scope
from agentpost.model.approval import Held, HeldRecipient, Released
from agentpost.model.relay import NewEvent
from agentpost.store.blobs import Blobs
from agentpost.store.depositing import Deposit, arguments_of, refs_of, rows_of
from agentpost.store.deposits import Committer
from agentpost.store.directory import LOCAL_COLUMNS, local_address
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door


class Holds:
    """Messages that wait for an approval or a time."""

    def __init__(
        self,
        door: Door,
        committer: Committer,
        blobs: Blobs,
        committed: Callable[[InboxId], None],
        queued: Callable[[], None],
    ) -> None:
        self._door = door
        self._committer = committer
        self._blobs = blobs
        self._committed = committed
        self._queued = queued

    async def held(self, actor: Actor, message: MessageId) -> Held | None:
        """A message that waits, with its recipients; None when it does not wait any longer."""

        async def read(connection: Connection, _: Scope) -> tuple[Row, Row, list[Row]] | None:
            hold = await connection.row(
                "SELECT h.*, h.due_at <= now() AS due, m.thread_id, m.source,"
                " extract(epoch FROM h.due_at - now())::float8 AS due_in"
                " FROM holds h JOIN messages m ON m.id = h.message_id WHERE h.message_id = $1",
                message,
            )
            if hold is None:
                return None
            sender = await connection.row(
                f"SELECT {LOCAL_COLUMNS} FROM inboxes WHERE id = $1", hold["inbox_id"]
            )
            assert sender is not None
            return (
                hold,
                sender,
                await connection.rows(
                    "SELECT recipient, options FROM deliveries WHERE message_id = $1"
                    " AND state IN ('held', 'scheduled') ORDER BY recipient",
                    message,
                ),
            )

        found = await self._door.read(actor, None, None, read)
        return None if found is None else _held(*found)

    async def octets(self, actor: Actor, message: MessageId) -> bytes | None:
        """The octets of a message that waits; None when it is gone."""

        async def read(connection: Connection, _: Scope) -> Row | None:
            return await connection.row(
                "SELECT b.octets, b.location FROM messages m JOIN blobs b ON b.id = m.blob_id"
                " WHERE m.id = $1",
                message,
            )

        row = await self._door.read(actor, None, None, read)
        if row is None:
            return None
        octets: bytes | None = row["octets"]
        return await self._blobs.get(row["location"]) if octets is None else octets

    async def release(
        self,
        actor: Actor,
        held: Held,
        state: str,
        recipients: Sequence[Released],
        jobs: Sequence[str],
        events: Sequence[NewEvent],
        here: Deposit | None,
    ) -> bool:
        """Let a due message go, in one transaction; False when it does not wait any longer.

        ``here`` is what arrives in inboxes of this server.
        """
        inboxes: Sequence[str] = ()
        arrivals: Sequence[Any] = ()
        blobs: Sequence[Any] = ()
        if here is not None:
            places = await self._committer.place(here)
            inboxes, arrivals, blobs, *_ = arguments_of(
                [rows_of(here, places, refs_of(here.summary))]
            )
        remote = any(not one.local and one.state == "queued" for one in recipients)

        async def write(connection: Connection, _: Scope) -> str | None:
            inbox: str | None = await connection.value(
                _RELEASE,
                held.message,
                state,
                remote,
                list(jobs),
                [one.recipient for one in recipients],
                [one.state for one in recipients],
                [one.local for one in recipients],
                [one.status for one in recipients],
                [one.diagnostic for one in recipients],
                [new_id("evt") for _ in events],
                [event.type for event in events],
                [msgspec.json.encode(event.data).decode() for event in events],
                inboxes,
                arrivals,
                blobs,
            )
            return inbox

        inbox = await self._door.write(actor, None, None, write, single=True)
        if inbox is None:
            return False
        for each in dict.fromkeys((InboxId(inbox), *map(InboxId, inboxes))):
            self._committed(each)
        self._queued()
        return True

    async def give_back(self, actor: Actor, held: Held, data: dict[str, object]) -> bool:
        """Return a due draft to Drafts, because it could not be sent; ``data`` tells why."""

        async def write(connection: Connection, _: Scope) -> str | None:
            inbox: str | None = await connection.value(
                "SELECT return_draft($1, $2, $3)",
                held.message,
                new_id("evt"),
                msgspec.json.encode(data).decode(),
            )
            return inbox

        return self._told(await self._door.write(actor, None, None, write, single=True))

    async def expire(self, actor: Actor, message: MessageId) -> bool:
        """Reject a message that nobody has approved in time; False when it is decided."""

        async def write(connection: Connection, _: Scope) -> str | None:
            inbox: str | None = await connection.value("SELECT expire_hold($1)", message)
            return inbox

        return self._told(await self._door.write(actor, None, None, write, single=True))

    async def next_due_s(self, actor: Actor, kind: str, within_s: float) -> float | None:
        """Seconds until the next job of a kind is due, 0 when one is; None after ``within_s``."""

        async def read(connection: Connection, _: Scope) -> float | None:
            seconds: float | None = await connection.value(
                "SELECT extract(epoch FROM min(run_at) - now())::float8 FROM jobs"
                " WHERE state = 'ready' AND kind = $1",
                kind,
            )
            return seconds

        seconds = await self._door.read(actor, None, None, read)
        return None if seconds is None or seconds > within_s else max(seconds, 0.0)

    def _told(self, inbox: str | None) -> bool:
        if inbox is None:
            return False
        self._committed(InboxId(inbox))
        return True


_RELEASE = "SELECT release_hold({})".format(", ".join(f"${n + 1}" for n in range(15)))


def _held(hold: Row, sender: Row, recipients: Sequence[Row]) -> Held:
    draft, approval = hold["draft_id"], hold["approval_id"]
    return Held(
        message=MessageId(hold["message_id"]),
        thread=ThreadId(hold["thread_id"]),
        kind=hold["kind"],
        due=hold["due"],
        due_in_s=hold["due_in"],
        sender=local_address(sender),
        source=hold["source"],
        credential=hold["credential"],
        reverse_path=hold["reverse_path"],
        options=msgspec.json.decode(hold["options"]),
        recipients=tuple(
            HeldRecipient(row["recipient"], msgspec.json.decode(row["options"]))
            for row in recipients
        ),
        send_at=hold["send_at"],
        draft=None if draft is None else DraftId(draft),
        approval=None if approval is None else ApprovalId(approval),
    )
