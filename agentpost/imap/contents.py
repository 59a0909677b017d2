"""What SEARCH asks of the messages themselves (RFC 9051 section 6.4.4, RFC 8474 section 6.2).

The search index answers; messages that it does not know as a whole yet are looked at one by one,
in batches of bounded octets, so that the answer is never wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from agentpost.imap.fetching import batches, content_of
from agentpost.imap.states import Selected
from agentpost.imap.wire.searchkeys import (
    Dated,
    EmailIdIs,
    InAddresses,
    InBody,
    InHeader,
    InSubject,
    InText,
    SearchKey,
    ThreadIdIs,
)
from agentpost.mime.matching import Content
from agentpost.model.mailbox import Wanted
from agentpost.model.search import Day, IdLeaf, Leaf, Matches, SentLeaf, TextField, TextLeaf

if TYPE_CHECKING:
    from agentpost.imap.session import Session


def leaf_of(key: SearchKey) -> Leaf:
    """What ``key`` asks of the content of messages, in the words of the store."""
    match key:
        case InAddresses(field, text):
            return TextLeaf(TextField(field.value), text)
        case InSubject(text):
            return TextLeaf(TextField.SUBJECT, text)
        case InHeader(name, text):
            return TextLeaf(TextField.HEADER, text, name.rstrip(": "))
        case InBody(text):
            return TextLeaf(TextField.BODY, text)
        case InText(text):
            return TextLeaf(TextField.TEXT, text)
        case Dated(_, when, day):
            return SentLeaf(Day(when.value), day)
        case EmailIdIs(value):
            return IdLeaf(_id("msg", "M", value))
        case ThreadIdIs(value):
            return IdLeaf(_id("thr", "T", value), thread=True)
        case _:
            raise AssertionError(key)


def _id(prefix: str, letter: str, value: str) -> str:
    """The id that is shown as ``value``; one that nothing has when it is none of ours."""
    return f"{prefix}_{value[1:]}" if value.startswith(letter) else ""


async def find(
    session: Session, state: Selected, keys: Sequence[SearchKey], uids: Sequence[int]
) -> Mapping[SearchKey, Sequence[int]]:
    """Which of the messages ``uids``, ascending, answer each of ``keys``.

    Others may be among them.  Messages that are gone answer nothing.
    """
    leaves = {key: leaf_of(key) for key in keys}
    answers = await session.desk.store.search.matching(
        state.actor, state.where, state.mailbox.id, list(leaves.values()), uids
    )
    found = {key: list(answer.found) for key, answer in zip(leaves, answers, strict=True)}
    tests = _tests(leaves, answers, frozenset(uids))
    first_uids = sorted({first for test in tests for first in test.among})
    octets = Wanted(octets=True)
    for batch in batches(state.view.snapshot, state.view.chosen_uids(first_uids), octets):
        content = await content_of(session, state, state.view.snapshot, batch, octets)
        for test, first in await trio.to_thread.run_sync(
            _passed, tests, content.uids, content.octets
        ):
            found[test.key] += test.among[first]
    return found


@dataclass(frozen=True, slots=True)
class _Test:
    """What the octets of messages are asked; each message is known by the first of its uids."""

    key: SearchKey
    leaf: Leaf
    among: Mapping[int, Sequence[int]]


def _tests(
    leaves: Mapping[SearchKey, Leaf], answers: Sequence[Matches], wanted: frozenset[int]
) -> list[_Test]:
    tests: list[_Test] = []
    for (key, leaf), answer in zip(leaves.items(), answers, strict=True):
        placed = [[uid for uid in uids if uid in wanted] for uids in answer.unsure]
        among = {uids[0]: uids for uids in placed if uids}
        if among:
            tests.append(_Test(key, leaf, among))
    return tests


def _passed(
    tests: Sequence[_Test], uids: Sequence[int], octets: Sequence[bytes]
) -> list[tuple[_Test, int]]:
    passed: list[tuple[_Test, int]] = []
    for uid, message in zip(uids, octets, strict=True):
        content = Content(message)
        passed += [
            (test, uid) for test in tests if uid in test.among and content.matches(test.leaf)
        ]
    return passed
