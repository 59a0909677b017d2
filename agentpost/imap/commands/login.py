"""LOGIN (RFC 9051 section 6.2.3), and what AUTHENTICATE shares with it.

login = "LOGIN" SP userid SP password
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from agentpost.errors import AuthenticationFailed, Problem, TooManyConnections
from agentpost.imap.commands.command import Command, Done
from agentpost.imap.states import Authenticated, Connected
from agentpost.imap.wire.cursor import Cursor
from agentpost.metrics import LOGINS

if TYPE_CHECKING:
    from agentpost.imap.session import Session


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and a password; never shown."""

    username: bytes
    password: bytes = field(repr=False)


def parse(cursor: Cursor) -> Login:
    """Two astrings."""
    cursor.space()
    username = cursor.astring()
    cursor.space()
    return Login(username, cursor.astring())


async def run(session: Session, login: Login, tag: bytes, by_uid: bool) -> Done:
    """Log in with the inbox's address and a key or mail credential."""
    del tag, by_uid
    return await enter(session, login.username, login.password)


async def enter(session: Session, username: bytes, password: bytes) -> Done:
    """Authenticate and go on as who that is.

    A failure is answered after a constant time, and the third one ends the connection.
    Raises: AuthenticationFailed and its kin; RateLimited; TooManyConnections.
    """
    try:
        state = await _authenticated(session, username, password)
    except Problem as problem:
        LOGINS.labels("imap", problem.code).inc()
        raise
    LOGINS.labels("imap", "ok").inc()
    session.logged_in(state)
    words = " ".join(session.capabilities())
    return Done(f"CAPABILITY {words}", "Logged in.")


async def _authenticated(session: Session, username: bytes, password: bytes) -> Authenticated:
    desk = session.desk
    began = trio.current_time()
    try:
        name, secret = username.decode("utf-8"), password.decode("utf-8")
        actor, where, local = await desk.authenticate(name, secret, session.peer)
    except (UnicodeDecodeError, Problem) as error:
        # The third one ends the connection, once it is answered.
        session.failed_logins += 1
        await trio.sleep_until(began + desk.limits.failed_login_s)
        raise error if isinstance(error, Problem) else AuthenticationFailed() from None
    assert where.inbox is not None
    bound = desk.connections_allowed(local)
    if desk.connections.get(where.inbox, 0) >= bound:
        raise TooManyConnections(f"The inbox has {bound} connections already.")
    return Authenticated(actor=actor, where=where)


COMMAND = Command(b"LOGIN", Connected, parse, run, only_before_login=True)
