"""Files on their way into messages: announced, received, and read when a message names them.

The octets lie where large messages lie.  Nothing says that they have come: whoever was given leave
to put them may do so without passing here, so a message that names them looks.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import trio

from agentpost import clock
from agentpost.budget import ByteBudget
from agentpost.errors import FieldError, Overloaded, TooLarge, UnknownField
from agentpost.limits import FileLimits, MessageLimits
from agentpost.mail.reading import beside
from agentpost.model.actor import Actor
from agentpost.model.upload import NewUpload, Upload
from agentpost.store.blobs import Blobs, Offer, Ticket, location_of
from agentpost.store.store import Where
from agentpost.store.uploads import Uploads

_LINE_OCTETS = 57
_ENCODED_LINE_OCTETS = 78
"""Base64 makes 76 characters and a line end of 57 octets (RFC 2045 section 6.8)."""
_PATIENCE_S = 20.0
"""How long a message waits for room for its files."""


@dataclass(frozen=True, slots=True)
class Held:
    """A file that was uploaded, with its octets."""

    upload: Upload
    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Named:
    """A file that a message names: its key, and where in the request that stands."""

    key: str
    path: str


class Attaching:
    """The counter where files are handed in."""

    def __init__(
        self,
        uploads: Uploads,
        blobs: Blobs,
        message: MessageLimits,
        limits: FileLimits | None = None,
    ) -> None:
        self._uploads = uploads
        self._blobs = blobs
        self._message = message
        self._limits = limits or FileLimits()
        self._room = ByteBudget(max(self._limits.held_octets, message.max_octets))

    @property
    def most(self) -> int:
        """Octets of the largest file that fits into a message."""
        return self._message.max_octets // _ENCODED_LINE_OCTETS * _LINE_OCTETS

    async def announce(self, actor: Actor, file: NewUpload) -> tuple[Upload, Ticket | None]:
        """Give a file its key, and leave to put it where it belongs if the store takes it itself.

        Raises: UnknownField, TooLarge, Limit, NotFound, Overloaded.
        """
        self._check_size(file.size)
        upload = await self._uploads.announce(actor, file)
        offer = Offer(upload.mime_type, upload.size, upload.sha256)
        ends = clock.now() + timedelta(seconds=self._limits.link_s)
        return upload, await self._blobs.ticket(location_of(upload.key), offer, ends)

    async def take(self, actor: Actor, file: NewUpload, octets: bytes) -> Upload:
        """Announce a file and receive it at once.

        Raises: as ``announce``; UnknownField when it is not what ``file`` says.
        """
        self._check_size(len(octets))
        digest = await _checked(file.size, file.sha256, octets, "file")
        # What is left behind when that does not come to its end is swept with its row.
        upload = await self._uploads.announce(
            actor, NewUpload(file.filename, file.mime_type, file.size, digest)
        )
        await self._blobs.put(upload.key, octets)
        return upload

    async def receive(self, actor: Actor, key: str, octets: bytes) -> Upload:
        """Receive a file that was announced; once more is allowed, the last one counts.

        Raises: NotFound when its key has ended; UnknownField when it is another file.
        """
        upload = await self._uploads.get(actor, key)
        await _checked(upload.size, upload.sha256, octets, "body")
        await self._blobs.put(upload.key, octets)
        return upload

    @asynccontextmanager
    async def held(
        self, actor: Actor, scope: str, where: Where, named: Sequence[Named]
    ) -> AsyncIterator[Mapping[str, Held]]:
        """The files that a message names, by their keys, while the message is made.

        Each is read once and held once; what the requests of a worker hold together is bounded.
        Raises: UnknownField for a key that means nothing in the place's environment, and for a
        file that has not come or is not what was announced; TooLarge; NotFound, Forbidden.
        """
        paths = {one.key: one.path for one in reversed(named)}
        found = await self._uploads.some(actor, scope, where, list(paths))
        missing = [path for key, path in paths.items() if key not in found]
        if missing:
            raise _refused(missing, "is no upload of this environment, or has ended")
        self._check_size(sum(found[one.key].size for one in named))
        octets = sum(upload.size for upload in found.values())
        with trio.move_on_after(_PATIENCE_S) as waiting:
            await self._room.acquire(octets)
        if waiting.cancelled_caught:
            raise Overloaded("Too many files are being attached.", retry_after=5.0)
        try:
            yield {key: await self._read(upload, paths[key]) for key, upload in found.items()}
        finally:
            self._room.release(octets)

    def _check_size(self, octets: int) -> None:
        if octets > self.most:
            raise TooLarge(
                f"Files of together more than {self.most} octets do not fit into a message."
            )

    async def _read(self, upload: Upload, path: str) -> Held:
        try:
            # One octet more would show that another file lies there.
            octets = await self._blobs.get(location_of(upload.key), upload.size + 1)
        except FileNotFoundError:
            raise _refused([path], "was announced and not uploaded yet") from None
        await _checked(upload.size, upload.sha256, octets, path)
        return Held(upload, octets)


async def _checked(size: int, sha256: bytes | None, octets: bytes, path: str) -> bytes:
    """The SHA-256 of ``octets``.  Raises: UnknownField when size or hash are not as announced."""
    if len(octets) != size:
        raise _refused([path], f"has not the {size} octets that were announced")
    digest = await beside(size, lambda: hashlib.sha256(octets).digest())
    if sha256 is not None and digest != sha256:
        raise _refused([path], "has not the SHA-256 that was announced")
    return digest


def _refused(paths: Sequence[str], message: str) -> UnknownField:
    errors = tuple(FieldError(path, message) for path in paths)
    return UnknownField(f"{paths[0]}: {message}.", errors=errors)
