"""Tools about the caller and its inboxes."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from agentpost.http.mcp.calling import Calling
from agentpost.http.mcp.schema import of_fields
from agentpost.http.mcp.tool import (
    PAGE,
    Arguments,
    Confirm,
    Nothing,
    Number,
    Text,
    Tools,
    Truth,
    confirmed,
)
from agentpost.http.resources import inboxes, me
from agentpost.store import checks

tools = Tools()


class ListInboxes(Arguments, frozen=True):
    """What inboxes are narrowed to."""

    query: Annotated[Text, Meta(description="Part of address or name")] = UNSET
    limit: Number = UNSET
    cursor: Text = UNSET


class OneInbox(Arguments, frozen=True):
    """An inbox."""

    inbox: Annotated[str, Meta(description="Id or address")]


class NewInbox(Arguments, frozen=True):
    """An inbox to make."""

    username: Text = UNSET
    domain: Text = UNSET
    display_name: Text = UNSET
    client_id: Annotated[Text, Meta(description="Repeating it gives the same inbox")] = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET


class ChangedInbox(Arguments, frozen=True):
    """What changes about an inbox."""

    inbox: str
    display_name: Text = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    send_paused: Truth = UNSET


class DeletedInbox(Arguments, frozen=True):
    """An inbox to delete."""

    inbox: str
    confirm: Confirm


async def the_inbox(call: Calling, named: Text) -> str:
    """The inbox that is meant: the one that is named, else the only one that the key reaches.

    Raises: UnknownField when that is not one.
    """
    if isinstance(named, str):
        return named
    bound = call.actor.inboxes
    known = list(bound or ())
    if bound is None and call.actor.may("inboxes:read"):
        page = await call(inboxes.list_inboxes, query={"limit": 2})
        known = [one["id"] for one in page["data"]]
    if len(known) != 1:
        raise checks.refuse("inbox", "must be named, as the key does not reach exactly one")
    return known[0]


@tools.add(
    "Who you are: organization, scopes, limits, mails sent today.",
    Nothing,
    hints="RI",
    returns=of_fields("key_id"),
    essential=True,
)
async def whoami(call: Calling, arguments: Nothing) -> Any:
    """The key itself."""
    return await call(me.get_me)


@tools.add(
    "List your inboxes.",
    ListInboxes,
    "inboxes:read",
    hints="RI",
    returns=PAGE,
    essential=True,
)
async def list_inboxes(call: Calling, arguments: ListInboxes) -> Any:
    """Inboxes, newest first."""
    query = arguments.given("limit", "cursor")
    if isinstance(arguments.query, str):
        query["q"] = arguments.query
    return await call(inboxes.list_inboxes, query=query)


@tools.add(
    "One inbox: address, whether sending is paused and why.",
    OneInbox,
    "inboxes:read",
    hints="RI",
    returns=of_fields("id", "email"),
)
async def get_inbox(call: Calling, arguments: OneInbox) -> Any:
    """One inbox."""
    return await call(inboxes.get_inbox, {"inbox": arguments.inbox})


@tools.add(
    "Make an inbox with an address of its own.",
    NewInbox,
    "inboxes:write",
    hints="I",
    returns=of_fields("id", "email"),
    essential=True,
)
async def create_inbox(call: Calling, arguments: NewInbox) -> Any:
    """A new inbox; its mail password is not for a model's context, and is made anew when needed."""
    names = ("username", "domain", "display_name", "client_id", "metadata")
    made = await call(inboxes.create_inbox, body=arguments.given(*names))
    made.pop("credential", None)
    return made


@tools.add(
    "Change an inbox's display name or metadata; pause or resume its sending.",
    ChangedInbox,
    "inboxes:write",
    hints="DI",
    returns=of_fields("id", "email"),
)
async def update_inbox(call: Calling, arguments: ChangedInbox) -> Any:
    """What is named changes; the rest stays."""
    place = {"inbox": arguments.inbox}
    body = arguments.given("display_name", "metadata")
    shown = None
    if body or not isinstance(arguments.send_paused, bool):
        shown = await call(inboxes.update_inbox, place, body=body)
    if arguments.send_paused is True:
        shown = await call(inboxes.pause_inbox, place, body={})
    elif arguments.send_paused is False:
        shown = await call(inboxes.resume_inbox, place)
    return shown


@tools.add(
    "Delete an inbox: it receives nothing any more; a person can restore it.",
    DeletedInbox,
    "inboxes:write",
    hints="DI",
    returns=of_fields("deleted"),
)
async def delete_inbox(call: Calling, arguments: DeletedInbox) -> Any:
    """A soft deletion."""
    confirmed(arguments)
    await call(inboxes.delete_inbox, {"inbox": arguments.inbox})
    return {"deleted": arguments.inbox}
