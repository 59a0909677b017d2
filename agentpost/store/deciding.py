"""Who moves a message, for messages whose move decides about them (migrations/0011_holds.sql).

A held message is approved, rejected or withdrawn by being moved.  The functions that move
placements are told who does it and whether he may decide, and refuse in words of this module.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from agentpost.errors import ApprovalOver, Conflict, Forbidden, OwnApproval, Problem, UnderWay
from agentpost.model.actor import Actor, Scope
from agentpost.store.pool import Refused
from agentpost.store.store import Door

DECIDING = "approvals:decide"


def by(door: Door, actor: Actor, where: Scope, reason: str | None = None) -> str:
    """The argument ``by`` of the functions that move placements, as JSON."""
    try:
        door.allow(actor, DECIDING, where)
        decides = True
    except Problem:
        decides = False
    return msgspec.json.encode(
        {
            "credential": actor.credential,
            "source": actor.source,
            "decides": decides,
            "reason": reason,
        }
    ).decode()


@contextmanager
def decisions() -> Iterator[None]:
    """Run what may decide.

    Raises: Forbidden, OwnApproval, ApprovalOver; UnderWay and Conflict for a cancellation.
    """
    try:
        yield
    except Refused as refused:
        problem = _refusal(refused.code)
        if problem is None:
            raise
        raise problem from None


def _refusal(code: str) -> Problem | None:
    match code:
        case "not_approver":
            return Forbidden(
                f"To decide about an approval needs the scope {DECIDING}.",
                fix=f"Use a key that holds the scope {DECIDING}, or a mail credential that was made"
                " with approver: true.",
            )
        case "own_approval":
            return OwnApproval()
        case "approval_over":
            return ApprovalOver()
        case "under_way":
            return UnderWay()
        case "not_waiting":
            return Conflict(
                "The message does not wait to be sent.",
                fix="Only a message that is held, scheduled or queued can be cancelled.",
            )
        case _:
            return None
