"""AUTHENTICATE PLAIN (RFC 9051 section 6.2.2, RFC 4616, RFC 4959 for the initial response).

authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp]
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agentpost.auth import sasl
from agentpost.errors import AuthenticationFailed, InvalidRequest, NotAcceptable
from agentpost.imap.commands.command import Command, Done
from agentpost.imap.commands.login import enter
from agentpost.imap.states import Connected
from agentpost.imap.wire.cursor import Cursor
from agentpost.imap.wire.framer import Line

if TYPE_CHECKING:
    from agentpost.imap.session import Session


@dataclass(frozen=True, slots=True)
class Authenticate:
    """The mechanism, and the base64 of its first message when it came along; never shown."""

    mechanism: bytes
    initial: bytes | None = field(repr=False)


def parse(cursor: Cursor) -> Authenticate:
    """An atom and perhaps one more word."""
    cursor.space()
    mechanism = cursor.atom().upper()
    if cursor.at_end():
        return Authenticate(mechanism, None)
    cursor.space()
    return Authenticate(mechanism, cursor.atom())


async def run(session: Session, command: Authenticate, tag: bytes, by_uid: bool) -> Done:
    """Take the message of PLAIN and log in with it."""
    del tag, by_uid
    if command.mechanism != b"PLAIN":
        raise NotAcceptable("This mechanism is not offered; use PLAIN.")
    encoded = command.initial
    if encoded is None:
        line = await session.ask(b"")
        if not isinstance(line, Line) or line.text == b"*":
            raise InvalidRequest("Authentication was cancelled.")
        encoded = line.text
    try:
        message = base64.b64decode(b"" if encoded == b"=" else encoded, validate=True)
    except binascii.Error:
        raise InvalidRequest("The message of PLAIN is not base64.") from None
    try:
        login = sasl.plain(message)
    except AuthenticationFailed:
        # Acting for someone else fails like a wrong password, and takes as long.
        return await enter(session, b"", b"")
    return await enter(session, login.username.encode(), login.password.encode())


COMMAND = Command(b"AUTHENTICATE", Connected, parse, run, only_before_login=True)
