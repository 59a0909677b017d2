"""The history of an inbox as AgentMail has it: each label that a message was given or lost.

The event log tells a change with all that it did, to several messages where a mail program marked
them together; here it is taken apart.  So a page may end within an event, and its token says where.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from agentpost.clock import rfc3339
from agentpost.events.spelling import label_changes
from agentpost.http.compat.mount import (
    Anything,
    PageQuery,
    inbox_of,
    listed,
    message_name,
    mounted,
)
from agentpost.http.desk import Desk, desk_of
from agentpost.http.endpoint import Request, Response
from agentpost.http.paging import TimedListQuery
from agentpost.model.actor import Actor
from agentpost.model.event import Event, EventFilter
from agentpost.model.inbox import LocalAddress
from agentpost.model.page import Page, PageRequest

routes = mounted("Inbox events")

_TYPES: Final = ("message.updated", "message.deleted", "message.restored")
_EVENTS: Final = 100
"""Events that are read at once."""
_ROUNDS: Final = 20
"""How often for one page; most events may change no label."""


@dataclass(frozen=True, slots=True)
class _Change:
    """One label that one message was given or lost, by one event."""

    event: Event
    number: int
    """Among the changes of the event, the oldest first."""
    message: str
    added: bool
    label: str


@routes.get(
    "/inboxes/{inbox}/events",
    scope="events:read",
    query=PageQuery,
    answer=Anything,
    summary="List changes of labels",
)
async def list_label_changes(request: Request[None, PageQuery]) -> Response:
    """Each label that a message of the inbox was given or lost, newest first."""
    desk, actor = desk_of(request), request.actor
    local = await inbox_of(request, "events:read")
    query = TimedListQuery(**request.query.paging())
    place = (actor.organization, "v0 inbox events", local.inbox)
    page = await _changes(desk, actor, local, desk.cursors.page(query, *place))
    messages = list({change.message for change in page.rows})
    names = await desk.store.message_names.names(actor, local.scope, messages, "events:read")
    rows = [_shape(local, change, names.get(change.message)) for change in page.rows]
    return listed(desk, "events", rows, page, query, *place)


async def _changes(
    desk: Desk, actor: Actor, local: LocalAddress, asked: PageRequest
) -> Page[_Change]:
    """One page; its position is the seq of the last event that was looked at, and how many of its
    changes have been shown.

    A page is short, and another follows, when a great many events changed no label.
    """
    last, shown = (None, 0) if asked.position is None else map(int, asked.position)
    step = 1 if asked.descending else -1
    behind: tuple[str, ...] | None = None if last is None else (str(last + step),)
    wanted = EventFilter(_TYPES, (local.inbox,))
    rows: list[_Change] = []
    for _ in range(_ROUNDS):
        look = replace(asked, limit=_EVENTS, position=behind)
        found = await desk.store.events.page(actor, wanted, look)
        for event in found.rows:
            done = shown if event.seq == last else 0
            changes = _of(event, descending=asked.descending)[done:]
            free = asked.limit - len(rows)
            rows += changes[:free]
            if len(changes) > free:
                return Page(tuple(rows), (str(event.seq), str(done + free)))
        if found.next_position is None:
            return Page(tuple(rows), None)
        behind = found.next_position
    assert behind is not None
    return Page(tuple(rows), (str(int(behind[0]) - step), "0"))


def _of(event: Event, *, descending: bool) -> list[_Change]:
    changes = [
        _Change(event, number, *change) for number, change in enumerate(label_changes(event.data))
    ]
    return changes[::-1] if descending else changes


def _shape(local: LocalAddress, change: _Change, rfc_message_id: str | None) -> Anything:
    moment = rfc3339(change.event.created_at)
    return {
        "organization_id": change.event.organization,
        "pod_id": change.event.environment,
        "inbox_id": local.address,
        "event_id": f"{change.event.id}.{change.number:04}",
        "event_type": "label.added" if change.added else "label.removed",
        "message_id": message_name(change.message, rfc_message_id),
        "label": change.label,
        "event_at": moment,
        "created_at": moment,
    }
