"""How a message comes to an inbox of this server, from wherever."""

from __future__ import annotations

from dataclasses import replace

import trio

from agentpost.ids import MessageId, new_id
from agentpost.mime.summary import MessageSummary, summarise
from agentpost.model.inbox import LocalAddress
from agentpost.model.message import Arrival

_SCAN_INLINE_OCTETS = 256 * 1024
"""Larger messages are scanned in a thread, so that other connections do not wait for them."""


def arrival(local: LocalAddress, delivered_to: str, source: str) -> Arrival:
    """A message's way into the INBOX of someone who lives here."""
    return Arrival(
        organization=local.organization,
        inbox=local.inbox,
        message=MessageId(new_id("msg")),
        direction="inbound",
        source=source,
        state="received",
        role="inbox",
        delivered_to=delivered_to,
        events=("message.received",),
    )


def blocked(arriving: Arrival) -> Arrival:
    """The same arrival of a sender whom a filter rule of its inbox blocks.

    It lies in Junk, where mail programs may look at it; REST shows it to who asks for what is
    blocked.
    """
    return replace(
        arriving,
        state="blocked",
        role="junk",
        keywords=(*arriving.keywords, "blocked"),
        events=("message.received.blocked",),
    )


async def summarised(octets: bytes) -> MessageSummary:
    """Everything arrival needs to know of a message; large ones are scanned in a thread."""
    if len(octets) <= _SCAN_INLINE_OCTETS:
        return summarise(octets)
    return await trio.to_thread.run_sync(summarise, octets)
