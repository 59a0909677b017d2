"""Operations of the API.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Literal

from agentpost.client import _models as models
from agentpost.client._calls import Call, chosen, path
from agentpost.client._pages import AsyncPager, Page
from agentpost.client._values import NOT_GIVEN, NotGiven, given


class Environments:
    """Environments: tenants inside the organization."""

    def __init__(self, call: Callable[[Call[Any]], Any]) -> None:
        self._call = call

    def create(
        self,
        *,
        name: str,
        slug: str | NotGiven | None = NOT_GIVEN,
        kind: Literal["dev", "live", "test"] | NotGiven = NOT_GIVEN,
        client_id: str | NotGiven | None = NOT_GIVEN,
    ) -> models.Environment:
        """Make an environment.

        Makes an environment: inboxes, mail and keys of their own, invisible to the others.

        With a ``client_id`` that was used before, the existing one is answered with status 200.

        slug: 1 to 63 of a-z 0-9 - ; unique in the organization; made from the name when it is left out
        kind: test: mail goes to a simulator, nothing leaves the server
        """
        target = "/api/v1/environments"
        answer: models.Environment = self._call(
            Call(
                "POST",
                target,
                models.Environment,
                body=given(name=name, slug=slug, kind=kind, client_id=client_id),
            )
        )
        return answer

    def list(
        self,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
    ) -> Page[models.Environment]:
        """List environments.

        The environments that the key covers, newest first unless asked otherwise.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        """
        target = "/api/v1/environments"
        return Page(
            self._call,
            Call(
                "GET",
                target,
                dict,
                query=given(limit=limit, cursor=cursor, order=order, after=after, before=before),
            ),
            models.Environment,
        )

    def get(
        self,
        environment_id: str,
    ) -> models.Environment:
        """Get an environment.

        One environment by its id.
        """
        target = path("/api/v1/environments/{}", environment_id)
        answer: models.Environment = self._call(Call("GET", target, models.Environment))
        return answer

    def update(
        self,
        environment_id: str,
        *,
        name: str | NotGiven = NOT_GIVEN,
        slug: str | NotGiven = NOT_GIVEN,
        is_default: bool | NotGiven = NOT_GIVEN,
        relay: Literal["ses", "simulator", "smtp"] | NotGiven | None = NOT_GIVEN,
        if_match: str | None = None,
    ) -> models.Environment:
        """Change an environment.

        Changes name, slug or relay, or makes it the default; there is always exactly one default.

        A relay counts for mail that is taken up from then on.  A test environment has none: its mail
        never leaves the server.

        slug: 1 to 63 of a-z 0-9 - ; unique in the organization
        is_default: true makes it the default instead of another
        relay: how its mail leaves, of what the operator has set up; null: as the deployment's own
        """
        target = path("/api/v1/environments/{}", environment_id)
        answer: models.Environment = self._call(
            Call(
                "PATCH",
                target,
                models.Environment,
                body=given(name=name, slug=slug, is_default=is_default, relay=relay),
                headers=chosen({"If-Match": if_match}),
            )
        )
        return answer

    def delete(
        self,
        environment_id: str,
        *,
        purge: bool | NotGiven = NOT_GIVEN,
        if_match: str | None = None,
    ) -> None:
        """Delete an environment.

        Deletes an environment without inboxes, or with ``purge=true`` everything in it, for ever.

        Deleted inboxes count as long as their mail is retained.  The default environment stays.  Keys
        that were bound to it alone are revoked.

        purge: Destroy its inboxes and their mail, for ever
        """
        target = path("/api/v1/environments/{}", environment_id)
        self._call(
            Call(
                "DELETE",
                target,
                None,
                query=given(purge=purge),
                headers=chosen({"If-Match": if_match}),
            )
        )


class AsyncEnvironments:
    """Environments: tenants inside the organization."""

    def __init__(self, call: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        self._call = call

    async def create(
        self,
        *,
        name: str,
        slug: str | NotGiven | None = NOT_GIVEN,
        kind: Literal["dev", "live", "test"] | NotGiven = NOT_GIVEN,
        client_id: str | NotGiven | None = NOT_GIVEN,
    ) -> models.Environment:
        """Make an environment.

        Makes an environment: inboxes, mail and keys of their own, invisible to the others.

        With a ``client_id`` that was used before, the existing one is answered with status 200.

        slug: 1 to 63 of a-z 0-9 - ; unique in the organization; made from the name when it is left out
        kind: test: mail goes to a simulator, nothing leaves the server
        """
        target = "/api/v1/environments"
        answer: models.Environment = await self._call(
            Call(
                "POST",
                target,
                models.Environment,
                body=given(name=name, slug=slug, kind=kind, client_id=client_id),
            )
        )
        return answer

    def list(
        self,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
    ) -> AsyncPager[models.Environment]:
        """List environments.

        The environments that the key covers, newest first unless asked otherwise.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        """
        target = "/api/v1/environments"
        return AsyncPager(
            self._call,
            Call(
                "GET",
                target,
                dict,
                query=given(limit=limit, cursor=cursor, order=order, after=after, before=before),
            ),
            models.Environment,
        )

    async def get(
        self,
        environment_id: str,
    ) -> models.Environment:
        """Get an environment.

        One environment by its id.
        """
        target = path("/api/v1/environments/{}", environment_id)
        answer: models.Environment = await self._call(Call("GET", target, models.Environment))
        return answer

    async def update(
        self,
        environment_id: str,
        *,
        name: str | NotGiven = NOT_GIVEN,
        slug: str | NotGiven = NOT_GIVEN,
        is_default: bool | NotGiven = NOT_GIVEN,
        relay: Literal["ses", "simulator", "smtp"] | NotGiven | None = NOT_GIVEN,
        if_match: str | None = None,
    ) -> models.Environment:
        """Change an environment.

        Changes name, slug or relay, or makes it the default; there is always exactly one default.

        A relay counts for mail that is taken up from then on.  A test environment has none: its mail
        never leaves the server.

        slug: 1 to 63 of a-z 0-9 - ; unique in the organization
        is_default: true makes it the default instead of another
        relay: how its mail leaves, of what the operator has set up; null: as the deployment's own
        """
        target = path("/api/v1/environments/{}", environment_id)
        answer: models.Environment = await self._call(
            Call(
                "PATCH",
                target,
                models.Environment,
                body=given(name=name, slug=slug, is_default=is_default, relay=relay),
                headers=chosen({"If-Match": if_match}),
            )
        )
        return answer

    async def delete(
        self,
        environment_id: str,
        *,
        purge: bool | NotGiven = NOT_GIVEN,
        if_match: str | None = None,
    ) -> None:
        """Delete an environment.

        Deletes an environment without inboxes, or with ``purge=true`` everything in it, for ever.

        Deleted inboxes count as long as their mail is retained.  The default environment stays.  Keys
        that were bound to it alone are revoked.

        purge: Destroy its inboxes and their mail, for ever
        """
        target = path("/api/v1/environments/{}", environment_id)
        await self._call(
            Call(
                "DELETE",
                target,
                None,
                query=given(purge=purge),
                headers=chosen({"If-Match": if_match}),
            )
        )
