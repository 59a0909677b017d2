"""The mailbox index: everything small about the mailboxes in use, in memory.

One snapshot per mailbox, shared by all its sessions and never changed in place.  It is loaded by
one query and kept current by asking for what changed after its modseq.  Between changes SELECT,
FETCH FLAGS, STATUS and SEARCH by flags, uids, dates and sizes do not touch the database.

A wake-up marks the inbox's snapshots as stale; it carries no data, so a lost one is mended by the
next look.  ``Freshness.ASK`` compares with the database first, for deployments in which another
process may have written a moment ago.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import trio

from agentpost.errors import MailboxNotFound
from agentpost.ids import InboxId, MailboxId
from agentpost.model.actor import Actor, Scope
from agentpost.model.mailbox import Snapshot
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door

_SWAP = sys.byteorder == "little"


@dataclass(frozen=True, slots=True)
class IndexLimits:
    """Bounds of the mailbox index."""

    octets: int = 256 * 1024 * 1024
    """Memory for snapshots; the least recently used ones go first."""
    expunges: int = 2048
    """Expunges a snapshot remembers, so that views can follow without comparing."""


@dataclass(slots=True)
class _Entry:
    inbox: InboxId
    snapshot: Snapshot | None = None
    fresh: bool = False
    wakes: int = 0
    """Wake-ups heard so far."""
    begun: int = 0
    """Looks into the database so far, the present one included."""
    done: int = 0
    """The number of the last look that ended well."""
    turn: trio.Event | None = None
    """Set when whoever works on the entry is done; then all who waited go on at once."""

    claiming: int = 0
    """While a session claims \\Recent: the uidnext that it knew."""

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Work on the entry; ``turn`` is None before."""
        self.turn = trio.Event()
        try:
            yield
        finally:
            self.turn.set()
            self.turn = None


class MailboxIndex:
    """Snapshots of mailboxes by id; see the module's text."""

    def __init__(self, door: Door, limits: IndexLimits, *, ask: bool) -> None:
        self._door = door
        self._limits = limits
        self._ask = ask
        self._entries: OrderedDict[MailboxId, _Entry] = OrderedDict()
        self._by_inbox: dict[InboxId, set[MailboxId]] = {}
        self._octets = 0

    def stale(self, inbox: InboxId) -> None:
        """Something was committed in ``inbox``: look again before the next answer."""
        for mailbox in self._by_inbox.get(inbox, ()):
            _mark_stale(self._entries[mailbox])

    def all_stale(self) -> None:
        """Wake-ups may have been missed: look again everywhere."""
        for entry in self._entries.values():
            _mark_stale(entry)

    async def snapshot(
        self, actor: Actor, where: Scope, mailbox: MailboxId, *, ask: bool = False
    ) -> Snapshot:
        """The present state of ``mailbox``, which lies in the inbox of ``where``.

        ``ask`` looks into the database even when no wake-up came (where other processes write).
        Raises: MailboxNotFound when it was deleted.
        """
        assert where.inbox is not None
        self._door.allow(actor, "messages:read", where)
        entry = self._entries.get(mailbox)
        if entry is None:
            entry = _Entry(where.inbox)
            self._entries[mailbox] = entry
            self._by_inbox.setdefault(where.inbox, set()).add(mailbox)
        if entry.inbox != where.inbox:
            raise MailboxNotFound
        ask = ask and self._ask
        if entry.snapshot is not None and entry.fresh and not ask:
            self._entries.move_to_end(mailbox)
            return entry.snapshot
        # A look that is under way may have begun before what the caller knows of.
        wanted = entry.begun + 1
        while entry.done < wanted and (ask or not entry.fresh):
            if entry.turn is not None:
                await entry.turn.wait()
                continue
            with entry.alone():
                await self._refresh(actor, where, mailbox, entry)
        assert entry.snapshot is not None
        return entry.snapshot

    async def claim_recent(
        self, actor: Actor, where: Scope, mailbox: MailboxId
    ) -> tuple[Snapshot, range]:
        """The present state, and the uids that the asking session, and no other, may show as
        \\Recent (RFC 3501 section 2.3.2).

        Nobody is woken: to others nothing has changed.  Sessions of this worker that want the same
        at the same time leave it to the first and need not ask the database.
        Raises: MailboxNotFound.
        """
        while True:
            snapshot = await self.snapshot(actor, where, mailbox)
            entry = self._entries.get(mailbox)
            if snapshot.recent_from >= snapshot.uidnext:
                return snapshot, range(0)
            if entry is None or entry.snapshot is not snapshot:
                continue
            if entry.claiming >= snapshot.uidnext:
                return snapshot, range(0)  # They are another's as good as now.
            if entry.turn is not None:
                await entry.turn.wait()
                continue
            with entry.alone():
                entry.claiming = snapshot.uidnext
                try:
                    claimed = await self._claim(actor, where, mailbox)
                finally:
                    entry.claiming = 0
                past = max(claimed.stop, snapshot.recent_from)
                entry.snapshot = replace(snapshot, recent_from=max(past, snapshot.uidnext))
                return entry.snapshot, claimed

    async def _claim(self, actor: Actor, where: Scope, mailbox: MailboxId) -> range:
        async def write(connection: Connection, _: Scope) -> Row | None:
            return await connection.row(
                "UPDATE mailboxes b SET recent_from = b.uidnext"
                " FROM (SELECT id, recent_from FROM mailboxes WHERE id = $1 FOR UPDATE) old"
                " WHERE b.id = old.id AND b.inbox_id = $2 AND b.recent_from < b.uidnext"
                " RETURNING old.recent_from AS first, b.uidnext AS past",
                mailbox,
                where.inbox,
            )

        row = await self._door.write(actor, "messages:read", where, write, single=True, wakes=False)
        return range(0) if row is None else range(row["first"], row["past"])

    async def _refresh(self, actor: Actor, where: Scope, mailbox: MailboxId, entry: _Entry) -> None:
        old = entry.snapshot
        since = 0 if old is None else old.modseq
        # Not before the answer is here: who asks meanwhile would be given the old snapshot.
        entry.fresh = False
        entry.begun += 1
        begun, wakes = entry.begun, entry.wakes

        async def load(connection: Connection, _: Scope) -> Row | None:
            return await connection.row("SELECT * FROM load_mailbox($1, $2)", mailbox, since)

        row = await self._door.read(actor, None, where, load)
        if row is None:
            self.forget(mailbox)
            raise MailboxNotFound
        if old is not None and row["uidvalidity"] != old.uidvalidity:
            # Another mailbox under the same id, to whoever knew the old one: views find out.
            entry.snapshot = None
            if self._entries.get(mailbox) is entry:
                self._octets -= _octets(old)
            await self._refresh(actor, where, mailbox, entry)
            return
        entry.fresh, entry.done = entry.wakes == wakes, begun
        if old is not None and row["modseq"] == old.modseq:
            if row["recent_from"] != old.recent_from or row["uidnext"] != old.uidnext:
                entry.snapshot = replace(
                    old, recent_from=row["recent_from"], uidnext=row["uidnext"]
                )
            return
        loaded = _loaded(mailbox, row)
        new = loaded if old is None else _merged(old, loaded, row, self._limits.expunges)
        entry.snapshot = new
        if self._entries.get(mailbox) is entry:
            self._octets += _octets(new) - (0 if old is None else _octets(old))
            self._entries.move_to_end(mailbox)
            self._evict(mailbox)

    def forget(self, mailbox: MailboxId) -> None:
        """Drop what is known of a mailbox that was deleted or renamed away."""
        entry = self._entries.pop(mailbox, None)
        if entry is not None:
            self._by_inbox[entry.inbox].discard(mailbox)
            if not self._by_inbox[entry.inbox]:
                del self._by_inbox[entry.inbox]
            if entry.snapshot is not None:
                self._octets -= _octets(entry.snapshot)

    def _evict(self, keep: MailboxId) -> None:
        while self._octets > self._limits.octets and len(self._entries) > 1:
            oldest = next(iter(self._entries))
            if oldest == keep:
                self._entries.move_to_end(oldest)
                continue
            self.forget(oldest)


def _mark_stale(entry: _Entry) -> None:
    entry.fresh = False
    entry.wakes += 1


def _unpacked(typecode: str, octets: bytes | None) -> array[int]:
    column = array(typecode)
    if octets:
        column.frombytes(octets)
        if _SWAP:
            column.byteswap()
    return column


def _loaded(mailbox: MailboxId, row: Row) -> Snapshot:
    uids = _unpacked("I", row["uids"])
    sets: dict[tuple[str, ...], int] = {(): 0}
    keywords = array("I", bytes(4 * len(uids)))
    words: list[list[str]] = msgspec.json.decode(row["keyword_words"] or "[]")
    for uid, names in zip(row["keyword_uids"] or (), words, strict=True):
        keywords[bisect_left(uids, uid)] = sets.setdefault(tuple(names), len(sets))
    return Snapshot(
        mailbox=mailbox,
        uidvalidity=row["uidvalidity"],
        uidnext=row["uidnext"],
        modseq=row["modseq"],
        uids=uids,
        flags=_unpacked("H", row["flags"]),
        keywords=keywords,
        modseqs=_unpacked("Q", row["modseqs"]),
        sizes=_unpacked("I", row["sizes"]),
        dates=_unpacked("q", row["dates"]),
        zones=_unpacked("h", row["zones"]),
        saved=_unpacked("q", row["saved"]),
        keyword_sets=tuple(sets),
        known_keywords=tuple(row["known_keywords"]),
        expunged=tuple(zip(row["gone_modseqs"] or (), row["gone_uids"] or (), strict=True)),
        expunged_since=row["modseq"],
        recent_from=row["recent_from"],
    )


def _merged(old: Snapshot, new: Snapshot, row: Row, keep: int) -> Snapshot:
    """``old`` with the changed rows of ``new`` put in and the expunged ones taken out."""
    columns: dict[str, array[int]] = {
        name: array(getattr(old, name).typecode, getattr(old, name)) for name in _COLUMNS
    }
    sets = {names: number for number, names in enumerate(old.keyword_sets)}
    translate = [sets.setdefault(names, len(sets)) for names in new.keyword_sets]
    incoming: dict[str, Any] = {name: getattr(new, name) for name in _COLUMNS}
    incoming["keywords"] = array("I", (translate[k] for k in new.keywords))
    gone = {uid for _, uid in new.expunged}
    if gone:
        uids = columns["uids"]
        kept = [place for place, uid in enumerate(uids) if uid not in gone]
        if len(kept) != len(uids):
            for name, column in columns.items():
                columns[name] = array(column.typecode, [column[place] for place in kept])
    last = columns["uids"][-1] if columns["uids"] else 0
    tail = bisect_left(new.uids, last + 1)
    for place in range(tail):
        uid = new.uids[place]
        target = bisect_left(columns["uids"], uid)
        if target < len(columns["uids"]) and columns["uids"][target] == uid:
            for name in _COLUMNS:
                columns[name][target] = incoming[name][place]
    for name, column in columns.items():
        column.extend(incoming[name][tail:])
    expunged = old.expunged + new.expunged
    since = old.expunged_since
    if len(expunged) > keep:
        # Only whole modseqs are forgotten, so that what is left is complete.
        since = expunged[-keep - 1][0]
        expunged = tuple(item for item in expunged if item[0] > since)
    return replace(
        new,
        **columns,  # type: ignore[arg-type]
        keyword_sets=tuple(sets),
        expunged=expunged,
        expunged_since=since,
    )


_COLUMNS = ("uids", "flags", "keywords", "modseqs", "sizes", "dates", "zones", "saved")


def _octets(snapshot: Snapshot) -> int:
    return 1024 + 40 * len(snapshot.uids) + 64 * len(snapshot.keyword_sets)
