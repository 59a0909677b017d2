"""One IMAP connection: its state, its output, and how a command is run (RFC 9051 section 3).

A session knows no sockets.  ``execute`` takes one complete command; the answers gather in
``output`` until the server sends them, one write for a group of pipelined commands.  A command
that produces much hands over on the way with ``await session.flush()``.

Every failure ends as an answer here: a Problem in the words of its IMAP column, a fault of the
grammar as BAD, anything else as NO [SERVERBUG] with its traceback in the log only.
"""

from __future__ import annotations

import logging
from typing import Final

import trio

from agentpost import metrics
from agentpost.errors import InvalidRequest, MailboxNotFound, Problem
from agentpost.imap.capabilities import capability_words
from agentpost.imap.commands import COMMANDS, Command
from agentpost.imap.desk import ImapDesk
from agentpost.imap.link import Link
from agentpost.imap.states import Authenticated, Connected, Selected
from agentpost.imap.telling import Told, nothing_told, tell
from agentpost.imap.wire import response
from agentpost.imap.wire.cursor import Cursor, SyntaxFault
from agentpost.imap.wire.framer import Frame, Line, Rejected, head
from agentpost.log import actor_id
from agentpost.net import Peer

_log: Final = logging.getLogger(__name__)

_FLUSH_OCTETS: Final = 256 * 1024
"""Output is handed to the network in pieces of about this size, and others get a turn."""


class Session:
    """The server's side of one conversation."""

    __slots__ = (
        "_bad_commands", "closing", "desk", "failed_logins", "link", "output", "peer", "state",
        "welcome",
    )  # fmt: skip

    def __init__(self, desk: ImapDesk, link: Link, *, peer: Peer) -> None:
        self.desk = desk
        self.link = link
        self.peer = peer
        self.state: Connected = Connected()
        self.output = bytearray()
        self.closing = False
        self.failed_logins = 0
        self.welcome = True
        self._bad_commands = 0

    # Output

    def say(self, octets: bytes) -> None:
        """Add whole lines to what will be sent."""
        self.output += octets

    async def flush(self) -> None:
        """Send what has gathered; waits for a slow client, within its deadline."""
        if self.output:
            octets, self.output = self.output, bytearray()
            await self.link.send(octets)

    def flush_at_once(self) -> bool:
        """Send what has gathered if the network takes it without waiting; says whether it did."""
        if self.output:
            del self.output[: self.link.send_at_once(self.output)]
        return not self.output

    async def flush_when_large(self) -> None:
        """Send what has gathered once it is worth a write of its own."""
        if len(self.output) >= _FLUSH_OCTETS:
            await self.flush()
            await trio.lowlevel.checkpoint()

    async def ask(self, text: bytes) -> Line | Rejected | None:
        """Send ``+ text`` and wait for the client's line; None when the connection is over."""
        self.say(response.continuation(text))
        await self.flush()
        return await self.link.read_line()

    def greet(self) -> None:
        """The first line (RFC 9051 section 7.1.1)."""
        words = " ".join(self.capabilities())
        self.say(response.untagged_ok("AgentPost is ready.", f"CAPABILITY {words}"))

    def capabilities(self) -> tuple[str, ...]:
        """What can be done in the present state, in the words of CAPABILITY."""
        return capability_words(self.state, self.desk.messages.max_octets)

    def bye(self, text: str, code: str | None = None) -> None:
        """The last line; the server closes once it is sent."""
        if not self.closing:
            self.say(response.bye(text, code))
            self.closing = True

    # Commands

    async def execute(self, frame: Frame) -> None:
        """Run one command and say its answer, the tagged line last."""
        tag, name = head(frame.text)
        if tag is None:
            self._bad(None, "A command begins with a tag and a space.")
            return
        by_uid = name.startswith(b"UID ")
        command = COMMANDS.get(name[4:] if by_uid else name)
        if command is None or (by_uid and not command.by_uid):
            metrics.command("imap", metrics.UNKNOWN, "bad").inc()
            self._bad(tag, "Unknown command." if name else "There is no command.")
            return
        outcome = "bad"
        if not isinstance(self.state, command.needs):
            self._bad(tag, _out_of_place(self.state))
        elif command.only_before_login and isinstance(self.state, Authenticated):
            self._bad(tag, "You have logged in already.")
        else:
            self.check_welcome()
            if self.closing:
                return
            outcome = await self._outcome(command, tag, name, frame, by_uid)
        metrics.command("imap", name, outcome).inc()

    async def _outcome(
        self, command: Command, tag: bytes, name: bytes, frame: Frame, by_uid: bool
    ) -> str:
        """Run a command and say what becomes of it: ``ok``, ``no`` or ``bad``."""
        outcome = "no"
        try:
            await self._run(command, tag, name, frame, by_uid)
            outcome = "ok"
        except SyntaxFault as fault:
            self._bad(tag, f"{fault.message} (at octet {fault.position}).", code=fault.column.imap)
            outcome = "bad"
        except InvalidRequest as problem:
            self._bad(tag, _sentence(problem), code=problem.column.imap)
            outcome = "bad"
        except Problem as problem:
            await self._refuse(command, tag, by_uid, problem)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise
        except Exception:
            metrics.FAULTS.labels("imap").inc()
            _log.exception("command failed", extra={"command": name.decode("ascii", "replace")})
            self.say(response.no(tag, "An internal error; it was logged.", "SERVERBUG"))
        if self.failed_logins >= self.desk.limits.max_failed_logins:
            self.bye("Too many failed logins.")
        return outcome

    async def _run(
        self, command: Command, tag: bytes, name: bytes, frame: Frame, by_uid: bool
    ) -> None:
        utf8 = isinstance(self.state, Authenticated) and self.state.utf8
        cursor = Cursor(frame, utf8=utf8)
        cursor.skip(tag + b" ")
        cursor.skip(frame.text[len(tag) + 1 : len(tag) + 1 + len(name)])
        arguments = command.parse(cursor)
        cursor.end()
        done = await command.run(self, arguments, tag, by_uid)
        self._bad_commands = 0
        if not self.closing or command.tells_nothing:
            await self.tell_changes(
                may_expunge=command.may_expunge(by_uid), quiet=command.tells_nothing
            )
        text = done.text or f"{name.decode('ascii')} completed."
        self.say(response.status_line(tag, "OK", text, done.code))

    async def _refuse(self, command: Command, tag: bytes, by_uid: bool, problem: Problem) -> None:
        # What happened meanwhile is told before NO as well, except where numbers must hold.
        if not command.tells_nothing and not self.closing:
            try:
                await self.tell_changes(may_expunge=command.may_expunge(by_uid))
            except Problem as another:
                _log.warning("cannot look for changes: %s", another.message)
        self.say(response.no(tag, _sentence(problem), problem.column.imap))

    def _bad(self, tag: bytes | None, text: str, code: str | None = None) -> None:
        self.say(response.bad(tag, text, code))
        self._count_bad()

    def refuse_literal(self, tag: bytes | None, name: bytes) -> bool:
        """Answer a command whose literal waits, unless it may go on; says whether it was refused."""
        command = COMMANDS.get(name.removeprefix(b"UID "))
        if command is None:
            self._bad(tag, "Unknown command.")
        elif not isinstance(self.state, command.needs):
            self._bad(tag, _out_of_place(self.state))
        else:
            return False
        return True

    def _count_bad(self) -> None:
        self._bad_commands += 1
        if self._bad_commands >= self.desk.limits.max_bad_commands:
            self.bye("Too many commands that cannot be understood.", "CLIENTBUG")

    def reject(self, rejected: Rejected) -> None:
        """Answer a command that the framer refused."""
        if rejected.fatal:
            self.bye(rejected.text, rejected.code)
            return
        self.say(
            response.status_line(rejected.tag, rejected.condition, rejected.text, rejected.code)
        )
        if rejected.condition == "BAD":
            self._count_bad()

    # The selected mailbox

    async def tell_changes(
        self, *, may_expunge: bool, told: Told = nothing_told, quiet: bool = False
    ) -> None:
        """Say what happened in the selected mailbox since the client last heard of it.

        ``told`` names the messages whose flags need not be told as they are then.
        """
        state = self.state
        if quiet or not isinstance(state, Selected):
            return
        try:
            await tell(self, state, may_expunge=may_expunge, told=told)
        except MailboxNotFound:
            self.lose_mailbox()

    def lose_mailbox(self) -> None:
        """The selected mailbox was deleted: tell and end (RFC 2180 section 3.3)."""
        self.bye("The selected mailbox was deleted.")

    def check_welcome(self) -> None:
        """Say BYE when the credential was revoked or the inbox deleted meanwhile."""
        if not self.welcome:
            self.bye("The credential does not hold any longer.", "EXPIRED")

    def logged_in(self, state: Authenticated) -> None:
        """Go on as this actor; what is logged from now on names its credential."""
        self.state = state
        actor_id.set(state.actor.credential)
        assert state.where.inbox is not None
        counts = self.desk.connections
        counts[state.where.inbox] = counts.get(state.where.inbox, 0) + 1

    def close(self) -> None:
        """Give back what the session counted for; called once by the server."""
        if isinstance(self.state, Authenticated):
            inbox = self.state.where.inbox
            assert inbox is not None
            counts = self.desk.connections
            counts[inbox] -= 1
            if not counts[inbox]:
                del counts[inbox]


def _out_of_place(state: Connected) -> str:
    if isinstance(state, Authenticated):
        return "Select a mailbox first."
    return "Log in first."


def _sentence(problem: Problem) -> str:
    return problem.message if problem.message.endswith((".", "!")) else problem.message + "."
