"""Where octets live that are too large for a row: files, written before the transaction.

A file is named by its blob's id, so two messages never share one and the sweep of orphans (files
no row speaks of after a day) cannot race a writer.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import trio

from agentpost import clock


class DiskBlobs:
    """Blobs as files under one directory, two levels deep, fsynced before they are spoken of."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put(self, blob_id: str, octets: bytes) -> str:
        """Write ``octets`` durably; returns the location to keep in the row."""
        location = f"{blob_id[-2:]}/{blob_id}"
        await trio.to_thread.run_sync(self._write, location, octets)
        return location

    async def get(self, location: str, most: int | None = None) -> bytes:
        """The octets at ``location``, at most the first ``most``.  Raises OSError when gone."""
        return await trio.to_thread.run_sync(self._read, location, most)

    async def piece(self, location: str, start: int, length: int) -> bytes:
        """At most ``length`` octets from ``start`` on.  Raises OSError when they are gone."""
        return await trio.to_thread.run_sync(self._read_piece, location, start, length)

    async def remove(self, location: str) -> None:
        """Forget the octets at ``location``; nothing happens when they are gone already."""
        await trio.to_thread.run_sync(lambda: (self._root / location).unlink(missing_ok=True))

    def older_than(self, age: timedelta) -> list[str]:
        """Locations of files last written more than ``age`` ago; for the sweep, in a thread."""
        if not self._root.is_dir():
            return []
        limit: datetime = clock.now() - age
        return [
            str(path.relative_to(self._root))
            for path in self._root.glob("*/blob_*")
            if path.stat().st_mtime < limit.timestamp()
        ]

    def _read(self, location: str, most: int | None) -> bytes:
        with (self._root / location).open("rb") as file:
            return file.read() if most is None else file.read(most)

    def _read_piece(self, location: str, start: int, length: int) -> bytes:
        with (self._root / location).open("rb") as file:
            file.seek(start)
            return file.read(length)

    def _write(self, location: str, octets: bytes) -> None:
        path = self._root / location
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = path.with_suffix(".part")
        with open(temporary, "wb", opener=_private) as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
