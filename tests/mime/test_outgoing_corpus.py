"""What leaves this server, for every message there is: fit for SMTP, private nowhere, known."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from agentpost.mime.header import header_end
from agentpost.mime.outgoing import line_ends, outgoing
from tests.corpus.samples import samples

_WHEN = datetime(2026, 3, 8, 14, 30, tzinfo=UTC)
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_SECRET = re.compile(
    rb"^(?:(?:resent-)?bcc|x-agentpost-[^:]*|x-ses-[^:]*)[ \t]*:", re.IGNORECASE | re.MULTILINE
)


def _header(octets: bytes) -> bytes:
    end = header_end(octets, 0, len(octets))
    return octets if end is None else octets[:end]


def _count(name: bytes, header: bytes) -> int:
    return len(re.findall(rb"^" + name + rb"[ \t]*:", header, re.IGNORECASE | re.MULTILINE))


@pytest.mark.slow
@pytest.mark.proves("R46")
def test_every_message_leaves_fit_for_smtp_and_without_what_is_private() -> None:
    for sample in samples():
        left = outgoing(sample.octets, message_id="own@own.example", date=_WHEN)
        assert _BARE.search(left) is None, sample.name
        before, after = _header(line_ends(sample.octets)), _header(left)
        assert _SECRET.search(after) is None, sample.name
        for name in (b"message-id", b"date"):
            # Added when it is missing, and never a second time.
            assert _count(name, after) == max(_count(name, before), 1), (sample.name, name)
        # The body goes out as it came, but for line ends.
        assert left.endswith(line_ends(sample.octets)[len(before) :]), sample.name
        assert outgoing(left, message_id="own@own.example", date=_WHEN) is left, sample.name
