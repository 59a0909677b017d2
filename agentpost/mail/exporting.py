"""The file of an export, made piece by piece (R7): no more is in memory than a group of messages.

What is exported is what was there when the attempt began; a message that is deleted meanwhile may
be missing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

import trio

from agentpost import clock
from agentpost.limits import AuditLimits, ExportLimits
from agentpost.mime import maildir, mbox
from agentpost.model.actor import Actor, Scope
from agentpost.model.audit import AuditFilter, told_with_hashes
from agentpost.model.export import Export, Exported
from agentpost.model.message import Message
from agentpost.model.page import PageRequest
from agentpost.store.audit import Audit
from agentpost.store.blobs import Blobs
from agentpost.store.exports import Exports

Line = Callable[[Message, bytes], bytes]
"""A message with its octets as one line of JSON, without the line's end."""


class TooLarge(Exception):
    """The file would have more octets than one may have."""


class Overtaken(Exception):
    """Another attempt has begun, or the export is gone."""


@dataclass(slots=True)
class _Progress:
    """What of a file is made."""

    done: int = 0
    total: int | None = None
    size: int = 0
    noted_at: float = 0.0


class Exporting:
    """Makes the files of exports."""

    def __init__(
        self,
        exports: Exports,
        audit: Audit,
        blobs: Blobs,
        line: Line,
        actor: Actor,
        limits: ExportLimits | None = None,
    ) -> None:
        """``actor`` is who notes how far an export is."""
        self._exports = exports
        self._audit = audit
        self._blobs = blobs
        self._line = line
        self._actor = actor
        self._limits = limits or ExportLimits()

    async def make(self, export: Export) -> None:
        """Write the file of one attempt and finish the export.

        Raises: TooLarge, Overtaken; Overloaded when a store is away.
        """
        assert export.file is not None
        progress = _Progress()
        digest = hashlib.sha256()

        async def measured() -> AsyncGenerator[bytes, None]:
            async with aclosing(self._pieces(export, progress)) as pieces:
                async for piece in pieces:
                    progress.size += len(piece)
                    if progress.size > self._limits.max_octets:
                        raise TooLarge
                    digest.update(piece)
                    yield piece

        async with aclosing(measured()) as pieces:
            await self._blobs.write(export.file, pieces)
        await self._exports.finish(
            self._actor, export, progress.done, progress.size, digest.digest()
        )

    def _pieces(self, export: Export, progress: _Progress) -> AsyncGenerator[bytes, None]:
        if export.kind == "audit":
            return self._log(export, progress)
        return self._mail(export, progress)

    async def _log(self, export: Export, progress: _Progress) -> AsyncGenerator[bytes, None]:
        wanted = AuditFilter(after=export.after, before=export.before)
        progress.total = await self._audit.count(export.reader, wanted)
        position: tuple[str, ...] | None = None
        while True:
            request = PageRequest(AuditLimits().page, descending=False, position=position)
            page = await self._audit.page(export.reader, wanted, request)
            if page.rows:
                lines = (json.dumps(told_with_hashes(row), ensure_ascii=False) for row in page.rows)
                yield ("\n".join(lines) + "\n").encode()
            progress.done += len(page.rows)
            await self._note(export, progress)
            position = page.next_position
            if position is None:
                return

    async def _mail(self, export: Export, progress: _Progress) -> AsyncGenerator[bytes, None]:
        until = clock.now()
        progress.total = await self._total(export, until)
        known: set[str] = set()
        """The directories that stand in the archive already; of the inbox at hand."""
        async with aclosing(self._inboxes(export)) as inboxes:
            async for where in inboxes:
                known.clear()
                after: str | None = ""
                while after is not None:
                    found = await self._exports.messages(export, where, until, after)
                    for group in _groups(found, self._limits.octets):
                        for each, octets in await self._octets(export, where, group):
                            yield self._written(export, each, octets, known, until)
                        progress.done += len(group)
                        await self._note(export, progress)
                    after = found[-1].id if len(found) == self._limits.page else None
        if export.kind == "maildir":
            yield maildir.END

    async def _total(self, export: Export, until: datetime) -> int:
        total = 0
        async with aclosing(self._inboxes(export)) as inboxes:
            async for where in inboxes:
                total += await self._exports.count(export, where, until)
        return total

    async def _inboxes(self, export: Export) -> AsyncGenerator[Scope, None]:
        after = ""
        while True:
            found = await self._exports.inboxes(export, after, self._limits.page)
            for where in found:
                yield where
            if len(found) < self._limits.page:
                return
            assert found[-1].inbox is not None
            after = found[-1].inbox

    async def _octets(
        self, export: Export, where: Scope, group: tuple[Exported, ...]
    ) -> list[tuple[Exported, bytes]]:
        """The messages of a group that are still there, with their octets."""
        found = await self._exports.octets(export, where, [each.id for each in group])
        read = []
        for each in group:
            stored = found.get(each.id)
            if stored is None:
                continue
            octets = stored.octets
            if octets is None:
                assert stored.location is not None
                octets = await self._blobs.get(stored.location)
            read.append((each, octets))
        return read

    def _written(
        self, export: Export, each: Exported, octets: bytes, known: set[str], until: datetime
    ) -> bytes:
        message = each.message
        if export.kind == "jsonl":
            return self._line(message, octets) + b"\n"
        if export.kind == "mbox":
            senders = message.correspondents.from_
            sender = senders[0].email if senders else None
            return mbox.entry(octets, sender, message.created_at)
        directory = maildir.directory(each.address, export.folder or message.folder)
        before = b""
        if directory not in known:
            before = maildir.folder(directory, until)
            known.add(directory)
        moment = message.created_at
        name = maildir.name(message.id, len(octets), moment, message.flags, message.keywords)
        return before + maildir.file(f"{directory}/cur/{name}", octets, moment)

    async def _note(self, export: Export, progress: _Progress) -> None:
        now = trio.current_time()
        if now - progress.noted_at < self._limits.progress_every_s:
            return
        progress.noted_at = now
        done, total = progress.done, progress.total
        if not await self._exports.note(self._actor, export, done, total):
            raise Overtaken


def _groups(found: tuple[Exported, ...], octets: int) -> list[tuple[Exported, ...]]:
    """The same messages in groups of so many octets, or of one larger message."""
    groups: list[list[Exported]] = []
    size = 0
    for each in found:
        if not groups or size + each.message.size > octets:
            groups.append([])
            size = 0
        groups[-1].append(each)
        size += each.message.size
    return [tuple(group) for group in groups]
