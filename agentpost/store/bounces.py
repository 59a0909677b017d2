"""What reports that arrive as mail say of messages that their inbox has sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from agentpost.clock import now, rfc3339
from agentpost.ids import MessageId, new_id
from agentpost.model.actor import Actor, Scope
from agentpost.model.bounce import Finding
from agentpost.store.depositing import ref_of
from agentpost.store.pool import Connection
from agentpost.store.store import Door

Outcome = Literal["settled", "repeated", "unknown", "in_flight"]
"""What a report came to; see ``record_report`` in migrations/0012_bounces.sql."""

_KINDS_OF_EVENTS = 8
"""Events that one report can cause: of each type and kind one."""


class Bounces:
    """Writes down what reports say."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def record(
        self,
        actor: Actor,
        where: Scope,
        report: MessageId,
        *,
        messages: Sequence[str],
        message_ids: Sequence[str],
        provider_ids: Sequence[str],
        findings: Sequence[Finding],
        feedback: dict[str, str | None],
        waits: bool,
    ) -> Outcome:
        """Write what the mail ``report`` in the inbox ``where`` says, once, and wake its watchers.

        ``messages`` are ids of ours, ``message_ids`` Message-IDs without brackets, the best first.
        The addresses of findings are canonical.  With ``waits`` nothing is written while the
        message is just being sent.
        """
        numbered = [
            (number, address)
            for number, finding in enumerate(findings, 1)
            for address in finding.addresses
        ]

        async def write(connection: Connection, _: Scope) -> Outcome:
            outcome: Outcome = await connection.value(
                "SELECT record_report({})".format(", ".join(f"${n + 1}" for n in range(18))),
                where.inbox,
                report,
                waits,
                rfc3339(now()),
                msgspec.json.encode(feedback).decode(),
                list(messages),
                [ref_of(one) for one in message_ids],
                list(message_ids),
                list(provider_ids),
                [number for number, _ in numbered],
                [address for _, address in numbered],
                [one.noted for one in findings],
                [one.state for one in findings],
                [one.status for one in findings],
                [one.diagnostic for one in findings],
                [one.bounce_type for one in findings],
                [one.sub_type for one in findings],
                [new_id("evt") for _ in range(_KINDS_OF_EVENTS)],
            )
            return outcome

        return await self._door.write(actor, None, where, write, single=True)
