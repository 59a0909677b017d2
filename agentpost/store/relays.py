"""What leaves this server: taken up with its octets, and settled with its outcome.

Taking up commits the state ``sending`` before anything is sent; settling writes everything that
an attempt came to in one transaction: deliveries, the message's state, events, the job that writes to
the sender, and the end of this one or the time of its next attempt.

What was ``sending`` when a worker died is sent again, unless its transport sends once: then it is in
doubt until an event of the provider's confirms it, or its absence proves that it was not sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from agentpost.clock import now, rfc3339
from agentpost.ids import (
    EnvironmentId,
    InboxId,
    MessageId,
    OrganizationId,
    ThreadId,
    new_id,
)
from agentpost.mime.fields import shown_email
from agentpost.model.actor import Actor, Scope
from agentpost.model.envelope import Notify, Ret
from agentpost.model.relay import (
    InDoubt,
    Outgoing,
    RecipientStatus,
    RelayRecipient,
    Report,
    Routing,
    Settlement,
)
from agentpost.store.blobs import Blobs
from agentpost.store.fresh import nobody
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door


class Relays:
    """Messages on their way to other servers.

    ``forget`` is told the inboxes that may have been paused, and the recipients that may have been
    suppressed.
    """

    def __init__(
        self,
        door: Door,
        blobs: Blobs,
        committed: Callable[[InboxId], None],
        queued: Callable[[], None],
        forget: Callable[[str], None] = nobody,
    ) -> None:
        self._door = door
        self._blobs = blobs
        self._committed = committed
        self._queued = queued
        self._forget = forget

    async def begin(
        self, actor: Actor, messages: Sequence[MessageId], routing: Routing
    ) -> dict[MessageId, Outgoing]:
        """Mark the recipients that are still to be served as ``sending``, and give the messages.

        A message that is not in the answer has been relayed already.
        Raises: OSError when octets cannot be read from their file.
        """

        async def write(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                "SELECT * FROM begin_relays($1, $2, $3, $4, $5)",
                list(messages),
                routing.relay,
                list(routing.once),
                timedelta(seconds=routing.doubts.wait_s),
                routing.doubts.resend,
            )

        rows = await self._door.write(actor, None, None, write, single=True)
        found: dict[MessageId, Outgoing] = {}
        for row in rows:
            octets = row["octets"]
            if octets is None:
                octets = await self._blobs.get(row["location"])
            found[MessageId(row["message_id"])] = _outgoing(row, octets)
        return found

    async def settle(self, actor: Actor, settlements: Sequence[Settlement]) -> None:
        """Write outcomes, all in one transaction, and wake who watches the inboxes concerned.

        A settlement whose relay somebody else has finished meanwhile has no effect.
        """
        columns = _columns(settlements)

        async def write(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(_SETTLE, *columns)

        rows = await self._door.write(actor, None, None, write, single=True)
        ended = [
            one.recipient
            for settlement in settlements
            for one in settlement.outcomes
            if one.state in ("bounced", "complained")
        ]
        if ended:
            for name in (*ended, *(row["inbox_id"] for row in rows)):
                self._forget(name)
        for inbox in dict.fromkeys(InboxId(row["inbox_id"]) for row in rows):
            self._committed(inbox)
        if any(settlement.report is not None for settlement in settlements):
            self._queued()

    async def confirm(
        self,
        actor: Actor,
        message: MessageId,
        attempt: int,
        provider_id: str,
        recipients: Sequence[str],
    ) -> bool:
        """A provider's event says that it accepted this attempt for ``recipients``.

        Those that wait or are in doubt become ``sent``; whoever was told already stays as he is.
        Returns whether anything changed.
        """

        async def write(connection: Connection, _: Scope) -> InboxId | None:
            return await confirm_sending(connection, message, attempt, provider_id, recipients)

        inbox = await self._door.write(actor, None, None, write, single=True)
        if inbox is not None:
            self._committed(inbox)
        return inbox is not None

    async def listening(self, actor: Actor) -> None:
        """Note that this server would hear of a provider's events now."""

        async def write(connection: Connection, _: Scope) -> None:
            await connection.execute("SELECT listening()")

        await self._door.write(actor, None, None, write, single=True)

    async def local_successes(self, actor: Actor, message: MessageId) -> Report | None:
        """What the sender of ``message`` asked to be told of deliveries on this server.

        They happened when it was submitted, in the same transaction.  None when the message was
        deleted meanwhile.
        """

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(_LOCAL_SUCCESSES, message)

        rows = await self._door.read(actor, None, None, read)
        options = [msgspec.json.decode(row["options"]) for row in rows]
        told = tuple(
            RecipientStatus(row["recipient"], "delivered", "2.1.5", original=given.get("orcpt"))
            for row, given in zip(rows, options, strict=True)
            if Notify.SUCCESS in given.get("notify", ())
        )
        if not told:
            return None
        at = rows[0]["created_at"]
        about = options[0]
        return Report(
            rows[0]["address"],
            told,
            at,
            at,
            envid=about.get("envid"),
            release=about.get("release"),
        )


async def confirm_sending(
    connection: Connection,
    message: MessageId,
    attempt: int,
    provider_id: str,
    recipients: Sequence[str],
    provider: str = "ses",
) -> InboxId | None:
    """``Relays.confirm`` in a transaction that writes more; the inbox to wake, if any."""
    told = {
        "provider": provider,
        "provider_message_id": provider_id,
        "sent_at": rfc3339(now()),
    }
    inbox = await connection.value(
        "SELECT confirm_sending($1, $2, $3, $4, $5, $6)",
        message,
        attempt,
        provider_id,
        # It was told the form that a wire carries.
        [*recipients, *map(shown_email, recipients)],
        new_id("evt"),
        msgspec.json.encode(told).decode(),
    )
    return None if inbox is None else InboxId(inbox)


_LOCAL_SUCCESSES = """
SELECT d.recipient, d.options, m.created_at, i.address
FROM deliveries d JOIN messages m ON m.id = d.message_id JOIN inboxes i ON i.id = m.inbox_id
WHERE d.message_id = $1 AND d.local ORDER BY d.recipient
"""

_SETTLE = "SELECT s.inbox_id FROM settle_relays({}) AS s (inbox_id)".format(
    ", ".join(f"${n + 1}" for n in range(18))
)


def _columns(settlements: Sequence[Settlement]) -> list[list[Any]]:
    """The arguments of ``settle_relays``, column by column."""
    relays: list[tuple[Any, ...]] = []
    outcomes: list[tuple[Any, ...]] = []
    events: list[tuple[Any, ...]] = []
    reports: list[tuple[Any, ...]] = []
    for ordinal, one in enumerate(settlements, 1):
        relays.append((one.message, one.job, one.attempt, one.accepted, one.again_at))
        outcomes += [
            (ordinal, o.recipient, o.state, o.status, o.diagnostic, o.provider_id, o.attempt)
            for o in one.outcomes
        ]
        events += [
            (ordinal, new_id("evt"), event.type, msgspec.json.encode(event.data).decode())
            for event in one.events
        ]
        if one.report is not None:
            reports.append((ordinal, msgspec.json.encode(one.report).decode()))
    columns: list[list[Any]] = []
    for rows, width in ((relays, 5), (outcomes, 7), (events, 4), (reports, 2)):
        columns += [list(column) for column in zip(*rows, strict=True)] or [
            [] for _ in range(width)
        ]
    return columns


def _outgoing(row: Row, octets: bytes) -> Outgoing:
    options: dict[str, Any] = msgspec.json.decode(row["options"])
    thread = row["thread_id"]
    ret = options.get("ret")
    return Outgoing(
        message=MessageId(row["message_id"]),
        organization=OrganizationId(row["organization_id"]),
        environment=EnvironmentId(row["environment_id"]),
        inbox=InboxId(row["inbox_id"]),
        thread=None if thread is None else ThreadId(thread),
        simulated=row["kind"] == "test",
        reverse_path=row["reverse_path"],
        recipients=tuple(_recipient(item) for item in msgspec.json.decode(row["recipients"])),
        octets=octets,
        accepted_at=row["created_at"],
        ret=None if ret is None else Ret(ret),
        envid=options.get("envid"),
        smtputf8=bool(options.get("smtputf8", False)),
        relay=row["relay"],
        attempt=row["attempt"],
        in_doubt=tuple(
            InDoubt(_recipient(item), datetime.fromtimestamp(item["since"], UTC))
            for item in msgspec.json.decode(row["in_doubt"])
        ),
        release=options.get("release"),
    )


def _recipient(item: dict[str, Any]) -> RelayRecipient:
    options: dict[str, Any] = item["options"]
    return RelayRecipient(
        address=item["address"],
        attempts=item["attempts"],
        notify=frozenset(Notify(word) for word in options.get("notify", ())),
        orcpt=options.get("orcpt"),
    )
