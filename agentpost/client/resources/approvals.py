"""Operations of the API.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Literal

from agentpost.client import _models as models
from agentpost.client._calls import Call, chosen, path
from agentpost.client._pages import AsyncPager, Page
from agentpost.client._values import NOT_GIVEN, NotGiven, given


class Approvals:
    """Messages that wait for somebody to let them go."""

    def __init__(self, call: Callable[[Call[Any]], Any]) -> None:
        self._call = call

    def list(
        self,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
        status: Literal["approved", "canceled", "expired", "pending", "rejected"]
        | NotGiven
        | None = NOT_GIVEN,
        inbox_id: str | NotGiven | None = NOT_GIVEN,
    ) -> Page[models.Approval]:
        """List approvals.

        What waits for an approval in the inboxes that the key covers, and what was decided.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        status: Only those in this state
        inbox_id: Only those of this inbox
        """
        target = "/api/v1/approvals"
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
                    status=status,
                    inbox_id=inbox_id,
                ),
            ),
            models.Approval,
        )

    def get(
        self,
        approval_id: str,
    ) -> models.Approval:
        """Get an approval.

        One approval with the texts of its message.  ``If-Match`` with its ETag makes sure that what
        is approved is what was read.
        """
        target = path("/api/v1/approvals/{}", approval_id)
        answer: models.Approval = self._call(Call("GET", target, models.Approval))
        return answer

    def approve(
        self,
        approval_id: str,
        *,
        edits: models.EditsParam | NotGiven | None = NOT_GIVEN,
        reason: str | NotGiven | None = NOT_GIVEN,
        idempotency_key: str | None = None,
        if_match: str | None = None,
    ) -> models.Approval:
        """Approve.

        Lets the message go: at once, or at its ``send_at``.

        The credential that wants it sent cannot approve it.  With ``edits`` the message is changed
        before.  What the policy would refuse now is refused, and the approval stays pending.

        edits: Makes another version, with a message_id of its own
        """
        target = path("/api/v1/approvals/{}/approve", approval_id)
        answer: models.Approval = self._call(
            Call(
                "POST",
                target,
                models.Approval,
                body=given(edits=edits, reason=reason),
                keyed=True,
                headers=chosen({"Idempotency-Key": idempotency_key, "If-Match": if_match}),
            )
        )
        return answer

    def reject(
        self,
        approval_id: str,
        *,
        reason: str | NotGiven | None = NOT_GIVEN,
        idempotency_key: str | None = None,
        if_match: str | None = None,
    ) -> models.Approval:
        """Reject.

        Refuses the message; it lies in Approvals/Rejected then, and is never sent.
        """
        target = path("/api/v1/approvals/{}/reject", approval_id)
        answer: models.Approval = self._call(
            Call(
                "POST",
                target,
                models.Approval,
                body=given(reason=reason),
                keyed=True,
                headers=chosen({"Idempotency-Key": idempotency_key, "If-Match": if_match}),
            )
        )
        return answer


class AsyncApprovals:
    """Messages that wait for somebody to let them go."""

    def __init__(self, call: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        self._call = call

    def list(
        self,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
        status: Literal["approved", "canceled", "expired", "pending", "rejected"]
        | NotGiven
        | None = NOT_GIVEN,
        inbox_id: str | NotGiven | None = NOT_GIVEN,
    ) -> AsyncPager[models.Approval]:
        """List approvals.

        What waits for an approval in the inboxes that the key covers, and what was decided.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        status: Only those in this state
        inbox_id: Only those of this inbox
        """
        target = "/api/v1/approvals"
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
                    status=status,
                    inbox_id=inbox_id,
                ),
            ),
            models.Approval,
        )

    async def get(
        self,
        approval_id: str,
    ) -> models.Approval:
        """Get an approval.

        One approval with the texts of its message.  ``If-Match`` with its ETag makes sure that what
        is approved is what was read.
        """
        target = path("/api/v1/approvals/{}", approval_id)
        answer: models.Approval = await self._call(Call("GET", target, models.Approval))
        return answer

    async def approve(
        self,
        approval_id: str,
        *,
        edits: models.EditsParam | NotGiven | None = NOT_GIVEN,
        reason: str | NotGiven | None = NOT_GIVEN,
        idempotency_key: str | None = None,
        if_match: str | None = None,
    ) -> models.Approval:
        """Approve.

        Lets the message go: at once, or at its ``send_at``.

        The credential that wants it sent cannot approve it.  With ``edits`` the message is changed
        before.  What the policy would refuse now is refused, and the approval stays pending.

        edits: Makes another version, with a message_id of its own
        """
        target = path("/api/v1/approvals/{}/approve", approval_id)
        answer: models.Approval = await self._call(
            Call(
                "POST",
                target,
                models.Approval,
                body=given(edits=edits, reason=reason),
                keyed=True,
                headers=chosen({"Idempotency-Key": idempotency_key, "If-Match": if_match}),
            )
        )
        return answer

    async def reject(
        self,
        approval_id: str,
        *,
        reason: str | NotGiven | None = NOT_GIVEN,
        idempotency_key: str | None = None,
        if_match: str | None = None,
    ) -> models.Approval:
        """Reject.

        Refuses the message; it lies in Approvals/Rejected then, and is never sent.
        """
        target = path("/api/v1/approvals/{}/reject", approval_id)
        answer: models.Approval = await self._call(
            Call(
                "POST",
                target,
                models.Approval,
                body=given(reason=reason),
                keyed=True,
                headers=chosen({"Idempotency-Key": idempotency_key, "If-Match": if_match}),
            )
        )
        return answer
