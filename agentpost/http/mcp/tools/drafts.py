"""Tools about drafts, which people see in the Drafts folder of their mail programs."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta

from agentpost.http.mcp.calling import Calling
from agentpost.http.mcp.schema import of_fields
from agentpost.http.mcp.tool import (
    Arguments,
    Confirm,
    Number,
    People,
    Text,
    Tools,
    Truth,
    confirmed,
)
from agentpost.http.mcp.tools.sending import Files, Key, key_of
from agentpost.http.resources import drafts

tools = Tools()

_WORDS = ("to", "cc", "bcc", "subject", "text", "html")


class NewDraft(Arguments, frozen=True):
    """A draft to keep."""

    inbox: str
    to: People = UNSET
    cc: People = UNSET
    bcc: People = UNSET
    subject: Text = UNSET
    text: Text = UNSET
    html: Text = UNSET
    attachments: Files = UNSET
    in_reply_to: Annotated[Text, Meta(description="Message id")] = UNSET
    reply_all: Truth = UNSET
    forward_of: Text = UNSET
    send_at: Annotated[Text, Meta(description="RFC 3339")] = UNSET
    client_id: Text = UNSET


class ListDrafts(Arguments, frozen=True):
    """What drafts are narrowed to."""

    inbox: Text = UNSET
    limit: Number = UNSET
    cursor: Text = UNSET


class OneDraft(Arguments, frozen=True):
    """A draft."""

    draft_id: str


class ChangedDraft(Arguments, frozen=True):
    """What changes about a draft."""

    draft_id: str
    to: People = UNSET
    cc: People = UNSET
    bcc: People = UNSET
    subject: Text = UNSET
    text: Text = UNSET
    html: Text = UNSET
    send_at: Annotated[Text, Meta(description="RFC 3339; empty: not by itself")] = UNSET


class SentDraft(Arguments, frozen=True):
    """A draft to send."""

    draft_id: str
    idempotency_key: Key = UNSET


class DeletedDraft(Arguments, frozen=True):
    """A draft to delete."""

    draft_id: str
    confirm: Confirm


def _brief(draft: dict[str, Any]) -> dict[str, Any]:
    """Without what the message that is answered says."""
    kept = ("id", "inbox_id", "thread_id", "message_id", "send_at", "send_status", "updated_at")
    return {name: draft[name] for name in kept if name in draft}


async def send(call: Calling, arguments: Any, *, hold_for_approval: bool) -> Any:
    """Send a draft, at once or when somebody approves it."""
    body = {"hold_for_approval": hold_for_approval}
    place = {"draft": arguments.draft_id}
    return await call(drafts.send_draft, place, body=body, key=key_of(arguments))


@tools.add(
    "Keep a draft for people to look at.",
    NewDraft,
    "drafts:write",
    hints="I",
    returns=of_fields("id"),
)
async def create_draft(call: Calling, arguments: NewDraft) -> Any:
    """A letter, an answer or a forward."""
    names = (*_WORDS, "attachments", "in_reply_to", "reply_all", "forward_of", "send_at")
    body = arguments.given(*names, "client_id")
    return _brief(await call(drafts.create_draft, {"inbox": arguments.inbox}, body=body))


@tools.add("List drafts.", ListDrafts, "drafts:read", hints="RI")
async def list_drafts(call: Calling, arguments: ListDrafts) -> Any:
    """Drafts of one inbox or of all; some answer mail, and quote it."""
    query = arguments.given("limit", "cursor")
    if isinstance(arguments.inbox, str):
        return await call(drafts.list_inbox_drafts, {"inbox": arguments.inbox}, query=query)
    return await call(drafts.list_drafts, query=query)


@tools.add("Read a draft.", OneDraft, "drafts:read", hints="RI")
async def get_draft(call: Calling, arguments: OneDraft) -> Any:
    """One draft."""
    return await call(drafts.get_draft, {"draft": arguments.draft_id})


@tools.add(
    "Change a draft.",
    ChangedDraft,
    "drafts:write",
    hints="DI",
    returns=of_fields("id"),
)
async def update_draft(call: Calling, arguments: ChangedDraft) -> Any:
    """What is named is replaced."""
    body = arguments.given(*_WORDS, "send_at")
    if arguments.send_at == "":
        body["send_at"] = None
    return _brief(await call(drafts.update_draft, {"draft": arguments.draft_id}, body=body))


@tools.add(
    "Send a draft as it stands.",
    SentDraft,
    "drafts:write",
    hints="DO",
    returns=of_fields("status"),
)
async def send_draft(call: Calling, arguments: SentDraft) -> Any:
    """It leaves Drafts with the same commit."""
    return await send(call, arguments, hold_for_approval=False)


@tools.add(
    "Delete a draft for ever.",
    DeletedDraft,
    "drafts:write",
    hints="DI",
    returns=of_fields("deleted"),
)
async def delete_draft(call: Calling, arguments: DeletedDraft) -> Any:
    """It does not go to Trash."""
    confirmed(arguments)
    await call(drafts.delete_draft, {"draft": arguments.draft_id})
    return {"deleted": arguments.draft_id}
