"""One submission session: octets in, replies out, no I/O (RFC 6409, RFC 5321, RFC 4954).

The session is driven by a shell.  The shell gives it what arrived (:meth:`Session.receive`) and
awaits :meth:`Session.advance` again and again; each call works until replies have to be written
(RFC 2920 section 3.2: those of MAIL, RCPT and RSET are written together, all others at once) and
returns them for one write.  ``starved`` then says that only new octets lead on, ``closing`` that
the connection ends with this write, ``tls_due`` that the TLS handshake follows it.

It awaits nothing but two neighbours: the desk behind it, which knows inboxes and takes messages,
and the memory that message data needs.

Three modes of input exclude each other: message data while the intake receives, a SASL response
while there is a ``_dialogue``, a command otherwise.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from agentpost import metrics
from agentpost.auth.sasl import Login
from agentpost.errors import AuthenticationFailed, Problem
from agentpost.log import actor_id
from agentpost.metrics import LOGINS
from agentpost.smtp.desk import Memory, SubmissionDesk, Terms
from agentpost.smtp.intake import Intake
from agentpost.smtp.wire import commands, replies, states
from agentpost.smtp.wire.commands import Refused
from agentpost.smtp.wire.lines import Break, LineFramer
from agentpost.smtp.wire.replies import Reply
from agentpost.smtp.wire.sasl import Dialogue
from agentpost.smtp.wire.states import (
    Addressing,
    Anonymous,
    Chunking,
    Hello,
    Ready,
    State,
    Unprotected,
    refusal,
)

_log: Final = logging.getLogger(__name__)


_GROUPED: Final = frozenset({b"MAIL", b"RCPT", b"RSET", b"BDAT"})
"""Commands whose replies wait for those of the commands behind them (RFC 2920 section 3.2)."""
_JUNK: Final = frozenset({b"NOOP", b"RSET", b"HELO", b"EHLO", b"VRFY", b"HELP"})
"""Commands that send no mail and may be repeated for ever."""
_BAD_CODES: Final = frozenset({500, 501, 502, 504, 555})
_OUT_OF_PLACE: Final = frozenset({503, 530, 538})


class Session:
    """The protocol of one connection.

    ``tls``: whether the connection is under TLS from its first octet (port 465).  ``peer`` is the
    client's network address for the desk's limits on guessing.
    """

    __slots__ = (
        "_bad",
        "_desk",
        "_dialogue",
        "_failed_logins",
        "_framer",
        "_intake",
        "_junk",
        "_peer",
        "_replies",
        "_state",
        "_terms",
        "closing",
        "pause_s",
        "progress",
        "starved",
        "tls_due",
    )

    def __init__(
        self, terms: Terms, desk: SubmissionDesk, memory: Memory, *, tls: bool, peer: str
    ) -> None:
        self._terms = terms
        self._desk = desk
        self._intake = Intake(memory, terms.limits, terms.message.max_octets)
        self._peer = peer
        self._framer = LineFramer(terms.limits.max_endless_octets)
        self._state: State = Anonymous() if tls else Unprotected()
        self._dialogue: Dialogue | None = None
        self._replies: list[bytes] = []
        self._bad = self._junk = self._failed_logins = 0
        self.closing = False
        self.starved = True
        self.tls_due = False
        self.pause_s = 0.0
        """How long the replies are held back, counted from the call that returned them."""
        self.progress = 0
        """Grows with every complete command and message: what deadlines are counted from."""

    @property
    def state(self) -> State:
        return self._state

    @property
    def receiving_data(self) -> bool:
        """Whether message data is awaited rather than a command or a response."""
        return self._intake.receiving

    @property
    def midway(self) -> bool:
        """Whether a command or a message has begun to arrive and is not complete."""
        return self._intake.receiving or self._framer.midway

    def greeting(self) -> bytes:
        return replies.greeting(self._terms.hostname).octets

    def receive(self, octets: bytes) -> None:
        """Take what arrived."""
        self._framer.receive(octets)
        self.starved = False

    def secured(self) -> None:
        """TLS is active now: everything said before is forgotten (RFC 3207 section 4.2)."""
        self._framer.clear()
        self._state = Anonymous()
        self.tls_due = False
        self.starved = True

    def close(self) -> None:
        """Give back what the session holds; the connection is gone."""
        self._abandon()

    async def advance(self) -> bytes:
        """Work through what arrived until replies have to be written.

        Returns: the replies, to be sent in one write; empty when there is nothing to say.
        """
        self.pause_s = 0.0
        while not (self.closing or self.starved):
            if self._intake.receiving:
                flush = await self._take_data()
            else:
                flush = await self._take_line()
            if flush:
                # What the client sees next it has to answer; asking it saves an empty turn.
                self.starved = self._framer.empty
                break
        octets = b"".join(self._replies)
        self._replies.clear()
        return octets

    # Input: each method takes one unit and says whether the replies must be written now.

    async def _take_line(self) -> bool:
        limits = self._terms.limits
        long = self._dialogue is not None or (
            isinstance(self._state, Anonymous) and self._framer.begins_with(b"AUTH ")
        )
        line = self._framer.next_line(limits.max_auth_octets if long else limits.max_command_octets)
        if line is None:
            self.starved = True
            return False
        self.progress += 1
        if isinstance(line, Break):
            self._take_break(line)
        elif self._dialogue is not None:
            await self._take_response(self._dialogue, line)
        else:
            return await self._take_command(line)
        return True

    def _take_break(self, line: Break) -> None:
        cancelled, self._dialogue = self._dialogue, None
        if line is Break.ENDLESS:
            self._say(replies.ENDLESS)
        elif line is Break.TOO_LONG:
            self._complain(replies.RESPONSE_TOO_LONG if cancelled else replies.TOO_LONG)
        else:
            self._complain(replies.BARE_LF)
            if not self._framer.empty:
                # What stands behind a bare LF may have been smuggled into another's command.
                self._say(replies.PIPELINED_LF)

    async def _take_command(self, line: bytes) -> bool:
        verb, argument = commands.split(line)
        run = _RUN.get(verb)
        if run is None:
            metrics.command("smtp", metrics.UNKNOWN, "5xx").inc()
            known = verb in states.NOT_IMPLEMENTED
            self._complain(replies.NOT_IMPLEMENTED if known else replies.UNKNOWN)
            return True
        # BDAT is judged after its size is known, for its octets follow whatever the reply is.
        refused = None if verb == b"BDAT" else refusal(verb, self._state)
        if refused is None:
            said = await self._guard(run(self, argument))
        else:
            said = refused
            if refused is replies.CHUNKS_BEGUN:
                self._abandon()
        metrics.command("smtp", verb, _outcome(said)).inc()
        if said is None:
            return False
        if said.code in _BAD_CODES:
            self._complain(said)
            return True
        self._say(said)
        if verb in _JUNK or said.code in _OUT_OF_PLACE:
            self._count_junk()
        return verb not in _GROUPED or self.closing

    async def _take_response(self, dialogue: Dialogue, line: bytes) -> None:
        self._dialogue = None
        if line == b"*":
            self._complain(replies.CANCELLED)
            return
        said = await self._guard(self._respond(dialogue, line))
        assert said is not None
        if said.code in _BAD_CODES:
            self._complain(said)
        else:
            self._say(said)

    async def _take_data(self) -> bool:
        intake = self._intake
        rest = await intake.take(self._framer.rest())
        if rest is None:
            self.starved = True
            if intake.endless and intake.refusal is not None:
                self._say(intake.refusal)
                self._say(replies.TOO_MUCH)
            return False
        self._framer.receive(rest)
        self.progress += 1
        if intake.partial:
            self._say(replies.CHUNK_OK)
            return False
        said = await self._guard(self._finish())
        assert said is not None
        self._say(said)
        return True

    # Output

    def _say(self, said: Reply) -> None:
        self._replies.append(said.octets)
        if said.final:
            self.closing = True

    def _complain(self, said: Reply) -> None:
        """A reply to something that could not be read; too many of them end the session."""
        self._bad += 1
        self._say(
            said if self._bad <= self._terms.limits.max_bad_commands else replies.TOO_MANY_BAD
        )

    def _count_junk(self) -> None:
        self._junk += 1
        if self._junk > self._terms.limits.max_junk_commands:
            self._replies[-1] = replies.TOO_MANY_JUNK.octets
            self.closing = True

    async def _guard(self, work: Awaitable[Reply | None]) -> Reply | None:
        """The reply that ``work`` leads to, whatever becomes of it."""
        try:
            return await work
        except Refused as refused:
            return refused.reply
        except Problem as problem:
            return replies.problem(problem.column.smtp, problem.message, problem.fix)
        except Exception:
            metrics.FAULTS.labels("smtp").inc()
            _log.exception("a command failed in %s", type(self._state).__name__)
            return replies.INTERNAL

    # Commands: each returns its reply, or None when the reply comes later.

    async def _ehlo(self, argument: bytes) -> Reply:
        self._greeted(argument, extended=True)
        return self._terms.hello(protected=not isinstance(self._state, Unprotected))

    async def _helo(self, argument: bytes) -> Reply:
        self._greeted(argument, extended=False)
        return replies.reply(250, None, self._terms.hostname)

    def _greeted(self, argument: bytes, *, extended: bool) -> None:
        """A valid EHLO or HELO also ends a transaction (RFC 5321 section 4.1.4)."""
        name = commands.hello(argument, self._terms.limits.max_hello_octets)
        self._abandon()
        hello = Hello(name, extended)
        match self._state:
            case Ready(actor):
                self._state = Ready(actor, hello)
            case Anonymous():
                self._state = Anonymous(hello)
            case _:
                self._state = Unprotected(hello)

    async def _starttls(self, argument: bytes) -> Reply:
        commands.no_argument(argument)
        # Whoever could write behind STARTTLS in plain text must not be heard under TLS.
        self._framer.clear()
        self.tls_due = self.starved = True
        return replies.READY_FOR_TLS

    async def _auth(self, argument: bytes) -> Reply:
        auth = commands.auth(argument)
        dialogue = Dialogue(auth.mechanism)
        if auth.initial is None:
            self._dialogue = dialogue
            return dialogue.begin()
        return await self._answer(dialogue, auth.initial)

    async def _respond(self, dialogue: Dialogue, line: bytes) -> Reply:
        return await self._answer(dialogue, commands.decode(line))

    async def _answer(self, dialogue: Dialogue, response: bytes) -> Reply:
        try:
            step = dialogue.respond(response)
            if isinstance(step, Reply):
                self._dialogue = dialogue
                return step
            return await self._login(step)
        except Refused as refused:
            if refused.reply.code in _BAD_CODES:
                raise
            LOGINS.labels("smtp", AuthenticationFailed.column.code).inc()
            return self._login_failed(refused.reply)
        except Problem as problem:
            LOGINS.labels("smtp", problem.code).inc()
            code, enhanced = problem.column.smtp
            if code != 421:
                # The replies that RFC 4954 section 6 knows for AUTH.
                code = 454 if 400 <= code < 500 else 535
            return self._login_failed(
                replies.problem((code, enhanced), problem.message, problem.fix)
            )

    async def _login(self, login: Login) -> Reply:
        actor = await self._desk.authenticate(login.username, login.password, self._peer)
        LOGINS.labels("smtp", "ok").inc()
        actor_id.set(actor.credential)
        self._state = Ready(actor, self._state.hello)
        return replies.AUTHENTICATED

    def _login_failed(self, said: Reply) -> Reply:
        self._failed_logins += 1
        self.pause_s = self._terms.limits.failed_login_s
        if self._failed_logins < self._terms.limits.max_failed_logins or said.final:
            return said
        return Reply(421, said.octets + replies.TOO_MANY_LOGINS.octets)

    async def _mail(self, argument: bytes) -> Reply:
        ready = self._state
        assert isinstance(ready, Ready)
        assert ready.hello is not None
        mail = commands.mail(argument, extended=ready.hello.extended)
        if mail.size is not None and mail.size > self._terms.message.max_octets:
            return replies.TOO_LARGE
        if not mail.address and not self._terms.null_reverse_path:
            return replies.NO_NULL_SENDER
        if mail.release is not None and not self._terms.holds_until(mail.release):
            return replies.TOO_FAR_AHEAD
        await self._desk.reverse_path(ready.actor, mail.address)
        if mail.release is not None:
            await self._desk.hold(ready.actor)
        self._state = Addressing(ready, mail)
        return replies.SENDER_OK

    async def _rcpt(self, argument: bytes) -> Reply:
        state = self._state
        assert isinstance(state, Addressing)
        assert state.hello is not None
        path = commands.rcpt(
            argument,
            extended=state.hello.extended,
            smtputf8=state.mail.smtputf8,
            hostname=self._terms.hostname,
        )
        if len(state.forward_paths) >= self._terms.message.max_recipients:
            return replies.TOO_MANY_RECIPIENTS
        await self._desk.forward_path(state.ready.actor, path.address)
        self._state = Addressing(state.ready, state.mail, (*state.forward_paths, path))
        return replies.RECIPIENT_OK

    async def _data(self, argument: bytes) -> Reply:
        commands.no_argument(argument)
        state = self._state
        assert isinstance(state, Addressing)
        said = await self._intake.start_data(state.mail.size or 0)
        if said is not replies.START_DATA:
            self._abandon()
        return said

    async def _bdat(self, argument: bytes) -> Reply | None:
        try:
            chunk = commands.bdat(argument)
        except Refused:
            self._abandon()
            raise
        said = await self._start_chunk(chunk)
        if said is None:
            return None
        # A failed BDAT fails its transaction, and its octets are on their way nevertheless.
        self._abandon()
        if chunk.octets > self._terms.limits.max_swallowed_octets:
            self._say(said)
            return replies.TOO_MUCH
        self._intake.pass_over(chunk.octets, said)
        return None

    async def _start_chunk(self, chunk: commands.Chunk) -> Reply | None:
        refused = refusal(b"BDAT", self._state)
        if refused is not None or not (chunk.octets or chunk.last):
            self._junk += 1
            if self._junk > self._terms.limits.max_junk_commands:
                return replies.TOO_MANY_JUNK
        if refused is not None:
            return refused
        if isinstance(self._state, Addressing):
            self._state = Chunking(self._state)
        return await self._intake.start_chunk(chunk)

    async def _rset(self, argument: bytes) -> Reply:
        commands.no_argument(argument)
        self._abandon()
        return replies.OK

    async def _noop(self, argument: bytes) -> Reply:
        commands.text(argument)
        return replies.OK

    async def _vrfy(self, argument: bytes) -> Reply:
        commands.verify(argument)
        return replies.CANNOT_VERIFY

    async def _help(self, argument: bytes) -> Reply:
        commands.text(argument)
        return replies.HELP

    async def _quit(self, argument: bytes) -> Reply:
        commands.no_argument(argument)
        return replies.BYE

    # The transaction

    async def _finish(self) -> Reply:
        """The end of the message: it succeeds or fails, and the transaction is over."""
        try:
            message = self._intake.finish()
            if isinstance(message, Reply):
                return message
            state = self._state
            addressing = state.addressing if isinstance(state, Chunking) else state
            assert isinstance(addressing, Addressing)
            receipt = await self._desk.submit(
                addressing.ready.actor, addressing.envelope(), message
            )
        finally:
            self._abandon()
        self._bad = self._junk = 0
        return replies.accepted(receipt.message_id, receipt.thread_id, duplicate=receipt.duplicate)

    def _abandon(self) -> None:
        """No transaction any more (RFC 5321 section 4.1.1.5)."""
        state = self._state
        if isinstance(state, Chunking):
            self._state = state.addressing.ready
        elif isinstance(state, Addressing):
            self._state = state.ready
        self._intake.drop()


_RUN: Final[dict[bytes, Callable[[Session, bytes], Awaitable[Reply | None]]]] = {
    b"EHLO": Session._ehlo,
    b"HELO": Session._helo,
    b"STARTTLS": Session._starttls,
    b"AUTH": Session._auth,
    b"MAIL": Session._mail,
    b"RCPT": Session._rcpt,
    b"DATA": Session._data,
    b"BDAT": Session._bdat,
    b"RSET": Session._rset,
    b"NOOP": Session._noop,
    b"VRFY": Session._vrfy,
    b"HELP": Session._help,
    b"QUIT": Session._quit,
}
assert frozenset(_RUN) == states.COMMANDS


def _outcome(said: Reply | None) -> str:
    """A reply as metrics count it; BDAT is answered after its octets."""
    return "later" if said is None else f"{said.code // 100}xx"
