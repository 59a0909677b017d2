"""The ledger of acknowledgements: what the server has promised, and whether it kept it.

Clients write down what they were told; at the end the ledger is held against what is there.
A repetition is right wherever a client was left without an answer: a submission is recognised by
its Message-ID and stays one, while an APPEND in doubt may have happened, once, before its repeat.
"""

from __future__ import annotations

import re
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

from tests.mailgen.sized import sized

_MESSAGE_ID = re.compile(rb"Message-ID: [^\r]*\r\n")
_TOKEN = re.compile(rb"X-Token: ([a-z0-9-]+)\r\n")

Box = tuple[str, str]
"""An inbox's address and the name of a mailbox in it."""


def compose(token: str, sender: str, recipient: str, octets: int) -> bytes:
    """A message that can be told from all others; about ``octets`` long."""
    head = f"X-Token: {token}\r\nMessage-ID: <{token}@durability.example>\r\n".encode()
    return head + _rest(sender, recipient, octets)


@cache
def _rest(sender: str, recipient: str, octets: int) -> bytes:
    return _MESSAGE_ID.sub(b"", sized(octets, sender=sender, recipient=recipient))


def token_of(octets: bytes) -> str:
    """The token in a message of ours; empty in any other."""
    found = _TOKEN.search(octets[:200])
    return "" if found is None else found[1].decode()


@dataclass
class Promise:
    """One message: where it must be, and how often it was sent without an answer.

    ``once`` where the server recognises a repetition.
    """

    token: str
    octets: bytes
    boxes: tuple[Box, ...]
    once: bool
    doubts: int = 0
    acknowledged: bool = False


@dataclass(frozen=True)
class Stored:
    """One placement as a reader sees it."""

    uid: int
    modseq: int
    flags: frozenset[str]
    octets: bytes


@dataclass(frozen=True)
class Contents:
    """A mailbox as it is at the end, in the order in which it was told."""

    uidvalidity: int
    stored: Sequence[Stored]


@dataclass
class Ledger:
    """Everything the clients were told.  Safe to use from several threads."""

    promises: dict[str, Promise] = field(default_factory=dict)
    acknowledged: int = 0
    doubted: int = 0
    complaints: list[str] = field(default_factory=list)
    """What no client may ever be told, found while the load runs."""
    _uids: dict[tuple[Box, int, int], str] = field(default_factory=dict)
    _validities: dict[Box, int] = field(default_factory=dict)
    _flags: dict[str, frozenset[str]] = field(default_factory=dict)
    _moved: dict[tuple[Box, int], str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def promise(self, token: str, octets: bytes, boxes: Iterable[Box], *, once: bool) -> Promise:
        """A client is about to send this."""
        made = Promise(token, octets, tuple(boxes), once)
        with self._lock:
            self.promises[token] = made
        return made

    def doubt(self, promise: Promise) -> None:
        """The client lost the connection, or was told to come again."""
        with self._lock:
            promise.doubts += 1
            self.doubted += 1

    def acknowledge(self, promise: Promise) -> None:
        """The client was told that the message is stored."""
        with self._lock:
            promise.acknowledged = True
            self.acknowledged += 1

    def validity(self, box: Box, uidvalidity: int) -> None:
        """A client was told this UIDVALIDITY."""
        with self._lock:
            if self._validities.setdefault(box, uidvalidity) != uidvalidity:
                self.complaints.append(f"UIDVALIDITY of {box} changed to {uidvalidity}")

    def given(self, box: Box, uidvalidity: int, uid: int, token: str) -> None:
        """A client was told that its message has this uid."""
        self.validity(box, uidvalidity)
        with self._lock:
            before = self._uids.setdefault((box, uidvalidity, uid), token)
            if before != token:
                self.complaints.append(f"uid {uid} of {box} given twice: {before}, {token}")

    def flagged(self, token: str, flags: Iterable[str]) -> None:
        """A client was told that the message it named has these flags."""
        with self._lock:
            self._flags[token] = self._flags.get(token, frozenset()) | frozenset(flags)
            self.acknowledged += 1

    def moved(self, box: Box, uid: int, token: str) -> None:
        """A client was told that this uid has left the mailbox."""
        with self._lock:
            self._moved[box, uid] = token
            self.acknowledged += 1

    # --- at the end -----------------------------------------------------------------------

    def broken(self, found: dict[Box, Contents]) -> list[str]:
        """Every promise that was not kept, in words."""
        wrong = list(self.complaints)
        counts: dict[str, Counter[Box]] = defaultdict(Counter)
        for box, contents in found.items():
            wrong += self._order(box, contents)
            for one in contents.stored:
                token = token_of(one.octets)
                counts[token][box] += 1
                wrong += self._of_one(box, contents.uidvalidity, one, token)
        for promise in self.promises.values():
            wrong += self._of_all(promise, counts[promise.token], found)
        return wrong

    def _order(self, box: Box, contents: Contents) -> list[str]:
        wrong = []
        uids = [one.uid for one in contents.stored]
        if any(later <= uid for uid, later in pairwise(uids)):
            wrong.append(f"uids of {box} do not ascend")
        if self._validities.get(box, contents.uidvalidity) != contents.uidvalidity:
            wrong.append(f"UIDVALIDITY of {box} changed")
        wrong += [
            f"{token} is still in {box} as {uid}"
            for (place, uid), token in self._moved.items()
            if place == box and uid in set(uids)
        ]
        return wrong

    def _of_one(self, box: Box, validity: int, one: Stored, token: str) -> list[str]:
        promise = self.promises.get(token)
        if promise is None:
            return [f"nobody sent {token or one.octets[:80]!r}, uid {one.uid} of {box}"]
        wrong = []
        if one.octets != promise.octets:
            wrong.append(f"the octets of {token} are not what was sent")
        if self._uids.get((box, validity, one.uid), token) != token:
            wrong.append(f"uid {one.uid} of {box} was given to another message than {token}")
        # An APPEND in doubt may have left a copy that nobody has flagged.
        if not promise.doubts and not self._flags.get(token, frozenset()) <= one.flags:
            wrong.append(f"{token} has lost flags: {sorted(one.flags)}")
        return wrong

    def _of_all(
        self, promise: Promise, counts: Counter[Box], found: dict[Box, Contents]
    ) -> list[str]:
        most = 1 if promise.once else promise.acknowledged + promise.doubts
        least = int(promise.acknowledged)
        boxes = [box for box in promise.boxes if box in found]
        if not promise.once:
            # It may have been moved on; it counts wherever it is.
            present = [sum(counts.values())]
        else:
            present = [counts[box] for box in boxes]
            strays = sum(counts.values()) - sum(present)
            if strays:
                return [f"{promise.token} is in {strays} mailboxes that it was not sent to"]
        if any(number < least for number in present):
            return [f"lost: {promise.token} was acknowledged, {present} of {least} are there"]
        if any(number > most for number in present):
            return [f"doubled: {promise.token} is there {present} times, at most {most} are right"]
        if promise.once and len(set(present)) > 1:
            return [f"torn: {promise.token} is in some of its mailboxes only, {present}"]
        return []
