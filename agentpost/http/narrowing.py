"""An actor narrowed to one of its environments, as a request names it."""

from __future__ import annotations

from dataclasses import replace

from agentpost.errors import NotFound
from agentpost.http.services import Authenticator
from agentpost.ids import EnvironmentId
from agentpost.model.actor import Actor


async def narrowed(authenticator: Authenticator, actor: Actor, name: str) -> Actor:
    """``actor`` within the environment ``name``, where its creations go then.

    Raises: NotFound when there is none, or the key does not cover it.
    """
    environment = EnvironmentId(name)
    if not (
        await authenticator.has_environment(actor.organization, environment)
        if actor.environments is None
        else environment in actor.environments
    ):
        raise NotFound("There is no such environment, or the key does not cover it.")
    return replace(actor, environment=environment, environments=frozenset({environment}))
