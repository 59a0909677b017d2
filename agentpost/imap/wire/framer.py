"""Where one IMAP command ends and the next begins (RFC 9051 sections 2.2.1 and 4.3, RFC 7888).

Knows lines and literals, nothing of what they mean.  Octets are fed as they arrive; complete
commands come out one at a time, the same however the octets were cut.

Theory of operation.  The framer is always in one of these states::

    LINE          a line of a command is being gathered
    LITERAL       the octets of an accepted literal are being gathered
    WAITING       a synchronising literal was announced; the server must grant or refuse it
    REPLY         one line that is not a command is expected (IDLE, AUTHENTICATE)
    SWALLOW_LINE  the rest of a refused command's line is dropped
    SWALLOW       the octets of a refused non-synchronising literal are dropped
    CLOSED        the connection has to end

After the refusal of a synchronising literal the command is simply over, because the client sends
nothing more of it.  A refused non-synchronising literal is under way already: it and the line
behind it are dropped up to a bound, beyond that the connection ends (RFC 7888 section 4).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

from agentpost.limits import FramingLimits

_ANNOUNCEMENT = re.compile(rb"\{(0|[1-9][0-9]*+)(\+?)\}\Z")
_HEAD = re.compile(
    rb"(?P<tag>[!#$&',\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]++)(?: (?P<name>(?:[Uu][Ii][Dd] )?[A-Za-z0-9-]++))?"
)
_MAX_DIGITS = 19  # 2^63 - 1, the largest number64, has nineteen
_TAIL_OCTETS = 64  # of a dropped line: an announcement worth obeying is shorter
_SHOWN_TAG_OCTETS = 256  # a longer tag is not repeated in a reply

MESSAGE_COMMANDS = frozenset({b"APPEND", b"REPLACE", b"UID REPLACE"})
"""Commands whose literals are messages, bounded by the size of a message."""

LITERAL8_COMMANDS = MESSAGE_COMMANDS
"""Commands that take ``~{n}`` (RFC 3516, RFC 4466)."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One complete command.

    ``text`` is all its line text without CR LF; a literal stands there as its announcement
    ``{n}``.  ``marks[i]`` is the position in ``text`` behind the announcement of ``literals[i]``,
    so that a brace that announced nothing is told from one that did.
    """

    text: bytes
    literals: tuple[bytes, ...] = ()
    marks: tuple[int, ...] = ()

    @property
    def octets(self) -> int:
        """What the command takes in memory, for the byte budget."""
        return len(self.text) + sum(map(len, self.literals))


@dataclass(frozen=True, slots=True)
class Line:
    """One line that answers a continuation request: ``DONE``, base64 or ``*``."""

    text: bytes


@dataclass(frozen=True, slots=True)
class NeedContinuation:
    """A synchronising literal of ``size`` octets waits for ``grant()`` or ``refuse()``.

    ``name`` is the command in upper case (``b"APPEND"``, ``b"UID REPLACE"``), ``held`` the octets
    of the command so far, ``text`` its line text so far: enough to look at a mailbox name before
    its message is let in.
    """

    size: int
    tag: bytes | None
    name: bytes
    held: int
    text: bytes


@dataclass(frozen=True, slots=True)
class Rejected:
    """The command is over before it was complete: answer it, and close when ``fatal``.

    ``tag`` is None when the octets had none; the answer is then untagged, as it is when fatal
    (``* BYE``).
    """

    tag: bytes | None
    condition: Literal["NO", "BAD"]
    code: str | None
    text: str
    fatal: bool = False


Happening = Frame | Line | NeedContinuation | Rejected


class _State(Enum):
    LINE = auto()
    LITERAL = auto()
    WAITING = auto()
    REPLY = auto()
    SWALLOW_LINE = auto()
    SWALLOW = auto()
    CLOSED = auto()


_BETWEEN_COMMANDS = frozenset({_State.LINE, _State.REPLY, _State.CLOSED})


def _announcement(text: bytes) -> tuple[int, bool, bool] | None:
    """Size, whether it waits for us and whether it is a literal8, of a literal that ``text`` ends
    with; None when it ends with none or its count is malformed."""
    brace = text.rfind(b"{")
    match = _ANNOUNCEMENT.match(text, brace) if brace >= 0 else None
    if match is None:
        return None
    size = int(match[1]) if len(match[1]) <= _MAX_DIGITS else 1 << 63
    return size, not match[2], text[brace - 1 : brace] == b"~"


def head(text: bytes) -> tuple[bytes | None, bytes]:
    """Tag and upper-case command name of the beginning of a command.

    ``UID FETCH`` is one name.  The tag is None when there is none that a reply could repeat, the
    name empty when none is readable.
    """
    match = _HEAD.match(text)
    if match is None or match.end("tag") > _SHOWN_TAG_OCTETS:
        return None, b""
    if match["name"] is None and match.end() < len(text) and text[match.end()] != 0x20:
        return None, b""
    return match["tag"], (match["name"] or b"").upper()


class Framer:
    """Cuts a stream of octets into commands.  One per connection; not thread-safe."""

    __slots__ = (
        "_buffer", "_gathered", "_held", "_limits", "_literals", "_marks", "_pieces",
        "_remaining", "_scanned", "_start", "_state", "_swallowed", "_tail", "_text_octets",
    )  # fmt: skip

    def __init__(self, limits: FramingLimits) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._start = 0  # consumed octets at the front of the buffer
        self._scanned = 0  # no LF before this position
        self._state = _State.LINE
        self._remaining = 0  # octets of the literal being gathered or dropped
        self._swallowed = 0
        self._tail = b""
        self._pieces: list[bytes] = []
        self._literals: list[bytes] = []
        self._marks: list[int] = []
        self._text_octets = 0
        self._gathered = 0  # octets of the unfinished command
        self._held = 0  # the same, its messages apart

    @property
    def limits(self) -> FramingLimits:
        """The bounds in force; set other ones after login."""
        return self._limits

    @limits.setter
    def limits(self, limits: FramingLimits) -> None:
        self._limits = limits

    @property
    def buffered(self) -> int:
        """Octets held for commands that are not complete or not asked for yet."""
        return len(self._buffer) - self._start + self._gathered

    @property
    def inside_command(self) -> bool:
        """Whether the client owes the rest of a command, so that a shorter deadline applies."""
        idle = self._state in _BETWEEN_COMMANDS
        return not idle or bool(self._pieces) or len(self._buffer) > self._start

    def feed(self, octets: bytes | bytearray | memoryview) -> None:
        """Take octets as they arrived; ask ``next_event()`` until it has nothing more."""
        if self._state is _State.CLOSED:
            return
        if self._start:
            del self._buffer[: self._start]
            self._scanned -= self._start
            self._start = 0
        self._buffer += octets

    def next_event(self) -> Happening | None:
        """The next command or question, or None when more octets are needed.

        Raises: RuntimeError when the last NeedContinuation was neither granted nor refused.
        """
        while True:
            state = self._state
            if state is _State.LINE or state is _State.REPLY:
                event, again = self._take_line()
            elif state is _State.LITERAL:
                event, again = None, self._take_literal()
            elif state is _State.SWALLOW_LINE:
                event, again = self._swallow_line()
            elif state is _State.SWALLOW:
                event, again = None, self._swallow()
            elif state is _State.WAITING:
                raise RuntimeError("grant() or refuse() the literal first")
            else:
                return None
            if not again:
                return event

    def grant(self) -> None:
        """Let the announced literal in; the server sends its continuation request now."""
        if self._state is not _State.WAITING:
            raise RuntimeError("no literal waits for a grant")
        self._state = _State.LITERAL

    def refuse(self) -> None:
        """End the command whose literal waits; the server sends its tagged reply now."""
        if self._state is not _State.WAITING:
            raise RuntimeError("no literal waits for a refusal")
        self._forget()

    def expect_line(self) -> None:
        """Read one line as the reply to a continuation request, not as a command."""
        if self._state is not _State.LINE or self._pieces:
            raise RuntimeError("a command is being read")
        self._state = _State.REPLY

    def expect_command(self) -> None:
        """Take ``expect_line`` back: no complete line has come."""
        if self._state is _State.REPLY:
            self._state = _State.LINE

    # Lines

    def _take_line(self) -> tuple[Happening | None, bool]:
        end = self._buffer.find(b"\n", self._scanned)
        limit = self._limits.max_line_octets
        if end < 0:
            self._scanned = len(self._buffer)
            # The line may still lack its CR LF: one octet of it may have arrived.
            if self._scanned - self._start > limit + 1:
                return self._line_too_long(), False
            return None, False
        start = self._start
        whole = end > start and self._buffer[end - 1] == 0x0D
        text = bytes(memoryview(self._buffer)[start : end - 1 if whole else end])
        if len(text) > limit:
            return self._line_too_long(), False
        self._start = self._scanned = end + 1
        if not whole:
            return self._reject_line(text, "lines end with CR LF"), False
        if self._state is _State.REPLY:
            self._state = _State.LINE
            return Line(text), False
        if text.endswith(b"}"):
            announced = _announcement(text)
            if announced is not None:
                return self._announced(text, *announced)
        return self._complete(text), False

    def _complete(self, text: bytes) -> Frame:
        if not self._pieces:
            return Frame(text)
        self._pieces.append(text)
        frame = Frame(b"".join(self._pieces), tuple(self._literals), tuple(self._marks))
        self._forget()
        return frame

    def _line_too_long(self) -> Rejected:
        if self._state is _State.REPLY:
            self._close()
            return Rejected(None, "BAD", None, "the line is too long", fatal=True)
        limit = self._limits.max_line_octets
        first = self._pieces[0] if self._pieces else b""
        tag, _ = head(first or bytes(self._buffer[self._start : self._start + limit]))
        self._forget()
        self._state = _State.SWALLOW_LINE
        self._scanned = self._start
        return Rejected(tag, "BAD", None, "the line is too long")

    # Literals

    def _announced(
        self, text: bytes, size: int, waits: bool, is_literal8: bool
    ) -> tuple[Happening | None, bool]:
        tag, name = head(self._pieces[0] if self._pieces else text)
        limits = self._limits
        if is_literal8 and name not in LITERAL8_COMMANDS:
            refusal = Rejected(tag, "BAD", None, "a literal8 is not allowed here")
        elif not waits and size > limits.max_nonsynchronizing_octets:
            refusal = Rejected(
                tag, "BAD", "TOOBIG", "a literal of this size must wait for a continuation request"
            )
        elif len(self._literals) >= limits.max_literals:
            refusal = Rejected(tag, "BAD", "LIMIT", "too many literals in one command")
        elif name in MESSAGE_COMMANDS and size > limits.max_message_octets:
            refusal = Rejected(tag, "NO", "TOOBIG", "the message is too large")
        elif (
            self._held + len(text) + (0 if name in MESSAGE_COMMANDS else size)
            > limits.max_argument_octets
        ):
            refusal = Rejected(tag, "NO", "TOOBIG", "the arguments are too large")
        else:
            return self._accept(text, size, tag, name, waits=waits)
        self._forget()
        if waits:
            return refusal, False
        return self._swallow_literal(refusal, size), False

    def _accept(
        self, text: bytes, size: int, tag: bytes | None, name: bytes, *, waits: bool
    ) -> tuple[Happening | None, bool]:
        self._pieces.append(text)
        self._text_octets += len(text)
        self._gathered += len(text)
        self._held += len(text) + (0 if name in MESSAGE_COMMANDS else size)
        self._marks.append(self._text_octets)
        self._remaining = size
        if not waits:
            self._state = _State.LITERAL
            return None, True
        self._state = _State.WAITING
        so_far = b"".join(self._pieces)
        return NeedContinuation(size, tag, name, self._gathered, so_far), False

    def _take_literal(self) -> bool:
        end = self._start + self._remaining
        if len(self._buffer) < end:
            return False
        self._literals.append(bytes(memoryview(self._buffer)[self._start : end]))
        self._gathered += self._remaining
        self._start = self._scanned = end
        if end > 65_536:  # let go of a large upload at once, not with the next feed
            del self._buffer[:end]
            self._start = self._scanned = 0
        self._state = _State.LINE
        return True

    # Refusals

    def _reject_line(self, text: bytes, why: str) -> Rejected:
        """Refuse a command at the end of a line, and drop what already follows it."""
        replying = self._state is _State.REPLY
        tag, _ = head(self._pieces[0] if self._pieces else text)
        self._forget()
        if replying:
            return Rejected(None, "BAD", None, why)
        refusal = Rejected(tag, "BAD", None, why)
        size, waits, _ = _announcement(text) or (0, True, False)
        return refusal if waits else self._swallow_literal(refusal, size)

    def _swallow_literal(self, refusal: Rejected, size: int) -> Rejected:
        if self._swallowed + size > self._limits.max_swallowed_octets:
            self._close()
            return Rejected(refusal.tag, refusal.condition, refusal.code, refusal.text, fatal=True)
        self._swallowed += size
        self._remaining = size
        self._state = _State.SWALLOW
        return refusal

    def _swallow(self) -> bool:
        here = min(self._remaining, len(self._buffer) - self._start)
        self._start += here
        self._scanned = self._start
        self._remaining -= here
        if self._remaining:
            return False
        self._state = _State.SWALLOW_LINE
        return True

    def _swallow_line(self) -> tuple[Happening | None, bool]:
        end = self._buffer.find(b"\n", self._scanned)
        stop = len(self._buffer) if end < 0 else end + 1
        dropped = bytes(memoryview(self._buffer)[max(self._start, stop - _TAIL_OCTETS) : stop])
        self._tail = (self._tail + dropped)[-_TAIL_OCTETS:]
        self._swallowed += stop - self._start
        self._start = self._scanned = stop
        if self._swallowed > self._limits.max_swallowed_octets:
            self._close()
            return Rejected(None, "BAD", "TOOBIG", "the command is too large", fatal=True), False
        if end < 0:
            return None, False
        size, waits, _ = _announcement(self._tail.rstrip(b"\r\n")) or (0, True, False)
        self._tail = b""
        if waits:
            self._forget()
            return None, True
        refusal = Rejected(None, "BAD", "TOOBIG", "the command is too large")
        settled = self._swallow_literal(refusal, size)
        return (settled, False) if settled.fatal else (None, True)

    def _forget(self) -> None:
        if self._pieces:
            self._pieces = []
            self._literals = []
            self._marks = []
        self._text_octets = self._gathered = self._held = self._remaining = self._swallowed = 0
        self._tail = b""
        self._state = _State.LINE

    def _close(self) -> None:
        self._forget()
        self._buffer.clear()
        self._start = self._scanned = 0
        self._state = _State.CLOSED
