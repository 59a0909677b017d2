"""Attacks on the wire of submission: the S rows of the collected attacks that need no store.

What smuggling can look like is tried here without the collection too; paths, lines and limits are
in ``conformance/smtp``, slowness in ``test_server.py``, identity in ``tests/mail/test_policy.py``.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.smtp.fakes import Client, client

_FILE = (
    Path(__file__).resolve().parents[2].parent / "shared" / "corpus" / "attacks" / "attacks.jsonl"
)


def _rows() -> dict[str, dict[str, Any]]:
    if not _FILE.exists():
        return {}
    rows = map(json.loads, _FILE.read_text("utf-8").splitlines())
    return {row["id"]: row for row in rows if row["id"].startswith("S")}


_ROWS = _rows()
collected = pytest.mark.skipif(not _ROWS, reason="the collection of attacks is not here")


def octets(step: Any) -> bytes:
    if isinstance(step, str):
        return step.encode()
    text, times = step["repeat"]
    return bytes(text.encode() * times)


def play(name: str) -> tuple[Client, list[bytes]]:
    """The session after the attack, and every reply line to it."""
    row = _ROWS[name]
    speaker = client() if row["setup"] else Client()
    said = b""
    for step in row["send"]:
        if speaker.session.closing:
            break
        said += speaker.send(octets(step))
    return speaker, said.splitlines()


_ENDS = (
    *(b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\n.\r", b"\r.\n", b"\r.\r\n", b"\r\n.\r"),
    *(
        b"\r\n.\r\r\n",
        b"\r\r\n.\r\r\n",
        b"\n\n.\r\n",
        b"\r\n.\n\r\n",
        b"\r\n.\0\r\n",
        b"\r\n\0.\r\n",
    ),
    *(b"\r\n .\r\n", b"\r\n. \r\n", b"\r\n..\r\n", b"\x0b.\x0b", b"\x0c.\x0c", b"\x85.\x85"),
    *("\u2028.\u2028".encode(), b"\r\n\xef\xbb\xbf.\r\n"),
)
_SECOND = (
    b"MAIL FROM:<admin@shared.test>\r\nRCPT TO:<victim@ext.test>\r\nDATA\r\n"
    b"From: admin@shared.test\r\n\r\nsmuggled\r\n.\r\n"
)


@pytest.mark.parametrize("end", _ENDS)
@pytest.mark.parametrize("pieces", [1, 7, 4096])
def test_nothing_but_crlf_dot_crlf_ends_a_message(end: bytes, pieces: int) -> None:
    speaker = client()
    speaker.send(b"MAIL FROM:<inbox-a@shared.test>\r\nRCPT TO:<rcpt@ext.test>\r\nDATA\r\n")
    octets = b"From: inbox-a@shared.test\r\nSubject: t\r\n\r\nx" + end + _SECOND
    said = b"".join(
        speaker.send(octets[at : at + pieces]) for at in range(0, len(octets), pieces)
    ).splitlines()
    assert len(said) == 1
    if re.search(rb"\r(?!\n)|(?<!\r)\n|\0", end):
        assert said[0].startswith(b"550 5.6.11")
        assert speaker.desk.submitted == []
    else:
        assert said[0].startswith(b"250 2.0.0")
        ((envelope, message),) = speaker.desk.submitted
        assert [path.address for path in envelope.forward_paths] == ["rcpt@ext.test"]
        assert message.count(b"smuggled") == 1


@collected
@pytest.mark.parametrize("name", [name for name in _ROWS if name.startswith("S01.")])
def test_smuggling(name: str) -> None:
    speaker, said = play(name)
    assert [line[:3] for line in said[:3]] == [b"250", b"250", b"354"]
    body = octets(_ROWS[name]["send"][3])
    if re.search(rb"\r(?!\n)|(?<!\r)\n", body):
        assert said[3].startswith(b"550 5.6.11")
        assert speaker.desk.submitted == []
    else:
        assert said[3].startswith(b"250 2.0.0")
        assert speaker.desk.submitted[0][1].count(b"smuggled") == 1
        assert len(speaker.desk.submitted) == 1
    assert said[4:] == [b"221 2.0.0 Bye"]


_EXPECTED = {
    "S02.01": "500 5.5.2",
    "S02.02": "503 5.5.1",
    "S02.03": "500 5.5.2",
    "S02.04": "501 5.5.4",
    "S02.05": "501 5.5.4",
    "S05.01": "553 5.7.1",
    "S06.02": "250 2.1.0|250 2.1.5",
    "S06.04": "250 2.1.0|250 2.1.5",
    "S06.05": "250 2.1.0|250 2.1.5",
    "S06.06": "250 2.1.0|501 5.1.3",
    "S06.07": "250 2.1.0|501 5.1.3",
    "S06.08": "250 2.1.0|501 5.1.3",
    "S06.11": "250 2.1.0|501 5.1.3",
    "S06.12": "250 2.1.0|501 5.1.3",
    "S06.13": "250 2.1.0|501 5.5.4",
    "S06.14": "250 2.1.0|501 5.1.3",
    "S06.15": "250 2.1.0|250 2.1.5",
    "S06.16": "250 2.1.0|250 2.1.5",
    "S06.17": "250 2.1.0|553 5.6.7",
    "S06.19": "250 2.1.0|553 5.6.7",
    "S06.20": "250 2.1.0|501 5.1.3",
    "S06.21": "250 2.1.0|501 5.1.3",
    "S06.22": "250 2.1.0|250 2.1.5",
    "S06.23": "250 2.1.0|501 5.1.3",
    "S07.01": "552 5.3.4",
    "S07.07": "250 2.1.0|250 2.1.5|354|550 5.6.11",
    "S04.01": "250 2.1.0|250 2.1.5|501 5.5.4|503 5.5.1",
    "S04.02": "250 2.1.0|250 2.1.5|354|550 5.6.0|503 5.5.1|503 5.5.1",
    "S04.03": "250 2.1.0|250 2.1.5|252|354",
    "S04.05": "334|501|334|501 5.5.2",
}


@collected
@pytest.mark.parametrize("name", sorted(_EXPECTED))
def test_answers(name: str) -> None:
    speaker, said = play(name)
    wanted = _EXPECTED[name].split("|")
    assert [line.decode().startswith(start) for line, start in zip(said, wanted, strict=True)] == [
        True
    ] * len(wanted), said
    assert not speaker.session.closing
    assert b"xxxxxxxxxx" not in b"".join(said)


@collected
def test_commands_behind_data_are_data() -> None:
    speaker, said = play("S02.06")
    assert said[-1].startswith(b"354")
    assert speaker.session.receiving_data
    assert not speaker.session.closing


def test_bare_lf_in_a_burst() -> None:
    speaker = Client()
    said = speaker.send(b"EHLO x\nMAIL FROM:<a@b>\nRCPT TO:<c@d>\n").splitlines()
    assert [line[:3] for line in said] == [b"500", b"421"]
    assert speaker.session.closing


def test_line_without_end() -> None:
    speaker = Client()
    said = b""
    for _ in range(17):
        if not speaker.session.closing:
            said += speaker.send(b"A" * 65_536)
    assert [line[:3] for line in said.splitlines()] == [b"500", b"421"]
    assert speaker.session.closing


@collected
@pytest.mark.parametrize("name", ["S04.04", "S04.06"])
def test_junk_has_an_end(name: str) -> None:
    row = _ROWS[name]
    assert row["proto"] == "smtp"
    speaker = Client()
    said = speaker.send(octets(row["send"][0])[:200_000]).splitlines()
    if name == "S04.06":
        said += [] if speaker.session.closing else speaker.send(b"RSET\r\n").splitlines()
    assert said[-1].startswith(b"421 4.7.0")
    assert speaker.session.closing
    assert len(said) <= 101


@collected
def test_too_many_recipients_keep_the_earlier_ones() -> None:
    speaker, said = play("S07.06")
    assert [line[:9] for line in said[1:51]] == [b"250 2.1.5"] * 50
    assert {line[:9] for line in said[51:]} == {b"452 4.5.3"}
    assert len(said) == 2001
    assert speaker.say("DATA").startswith("354")
    assert speaker.say("x\r\n.").startswith("250")
    assert len(speaker.desk.submitted[0][0].forward_paths) == 50


@pytest.mark.parametrize("size", ["-1", "1_0", "１"])
def test_sizes_that_are_none(size: str) -> None:
    assert client().say(f"MAIL FROM:<inbox-a@shared.test> SIZE={size}").startswith("501")
