"""Operations of the API.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from agentpost.client import _models as models
from agentpost.client._calls import Call
from agentpost.client._values import NOT_GIVEN, NotGiven, given


class Org:
    """The organization."""

    def __init__(self, call: Callable[[Call[Any]], Any]) -> None:
        self._call = call

    def get(
        self,
    ) -> models.Organization:
        """Get the organization.

        The organization that the key belongs to, its tier and what that allows.
        """
        target = "/api/v1/org"
        answer: models.Organization = self._call(Call("GET", target, models.Organization))
        return answer

    def update(
        self,
        *,
        name: str | NotGiven = NOT_GIVEN,
        slug: str | NotGiven = NOT_GIVEN,
    ) -> models.Organization:
        """Change the organization.

        Changes name or slug.  The key must be bound to no environment and no inbox.

        slug: 1 to 63 of a-z 0-9 - ; unique on the server
        """
        target = "/api/v1/org"
        answer: models.Organization = self._call(
            Call("PATCH", target, models.Organization, body=given(name=name, slug=slug))
        )
        return answer

    def usage(
        self,
    ) -> models.Usage:
        """What the organization uses.

        Mails of today against the tier, octets stored, and how much of everything there is.

        The requests of the running minute stand in the RateLimit header fields of every answer.
        """
        target = "/api/v1/org/usage"
        answer: models.Usage = self._call(Call("GET", target, models.Usage))
        return answer


class AsyncOrg:
    """The organization."""

    def __init__(self, call: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        self._call = call

    async def get(
        self,
    ) -> models.Organization:
        """Get the organization.

        The organization that the key belongs to, its tier and what that allows.
        """
        target = "/api/v1/org"
        answer: models.Organization = await self._call(Call("GET", target, models.Organization))
        return answer

    async def update(
        self,
        *,
        name: str | NotGiven = NOT_GIVEN,
        slug: str | NotGiven = NOT_GIVEN,
    ) -> models.Organization:
        """Change the organization.

        Changes name or slug.  The key must be bound to no environment and no inbox.

        slug: 1 to 63 of a-z 0-9 - ; unique on the server
        """
        target = "/api/v1/org"
        answer: models.Organization = await self._call(
            Call("PATCH", target, models.Organization, body=given(name=name, slug=slug))
        )
        return answer

    async def usage(
        self,
    ) -> models.Usage:
        """What the organization uses.

        Mails of today against the tier, octets stored, and how much of everything there is.

        The requests of the running minute stand in the RateLimit header fields of every answer.
        """
        target = "/api/v1/org/usage"
        answer: models.Usage = await self._call(Call("GET", target, models.Usage))
        return answer
