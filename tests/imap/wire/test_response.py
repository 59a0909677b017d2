"""Responses: nothing that was handed in can end a line or a string early."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.imap.wire import response, utf7
from agentpost.imap.wire.cursor import Cursor, SyntaxFault
from agentpost.imap.wire.framer import Frame, Framer, NeedContinuation
from agentpost.limits import FRAMING_AFTER_LOGIN


def as_client(octets: bytes) -> bytes | None:
    """Read one nstring the way a client does: by the same grammar, literals without asking."""
    framer = Framer(FRAMING_AFTER_LOGIN)
    framer.feed(octets + b"\r\n")
    event = framer.next_event()
    if isinstance(event, NeedContinuation):
        framer.grant()
        event = framer.next_event()
    assert isinstance(event, Frame)
    assert framer.next_event() is None
    cursor = Cursor(event, utf8=True)
    found = cursor.nstring()
    cursor.end()
    return found


@given(
    st.binary(max_size=60) | st.text('a"\\\r\n{5}é]', max_size=20).map(str.encode), st.booleans()
)
def test_a_string_reads_back(octets: bytes, utf8: bool) -> None:
    rendered = response.string(octets, utf8=utf8)
    assert as_client(rendered) == octets.replace(b"\0", b"\x80")
    assert rendered.isascii() or rendered.startswith(b"{") or utf8


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20), st.booleans())
def test_a_mailbox_name_reads_back(name: str, utf8: bool) -> None:
    rendered = response.mailbox(name, utf8=utf8)
    framer = Framer(FRAMING_AFTER_LOGIN)
    framer.feed(rendered + b"\r\n")
    event = framer.next_event()
    if isinstance(event, NeedContinuation):
        framer.grant()
        event = framer.next_event()
    assert isinstance(event, Frame)
    cursor = Cursor(event, utf8=utf8)
    assert cursor.astring() == utf7.encode_name(name, utf8=utf8)
    cursor.end()


def test_strings() -> None:
    assert response.nstring(None) == b"NIL"
    assert response.string(b"") == b'""'
    assert response.string(b'a"b\\') == b'"a\\"b\\\\"'
    assert response.string(b"a\r\nb") == b"{4}\r\na\r\nb"
    assert response.string(b"x" * 1_001) == b"{1001}\r\n" + b"x" * 1_001
    assert response.string("é".encode()) == b"{2}\r\n\xc3\xa9"
    assert response.string("é".encode(), utf8=True) == b'"\xc3\xa9"'
    assert response.string(b"\xff", utf8=True) == b"{1}\r\n\xff"
    assert response.astring(b"a]b") == b"a]b"
    assert response.astring(b"nil") == b'"nil"'
    assert response.astring(b"") == b'""'
    assert response.literal8(b"\0") == b"~{1}\r\n\0"


@given(st.text(max_size=30), st.booleans())
def test_no_text_ends_a_status_line(text: str, utf8: bool) -> None:
    line = response.status_line(b"a", "NO", text, utf8=utf8)
    assert line.startswith(b"a NO ")
    assert line.endswith(b"\r\n")
    body = line[5:-2]
    assert body
    assert not set(body) & {0, 10, 13}
    assert not body.startswith(b"[")
    assert utf8 or body.isascii()


def test_status_lines() -> None:
    assert response.ok(b"a1", "done") == b"a1 OK done\r\n"
    assert response.no(b"a", "no", "TOOBIG") == b"a NO [TOOBIG] no\r\n"
    assert response.bad(None, "empty\r\ncommand") == b"* BAD empty command\r\n"
    assert response.bye("gone", b"UNAVAILABLE") == b"* BYE [UNAVAILABLE] gone\r\n"
    assert response.untagged_ok("hi") == b"* OK hi\r\n"
    assert response.no(b"a", "[x] y") == b"a NO (x] y\r\n"
    assert response.ok(b"a", "", "CLOSED") == b"a OK [CLOSED] -\r\n"
    assert response.continuation() == b"+ OK\r\n"
    assert response.continuation(b"") == b"+ \r\n"


def test_codes() -> None:
    assert response.appenduid(9, [3]) == b"APPENDUID 9 3"
    assert response.copyuid(9, [3, 5], [1, 2]) == b"COPYUID 9 3,5 1:2"
    assert response.permanentflags(["x y"]) == (
        b"PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft x&ACA-y \\*)"
    )
    assert response.permanentflags([], any_keyword=False).endswith(b"\\Draft)")


def test_mailbox_responses() -> None:
    assert response.listing(["\\HasNoChildren", "\\Sent"], "Sent Mail", utf8=False) == (
        b'* LIST (\\HasNoChildren \\Sent) "/" "Sent Mail"\r\n'
    )
    assert response.listing([], "é", utf8=False, response="LSUB") == b'* LSUB () "/" &AOk-\r\n'
    assert response.listing(
        ["\\NonExistent"], "a", utf8=True, extended=response.childinfo(["SUBSCRIBED"])
    ) == (b'* LIST (\\NonExistent) "/" a ("CHILDINFO" ("SUBSCRIBED"))\r\n')
    assert response.oldname("é", utf8=True) == b'("OLDNAME" ("\xc3\xa9"))'
    assert response.hierarchy(utf8=True) == b'* LIST (\\Noselect) "/" ""\r\n'
    assert response.mailbox_status("INBOX", {"MESSAGES": 2, "MAILBOXID": "(M1)"}, utf8=False) == (
        b"* STATUS INBOX (MESSAGES 2 MAILBOXID (M1))\r\n"
    )
    assert response.flags(["a"]) == b"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft a)\r\n"
    assert response.exists(3) + response.recent(0) == b"* 3 EXISTS\r\n* 0 RECENT\r\n"
    assert response.expunges((5, 3)) == b"* 5 EXPUNGE\r\n* 3 EXPUNGE\r\n"
    assert response.vanished([1, 2, 9]) == b"* VANISHED 1:2,9\r\n"
    assert response.vanished([1], earlier=True) == b"* VANISHED (EARLIER) 1\r\n"
    assert response.vanished([]) == b""
    assert response.capability(["IMAP4rev1"]) == b"* CAPABILITY IMAP4rev1\r\n"
    assert response.enabled([]) == b"* ENABLED\r\n"
    assert response.enabled(["CONDSTORE"]) == b"* ENABLED CONDSTORE\r\n"


def test_search_responses() -> None:
    assert response.search([]) == b"* SEARCH\r\n"
    assert response.search([2, 5], 917) == b"* SEARCH 2 5 (MODSEQ 917)\r\n"
    assert response.search([], 917) == b"* SEARCH\r\n"
    assert response.esearch(b"A282", {"MIN": 2, "COUNT": 3}, by_uid=False) == (
        b'* ESEARCH (TAG "A282") MIN 2 COUNT 3\r\n'
    )
    assert response.esearch(None, {"ALL": b"1:3"}, by_uid=True) == b"* ESEARCH UID ALL 1:3\r\n"


_rows = st.lists(
    st.tuples(
        st.integers(1, 30_000), st.integers(0, 31), st.integers(0, 2), st.integers(1, 1 << 62)
    ),
    max_size=8,
    unique_by=lambda row: row[0],
).map(sorted)


@given(_rows, st.integers(1, 20_000), st.booleans(), st.booleans(), st.booleans())
def test_many_flag_lines_are_as_one_by_one(
    rows: list[tuple[int, int, int, int]], first: int, uid: bool, modseq: bool, recents: bool
) -> None:
    sets = ((), ("work",), ("a b", "$Junk"))
    seqs = range(first, first + len(rows))
    recent = [range(100, 200), range(5_000, 20_000)] if recents else []
    expected = b""
    for number, (name, bits, kind, stamp) in zip(seqs, rows, strict=True):
        shown = bits | response.RECENT_BIT if any(name in part for part in recent) else bits
        expected += b"* %d FETCH (" % number
        expected += b"UID %d " % name if uid else b""
        expected += b"FLAGS (%b)" % response.flag_words(shown, sets[kind])
        expected += b" MODSEQ (%d)" % stamp if modseq else b""
        expected += b")\r\n"
    for numbers in (seqs, array("I", seqs)):
        assert expected == response.render_flags_lines(
            numbers,
            array("I", [row[0] for row in rows]),
            array("I", [row[1] for row in rows]),
            array("I", [row[2] for row in rows]),
            sets,
            uid=uid,
            modseqs=array("Q", [row[3] for row in rows]) if modseq else None,
            recent=recent,
        )


def test_flag_words() -> None:
    assert response.flag_words(0) == b""
    assert response.flag_words(1 | 8 | response.RECENT_BIT, ["x"]) == b"\\Deleted \\Seen \\Recent x"


def test_a_quoted_string_that_a_reader_refuses_is_never_made() -> None:
    with pytest.raises(SyntaxFault):
        as_client(b'"a\0b"')
    assert response.string(b"a\0b") == b"{3}\r\na\x80b"
