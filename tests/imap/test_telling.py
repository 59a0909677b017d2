"""What a session says unasked, in each mode of the client."""

from __future__ import annotations

from dataclasses import replace

from agentpost.imap.telling import Voice, untagged
from agentpost.imap.view import MailboxView
from tests.imap.snapshots import arrive, expunge, flag, mailbox


def told(voice: Voice) -> bytes:
    state = mailbox([11, 12, 13, 14])
    view = MailboxView(state, recent=range(13, 15))
    after = replace(flag(arrive(expunge(state, 11, 13)), 14, flags=9), known_keywords=("work",))
    events = view.advance(after, may_expunge=True, recent=range(15, 16))
    return untagged(events, view, voice)


KEYWORDS = (
    b"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft work)\r\n"
    b"* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft work \\*)]"
    b" More keywords are in use.\r\n"
)


def test_revision_1() -> None:
    assert told(Voice()) == (
        b"* 3 EXPUNGE\r\n* 1 EXPUNGE\r\n* 3 EXISTS\r\n"
        + KEYWORDS
        + b"* 2 FETCH (FLAGS (\\Deleted \\Seen \\Recent))\r\n"
    )


def test_a_new_number_of_recent_messages_is_told() -> None:
    view = MailboxView(mailbox([1]))
    events = view.advance(arrive(view.snapshot), may_expunge=False, recent=range(2, 3))
    assert untagged(events, view, Voice()) == b"* 2 EXISTS\r\n* 1 RECENT\r\n"
    assert untagged(events, view, Voice(recent=False)) == b"* 2 EXISTS\r\n"


def test_revision_2_with_condstore() -> None:
    assert told(Voice(recent=False, modseq=True, uid=True)) == (
        b"* 3 EXPUNGE\r\n* 1 EXPUNGE\r\n* 3 EXISTS\r\n"
        + KEYWORDS
        + b"* 2 FETCH (UID 14 FLAGS (\\Deleted \\Seen) MODSEQ (4))\r\n"
    )


def test_qresync() -> None:
    assert told(Voice(recent=False, vanished=True)) == (
        b"* VANISHED 11,13\r\n* 3 EXISTS\r\n"
        + KEYWORDS
        + b"* 2 FETCH (UID 14 FLAGS (\\Deleted \\Seen) MODSEQ (4))\r\n"
    )


def test_nothing_is_said_of_nothing() -> None:
    view = MailboxView(mailbox([]))
    assert untagged((), view, Voice()) == b""
