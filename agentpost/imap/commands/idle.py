"""IDLE (RFC 2177, RFC 9051 section 6.3.13): hear at once what happens.

idle = "IDLE" CRLF "DONE"
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import trio

from agentpost.errors import InvalidRequest, Problem
from agentpost.events.bus import Watch
from agentpost.imap.commands.command import Command, Done, nothing
from agentpost.imap.states import Authenticated, Selected
from agentpost.imap.wire import response
from agentpost.imap.wire.framer import Line, Rejected

if TYPE_CHECKING:
    from agentpost.imap.session import Session


_log: Final = logging.getLogger(__name__)


async def run(session: Session, _: None, tag: bytes, by_uid: bool) -> Done:
    """Say changes as they come, until DONE.

    One task waits for the client, one for wake-ups; whichever ends first ends the other.
    """
    del tag, by_uid
    state = session.state
    assert isinstance(state, Authenticated)
    watch = session.desk.bus.watch(state.where.inbox)
    heard: list[Line | Rejected | None] = []
    try:
        session.say(response.continuation(b"idling"))
        await session.tell_changes(may_expunge=True)
        await session.flush()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_tell, session, watch, nursery.cancel_scope)
            nursery.start_soon(_say_bye, session, nursery.cancel_scope)
            with trio.move_on_after(session.desk.limits.idle_s):
                heard.append(await session.next_line())
            nursery.cancel_scope.cancel()
    finally:
        watch.close()
    if session.closing:
        return Done()
    if not heard:
        session.bye("Idle for too long; come again.")
        return Done()
    line = heard[0]
    if isinstance(line, Line) and line.text.upper() == b"DONE":
        return Done()
    raise InvalidRequest("Only DONE ends IDLE.")


async def _tell(session: Session, watch: Watch, scope: trio.CancelScope) -> None:
    still = session.desk.limits.idle_still_s
    while not session.closing:
        if not await watch.wait(still):
            # Keeps NAT bindings and impatient clients alive.
            session.say(response.untagged_ok("Still here."))
        try:
            await session.check_welcome()
            if isinstance(session.state, Selected):
                await session.tell_changes(may_expunge=True)
            await session.flush()
        except Problem as problem:
            _log.warning("cannot look for changes: %s", problem.message)
        except trio.BrokenResourceError:
            session.closing = True
    scope.cancel()


async def _say_bye(session: Session, scope: trio.CancelScope) -> None:
    await session.stopping.wait()
    session.bye("The server is shutting down.", "UNAVAILABLE")
    scope.cancel()


COMMAND = Command(b"IDLE", Authenticated, nothing, run)
