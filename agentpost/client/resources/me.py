"""Operations of the API.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from agentpost.client import _models as models
from agentpost.client._calls import Call


class Me:
    """Who the key belongs to and what it may do."""

    def __init__(self, call: Callable[[Call[Any]], Any]) -> None:
        self._call = call

    def get(
        self,
    ) -> models.Identity:
        """Who am I.

        The organization, environment, scopes, bindings, limits and usage of the key itself.

        ``environment`` is where creations go; it is null when the key covers several environments
        and none of them is the default: name one in the header AgentPost-Environment.
        """
        target = "/api/v1/me"
        answer: models.Identity = self._call(Call("GET", target, models.Identity))
        return answer


class AsyncMe:
    """Who the key belongs to and what it may do."""

    def __init__(self, call: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        self._call = call

    async def get(
        self,
    ) -> models.Identity:
        """Who am I.

        The organization, environment, scopes, bindings, limits and usage of the key itself.

        ``environment`` is where creations go; it is null when the key covers several environments
        and none of them is the default: name one in the header AgentPost-Environment.
        """
        target = "/api/v1/me"
        answer: models.Identity = await self._call(Call("GET", target, models.Identity))
        return answer
