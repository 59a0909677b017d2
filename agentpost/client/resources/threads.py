"""Operations of the API.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Literal

from agentpost.client import _models as models
from agentpost.client._calls import Call, chosen, path
from agentpost.client._pages import AsyncPager, Page
from agentpost.client._values import NOT_GIVEN, NotGiven, given


class Threads:
    """Conversations."""

    def __init__(self, call: Callable[[Call[Any]], Any]) -> None:
        self._call = call

    def list(
        self,
        inbox_id: str | None = None,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        direction: Literal["inbound", "outbound"] | NotGiven | None = NOT_GIVEN,
        folder: str | NotGiven | None = NOT_GIVEN,
        thread_id: str | NotGiven | None = NOT_GIVEN,
        labels: Sequence[str] | NotGiven = NOT_GIVEN,
        not_labels: Sequence[str] | NotGiven = NOT_GIVEN,
        seen: bool | NotGiven | None = NOT_GIVEN,
        flagged: bool | NotGiven | None = NOT_GIVEN,
        from_: str | NotGiven | None = NOT_GIVEN,
        to: str | NotGiven | None = NOT_GIVEN,
        subject: str | NotGiven | None = NOT_GIVEN,
        has_attachments: bool | NotGiven | None = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
        include: Sequence[Literal["blocked", "spam", "trash"]] | NotGiven = NOT_GIVEN,
        include_deleted: bool | NotGiven = NOT_GIVEN,
    ) -> Page[models.Thread]:
        """List an inbox's threads.

        The threads of all inboxes that the key covers, the latest message first unless asked
        otherwise.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        direction: It has a message of this kind
        folder: It has a message in this folder
        labels: It has all of them
        not_labels: It has none of them
        seen: All of its messages are seen
        flagged: Some of its messages are flagged
        from_: Part of a sender's name or address
        to: Part of a recipient's name or address
        subject: Part of the subject
        include: Also what is in Junk or Trash; needs spam:read, trash:read
        include_deleted: Also what is in deleted inboxes
        """
        if inbox_id is None:
            target = "/api/v1/threads"
        else:
            target = path("/api/v1/inboxes/{}/threads", inbox_id)
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
                    direction=direction,
                    folder=folder,
                    thread_id=thread_id,
                    labels=labels,
                    not_labels=not_labels,
                    seen=seen,
                    flagged=flagged,
                    from_=from_,
                    to=to,
                    subject=subject,
                    has_attachments=has_attachments,
                    after=after,
                    before=before,
                    include=include,
                    include_deleted=include_deleted,
                ),
            ),
            models.Thread,
        )

    def get(
        self,
        thread_id: str,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        include: Sequence[Literal["blocked", "spam", "trash"]] | NotGiven = NOT_GIVEN,
        view: Literal["full", "llm", "summary"] | NotGiven = NOT_GIVEN,
        max_chars: int | NotGiven = NOT_GIVEN,
    ) -> models.Thread:
        """Get a thread.

        One thread with a page of its messages, oldest first unless asked otherwise.

        ``view=llm`` shows their new texts, which is how to read a conversation at once.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: asc: oldest first
        include: Also what is in Junk or Trash; needs spam:read, trash:read
        view: llm: the new text only, without quotations and signatures
        max_chars: Characters of extracted_text with view=llm
        """
        target = path("/api/v1/threads/{}", thread_id)
        answer: models.Thread = self._call(
            Call(
                "GET",
                target,
                models.Thread,
                query=given(
                    limit=limit,
                    cursor=cursor,
                    order=order,
                    include=include,
                    view=view,
                    max_chars=max_chars,
                ),
            )
        )
        return answer

    def update(
        self,
        thread_id: str,
        *,
        add_labels: Sequence[str] | NotGiven = NOT_GIVEN,
        remove_labels: Sequence[str] | NotGiven = NOT_GIVEN,
        seen: bool | NotGiven = NOT_GIVEN,
        folder: str | NotGiven = NOT_GIVEN,
        if_match: str | None = None,
    ) -> models.Thread:
        """Change a thread.

        Labels the thread; marks all its messages as seen or not, moves them all to a folder.

        What lies in Trash stays there, unseen or not.
        """
        target = path("/api/v1/threads/{}", thread_id)
        answer: models.Thread = self._call(
            Call(
                "PATCH",
                target,
                models.Thread,
                body=given(
                    add_labels=add_labels, remove_labels=remove_labels, seen=seen, folder=folder
                ),
                headers=chosen({"If-Match": if_match}),
            )
        )
        return answer

    def delete(
        self,
        thread_id: str,
        *,
        permanent: bool | NotGiven = NOT_GIVEN,
        if_match: str | None = None,
    ) -> None:
        """Delete a thread.

        Moves all messages of the thread to Trash.

        When all lie there, or with ``permanent=true``, they are destroyed for ever.

        permanent: Destroy its messages, for ever
        """
        target = path("/api/v1/threads/{}", thread_id)
        self._call(
            Call(
                "DELETE",
                target,
                None,
                query=given(permanent=permanent),
                headers=chosen({"If-Match": if_match}),
            )
        )

    def add_labels(
        self,
        thread_id: str,
        *,
        labels: Sequence[str],
        if_match: str | None = None,
    ) -> models.Thread:
        """Label a thread.

        Adds labels to the thread, in lower case; its messages keep their own.
        """
        target = path("/api/v1/threads/{}/labels", thread_id)
        answer: models.Thread = self._call(
            Call(
                "POST",
                target,
                models.Thread,
                body=given(labels=labels),
                headers=chosen({"If-Match": if_match}),
            )
        )
        return answer

    def remove_labels(
        self,
        thread_id: str,
        *,
        labels: Sequence[str],
        if_match: str | None = None,
    ) -> models.Thread:
        """Unlabel a thread.

        Takes labels from the thread; its messages keep their own.
        """
        target = path("/api/v1/threads/{}/labels", thread_id)
        answer: models.Thread = self._call(
            Call(
                "DELETE",
                target,
                models.Thread,
                body=given(labels=labels),
                headers=chosen({"If-Match": if_match}),
            )
        )
        return answer

    def restore(
        self,
        thread_id: str,
    ) -> models.Thread:
        """Restore a thread.

        Takes the thread's messages out of Trash: to INBOX, or to Sent what was sent.
        """
        target = path("/api/v1/threads/{}/restore", thread_id)
        answer: models.Thread = self._call(Call("POST", target, models.Thread))
        return answer

    def search(
        self,
        *,
        q: str,
        inbox: str | NotGiven | None = NOT_GIVEN,
        mode: str | NotGiven = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
        include: Sequence[Literal["blocked", "spam", "trash"]] | NotGiven = NOT_GIVEN,
        highlights: bool | NotGiven = NOT_GIVEN,
        facets: bool | NotGiven = NOT_GIVEN,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
    ) -> Page[models.FoundThread]:
        """Search threads.

        Threads with a message that fits ``q``, the latest such message first.

        One message has to fit all of ``q``.  Needs the scope messages:read as well.

        q: What to look for: words, "phrases", -not, OR, parentheses, from: to: cc: subject: label: in: has: is: after: before:
        inbox: In this inbox only: its id or address; else in all
        mode: text; other modes do not exist
        after: Made at this moment or later
        before: Made earlier than this
        include: Also what lies only in Junk or Trash, or came from a blocked sender; needs spam:read, trash:read, blocked:read
        highlights: Show where it was found
        facets: Count labels, folders, senders and inboxes
        limit: Rows of one page
        cursor: next_cursor of the page before
        """
        target = "/api/v1/search/threads"
        return Page(
            self._call,
            Call(
                "GET",
                target,
                dict,
                query=given(
                    q=q,
                    inbox=inbox,
                    mode=mode,
                    after=after,
                    before=before,
                    include=include,
                    highlights=highlights,
                    facets=facets,
                    limit=limit,
                    cursor=cursor,
                ),
            ),
            models.FoundThread,
        )

    def transcript(
        self,
        thread_id: str,
        *,
        max_tokens: int | NotGiven = NOT_GIVEN,
        include: Sequence[Literal["blocked", "spam", "trash"]] | NotGiven = NOT_GIVEN,
    ) -> models.Transcript:
        """Get a thread's transcript.

        The conversation as a language model reads it: new texts, oldest first, copies once.

        When not everything fits `max_tokens`, the first message and the latest ones stay, and the
        number of those left out is told.  `format=md` puts what others wrote between marks with a word
        that nobody could know before.  Needs `messages:read` as well.

        max_tokens: Estimated: four ASCII characters are one
        include: Also what lies only in Junk or Trash; needs spam:read, trash:read
        """
        target = path("/api/v1/threads/{}/transcript", thread_id)
        answer: models.Transcript = self._call(
            Call(
                "GET",
                target,
                models.Transcript,
                query=given(max_tokens=max_tokens, include=include),
            )
        )
        return answer


class AsyncThreads:
    """Conversations."""

    def __init__(self, call: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        self._call = call

    def list(
        self,
        inbox_id: str | None = None,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        direction: Literal["inbound", "outbound"] | NotGiven | None = NOT_GIVEN,
        folder: str | NotGiven | None = NOT_GIVEN,
        thread_id: str | NotGiven | None = NOT_GIVEN,
        labels: Sequence[str] | NotGiven = NOT_GIVEN,
        not_labels: Sequence[str] | NotGiven = NOT_GIVEN,
        seen: bool | NotGiven | None = NOT_GIVEN,
        flagged: bool | NotGiven | None = NOT_GIVEN,
        from_: str | NotGiven | None = NOT_GIVEN,
        to: str | NotGiven | None = NOT_GIVEN,
        subject: str | NotGiven | None = NOT_GIVEN,
        has_attachments: bool | NotGiven | None = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
        include: Sequence[Literal["blocked", "spam", "trash"]] | NotGiven = NOT_GIVEN,
        include_deleted: bool | NotGiven = NOT_GIVEN,
    ) -> AsyncPager[models.Thread]:
        """List an inbox's threads.

        The threads of all inboxes that the key covers, the latest message first unless asked
        otherwise.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        direction: It has a message of this kind
        folder: It has a message in this folder
        labels: It has all of them
        not_labels: It has none of them
        seen: All of its messages are seen
        flagged: Some of its messages are flagged
        from_: Part of a sender's name or address
        to: Part of a recipient's name or address
        subject: Part of the subject
        include: Also what is in Junk or Trash; needs spam:read, trash:read
        include_deleted: Also what is in deleted inboxes
        """
        if inbox_id is None:
            target = "/api/v1/threads"
        else:
            target = path("/api/v1/inboxes/{}/threads", inbox_id)
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
                    direction=direction,
                    folder=folder,
                    thread_id=thread_id,
                    labels=labels,
                    not_labels=not_labels,
                    seen=seen,
                    flagged=flagged,
                    from_=from_,
                    to=to,
                    subject=subject,
                    has_attachments=has_attachments,
                    after=after,
                    before=before,
                    include=include,
                    include_deleted=include_deleted,
                ),
            ),
            models.Thread,
        )

    async def get(
        self,
        thread_id: str,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        include: Sequence[Literal["blocked", "spam", "trash"]] | NotGiven = NOT_GIVEN,
        view: Literal["full", "llm", "summary"] | NotGiven = NOT_GIVEN,
        max_chars: int | NotGiven = NOT_GIVEN,
    ) -> models.Thread:
        """Get a thread.

        One thread with a page of its messages, oldest first unless asked otherwise.

        ``view=llm`` shows their new texts, which is how to read a conversation at once.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: asc: oldest first
        include: Also what is in Junk or Trash; needs spam:read, trash:read
        view: llm: the new text only, without quotations and signatures
        max_chars: Characters of extracted_text with view=llm
        """
        target = path("/api/v1/threads/{}", thread_id)
        answer: models.Thread = await self._call(
            Call(
                "GET",
                target,
                models.Thread,
                query=given(
                    limit=limit,
                    cursor=cursor,
                    order=order,
                    include=include,
                    view=view,
                    max_chars=max_chars,
                ),
            )
        )
        return answer

    async def update(
        self,
        thread_id: str,
        *,
        add_labels: Sequence[str] | NotGiven = NOT_GIVEN,
        remove_labels: Sequence[str] | NotGiven = NOT_GIVEN,
        seen: bool | NotGiven = NOT_GIVEN,
        folder: str | NotGiven = NOT_GIVEN,
        if_match: str | None = None,
    ) -> models.Thread:
        """Change a thread.

        Labels the thread; marks all its messages as seen or not, moves them all to a folder.

        What lies in Trash stays there, unseen or not.
        """
        target = path("/api/v1/threads/{}", thread_id)
        answer: models.Thread = await self._call(
            Call(
                "PATCH",
                target,
                models.Thread,
                body=given(
                    add_labels=add_labels, remove_labels=remove_labels, seen=seen, folder=folder
                ),
                headers=chosen({"If-Match": if_match}),
            )
        )
        return answer

    async def delete(
        self,
        thread_id: str,
        *,
        permanent: bool | NotGiven = NOT_GIVEN,
        if_match: str | None = None,
    ) -> None:
        """Delete a thread.

        Moves all messages of the thread to Trash.

        When all lie there, or with ``permanent=true``, they are destroyed for ever.

        permanent: Destroy its messages, for ever
        """
        target = path("/api/v1/threads/{}", thread_id)
        await self._call(
            Call(
                "DELETE",
                target,
                None,
                query=given(permanent=permanent),
                headers=chosen({"If-Match": if_match}),
            )
        )

    async def add_labels(
        self,
        thread_id: str,
        *,
        labels: Sequence[str],
        if_match: str | None = None,
    ) -> models.Thread:
        """Label a thread.

        Adds labels to the thread, in lower case; its messages keep their own.
        """
        target = path("/api/v1/threads/{}/labels", thread_id)
        answer: models.Thread = await self._call(
            Call(
                "POST",
                target,
                models.Thread,
                body=given(labels=labels),
                headers=chosen({"If-Match": if_match}),
            )
        )
        return answer

    async def remove_labels(
        self,
        thread_id: str,
        *,
        labels: Sequence[str],
        if_match: str | None = None,
    ) -> models.Thread:
        """Unlabel a thread.

        Takes labels from the thread; its messages keep their own.
        """
        target = path("/api/v1/threads/{}/labels", thread_id)
        answer: models.Thread = await self._call(
            Call(
                "DELETE",
                target,
                models.Thread,
                body=given(labels=labels),
                headers=chosen({"If-Match": if_match}),
            )
        )
        return answer

    async def restore(
        self,
        thread_id: str,
    ) -> models.Thread:
        """Restore a thread.

        Takes the thread's messages out of Trash: to INBOX, or to Sent what was sent.
        """
        target = path("/api/v1/threads/{}/restore", thread_id)
        answer: models.Thread = await self._call(Call("POST", target, models.Thread))
        return answer

    def search(
        self,
        *,
        q: str,
        inbox: str | NotGiven | None = NOT_GIVEN,
        mode: str | NotGiven = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
        include: Sequence[Literal["blocked", "spam", "trash"]] | NotGiven = NOT_GIVEN,
        highlights: bool | NotGiven = NOT_GIVEN,
        facets: bool | NotGiven = NOT_GIVEN,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
    ) -> AsyncPager[models.FoundThread]:
        """Search threads.

        Threads with a message that fits ``q``, the latest such message first.

        One message has to fit all of ``q``.  Needs the scope messages:read as well.

        q: What to look for: words, "phrases", -not, OR, parentheses, from: to: cc: subject: label: in: has: is: after: before:
        inbox: In this inbox only: its id or address; else in all
        mode: text; other modes do not exist
        after: Made at this moment or later
        before: Made earlier than this
        include: Also what lies only in Junk or Trash, or came from a blocked sender; needs spam:read, trash:read, blocked:read
        highlights: Show where it was found
        facets: Count labels, folders, senders and inboxes
        limit: Rows of one page
        cursor: next_cursor of the page before
        """
        target = "/api/v1/search/threads"
        return AsyncPager(
            self._call,
            Call(
                "GET",
                target,
                dict,
                query=given(
                    q=q,
                    inbox=inbox,
                    mode=mode,
                    after=after,
                    before=before,
                    include=include,
                    highlights=highlights,
                    facets=facets,
                    limit=limit,
                    cursor=cursor,
                ),
            ),
            models.FoundThread,
        )

    async def transcript(
        self,
        thread_id: str,
        *,
        max_tokens: int | NotGiven = NOT_GIVEN,
        include: Sequence[Literal["blocked", "spam", "trash"]] | NotGiven = NOT_GIVEN,
    ) -> models.Transcript:
        """Get a thread's transcript.

        The conversation as a language model reads it: new texts, oldest first, copies once.

        When not everything fits `max_tokens`, the first message and the latest ones stay, and the
        number of those left out is told.  `format=md` puts what others wrote between marks with a word
        that nobody could know before.  Needs `messages:read` as well.

        max_tokens: Estimated: four ASCII characters are one
        include: Also what lies only in Junk or Trash; needs spam:read, trash:read
        """
        target = path("/api/v1/threads/{}/transcript", thread_id)
        answer: models.Transcript = await self._call(
            Call(
                "GET",
                target,
                models.Transcript,
                query=given(max_tokens=max_tokens, include=include),
            )
        )
        return answer
