"""Tools about conversations."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, UnsetType

from agentpost.http.mcp.calling import Calling
from agentpost.http.mcp.schema import of_fields
from agentpost.http.mcp.tool import (
    Arguments,
    Confirm,
    Number,
    Text,
    Texts,
    Tools,
    Truth,
    confirmed,
)
from agentpost.http.resources import threads, transcript

tools = Tools()

CHARACTERS_PER_TOKEN: Final = 4
_LEAST_CHARS: Final = 200
_PAGE: Final = 100

View = Literal["llm", "summary", "full"] | UnsetType


class ListThreads(Arguments, frozen=True, rename={"from_": "from"}):
    """What threads are narrowed to."""

    inbox: Text = UNSET
    labels: Texts = UNSET
    from_: Text = UNSET
    to: Text = UNSET
    subject: Text = UNSET
    after: Annotated[Text, Meta(description="RFC 3339")] = UNSET
    before: Text = UNSET
    unread: Truth = UNSET
    limit: Number = UNSET
    cursor: Text = UNSET


class OneThread(Arguments, frozen=True):
    """A thread, and how much of it is read."""

    thread_id: str
    view: View = UNSET
    max_tokens: Number = UNSET
    limit: Number = UNSET
    cursor: Text = UNSET


class Transcribed(Arguments, frozen=True):
    """A thread, and how long its transcript may be."""

    thread_id: str
    max_tokens: Number = UNSET


class ChangedThread(Arguments, frozen=True):
    """What changes about a thread."""

    thread_id: str
    add_labels: Texts = UNSET
    remove_labels: Texts = UNSET
    seen: Truth = UNSET


class DeletedThread(Arguments, frozen=True):
    """A thread to delete."""

    thread_id: str
    confirm: Confirm


def narrowed(arguments: Any) -> dict[str, Any]:
    """The query of a list that tools and REST narrow alike."""
    names = ("folder", "labels", "from", "to", "subject", "after", "before", "limit", "cursor")
    query: dict[str, Any] = arguments.given(*names)
    if isinstance(arguments.unread, bool):
        query["seen"] = not arguments.unread
    return query


@tools.add("List conversations, latest first.", ListThreads, "threads:read", hints="RIO")
async def list_threads(call: Calling, arguments: ListThreads) -> Any:
    """Threads of one inbox or of all."""
    query = narrowed(arguments)
    if isinstance(arguments.inbox, str):
        return await call(threads.list_inbox_threads, {"inbox": arguments.inbox}, query=query)
    return await call(threads.list_threads, query=query)


@tools.add(
    "Read a conversation, oldest message first.",
    OneThread,
    "threads:read",
    "messages:read",
    hints="RIO",
    essential=True,
)
async def get_thread(call: Calling, arguments: OneThread) -> Any:
    """A thread with a page of its messages, within a budget of tokens."""
    place = {"thread": arguments.thread_id}
    query: dict[str, Any] = {"view": "llm"} | arguments.given("view", "limit", "cursor")
    if isinstance(arguments.max_tokens, int):
        whole = await call(threads.get_thread, place, query={"limit": 1})
        count = min(max(1, whole["message_count"]), query.get("limit", 20), _PAGE)
        share = arguments.max_tokens * CHARACTERS_PER_TOKEN // max(1, count)
        query["max_chars"] = max(_LEAST_CHARS, share)
    return await call(threads.get_thread, place, query=query)


@tools.add(
    "Read a conversation as a transcript: new texts only, oldest first, within max_tokens.",
    Transcribed,
    "threads:read",
    "messages:read",
    hints="RIO",
)
async def get_transcript(call: Calling, arguments: Transcribed) -> Any:
    """What was said, without quotations, signatures and copies."""
    place = {"thread": arguments.thread_id}
    return await call(transcript.get_transcript, place, query=arguments.given("max_tokens"))


@tools.add(
    "Label a thread; mark all its messages as seen or not.",
    ChangedThread,
    "labels:write",
    hints="DI",
    returns=of_fields("id"),
)
async def update_thread(call: Calling, arguments: ChangedThread) -> Any:
    """The thread's own labels; ``seen`` concerns its messages."""
    body = arguments.given("add_labels", "remove_labels", "seen")
    shown = await call(threads.update_thread, {"thread": arguments.thread_id}, body=body)
    return {name: shown[name] for name in ("id", "inbox_id", "labels", "unread_count")}


@tools.add(
    "Move a thread to Trash, or destroy it when it is there.",
    DeletedThread,
    "threads:delete",
    hints="D",
    returns=of_fields("deleted"),
)
async def delete_thread(call: Calling, arguments: DeletedThread) -> Any:
    """All its messages."""
    confirmed(arguments)
    await call(threads.delete_thread, {"thread": arguments.thread_id})
    return {"deleted": arguments.thread_id}
