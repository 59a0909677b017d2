"""The octets of one message on their way in, by DATA or by BDAT, and the memory they need.

A message that is lost (too large, no memory, a chunk out of place) still arrives to its end:
the intake passes over it and then says why, so that the connection stays in step.
"""

from __future__ import annotations

from agentpost.limits import SubmissionLimits
from agentpost.smtp.desk import Memory
from agentpost.smtp.wire import replies
from agentpost.smtp.wire.commands import Chunk
from agentpost.smtp.wire.data import ChunkReceiver, DataReceiver, canonical
from agentpost.smtp.wire.replies import Reply


class Intake:
    """Takes one message after the other; :meth:`drop` stands between two of them."""

    __slots__ = (
        "_body",
        "_limits",
        "_max_octets",
        "_memory",
        "_partial",
        "_receiver",
        "_reserved",
        "_swallowed",
        "refusal",
    )

    def __init__(self, memory: Memory, limits: SubmissionLimits, max_octets: int) -> None:
        self._memory = memory
        self._limits = limits
        self._max_octets = max_octets
        self._receiver: DataReceiver | ChunkReceiver | None = None
        # The chunks so far; None for DATA, which its receiver holds.
        self._body: bytearray | None = None
        self._partial = False
        self._reserved = 0
        self._swallowed = 0
        self.refusal: Reply | None = None
        """What the message will be answered when all of it has gone by; it is lost."""

    @property
    def receiving(self) -> bool:
        """Whether octets that arrive belong to a message."""
        return self._receiver is not None

    @property
    def partial(self) -> bool:
        """Whether what was complete last is a chunk with others to follow."""
        return self._partial and self.refusal is None

    @property
    def endless(self) -> bool:
        """Whether more of a lost message has gone by than we care to read."""
        return self._swallowed > self._limits.max_swallowed_octets

    async def start_data(self, announced: int) -> Reply:
        """Begin to take DATA of a message whose size was announced (0: it was not)."""
        if not await self._reserve(max(announced, self._limits.reservation_octets)):
            return replies.NO_MEMORY
        self._partial = False
        self._receiver = DataReceiver(self._max_octets)
        return replies.START_DATA

    async def start_chunk(self, chunk: Chunk) -> Reply | None:
        """Begin to take a chunk; the reply when it cannot be taken, and nothing has begun."""
        body = bytearray() if self._body is None else self._body
        size = len(body) + chunk.octets
        if size > self._max_octets:
            return replies.TOO_LARGE
        if not await self._reserve(size):
            return replies.NO_MEMORY
        self._body = body
        self._partial = not chunk.last
        self._receiver = ChunkReceiver(chunk.octets, body)
        return None

    def pass_over(self, octets: int, said: Reply) -> None:
        """Take a chunk that nobody wants; ``said`` is its answer."""
        self.drop()
        self.refusal = said
        self._receiver = ChunkReceiver(octets, None)

    async def take(self, octets: bytes) -> bytes | None:
        """Add what arrived.

        Returns: what follows the message or chunk, or ``None`` when that is not complete.
        """
        receiver = self._receiver
        assert receiver is not None
        rest = receiver.take(octets)
        if rest is not None:
            self._receiver = receiver if isinstance(receiver, DataReceiver) else None
            return rest
        if isinstance(receiver, DataReceiver) and self.refusal is None:
            if receiver.discarding:
                self._lose(replies.TOO_LARGE)
            elif not await self._reserve(receiver.size):
                receiver.discard()
                self._lose(replies.NO_MEMORY)
        if self.refusal is not None:
            self._swallowed += len(octets)
        return None

    def finish(self) -> bytes | Reply:
        """The complete message, or why it is refused; its memory stays taken until drop()."""
        receiver, self._receiver = self._receiver, None
        if self.refusal is not None:
            return self.refusal
        if isinstance(receiver, DataReceiver):
            message = receiver.message()
        else:
            message = None if self._body is None else bytes(self._body)
        self._body = None
        if message is None or len(message) > self._max_octets:
            return replies.TOO_LARGE
        return message if canonical(message) else replies.BARE_LINE_ENDING

    def drop(self) -> None:
        """Forget the message and give its memory back."""
        self._receiver = self._body = self.refusal = None
        self._partial = False
        self._swallowed = 0
        self._release()

    def _lose(self, said: Reply) -> None:
        self.refusal = said
        self._release()

    async def _reserve(self, octets: int) -> bool:
        """See that ``octets`` of memory are granted to this message in all."""
        more = octets - self._reserved
        if more <= 0:
            return True
        # A growing message asks seldom: each time for as much again as it has.
        if self._reserved:
            more = min(max(more, self._reserved), self._max_octets)
        if not await self._memory.reserve(more):
            return False
        self._reserved += more
        return True

    def _release(self) -> None:
        if self._reserved:
            self._memory.release(self._reserved)
            self._reserved = 0
