"""The collected mail: nothing raises, everything is where it is said to be, within bounds."""

from __future__ import annotations

import email
import time
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest

from agentpost.mime.body import attachments, best_html, best_text, walk
from agentpost.mime.header import select_fields
from agentpost.mime.scan import Part, scan, unpack
from agentpost.mime.sections import find_part, section
from agentpost.mime.structure import envelope
from agentpost.mime.summary import summarise
from tests.mime.test_scan import check
from tests.mime.test_structure import check_body, read
from tests.mime.test_summary import check as check_summary


def messages(corpus: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(corpus.rglob("*.eml")):
        yield path.name, path.read_bytes()


@pytest.mark.slow
def test_every_message_is_scanned_rendered_and_summarised(corpus: Path) -> None:
    for name, octets in messages(corpus):
        part = scan(octets)
        check(part, octets)
        begun = time.process_time()
        summary = summarise(octets)
        spent = time.process_time() - begun
        assert spent < 0.25 + len(octets) / 5_000_000, (name, spent)
        assert unpack(summary.parts) == part
        for written in (summary.body, summary.bodystructure):
            value = read(written)
            assert isinstance(value, list)
            check_body(value[0])
        enveloped = read(summary.envelope)
        assert isinstance(enveloped, list)
        assert isinstance(enveloped[0], list)
        assert len(enveloped[0]) == 10
        check_summary(octets)


@pytest.mark.slow
def test_every_section_of_every_message(corpus: Path) -> None:
    for name, octets in messages(corpus):
        part = scan(octets)
        header, text = section(octets, part, (), "HEADER"), section(octets, part, (), "TEXT")
        assert header is not None
        assert text is not None
        assert header + text == octets, name
        everything = select_fields(octets, 0, part.header_end, (), exclude=True)
        assert everything == header, name
        for one, number, _ in walk(part):
            if number and not one.is_multipart:
                path = [int(n) for n in number.split(".")]
                assert find_part(part, path) is one, (name, number)
                assert section(octets, part, path) == one.body(octets)
                if one.is_message:
                    envelope(octets, one.children[0])


@pytest.mark.slow
def test_the_text_and_files_of_every_message(corpus: Path) -> None:
    for name, octets in messages(corpus):
        part = scan(octets)
        begun = time.process_time()
        for text in (best_text(part, octets), best_html(part, octets)):
            (text or "").encode()
            assert "\0" not in (text or "")
        for one in attachments(part, octets):
            assert one.size >= 0
        spent = time.process_time() - begun
        assert spent < 0.6 + len(octets) / 2_000_000, (name, spent)


def _shape(message: Message) -> list[str]:
    kind = message.get_content_type()
    below: list[str] = []
    payload = message.get_payload()
    if isinstance(payload, list) and kind.startswith(("multipart/", "message/rfc822")):
        below = [line for one in payload if isinstance(one, Message) for line in _shape(one)]
    return [kind, *below]


def _our_shape(part: Part) -> list[str]:
    return [part.type.decode("latin-1"), *(x for one in part.children for x in _our_shape(one))]


@pytest.mark.slow
def test_python_sees_the_same_parts_in_nearly_all_mail(corpus: Path) -> None:
    """Python takes a bare CR for a line end and stops a header at the first odd line."""
    alike = total = 0
    for _, octets in messages(corpus):
        total += 1
        alike += _shape(email.message_from_bytes(octets)) == _our_shape(scan(octets))
    assert alike / total > 0.95
