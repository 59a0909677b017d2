"""AgentMail's ways to send: letters, answers, forwards."""

from __future__ import annotations

from typing import Any, Final

from agentpost.errors import NotFound, NotSupported
from agentpost.http.compat.letters import Addresses, SentFile, given_files, recipients
from agentpost.http.compat.mount import Anything, asked, message_name, message_of, mounted
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Body, Request, Response
from agentpost.http.resources import sending

routes = mounted("Messages")

_ONE: Final = "/inboxes/{inbox}/messages/{message}"


class WordsBody(Body, frozen=True, forbid_unknown_fields=True):
    """What is said, and what goes beside it."""

    labels: list[str] | None = None
    reply_to: Addresses = None
    text: str | None = None
    html: str | None = None
    attachments: list[SentFile] | None = None
    headers: dict[str, str] | None = None
    track_opens: bool | None = None


class AnsweredBody(WordsBody, frozen=True, forbid_unknown_fields=True):
    """An answer; to whom follows from the message unless it is said."""

    to: Addresses = None
    cc: Addresses = None
    bcc: Addresses = None
    reply_all: bool | None = None


class LetterBody(WordsBody, frozen=True, forbid_unknown_fields=True):
    """A letter, or a message that is handed on."""

    to: Addresses = None
    cc: Addresses = None
    bcc: Addresses = None
    subject: str | None = None


_SENDING: Final[dict[str, Any]] = {
    "answer": Anything,
    "idempotent": True,
    "carries_mail": True,
}


@routes.post(
    "/inboxes/{inbox}/messages/send",
    scope="messages:send",
    body=LetterBody,
    summary="Send a message",
    **_SENDING,
)
async def send_message(request: Request[LetterBody, None]) -> Response:
    """Sends a message from the inbox."""
    body = request.body
    letter = sending.SendBody(**_words(body), to=recipients(body.to), subject=body.subject)
    sent = await sending.send_message(asked(request, body=letter))
    return await answered(request, sent, "messages:send")


@routes.post(
    _ONE + "/reply",
    scope="messages:reply",
    body=AnsweredBody,
    summary="Reply",
    **_SENDING,
)
async def reply(request: Request[AnsweredBody, None]) -> Response:
    """Answers a message: its author, everyone, or those who are named."""
    body = request.body
    execute = sending.reply_to_all if body.reply_all else sending.reply_to_message
    answer = sending.ReplyBody(**_words(body), to=recipients(body.to), quote=False)
    message = await message_of(request, "messages:reply")
    sent = await execute(asked(request, body=answer, message=message))
    return await answered(request, sent, "messages:reply")


@routes.post(
    _ONE + "/reply-all",
    scope="messages:reply",
    body=WordsBody,
    summary="Reply to everyone",
    **_SENDING,
)
async def reply_all(request: Request[WordsBody, None]) -> Response:
    """Answers the author and all other recipients of a message."""
    answer = sending.ReplyBody(**_words(request.body), quote=False)
    message = await message_of(request, "messages:reply")
    sent = await sending.reply_to_all(asked(request, body=answer, message=message))
    return await answered(request, sent, "messages:reply")


@routes.post(
    _ONE + "/forward",
    scope="messages:send",
    body=LetterBody,
    summary="Forward",
    **_SENDING,
)
async def forward(request: Request[LetterBody, None]) -> Response:
    """Hands a message on."""
    body = request.body
    letter = sending.ForwardBody(**_words(body), to=recipients(body.to), subject=body.subject)
    message = await message_of(request, "messages:send")
    sent = await sending.forward_message(asked(request, body=letter, message=message))
    return await answered(request, sent, "messages:send")


def _words(body: Any) -> dict[str, Any]:
    """What all letters have, as our endpoints take it.  Raises: NotSupported."""
    if body.track_opens:
        raise NotSupported(
            "Nobody is watched opening mail.", fix="Leave out track_opens, or send false."
        )
    words = {
        "text_body": body.text,
        "html_body": body.html,
        "reply_to": recipients(body.reply_to),
        "attachments": given_files(body.attachments),
        "headers": body.headers or {},
        "labels": body.labels or [],
    }
    if not isinstance(body, AnsweredBody | LetterBody):
        return words
    return {**words, "cc": recipients(body.cc), "bcc": recipients(body.bcc)}


async def answered(request: Request[Any, Any], sent: Response, scope: str) -> Response:
    """The answer to something sent: AgentMail names the message by its Message-ID."""
    told: Any = sent.body
    name: str = told.id
    try:
        message = await desk_of(request).store.messages.get(request.actor, name, scope)
        name = message_name(message.id, message.rfc_message_id)
    except NotFound:  # Told again of one that was destroyed meanwhile.
        pass
    return Response({"message_id": name, "thread_id": told.thread_id}, fields=sent.fields)
