"""Operations of the API.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Literal

from agentpost.client import _models as models
from agentpost.client._calls import Call, chosen, path
from agentpost.client._pages import AsyncPager, Page
from agentpost.client._values import NOT_GIVEN, NotGiven, given


class ApiKeys:
    """API keys."""

    def __init__(self, call: Callable[[Call[Any]], Any]) -> None:
        self._call = call

    def create(
        self,
        *,
        name: str,
        scopes: Sequence[str],
        environment_ids: Sequence[str] | NotGiven | None = NOT_GIVEN,
        inbox_ids: Sequence[str] | NotGiven | None = NOT_GIVEN,
        expires_at: datetime | str | NotGiven | None = NOT_GIVEN,
        ip_allow: Sequence[str] | NotGiven = NOT_GIVEN,
        client_id: str | NotGiven | None = NOT_GIVEN,
    ) -> models.ApiKey:
        """Make an API key.

        Makes a key; ``key`` holds it in clear, this once: only its hash is kept.

        It may do no more than the key that asks, in no more places, from no other networks, and ends
        no later; what is left out is as that key has it.

        With a ``client_id`` that was used before, the existing key is answered with status 200 and
        without its secret.

        scopes: What it may do, such as inboxes:read
        environment_ids: null: all that the key which asks covers
        inbox_ids: null: all that the key which asks covers
        ip_allow: Addresses and networks it works from; [] for any
        """
        target = "/api/v1/api-keys"
        answer: models.ApiKey = self._call(
            Call(
                "POST",
                target,
                models.ApiKey,
                body=given(
                    name=name,
                    scopes=scopes,
                    environment_ids=environment_ids,
                    inbox_ids=inbox_ids,
                    expires_at=expires_at,
                    ip_allow=ip_allow,
                    client_id=client_id,
                ),
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
        include_revoked: bool | NotGiven = NOT_GIVEN,
    ) -> Page[models.ApiKey]:
        """List API keys.

        The keys that reach no further than the key that asks, newest first unless asked otherwise.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        """
        target = "/api/v1/api-keys"
        return Page(
            self._call,
            Call(
                "GET",
                target,
                dict,
                query=given(
                    limit=limit,
                    cursor=cursor,
                    order=order,
                    after=after,
                    before=before,
                    include_revoked=include_revoked,
                ),
            ),
            models.ApiKey,
        )

    def get(
        self,
        key_id: str,
    ) -> models.ApiKey:
        """Get an API key.

        One key by its id, also one that was revoked; never its secret.
        """
        target = path("/api/v1/api-keys/{}", key_id)
        answer: models.ApiKey = self._call(Call("GET", target, models.ApiKey))
        return answer

    def update(
        self,
        key_id: str,
        *,
        name: str | NotGiven = NOT_GIVEN,
        scopes: Sequence[str] | NotGiven = NOT_GIVEN,
        environment_ids: Sequence[str] | NotGiven | None = NOT_GIVEN,
        inbox_ids: Sequence[str] | NotGiven | None = NOT_GIVEN,
        expires_at: datetime | str | NotGiven | None = NOT_GIVEN,
        ip_allow: Sequence[str] | NotGiven = NOT_GIVEN,
        if_match: str | None = None,
    ) -> models.ApiKey:
        """Change an API key.

        Changes what a key may do and where, within what the key that asks holds itself.

        scopes: What it may do, such as inboxes:read
        ip_allow: Addresses and networks it works from; [] for any
        """
        target = path("/api/v1/api-keys/{}", key_id)
        answer: models.ApiKey = self._call(
            Call(
                "PATCH",
                target,
                models.ApiKey,
                body=given(
                    name=name,
                    scopes=scopes,
                    environment_ids=environment_ids,
                    inbox_ids=inbox_ids,
                    expires_at=expires_at,
                    ip_allow=ip_allow,
                ),
                headers=chosen({"If-Match": if_match}),
            )
        )
        return answer

    def revoke(
        self,
        key_id: str,
        *,
        if_match: str | None = None,
    ) -> None:
        """Revoke an API key.

        Ends a key at once, also one that may do more than the key that asks; it stays readable.
        """
        target = path("/api/v1/api-keys/{}", key_id)
        self._call(Call("DELETE", target, None, headers=chosen({"If-Match": if_match})))

    def rotate(
        self,
        key_id: str,
        *,
        overlap_s: int | NotGiven = NOT_GIVEN,
    ) -> models.ApiKey:
        """Rotate an API key.

        Makes a new key with the same rights; the old one works on for ``overlap_s`` seconds.

        overlap_s: Seconds that the old key works on; 0 revokes it at once
        """
        target = path("/api/v1/api-keys/{}/rotate", key_id)
        answer: models.ApiKey = self._call(
            Call("POST", target, models.ApiKey, body=given(overlap_s=overlap_s))
        )
        return answer


class AsyncApiKeys:
    """API keys."""

    def __init__(self, call: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        self._call = call

    async def create(
        self,
        *,
        name: str,
        scopes: Sequence[str],
        environment_ids: Sequence[str] | NotGiven | None = NOT_GIVEN,
        inbox_ids: Sequence[str] | NotGiven | None = NOT_GIVEN,
        expires_at: datetime | str | NotGiven | None = NOT_GIVEN,
        ip_allow: Sequence[str] | NotGiven = NOT_GIVEN,
        client_id: str | NotGiven | None = NOT_GIVEN,
    ) -> models.ApiKey:
        """Make an API key.

        Makes a key; ``key`` holds it in clear, this once: only its hash is kept.

        It may do no more than the key that asks, in no more places, from no other networks, and ends
        no later; what is left out is as that key has it.

        With a ``client_id`` that was used before, the existing key is answered with status 200 and
        without its secret.

        scopes: What it may do, such as inboxes:read
        environment_ids: null: all that the key which asks covers
        inbox_ids: null: all that the key which asks covers
        ip_allow: Addresses and networks it works from; [] for any
        """
        target = "/api/v1/api-keys"
        answer: models.ApiKey = await self._call(
            Call(
                "POST",
                target,
                models.ApiKey,
                body=given(
                    name=name,
                    scopes=scopes,
                    environment_ids=environment_ids,
                    inbox_ids=inbox_ids,
                    expires_at=expires_at,
                    ip_allow=ip_allow,
                    client_id=client_id,
                ),
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
        include_revoked: bool | NotGiven = NOT_GIVEN,
    ) -> AsyncPager[models.ApiKey]:
        """List API keys.

        The keys that reach no further than the key that asks, newest first unless asked otherwise.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        """
        target = "/api/v1/api-keys"
        return AsyncPager(
            self._call,
            Call(
                "GET",
                target,
                dict,
                query=given(
                    limit=limit,
                    cursor=cursor,
                    order=order,
                    after=after,
                    before=before,
                    include_revoked=include_revoked,
                ),
            ),
            models.ApiKey,
        )

    async def get(
        self,
        key_id: str,
    ) -> models.ApiKey:
        """Get an API key.

        One key by its id, also one that was revoked; never its secret.
        """
        target = path("/api/v1/api-keys/{}", key_id)
        answer: models.ApiKey = await self._call(Call("GET", target, models.ApiKey))
        return answer

    async def update(
        self,
        key_id: str,
        *,
        name: str | NotGiven = NOT_GIVEN,
        scopes: Sequence[str] | NotGiven = NOT_GIVEN,
        environment_ids: Sequence[str] | NotGiven | None = NOT_GIVEN,
        inbox_ids: Sequence[str] | NotGiven | None = NOT_GIVEN,
        expires_at: datetime | str | NotGiven | None = NOT_GIVEN,
        ip_allow: Sequence[str] | NotGiven = NOT_GIVEN,
        if_match: str | None = None,
    ) -> models.ApiKey:
        """Change an API key.

        Changes what a key may do and where, within what the key that asks holds itself.

        scopes: What it may do, such as inboxes:read
        ip_allow: Addresses and networks it works from; [] for any
        """
        target = path("/api/v1/api-keys/{}", key_id)
        answer: models.ApiKey = await self._call(
            Call(
                "PATCH",
                target,
                models.ApiKey,
                body=given(
                    name=name,
                    scopes=scopes,
                    environment_ids=environment_ids,
                    inbox_ids=inbox_ids,
                    expires_at=expires_at,
                    ip_allow=ip_allow,
                ),
                headers=chosen({"If-Match": if_match}),
            )
        )
        return answer

    async def revoke(
        self,
        key_id: str,
        *,
        if_match: str | None = None,
    ) -> None:
        """Revoke an API key.

        Ends a key at once, also one that may do more than the key that asks; it stays readable.
        """
        target = path("/api/v1/api-keys/{}", key_id)
        await self._call(Call("DELETE", target, None, headers=chosen({"If-Match": if_match})))

    async def rotate(
        self,
        key_id: str,
        *,
        overlap_s: int | NotGiven = NOT_GIVEN,
    ) -> models.ApiKey:
        """Rotate an API key.

        Makes a new key with the same rights; the old one works on for ``overlap_s`` seconds.

        overlap_s: Seconds that the old key works on; 0 revokes it at once
        """
        target = path("/api/v1/api-keys/{}/rotate", key_id)
        answer: models.ApiKey = await self._call(
            Call("POST", target, models.ApiKey, body=given(overlap_s=overlap_s))
        )
        return answer
