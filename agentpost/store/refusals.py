"""What is told of a message that was refused before anything of it was stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agentpost.model.actor import Actor, Scope
from agentpost.store import audit, pausing
from agentpost.store.fresh import nobody
from agentpost.store.happenings import happened
from agentpost.store.pool import Connection
from agentpost.store.store import Door


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why, in a word and in a sentence, and whom it concerned.

    ``quota`` is the bound of the day's mails when that was it.
    """

    reason_code: str
    reason: str
    recipients: tuple[str, ...]
    quota: int | None = None


class Refusals:
    """Writes events of refusals; ``forget`` is told the ids of inboxes that were paused."""

    def __init__(self, door: Door, forget: Callable[[str], None] = nobody) -> None:
        self._door = door
        self._forget = forget

    async def tell(self, actor: Actor, scope: str | None, where: Scope, refusal: Refusal) -> None:
        """Tell that a message of the inbox ``where`` was refused.  Raises: Forbidden."""

        async def write(connection: Connection, place: Scope) -> None:
            data = {
                "message_id": None,
                "reason_code": refusal.reason_code,
                "reason": refusal.reason,
                "recipients": list(refusal.recipients),
            }
            await happened(connection, place, "message.rejected", data)
            if refusal.quota is not None:
                await connection.rows(
                    "SELECT quota_exceeded($1, $2, $3)",
                    place.organization,
                    place.environment,
                    refusal.quota,
                )

        await self._door.write(actor, scope, where, write)

    async def pause(self, actor: Actor, where: Scope, reason: str) -> None:
        """Pause the inbox ``where`` on the server's own behalf, unless it is paused already."""

        async def write(connection: Connection, place: Scope) -> None:
            paused = await connection.value(
                "SELECT send_paused FROM inboxes WHERE id = $1 FOR UPDATE", place.inbox
            )
            if paused is False:
                await pausing.pause(connection, actor, place, reason)
                detail = {"reason": reason}
                await audit.append(connection, actor, place, "inbox.paused", place.inbox, detail)

        await self._door.write(actor, None, where, write)
        assert where.inbox is not None
        self._forget(where.inbox)
