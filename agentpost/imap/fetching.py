"""How FETCH is answered: many messages at a time, from columns (RFC 9051 sections 6.4.5, 7.5.2).

A FETCH becomes a plan: one template for the line of a message, and for each of its places a
function that makes the values of that place for a batch of messages.  What the mailbox index knows
costs no look into the database; the rest is read in batches whose octets are bounded, and said in
pieces, so that a client that does not read holds one batch and one piece of output and no lock.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate, repeat
from secrets import token_bytes
from typing import TYPE_CHECKING, Any

from agentpost.imap import bodies, columns
from agentpost.imap.ahead import one_ahead
from agentpost.imap.states import Selected
from agentpost.imap.telling import flag_lines
from agentpost.imap.view import Chosen
from agentpost.imap.wire import response
from agentpost.imap.wire.fetchitems import (
    BinarySection,
    BinarySize,
    BodySection,
    FetchItem,
    FetchItems,
    Plain,
    Preview,
)
from agentpost.mime.scan import Part, unpack
from agentpost.model.mailbox import HEAD_OCTETS, Rendered, Snapshot, Wanted

if TYPE_CHECKING:
    from agentpost.imap.session import Session

_BATCH_OCTETS = 1024 * 1024
"""Message octets read from the store at once; one larger message is read alone.  One batch is read
ahead of the one that is being said."""
_STRUCTURE_OCTETS = 8 * 1024 * 1024
"""Octets of messages whose envelopes and structures are read at once; those are far smaller, unless
someone made a message of a thousand empty parts."""
_BATCH_ROWS = 2_048
_PIECE_OCTETS = 128 * 1024


class Batch:
    """Some messages that are answered together; the columns are parallel."""

    def __init__(
        self,
        state: Selected,
        snapshot: Snapshot,
        chosen: Chosen,
        content: Rendered,
        seen: frozenset[int],
    ) -> None:
        self.state = state
        self.snapshot = snapshot
        self.numbers = chosen.numbers
        self.uids = chosen.uids
        self.rows = chosen.rows
        self.content = content
        self.seen = seen
        """Uids whose flags this command changed."""

    @property
    def recent(self) -> Sequence[range]:
        """The uids that show ``\\Recent``."""
        return () if self.state.rev2 else self.state.view.recent

    def column(self, name: str) -> Sequence[int]:
        """A column of the mailbox index."""
        values: Sequence[int] = getattr(self.snapshot, name)
        return columns.at(values, self.rows)

    @cached_property
    def trees(self) -> list[Part]:
        """The parts of each message."""
        return [unpack(packed) for packed in self.content.parts]


Values = Callable[[Batch], Iterable[object]]


@dataclass(frozen=True, slots=True)
class Place:
    """One data item of the template: its text, and its values."""

    text: bytes
    values: tuple[Values, ...]
    wanted: Wanted = field(default_factory=Wanted)


@dataclass(frozen=True, slots=True)
class Plan:
    """How every message of one FETCH is answered."""

    template: bytes
    values: tuple[Values, ...]
    wanted: Wanted


# Data items from the index


def _flags(batch: Batch) -> Iterator[bytes]:
    return columns.flag_words(batch.snapshot, batch.uids, batch.rows, batch.recent)


def _flags_where_changed(batch: Batch) -> Iterator[bytes]:
    """FLAGS of the messages that this command made \\Seen, although it did not ask for them."""
    condstore = batch.state.condstore
    modseqs = batch.column("modseqs") if condstore else repeat(0)
    for uid, words, modseq in zip(batch.uids, _flags(batch), modseqs, strict=False):
        if uid not in batch.seen:
            yield b""
        elif condstore:
            yield b"FLAGS (%b) MODSEQ (%d) " % (words, modseq)
        else:
            yield b"FLAGS (%b) " % words


def _dates(batch: Batch) -> Iterator[bytes]:
    return columns.date_times(batch.column("dates"), batch.column("zones"))


def _saved(batch: Batch) -> Iterator[bytes]:
    return columns.date_times(batch.column("saved"), [0] * len(batch.rows))


def _previews(batch: Batch) -> Iterator[bytes]:
    utf8 = batch.state.utf8
    return (response.string(text.encode(), utf8=utf8) for text in batch.content.previews)


_PLAIN: dict[Plain, Place] = {
    Plain.UID: Place(b"UID %d", (lambda batch: batch.uids,)),
    Plain.FLAGS: Place(b"FLAGS (%b)", (_flags,)),
    Plain.INTERNALDATE: Place(b'INTERNALDATE "%b"', (_dates,)),
    Plain.SIZE: Place(b"RFC822.SIZE %d", (lambda batch: batch.column("sizes"),)),
    Plain.MODSEQ: Place(b"MODSEQ (%d)", (lambda batch: batch.column("modseqs"),)),
    Plain.SAVEDATE: Place(b'SAVEDATE "%b"', (_saved,)),
    Plain.ENVELOPE: Place(
        b"ENVELOPE %b", (lambda batch: batch.content.envelopes,), Wanted(envelope=True)
    ),
    Plain.BODY: Place(b"BODY %b", (lambda batch: batch.content.bodies,), Wanted(body=True)),
    Plain.BODYSTRUCTURE: Place(
        b"BODYSTRUCTURE %b",
        (lambda batch: batch.content.bodystructures,),
        Wanted(bodystructure=True),
    ),
    Plain.EMAILID: Place(
        b"EMAILID (%b)",
        (lambda batch: map(columns.email_id, batch.content.messages),),
        Wanted(ids=True),
    ),
    Plain.THREADID: Place(
        b"THREADID (%b)",
        (lambda batch: map(columns.thread_id, batch.content.threads),),
        Wanted(ids=True),
    ),
}
_PREVIEW = Place(b"PREVIEW %b", (_previews,), Wanted(preview=True))
_CHANGED_FLAGS = Place(b"%b", (_flags_where_changed,))


# Data items from the octets


def _section(item: BodySection) -> Place:
    name = item.label.replace(b"%", b"%%")
    if bodies.is_whole(item):
        text = name + b" {%d}\r\n%b"
        lengths: Values = lambda batch: map(len, batch.content.octets)  # noqa: E731
        return Place(text, (lengths, lambda batch: batch.content.octets), Wanted(octets=True))
    read = bodies.reader(item)
    if bodies.is_head(item):

        def heads(batch: Batch) -> Iterator[bytes]:
            found = batch.content.heads or batch.content.octets
            return (bodies.written(read(octets, None)) for octets in found)

        return Place(name + b" %b", (heads,), Wanted(head=True))
    span = bodies.span_of(item)
    if span is not None:
        begin, end = span[0], span[0] + span[1]

        def pieces(batch: Batch) -> Iterator[bytes]:
            if batch.content.octets:
                return (bodies.written(octets[begin:end]) for octets in batch.content.octets)
            return map(bodies.written, batch.content.spans)

        return Place(name + b" %b", (pieces,), Wanted(span=span))
    nested = bodies.needs_parts(item)

    def sections(batch: Batch) -> Iterator[bytes]:
        trees: Iterable[Part | None] = batch.trees if nested else repeat(None)
        pairs = zip(batch.content.octets, trees, strict=False)
        return (bodies.written(read(octets, root)) for octets, root in pairs)

    return Place(name + b" %b", (sections,), Wanted(octets=True, parts=nested))


def _binary(item: BinarySection | BinarySize) -> Place:
    def values(batch: Batch) -> Iterator[bytes]:
        for octets, root in zip(batch.content.octets, batch.trees, strict=True):
            if isinstance(item, BinarySize):
                yield bodies.decoded_size(item, octets, root)
            else:
                yield bodies.decoded(item, octets, root)

    return Place(item.label + b" %b", (values,), Wanted(octets=True, parts=True))


def _place(item: FetchItem) -> Place:
    match item:
        case Plain():
            return _PLAIN[item]
        case BodySection():
            return _section(item)
        case BinarySection() | BinarySize():
            return _binary(item)
        case Preview():
            return _PREVIEW


def plan(items: FetchItems, *, by_uid: bool, condstore: bool, changes: bool) -> Plan:
    """The plan for these items; UID FETCH tells the uid unasked (RFC 9051 section 6.4.9).

    ``changes`` adds the flags of messages that the command itself made \\Seen.
    """
    asked = list(items.items)
    if by_uid and Plain.UID not in asked:
        asked.insert(0, Plain.UID)
    if condstore and Plain.FLAGS in asked and Plain.MODSEQ not in asked:
        asked.append(Plain.MODSEQ)
    places = [_place(item) for item in asked]
    text = b" ".join(place.text for place in places)
    if changes and Plain.FLAGS not in asked:
        places.insert(0, _CHANGED_FLAGS)
        text = _CHANGED_FLAGS.text + text
    wanted = _union(place.wanted for place in places)
    if len({place.wanted.span for place in places} - {None}) > 1:
        wanted = replace(wanted, octets=True)
    if wanted.octets:
        wanted = replace(wanted, head=False, span=None)
    values = tuple(value for place in places for value in place.values)
    return Plan(b"* %d FETCH (" + text + b")\r\n", values, wanted)


def _union(all_wanted: Iterable[Wanted]) -> Wanted:
    union: dict[str, Any] = {}
    for wanted in all_wanted:
        for name in Wanted.__slots__:
            union[name] = union.get(name) or getattr(wanted, name)
    return Wanted(**union)


# Saying it


async def say_flags(session: Session, state: Selected, named: Chosen, *, uid: bool) -> None:
    """FLAGS, with UID, of messages none of which is gone: the fastest way."""
    for at in range(0, len(named.uids), _BATCH_ROWS):
        part = slice(at, at + _BATCH_ROWS)
        session.say(
            flag_lines(state, named.numbers[part], named.uids[part], named.rows[part], uid=uid)
        )
        await session.flush_when_large()


async def say_messages(
    session: Session,
    state: Selected,
    named: Chosen,
    how: Plan,
    seen: frozenset[int],
) -> int:
    """Say what is planned for each message, in the order of their numbers.

    Returns: how many could not be answered because they are gone.
    """
    if not how.wanted.anything:
        for snapshot, run in _runs(state, named):
            for chosen in batches(snapshot, run, how.wanted):
                await _say(session, Batch(state, snapshot, chosen, Rendered(), seen), how)
        return 0
    missing = len(named.ghosts)
    snapshot = state.view.snapshot

    async def read(chosen: Chosen) -> Rendered | None:
        if how.wanted.octets and snapshot.sizes[chosen.rows[0]] > _BATCH_OCTETS:
            return None  # so large that it is not read ahead
        return await content_of(session, state, snapshot, chosen, how.wanted)

    async def say(chosen: Chosen, content: Rendered | None) -> None:
        nonlocal missing
        if content is None:
            content = await content_of(session, state, snapshot, chosen, how.wanted)
        gone = len(chosen.uids) - len(content.uids)
        if gone:
            missing += gone
            chosen = _only(chosen, content.uids)
        await _say(session, Batch(state, snapshot, chosen, content, seen), how)

    await one_ahead(batches(snapshot, named, how.wanted), read, say)
    return missing


async def _say(session: Session, batch: Batch, how: Plan) -> None:
    """Say a batch, and let what is said go out in pieces."""
    template = how.template
    rows = zip(batch.numbers, *[value(batch) for value in how.values], strict=True)
    lines: list[bytes] = []
    size = 0
    some_long = max(batch.column("sizes"), default=0) > _PIECE_OCTETS
    for row in rows:
        if some_long and any(map(_is_long, row)):
            session.say(b"".join(lines))
            lines.clear()
            size = 0
            await _say_long(session, template, row)
            continue
        line = template % row
        lines.append(line)
        size += len(line)
        if size > _PIECE_OCTETS:
            session.say(b"".join(lines))
            lines.clear()
            size = 0
            await session.flush_when_large()
    session.say(b"".join(lines))
    await session.flush_when_large()


def _is_long(value: object) -> bool:
    return isinstance(value, bytes) and len(value) > _PIECE_OCTETS


async def _say_long(session: Session, template: bytes, row: tuple[object, ...]) -> None:
    """One line with long values in it, which go out in pieces and are never copied as a whole."""
    mark = token_bytes(16)
    between = (template % tuple(mark if _is_long(value) else value for value in row)).split(mark)
    session.say(between[0])
    values = [value for value in row if isinstance(value, bytes) and _is_long(value)]
    for value, after in zip(values, between[1:], strict=True):
        for at in range(0, len(value), _PIECE_OCTETS):
            session.say(value[at : at + _PIECE_OCTETS])
            await session.flush_when_large()
        session.say(after)


async def content_of(
    session: Session, state: Selected, snapshot: Snapshot, chosen: Chosen, wanted: Wanted
) -> Rendered:
    """What the database knows of these messages; header sections are complete."""
    ask = session.desk.store.mailboxes.rendered
    content = await ask(state.actor, state.where, state.mailbox.id, list(chosen.uids), wanted)
    if not wanted.head:
        return content
    sizes = dict(zip(chosen.uids, columns.at(snapshot.sizes, chosen.rows), strict=True))
    heads = list(content.heads)
    for at, uid in enumerate(content.uids):
        if not bodies.head_is_complete(heads[at], sizes[uid]):
            whole = await ask(
                state.actor, state.where, state.mailbox.id, [uid], Wanted(octets=True)
            )
            heads[at] = whole.octets[0] if whole.octets else heads[at]
    return replace(content, heads=heads)


def _runs(state: Selected, named: Chosen) -> Iterator[tuple[Snapshot, Chosen]]:
    """The messages in the order of their numbers, as runs that stand in one snapshot.

    Among them those that are gone but not yet told, from where they were seen last (RFC 2180
    section 4.1.1).
    """
    view = state.view
    start = 0
    for number, uid in named.ghosts:
        stop = bisect_right(named.numbers, number)
        if start < stop:
            yield view.snapshot, _slice(named, start, stop)
        start = stop
        last = view.ghost_row(uid)
        yield last.snapshot, Chosen((number,), (uid,), (last.row,))
    if start < len(named.uids):
        yield view.snapshot, _slice(named, start, len(named.uids))


def _slice(named: Chosen, start: int, stop: int) -> Chosen:
    return Chosen(named.numbers[start:stop], named.uids[start:stop], named.rows[start:stop])


def batches(snapshot: Snapshot, run: Chosen, wanted: Wanted) -> Iterator[Chosen]:
    """``run`` in batches of bounded rows, and of bounded octets where the database is asked."""
    start, count = 0, len(run.uids)
    ends: list[int] = []
    most = _BATCH_OCTETS
    if wanted.anything:
        sizes: Iterable[int] = columns.at(snapshot.sizes, run.rows)
        if (wanted.head or wanted.span) and not wanted.octets:
            longest = (HEAD_OCTETS if wanted.head else 0) + (wanted.span[1] if wanted.span else 0)
            sizes = map(min, sizes, repeat(longest))
        elif not wanted.octets:
            most = _STRUCTURE_OCTETS
        ends = list(accumulate(sizes, initial=0))
    while start < count:
        stop = min(start + _BATCH_ROWS, count)
        if ends:
            fits = bisect_right(ends, ends[start] + most) - 1
            stop = min(stop, max(fits, start + 1))
        yield _slice(run, start, stop)
        start = stop


def _only(chosen: Chosen, uids: Sequence[int]) -> Chosen:
    """Those of ``chosen`` that have one of ``uids``."""
    left = frozenset(uids)
    kept = [at for at, uid in enumerate(chosen.uids) if uid in left]
    return Chosen(
        [chosen.numbers[at] for at in kept],
        [chosen.uids[at] for at in kept],
        [chosen.rows[at] for at in kept],
    )
