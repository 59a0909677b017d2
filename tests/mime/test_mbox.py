"""mbox: whatever octets messages have, a reader has them back (R7)."""

from __future__ import annotations

import mailbox
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentpost.mime import mbox

MOMENT = datetime(2026, 3, 8, 14, 30, tzinfo=UTC)
TEXT = st.lists(
    st.sampled_from([b"From ", b">", b">>From x", b"From: a", b"\r\n", b"\n", b"\r", b"x", b"\0"])
    | st.binary(max_size=5),
    max_size=12,
).map(b"".join)


def read(file: bytes) -> list[bytes]:
    """What a reader of mboxrd makes of a file."""
    parts = re.split(rb"^From [^\n]*\n", file, flags=re.MULTILINE)
    assert parts[0] == b""
    for part in parts[1:]:
        assert part.endswith(b"\n")
    return [re.sub(rb"^>(>*From )", rb"\1", part[:-1], flags=re.MULTILINE) for part in parts[1:]]


@given(st.lists(TEXT, max_size=5))
@example([b"From here on\r\n>From there\r\n>>From", b"", b"\n", b"From "])
def test_messages_come_back_octet_for_octet(messages: list[bytes]) -> None:
    file = b"".join(mbox.entry(each, "ada@example.org", MOMENT) for each in messages)
    assert read(file) == messages


@given(st.none() | st.text())
def test_the_line_before_a_message_is_one_line(sender: str | None) -> None:
    line = mbox.from_line(sender, MOMENT)
    assert re.fullmatch(rb"From [\x21-\x7e]+ Sun Mar  8 14:30:00 2026\n", line)


@pytest.mark.parametrize("sender", [None, "two words", "a\nFrom b", "ä@example.org", ""])
def test_what_does_not_fit_into_the_line_is_left_out(sender: str | None) -> None:
    assert mbox.from_line(sender, MOMENT).startswith(b"From MAILER-DAEMON ")


def test_a_reader_of_the_standard_library_finds_the_messages(tmp_path: Path) -> None:
    first = b"Subject: one\r\n\r\nFrom me\r\n"
    second = b"Subject: two\r\n\r\n"
    path = tmp_path / "mail.mbox"
    path.write_bytes(mbox.entry(first, "a@b", MOMENT) + mbox.entry(second, None, MOMENT))
    found = mailbox.mbox(path, create=False)
    assert [each["Subject"] for each in found.values()] == ["one", "two"]
    found.close()
