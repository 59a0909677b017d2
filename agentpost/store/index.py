"""The mailbox index: everything small about the mailboxes in use, in memory.

One snapshot per mailbox, shared by all its sessions and never changed in place.  It is loaded by
one query and kept current by asking for what changed after its modseq.  Between changes SELECT,
FETCH FLAGS, STATUS and SEARCH by flags, uids, dates and sizes do not touch the database.

A wake-up marks the inbox's snapshots as stale; it carries no data, so a lost one is mended by the
next look.  ``ask`` compares with the database first, for deployments in which another process may
have written a moment ago.

A change made through this worker need not be looked for: its answer tells what the mailbox is then
(``changed``).  Looks and answers may overtake each other, so each is put in from the modseq at which
it began, and one that tells of less than is known is passed over.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import msgspec
import trio

from agentpost.errors import MailboxNotFound
from agentpost.ids import InboxId, MailboxId
from agentpost.model.actor import Actor, Scope
from agentpost.model.mailbox import Snapshot
from agentpost.store.names import Names
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

    def told_recent(self, past: int) -> Snapshot:
        """All below ``past`` was told as \\Recent: the snapshot, which says so from now on."""
        assert self.snapshot is not None
        recent_from = max(past, self.snapshot.recent_from)
        self.snapshot = replace(self.snapshot, recent_from=recent_from)
        return self.snapshot

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
        self.names = Names()

    @property
    def asks(self) -> bool:
        """Whether other processes may have written a moment ago."""
        return self._ask

    def stale(self, inbox: InboxId) -> None:
        """Something was committed in ``inbox``: look again before the next answer."""
        for mailbox in self._by_inbox.get(inbox, ()):
            _mark_stale(self._entries[mailbox])

    def all_stale(self) -> None:
        """Wake-ups may have been missed: look again everywhere."""
        self.names.forget_all()
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

    def present(self, actor: Actor, where: Scope, mailbox: MailboxId) -> Snapshot | None:
        """What is known of ``mailbox``, for who was told a moment ago that it has been looked at.

        None when something was committed since.
        """
        self._door.allow(actor, "messages:read", where)
        entry = self._entries.get(mailbox)
        if entry is None or entry.inbox != where.inbox or not entry.fresh:
            return None
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
                return entry.told_recent(max(claimed.stop, snapshot.uidnext)), claimed

    async def _claim(self, actor: Actor, where: Scope, mailbox: MailboxId) -> range:
        async def write(connection: Connection, _: Scope) -> Row | None:
            return await connection.row(
                "UPDATE mailboxes b SET recent_from = b.uidnext"
                " FROM (SELECT id, recent_from FROM mailboxes WHERE id = $1 FOR UPDATE) old"
                " WHERE b.id = old.id AND b.inbox_id = $2 AND b.recent_from < b.uidnext"
                " RETURNING old.recent_from AS first, b.uidnext AS past,"
                # Nobody waits for the disk: a claim that a crash undoes ended with its session.
                " set_config('synchronous_commit', 'off', true)",
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
        if not self._put_in(mailbox, entry, row):
            # Another mailbox under the same id, to whoever knew the old one: views find out.
            if self._entries.get(mailbox) is entry and entry.snapshot is not None:
                self._octets -= _octets(entry.snapshot)
            entry.snapshot = None
            await self._refresh(actor, where, mailbox, entry)
            return
        entry.fresh, entry.done = entry.wakes == wakes, begun

    async def changed(
        self, where: Scope, mailbox: MailboxId, change: Callable[[int | None], Awaitable[Row]]
    ) -> Row:
        """Run a ``change`` of the mailbox and take over what its answer tells; wakes who watches.

        ``change`` is given the modseq after which to tell what has happened, as ``load_mailbox``
        does; None when nobody has the mailbox in use.
        """
        entry = self._entries.get(mailbox)
        known = None if entry is None else entry.snapshot
        if entry is None or known is None:
            row = await change(None)
            self._door.wake(where)
            return row
        wakes = entry.wakes
        row = await change(known.modseq)
        woken = entry.wakes != wakes
        self._door.wake(where)
        if entry.snapshot is not None and entry.snapshot.uidvalidity == known.uidvalidity:
            # Who committed before is told of in the answer; who did later has woken us.
            entry.fresh = self._put_in(mailbox, entry, row) and not woken
        return row

    def _put_in(self, mailbox: MailboxId, entry: _Entry, row: Row) -> bool:
        """Take over what the database told; False when it told of another mailbox."""
        old = entry.snapshot
        if old is None:
            new = _loaded(mailbox, row)
        elif row["uidvalidity"] != old.uidvalidity:
            return False
        elif row["modseq"] > old.modseq:
            new = _merged(old, row, self._limits.expunges)
        else:
            recent_from = max(old.recent_from, row["recent_from"])
            uidnext = max(old.uidnext, row["uidnext"])
            if (recent_from, uidnext) != (old.recent_from, old.uidnext):
                entry.snapshot = replace(old, recent_from=recent_from, uidnext=uidnext)
            return True
        entry.snapshot = new
        if self._entries.get(mailbox) is entry:
            self._octets += _octets(new) - (0 if old is None else _octets(old))
            self._entries.move_to_end(mailbox)
            self._evict(mailbox)
        return True

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


def _merged(old: Snapshot, row: Row, keep: int) -> Snapshot:
    """``old`` with the changed rows that ``row`` tells put in and the expunged ones taken out.

    Columns in which nothing has changed are shared with ``old``.
    """
    new = _loaded(old.mailbox, row)
    sets = {names: number for number, names in enumerate(old.keyword_sets)}
    translate = [sets.setdefault(names, len(sets)) for names in new.keyword_sets]
    incoming: dict[str, array[int]] = {name: getattr(new, name) for name in _COLUMNS}
    incoming["keywords"] = array("I", [translate[number] for number in new.keywords])
    columns: dict[str, array[int]] = {name: getattr(old, name) for name in _COLUMNS}
    # What was told may reach back to before ``old``.
    later = bisect_right(new.expunged, (old.modseq, _MAX_UID))
    expunged = new.expunged[later:]
    kept = _kept(old.uids, {uid for _, uid in expunged})
    if len(kept) > 1 or kept[0] != range(len(old.uids)):
        columns = {name: _parts(column, kept) for name, column in columns.items()}
    uids = columns["uids"]
    tail = bisect_right(new.uids, uids[-1]) if uids else 0
    if tail:
        for name in _CHANGING:
            columns[name] = _replaced(columns[name], uids, incoming[name], new.uids[:tail])
    if tail < len(new.uids):
        columns = {name: column + incoming[name][tail:] for name, column in columns.items()}
    expunged, since = old.expunged + expunged, old.expunged_since
    if len(expunged) > keep:
        # Only whole modseqs are forgotten, so that what is left is complete.
        since = expunged[-keep - 1][0]
        expunged = expunged[bisect_right(expunged, (since, _MAX_UID)) :]
    return replace(
        new,
        **columns,  # type: ignore[arg-type]
        keyword_sets=tuple(sets),
        expunged=expunged,
        expunged_since=since,
        recent_from=max(old.recent_from, new.recent_from),
    )


def _kept(uids: array[int], gone: set[int]) -> list[range]:
    """The places of ``uids`` without those that are gone, in as few pieces as there are gaps."""
    kept, start = [], 0
    for uid in sorted(gone):
        place = bisect_left(uids, uid, start)
        if place < len(uids) and uids[place] == uid:
            if place > start:
                kept.append(range(start, place))
            start = place + 1
    return [*kept, range(start, len(uids))]


def _parts(column: array[int], kept: list[range]) -> array[int]:
    joined = array(column.typecode)
    for part in kept:
        joined += column[part.start : part.stop]
    return joined


def _replaced(
    column: array[int], uids: array[int], values: array[int], changed: array[int]
) -> array[int]:
    """``column``, which is parallel to ``uids``, with these values for the uids that changed."""
    column = column[:]
    first = bisect_left(uids, changed[0])
    if uids[first : first + len(changed)] == changed:
        column[first : first + len(changed)] = values[: len(changed)]
        return column
    for uid, value in zip(changed, values, strict=False):
        place = bisect_left(uids, uid)
        if uids[place] == uid:
            column[place] = value
    return column


_COLUMNS = ("uids", "flags", "keywords", "modseqs", "sizes", "dates", "zones", "saved")
_CHANGING = ("flags", "keywords", "modseqs")
_MAX_UID = 1 << 32


def _octets(snapshot: Snapshot) -> int:
    return 1024 + 40 * len(snapshot.uids) + 64 * len(snapshot.keyword_sets)
