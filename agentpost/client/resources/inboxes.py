"""Operations of the API.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from agentpost.client import _models as models
from agentpost.client._calls import Call, chosen, path
from agentpost.client._pages import AsyncPager, Page
from agentpost.client._values import NOT_GIVEN, NotGiven, given


class Inboxes:
    """Inboxes: addresses that send and receive."""

    def __init__(self, call: Callable[[Call[Any]], Any]) -> None:
        self._call = call

    def create(
        self,
        *,
        username: str | NotGiven | None = NOT_GIVEN,
        domain: str | NotGiven | None = NOT_GIVEN,
        display_name: str | NotGiven | None = NOT_GIVEN,
        client_id: str | NotGiven | None = NOT_GIVEN,
        metadata: Mapping[str, Any] | NotGiven = NOT_GIVEN,
        labels: Sequence[str] | NotGiven = NOT_GIVEN,
        settings: Mapping[str, Any] | NotGiven = NOT_GIVEN,
        signature: str | NotGiven | None = NOT_GIVEN,
    ) -> models.Inbox:
        """Make an inbox.

        Makes an inbox and its first mail credential, whose password is shown only here.

        With a ``client_id`` that was used before, the existing inbox is answered with status 200.

        username: 1 to 64 of a-z 0-9 - . _ ; a readable one is made when it is left out
        domain: A verified domain; the shared one when it is left out
        display_name: Stands in From of what it sends
        metadata: Notes of your program, not shown to anyone
        settings: max_imap_connections: IMAP connections at once
        signature: Text for your program's use
        """
        target = "/api/v1/inboxes"
        answer: models.Inbox = self._call(
            Call(
                "POST",
                target,
                models.Inbox,
                body=given(
                    username=username,
                    domain=domain,
                    display_name=display_name,
                    client_id=client_id,
                    metadata=metadata,
                    labels=labels,
                    settings=settings,
                    signature=signature,
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
        q: str | NotGiven | None = NOT_GIVEN,
        domain: str | NotGiven | None = NOT_GIVEN,
        send_paused: bool | NotGiven | None = NOT_GIVEN,
        metadata: Mapping[str, str] | NotGiven = NOT_GIVEN,
        labels: Sequence[str] | NotGiven = NOT_GIVEN,
        include_deleted: bool | NotGiven = NOT_GIVEN,
    ) -> Page[models.Inbox]:
        """List inboxes.

        The inboxes that the key covers, newest first unless asked otherwise.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        q: Part of address or display name
        metadata: metadata[key]=value
        """
        target = "/api/v1/inboxes"
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
                    q=q,
                    domain=domain,
                    send_paused=send_paused,
                    metadata=metadata,
                    labels=labels,
                    include_deleted=include_deleted,
                ),
            ),
            models.Inbox,
        )

    def get(
        self,
        inbox_id: str,
        *,
        include_deleted: bool | NotGiven = NOT_GIVEN,
    ) -> models.Inbox:
        """Get an inbox.

        One inbox by its id or its address.
        """
        target = path("/api/v1/inboxes/{}", inbox_id)
        answer: models.Inbox = self._call(
            Call("GET", target, models.Inbox, query=given(include_deleted=include_deleted))
        )
        return answer

    def update(
        self,
        inbox_id: str,
        *,
        display_name: str | NotGiven | None = NOT_GIVEN,
        metadata: Mapping[str, Any] | NotGiven = NOT_GIVEN,
        labels: Sequence[str] | NotGiven = NOT_GIVEN,
        settings: Mapping[str, Any] | NotGiven = NOT_GIVEN,
        signature: str | NotGiven | None = NOT_GIVEN,
        if_match: str | None = None,
    ) -> models.Inbox:
        """Change an inbox.

        Changes what is named; the address is for ever (make a new inbox to have another).

        metadata: Merged with the present keys; a key with null is removed
        settings: Merged like metadata
        """
        target = path("/api/v1/inboxes/{}", inbox_id)
        answer: models.Inbox = self._call(
            Call(
                "PATCH",
                target,
                models.Inbox,
                body=given(
                    display_name=display_name,
                    metadata=metadata,
                    labels=labels,
                    settings=settings,
                    signature=signature,
                ),
                headers=chosen({"If-Match": if_match}),
            )
        )
        return answer

    def delete(
        self,
        inbox_id: str,
        *,
        purge: bool | NotGiven = NOT_GIVEN,
        if_match: str | None = None,
    ) -> None:
        """Delete an inbox.

        Deletes an inbox softly: it receives no mail, its messages are kept, it can be restored.

        With ``purge=true`` it is destroyed with all its mail, also when it was deleted before; its
        address is never given out again.

        purge: Destroy it and all its mail, for ever
        """
        target = path("/api/v1/inboxes/{}", inbox_id)
        self._call(
            Call(
                "DELETE",
                target,
                None,
                query=given(purge=purge),
                headers=chosen({"If-Match": if_match}),
            )
        )

    def restore(
        self,
        inbox_id: str,
    ) -> models.Inbox:
        """Restore a deleted inbox.

        Brings a deleted inbox back; one that is not deleted stays as it is.

        At a custom domain that needs the domain to be verified in this environment.
        """
        target = path("/api/v1/inboxes/{}/restore", inbox_id)
        answer: models.Inbox = self._call(Call("POST", target, models.Inbox))
        return answer

    def pause(
        self,
        inbox_id: str,
        *,
        reason: str | NotGiven = NOT_GIVEN,
    ) -> models.Inbox:
        """Stop sending from an inbox.

        Stops sending from the inbox, over every protocol; it goes on receiving.
        """
        target = path("/api/v1/inboxes/{}/pause", inbox_id)
        answer: models.Inbox = self._call(
            Call("POST", target, models.Inbox, body=given(reason=reason))
        )
        return answer

    def resume(
        self,
        inbox_id: str,
        *,
        force: bool | NotGiven = NOT_GIVEN,
    ) -> models.Inbox:
        """Let an inbox send again.

        Lets the inbox send again; one that is not paused stays as it is.

        While its bounces or complaints are above what pauses an inbox this is refused, unless it is
        forced; then only what comes later counts towards the next pause.

        force: Also against its bounces and complaints; needs the scope org:write
        """
        target = path("/api/v1/inboxes/{}/resume", inbox_id)
        answer: models.Inbox = self._call(
            Call("POST", target, models.Inbox, body=given(force=force))
        )
        return answer

    def deliverability(
        self,
        inbox_id: str,
        *,
        window_days: int | NotGiven | None = NOT_GIVEN,
    ) -> models.Deliverability:
        """How an inbox's mail fares.

        Score, rating and the numbers behind them.

        An inbox above the shares in ``pauses`` is paused as soon as it has written to enough
        recipients.
        """
        target = path("/api/v1/inboxes/{}/deliverability", inbox_id)
        answer: models.Deliverability = self._call(
            Call("GET", target, models.Deliverability, query=given(window_days=window_days))
        )
        return answer

    def export_credentials(
        self,
    ) -> str:
        """Export mail credentials as CSV.

        One line for each inbox that the key covers: where its mail is, and a login for it.

        The columns are email, imap_host, imap_port, smtp_host, smtp_port, username, password.  The
        password is empty where it is not readable again: in a deployment that keeps none, and for an
        inbox without a credential; rotate one to have it once more.  Every export is in the audit log,
        and a key makes at most 10 a minute, whatever its tier.
        """
        target = "/api/v1/inboxes/credentials/export"
        answer: str = self._call(Call("GET", target, str))
        return answer

    def client_config(
        self,
        inbox_id: str,
    ) -> models.ClientConfig:
        """Settings for mail programs.

        Servers, ports and user name of an inbox, as JSON or as a file that a program opens.
        """
        target = path("/api/v1/inboxes/{}/client-config", inbox_id)
        answer: models.ClientConfig = self._call(Call("GET", target, models.ClientConfig))
        return answer

    def changes(
        self,
        inbox_id: str,
        *,
        since: int,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
    ) -> models.Changes:
        """What changed since.

        What happened to the messages of an inbox after ``since``, by whatever protocol.

        A message is named once: what was made and changed meanwhile is created, what was made and
        destroyed is destroyed.  Nothing that was committed is left out, however many write at once.
        Destroyed messages are known for 90 days; an older ``since`` is refused with
        ``changes_forgotten``.

        since: modseq of the last answer; 0 for everything
        limit: Messages of one answer; what changed at once stays whole
        cursor: next_cursor of the last answer, where it had one
        """
        target = path("/api/v1/inboxes/{}/changes", inbox_id)
        answer: models.Changes = self._call(
            Call(
                "GET", target, models.Changes, query=given(since=since, limit=limit, cursor=cursor)
            )
        )
        return answer

    def events(
        self,
        inbox_id: str,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
        type: Sequence[str] | NotGiven = NOT_GIVEN,
        after_seq: int | NotGiven | None = NOT_GIVEN,
        payload: Literal["full", "thin"] | NotGiven = NOT_GIVEN,
    ) -> Page[models.Event]:
        """List what happened in an inbox.

        What came, was sent and moved, was marked and labelled in one inbox, and by whom, newest first.

        It is a part of the log, and read as that is: with `order=asc` nothing is missed.  Of a deleted
        inbox the log is told too.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        type: One of these types
        after_seq: Later than this seq
        payload: thin: ids, sender and subject; full: texts too, for a key that may read them
        """
        target = path("/api/v1/inboxes/{}/events", inbox_id)
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
                    type=type,
                    after_seq=after_seq,
                    payload=payload,
                ),
            ),
            models.Event,
        )

    def wait(
        self,
        inbox_id: str,
        *,
        from_: str | NotGiven | None = NOT_GIVEN,
        subject_contains: str | NotGiven | None = NOT_GIVEN,
        thread_id: str | NotGiven | None = NOT_GIVEN,
        in_reply_to: str | NotGiven | None = NOT_GIVEN,
        labels: Sequence[str] | NotGiven = NOT_GIVEN,
        since: int | NotGiven | None = NOT_GIVEN,
        resume: str | NotGiven | None = NOT_GIVEN,
        extract: Sequence[Literal["links", "otp", "text", "unsubscribe"]] | NotGiven = NOT_GIVEN,
        mark: str | NotGiven | None = NOT_GIVEN,
        include: Sequence[Literal["blocked", "spam", "trash"]] | NotGiven = NOT_GIVEN,
        timeout_s: float | NotGiven = NOT_GIVEN,
    ) -> models.Found | None:
        """Wait for a message.

        The first message that comes to the inbox and fits, as soon as it is there.

        Without `since` and `resume` it must come from now on.  An answer without a message (204, after
        `timeout_s`) has the field `AgentPost-Resume`: wait on with it as `resume`, and nothing is
        missed between the two.  `extract` finds one-time codes and links.  The answer to a wait with
        `mark` can be lost with its connection, and the message is marked all the same: to work through
        every message exactly once, use claims.

        from_: Part of the sender's name or address
        in_reply_to: Message-ID that it answers or refers to
        labels: It has all of them
        since: Also what came after this modseq; now when left out
        resume: What an earlier wait answered; goes before since
        extract: What to look for in the message
        mark: seen or label:<label>: only a message without the mark, which gets it; of several that wait, one is given it. Needs labels:write
        include: Also what lands in Junk or Trash; needs spam:read, trash:read
        """
        target = path("/api/v1/inboxes/{}/wait", inbox_id)
        answer: models.Found | None = self._call(
            Call(
                "GET",
                target,
                models.Found,
                query=given(
                    from_=from_,
                    subject_contains=subject_contains,
                    thread_id=thread_id,
                    in_reply_to=in_reply_to,
                    labels=labels,
                    since=since,
                    resume=resume,
                    extract=extract,
                    mark=mark,
                    include=include,
                    timeout_s=timeout_s,
                ),
            )
        )
        return answer


class AsyncInboxes:
    """Inboxes: addresses that send and receive."""

    def __init__(self, call: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        self._call = call

    async def create(
        self,
        *,
        username: str | NotGiven | None = NOT_GIVEN,
        domain: str | NotGiven | None = NOT_GIVEN,
        display_name: str | NotGiven | None = NOT_GIVEN,
        client_id: str | NotGiven | None = NOT_GIVEN,
        metadata: Mapping[str, Any] | NotGiven = NOT_GIVEN,
        labels: Sequence[str] | NotGiven = NOT_GIVEN,
        settings: Mapping[str, Any] | NotGiven = NOT_GIVEN,
        signature: str | NotGiven | None = NOT_GIVEN,
    ) -> models.Inbox:
        """Make an inbox.

        Makes an inbox and its first mail credential, whose password is shown only here.

        With a ``client_id`` that was used before, the existing inbox is answered with status 200.

        username: 1 to 64 of a-z 0-9 - . _ ; a readable one is made when it is left out
        domain: A verified domain; the shared one when it is left out
        display_name: Stands in From of what it sends
        metadata: Notes of your program, not shown to anyone
        settings: max_imap_connections: IMAP connections at once
        signature: Text for your program's use
        """
        target = "/api/v1/inboxes"
        answer: models.Inbox = await self._call(
            Call(
                "POST",
                target,
                models.Inbox,
                body=given(
                    username=username,
                    domain=domain,
                    display_name=display_name,
                    client_id=client_id,
                    metadata=metadata,
                    labels=labels,
                    settings=settings,
                    signature=signature,
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
        q: str | NotGiven | None = NOT_GIVEN,
        domain: str | NotGiven | None = NOT_GIVEN,
        send_paused: bool | NotGiven | None = NOT_GIVEN,
        metadata: Mapping[str, str] | NotGiven = NOT_GIVEN,
        labels: Sequence[str] | NotGiven = NOT_GIVEN,
        include_deleted: bool | NotGiven = NOT_GIVEN,
    ) -> AsyncPager[models.Inbox]:
        """List inboxes.

        The inboxes that the key covers, newest first unless asked otherwise.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        q: Part of address or display name
        metadata: metadata[key]=value
        """
        target = "/api/v1/inboxes"
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
                    q=q,
                    domain=domain,
                    send_paused=send_paused,
                    metadata=metadata,
                    labels=labels,
                    include_deleted=include_deleted,
                ),
            ),
            models.Inbox,
        )

    async def get(
        self,
        inbox_id: str,
        *,
        include_deleted: bool | NotGiven = NOT_GIVEN,
    ) -> models.Inbox:
        """Get an inbox.

        One inbox by its id or its address.
        """
        target = path("/api/v1/inboxes/{}", inbox_id)
        answer: models.Inbox = await self._call(
            Call("GET", target, models.Inbox, query=given(include_deleted=include_deleted))
        )
        return answer

    async def update(
        self,
        inbox_id: str,
        *,
        display_name: str | NotGiven | None = NOT_GIVEN,
        metadata: Mapping[str, Any] | NotGiven = NOT_GIVEN,
        labels: Sequence[str] | NotGiven = NOT_GIVEN,
        settings: Mapping[str, Any] | NotGiven = NOT_GIVEN,
        signature: str | NotGiven | None = NOT_GIVEN,
        if_match: str | None = None,
    ) -> models.Inbox:
        """Change an inbox.

        Changes what is named; the address is for ever (make a new inbox to have another).

        metadata: Merged with the present keys; a key with null is removed
        settings: Merged like metadata
        """
        target = path("/api/v1/inboxes/{}", inbox_id)
        answer: models.Inbox = await self._call(
            Call(
                "PATCH",
                target,
                models.Inbox,
                body=given(
                    display_name=display_name,
                    metadata=metadata,
                    labels=labels,
                    settings=settings,
                    signature=signature,
                ),
                headers=chosen({"If-Match": if_match}),
            )
        )
        return answer

    async def delete(
        self,
        inbox_id: str,
        *,
        purge: bool | NotGiven = NOT_GIVEN,
        if_match: str | None = None,
    ) -> None:
        """Delete an inbox.

        Deletes an inbox softly: it receives no mail, its messages are kept, it can be restored.

        With ``purge=true`` it is destroyed with all its mail, also when it was deleted before; its
        address is never given out again.

        purge: Destroy it and all its mail, for ever
        """
        target = path("/api/v1/inboxes/{}", inbox_id)
        await self._call(
            Call(
                "DELETE",
                target,
                None,
                query=given(purge=purge),
                headers=chosen({"If-Match": if_match}),
            )
        )

    async def restore(
        self,
        inbox_id: str,
    ) -> models.Inbox:
        """Restore a deleted inbox.

        Brings a deleted inbox back; one that is not deleted stays as it is.

        At a custom domain that needs the domain to be verified in this environment.
        """
        target = path("/api/v1/inboxes/{}/restore", inbox_id)
        answer: models.Inbox = await self._call(Call("POST", target, models.Inbox))
        return answer

    async def pause(
        self,
        inbox_id: str,
        *,
        reason: str | NotGiven = NOT_GIVEN,
    ) -> models.Inbox:
        """Stop sending from an inbox.

        Stops sending from the inbox, over every protocol; it goes on receiving.
        """
        target = path("/api/v1/inboxes/{}/pause", inbox_id)
        answer: models.Inbox = await self._call(
            Call("POST", target, models.Inbox, body=given(reason=reason))
        )
        return answer

    async def resume(
        self,
        inbox_id: str,
        *,
        force: bool | NotGiven = NOT_GIVEN,
    ) -> models.Inbox:
        """Let an inbox send again.

        Lets the inbox send again; one that is not paused stays as it is.

        While its bounces or complaints are above what pauses an inbox this is refused, unless it is
        forced; then only what comes later counts towards the next pause.

        force: Also against its bounces and complaints; needs the scope org:write
        """
        target = path("/api/v1/inboxes/{}/resume", inbox_id)
        answer: models.Inbox = await self._call(
            Call("POST", target, models.Inbox, body=given(force=force))
        )
        return answer

    async def deliverability(
        self,
        inbox_id: str,
        *,
        window_days: int | NotGiven | None = NOT_GIVEN,
    ) -> models.Deliverability:
        """How an inbox's mail fares.

        Score, rating and the numbers behind them.

        An inbox above the shares in ``pauses`` is paused as soon as it has written to enough
        recipients.
        """
        target = path("/api/v1/inboxes/{}/deliverability", inbox_id)
        answer: models.Deliverability = await self._call(
            Call("GET", target, models.Deliverability, query=given(window_days=window_days))
        )
        return answer

    async def export_credentials(
        self,
    ) -> str:
        """Export mail credentials as CSV.

        One line for each inbox that the key covers: where its mail is, and a login for it.

        The columns are email, imap_host, imap_port, smtp_host, smtp_port, username, password.  The
        password is empty where it is not readable again: in a deployment that keeps none, and for an
        inbox without a credential; rotate one to have it once more.  Every export is in the audit log,
        and a key makes at most 10 a minute, whatever its tier.
        """
        target = "/api/v1/inboxes/credentials/export"
        answer: str = await self._call(Call("GET", target, str))
        return answer

    async def client_config(
        self,
        inbox_id: str,
    ) -> models.ClientConfig:
        """Settings for mail programs.

        Servers, ports and user name of an inbox, as JSON or as a file that a program opens.
        """
        target = path("/api/v1/inboxes/{}/client-config", inbox_id)
        answer: models.ClientConfig = await self._call(Call("GET", target, models.ClientConfig))
        return answer

    async def changes(
        self,
        inbox_id: str,
        *,
        since: int,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
    ) -> models.Changes:
        """What changed since.

        What happened to the messages of an inbox after ``since``, by whatever protocol.

        A message is named once: what was made and changed meanwhile is created, what was made and
        destroyed is destroyed.  Nothing that was committed is left out, however many write at once.
        Destroyed messages are known for 90 days; an older ``since`` is refused with
        ``changes_forgotten``.

        since: modseq of the last answer; 0 for everything
        limit: Messages of one answer; what changed at once stays whole
        cursor: next_cursor of the last answer, where it had one
        """
        target = path("/api/v1/inboxes/{}/changes", inbox_id)
        answer: models.Changes = await self._call(
            Call(
                "GET", target, models.Changes, query=given(since=since, limit=limit, cursor=cursor)
            )
        )
        return answer

    def events(
        self,
        inbox_id: str,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
        type: Sequence[str] | NotGiven = NOT_GIVEN,
        after_seq: int | NotGiven | None = NOT_GIVEN,
        payload: Literal["full", "thin"] | NotGiven = NOT_GIVEN,
    ) -> AsyncPager[models.Event]:
        """List what happened in an inbox.

        What came, was sent and moved, was marked and labelled in one inbox, and by whom, newest first.

        It is a part of the log, and read as that is: with `order=asc` nothing is missed.  Of a deleted
        inbox the log is told too.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        type: One of these types
        after_seq: Later than this seq
        payload: thin: ids, sender and subject; full: texts too, for a key that may read them
        """
        target = path("/api/v1/inboxes/{}/events", inbox_id)
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
                    type=type,
                    after_seq=after_seq,
                    payload=payload,
                ),
            ),
            models.Event,
        )

    async def wait(
        self,
        inbox_id: str,
        *,
        from_: str | NotGiven | None = NOT_GIVEN,
        subject_contains: str | NotGiven | None = NOT_GIVEN,
        thread_id: str | NotGiven | None = NOT_GIVEN,
        in_reply_to: str | NotGiven | None = NOT_GIVEN,
        labels: Sequence[str] | NotGiven = NOT_GIVEN,
        since: int | NotGiven | None = NOT_GIVEN,
        resume: str | NotGiven | None = NOT_GIVEN,
        extract: Sequence[Literal["links", "otp", "text", "unsubscribe"]] | NotGiven = NOT_GIVEN,
        mark: str | NotGiven | None = NOT_GIVEN,
        include: Sequence[Literal["blocked", "spam", "trash"]] | NotGiven = NOT_GIVEN,
        timeout_s: float | NotGiven = NOT_GIVEN,
    ) -> models.Found | None:
        """Wait for a message.

        The first message that comes to the inbox and fits, as soon as it is there.

        Without `since` and `resume` it must come from now on.  An answer without a message (204, after
        `timeout_s`) has the field `AgentPost-Resume`: wait on with it as `resume`, and nothing is
        missed between the two.  `extract` finds one-time codes and links.  The answer to a wait with
        `mark` can be lost with its connection, and the message is marked all the same: to work through
        every message exactly once, use claims.

        from_: Part of the sender's name or address
        in_reply_to: Message-ID that it answers or refers to
        labels: It has all of them
        since: Also what came after this modseq; now when left out
        resume: What an earlier wait answered; goes before since
        extract: What to look for in the message
        mark: seen or label:<label>: only a message without the mark, which gets it; of several that wait, one is given it. Needs labels:write
        include: Also what lands in Junk or Trash; needs spam:read, trash:read
        """
        target = path("/api/v1/inboxes/{}/wait", inbox_id)
        answer: models.Found | None = await self._call(
            Call(
                "GET",
                target,
                models.Found,
                query=given(
                    from_=from_,
                    subject_contains=subject_contains,
                    thread_id=thread_id,
                    in_reply_to=in_reply_to,
                    labels=labels,
                    since=since,
                    resume=resume,
                    extract=extract,
                    mark=mark,
                    include=include,
                    timeout_s=timeout_s,
                ),
            )
        )
        return answer
