"""Operations of the API.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from agentpost.client import _models as models
from agentpost.client._calls import Call, chosen, path
from agentpost.client._pages import AsyncPager, Page
from agentpost.client._values import NOT_GIVEN, NotGiven, given


class Drafts:
    """Messages that are not sent yet."""

    def __init__(self, call: Callable[[Call[Any]], Any]) -> None:
        self._call = call

    def create(
        self,
        inbox_id: str,
        *,
        to: str
        | Sequence[str | models.RecipientParam]
        | models.RecipientParam
        | NotGiven = NOT_GIVEN,
        cc: str
        | Sequence[str | models.RecipientParam]
        | models.RecipientParam
        | NotGiven = NOT_GIVEN,
        bcc: str
        | Sequence[str | models.RecipientParam]
        | models.RecipientParam
        | NotGiven = NOT_GIVEN,
        reply_to: str
        | Sequence[str | models.RecipientParam]
        | models.RecipientParam
        | NotGiven = NOT_GIVEN,
        subject: str | NotGiven | None = NOT_GIVEN,
        text_body: str | NotGiven | None = NOT_GIVEN,
        html_body: str | NotGiven | None = NOT_GIVEN,
        attachments: Sequence[models.FileParam] | NotGiven = NOT_GIVEN,
        labels: Sequence[str] | NotGiven = NOT_GIVEN,
        metadata: Mapping[str, Any] | NotGiven = NOT_GIVEN,
        in_reply_to: str | NotGiven | None = NOT_GIVEN,
        reply_all: bool | str | NotGiven = NOT_GIVEN,
        forward_of: str | NotGiven | None = NOT_GIVEN,
        client_id: str | NotGiven | None = NOT_GIVEN,
        send_at: datetime | str | NotGiven | None = NOT_GIVEN,
    ) -> models.Draft:
        """Write a draft.

        Keeps a draft, which mail programs see in the Drafts folder.

        With ``in_reply_to``, ``reply_all`` or ``forward_of`` recipients, subject and quotation follow
        from that message; the key then needs messages:reply, or messages:send to forward.  With a
        ``client_id`` that was used before, the existing draft is answered with status 200.

        to: Objects, or strings such as "Ada <ada@example.org>"; one or a list
        cc: Objects, or strings such as "Ada <ada@example.org>"; one or a list
        bcc: Objects, or strings such as "Ada <ada@example.org>"; one or a list
        reply_to: Objects, or strings such as "Ada <ada@example.org>"; one or a list
        text_body: Alias text
        html_body: Alias html
        metadata: Notes of your program, not shown to anyone
        reply_all: The message to answer to all; or true to in_reply_to
        send_at: When to send it: within 90 days; at once when left out
        """
        target = path("/api/v1/inboxes/{}/drafts", inbox_id)
        answer: models.Draft = self._call(
            Call(
                "POST",
                target,
                models.Draft,
                body=given(
                    to=to,
                    cc=cc,
                    bcc=bcc,
                    reply_to=reply_to,
                    subject=subject,
                    text_body=text_body,
                    html_body=html_body,
                    attachments=attachments,
                    labels=labels,
                    metadata=metadata,
                    in_reply_to=in_reply_to,
                    reply_all=reply_all,
                    forward_of=forward_of,
                    client_id=client_id,
                    send_at=send_at,
                ),
            )
        )
        return answer

    def list(
        self,
        inbox_id: str | None = None,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
    ) -> Page[models.Draft]:
        """List an inbox's drafts.

        The drafts of all inboxes that the key covers, the latest version first.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        """
        if inbox_id is None:
            target = "/api/v1/drafts"
        else:
            target = path("/api/v1/inboxes/{}/drafts", inbox_id)
        return Page(
            self._call,
            Call(
                "GET",
                target,
                dict,
                query=given(limit=limit, cursor=cursor, order=order, after=after, before=before),
            ),
            models.Draft,
        )

    def get(
        self,
        draft_id: str,
    ) -> models.Draft:
        """Get a draft.

        One draft with its texts and files.
        """
        target = path("/api/v1/drafts/{}", draft_id)
        answer: models.Draft = self._call(Call("GET", target, models.Draft))
        return answer

    def update(
        self,
        draft_id: str,
        *,
        to: str
        | Sequence[str | models.RecipientParam]
        | models.RecipientParam
        | NotGiven = NOT_GIVEN,
        cc: str
        | Sequence[str | models.RecipientParam]
        | models.RecipientParam
        | NotGiven = NOT_GIVEN,
        bcc: str
        | Sequence[str | models.RecipientParam]
        | models.RecipientParam
        | NotGiven = NOT_GIVEN,
        reply_to: str
        | Sequence[str | models.RecipientParam]
        | models.RecipientParam
        | NotGiven = NOT_GIVEN,
        subject: str | NotGiven = NOT_GIVEN,
        text_body: str | NotGiven | None = NOT_GIVEN,
        html_body: str | NotGiven | None = NOT_GIVEN,
        add_attachments: Sequence[models.FileParam] | NotGiven = NOT_GIVEN,
        remove_attachments: Sequence[str] | NotGiven = NOT_GIVEN,
        labels: Sequence[str] | NotGiven = NOT_GIVEN,
        send_at: datetime | str | NotGiven | None = NOT_GIVEN,
        if_match: str | None = None,
    ) -> models.Draft:
        """Change a draft.

        Replaces the draft by its next version, also one that a mail program saved.

        With ``send_at`` it moves to Scheduled and is sent at that time; null takes it back to Drafts.

        to: Objects, or strings such as "Ada <ada@example.org>"; one or a list
        cc: Objects, or strings such as "Ada <ada@example.org>"; one or a list
        bcc: Objects, or strings such as "Ada <ada@example.org>"; one or a list
        reply_to: Objects, or strings such as "Ada <ada@example.org>"; one or a list
        remove_attachments: Ids; each version gives new ones
        send_at: null takes it out of Scheduled
        """
        target = path("/api/v1/drafts/{}", draft_id)
        answer: models.Draft = self._call(
            Call(
                "PATCH",
                target,
                models.Draft,
                body=given(
                    to=to,
                    cc=cc,
                    bcc=bcc,
                    reply_to=reply_to,
                    subject=subject,
                    text_body=text_body,
                    html_body=html_body,
                    add_attachments=add_attachments,
                    remove_attachments=remove_attachments,
                    labels=labels,
                    send_at=send_at,
                ),
                headers=chosen({"If-Match": if_match}),
            )
        )
        return answer

    def delete(
        self,
        draft_id: str,
        *,
        if_match: str | None = None,
    ) -> None:
        """Delete a draft.

        Deletes a draft for ever.
        """
        target = path("/api/v1/drafts/{}", draft_id)
        self._call(Call("DELETE", target, None, headers=chosen({"If-Match": if_match})))

    def send(
        self,
        draft_id: str,
        *,
        hold_for_approval: bool | NotGiven = NOT_GIVEN,
        idempotency_key: str | None = None,
        if_match: str | None = None,
    ) -> models.SentDraft:
        """Send a draft.

        Sends the draft as it stands; it leaves Drafts, and its id is dead, in the same commit.

        With ``hold_for_approval``, and in an inbox that demands it, it waits in Approvals until somebody
        else approves it.

        hold_for_approval: Only when somebody else approves it; its send_at is kept if it has one
        """
        target = path("/api/v1/drafts/{}/send", draft_id)
        answer: models.SentDraft = self._call(
            Call(
                "POST",
                target,
                models.SentDraft,
                body=given(hold_for_approval=hold_for_approval),
                keyed=True,
                headers=chosen({"Idempotency-Key": idempotency_key, "If-Match": if_match}),
            )
        )
        return answer


class AsyncDrafts:
    """Messages that are not sent yet."""

    def __init__(self, call: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        self._call = call

    async def create(
        self,
        inbox_id: str,
        *,
        to: str
        | Sequence[str | models.RecipientParam]
        | models.RecipientParam
        | NotGiven = NOT_GIVEN,
        cc: str
        | Sequence[str | models.RecipientParam]
        | models.RecipientParam
        | NotGiven = NOT_GIVEN,
        bcc: str
        | Sequence[str | models.RecipientParam]
        | models.RecipientParam
        | NotGiven = NOT_GIVEN,
        reply_to: str
        | Sequence[str | models.RecipientParam]
        | models.RecipientParam
        | NotGiven = NOT_GIVEN,
        subject: str | NotGiven | None = NOT_GIVEN,
        text_body: str | NotGiven | None = NOT_GIVEN,
        html_body: str | NotGiven | None = NOT_GIVEN,
        attachments: Sequence[models.FileParam] | NotGiven = NOT_GIVEN,
        labels: Sequence[str] | NotGiven = NOT_GIVEN,
        metadata: Mapping[str, Any] | NotGiven = NOT_GIVEN,
        in_reply_to: str | NotGiven | None = NOT_GIVEN,
        reply_all: bool | str | NotGiven = NOT_GIVEN,
        forward_of: str | NotGiven | None = NOT_GIVEN,
        client_id: str | NotGiven | None = NOT_GIVEN,
        send_at: datetime | str | NotGiven | None = NOT_GIVEN,
    ) -> models.Draft:
        """Write a draft.

        Keeps a draft, which mail programs see in the Drafts folder.

        With ``in_reply_to``, ``reply_all`` or ``forward_of`` recipients, subject and quotation follow
        from that message; the key then needs messages:reply, or messages:send to forward.  With a
        ``client_id`` that was used before, the existing draft is answered with status 200.

        to: Objects, or strings such as "Ada <ada@example.org>"; one or a list
        cc: Objects, or strings such as "Ada <ada@example.org>"; one or a list
        bcc: Objects, or strings such as "Ada <ada@example.org>"; one or a list
        reply_to: Objects, or strings such as "Ada <ada@example.org>"; one or a list
        text_body: Alias text
        html_body: Alias html
        metadata: Notes of your program, not shown to anyone
        reply_all: The message to answer to all; or true to in_reply_to
        send_at: When to send it: within 90 days; at once when left out
        """
        target = path("/api/v1/inboxes/{}/drafts", inbox_id)
        answer: models.Draft = await self._call(
            Call(
                "POST",
                target,
                models.Draft,
                body=given(
                    to=to,
                    cc=cc,
                    bcc=bcc,
                    reply_to=reply_to,
                    subject=subject,
                    text_body=text_body,
                    html_body=html_body,
                    attachments=attachments,
                    labels=labels,
                    metadata=metadata,
                    in_reply_to=in_reply_to,
                    reply_all=reply_all,
                    forward_of=forward_of,
                    client_id=client_id,
                    send_at=send_at,
                ),
            )
        )
        return answer

    def list(
        self,
        inbox_id: str | None = None,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
    ) -> AsyncPager[models.Draft]:
        """List an inbox's drafts.

        The drafts of all inboxes that the key covers, the latest version first.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        """
        if inbox_id is None:
            target = "/api/v1/drafts"
        else:
            target = path("/api/v1/inboxes/{}/drafts", inbox_id)
        return AsyncPager(
            self._call,
            Call(
                "GET",
                target,
                dict,
                query=given(limit=limit, cursor=cursor, order=order, after=after, before=before),
            ),
            models.Draft,
        )

    async def get(
        self,
        draft_id: str,
    ) -> models.Draft:
        """Get a draft.

        One draft with its texts and files.
        """
        target = path("/api/v1/drafts/{}", draft_id)
        answer: models.Draft = await self._call(Call("GET", target, models.Draft))
        return answer

    async def update(
        self,
        draft_id: str,
        *,
        to: str
        | Sequence[str | models.RecipientParam]
        | models.RecipientParam
        | NotGiven = NOT_GIVEN,
        cc: str
        | Sequence[str | models.RecipientParam]
        | models.RecipientParam
        | NotGiven = NOT_GIVEN,
        bcc: str
        | Sequence[str | models.RecipientParam]
        | models.RecipientParam
        | NotGiven = NOT_GIVEN,
        reply_to: str
        | Sequence[str | models.RecipientParam]
        | models.RecipientParam
        | NotGiven = NOT_GIVEN,
        subject: str | NotGiven = NOT_GIVEN,
        text_body: str | NotGiven | None = NOT_GIVEN,
        html_body: str | NotGiven | None = NOT_GIVEN,
        add_attachments: Sequence[models.FileParam] | NotGiven = NOT_GIVEN,
        remove_attachments: Sequence[str] | NotGiven = NOT_GIVEN,
        labels: Sequence[str] | NotGiven = NOT_GIVEN,
        send_at: datetime | str | NotGiven | None = NOT_GIVEN,
        if_match: str | None = None,
    ) -> models.Draft:
        """Change a draft.

        Replaces the draft by its next version, also one that a mail program saved.

        With ``send_at`` it moves to Scheduled and is sent at that time; null takes it back to Drafts.

        to: Objects, or strings such as "Ada <ada@example.org>"; one or a list
        cc: Objects, or strings such as "Ada <ada@example.org>"; one or a list
        bcc: Objects, or strings such as "Ada <ada@example.org>"; one or a list
        reply_to: Objects, or strings such as "Ada <ada@example.org>"; one or a list
        remove_attachments: Ids; each version gives new ones
        send_at: null takes it out of Scheduled
        """
        target = path("/api/v1/drafts/{}", draft_id)
        answer: models.Draft = await self._call(
            Call(
                "PATCH",
                target,
                models.Draft,
                body=given(
                    to=to,
                    cc=cc,
                    bcc=bcc,
                    reply_to=reply_to,
                    subject=subject,
                    text_body=text_body,
                    html_body=html_body,
                    add_attachments=add_attachments,
                    remove_attachments=remove_attachments,
                    labels=labels,
                    send_at=send_at,
                ),
                headers=chosen({"If-Match": if_match}),
            )
        )
        return answer

    async def delete(
        self,
        draft_id: str,
        *,
        if_match: str | None = None,
    ) -> None:
        """Delete a draft.

        Deletes a draft for ever.
        """
        target = path("/api/v1/drafts/{}", draft_id)
        await self._call(Call("DELETE", target, None, headers=chosen({"If-Match": if_match})))

    async def send(
        self,
        draft_id: str,
        *,
        hold_for_approval: bool | NotGiven = NOT_GIVEN,
        idempotency_key: str | None = None,
        if_match: str | None = None,
    ) -> models.SentDraft:
        """Send a draft.

        Sends the draft as it stands; it leaves Drafts, and its id is dead, in the same commit.

        With ``hold_for_approval``, and in an inbox that demands it, it waits in Approvals until somebody
        else approves it.

        hold_for_approval: Only when somebody else approves it; its send_at is kept if it has one
        """
        target = path("/api/v1/drafts/{}/send", draft_id)
        answer: models.SentDraft = await self._call(
            Call(
                "POST",
                target,
                models.SentDraft,
                body=given(hold_for_approval=hold_for_approval),
                keyed=True,
                headers=chosen({"Idempotency-Key": idempotency_key, "If-Match": if_match}),
            )
        )
        return answer
