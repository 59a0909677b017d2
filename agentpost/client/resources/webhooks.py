"""Operations of the API.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from agentpost.client import _models as models
from agentpost.client._calls import Call, chosen, path
from agentpost.client._pages import AsyncPager, Page
from agentpost.client._signatures import verify
from agentpost.client._values import NOT_GIVEN, NotGiven, given


class Webhooks:
    """Addresses that are told what happens."""

    verify = staticmethod(verify)

    def __init__(self, call: Callable[[Call[Any]], Any]) -> None:
        self._call = call

    def create(
        self,
        *,
        url: str,
        event_types: Sequence[str] | NotGiven | None = NOT_GIVEN,
        inbox_ids: Sequence[str] | NotGiven | None = NOT_GIVEN,
        environment_ids: Sequence[str] | NotGiven | None = NOT_GIVEN,
        payload: Literal["agentmail", "full", "thin"] | NotGiven = NOT_GIVEN,
        ordering: Literal["inbox", "none"] | NotGiven = NOT_GIVEN,
        timeout_s: int | NotGiven = NOT_GIVEN,
        headers: Mapping[str, str] | NotGiven | None = NOT_GIVEN,
        description: str | NotGiven | None = NOT_GIVEN,
        client_id: str | NotGiven | None = NOT_GIVEN,
    ) -> models.Webhook:
        """Make a webhook.

        Has a URL told what happens from now on.

        The answer holds the secret that deliveries are signed with, this once.  A payload with the
        texts of messages needs a key with messages:read.

        url: http or https; never inside a private network, unless the server allows it
        payload: full: with texts; thin: ids and what a program decides by; agentmail: as AgentMail
        ordering: inbox: what happens in one inbox is told in order, each after the one before
        """
        target = "/api/v1/webhooks"
        answer: models.Webhook = self._call(
            Call(
                "POST",
                target,
                models.Webhook,
                body=given(
                    url=url,
                    event_types=event_types,
                    inbox_ids=inbox_ids,
                    environment_ids=environment_ids,
                    payload=payload,
                    ordering=ordering,
                    timeout_s=timeout_s,
                    headers=headers,
                    description=description,
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
    ) -> Page[models.Webhook]:
        """List webhooks.

        The webhooks that are told of nothing outside the key's reach, newest first.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        """
        target = "/api/v1/webhooks"
        return Page(
            self._call,
            Call(
                "GET",
                target,
                dict,
                query=given(limit=limit, cursor=cursor, order=order, after=after, before=before),
            ),
            models.Webhook,
        )

    def get(
        self,
        webhook_id: str,
    ) -> models.Webhook:
        """Get a webhook.

        One webhook, without its secret.
        """
        target = path("/api/v1/webhooks/{}", webhook_id)
        answer: models.Webhook = self._call(Call("GET", target, models.Webhook))
        return answer

    def update(
        self,
        webhook_id: str,
        *,
        url: str | NotGiven = NOT_GIVEN,
        event_types: Sequence[str] | NotGiven = NOT_GIVEN,
        inbox_ids: Sequence[str] | NotGiven | None = NOT_GIVEN,
        environment_ids: Sequence[str] | NotGiven = NOT_GIVEN,
        payload: Literal["agentmail", "full", "thin"] | NotGiven = NOT_GIVEN,
        ordering: Literal["inbox", "none"] | NotGiven = NOT_GIVEN,
        timeout_s: int | NotGiven = NOT_GIVEN,
        headers: Mapping[str, str] | NotGiven = NOT_GIVEN,
        description: str | NotGiven | None = NOT_GIVEN,
        enabled: bool | NotGiven = NOT_GIVEN,
        if_match: str | None = None,
    ) -> models.Webhook:
        """Change a webhook.

        Changes what is named; what is queued is sent as the webhook is then.

        url: http or https; never inside a private network, unless the server allows it
        event_types: Types of events; ["*"] is all that the key may see
        environment_ids: The environment of the request when they are left out
        payload: full: with texts; thin: ids and what a program decides by; agentmail: as AgentMail
        ordering: inbox: what happens in one inbox is told in order, each after the one before
        headers: Header fields to add, such as Authorization; never shown again
        enabled: false pauses it
        """
        target = path("/api/v1/webhooks/{}", webhook_id)
        answer: models.Webhook = self._call(
            Call(
                "PATCH",
                target,
                models.Webhook,
                body=given(
                    url=url,
                    event_types=event_types,
                    inbox_ids=inbox_ids,
                    environment_ids=environment_ids,
                    payload=payload,
                    ordering=ordering,
                    timeout_s=timeout_s,
                    headers=headers,
                    description=description,
                    enabled=enabled,
                ),
                headers=chosen({"If-Match": if_match}),
            )
        )
        return answer

    def delete(
        self,
        webhook_id: str,
        *,
        if_match: str | None = None,
    ) -> None:
        """Delete a webhook.

        Ends a webhook, with what is queued for it and its delivery log.
        """
        target = path("/api/v1/webhooks/{}", webhook_id)
        self._call(Call("DELETE", target, None, headers=chosen({"If-Match": if_match})))

    def test(
        self,
        webhook_id: str,
    ) -> models.WebhookDelivery:
        """Test a webhook.

        Tells this webhook alone an event ``webhook.test``, whatever types it wants.
        """
        target = path("/api/v1/webhooks/{}/test", webhook_id)
        answer: models.WebhookDelivery = self._call(Call("POST", target, models.WebhookDelivery))
        return answer

    def enable(
        self,
        webhook_id: str,
    ) -> models.Webhook:
        """Enable a webhook.

        Has a webhook told again that was disabled, and counts its failures anew.

        What was queued for it is tried again; what happened while it was disabled is queued by a
        replay.
        """
        target = path("/api/v1/webhooks/{}/enable", webhook_id)
        answer: models.Webhook = self._call(Call("POST", target, models.Webhook))
        return answer

    def rotate_secret(
        self,
        webhook_id: str,
    ) -> models.Webhook:
        """Replace a webhook's secret.

        Gives a webhook a new secret, told this once; for a day the one before signs as well.
        """
        target = path("/api/v1/webhooks/{}/rotate-secret", webhook_id)
        answer: models.Webhook = self._call(Call("POST", target, models.Webhook))
        return answer

    def replay(
        self,
        webhook_id: str,
        *,
        after: datetime | str,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
        event_types: Sequence[str] | NotGiven | None = NOT_GIVEN,
    ) -> models.Replaying:
        """Replay a window of events.

        Tells a webhook again what happened between two moments, as far as it is kept.

        Events keep their ids, so a receiver that heard of one knows it again.

        after: RFC 3339 with a zone
        before: Now when it is left out
        event_types: Those of the webhook when they are left out
        """
        target = path("/api/v1/webhooks/{}/replay", webhook_id)
        answer: models.Replaying = self._call(
            Call(
                "POST",
                target,
                models.Replaying,
                body=given(after=after, before=before, event_types=event_types),
            )
        )
        return answer

    def deliveries(
        self,
        webhook_id: str,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
        state: Literal["failed", "pending", "succeeded"] | NotGiven | None = NOT_GIVEN,
        event_type: str | NotGiven | None = NOT_GIVEN,
    ) -> Page[models.WebhookDelivery]:
        """List a webhook's deliveries.

        What a webhook was told or is to be told, with how the last attempt went; newest first.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        """
        target = path("/api/v1/webhooks/{}/deliveries", webhook_id)
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
                    state=state,
                    event_type=event_type,
                ),
            ),
            models.WebhookDelivery,
        )

    def delivery(
        self,
        delivery_id: str,
    ) -> models.WebhookDelivery:
        """Get a delivery to a webhook.

        One delivery to a webhook.
        """
        target = path("/api/v1/deliveries/{}", delivery_id)
        answer: models.WebhookDelivery = self._call(Call("GET", target, models.WebhookDelivery))
        return answer

    def retry(
        self,
        delivery_id: str,
    ) -> models.WebhookDelivery:
        """Retry a delivery to a webhook.

        Tries a delivery now; one that has ended begins anew.
        """
        target = path("/api/v1/deliveries/{}/retry", delivery_id)
        answer: models.WebhookDelivery = self._call(Call("POST", target, models.WebhookDelivery))
        return answer

    def redeliver(
        self,
        event_id: str,
    ) -> models.Redelivered:
        """Tell webhooks an event again.

        Tells an event again to the webhooks that want it and that the key sees.

        A delivery that is queued stays as it is, so that repeating the request changes nothing.
        """
        target = path("/api/v1/events/{}/redeliver", event_id)
        answer: models.Redelivered = self._call(Call("POST", target, models.Redelivered))
        return answer


class AsyncWebhooks:
    """Addresses that are told what happens."""

    verify = staticmethod(verify)

    def __init__(self, call: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        self._call = call

    async def create(
        self,
        *,
        url: str,
        event_types: Sequence[str] | NotGiven | None = NOT_GIVEN,
        inbox_ids: Sequence[str] | NotGiven | None = NOT_GIVEN,
        environment_ids: Sequence[str] | NotGiven | None = NOT_GIVEN,
        payload: Literal["agentmail", "full", "thin"] | NotGiven = NOT_GIVEN,
        ordering: Literal["inbox", "none"] | NotGiven = NOT_GIVEN,
        timeout_s: int | NotGiven = NOT_GIVEN,
        headers: Mapping[str, str] | NotGiven | None = NOT_GIVEN,
        description: str | NotGiven | None = NOT_GIVEN,
        client_id: str | NotGiven | None = NOT_GIVEN,
    ) -> models.Webhook:
        """Make a webhook.

        Has a URL told what happens from now on.

        The answer holds the secret that deliveries are signed with, this once.  A payload with the
        texts of messages needs a key with messages:read.

        url: http or https; never inside a private network, unless the server allows it
        payload: full: with texts; thin: ids and what a program decides by; agentmail: as AgentMail
        ordering: inbox: what happens in one inbox is told in order, each after the one before
        """
        target = "/api/v1/webhooks"
        answer: models.Webhook = await self._call(
            Call(
                "POST",
                target,
                models.Webhook,
                body=given(
                    url=url,
                    event_types=event_types,
                    inbox_ids=inbox_ids,
                    environment_ids=environment_ids,
                    payload=payload,
                    ordering=ordering,
                    timeout_s=timeout_s,
                    headers=headers,
                    description=description,
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
    ) -> AsyncPager[models.Webhook]:
        """List webhooks.

        The webhooks that are told of nothing outside the key's reach, newest first.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        """
        target = "/api/v1/webhooks"
        return AsyncPager(
            self._call,
            Call(
                "GET",
                target,
                dict,
                query=given(limit=limit, cursor=cursor, order=order, after=after, before=before),
            ),
            models.Webhook,
        )

    async def get(
        self,
        webhook_id: str,
    ) -> models.Webhook:
        """Get a webhook.

        One webhook, without its secret.
        """
        target = path("/api/v1/webhooks/{}", webhook_id)
        answer: models.Webhook = await self._call(Call("GET", target, models.Webhook))
        return answer

    async def update(
        self,
        webhook_id: str,
        *,
        url: str | NotGiven = NOT_GIVEN,
        event_types: Sequence[str] | NotGiven = NOT_GIVEN,
        inbox_ids: Sequence[str] | NotGiven | None = NOT_GIVEN,
        environment_ids: Sequence[str] | NotGiven = NOT_GIVEN,
        payload: Literal["agentmail", "full", "thin"] | NotGiven = NOT_GIVEN,
        ordering: Literal["inbox", "none"] | NotGiven = NOT_GIVEN,
        timeout_s: int | NotGiven = NOT_GIVEN,
        headers: Mapping[str, str] | NotGiven = NOT_GIVEN,
        description: str | NotGiven | None = NOT_GIVEN,
        enabled: bool | NotGiven = NOT_GIVEN,
        if_match: str | None = None,
    ) -> models.Webhook:
        """Change a webhook.

        Changes what is named; what is queued is sent as the webhook is then.

        url: http or https; never inside a private network, unless the server allows it
        event_types: Types of events; ["*"] is all that the key may see
        environment_ids: The environment of the request when they are left out
        payload: full: with texts; thin: ids and what a program decides by; agentmail: as AgentMail
        ordering: inbox: what happens in one inbox is told in order, each after the one before
        headers: Header fields to add, such as Authorization; never shown again
        enabled: false pauses it
        """
        target = path("/api/v1/webhooks/{}", webhook_id)
        answer: models.Webhook = await self._call(
            Call(
                "PATCH",
                target,
                models.Webhook,
                body=given(
                    url=url,
                    event_types=event_types,
                    inbox_ids=inbox_ids,
                    environment_ids=environment_ids,
                    payload=payload,
                    ordering=ordering,
                    timeout_s=timeout_s,
                    headers=headers,
                    description=description,
                    enabled=enabled,
                ),
                headers=chosen({"If-Match": if_match}),
            )
        )
        return answer

    async def delete(
        self,
        webhook_id: str,
        *,
        if_match: str | None = None,
    ) -> None:
        """Delete a webhook.

        Ends a webhook, with what is queued for it and its delivery log.
        """
        target = path("/api/v1/webhooks/{}", webhook_id)
        await self._call(Call("DELETE", target, None, headers=chosen({"If-Match": if_match})))

    async def test(
        self,
        webhook_id: str,
    ) -> models.WebhookDelivery:
        """Test a webhook.

        Tells this webhook alone an event ``webhook.test``, whatever types it wants.
        """
        target = path("/api/v1/webhooks/{}/test", webhook_id)
        answer: models.WebhookDelivery = await self._call(
            Call("POST", target, models.WebhookDelivery)
        )
        return answer

    async def enable(
        self,
        webhook_id: str,
    ) -> models.Webhook:
        """Enable a webhook.

        Has a webhook told again that was disabled, and counts its failures anew.

        What was queued for it is tried again; what happened while it was disabled is queued by a
        replay.
        """
        target = path("/api/v1/webhooks/{}/enable", webhook_id)
        answer: models.Webhook = await self._call(Call("POST", target, models.Webhook))
        return answer

    async def rotate_secret(
        self,
        webhook_id: str,
    ) -> models.Webhook:
        """Replace a webhook's secret.

        Gives a webhook a new secret, told this once; for a day the one before signs as well.
        """
        target = path("/api/v1/webhooks/{}/rotate-secret", webhook_id)
        answer: models.Webhook = await self._call(Call("POST", target, models.Webhook))
        return answer

    async def replay(
        self,
        webhook_id: str,
        *,
        after: datetime | str,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
        event_types: Sequence[str] | NotGiven | None = NOT_GIVEN,
    ) -> models.Replaying:
        """Replay a window of events.

        Tells a webhook again what happened between two moments, as far as it is kept.

        Events keep their ids, so a receiver that heard of one knows it again.

        after: RFC 3339 with a zone
        before: Now when it is left out
        event_types: Those of the webhook when they are left out
        """
        target = path("/api/v1/webhooks/{}/replay", webhook_id)
        answer: models.Replaying = await self._call(
            Call(
                "POST",
                target,
                models.Replaying,
                body=given(after=after, before=before, event_types=event_types),
            )
        )
        return answer

    def deliveries(
        self,
        webhook_id: str,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
        state: Literal["failed", "pending", "succeeded"] | NotGiven | None = NOT_GIVEN,
        event_type: str | NotGiven | None = NOT_GIVEN,
    ) -> AsyncPager[models.WebhookDelivery]:
        """List a webhook's deliveries.

        What a webhook was told or is to be told, with how the last attempt went; newest first.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        """
        target = path("/api/v1/webhooks/{}/deliveries", webhook_id)
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
                    state=state,
                    event_type=event_type,
                ),
            ),
            models.WebhookDelivery,
        )

    async def delivery(
        self,
        delivery_id: str,
    ) -> models.WebhookDelivery:
        """Get a delivery to a webhook.

        One delivery to a webhook.
        """
        target = path("/api/v1/deliveries/{}", delivery_id)
        answer: models.WebhookDelivery = await self._call(
            Call("GET", target, models.WebhookDelivery)
        )
        return answer

    async def retry(
        self,
        delivery_id: str,
    ) -> models.WebhookDelivery:
        """Retry a delivery to a webhook.

        Tries a delivery now; one that has ended begins anew.
        """
        target = path("/api/v1/deliveries/{}/retry", delivery_id)
        answer: models.WebhookDelivery = await self._call(
            Call("POST", target, models.WebhookDelivery)
        )
        return answer

    async def redeliver(
        self,
        event_id: str,
    ) -> models.Redelivered:
        """Tell webhooks an event again.

        Tells an event again to the webhooks that want it and that the key sees.

        A delivery that is queued stays as it is, so that repeating the request changes nothing.
        """
        target = path("/api/v1/events/{}/redeliver", event_id)
        answer: models.Redelivered = await self._call(Call("POST", target, models.Redelivered))
        return answer
