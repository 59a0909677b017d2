"""IDLE (RFC 2177, RFC 9051 section 6.3.13): hear at once what happens.

idle = "IDLE" CRLF "DONE"

One task does it all: it waits for the client, and a wake-up breaks the wait off, so that nothing
is ever sent and cancelled half-way, and an idling session costs no second task.  Sessions that idle
in the same mailbox are told together (``imap.idling``).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import trio

from agentpost.errors import InvalidRequest, Problem
from agentpost.imap.commands.command import Command, Done, nothing
from agentpost.imap.idling import Company, company_of
from agentpost.imap.link import Roused
from agentpost.imap.states import Authenticated
from agentpost.imap.wire import response
from agentpost.imap.wire.framer import Line, Rejected

if TYPE_CHECKING:
    from agentpost.imap.session import Session


_log: Final = logging.getLogger(__name__)


async def run(session: Session, _: None, tag: bytes, by_uid: bool) -> Done:
    """Say changes as they come, until DONE."""
    del tag, by_uid
    session.say(response.continuation(b"idling"))
    with company_of(session) as company:
        heard = await _until_heard(session, company)
    if session.closing or (isinstance(heard, Line) and heard.text.upper() == b"DONE"):
        return Done()
    raise InvalidRequest("Only DONE ends IDLE.")


async def _until_heard(session: Session, company: Company | None) -> Line | Rejected | None:
    """What the client ends it with; None when the session is over."""
    limits = session.desk.limits
    until = trio.current_time() + limits.idle_s
    while True:
        told = await _tell(session, company)
        patience = limits.idle_still_s if told else limits.idle_retry_s
        await session.flush()
        left = until - trio.current_time()
        if left <= 0:
            session.bye("Idle for too long; come again.")
        if session.closing:
            await session.flush()
            return None
        heard = await session.link.read_line_unless(min(left, patience))
        if not isinstance(heard, Roused):
            return heard
        session.check_welcome()
        if told and heard is Roused.SILENCE and left > patience:
            # Keeps NAT bindings and impatient clients alive.
            session.say(response.untagged_ok("Still here."))


async def _tell(session: Session, company: Company | None) -> bool:
    """Say what is new; False when that has to be tried again."""
    if session.closing or company is None:
        return True
    try:
        await company.tell(session)
    except Problem as problem:
        _log.warning("cannot look for changes: %s", problem.message)
        return False
    return True


COMMAND = Command(b"IDLE", Authenticated, nothing, run)
