"""What providers say became of mail that left: written with its events in one transaction."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from agentpost.ids import InboxId, new_id
from agentpost.model.actor import Actor, Scope
from agentpost.model.notification import Feedback, FeedbackOutcome
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door


class FeedbackLog:
    """Takes feedback in; each piece of news has its effect once.

    ``forget`` is told the inboxes that may have been paused, and the recipients that may have been
    suppressed.
    """

    def __init__(
        self, door: Door, committed: Callable[[InboxId], None], forget: Callable[[str], None]
    ) -> None:
        self._door = door
        self._committed = committed
        self._forget = forget

    async def settle(self, actor: Actor, feedback: Feedback, *, confirmed: bool) -> FeedbackOutcome:
        """Write ``feedback`` to the deliveries of its message, and wake who watches the inbox.

        A state never goes back, whatever comes late.  Without ``confirmed`` nothing is written,
        and the answer is ``in_doubt``, while the attempt that brought a recipient to the provider
        has no outcome of its own.  ``unknown`` is a message that is not ours or is deleted.
        """
        arguments = _arguments(feedback, confirmed=confirmed)

        async def write(connection: Connection, _: Scope) -> Row:
            row = await connection.row(_SETTLE, *arguments)
            assert row is not None
            return row

        row = await self._door.write(actor, None, None, write, single=True)
        if row["inbox_id"] is not None:
            for name in (row["inbox_id"], *(one.address for one in feedback.recipients)):
                self._forget(name)
            self._committed(InboxId(row["inbox_id"]))
        outcome: FeedbackOutcome = row["outcome"]
        return outcome


_SETTLE = "SELECT outcome, inbox_id FROM settle_feedback({})".format(
    ", ".join(f"${n + 1}" for n in range(15))
)


def _arguments(feedback: Feedback, *, confirmed: bool) -> tuple[object, ...]:
    people = feedback.recipients
    return (
        feedback.notification,
        feedback.message,
        feedback.provider_id,
        confirmed,
        feedback.state,
        feedback.kind,
        feedback.at,
        [one.address for one in people],
        [one.status for one in people],
        [one.diagnostic for one in people],
        [msgspec.json.encode(one.item).decode() for one in people],
        new_id("evt"),
        feedback.event,
        msgspec.json.encode(feedback.data).decode(),
        feedback.items,
    )
