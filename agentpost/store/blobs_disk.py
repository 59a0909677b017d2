"""Blobs as files under one directory, two levels deep, fsynced before they are spoken of."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from io import BufferedWriter
from pathlib import Path
from typing import TypeVar

import trio

from agentpost import clock
from agentpost.errors import Overloaded
from agentpost.ids import ulid
from agentpost.store.blobs import KINDS, Aged, Offer, Ticket, location_of

T = TypeVar("T")

log = logging.getLogger(__name__)


class DiskBlobs:
    """:class:`~agentpost.store.blobs.Blobs` on a file system, which all instances must share."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put(self, blob_id: str, octets: bytes) -> str:
        """See Blobs."""
        location = location_of(blob_id)
        await self._do(lambda: self._write(location, octets))
        return location

    async def write(self, blob_id: str, pieces: AsyncIterator[bytes]) -> str:
        """See Blobs."""
        location = location_of(blob_id)
        path = self._root / location
        # Not the name of another writer of the same blob, which may be at work still.
        temporary = path.with_name(f"{path.name}.{ulid()}.part")
        file = await self._do(lambda: _opened(temporary))
        try:
            async for piece in pieces:
                await self._do(partial(file.write, piece))
            await self._do(lambda: _kept(file, temporary, path))
        except BaseException:
            with trio.CancelScope(shield=True):
                await self._do(lambda: _dropped(file, temporary))
            raise
        return location

    async def get(self, location: str, most: int | None = None) -> bytes:
        """See Blobs."""
        return await self._do(lambda: self._read(location, 0, most))

    async def piece(self, location: str, start: int, length: int) -> bytes:
        """See Blobs."""
        return await self._do(lambda: self._read(location, start, length))

    async def size(self, location: str) -> int:
        """See Blobs."""
        return await self._do(lambda: (self._root / location).stat().st_size)

    async def remove(self, location: str) -> None:
        """See Blobs."""
        await self._do(lambda: (self._root / location).unlink(missing_ok=True))

    async def older_than(self, age: timedelta, after: str | None = None) -> Aged:
        """See Blobs; one directory at a time."""
        return await self._do(lambda: self._aged(clock.now() - age, after))

    async def download_url(
        self, location: str, name: str, media: str, ends: datetime
    ) -> str | None:
        """None: files are given by the server."""
        return None

    async def ticket(self, location: str, offer: Offer, ends: datetime) -> Ticket | None:
        """None: files are taken by the server."""
        return None

    async def _do(self, work: Callable[[], T]) -> T:
        try:
            return await trio.to_thread.run_sync(work)
        except FileNotFoundError:
            raise
        except OSError as error:
            # A full disk, a file server that is away: the message stays with its sender.
            log.error("the directory of large messages: %s", error)
            raise Overloaded("Large messages cannot be kept now.", retry_after=5.0) from error

    # --- in a thread ----------------------------------------------------------------------

    def _aged(self, limit: datetime, after: str | None) -> Aged:
        if not self._root.is_dir():
            return Aged((), None)
        directories = sorted(
            entry.name
            for entry in self._root.iterdir()
            if entry.is_dir() and (after is None or entry.name > after)
        )
        if not directories:
            return Aged((), None)
        first = directories[0]
        old = [
            f"{first}/{entry.name}"
            for entry in (self._root / first).iterdir()
            if entry.name.startswith(KINDS) and _written(entry) < limit.timestamp()
        ]
        return Aged(tuple(sorted(old)), first if len(directories) > 1 else None)

    def _read(self, location: str, start: int, length: int | None) -> bytes:
        with (self._root / location).open("rb") as file:
            file.seek(start)
            return file.read() if length is None else file.read(length)

    def _write(self, location: str, octets: bytes) -> None:
        path = self._root / location
        temporary = path.with_suffix(".part")
        with _opened(temporary) as file:
            file.write(octets)
            _kept(file, temporary, path)


def _opened(path: Path) -> BufferedWriter:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return open(path, "wb", opener=_private)  # The caller closes it.


def _kept(file: BufferedWriter, temporary: Path, path: Path) -> None:
    """Make a written file durable, then give it its name."""
    file.flush()
    os.fsync(file.fileno())
    file.close()
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _dropped(file: BufferedWriter, temporary: Path) -> None:
    # Closing writes what is in its buffer, for which there may be no room.
    with suppress(OSError):
        file.close()
    temporary.unlink(missing_ok=True)


def _written(path: Path) -> float:
    """When the file was last written; never for one that is gone by now."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
