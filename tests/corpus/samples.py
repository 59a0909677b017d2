"""The mail that goes round: what was collected, when it is here, and what is generated always."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.mailgen import HOSTILE, REALISTIC, hostile, on_the_wire, realistic

COLLECTED = Path(__file__).resolve().parents[3] / "shared" / "corpus"
_SEEDS = 3
_MBOX_LINE = re.compile(rb"\A>?From [^\r]*\r\n")
"""What files of mail put before a message; no client sends it."""
_IDENTITY = re.compile(
    rb"^(?:from|sender|resent-from|resent-sender)[ \t]*:.*\r\n(?:[ \t].*\r\n)*",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One message, its octets as they were found."""

    name: str
    octets: bytes


def samples() -> list[Sample]:
    """Everything there is, each with a name of its own."""
    return [*_generated(), *_collected()]


def _collected() -> Iterator[Sample]:
    if COLLECTED.is_dir():
        for path in sorted(COLLECTED.rglob("*.eml")):
            yield Sample(str(path.relative_to(COLLECTED)), path.read_bytes())


def _generated() -> Iterator[Sample]:
    for seed in range(_SEEDS):
        for kind in REALISTIC:
            yield Sample(f"realistic/{kind}/{seed}", realistic(seed, kind=kind))
        for kind in HOSTILE:
            yield Sample(f"hostile/{kind}/{seed}", hostile(seed, kind=kind))


def submittable(sample: Sample, sender: str) -> bytes:
    """The sample as its owner could submit it: wire form, one From field and that its own."""
    octets = _MBOX_LINE.sub(b"", on_the_wire(sample.octets))
    header, end, body = octets.partition(b"\r\n\r\n")
    if octets.startswith(b"\r\n"):
        header, end, body = b"", b"\r\n\r\n", octets[2:]
    kept = b""
    if header:
        kept = _IDENTITY.sub(b"", header.removesuffix(b"\r\n") + b"\r\n")
    # Last: a message may begin with a folded line, which would make it a part of the field.
    return kept + b"From: <" + sender.encode() + b">\r\n" + end[2:] + body
