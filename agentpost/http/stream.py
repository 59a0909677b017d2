"""Events as server-sent events: the frames, and the stream that one client reads.

Source: the text/event-stream format of the HTML standard.  Every frame carries an id, also those
that only show that the connection lives, so that a client that lost it resumes exactly there: an
id without data is kept by the client and tells it nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

import trio

from agentpost.errors import InvalidRequest
from agentpost.http.feed import EventSource, Feed, Revoked
from agentpost.limits import HttpLimits
from agentpost.model.actor import Actor
from agentpost.model.event import Event

MEDIA: Final = "text/event-stream"
LAST_EVENT_ID: Final = "last-event-id"
_MAX_DIGITS: Final = 19


def opening_frame(seq: int, retry_s: float) -> bytes:
    """The first frame: where the stream begins, and when to open it again should it break."""
    return b"retry: %d\nid: %d\n\n" % (round(retry_s * 1000), seq)


def event_frame(event: Event, envelope: bytes) -> bytes:
    """An event.  JSON has no line breaks, so it is one line of data."""
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (event.seq, event.type.encode(), envelope)


def ping_frame(seq: int) -> bytes:
    """Nothing that is wanted happened up to ``seq``."""
    return b": ping\nid: %d\n\n" % seq


def last_seq(field: str | None) -> int | None:
    """The number in Last-Event-ID; None when the client has none yet.

    Raises: InvalidRequest when it is not one of ours.
    """
    if not field:
        return None
    if len(field) > _MAX_DIGITS or not field.isascii() or not field.isdigit():
        raise InvalidRequest(
            "Last-Event-ID is not the id of a frame of this stream.",
            fix="Send the id of the last frame as it was, or leave the header out.",
        )
    return min(int(field), 2**63 - 1)


async def frames(
    feed: Feed, source: EventSource, actor: Actor, stopping: trio.Event, limits: HttpLimits
) -> AsyncGenerator[bytes, None]:
    """The frames of one stream; it ends when the server stops or the key is revoked."""
    watch = source.watch(actor, feed.wanted)
    silence_s = limits.stream_ping_s
    try:
        yield opening_frame(feed.seq, limits.stream_retry_s)
        said = trio.current_time()
        while not stopping.is_set():
            try:
                events = await feed.next(watch, max(0.0, said + silence_s - trio.current_time()))
                for event in events:
                    yield event_frame(event, await feed.envelope(event))
            except Revoked:
                # The client opens the stream again and is told why it may not.
                yield b": key_revoked\n\n"
                return
            if events:
                said = trio.current_time()
            elif trio.current_time() >= said + silence_s:
                yield ping_frame(feed.seq)
                said = trio.current_time()
    finally:
        watch.close()
