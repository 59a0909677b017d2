"""ID (RFC 2971): who the two programs are.

id = "ID" SP ("(" [string SP nstring *(SP string SP nstring)] ")" / nil)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentpost.imap.commands.command import Command, Done
from agentpost.imap.states import Connected
from agentpost.imap.wire.cursor import Cursor
from agentpost.imap.wire.response import quoted
from agentpost.version import version

if TYPE_CHECKING:
    from agentpost.imap.session import Session

_MAX_FIELDS = 30
"""RFC 2971 section 3.3 bounds the list."""


def parse(cursor: Cursor) -> None:
    """Read the client's fields; they are for statistics, which we do not keep."""
    cursor.space()
    if cursor.skip_word(b"NIL"):
        return
    cursor.expect(b"(", "a list of fields or NIL")
    if cursor.skip(b")"):
        return
    for _ in range(_MAX_FIELDS):
        cursor.string()
        cursor.space()
        cursor.nstring()
        if cursor.skip(b")"):
            return
        cursor.space()
    raise cursor.fault("too many fields")


async def run(session: Session, _: None, tag: bytes, by_uid: bool) -> Done:
    """Say name and version of this server."""
    del tag, by_uid
    fields = {b"name": b"AgentPost", b"version": version().encode("ascii")}
    inside = b" ".join(quoted(key) + b" " + quoted(value) for key, value in fields.items())
    session.say(b"* ID (%b)\r\n" % inside)
    return Done()


COMMAND = Command(b"ID", Connected, parse, run)
