"""Snapshots of a mailbox made by hand, one change after the other."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from agentpost.ids import MailboxId
from agentpost.model.mailbox import Snapshot

_COLUMNS = ("uids", "flags", "keywords", "modseqs", "sizes", "dates", "zones", "saved")


def mailbox(uids: Iterable[int]) -> Snapshot:
    """A mailbox with these messages, none of them flagged, at modseq 1."""
    numbers = array("I", uids)
    count = len(numbers)
    return Snapshot(
        mailbox=MailboxId(1),
        uidvalidity=1,
        uidnext=(numbers[-1] if numbers else 0) + 1,
        modseq=1,
        uids=numbers,
        flags=array("H", bytes(2 * count)),
        keywords=array("I", bytes(4 * count)),
        modseqs=array("Q", [1]) * count,
        sizes=array("I", bytes(4 * count)),
        dates=array("q", bytes(8 * count)),
        zones=array("h", bytes(2 * count)),
        saved=array("q", bytes(8 * count)),
        keyword_sets=((),),
        known_keywords=(),
        expunged=(),
        expunged_since=0,
        recent_from=1,
    )


def arrive(state: Snapshot, count: int = 1) -> Snapshot:
    """``count`` more messages."""
    modseq = state.modseq + 1
    added = {name: array(getattr(state, name).typecode, [0] * count) for name in _COLUMNS}
    added["uids"] = array("I", range(state.uidnext, state.uidnext + count))
    added["modseqs"] = array("Q", [modseq] * count)
    columns: dict[str, Any] = {name: getattr(state, name) + added[name] for name in _COLUMNS}
    return replace(state, **columns, uidnext=state.uidnext + count, modseq=modseq)


def expunge(state: Snapshot, *uids: int) -> Snapshot:
    """Without these messages."""
    modseq = state.modseq + 1
    gone = set(uids)
    kept = [at for at, uid in enumerate(state.uids) if uid not in gone]
    columns: dict[str, Any] = {
        name: array(getattr(state, name).typecode, [getattr(state, name)[at] for at in kept])
        for name in _COLUMNS
    }
    told = tuple((modseq, uid) for uid in sorted(gone))
    return replace(state, **columns, modseq=modseq, expunged=(*state.expunged, *told))


def flag(state: Snapshot, *uids: int, flags: int = 1) -> Snapshot:
    """These messages with other flags."""
    modseq = state.modseq + 1
    changed = replace(state, modseq=modseq, flags=state.flags[:], modseqs=state.modseqs[:])
    for uid in uids:
        at = state.uids.index(uid)
        changed.flags[at] = flags
        changed.modseqs[at] = modseq
    return changed
