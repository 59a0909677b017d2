"""The environment that something new is made in."""

from __future__ import annotations

from agentpost.errors import NotFound
from agentpost.ids import EnvironmentId
from agentpost.model.actor import Actor, Scope
from agentpost.store import checks
from agentpost.store.pool import Connection


def home_of(actor: Actor, asked: str | None = None) -> str | EnvironmentId:
    """The environment that is asked for, or the one that the actor's key determines.

    Raises: UnknownField when there is neither.
    """
    chosen = asked or actor.environment
    if chosen is None:
        raise checks.refuse(
            "environment",
            "the key covers several environments",
            fix="Name one in the header AgentPost-Environment.",
        )
    return chosen


async def hold_home(connection: Connection, where: Scope) -> None:
    """Hold off the environment's deletion until this commits, or wait for it.

    Raises: NotFound when it is gone.
    """
    there = await connection.value(
        "SELECT true FROM environments WHERE id = $1 FOR KEY SHARE", where.environment
    )
    if there is None:
        raise NotFound("There is no such environment.")
