"""Tools that read and mark messages."""

from __future__ import annotations

from base64 import b64encode
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from agentpost.errors import NotFound, TooLarge, UnsupportedMediaType
from agentpost.http.mcp.calling import Calling
from agentpost.http.mcp.schema import of_fields
from agentpost.http.mcp.tool import Arguments, Number, Text, Texts, Tools, Truth
from agentpost.http.mcp.tools.threads import View, narrowed
from agentpost.http.resources import contents, messages
from agentpost.mail.reading import file_octets
from agentpost.mime.charset import decode
from agentpost.store import checks

tools = Tools()


class ListMessages(Arguments, frozen=True, rename={"from_": "from"}):
    """What messages are narrowed to."""

    inbox: Text = UNSET
    folder: Text = UNSET
    labels: Texts = UNSET
    from_: Text = UNSET
    to: Text = UNSET
    subject: Text = UNSET
    unread: Truth = UNSET
    after: Annotated[Text, Meta(description="RFC 3339")] = UNSET
    before: Text = UNSET
    limit: Number = UNSET
    cursor: Text = UNSET


class OneMessage(Arguments, frozen=True):
    """A message, and how much of it is read."""

    message_id: str
    view: View = UNSET
    max_chars: Number = UNSET
    include_headers: Truth = UNSET
    include_authentication: Truth = UNSET


class OneFile(Arguments, frozen=True, rename={"as_": "as"}):
    """A file of a message, and how it is given."""

    message_id: str
    attachment_id: str
    as_: Literal["url", "text", "base64"] | UnsetType = UNSET


class ChangedMessage(Arguments, frozen=True):
    """What changes about a message."""

    message_id: str
    add_labels: Texts = UNSET
    remove_labels: Texts = UNSET
    seen: Truth = UNSET
    flagged: Truth = UNSET
    folder: Text = UNSET


class SentMessage(Arguments, frozen=True):
    """A message that was sent."""

    message_id: str


@tools.add(
    "List messages, newest first.",
    ListMessages,
    "messages:read",
    hints="RIO",
    essential=True,
)
async def list_messages(call: Calling, arguments: ListMessages) -> Any:
    """Messages of one inbox or of all."""
    query = narrowed(arguments)
    if isinstance(arguments.inbox, str):
        return await call(messages.list_inbox_messages, {"inbox": arguments.inbox}, query=query)
    return await call(messages.list_messages, query=query)


@tools.add(
    "Read a message: its new text, without quotations (view llm), or all of it.",
    OneMessage,
    "messages:read",
    hints="RIO",
    essential=True,
)
async def get_message(call: Calling, arguments: OneMessage) -> Any:
    """One message."""
    place = {"message": arguments.message_id}
    query = {"view": "llm"} | arguments.given("view", "max_chars")
    shown = await call(messages.get_message, place, query=query)
    wanted = {"headers": arguments.include_headers is True}
    wanted["authentication"] = arguments.include_authentication is True
    if any(wanted.values()) and query["view"] != "full":
        whole = await call(messages.get_message, place, query={"view": "full"})
        shown |= {name: whole[name] for name, asked in wanted.items() if asked}
    return shown


@tools.add(
    "A file of a message: a link for an hour (url), or up to 256 KB as text or base64.",
    OneFile,
    "messages:read",
    hints="RIO",
)
async def get_attachment(call: Calling, arguments: OneFile) -> Any:
    """One file."""
    place = {"message": arguments.message_id, "attachment": arguments.attachment_id}
    if arguments.as_ in (UNSET, "url"):
        query = {"presigned": True}
        return await call(contents.get_attachment_content, place, query=query)
    file = await call(contents.get_attachment, place)
    if file["size"] > call.limits.max_file_octets:
        raise TooLarge("The file is over 256 KB.", fix="Ask for it with as=url.")
    message = checks.identifier(arguments.message_id)
    content = await call.desk.store.messages.content(call.actor, message)
    found = await file_octets(content, arguments.attachment_id)
    if found is None:
        raise NotFound("There is no such attachment.")
    octets = found[1]
    if arguments.as_ == "base64":
        return file | {"base64": b64encode(octets).decode("ascii")}
    if b"\0" in octets:
        raise UnsupportedMediaType("The file is no text.", fix="Ask for it with as=url or base64.")
    return file | {"text": decode(octets)}


@tools.add(
    "Label, mark or move a message.",
    ChangedMessage,
    "labels:write",
    hints="DI",
    returns=of_fields("id"),
    essential=True,
)
async def update_message(call: Calling, arguments: ChangedMessage) -> Any:
    """What is named changes; mail programs see it at once."""
    names = ("add_labels", "remove_labels", "seen", "flagged", "folder")
    place = {"message": arguments.message_id}
    shown = await call(messages.update_message, place, body=arguments.given(*names))
    kept = ("id", "thread_id", "inbox_id", "labels", "folder", "seen", "flagged")
    return {name: shown[name] for name in kept}


@tools.add(
    "What became of a sent message, by recipient.",
    SentMessage,
    "messages:read",
    hints="RIO",
)
async def get_delivery_status(call: Calling, arguments: SentMessage) -> Any:
    """What other servers answer is theirs, and is wrapped like mail."""
    return await call(contents.get_delivery, {"message": arguments.message_id})
