"""A message in the view that a client asks for."""

from __future__ import annotations

from agentpost.http.desk import Desk
from agentpost.http.resources.shown import MessageBody, llm_body, summary_body, whole_body
from agentpost.mail.reading import files, new_text, read
from agentpost.model.actor import Actor
from agentpost.model.message import Message


async def viewed(
    desk: Desk, actor: Actor, message: Message, view: str, max_chars: int
) -> MessageBody:
    """``message`` as ``view`` shows it; what the view needs beyond it is read.

    Raises: NotFound when it was deleted meanwhile.
    """
    if view == "summary":
        return summary_body(message)
    content = await desk.store.messages.content(actor, message.id)
    if view == "llm":
        return llm_body(content.message, await new_text(content), await files(content), max_chars)
    deliveries = None
    if message.direction == "outbound":
        deliveries = await desk.store.messages.deliveries(actor, message.id)
    return whole_body(content.message, await read(content, headers=True), deliveries)
